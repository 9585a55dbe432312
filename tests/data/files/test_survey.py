"""What lies in a folder of EEG files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mne_files import NAMES, counts, write_bdf, write_brainvision, write_edf_plus
from test_bids import write_tree

from trimcap.data.files.survey.look import survey

EVENTS = ((1.0, 2.0, "769"), (4.0, 2.0, "770"), (7.5, 1.0, "BAD_eye"))


def test_files_with_everything_that_can_be_wrong(tmp_path: Path) -> None:
    write_edf_plus(tmp_path / "S10_a.edf", counts(), events=EVENTS)
    values = counts()
    values[2] = 5
    (tmp_path / "sub").mkdir()
    write_bdf(tmp_path / "sub" / "S2_a.bdf", values, codes={100: 769})
    write_edf_plus(tmp_path / "S3_a.edf", counts(2000), rate=200, names=("Fp1", "C3", "X9", "O2"))
    (tmp_path / "S4_a.edf").write_bytes(b"")
    write_brainvision(tmp_path / "S5_a.vhdr", counts()).unlink()
    (tmp_path / "read.me").write_text("mine")
    seen = []
    found = survey(tmp_path, progress=lambda *args: seen.append(args))
    assert [(one.file, one.subject, one.seconds, one.rate) for one in found.files] == [
        ("S3_a.edf", "S3", 10.0, 200.0), ("S10_a.edf", "S10", 10.0, 100.0), ("sub/S2_a.bdf", "S2", 10.0, 100.0),
    ]  # fmt: skip
    assert [one.dead for one in found.files] == [(), (), ("Cz",)]
    assert [one.unknown for one in found.files] == [("X9",), (), ()]
    assert found.channels == ("Fp1", "C3", "O2")
    assert found.events == {"769": 2, "770": 1}
    assert list(found.damaged) == ["S4_a.edf"]
    assert "is empty" in found.damaged["S4_a.edf"]
    assert found.lost == ("S5_a.eeg", "S5_a.vmrk")
    assert [row[0] for row in seen] == ["S3_a.edf", "S4_a.edf", "S10_a.edf", "S2_a.bdf"]


def test_a_channel_that_is_not_a_number(tmp_path: Path) -> None:
    import mne

    data = counts() * 1e-7
    data[1, 700] = np.nan
    raw = mne.io.RawArray(data, mne.create_info(list(NAMES), 100, "eeg"), verbose="error")
    raw.save(tmp_path / "S1_raw.fif", fmt="double", verbose="error")
    assert survey(tmp_path / "S1_raw.fif").files[0].dead == ("C3",)


def test_the_table_that_lies_there(tmp_path: Path) -> None:
    for name in ("S1_a", "S2_a"):
        write_edf_plus(tmp_path / f"{name}.edf", counts())
    (tmp_path / "ages.csv").write_text("subject,age\nS1,30\n")
    assert survey(tmp_path).table is None
    rows = ("file,label,onset,duration", "S1_a.edf,x,0,2", "S1_a.edf,y,2,2", "S2_a.edf,,,", "")
    (tmp_path / "labels.tsv").write_text("\n".join(rows).replace(",", "\t"))
    for place in (tmp_path, tmp_path / "labels.tsv"):
        found = survey(place)
        assert (found.table, found.balance, found.unlabelled) == (tmp_path / "labels.tsv", {"x": 1, "y": 1}, 1)
        assert len(found.files) == 2
    (tmp_path / "other.csv").write_text("file,label\nS9_a.edf,x\n")
    assert "labels.tsv, other.csv are all labels tables" in survey(tmp_path).problem.replace(
        "other.csv, labels.tsv", ""
    )
    (tmp_path / "labels.tsv").unlink()
    assert "S9_a.edf" in survey(tmp_path).problem


def test_bids(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "set", subjects=("01", "02", "10"), bads={"02": "Cz"})
    found = survey(root)
    assert (found.kind, len(found.files), found.events) == ("bids", 9, {"left": 18, "right": 9})
    assert {one.subject: one.bad for one in found.files} == {"sub-01": (), "sub-02": ("Cz",), "sub-10": ()}
    assert {one.session for one in found.files} == {"a", "b"}
    assert found.participants == {"group": {"control": 1, "patient": 2}}


def test_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no EEG files"):
        survey(tmp_path)
