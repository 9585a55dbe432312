"""Files that are cut, damaged, incomplete or of another format are refused."""

from __future__ import annotations

import contextlib
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from every_format import EVENTS, WRITERS, write
from mne_files import counts

from trimcap.data.files.labelled import files_source, read_files

CUTS = (1, 7, 255, 256, 300, 1000, -1)


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("cut", CUTS)
def test_truncated_files_are_refused(tmp_path: Path, kind: str, cut: int) -> None:
    events = () if kind == "cnt" else (*EVENTS, (9.98, 0.01, "771"))
    path = write(kind, tmp_path, events=events)
    read_files(path)
    target = path.with_suffix({"brainvision": ".eeg", "fdt": ".fdt"}.get(kind, path.suffix))
    whole = target.read_bytes()
    cut = cut - 100 if kind == "fif" and cut < 0 else cut  # its last tag says nothing
    target.write_bytes(whole[:cut])
    with pytest.raises((ValueError, UserWarning), match=r"is truncated|is not a readable|ends before") as caught:
        read_files(path)
    assert str(target) in str(caught.value) or str(path) in str(caught.value)
    half = len(whole) // 2
    target.write_bytes(whole[:half])
    with pytest.raises((ValueError, UserWarning), match=r"is truncated|is not a readable|ends before"):
        read_files(path)


@pytest.mark.parametrize("kind", WRITERS)
def test_empty_and_foreign_files_are_refused(tmp_path: Path, kind: str) -> None:
    path = write(kind, tmp_path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=f"{path.name} is empty"):
        read_files(path)
    path.write_bytes(b"no EEG at all, but long enough to be taken for a header " * 50)
    with pytest.raises(ValueError, match="is not a readable"):
        read_files(path)


def test_flipped_bits_give_values_or_a_message(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for kind in ("edf", "bdf", "gdf1", "gdf2", "fif", "cnt"):
        path = write(kind, tmp_path / kind, values=counts(200))
        whole = path.read_bytes()
        for _ in range(40):
            content = bytearray(whole)
            content[int(rng.integers(min(1200, len(whole))))] ^= 1 << int(rng.integers(8))
            path.write_bytes(content)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with contextlib.suppress(ValueError, FileNotFoundError):  # and nothing else
                    read_files(path)


def test_missing_parts_wrong_names_and_nothing(tmp_path: Path) -> None:
    path = write("brainvision", tmp_path)
    path.with_suffix(".eeg").rename(tmp_path / "other.eeg")
    with pytest.raises(FileNotFoundError, match=r"names 'S1_a.eeg', which is not beside it"):
        read_files(path)
    with pytest.raises(FileNotFoundError, match="no file or folder"):
        read_files(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="holds no EEG files"):
        read_files((tmp_path / "empty").mkdir() or tmp_path / "empty")
    shutil.copy(write("edf", tmp_path, "S5_a"), tmp_path / "S5_a.xyz")
    with pytest.raises(ValueError, match=r"S5_a.xyz is of a format that nothing here reads"):
        read_files(tmp_path / "S5_a.xyz")
    shutil.copy(tmp_path / "S5_a.edf", tmp_path / "S6_a.bdf")  # a wrong suffix
    with pytest.raises(ValueError, match=r"S6_a.bdf is (not a readable .bdf file|truncated)"):
        read_files(tmp_path / "S6_a.bdf")
    with pytest.raises(ValueError, match="is named twice"):
        files_source(files=[tmp_path / "S5_a.edf"] * 2)
    with pytest.raises(FileNotFoundError, match="no file"):
        files_source(files=[tmp_path / "S7_a.edf"])


def test_a_header_that_promises_too_much_takes_no_memory(tmp_path: Path) -> None:
    path = write("cnt", tmp_path)
    content = bytearray(path.read_bytes())
    content[864:868] = (10**9).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(ValueError, match="not a readable"):
        read_files(path)
    path = write("edf", tmp_path, "S2_a")
    content = bytearray(path.read_bytes())
    content[236:244] = b"99999999"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="truncated"):
        read_files(path)
