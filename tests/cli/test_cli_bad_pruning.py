"""Bad input of pruning, as it is typed: every message says what, where, why and what to do now."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from torch import nn

from trimcap.graph.save import load, save
from trimcap.graph.trace.trace import trace
from trimcap.prune.choose.keep import keep_top
from trimcap.prune.saliency.by_weights import l1
from trimcap.prune.saliency.scores import Scores


class Unprunable(nn.Module):
    """Sorted electrodes, and nothing in between: no axis can go."""

    def forward(self, x):
        return x.sort(1)[0][:, 0, :2]


class OnlyElectrodes(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(5 * 64, 2)

    def forward(self, x):
        return self.head(x.flatten(1))


def _scores(network, value):
    return {axis.name: value(axis.size) for axis in network.axes.hidden}


def nan(network, *, axes=None):
    return Scores(_scores(network, lambda n: np.r_[np.nan, np.ones(n - 1)]), "nan")


def infinite(network, *, axes=None):
    return Scores(_scores(network, lambda n: np.full(n, np.inf)), "infinite")


def too_few(network, *, axes=None):
    return Scores(_scores(network, lambda n: np.ones(n - 1)), "too few")


def two_each(network, *, axes=None):
    return Scores(_scores(network, lambda n: np.ones((n, 2))), "two each")


def words(network, *, axes=None):
    return Scores(_scores(network, lambda n: np.array(["a"] * n)), "words")


def none(network, *, axes=None):
    return Scores({}, "none")


def broken(network, *, axes=None):
    raise RuntimeError("no such file")


def deaf(network, *, axes=None):
    return l1(network)


@pytest.fixture(scope="module")
def place(world, tmp_path_factory):
    here = tmp_path_factory.mktemp("bad") / "in"
    shutil.copytree(world, here)
    network = load(here / "net")
    broken_weights = {n: t * float("nan") if n == "model.temporal.weight" else t for n, t in network.tensors.items()}
    save(network.with_tensors(broken_weights), here / "nan")
    save(trace(Unprunable(), torch.randn(2, 5, 64)), here / "unprunable")
    save(trace(OnlyElectrodes(), torch.randn(2, 5, 64)), here / "only")
    plan = keep_top(network, l1(network), 0.5)
    plan.save(here / "plan.json")
    content = json.loads((here / "plan.json").read_text())

    def spoil(name, keep=None, sizes=None):
        changed = {"keep": {**content["keep"], **(keep or {})}, "sizes": {**content["sizes"], **(sizes or {})}}
        (here / name).write_text(json.dumps({**content, **changed}))

    spoil("sizes.json", sizes={"model.temporal": 9})
    spoil("axis.json", keep={"model.tempral": [0]}, sizes={"model.tempral": 2})
    spoil("frozen.json", keep={"times": [0]}, sizes={"times": 64})
    spoil("empty.json", keep={"model.temporal": []})
    spoil("range.json", keep={"model.temporal": [0, 44]})
    spoil("text.json", keep={"model.temporal": "01"})
    spoil("half.json", keep={"model.temporal": [0.5]})
    spoil("all.json", keep={n: list(range(size)) for n, size in content["sizes"].items()})
    (here / "keepless.json").write_text("[1]")
    (here / "requested.json").write_text(json.dumps({**content, "requested": {"model.temporal": "half"}}))
    (here / "sizeless.json").write_text(json.dumps({**content, "sizes": {}}))
    (here / "torn.json").write_text(json.dumps(content)[:40])
    return here


OWN = "--sparsity 0.5 --saliency test_cli_bad_pruning:"
CASES = [
    # scores
    (f"prune net {OWN}nan", 1, r"scores of axis 'model.temporal' are not finite at slices [0]; are there NaN weights"),
    (f"prune net {OWN}infinite", 1, "are not finite at slices [0, 1, 2, 3]"),
    (f"prune net {OWN}too_few", 1, "axis 'model.temporal' has 3 scores and 4 slices"),
    (f"prune net {OWN}two_each", 1, "have shape (4, 2); give one number per slice, higher = keep in saliency"),
    (f"prune net {OWN}words", 1, "are no numbers"),
    (f"prune net {OWN}none", 1, "scores no axis; it must give every axis of `axes`, or all hidden ones"),
    (f"prune net {OWN}broken", 1, "no such file in saliency 'test_cli_bad_pruning:broken'"),
    (f"prune net {OWN}gone", 2, "has no 'gone'"),
    ("prune nan --sparsity 0.5", 1, "the scores of axis 'model.temporal' are not finite at slices [0, 1, 2, 3]"),
    (
        "prune nan --sparsity 0.5 --saliency random", 1,
        "has weights that are not finite (model.temporal.weight), so that nothing can be compared",
    ),
    ("sensitivity nan --data w.npz", 1, "are there NaN weights in the network"),
    # names
    ("sensitivity net --data w.npz --saliency l3", 2, "unknown saliency 'l3'; did you mean 'l2'"),
    ("sensitivity net --data w.npz --axis model.tempral", 2, "unknown axis 'model.tempral'; did you mean 'model.temp"),
    ("criteria net --data w.npz --axis model.tempral", 2, "did you mean 'model.temporal'"),
    ("prune net --sparsity 0.5 --axis recurrent", 2, "made by a layer of kind 'recurrent'"),
    # no windows, or those of the test
    ("prune net --sparsity 0.5 --saliency taylor", 2, "looks at data; give its windows with --data"),
    ("sensitivity net", 2, "Missing option '--data'"),
    (
        "prune net --sparsity 0.5 --saliency taylor --data w.npz --subjects S03", 1,
        "audit failed: stage 'saliency' would see windows of S03, left out for a test when 'net' was trained; what is "
        "removed must not be chosen on the test set: name others with --subjects",
    ),
    ("sensitivity net --data w.npz --subjects S00,S03", 1, "stage 'sensitivity' would see windows of S03"),
    ("criteria net --data w.npz --valid S03 --saliency l1", 1, "stage 'oracle' would see windows of S03"),
    ("criteria net --data w.npz --subjects S03 --saliency l1", 1, "name others with --subjects"),
    ("electrodes net --data w.npz --valid S03", 1, "stage 'sensitivity' would see windows of S03"),
    ("electrodes net --data w.npz --subjects S03", 1, "stage 'saliency' would see windows of S03"),
    # maps of one row
    ("prune net --sparsity 0.5 --saliency hrank --data w.npz", 1, "the rank of such a matrix is 0 or 1 whatever it"),
    # nothing to prune
    ("prune unprunable --sparsity 0.5", 1, "can be pruned (electrodes: ordered by"),
    ("sensitivity unprunable --data w.npz", 1, "can be pruned (electrodes: ordered by"),
    ("criteria unprunable --data w.npz", 1, "can be pruned (electrodes: ordered by"),
    ("prune unprunable --electrodes 2", 2, "axis 'electrodes' of"),
    ("prune only --sparsity 0.5", 1, "Of its input, electrodes can: name them with axes= (--axis)"),
    ("mask unprunable --sparsity 0.5", 2, "has no weights of layers conv, linear"),
    # sparsity
    ("prune net --sparsity nan", 2, "0 ≤ sparsity < 1, got nan"),
    ("prune net --sparsity 1.0", 2, "0 ≤ sparsity < 1, got 1"),
    ("criteria net --data w.npz --sparsity 0.3,1", 2, "0 < sparsity < 1, got 1"),
    # plans
    ("prune net --plan range.json --axis conv --data w.npz", 2, "no saliency is asked; leave out --axis, --data"),
    ("prune net --plan range.json --saliency taylor", 2, "no saliency is asked; leave out --saliency"),
    ("prune net --plan sizes.json", 1, "the plan is for another network: its axis 'model.temporal' has 9 slices"),
    (
        "prune net --plan axis.json", 1,
        "the plan is for another network: unknown axis 'model.tempral'; did you mean 'model.temporal'",
    ),
    ("prune net --plan frozen.json", 1, "axis 'times' of"),
    ("prune net --plan empty.json", 1, "keeps 0 of 4 slices. Lower the sparsity or set at_least=1"),
    ("prune net --plan range.json", 1, "keeps slices that are not ascending, or not in 0…3"),
    (
        "prune net --plan text.json", 1,
        "text.json' is not a plan: axis 'model.temporal' keeps '01', which is no list of slices",
    ),
    (
        "prune net --plan half.json", 1,
        "half.json' is not a plan: axis 'model.temporal' keeps [0.5], which is no list of slices (whole",
    ),
    ("prune net --plan sizeless.json", 1, "is not a plan: it does not say how many slices axis 'model.temporal' has"),
    (
        "prune net --plan torn.json", 1,
        "torn.json' is not a plan: it is not JSON, or a part of it is missing. Give the plan.json that `trimcap prune`",
    ),
    ("prune net --plan net/network.json", 1, "is not a plan: it is a 'trimcap network 2'. Give the plan.json that"),
    ("prune net --plan net/history.csv", 1, "is not a plan: it is not JSON"),
    ("prune net --plan keepless.json", 1, "is not a plan: it does not say which slices stay"),
    ("prune net --plan requested.json", 1, "is not a plan: what was 'requested' is no number"),
    ("prune net --plan all.json", 1, "the plan removes nothing from"),
    ("prune only --plan plan.json", 1, "the plan is for another network: unknown axis 'model.temporal'"),
    ("prune only --plan plan.json", 1, "Use it on the network that it was made from, or make one for this network"),
    # a file instead of a folder
    (
        "prune w.npz --sparsity 0.5", 2,
        "'w.npz' is a file; give the folder of a network (from `trimcap train`, `prune` or `mask`)",
    ),
    ("mask plan.json --sparsity 0.5", 2, "'plan.json' is a file; give the folder of a network"),
]  # fmt: skip


@pytest.mark.parametrize(("typed", "code", "message"), CASES)
def test_what_is_wrong_is_said(call, place, tmp_path, monkeypatch, typed, code, message):
    monkeypatch.chdir(place)
    ended = call(*typed.split(), "--out", tmp_path / "x")
    text = " ".join(ended.err.replace("│", " ").split())
    assert message in text
    assert ended.code == code
    assert "Traceback" not in text
    assert "unexpected" not in text
    assert not (tmp_path / "x" / "network.json").exists()


def test_subjects_that_a_later_training_has_seen_are_no_test(call, place, tmp_path, monkeypatch):
    monkeypatch.chdir(place)
    again = ("train", "net", "--data", "w.npz", "--epochs", 1, "--valid", 0, "--hold-out", "", "--out", tmp_path / "n")
    call(*again, ok=True)
    call("sensitivity", tmp_path / "n", "--data", "w.npz", "--subjects", "S03", "--steps", 3, ok=True)


def test_axes_of_a_kind_of_layer_and_a_function_that_does_not_listen(call, place, tmp_path, monkeypatch):
    monkeypatch.chdir(place)
    kept = []
    for number, options in enumerate(("--axis conv", "--axis model.temporal --saliency test_cli_bad_pruning:deaf")):
        words = ("prune", "net", "--sparsity", 0.5, *options.split(), "--out", tmp_path / str(number))
        kept.append([row["axis"] for row in call(*words, "--json", ok=True).json["axes"]])
    assert kept == [["model.temporal", "model.spatial.depth", "model.separable_point"], ["model.temporal"]]
    words = ("prune", "net", "--sparsity", 0.5, "--axis", "batch_norm", "--saliency", "bn_scale")
    call(*words, "--scope", "threshold", "--out", tmp_path / "t", ok=True)
