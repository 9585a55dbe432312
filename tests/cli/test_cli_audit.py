"""audit: foreign splits of row numbers and of torcheeg tables."""

from __future__ import annotations

import json

import numpy as np
import pytest

from trimcap.data.cut import cut
from trimcap.data.npz import write_npz
from trimcap.data.synthetic import make_synthetic


@pytest.fixture(scope="module")
def windows():
    return cut(make_synthetic(3, seed=0, rate=128, seconds=4), seconds=1)


@pytest.fixture
def place(windows, tmp_path, monkeypatch):
    write_npz(windows, tmp_path / "w.npz")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_split(path, *masks):
    folds = [{"train": np.flatnonzero(~m).tolist(), "test": np.flatnonzero(m).tolist()} for m in masks]
    path.write_text(json.dumps({"folds": folds}))


def write_tables(folder, name, train, test):
    for side, subjects in (("train", train), ("test", test)):
        rows = [f"{s},{t},{start},{start + 128}" for s in subjects for t in (1, 2) for start in (0, 128)]
        (folder / f"{side}_{name}.csv").write_text("\n".join(["subject_id,trial_id,start_at,end_at", *rows]))


def of(windows, column, value):
    return (windows.metadata[column].astype(str) == value).to_numpy()


def test_honest_row_numbers_pass_and_shuffled_ones_do_not(call, windows, place):
    honest = [of(windows, "subject", name) for name in sorted(set(windows.metadata.subject))]
    write_split(place / "s.json", *honest)
    ended = call("audit", "s.json", "--data", "w.npz", ok=True)
    assert "3 of 3 folds keep every subject on one side" in ended.out
    mixed = np.arange(len(windows)) % 3 == 0
    write_split(place / "s.json", honest[0], mixed)
    ended = call("audit", "s.json", "--data", "w.npz", "--json")
    assert ended.code == 1
    assert "1 of 2 folds leak: fold 2" in ended.err
    first, second = ended.json["folds"]
    assert (first["passed"], first["test"], first["findings"]) == (True, int(honest[0].sum()), [])
    assert (second["passed"], ended.json["leaking"]) == (False, ["fold 2"])
    assert any("3 of 3 test subjects" in f["text"] for f in second["findings"] if f["severity"] == "error")


def test_what_leaks_depends_on_the_unit(call, windows, place):
    write_split(place / "s.json", of(windows, "trial", str(windows.metadata.trial[0])))
    words = ("audit", "s.json", "--data", "w.npz")
    assert call(*words, "--unit", "trial").code == 0
    ended = call(*words)
    assert ended.code == 1
    assert "error: 3 of 3 test subjects are in training too" in ended.out
    assert "LEAKS" in ended.out


def test_torcheeg_tables(call, place):
    folder = place / "tables"
    folder.mkdir()
    write_tables(folder, "fold_0", ["s1", "s2"], ["s3"])
    ended = call("audit", "tables", ok=True)
    assert "note: the windows' content is not at hand" in ended.out
    write_tables(folder, "fold_1", ["s1", "s2"], ["s2"])
    ended = call("audit", "tables", "--json")
    assert (ended.code, ended.json["leaking"]) == (1, ["fold_1"])
    assert "1 of 2 folds leak: fold_1" in ended.err


@pytest.mark.parametrize(
    ("command", "fragment"),
    [
        ("nix.json", "no file or folder 'nix.json'"),
        ("s.json", "say of which windows: --data DATA"),
        ("s.json --data nix.npz", "no file 'nix.npz'"),
        ("s.json --data w.npz --unit subjects", "did you mean 'subject'"),
        ("empty.json --data w.npz", "holds no folds"),
        ("torn.json --data w.npz", "is no split"),
        ("far.json --data w.npz", "row number 9999"),
        ("bare", "holds no pairs"),
        ("bare --data w.npz", "--data is for a file of row numbers"),
    ],
)
def test_wrong_command(call, windows, place, command, fragment):
    write_split(place / "s.json", of(windows, "subject", "S00"))
    (place / "empty.json").write_text('{"folds": []}')
    (place / "torn.json").write_text('{"folds": [')
    (place / "far.json").write_text('{"folds": [{"train": [0], "test": [9999]}]}')
    (place / "bare").mkdir()
    ended = call("audit", *command.split())
    assert (ended.code, ended.out) == (2, "")
    assert fragment in " ".join(ended.err.split())
    assert "Traceback" not in ended.err
