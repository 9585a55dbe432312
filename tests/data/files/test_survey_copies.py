"""`data check` names recordings that lie in a folder twice, whatever their files are called."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from mne_files import write_bdf, write_edf_plus
from scipy.signal import resample_poly
from test_copies import pink

from trimcap.data.files.survey.look import survey
from trimcap.data.files.survey.notes import notes_of


def counts(x):
    return np.round(10 * x[:4]).astype(int)


def copies(folder):
    return [note for note in notes_of(survey(folder)) if "same recording" in note]


def test_copies_under_other_names_formats_and_rates(tmp_path: Path) -> None:
    people = [pink(i, seconds=40, rate=100) for i in range(3)]
    for i, x in enumerate(people):
        write_edf_plus(tmp_path / f"S{i}_a.edf", counts(x))
    assert copies(tmp_path) == []
    shutil.copy(tmp_path / "S1_a.edf", tmp_path / "S7_a.edf")
    write_bdf(tmp_path / "S8_a.bdf", counts(people[1]))  # another header, the same samples
    later = people[0] - people[0].mean(axis=0)
    write_edf_plus(tmp_path / "S9_a.edf", counts(resample_poly(later, 2, 1, axis=1)[:, 530 : 530 + 7000]), rate=200)
    found = copies(tmp_path)
    assert len(found) == 3
    assert found[0].startswith(
        "the same recording twice, but for its start, scale, reference or rate: S0_a.edf and S9_a.edf; subjects S0 and"
    )
    assert found[1].startswith("the same recording twice, to the bit: S1_a.edf and S7_a.edf; subjects S1 and S7")
    assert "S1_a.edf and S8_a.bdf" in found[2]


def test_dead_and_tiny_files_are_no_copies(tmp_path: Path) -> None:
    for i in range(3):
        write_edf_plus(tmp_path / f"S{i}_a.edf", np.zeros((4, 1000), dtype=int))
        write_edf_plus(tmp_path / f"T{i}_a.edf", counts(pink(i, seconds=1, rate=100)))
    assert copies(tmp_path) == []


@pytest.mark.real
def test_real_recordings(eegmat_folder: Path, tmp_path: Path) -> None:
    """One session of Kalunga lies under two subjects; nobody is in EEGMAT twice, until he is."""
    published = Path(os.environ["TRIMCAP_DATA"]) / "kalunga"
    if not published.is_dir():
        pytest.skip("there is no kalunga under TRIMCAP_DATA")
    (found,) = copies(published)
    assert "subject03/2012.07.11-15.33.08_raw.fif and subject07/2012.07.11-15.33.08_raw.fif" in found
    for name in ("Subject00_1.edf", "Subject00_2.edf", "Subject03_1.edf", "Subject06_1.edf"):
        shutil.copy(eegmat_folder / name, tmp_path)
    assert copies(tmp_path) == []
    shutil.copy(eegmat_folder / "Subject00_1.edf", tmp_path / "Subject77_1.edf")
    (found,) = copies(tmp_path)
    assert "Subject00_1.edf and Subject77_1.edf" in found
