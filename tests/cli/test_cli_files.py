"""EEG files and BIDS on the command line: prepare and check."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1] / "data"))
from mne_files import LSB, NAMES, counts, write_brainvision, write_edf_plus
from test_bids import write_tree

from trimcap.data.arrays.npz import read_npz
from trimcap.data.arrays.write import write_arrays

EVENTS = tuple((float(t), 1.0, "769" if k % 2 else "770") for k, t in enumerate(range(1, 9)))


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TRIMCAP_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def place(tmp_path):
    folder = tmp_path / "in 数据"
    folder.mkdir()
    for seed, name in enumerate(("S1_1", "S1_2", "S2_1", "S2_2")):
        write_edf_plus(folder / f"{name}.edf", counts(seed=seed), events=EVENTS)
    return folder


@pytest.mark.parametrize("way", ["files", "named"])
def test_events(call, place, tmp_path, way):
    source = ["files", "--path", place] if way == "files" else sorted(place.glob("*.edf"))
    words = ("--events", "left=769,right=770", "--start", 0.5, "--stop", 1.0, "--window", 0.5)
    found = call("data", "prepare", *source, *words, "--out", tmp_path / "w.npz", "--json", ok=True).json
    windows = read_npz(tmp_path / "w.npz")
    assert found["classes"] == {"left": 16, "right": 16}
    assert windows.metadata.trial.tolist()[:3] == ["S1_1-001", "S1_1-002", "S1_1-003"]
    np.testing.assert_allclose(windows.X[8], counts(seed=1)[:, 150:200] * LSB, rtol=1e-5, atol=1e-5)
    assert windows.y.tolist()[:3] == [1, 0, 1]


def test_labels_table(call, place, tmp_path):
    table = place / "labels.csv"
    table.write_text("file,label,subject,onset,duration\nS1_1.edf,a,P1,0,4\nS2_2.edf,b,P2,2,4\nS1_2.edf,,P1,0,4\n")
    for source in ([table], ["files", "--path", place, "--labels", table], [place / "S1_1.edf", "--labels", table]):
        ended = call("data", "prepare", *source, "--window", 2, "--force", "--out", tmp_path / "w.npz", ok=True)
        assert ended.err.count("1 of 3 rows have no label; left out") == 1
        assert "UserWarning" not in ended.err
    assert set(read_npz(tmp_path / "w.npz").metadata.subject) == {"P1"}
    table.write_text("file,label\nS9.edf,a\n")
    ended = call("data", "prepare", table, "--out", tmp_path / "v.npz")
    assert (ended.code, "names 1 files that are not there" in ended.err) == (1, True)


def test_rate_and_options(call, place, tmp_path):
    words = ("--class", "a=*_1.edf", "--class", "b=*_2.edf", "--rate", 50, "--option", "rename={Fp1 = 'Fp2'}")
    call("data", "prepare", "files", "--path", place, *words, "--out", tmp_path / "w.npz", ok=True)
    windows = read_npz(tmp_path / "w.npz")
    assert (windows.rate, windows.channels) == (50.0, ("Fp2", *NAMES[1:]))


@pytest.mark.parametrize(
    ("words", "code", "fragment"),
    [
        (("--events", "left"), 2, "write NAME=EVENT, such as --events left=769,right=770"),
        (("--events", "a=1"), 1, "has no event '1'; its events are '769' (4), '770' (4)"),
        (("--events", "a=1"), 1, "pass --option missing_events='allow'"),
        (("--events", "a=769", "--stop", 9), 1, "pass --option on_bad='drop'"),
        (("--events", "a=769", "--class", "b=*"), 1, "three ways to label files"),
        (("--labels", "none.csv"), 1, "no labels table 'none.csv'"),
        (("--session", "x"), 2, "without a group"),
        (("--channels", "X9"), 1, "channel X9 missing"),
    ],
)
def test_refusals_name_options_of_the_command_line(call, place, tmp_path, words, code, fragment):
    ended = call("data", "prepare", "files", "--path", place, *words, "--out", tmp_path / "w.npz")
    assert (ended.code, fragment in ended.err) == (code, True), ended.err
    assert not (tmp_path / "w.npz").exists()


def check_and_follow(call, place, tmp_path, monkeypatch):
    """Check a place, and type what it says."""
    found = call("data", "check", place, "--json", ok=True).json
    monkeypatch.chdir(tmp_path)
    (line,) = found["next"]
    call(*shlex.split(line)[1:], ok=True)
    return found, read_npz(tmp_path / "windows.npz")


def test_check_of_files_with_events(call, place, tmp_path, monkeypatch):
    found, windows = check_and_follow(call, place, tmp_path, monkeypatch)
    assert (found["kind"], found["subjects"], found["events"]) == ("files", ["S1", "S2"], {"769": 16, "770": 16})
    assert dict(zip(windows.classes, np.bincount(windows.y).tolist(), strict=True)) == {"769": 16, "770": 16}
    text = call("data", "check", place, ok=True).out
    assert all(part in text for part in ("4 of 4 can be read", "Fp1, C3, Cz, O2", "769 16 (50 %)", "100 Hz"))


def test_check_of_files_that_names_tell_apart(call, tmp_path, monkeypatch):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("S1_rest", "S1_task", "S2_rest", "S2_task"):
        write_edf_plus(folder / f"{name}.edf", counts(), names=("Fp1", "C3", "X9", "O2"))
    found, windows = check_and_follow(call, folder, tmp_path, monkeypatch)
    assert "--class 'rest=*_rest.edf'" in found["next"][0]
    assert (windows.classes, windows.channels) == (("rest", "task"), ("Fp1", "C3", "O2"))


def test_check_of_files_with_a_table(call, place, tmp_path, monkeypatch):
    (place / "labels.csv").write_text("file,label\nS1_1.edf,a\nS1_2.edf,b\nS2_1.edf,\nS2_2.edf,a\n")
    found, windows = check_and_follow(call, place, tmp_path, monkeypatch)
    assert (found["balance"], found["unlabelled"]) == ({"a": 2, "b": 1}, 1)
    assert windows.classes == ("a", "b")
    monkeypatch.undo()
    monkeypatch.setenv("TRIMCAP_CACHE", str(tmp_path / "cache"))
    (tmp_path / "windows.npz").unlink()
    check_and_follow(call, place / "labels.csv", tmp_path, monkeypatch)


def test_check_of_bids(call, tmp_path, monkeypatch):
    root = write_tree(tmp_path / "bids set", bads={"02": "Cz"})
    found, windows = check_and_follow(call, root, tmp_path, monkeypatch)
    assert (found["kind"], len(found["recordings"]), found["sessions"]) == ("bids", 9, ["a", "b"])
    assert (windows.classes, windows.channels) == (("left", "right"), ("Fp1", "C3", "O2"))
    words = ("--option", "label=participants:group", "--bad-channels", "drop", "--session", "b")
    call("data", "prepare", "bids", "--path", root, *words, "--out", tmp_path / "p.npz", ok=True)
    assert read_npz(tmp_path / "p.npz").classes == ("control", "patient")


def test_check_of_what_is_damaged(call, place):
    (place / "S3_1.edf").write_bytes(b"no EEG")
    write_brainvision(place / "S4_1.vhdr", counts()).unlink()
    ended = call("data", "check", place)
    assert ended.code == 1
    assert "S3_1.edf is not a readable .edf file" in ended.err
    assert "S4_1.eeg: the header that it belongs to" in ended.err
    assert "next: copy or download the damaged files again" in ended.out


def test_check_of_arrays(call, world, tmp_path):
    windows = read_npz(world / "w.npz")
    write_arrays(windows, tmp_path / "arrays")
    for path, fragment in (
        (world / "w.npz", "trimcap data info "),
        (tmp_path / "arrays", "trimcap train eegnet --data "),
    ):
        ended = call("data", "check", path, ok=True)
        assert "low 64 (50 %), high 64 (50 %)" in ended.out
        assert fragment in ended.out
    (tmp_path / "arrays" / "y.npy").write_bytes(b"cut")
    assert call("data", "check", tmp_path / "arrays").code == 1


@pytest.mark.real
def test_real_recordings_as_files_of_anybody(call, eegmat_folder, tmp_path):
    for subject in ("00", "03"):
        for part in "12":
            source = eegmat_folder / f"Subject{subject}_{part}.edf"
            (tmp_path / f"Person{subject}_{part}.edf").write_bytes(source.read_bytes())
    found = call("data", "check", tmp_path, "--json", ok=True).json
    assert (found["subjects"], found["rates"], len(found["channels"])) == (["Subject0", "23"], [500.0], 20)
    line = shlex.split(found["next"][0])[1:-1]
    made = call(*line, tmp_path / "w.npz", "--json", ok=True).json
    assert made["classes"] == {"1": 90, "2": 30}
    assert len(made["channels"]) == 19


def test_a_subject_is_chosen_by_word(call, place, tmp_path):
    words = ("data", "prepare", "files", "--path", place, "--class", "a=*_1.edf", "--class", "b=*_2.edf", "--window", 1)
    call(*words, "--subject", "file", "--out", tmp_path / "w.npz", ok=True)
    steps = read_npz(tmp_path / "w.npz").steps
    assert not any("doubt" in step for step in steps)
    assert call(*words, "--subject", "S[0-9]", "--out", tmp_path / "v.npz").code == 2
    ended = call(*words, "--subject", "header", "--out", tmp_path / "v.npz")
    assert "but it names nobody" in ended.err
