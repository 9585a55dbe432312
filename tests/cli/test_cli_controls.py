"""controls, and the leaky twin of run."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from trimcap.study.run.controls import WITNESS

DATA = "fingerprint,subjects=5,seconds=16,window=2"
SIZE = 'options.channels=["Fp1","C3","C4","O1","O2","Cz"],options.trials=4'
TWIN = """
name = "tiny"
[data]
source = "fingerprint"
subjects = 4
rate = 64
seconds = 8
window = 1
[data.options]
trials = 2
channels = ["C3", "C4", "O1", "O2"]
[protocol]
folds = 2
valid = 0.5
[model]
options = {F1 = 2, kernel = 8}
[train]
epochs = 1
"""
SECRET = """
from dataclasses import replace
from trimcap.data.splits.protocols.leaky import leaky_windows

def split(windows, *, n_folds=5, valid=0.2, seed=0):
    return [replace(fold, leaky=False) for fold in leaky_windows(windows, n_folds=n_folds, valid=valid, seed=seed)]
"""


def test_an_honest_protocol_passes(call, tmp_path):
    ended = call("controls", f"{DATA},{SIZE}", "--draws", 3, "--folds", 5, "--jobs", 1, "--out", tmp_path / "c")
    assert ended.code == 0, ended.err
    assert "Passed: without information k_fold_subjects " in ended.out
    assert "LEAKY: leaky_windows" in ended.out
    assert "[6/6]" in ended.err
    found = json.loads((tmp_path / "c" / "controls.json").read_text())
    assert {r["verdict"] for r in found["rows"] if not r["honest"]} >= {"leaks, as it should"}
    assert (tmp_path / "c" / "controls.html").is_file()
    assert "\\begin{table}" in (tmp_path / "c" / "controls.tex").read_text()


def test_a_protocol_that_leaks_in_secret_exits_1(call, tmp_path, monkeypatch):
    (tmp_path / "secret.py").write_text(SECRET)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    words = ("controls", f"{DATA},{SIZE}", "--protocol", "secret:split", "--draws", 3, "--jobs", 1, "--json")
    ended = call(*words)
    sys.modules.pop("secret", None)
    assert ended.code == 1
    assert "failed: secret:split is above chance on" in ended.err
    rows = [r for r in ended.json["rows"] if r["protocol"] == "secret:split" and r["classifier"] == WITNESS]
    assert [r["verdict"] for r in rows] == ["ABOVE CHANCE"] * 2
    assert ended.json["failed"]


def test_windows_in_a_file(call, world):
    ended = call("controls", world / "w.npz", "--folds", 2, "--draws", 3, "--jobs", 1, "--json")
    assert ended.json["protocol"] == "k_fold_subjects"
    assert {r["control"] for r in ended.json["rows"]} == {"random labels", "fingerprint"}


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("eegmatt",), "unknown source 'eegmatt'; did you mean 'eegmat'"),
        (("no.npz",), "no file 'no.npz'"),
        (("no.toml",), "no file 'no.toml'"),
        (("synthetic", "--protocol", "leaky_window"), "did you mean 'leaky_windows'"),
        (("synthetic", "--protocol", "leave_one_subject_out", "--folds", "3"), "n_folds"),
        (("synthetic", "--balance", "subjects"), "unknown balance 'subjects'; did you mean 'subject'"),
        (("synthetic", "--draws", "2"), "--draws"),
        (("synthetic,windw=2",), "windw"),
    ],
)
def test_misuse_exits_2(call, tmp_path, monkeypatch, words, text):
    monkeypatch.chdir(tmp_path)
    ended = call("controls", *words, "--jobs", 1)
    assert ended.code == 2, ended.err
    assert text in ended.err


@pytest.mark.slow
def test_leaky_twin_by_option_and_by_recipe(call, tmp_path):
    (tmp_path / "tiny.toml").write_text(TWIN)
    plain = call("run", tmp_path / "tiny.toml", "--out", tmp_path / "run", "--jobs", 1, "--json", ok=True)
    page = Path(plain.json["report"])
    assert "leaky split would have claimed" not in page.read_text()
    call("run", tmp_path / "tiny.toml", "--out", tmp_path / "run", "--jobs", 1, "--leaky-twin", ok=True)
    assert "leaky split would have claimed" in page.read_text()
    assert (tmp_path / "run" / "leaky" / "results.csv").is_file()
    again = call("report", tmp_path / "run", ok=True)
    assert "report: " in again.out
    assert "leaky split would have claimed" in page.read_text()
    (tmp_path / "asked.toml").write_text(TWIN + "[report]\nleaky_twin = true\n")
    asked = call("run", tmp_path / "asked.toml", "--out", tmp_path / "run", "--jobs", 1, ok=True)
    assert asked.err.count("2 of 2 trials were finished before") == 2


def test_a_leaky_recipe_has_no_twin(call, tmp_path):
    (tmp_path / "leaky.toml").write_text(TWIN.replace("[protocol]", '[protocol]\nname = "leaky_windows"'))
    ended = call("run", tmp_path / "leaky.toml", "--out", tmp_path / "run", "--leaky-twin")
    assert ended.code == 2
    assert "leaky_windows leaks itself" in ended.err
    assert not (tmp_path / "run").exists()
