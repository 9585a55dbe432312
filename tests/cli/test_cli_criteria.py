"""criteria, and prune with a saliency that looks at data."""

from __future__ import annotations

import json

import numpy as np
import pytest

from trimcap.data.arrays.npz import read_npz
from trimcap.graph.save import load
from trimcap.prune.choose.compare import compare
from trimcap.prune.choose.keep import keep_top
from trimcap.prune.plan import Plan
from trimcap.prune.saliency.by_gradients import taylor
from trimcap.prune.saliency.table import SALIENCIES


def test_list(call):
    rows = call("criteria", "--list", "--json", ok=True).json["saliencies"]
    assert [row["name"] for row in rows] == list(SALIENCIES)
    text = call("criteria", "--list", ok=True).out
    assert "Molchanov et al. (2019)" in text
    assert "batch norm" in text


def test_criteria_are_those_of_the_library(call, world, tmp_path):
    out = tmp_path / "c"
    words = ("--valid", "S02", "--saliency", "l1,taylor,random", "--windows", 16, "--sparsity", "0.5")
    found = call("criteria", world / "net", "--data", world / "w.npz", *words, "--out", out, "--json", ok=True).json
    windows = read_npz(world / "w.npz")
    own, held = (windows.take(np.isin(windows.metadata.subject, who)) for who in (found["subjects"], found["valid"]))
    assert found["valid"] == ["S02"]
    assert set(found["subjects"]) <= {"S00", "S01"}  # trained on, and neither held out nor the oracle's
    want = compare(
        load(world / "net"), own, held, saliencies=["l1", "taylor", "random"], n_windows=16, sparsities=[0.5]
    )
    rows = {row["saliency"]: row for row in found["saliencies"]}
    for row in want.table().to_dict("records"):
        assert rows[row["saliency"]]["spearman"] == pytest.approx(row["spearman"])
        assert rows[row["saliency"]]["accuracy 50 %"] == row["accuracy 50 %"]
    assert json.loads((out / "criteria.json").read_text())["correlations"] == found["correlations"]
    text = (out / "criteria.md").read_text()
    assert "| taylor |" in text
    assert "![" in text
    assert (out / "criteria.png").read_bytes().startswith(b"\x89PNG")
    assert (out / "correlations.csv").read_text().startswith("saliency,axis,slices")


def test_the_oracle_sees_the_subjects_that_training_was_validated_on(call, world, tmp_path):
    saw = json.loads((world / "net" / "trimcap.json").read_text())["steps"][-1]["saw"]
    words = ("criteria", world / "net", "--data", world / "w.npz", "--saliency", "l1,taylor", "--windows", 8)
    found = call(*words, "--out", tmp_path / "c", "--json", ok=True).json
    assert found["valid"] == saw["early stopping"] != found["subjects"]
    assert set(found["subjects"]) <= set(saw["fit"])
    text = (tmp_path / "c" / "criteria.md").read_text()
    assert "on 8 windows; saliencies that look at data saw 8." in text
    assert (
        f"Oracle and accuracies on {', '.join(found['valid'])}; saliencies saw {', '.join(found['subjects'])}." in text
    )
    assert "validation windows" not in text


def test_criteria_says_when_the_oracle_saw_the_same_windows(call, world):
    words = ("--saliency", "l1,apoz", "--windows", 8, "--subjects", "S00,S01,S02")
    text = call("criteria", world / "net", "--data", world / "w.npz", *words, ok=True).out
    assert "the oracle saw the saliencies' windows; give others with --valid" in text
    assert "no activation of axis" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "give a network's folder and --data"),
        ("net --data w.npz --saliency taylr", "did you mean 'taylor'"),
        ("net --data w.npz --axis nope", "unknown axis 'nope'"),
        ("net --data w.npz --sparsity half", "cannot read --sparsity 'half'"),
        ("net --data w.npz --sparsity 0.5,1", "0 < sparsity < 1, got 1"),
        ("net --data w.npz --measure los", "did you mean 'loss'"),
        ("net --data w.npz --valid S09", "unknown subject 'S09'"),
        ("net --data w.npz --out w.npz", "is a file"),
        ("nets --data w.npz", "no folder 'nets'"),
    ],
)
def test_misuse(call, world, monkeypatch, words, message):
    monkeypatch.chdir(world)
    ended = call("criteria", *words.split())
    assert ended.code == 2
    assert message in ended.err


def test_prune_by_a_saliency_that_looks_at_data(call, world, tmp_path):
    out = tmp_path / "p"
    words = ("--saliency", "taylor", "--option", "of=weights", "--data", world / "w.npz", "--sparsity", 0.5)
    found = call("prune", world / "net", *words, "--out", out, "--json", ok=True).json
    seen = found["saliency"]["subjects"]
    assert seen
    assert "S03" not in seen  # left out for a test
    windows = read_npz(world / "w.npz")
    own = windows.take(np.isin(windows.metadata.subject, seen))
    network = load(world / "net")
    want = keep_top(network, taylor(network, windows=own, of="weights"), 0.5)
    assert Plan.load(out / "plan.json").keep == want.keep
    last = json.loads((out / "trimcap.json").read_text())["steps"][-1]
    assert last["saw"] == {"saliency": seen}


def test_prune_electrodes_by_data_then_filters(call, world, tmp_path):
    words = ("--saliency", "oracle", "--data", world / "w.npz", "--electrodes", 3, "--sparsity", 0.5)
    found = call("prune", world / "net", *words, "--out", tmp_path / "p", "--json", ok=True).json
    assert len(found["electrodes"]) == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--saliency taylor", "'taylor' looks at data; give its windows with --data"),
        ("--saliency l1 --data w.npz", "'l1' does not look at data; leave out --data"),
        ("--saliency taylr", "did you mean 'taylor'"),
        ("--saliency taylor --data w.npz --option of=gate", "unknown of 'gate'; did you mean 'gates'"),
        ("--saliency taylor --data w.npz --option off=gates", "unknown option 'off'; did you mean 'of'"),
        ("--saliency taylor --data none.npz", "no file 'none.npz'"),
    ],
)
def test_prune_misuse(call, world, monkeypatch, words, message):
    monkeypatch.chdir(world)
    ended = call("prune", "net", "--out", "x", "--sparsity", 0.5, *words.split())
    assert ended.code == 2
    assert message in ended.err


def test_prune_messages_about_networks(call, world, monkeypatch):
    monkeypatch.chdir(world)
    for words, message in {
        "--saliency hrank --data w.npz": "use 'chip'",
        "--saliency apoz --data w.npz": "needs a ReLU",
    }.items():
        ended = call("prune", "net", "--out", "x", "--sparsity", 0.5, *words.split())
        assert ended.code == 1
        assert message.lower() in ended.err.lower()
