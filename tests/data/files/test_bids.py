"""BIDS data sets written by MNE-BIDS."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mne
import numpy as np
import pytest
from mne_files import LSB, NAMES, counts, write_bdf, write_brainvision, write_edf_plus

from trimcap.data.files.bids.read import bids_source, is_bids, read_bids

EVENTS = ((1.0, 2.0, "left"), (4.0, 2.0, "right"), (7.0, 1.0, "left"))
WRITERS = {".vhdr": write_brainvision, ".edf": write_edf_plus, ".bdf": write_bdf}


def write_tree(
    root: Path,
    *,
    suffix: str = ".vhdr",
    subjects: Sequence[str] = ("02", "10", "01"),
    bads: dict[str, str] | None = None,
) -> Path:
    mne_bids = pytest.importorskip("mne_bids")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for subject in subjects:
            for session, run in (("a", "1"), ("a", "2"), ("b", "1")):
                (root.parent / "in").mkdir(parents=True, exist_ok=True)
                path = WRITERS[suffix](root.parent / "in" / f"x{suffix}", counts(seed=seed_of(subject, session, run)))
                raw = mne.io.read_raw(path, verbose="error")
                raw.info["line_freq"] = 50
                raw.info["bads"] = [(bads or {})[subject]] if subject in (bads or {}) else []
                onsets, durations, texts = zip(*EVENTS, strict=True)
                raw.set_annotations(mne.Annotations(onsets, durations, texts), verbose="error")
                place = mne_bids.BIDSPath(
                    subject=subject, session=session, run=run, task="motor", root=root, datatype="eeg"
                )
                mne_bids.write_raw_bids(raw, place, overwrite=True, verbose="error")
    rows = [f"sub-{s}\t{'patient' if s != '10' else 'control'}" for s in subjects]
    (root / "participants.tsv").write_text("participant_id\tgroup\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return root


def seed_of(subject: str, session: str, run: str) -> int:
    return int(subject) * 100 + int(run) * 10 + "ab".index(session)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tree(tmp_path_factory.mktemp("脑电 bids") / "set")


@pytest.mark.parametrize("suffix", WRITERS)
def test_trials_around_events(tmp_path: Path, suffix: str) -> None:
    root = write_tree(tmp_path / "set", suffix=suffix, subjects=("02", "10"))
    made = read_bids(root, events={"l": "left", "r": "right"}, stop=1.5)
    assert [r.name for r in made][:5] == [
        "sub-02/a/task-motor_run-1-001", "sub-02/a/task-motor_run-1-002", "sub-02/a/task-motor_run-1-003",
        "sub-02/a/task-motor_run-2-001", "sub-02/a/task-motor_run-2-002",
    ]  # fmt: skip
    assert [r.label for r in made] == [0, 1, 0] * 6
    assert (made[0].channels, made[0].rate, made[0].classes) == (NAMES, 100.0, ("l", "r"))
    for recording in made:
        values = counts(seed=seed_of(recording.subject[4:], recording.session, str(recording.info["run"])))
        first = round(100 * float(str(recording.info["start"])))
        np.testing.assert_allclose(recording.signal, values[:, first : first + 150] * LSB, rtol=1e-6, atol=1e-5)


def test_every_value_of_a_column_is_a_class(tree: Path) -> None:
    made = read_bids(tree, label="trial_type")
    assert (len(made), made[0].classes) == (27, ("left", "right"))
    assert [r.duration for r in made[:3]] == [2.0, 2.0, 1.0]
    by_code = read_bids(tree, label="value", subjects=["01"])
    assert (len(by_code), by_code[0].classes) == (9, ("1", "2"))
    assert [r.label for r in read_bids(tree, events={"one": 1}, column="value", subjects=1)] == [0] * 6
    with pytest.raises(ValueError, match=r"events.tsv: unknown column 'trial_typ'; did you mean 'trial_type'"):
        read_bids(tree, label="trial_typ")


def test_a_label_per_participant(tree: Path) -> None:
    made = read_bids(tree, label="participants:group")
    assert [(r.subject, r.classes[r.label]) for r in made][::3] == [
        ("sub-01", "patient"), ("sub-02", "patient"), ("sub-10", "control"),
    ]  # fmt: skip
    assert (made[0].trial, made[0].duration) == ("task-motor_run-1", 10.0)


def test_participants_without_a_label_are_counted(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "set", subjects=("01", "02"))
    (root / "participants.tsv").write_text("participant_id\tgroup\nsub-01\tn/a\nsub-02\tx\n")
    with pytest.warns(UserWarning, match="1 of 2 subjects have no group, left out: 01"):
        assert {r.subject for r in read_bids(root, label="participants:group")} == {"sub-02"}
    with pytest.raises(ValueError, match="unknown column 'grp'; did you mean 'group'"):
        read_bids(root, label="participants:grp")
    (root / "participants.tsv").unlink()
    with pytest.raises(FileNotFoundError, match=r"participants\.tsv"):
        read_bids(root, label="participants:group")


def test_subjects_sessions_runs(tree: Path) -> None:
    assert [r.name for r in read_bids(tree, subjects=["sub-10", "01"], session="b")] == [
        "sub-10/b/task-motor_run-1", "sub-01/b/task-motor_run-1",
    ]  # fmt: skip
    assert len(bids_source(tree, run="02", task="task-motor")) == 3
    for options, message in (
        ({"subjects": ["3"]}, "unknown BIDS subject 'sub-3'"),
        ({"task": "rest"}, "unknown BIDS task 'rest'. Known: motor"),
        ({"session": "c"}, "unknown BIDS session 'c'"), ({"run": "2", "session": "b"}, "no recording has that"),
        ({"events": {"l": "lefft"}}, r"has no event 'lefft'; its events are 'left' \(2\), 'right' \(1\)"),
        ({"events": {"l": "left"}, "label": "value"}, "two ways to label"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            read_bids(tree, **options)


def test_bad_channels_of_channels_tsv(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "set", subjects=("01", "02"), bads={"02": "Cz"})
    with pytest.raises(ValueError, match="channels Cz are marked bad"):
        read_bids(root)
    assert {r.channels for r in read_bids(root, bad_channels="drop")} == {("Fp1", "C3", "O2")}


def test_types_of_channels_tsv(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "set", subjects=("01",))
    for path in root.rglob("*_channels.tsv"):
        path.write_text(path.read_text().replace("Fp1\tEEG", "Fp1\tEOG"))
    assert {r.channels for r in read_bids(root)} == {("C3", "Cz", "O2")}


def change(root: Path, name: str, old: str, new: str) -> None:
    (path,) = root.rglob(name)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("1.0\t2.0\tleft", "soon\t2.0\tleft", r"events.tsv, line 2: onset is 'soon'|not a readable"),
        ("1.0\t2.0\tleft", "1.0\t2.0", r"events.tsv, line 2 has 4 cells|not a readable"),
        ("1.0\t2.0\tleft", "11.0\t2.0\tleft", "it is to last from 11 s to 13 s|not a readable"),
        ("4.0\t2.0\tright", "2.0\t2.0\tright", "2 trials overlap in time"),
    ],
)
def test_bad_events(tmp_path: Path, old: str, new: str, message: str) -> None:
    root = write_tree(tmp_path / "set", subjects=("01",))
    change(root, "sub-01_ses-a_task-motor_run-1_events.tsv", old, new)
    with pytest.raises(ValueError, match=message):
        read_bids(root, events={"l": "left", "r": "right"}, missing_events="allow")


def test_missing_sidecars_and_damaged_files(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "set", subjects=("01",))
    (data,) = root.rglob("*ses-b*_eeg.eeg")
    data.write_bytes(data.read_bytes()[:-3])
    with pytest.raises(ValueError, match="is truncated"):
        read_bids(root)
    data.unlink()
    with pytest.raises(FileNotFoundError, match="which is not beside it"):
        read_bids(root)
    (table,) = root.rglob("*ses-a*run-1_events.tsv")
    table.unlink()
    with pytest.raises(FileNotFoundError, match=r"has no \*_events.tsv"):
        read_bids(root, events={"l": "left"})


def test_what_is_no_bids(tmp_path: Path, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (is_bids(tree), is_bids(tmp_path)) == (True, False)
    with pytest.raises(FileNotFoundError, match="no folder"):
        bids_source(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="holds no EEG recordings of BIDS"):
        bids_source(tmp_path)
    monkeypatch.setitem(sys.modules, "mne_bids", None)
    with pytest.raises(ImportError, match=r"pip install 'trimcap\[bids\]'"):
        bids_source(tree)


def test_tables_count_for_caches(tree: Path) -> None:
    options: dict[str, Any] = {"label": "trial_type", "subjects": ["01"], "session": "b"}
    names = {path.name for path in bids_source(tree, **options).also}
    stem = "sub-01_ses-b_task-motor_run-1"
    assert {f"{stem}_events.tsv", f"{stem}_channels.tsv", f"{stem}_eeg.eeg", "participants.tsv"} <= names
