"""split and audit: files of folds; foreign splits of row numbers and of torcheeg tables."""

from __future__ import annotations

import json

import numpy as np
import pytest

from trimcap.data.arrays.npz import write_npz
from trimcap.data.generated.synthetic import make_synthetic
from trimcap.data.preprocess.windows.cut import cut


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


def test_passed_comes_with_what_can_not_be_seen(call, windows, place):
    """Min-max over all windows, and a z-score per subject after which windows were left out, pass: it is said."""
    test = of(windows, "subject", windows.metadata.subject[0])
    subjects = windows.metadata.subject.to_numpy()
    low, high = windows.X.min(axis=(0, 2), keepdims=True), windows.X.max(axis=(0, 2), keepdims=True)
    scaled = windows.X.copy()
    for name in np.unique(subjects):
        rows = subjects == name
        scaled[rows] -= scaled[rows].mean(axis=(0, 2), keepdims=True)
        scaled[rows] /= scaled[rows].std(axis=(0, 2), keepdims=True)
    write_split(place / "s.json", test)
    for X, rows, findings in (
        ((windows.X - low) / (high - low), slice(None), 0),
        (scaled, slice(None), 1),
        (scaled, slice(None, None, 2), 0),
    ):
        write_npz(windows.with_X(X, step="").take(np.arange(len(windows))[rows]), place / "t.npz")
        write_split(place / "s.json", test[rows])
        found = call("audit", "s.json", "--data", "t.npz", "--json", ok=True).json
        shown = [f for f in found["folds"][0]["findings"] if "normalised" in f["text"]]
        assert [f["severity"] for f in shown] == ["warning"] * findings
        assert "min-max" in found["unseen"]
        assert "left out" in found["unseen"]
    assert "min-max" in call("audit", "s.json", "--data", "t.npz", ok=True).out


def test_what_leaks_depends_on_the_unit(call, windows, place):
    write_split(place / "s.json", of(windows, "trial", str(windows.metadata.trial[0])))
    words = ("audit", "s.json", "--data", "w.npz")
    assert call(*words, "--unit", "trial").code == 0
    ended = call(*words)
    assert ended.code == 1
    assert "error: 3 of 3 test subjects are in training too" in ended.out
    assert "LEAKS" in ended.out
    assert "0 of 1 fold keeps every subject on one side and shares no window" in ended.out
    assert "failed: 1 of 1 fold leaks: " in ended.err


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


def test_a_split_is_written_audited_and_used(call, windows, place):
    ended = call("split", "w.npz", "--protocol", "few_shot", "--option", "shots=2", "--valid", 0.4, "--out", "s.json",
                 "--json", ok=True)  # fmt: skip
    facts = ended.json
    assert (facts["unit"], facts["leaky"], len(facts["folds"])) == ("subject", False, 3)
    assert facts["folds"][0]["calibration"] == 16
    shown = call("audit", "s.json", "--data", "w.npz", ok=True).out
    assert "3 of 3 folds keep every subject on one side" in shown
    assert "3 of 3 folds keep all trials on one side" in shown  # calibration sets, whose subject is tested too
    assert "S00, calibration" in shown
    call("split", "w.npz", "--protocol", "leaky_windows", "--folds", 2, "--out", "t.json", ok=True)
    ended = call("audit", "t.json", "--data", "w.npz", "--json")
    assert (ended.code, ended.json["unit"]) == (1, "trial")
    call("split", "w.npz", "--protocol", "leave_stimuli_out", "--option", "stimulus=trial", "--folds", 2, "--out",
         "u.json", "--valid", 0.4, "--option", "missing_classes=allow", ok=True)  # fmt: skip
    assert "keep all stimuli on one side" in call("audit", "u.json", "--data", "w.npz", ok=True).out
    assert call("audit", "u.json", "--data", "w.npz", "--unit", "subject+stimulus").code == 1


def test_other_data_and_damage_of_a_split_file(call, windows, place):
    call("split", "w.npz", "--protocol", "leave_one_subject_out", "--valid", 0.4, "--out", "s.json", ok=True)
    write_npz(windows.take(np.arange(len(windows)) > 3), place / "v.npz")
    ended = call("audit", "s.json", "--data", "v.npz")
    assert ended.code == 2
    assert "1 trials of the file are missing here (S00/1/00)" in ended.err
    (place / "s.json").write_text((place / "s.json").read_text().replace("S00", "S02", 1))
    assert "edited or damaged" in call("audit", "s.json", "--data", "w.npz").err


def test_stimuli_of_tables_and_of_windows(call, windows, place):
    (place / "tables").mkdir()
    write_tables(place / "tables", "fold_0", ["s1", "s2"], ["s3"])
    words = ("audit", "tables", "--unit", "stimulus")
    assert "no column 'stimulus'" in call(*words).out
    assert "2 of 2 test stimuli are in training too" in call(*words, "--stimulus", "trial_id").out
    write_split(place / "s.json", of(windows, "trial", "00"))
    call("audit", "s.json", "--data", "w.npz", "--unit", "stimulus", "--stimulus", "trial", ok=True)


@pytest.mark.parametrize(
    ("command", "fragment"),
    [
        ("--protocol few_shots", "did you mean 'few_shot'"),
        ("--protocol few_shot --option shot=1", "did you mean 'shots'"),
        ("--protocol leave_one_subject_out --folds 3", "protocol leave_one_subject_out: unknown option 'n_folds'"),
        ("--protocol few_shot --option shots", "write name=value"),
        ("--protocol leave_one_subject_out --out .", "is a folder"),
    ],
)
def test_wrong_split_command(call, place, command, fragment):
    ended = call("split", "w.npz", "--out", "s.json", *command.split())
    assert (ended.code, ended.out) == (2, "")
    assert fragment in " ".join(ended.err.split())
    assert not (place / "s.json").exists()


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


def test_a_split_file_is_not_replaced_by_accident(call, world, tmp_path):
    out = tmp_path / "s.json"
    words = ("split", world / "w.npz", "--protocol", "leave_one_subject_out", "--out", out)
    call(*words, ok=True)
    before = out.read_bytes()
    other = call("split", world / "w.npz", "--protocol", "leaky_windows", "--out", out)
    assert other.code == 2
    assert "--force" in other.err
    assert out.read_bytes() == before
    call(*words, "--force", ok=True)


@pytest.mark.parametrize(("name", "what"), [("w.npz", "windows"), ("r.toml", "a recipe")])
@pytest.mark.parametrize("more", [(), ("--data", "w.npz")])
def test_windows_are_no_split(call, place, name, what, more):
    (place / "r.toml").touch()
    ended = call("audit", name, *more)
    assert ended.code == 2
    assert f"'{name}' is {what}, no split" in ended.err
    assert f"trimcap split {name} --out split.json, then trimcap audit split.json --data {name}" in ended.err
