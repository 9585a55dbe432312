"""`trimcap sensitivity`, and the plan that `trimcap prune --plan` takes from it."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from trimcap.cli.verbs.sensitivity import _at_chance
from trimcap.data.arrays.npz import read_npz
from trimcap.graph.save import load, save
from trimcap.prune.choose.sensitivity import sensitivity
from trimcap.prune.saliency.by_weights import l1
from trimcap.train.predict import predict


def test_table_and_json_are_the_analysis(call, world):
    """On the validation subjects of the training, by ℓ1, as the function measures it."""
    ended = call("sensitivity", world / "net", "--data", world / "w.npz", "--metric", "loss", "--json", ok=True).json
    windows, network = read_npz(world / "w.npz"), load(world / "net")
    saw = json.loads((world / "net" / "trimcap.json").read_text())["steps"][0]["saw"]
    assert ended["subjects"] == saw["early stopping"]
    own = windows.take(windows.metadata.subject.isin(ended["subjects"]).to_numpy())
    found = sensitivity(network, l1(network), own, metric="loss")
    assert ended["baseline"] == pytest.approx(found.baseline, rel=1e-6)
    for name, curve in found.curves.items():
        np.testing.assert_allclose(ended["axes"][name]["values"], curve.values, rtol=1e-5)
    text = call("sensitivity", world / "net", "--data", world / "w.npz", "--axis", "model.temporal", ok=True).out
    assert "model.temporal" in text
    assert "model.separable_point" not in text


def test_the_plan_prunes(call, world, tmp_path):
    """--target writes plan.json; `prune --plan` makes the network whose metric the analysis names."""
    out, small = tmp_path / "sens", tmp_path / "small"
    words = ("sensitivity", world / "net", "--data", world / "w.npz", "--metric", "loss", "--drop", 0.2)
    found = call(*words, "--out", out, "--no-filters", "--json", ok=True).json
    assert {"plan.json", "sensitivity.json", "sensitivity.csv", "sensitivity.png", "sensitivity.svg"} <= {
        path.name for path in out.iterdir()
    }
    pruned = call("prune", world / "net", "--plan", out / "plan.json", "--out", small, "--json", ok=True).json
    kept = {row["axis"]: row["after"] for row in pruned["axes"]}
    assert kept == {row["axis"]: row["after"] for row in found["plan"]}
    windows = read_npz(world / "w.npz")
    own = windows.take(windows.metadata.subject.isin(found["subjects"]).to_numpy())
    logits = predict(load(small).module(), own).astype(np.float64)
    logits -= np.log(np.exp(logits).sum(1, keepdims=True))
    assert found["together"] == pytest.approx(-logits[np.arange(len(own)), own.y].mean(), rel=1e-4)
    saw = json.loads((small / "trimcap.json").read_text())["steps"][-1]["saw"]
    assert saw["sensitivity"] == found["subjects"]
    noted = call("evaluate", small, "--data", world / "w.npz", ok=True).out
    assert "(early stopping, sensitivity)" in noted


def test_figures_of_filters(call, world, tmp_path):
    call(
        "sensitivity", world / "net", "--data", world / "w.npz", "--target", 0.01, "--look", "d_score", "--steps", 3,
        "--out", tmp_path / "s", ok=True,
    )  # fmt: skip
    names = {path.name for path in (tmp_path / "s").iterdir()}
    assert {"eeg_filters-model.temporal.png", "maps-model.temporal.svg", "signs-model.separable_point.png"} <= names


def test_no_plan_is_a_failure_that_says_why(call, world, tmp_path):
    words = ("sensitivity", world / "net", "--data", world / "w.npz", "--metric", "loss", "--target", 0.0)
    ended = call(*words, "--out", tmp_path / "s", "--no-filters")
    assert ended.code == 1
    assert "no axis can lose a slice" in ended.err
    assert "Lower the target" in ended.err
    assert (tmp_path / "s" / "sensitivity.csv").is_file()
    assert not (tmp_path / "s" / "plan.json").exists()


def test_training_windows_are_noted(call, world):
    text = call("sensitivity", world / "net", "--data", world / "w.npz", "--subjects", "S00,S01,S02", ok=True).out
    assert "was trained on windows of" in text


def test_cumulative(call, world):
    words = ("sensitivity", world / "net", "--data", world / "w.npz", "--mode", "cumulative", "--saliency", "d_score")
    assert call(*words, "--json", ok=True).json["mode"] == "cumulative"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--target", 75), "0 < target ≤ 1, got 75; 90 % is 0.9"),
        (("--target", 0.7, "--drop", 0.1), "not both"),
        (("--drop", -1), "0 or more"),
        (("--metric", "acc"), "unknown metric 'acc'"),
        (("--mode", "cumulatve"), "did you mean 'cumulative'"),
        (("--look", "dscore"), "did you mean 'd_score'"),
        (("--axis", "tmporal"), "did you mean 'model.temporal'"),
        (("--saliency", "l3"), "unknown saliency 'l3'"),
        (("--subjects", "S09"), "unknown subject 'S09'"),
    ],
)
def test_wrong_words(call, world, words, message):
    ended = call("sensitivity", world / "net", "--data", world / "w.npz", *words)
    assert ended.code == 2
    assert message in ended.err


def test_plan_of_prune_is_checked(call, world, tmp_path):
    ended = call("prune", world / "net", "--plan", tmp_path / "plan.json", "--out", tmp_path / "o")
    assert ended.code == 2
    assert "trimcap sensitivity" in ended.err
    (tmp_path / "plan.json").write_text('{"keep": {"model.temporal": [0]}, "sizes": {"model.temporal": 99}}')
    ended = call("prune", world / "net", "--plan", tmp_path / "plan.json", "--sparsity", 0.5, "--out", tmp_path / "o")
    assert ended.code == 2
    assert "says already what stays" in ended.err
    ended = call("prune", world / "net", "--plan", tmp_path / "plan.json", "--out", tmp_path / "o")
    assert ended.code == 1
    assert "for another network" in ended.err


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy"])
def test_a_network_that_has_learned_nothing_is_called_so(call, world, tmp_path, metric):
    network = load(world / "net")
    tensors = dict(network.tensors) | {n: torch.zeros_like(network.tensors[n]) for n in network.trainable}
    save(network.with_tensors(tensors), tmp_path / "dull")
    words = ("--data", world / "w.npz", "--subjects", "S00", "--axis", "conv", "--metric", metric)
    said = "what a network that has learned nothing may lose says nothing"
    assert said in " ".join(call("sensitivity", tmp_path / "dull", *words, ok=True).out.split())
    windows = read_npz(world / "w.npz")
    for better, expected in ((0.5, True), (0.52, False)):
        found = SimpleNamespace(metric=metric, baseline=better)
        assert (said in _at_chance(found, windows.take(windows.metadata.subject == "S00"))) == expected
    assert _at_chance(SimpleNamespace(metric="loss", baseline=0.0), windows) == ""
