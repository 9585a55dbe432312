"""inspect, cost, prune, train, evaluate: what they print and write is what the library says."""

from __future__ import annotations

import json
import shutil
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from trimcap.data.arrays.npz import read_npz
from trimcap.graph.save import load, save
from trimcap.program.cost import cost, deployed_cost
from trimcap.prune.choose.keep import keep_top
from trimcap.prune.plan import Plan
from trimcap.prune.saliency.by_weights import d_score, l1
from trimcap.prune.saliency.scores import Scores
from trimcap.prune.shrink import shrink
from trimcap.train.metrics import evaluate, per_subject
from trimcap.train.predict import probabilities


def same_weights(a, b):
    return a.tensors.keys() == b.tensors.keys() and all(torch.equal(a.tensors[n], b.tensors[n]) for n in a.tensors)


def test_inspect_names_axes_and_says_why_some_are_frozen(call, world):
    network = load(world / "net")
    found = call("inspect", world / "net", "--json", ok=True).json
    assert [a["name"] for a in found["axes"]] == list(network.axes)
    assert {a["name"]: a["frozen"] for a in found["axes"]} == {a.name: a.frozen for a in network.axes.values()}
    assert next(a for a in found["axes"] if a["name"] == "electrodes")["size"] == 5
    assert found["channels"] == ["Fp1", "C3", "C4", "O1", "O2"]
    assert [step["verb"] for step in found["history"]] == ["train"]
    text = call("inspect", world / "net", ok=True).out
    assert "times of the input" in text
    assert "has norm ≤ 1" in text
    assert "made by: train" in text


def test_inspect_a_model_by_name(call):
    words = ("inspect", "eegnet", "--shape", "3x64", "--classes", 4, "--option", "F1=2", "--option", "kernel=8")
    found = call(*words, "--channels", "C3, Cz,C4", "--json", ok=True).json
    assert (found["input"], found["classes"], found["channels"]) == ([3, 64], 4, ["C3", "Cz", "C4"])
    # F1·kernel + 2·F1 + G·n_channels + 2·G + G·16 + G·F2 + 2·F2 + (F2·T' + 1)·n_classes, F1 = 2, G = 4, F2 = 16, T' = 2
    assert found["parameters"] == 2 * 8 + 4 + 4 * 3 + 8 + 4 * 16 + 4 * 16 + 32 + (16 * 2 + 1) * 4


@pytest.mark.parametrize("bits", [32, 8])
def test_cost_is_that_of_the_library(call, world, bits):
    found = call("cost", world / "net", "--bits", bits, "--json", ok=True).json
    exported = found.pop("exported")
    assert found == json.loads(json.dumps(cost(load(world / "net"), bits=bits).to_dict()))
    deployed = deployed_cost(load(world / "net"), bits=bits)
    assert (exported["macs"], exported["sram_bytes"]) == (deployed.macs, deployed.sram_bytes)
    out = call("cost", world / "net", "--bits", bits, ok=True).out
    assert f"{deployed.sram_bytes:,}" in out
    assert "as exported" in out


def test_cost_rewrite_shows_before_and_after_and_saves(call, world, tmp_path):
    found = call("cost", world / "net", "--rewrite", "--out", tmp_path / "r", "--json", ok=True).json
    small = load(tmp_path / "r")
    assert found["after"]["macs"] == cost(small).macs < found["before"]["macs"] == cost(load(world / "net")).macs
    x = torch.from_numpy(read_npz(world / "w.npz").X)
    assert torch.allclose(load(world / "net")(x), small(x), atol=1e-5)
    assert "MACs" in call("cost", world / "net", "--rewrite", ok=True).out


@pytest.mark.parametrize("sparsity", [0.25, 0.5])
def test_prune_is_that_of_the_library_and_writes_the_plan(call, world, tmp_path, sparsity):
    words = ("prune", world / "net", "--saliency", "d_score", "--sparsity", sparsity, "--out", tmp_path / "p")
    found = call(*words, "--json", ok=True).json
    network = load(world / "net")
    plan = keep_top(network, d_score(network), sparsity)
    assert Plan.load(tmp_path / "p" / "plan.json").keep == plan.keep
    assert same_weights(load(tmp_path / "p"), shrink(network, plan))
    assert found["axes"] == plan.table()
    assert found["after"]["parameters"] == load(tmp_path / "p").n_parameters < found["before"]["parameters"]


def test_axis_names_survive_saving(world, tmp_path):
    # a plan names axes: if they depended on the order in which a file gives tensors back, it would fit by chance
    network = load(world / "net")
    for _ in range(5):
        again = load(save(network, tmp_path / "n"))
        assert list(again.tensors) == list(network.tensors)
        assert list(again.axes) == list(network.axes)


def test_prune_within_a_budget(call, world, tmp_path):
    limit = deployed_cost(load(world / "net")).flash_bytes * 2 // 3
    found = call("prune", world / "net", "--flash", f"{limit}B", "--out", tmp_path / "p", "--json", ok=True).json
    small = deployed_cost(load(tmp_path / "p"))
    assert small.flash_bytes <= limit
    # the numbers shown are those that the budget is about, after exact rewrites
    assert found["after"]["sram_bytes"] == small.sram_bytes < cost(load(tmp_path / "p"), bits=8).sram_bytes
    assert found["before"]["sram_bytes"] == deployed_cost(load(world / "net")).sram_bytes
    assert "as exported" in found["counted"]


def test_prune_electrodes_then_the_windows_follow(call, world, tmp_path):
    out = tmp_path / "p"
    words = ("--electrodes", "O2,C3", "--sparsity", 0.5)
    call("prune", world / "net", *words, "--out", out, ok=True)
    small = load(out)
    assert small.channels == ("C3", "O2")
    assert cost(small).parameters < cost(load(world / "net")).parameters
    found = call("evaluate", out, "--data", world / "w.npz", "--json", ok=True).json
    windows = read_npz(world / "w.npz")
    p = probabilities(small.module(), windows.X[:, [1, 4]])
    assert found["overall"]["accuracy"] == evaluate(windows.y, p, windows.classes).accuracy


def test_prune_best_electrodes_by_a_saliency_of_ones_own(call, world, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    words = ("--electrodes", 2, "--saliency", "test_cli_networks:last_best")
    found = call("prune", world / "net", *words, "--out", tmp_path / "p", "--json", ok=True).json
    assert found["electrodes"] == ["O1", "O2"]


def last_best(network, *, axes=None):
    known = l1(network, axes=axes).values
    return Scores({name: np.arange(len(v), dtype=float) for name, v in known.items()}, "last best")


def test_prune_axis_and_random_seed(call, world, tmp_path):
    axis = load(world / "net").axes.hidden[-1].name
    kept = []
    for number, seed in enumerate((1, 1, 2)):
        out = tmp_path / str(number)
        words = ("--sparsity", 0.5, "--saliency", "random", "--seed", seed, "--axis", axis)
        call("prune", world / "net", *words, "--out", out, ok=True)
        plan = Plan.load(out / "plan.json")
        assert list(plan.keep) == [axis]
        kept.append(plan.keep[axis])
    assert kept[0] == kept[1] != kept[2]


TRAIN = ("--epochs", 2, "--option", "F1=2", "--option", "kernel=8", "--seed", 3, "--valid", 0.5)


def test_train_saves_network_and_history_and_holds_subjects_out(call, world, tmp_path):
    out = tmp_path / "n"
    words = ("train", "eegnet", "--data", world / "w.npz", "--out", out, *TRAIN, "--hold-out", "S01")
    found = call(*words, "--json", ok=True).json
    parts = [set(found[part]["subjects"]) for part in ("training", "validation")]
    assert parts[0] | parts[1] == {"S00", "S02", "S03"}
    assert not parts[0] & parts[1]
    history = pd.read_csv(out / "history.csv")
    assert history.epoch.tolist() == [1, 2]
    assert load(out).channels == read_npz(world / "w.npz").channels
    # again: finished already, the same network; longer: another training, which it says
    before = load(out)
    call(*words, ok=True)
    assert same_weights(before, load(out))
    other = call(*words, "--epochs", 3)
    assert other.code == 2
    assert "(train), made otherwise: epochs was 2, now 3; choose another --out, or pass --force" in other.err
    assert len(pd.read_csv(out / "history.csv")) == 2
    call(*words, "--epochs", 3, "--force", ok=True)
    assert len(pd.read_csv(out / "history.csv")) == 3


def test_interrupted_training_gives_the_same_network(call, world, tmp_path, monkeypatch):
    module = import_module("trimcap.train.fit")  # the package has a function of that name
    words = ("train", "eegnet", "--data", world / "w.npz", *TRAIN, "--out")
    call(*words, tmp_path / "whole", ok=True)
    original, count = module.train_epoch, 0

    def once(*args):
        nonlocal count
        count += 1
        if count > 1:
            raise OSError("power cut")
        original(*args)

    monkeypatch.setattr(module, "train_epoch", once)
    assert call(*words, tmp_path / "cut").code == 1
    assert not (tmp_path / "cut" / "network.json").exists()
    monkeypatch.setattr(module, "train_epoch", original)
    call(*words, tmp_path / "cut", ok=True)
    assert same_weights(load(tmp_path / "whole"), load(tmp_path / "cut"))


def test_fine_tuning_keeps_the_earlier_hold_out(call, world, tmp_path):
    call("prune", world / "net", "--sparsity", 0.5, "--out", tmp_path / "p", ok=True)
    words = ("train", tmp_path / "p", "--data", world / "w.npz", "--epochs", 1, "--valid", 0.34)
    found = call(*words, "--out", tmp_path / "f", "--json", ok=True).json
    assert found["held_out"] == ["S03"]
    assert load(tmp_path / "f").n_parameters == load(tmp_path / "p").n_parameters
    assert not same_weights(load(tmp_path / "f"), load(tmp_path / "p"))
    history = json.loads((tmp_path / "f" / "trimcap.json").read_text())["steps"]
    assert [step["verb"] for step in history] == ["train", "prune", "train"]
    everyone = call(*words, "--hold-out", "", "--out", tmp_path / "g", "--json", ok=True).json
    assert everyone["held_out"] == []


def test_evaluate_is_that_of_the_library_and_says_what_is_no_test(call, world):
    windows = read_npz(world / "w.npz")
    p = probabilities(load(world / "net").module(), windows)
    found = call("evaluate", world / "net", "--data", world / "w.npz", "--json", ok=True).json
    assert found["overall"]["accuracy"] == evaluate(windows.y, p, windows.classes).accuracy
    assert [s["accuracy"] for s in found["subjects"]] == per_subject(windows, p).accuracy.tolist()
    assert len(found["notes"]) == 1
    steps = json.loads((world / "net" / "trimcap.json").read_text())["steps"]
    fit, chosen = (steps[0]["saw"][stage] for stage in ("fit", "early stopping"))
    said = {f"{', '.join(fit)} (fit)", f"{', '.join(chosen)} (early stopping)"}
    before, _, rest = found["notes"][0].partition(" were used before: ")
    assert before == "not a test: 3 of 4 subjects"
    assert set(rest.removesuffix("; 'held out' are the others").split("; ")) == said
    own = (windows.metadata.subject == "S03").to_numpy()
    assert found["held_out"]["accuracy"] == evaluate(windows.y[own], p[own], windows.classes).accuracy
    assert (found["held_out"]["subjects"], found["held_out"]["n"]) == (["S03"], own.sum())
    text = call("evaluate", world / "net", "--data", world / "w.npz", ok=True).out
    assert text.splitlines()[1].startswith(f"held out (S03): accuracy {found['held_out']['accuracy']:.3f}, balanced")
    assert text.index("held out ") < text.index("\n all ")
    honest = call("evaluate", world / "net", "--data", world / "w.npz", "--subjects", "S03", "--json", ok=True).json
    assert honest["notes"] == []
    assert honest["held_out"] is None  # there are no others
    assert honest["overall"]["accuracy"] == found["held_out"]["accuracy"]
    seen = call("evaluate", world / "net", "--data", world / "w.npz", "--subjects", fit[0], ok=True).out
    assert f"not a test: 1 of 1 subject was used before: {fit[0]} (fit); choose others with --subjects" in seen
    assert "held out" not in seen
    assert [s["subject"] for s in honest["subjects"]] == ["S03"]


def test_damaged_history_is_said(call, world, tmp_path):
    shutil.copytree(world / "net", tmp_path / "n")
    (tmp_path / "n" / "trimcap.json").write_text("{")
    assert "is damaged" in call("inspect", tmp_path / "n").err
