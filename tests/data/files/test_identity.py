"""Who a file is of: header, BIDS entity, folder, file name; contradictions; and what protocols make of a doubt."""

from __future__ import annotations

from pathlib import Path

import mne
import numpy as np
import pytest
from edf_plus_files import noise
from edf_plus_files import write as write_edf
from mne_files import LSB, counts, write_fif
from scipy.io import savemat

from trimcap.data.arrays.npz import read_npz, write_npz
from trimcap.data.files.events import events_of
from trimcap.data.files.identity import identity, who
from trimcap.data.files.labelled import files_source
from trimcap.data.files.raws import companions, events_file, open_raw
from trimcap.data.files.survey.look import survey
from trimcap.data.join import join
from trimcap.data.preprocess.chain import make_chain
from trimcap.data.splits.protocols.subjects import k_fold_subjects, leave_one_subject_out
from trimcap.data.splits.protocols.trials import leave_trials_out


def fif(path: Path, his_id: str = "", *, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    info = mne.create_info(["Fp1", "C3", "Cz", "O2"], 100, "eeg")
    if his_id:
        info["subject_info"] = {"his_id": his_id}
    raw = mne.io.RawArray(counts(800, seed=seed) * LSB * 1e-6, info, verbose="error")
    raw.save(path, verbose="error")
    return path


def known(root: Path):
    return identity(sorted(root.rglob("*.fif")) + sorted(root.rglob("*.edf")), root)


def test_the_header_comes_first_and_dates_are_nobody(tmp_path: Path) -> None:
    for i, (folder, his_id) in enumerate([("subject01", "S1"), ("subject01", "S1"), ("subject02", "S2")]):
        fif(tmp_path / folder / f"2012.07.{i:02d}-19.02.16_raw.fif", his_id, seed=i)
    found = known(tmp_path)
    assert (found.way, found.doubt) == ("header", "")
    assert found.told["header"] == ("S1", "S1", "S2")
    assert found.told["folder"] == ("subject01", "subject01", "subject02")
    source = files_source(tmp_path)
    assert [r.subject for r in source] == ["S1", "S1", "S2"]
    assert [r.subject for r in files_source(tmp_path, subject="folder")] == ["subject01", "subject01", "subject02"]
    assert len({r.subject for r in files_source(tmp_path, subject="file")}) == 3


def test_a_header_that_draws_other_lines_than_folders_is_told(tmp_path: Path) -> None:
    for i in range(3):
        fif(tmp_path / f"subject{i:02d}" / "a_raw.fif", "Amplifier", seed=i)
    found = known(tmp_path)
    assert found.way == "header"
    assert found.doubt == (
        "it is contradictory who is who: the headers name 1: Amplifier; the folders name 3: subject00, subject01, "
        "subject02"
    )
    for i in range(3):
        (tmp_path / f"subject{i:02d}" / "a_raw.fif").rename(tmp_path / f"S{i}_raw.fif")
    assert "the file names name 3: S0, S1, S2" in known(tmp_path).doubt


def test_nobody_is_no_name(tmp_path: Path) -> None:
    (tmp_path / "subj 1").mkdir()
    for i, patient in enumerate(("X X X X", "anonymous", "", "Unknown")):
        write_edf(tmp_path / "subj 1" / f"r{i}.edf", {"C3": noise(2, 64)}, kind="EDF+C", patient=patient)
    found = known(tmp_path)
    assert set(found.told["header"]) == {""}
    assert (found.way, found.doubt) == ("folder", "")
    path = write_edf(
        tmp_path / "a.edf", {"C3": noise(2, 64)}, kind="EDF+C", patient="MCH-02 F 02-MAY-1951 Haagse_Harry"
    )
    assert who(path, "header", None) == "MCH-02"
    path = write_edf(tmp_path / "b.edf", {"C3": noise(2, 64)}, kind="EDF+C", patient="X F X Haagse_Harry")
    assert who(path, "header", None) == "Haagse_Harry"
    path = write_edf(tmp_path / "c.edf", {"C3": noise(2, 64)}, kind="", patient="Proband 7/b")
    assert who(path, "header", None) == "Proband 7-b"  # ids hold no slash


def test_bids_names_and_some_headers(tmp_path: Path) -> None:
    fif(tmp_path / "sub-01_task-a_eeg.fif")
    fif(tmp_path / "sub-02_task-a_eeg.fif")
    assert (known(tmp_path).way, known(tmp_path).doubt) == ("bids", "")
    for path in tmp_path.glob("*.fif"):
        path.unlink()
    fif(tmp_path / "a_raw.fif", "S1")
    fif(tmp_path / "b_raw.fif")
    found = known(tmp_path)
    assert found.way == "file"
    assert found.doubt.startswith("only some files say who they are of (S1), the others only by their names (2: a, b)")


def test_a_doubt_stops_protocols_of_new_subjects_until_it_is_settled(tmp_path: Path) -> None:
    for i in range(8):
        write_fif(tmp_path / f"P{i // 2}_{i}_raw.fif", counts(800, seed=i))
    chain = make_chain([{"name": "windows", "seconds": 1}])
    patterns = {"even": "*[02468]_raw.fif", "odd": "*[13579]_raw.fif"}
    windows = chain.apply(files_source(tmp_path, patterns=patterns))
    assert "subjects in doubt: nothing but the file names tells who is who (4: P0, P1, P2, P3)" in windows.steps
    write_npz(windows, tmp_path / "w.npz")
    for held in (
        windows,
        read_npz(tmp_path / "w.npz"),
        join([windows.take(np.arange(8)), windows.take(np.arange(8, 64))]),
    ):
        for protocol in (leave_one_subject_out, k_fold_subjects):
            with pytest.raises(
                ValueError, match=r"nothing but the file names .* say by what: subject='header', 'folder'"
            ):
                protocol(held)
    assert leave_trials_out(windows, n_folds=2)
    for subject in ("file", "(P[0-9])"):
        settled = chain.apply(files_source(tmp_path, patterns=patterns, subject=subject))
        assert len(leave_one_subject_out(settled)) == 4
    with pytest.raises(ValueError, match="subject='header', but it names nobody"):
        files_source(tmp_path, subject="header")


def test_a_column_of_a_table_settles_it(tmp_path: Path) -> None:
    paths = [write_fif(tmp_path / f"r{i}_raw.fif", counts(800, seed=i)) for i in range(4)]
    rows = ["file,label,subject", *(f"{path.name},{'ab'[i % 2]},who{i}" for i, path in enumerate(paths))]
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    assert all("doubt" not in r.info for r in files_source(tmp_path / "labels.csv"))
    assert survey(tmp_path).doubt == ""


def test_events_beside_a_fif_file(tmp_path: Path) -> None:
    path = write_fif(tmp_path / "S1_raw.fif", counts(800), first=300)
    events = np.array([[300 + 100, 0, 1], [300 + 250, 0, 2], [300 + 780, 0, 1]])
    mne.write_events(tmp_path / "S1-eve.fif", events, verbose="error")
    assert events_file(path) == tmp_path / "S1-eve.fif" == companions(path)[0]
    assert [(e.onset, e.name) for e in events_of(open_raw(path), path)] == [(1.0, "1"), (2.5, "2"), (7.8, "1")]
    source = files_source(path, events={"rest": 1, "13 Hz": 2}, start=0, stop=1, on_bad="drop")
    with pytest.warns(UserWarning, match="from 7.8 s to 8.8 s, but the file has 8 s"):
        made = list(source)
    assert [(r.trial, r.classes[r.label]) for r in made] == [("S1_raw-001", "rest"), ("S1_raw-002", "13 Hz")]
    np.testing.assert_allclose(made[0].signal, counts(800)[:, 100:200] * LSB, rtol=1e-5)
    assert survey(tmp_path).events == {"1": 2, "2": 1}
    (tmp_path / "S1-eve.fif").write_bytes(b"none of MNE")
    with pytest.raises(ValueError, match=r"S1-eve.fif holds no events of MNE"):
        events_of(open_raw(path), path)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("struct", [False, True])
def test_eeglab_says_who_it_is_of(tmp_path: Path, packed: bool, struct: bool) -> None:
    """Once its files had no header to speak of, and two sessions of a person were two persons by their names."""
    for name, subject in (("a_1", "S7"), ("b_1", "S7"), ("c_1", "S8")):
        fields = {"setname": name, "subject": subject, "data": np.zeros((2, 50))}
        savemat(tmp_path / f"{name}.set", {"EEG": fields} if struct else fields, do_compression=packed)
    files = sorted(tmp_path.glob("*.set"))
    assert [who(file, "header", None) for file in files] == ["S7", "S7", "S8"]
    assert (identity(files, tmp_path).way, identity(files, tmp_path).doubt) == ("header", "")


@pytest.mark.parametrize("subject", ["", "n/a", np.zeros((0, 0)), np.arange(3.0)])
def test_eeglab_that_names_nobody(tmp_path: Path, subject: object) -> None:
    savemat(tmp_path / "a.set", {"EEG": {"subject": subject, "data": np.zeros((2, 50))}})
    assert who(tmp_path / "a.set", "header", None) == ""
    savemat(tmp_path / "b.set", {"EEG": {"data": np.zeros((2, 50))}})
    assert who(tmp_path / "b.set", "header", None) == ""


@pytest.mark.parametrize("struct", [False, True])
def test_eeglab_of_matlab_7_3_says_who_it_is_of(tmp_path: Path, struct: bool) -> None:
    h5py = pytest.importorskip("h5py")
    for name, value in (("a", np.array([[ord(c)] for c in "S7"], np.uint16)), ("b", np.zeros(2, np.uint64))):
        with h5py.File(tmp_path / f"{name}.set", "w", userblock_size=512) as file:
            (file.create_group("EEG") if struct else file)["subject"] = value
    with h5py.File(tmp_path / "c.set", "w", userblock_size=512) as file:
        file["EEG"] = h5py.ExternalLink(str(tmp_path / "a.set"), "EEG" if struct else "/")
    assert [who(tmp_path / f"{name}.set", "header", None) for name in "abc"] == ["S7", "", ""]


def test_neuroscan_says_who_it_is_of(tmp_path: Path) -> None:
    head = bytearray(900)
    head[:11] = b"Version 3.0"
    head[121:127] = b"Muster"
    (tmp_path / "a.cnt").write_bytes(head)
    head[21:25] = b"S/12"
    (tmp_path / "b.cnt").write_bytes(head)
    (tmp_path / "c.cnt").write_bytes(b"RIFF" + bytes(head[4:]))
    assert [who(tmp_path / f"{name}.cnt", "header", None) for name in "abc"] == ["Muster", "S-12", ""]
