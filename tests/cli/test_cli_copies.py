"""A person who is there twice: every verb that scores or makes data says so."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
from edf_files import eegmat_counts, write_edf

from trimcap.data.arrays.npz import read_npz, write_npz
from trimcap.data.generated.synthetic import make_synthetic
from trimcap.data.preprocess.windows.cut import cut
from trimcap.study.recipe.recipe import load_recipe
from trimcap.study.run.run import run

RECIPE = """
name = "cp"
[data]
source = "npz"
path = "{path}"
[protocol]
name = "leave_one_subject_out"
valid = 0.5
[model]
options = {{F1 = 2, kernel = 8}}
[train]
epochs = 1
"""


def windows_of(*names, source=("S00", "S01", "S02", "S03")):
    """Windows of these people; `source` says whose signals each has."""
    made = {r.subject: [] for r in make_synthetic(4, seed=0, rate=128, seconds=4, trials_per_class=2)}
    for r in make_synthetic(4, seed=0, rate=128, seconds=4, trials_per_class=2):
        made[r.subject].append(r)
    recordings = [replace(r, subject=name) for name, own in zip(names, source, strict=True) for r in made[own]]
    return cut(recordings, seconds=1)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """w.npz, in which S03 is S00 again, and its recipe cp.toml."""
    names = ("S00", "S01", "S02", "S03")
    write_npz(windows_of(*names, source=("S00", "S01", "S02", "S00")), tmp_path / "w.npz")
    (tmp_path / "cp.toml").write_text(RECIPE.format(path=tmp_path / "w.npz"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("words", [("run", "--jobs", 1), ("baselines",), ("controls", "--draws", 3, "--jobs", 1)])
def test_what_is_scored_is_refused_and_leaves_nothing(call, place, words):
    verb, *more = words
    ended = call(verb, "cp.toml", *more)
    assert ended.code == 1
    assert "audit failed before training: 2 folds of 4 would test on what they train on" in ended.err
    assert "16 of 16 test windows have the same content as a training window (S00/" in ended.err
    assert ended.out == ""
    assert not (place / "runs").exists()


def test_the_corrected_data_may_have_the_folder(call, place):
    recipe = load_recipe(place / "cp.toml")
    assert call("run", "cp.toml", "--jobs", 1).code == 1
    write_npz(windows_of("S00", "S01", "S02", "S03"), place / "w.npz")
    waiting = []
    done = run(recipe, place / "runs" / "cp", executor=lambda jobs: waiting.extend(jobs) or ())
    assert len(waiting) == 4
    assert done.header["data"]["windows"] == 64


def test_validation_on_a_copy_is_warned_of(call, place):
    write_npz(windows_of("S00", "S01", source=("S00", "S00")), place / "two.npz")
    words = ("train", "eegnet", "--epochs", 1, "--option", "F1=2", "--option", "kernel=8", "--valid", 0.5)
    ended = call(*words, "--data", "two.npz", "--out", "net", ok=True)
    assert "warning: validation measures memory: 16 of 16 validation windows have the same content as a" in ended.out
    write_npz(windows_of("S00", "S01", source=("S00", "S01")), place / "two.npz")
    found = call(*words, "--data", "two.npz", "--out", "other", "--json", ok=True).json
    assert found["warnings"] == []


def test_subjects_left_out_that_are_copies_are_warned_of(call, place):
    write_npz(windows_of("S00", "S01", "S02", "S03", source=("S00", "S01", "S02", "S00")), place / "w.npz")
    words = ("train", "eegnet", "--epochs", 1, "--option", "F1=2", "--option", "kernel=8", "--data", "w.npz")
    warned = call(*words, "--hold-out", "S03", "--out", "net", "--json", ok=True).json["warnings"]
    assert warned[0].startswith("a test on S03 would measure memory: 16 of 16 left-out windows have the same content")
    assert call(*words, "--hold-out", "S02", "--valid", 0, "--out", "other", "--json", ok=True).json["warnings"] == []


def test_published_sets_are_looked_through(call, tmp_path):
    """In the layout of EEGMAT: one person to the bit, one by another reference and later."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "eegmat"
    folder.mkdir()
    for subject in ("00", "03", "06"):
        for part, seconds in ((1, 64), (2, 62)):
            counts = eegmat_counts(seconds, seed=int(subject) * 2 + part)
            write_edf(folder / f"Subject{subject}_{part}.edf", counts)
    assert "same recording" not in call("data", "check", folder).out
    for part in (1, 2):
        shutil.copy(folder / f"Subject00_{part}.edf", folder / f"Subject01_{part}.edf")
    slow = np.cumsum(rng.standard_normal((2, 21, 500 * 64)), axis=2)
    for subject, first in (("07", 0), ("08", 200)):
        for part in (1, 2):
            counts = slow[part - 1] - (slow[part - 1].mean(axis=0) if first else 0)
            write_edf(folder / f"Subject{subject}_{part}.edf", counts[:, first:].round().astype(int))
    out = call("data", "check", folder).out
    assert "to the bit: Subject00/1/rest and Subject01/1/rest; subjects Subject00 and Subject01" in out
    assert "but for its start, scale, reference or rate: Subject07/1/rest and Subject08/1/rest" in out
    ended = call("data", "prepare", "eegmat", "--path", folder, "--out", tmp_path / "w.npz", "--no-cache", "--json")
    assert ended.code == 0, ended.err
    (same, *_) = ended.json["notes"]
    assert "windows have the same content as another one (Subject01/1/" in same
    assert len(read_npz(tmp_path / "w.npz")) == ended.json["windows"]
