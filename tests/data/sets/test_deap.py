"""DEAP, both forms, against written files."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat
from set_files import deap_arrays, folder, write_deap

from trimcap.data.sets.deap import DEAP
from trimcap.data.sources import open_source, read_set

CHANNELS = (
    "Fp1 AF3 F3 F7 FC5 FC1 C3 T7 CP5 CP1 P3 P7 PO3 O1 Oz Pz Fp2 AF4 Fz F4 F8 FC6 FC2 Cz C4 T8 CP6 CP2 P4 P8 PO4 O2"
)


def test_values_channels_labels_and_order(tmp_path: Path) -> None:
    write_deap(tmp_path)
    arrays = deap_arrays(1)
    read = read_set("deap", tmp_path)
    assert [r.name for r in read] == [f"s01/1/{t:02d}" for t in range(1, 41)]
    assert " ".join(read[0].channels) == CHANNELS
    for t, recording in enumerate(read):
        np.testing.assert_array_equal(recording.signal, arrays["data"][t, :32, 384:])
        assert recording.signal.dtype == np.float32
        assert recording.signal.flags.c_contiguous
        assert recording.label == int(arrays["labels"][t, 0] > 5)
        assert tuple(recording.info["ratings"].values()) == tuple(arrays["labels"][t])
    assert list(read[0].info["ratings"]) == ["valence", "arousal", "dominance", "liking"]
    assert (read[0].rate, read[0].duration, read[0].classes) == (128.0, 60.0, ("low valence", "high valence"))
    assert read[3].info["rule"] == "valence > 5"
    assert read[3].info["stimulus"] == "04"


def test_the_matlab_twin_reads_the_same(tmp_path: Path) -> None:
    write_deap(tmp_path)
    savemat(folder(tmp_path, "data_preprocessed_matlab") / "s01.mat", deap_arrays(1))
    python, matlab = (read_set("deap", tmp_path, form=form, label="liking") for form in ("python", "matlab"))
    for a, b in zip(python, matlab, strict=True):
        np.testing.assert_array_equal(a.signal, b.signal)
        assert (a.name, a.label, a.info["ratings"]) == (b.name, b.label, b.info["ratings"])
    assert matlab[0].info["file"] == "s01.mat"
    assert DEAP.files(tmp_path).folder.name == "data_preprocessed_python"


def test_ties_follow_the_side_and_nan_is_never_a_class(tmp_path: Path) -> None:
    arrays = deap_arrays(1)
    arrays["labels"][:, 1] = 3.0
    arrays["labels"][0, 1] = 5.0
    arrays["labels"][[4, 7], 1] = np.nan
    write_deap(tmp_path, arrays=arrays)
    for side, first in ((">", 0), (">=", 1)):
        with pytest.warns(UserWarning, match=r"s01\.dat: 2 trials left out \(1/05: its rating is NaN; 1/08"):
            read = read_set("deap", tmp_path, label="arousal", side=side)
        assert [r.trial for r in read] == [f"{t:02d}" for t in range(1, 41) if t not in (5, 8)]
        assert read[0].label == first
        assert sum(r.label for r in read[1:]) == 0
        assert list(read[0].info["left_out"]) == ["1/05", "1/08"]
    assert len(read_set("deap", tmp_path, label="valence")) == 40


def test_baseline_is_dropped_kept_or_put_apart(tmp_path: Path) -> None:
    write_deap(tmp_path)
    drop, keep, apart = (read_set("deap", tmp_path, baseline=b)[6] for b in ("drop", "keep", "apart"))
    data = deap_arrays(1)["data"][6, :32]
    np.testing.assert_array_equal(keep.signal, data)
    np.testing.assert_array_equal(apart.signal, drop.signal)
    np.testing.assert_array_equal(apart.info["baseline"], data[:, :384])
    assert (keep.info["baseline_seconds"], drop.info["baseline_seconds"]) == (3.0, 0.0)
    assert "baseline" not in drop.info


def test_paths_extra_files_and_order_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "脑电 data é"
    for subject in (10, 2):
        write_deap(place, subject)
    inside = place / "data_preprocessed_python"
    for name in ("._s03.dat", "s04.dat.part", "notes.txt", "s٠٥.dat"):
        (inside / name).write_bytes(b"x")
    found = DEAP.files(place)
    assert list(found.files) == ["s02", "s10"]
    assert set(found.extra) == {"._s03.dat", "s04.dat.part", "notes.txt", "s٠٥.dat"}
    assert found.missing[:3] == ("s01", "s03", "s04")
    assert len(found.missing) == 30
    there = os.listdir
    monkeypatch.setattr(os, "listdir", lambda *a: there(*a)[::-1])
    assert list(DEAP.files(inside).files) == ["s02", "s10"]


def test_subjects_come_one_by_one_in_the_order_asked_for(tmp_path: Path) -> None:
    for subject in (1, 2, 3):
        write_deap(tmp_path, subject)
    source = open_source("deap", tmp_path, subjects=["s03", 1])
    first, second = (source.read(item) for item in source.items)
    assert {r.subject for r in first} == {"s03"}
    assert {r.subject for r in second} == {"s01"}
    np.testing.assert_array_equal(first[0].signal, deap_arrays(3)["data"][0, :32, 384:])
    with pytest.raises(ValueError, match=r"DEAP: subject 7 has no file in .*there are s01, s02, s03"):
        open_source("deap", tmp_path, subjects=[7])
    with pytest.raises(ValueError, match="unknown DEAP subject '99'"):
        open_source("deap", tmp_path, subjects=["99"])
    with pytest.raises(ValueError, match="DEAP: subjects named twice: s01"):
        open_source("deap", tmp_path, subjects=[1, "s01"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": np.zeros((40, 40, 8063))}, r"data has the shape 40 × 40 × 8063; expected 40 × 40 × 8064"),
        ({"data": np.zeros((40, 32, 8064), "f4")}, r"data has the shape 40 × 32 × 8064"),
        ({"labels": np.ones((40, 3))}, r"labels has the shape 40 × 3; expected 40 × 4"),
        ({"labels": None}, r"has no array of numbers 'labels'"),
        ({"labels": np.full((40, 4), 11.0)}, r"trial 01: valence is rated 11, outside 1 to 9"),
        ({"labels": np.full((40, 4), -1.0)}, r"trial 01: valence is rated -1, outside"),
    ],
)
def test_wrong_content_is_named(tmp_path: Path, change: dict[str, object], message: str) -> None:
    write_deap(tmp_path, arrays=deap_arrays(1) | change)
    with pytest.raises(ValueError, match=rf"s01\.dat.*{message}"):
        read_set("deap", tmp_path)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_bad_trials_are_refused_dropped_or_kept(tmp_path: Path, bad: float) -> None:
    arrays = deap_arrays(1)
    arrays["data"][2, 5, 4000] = bad
    arrays["data"][3, 7] = 1.0
    write_deap(tmp_path, arrays=arrays)
    with pytest.raises(ValueError, match=r"s01\.dat: recording s01/1/03: channel FC1 holds NaN or infinity"):
        read_set("deap", tmp_path)
    with pytest.warns(UserWarning, match="2 trials left out"):
        assert [r.trial for r in read_set("deap", tmp_path, on_bad="drop")][:3] == ["01", "02", "05"]
    assert len(read_set("deap", tmp_path, on_bad="keep")) == 40


def test_options_and_folders_are_checked_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"DEAP: no files like sN\.mat"):
        open_source("deap", tmp_path)
    with pytest.raises(FileNotFoundError, match="is no folder"):
        open_source("deap", tmp_path / "none")
    write_deap(tmp_path)
    with pytest.raises(ValueError, match="unknown DEAP label 'valance'; did you mean 'valence'"):
        open_source("deap", tmp_path, label="valance")
    with pytest.raises(ValueError, match="unknown side"):
        open_source("deap", tmp_path, side="<")
    with pytest.raises(ValueError, match="into one class"):
        open_source("deap", tmp_path, threshold=9)
    with pytest.raises(ValueError, match="unknown baseline"):
        open_source("deap", tmp_path, baseline="remove")
    (tmp_path / "data_preprocessed_python" / "S01.DAT").write_bytes(b"")
    if len(list((tmp_path / "data_preprocessed_python").iterdir())) == 2:  # a file system that knows case
        with pytest.raises(ValueError, match="too many files of one subject"):
            open_source("deap", tmp_path)
