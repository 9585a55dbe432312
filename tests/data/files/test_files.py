"""Files of every format, read through one source."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import mne
import numpy as np
import pytest
from every_format import BOTH, EVENTS, WRITERS, write
from mne_files import LSB, NAMES, counts

from trimcap.data.cache.make import make_windows
from trimcap.data.files.labelled import files_source, read_files
from trimcap.data.preprocess.chain import make_chain
from trimcap.data.preprocess.recordings.resample import resample


def unit_of(kind: str) -> float:
    return 1.0 if kind == "cnt" else LSB  # 1 µV per count in our CNT


@pytest.mark.parametrize("kind", WRITERS)
def test_values_are_read_back_exactly(tmp_path: Path, kind: str) -> None:
    path = write(kind, tmp_path / "脑电 数据")
    (made,) = read_files(tmp_path / "脑电 数据")
    np.testing.assert_allclose(made.signal, counts() * unit_of(kind), rtol=1e-6, atol=1e-6)
    assert made.signal.dtype == np.float32
    assert (made.name, made.channels, made.rate, made.classes) == ("S1/1/S1_a", NAMES, 100.0, ("0",))
    assert {**made.info, "doubt": ""} == {"file": path.name, "doubt": ""}


@pytest.mark.parametrize("kind", ["edf", "brainvision", "fif"])
def test_rates(tmp_path: Path, kind: str) -> None:
    write(kind, tmp_path, "S1_a", values=counts(2000), rate=200)
    write(kind, tmp_path, "S2_a", values=counts(1000), rate=100)
    with pytest.raises(ValueError, match=r"S2_a.* has 100 Hz, the first file 200 Hz; resample all \(rate=100\)"):
        read_files(tmp_path)
    one, two = read_files(tmp_path, rate=100)
    np.testing.assert_array_equal(two.signal, read_files(tmp_path / f"S2_a{WRITERS[kind][0]}")[0].signal)
    (whole,) = read_files(tmp_path / f"S1_a{WRITERS[kind][0]}")
    np.testing.assert_allclose(one.signal, resample(whole, 100).signal, atol=1e-4)


def test_order_subjects_sessions(tmp_path: Path) -> None:
    for name in ("S10_ses2_run1", "S2_ses1_run1", "S10_ses1_run1", ".hidden_a", "S2_ses2_run2"):
        write("edf", tmp_path / name.split("_")[0], name)
    (tmp_path / "S2" / "notes.txt").write_text("mine")
    names = [r.name for r in files_source(tmp_path, session="ses([0-9])")]
    assert names == [
        "S2/1/S2_ses1_run1", "S2/2/S2_ses2_run2", "S10/1/S10_ses1_run1", "S10/2/S10_ses2_run1",
    ]  # fmt: skip
    assert {r.subject for r in files_source(tmp_path, subjects=1)} == {"S2"}
    assert [r.subject for r in files_source(tmp_path, subjects=["S10", "S2"])] == ["S10", "S10", "S2", "S2"]
    with pytest.raises(ValueError, match="unknown files subject 'S1'"):
        files_source(tmp_path, subjects=["S1"])
    with pytest.raises(ValueError, match="3 subjects asked for, but there are 2"):
        files_source(tmp_path, subjects=3)


def test_names_in_the_path(tmp_path: Path) -> None:
    for subject in ("S1", "S2"):
        write("edf", tmp_path / subject, "rec")
    with pytest.raises(ValueError, match=r"two trials are called rec/1/rec .*tell them apart with subject="):
        files_source(tmp_path, subject="file")
    assert [r.name for r in files_source(tmp_path)] == ["S1/1/rec", "S2/1/rec"]
    assert [r.name for r in files_source(tmp_path, subject="(S[0-9])/")] == ["S1/1/rec", "S2/1/rec"]
    with pytest.raises(ValueError, match=r"subject '\(Q\)' finds nothing in 'S1/rec.edf'"):
        files_source(tmp_path, subject="(Q)")
    with pytest.raises(ValueError, match="is no regular expression with a group"):
        files_source(tmp_path, subject="S[0-9]")
    with pytest.raises(ValueError, match="has a / or @ in it"):
        files_source(tmp_path, subject="(S1/rec)")


def test_classes_by_name(tmp_path: Path) -> None:
    for name in ("S1_1", "S1_2"):
        write("edf", tmp_path / "x", name)
    made = read_files(tmp_path, patterns={"rest": "*_1.edf", "task": "x/*"})
    assert [(r.trial, r.classes[r.label]) for r in made] == [("S1_1", "rest"), ("S1_2", "task")]
    with pytest.raises(ValueError, match=r"no class fits 'x/S1_2.edf'; the patterns are \*_1.edf"):
        files_source(tmp_path, patterns={"rest": "*_1.edf"})
    with pytest.raises(ValueError, match="three ways to label files"):
        files_source(tmp_path, patterns={"rest": "*"}, events={"a": "b"})


def test_split_and_other_fif_files_are_not_taken_twice(tmp_path: Path) -> None:
    info = mne.create_info(list(NAMES), 100, "eeg")
    values = counts(80_000)
    raw = mne.io.RawArray(values * LSB * 1e-6, info, verbose="error")
    raw.save(tmp_path / "S1_raw.fif", fmt="double", split_size="2MB", verbose="error")
    assert (tmp_path / "S1_raw-1.fif").exists()
    mne.Epochs(raw, np.array([[100, 0, 1]]), tmin=0, tmax=1, baseline=None, verbose="error").save(
        tmp_path / "S1-epo.fif", verbose="error"
    )
    source = files_source(tmp_path)
    assert [p.name for p in source.items] == ["S1_raw.fif"]
    assert "S1_raw-1.fif" in {p.name for p in source.also}
    np.testing.assert_allclose(next(iter(source)).signal, values * LSB, rtol=1e-6, atol=1e-6)


def test_a_source_reads_one_file_at_a_time_and_is_cached(tmp_path: Path) -> None:
    for name in ("S1_a", "S2_a"):
        write("edf", tmp_path / "in", name, events=EVENTS)
    source = files_source(tmp_path / "in", events=BOTH, stop=1)
    chain = make_chain([{"name": "windows", "seconds": 0.5}])
    made = make_windows(chain, source, cache=tmp_path / "cache")
    assert (len(made), made.classes) == (12, ("left", "right"))
    again = make_windows(chain, files_source(tmp_path / "in", events=BOTH, stop=1), cache=tmp_path / "cache")
    np.testing.assert_array_equal(made.X, again.X)
    write("edf", tmp_path / "in", "S2_a", events=EVENTS, values=counts(seed=5))
    other = make_windows(chain, files_source(tmp_path / "in", events=BOTH, stop=1), cache=tmp_path / "cache")
    assert not np.array_equal(other.X, made.X)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"events": {"a": "x", "b": "x"}}, "gives event 'x' to two classes"),
        ({"events": {}}, "names no event"),
        ({"events": {"a": "x"}, "start": 2, "stop": 1}, "stop must be later"),
        ({"stop": 1}, "start= and stop= count from events"),
        ({"events": {"a": "x"}, "missing_events": "no"}, "unknown missing_events 'no'"),
        ({"on_bad": "skip"}, "unknown on_bad 'skip'"),
        ({"rate": 0}, "rate is 0 Hz"),
        ({"channels": ["Cz", "Cz"]}, "name Cz twice"),
        ({"channels": ["C9"]}, "channel C9 missing"),
    ],
)
def test_options_that_mean_nothing(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    path = write("edf", tmp_path)
    with pytest.raises(ValueError, match=message):
        read_files(path, **options)


def test_nothing_or_both_to_read(tmp_path: Path) -> None:
    for options in ({}, {"path": tmp_path, "files": ["a"]}):
        with pytest.raises(ValueError, match="pass the path of a folder"):
            files_source(**options)


def test_files_are_left_out_by_patterns(tmp_path: Path) -> None:
    for subject in ("S1", "S2"):
        for run in "ab":
            write("edf", tmp_path / subject, f"rec_{run}")
    source = files_source(tmp_path, leave_out=["S2/rec_a*"])
    assert [item.relative_to(tmp_path).as_posix() for item in source.items] == [
        "S1/rec_a.edf",
        "S1/rec_b.edf",
        "S2/rec_b.edf",
    ]
    assert len(files_source(tmp_path, leave_out="rec_a.edf")) == 2
    with pytest.raises(ValueError, match=r"leave_out 'S3/\*' fits none of 4 files, such as 'S1/rec_a.edf'"):
        files_source(tmp_path, leave_out="S3/*")
    with pytest.raises(ValueError, match="leaves none of 4 files"):
        files_source(tmp_path, leave_out="*")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("f.mat", b"MATLAB", "is no recording of EEG, but a MATLAB file, of features or of a published set"),
        ("f.txt", b"hello\n1,2\n", "is no recording of EEG, but text that no headset's program wrote"),
        ("f.csv", b"alpha,beta\n1,2\n", "no column file or label; .* tables of features are no recordings"),
        ("f.mff", b"", "mffpy|is empty|not a readable"),
        ("f.cnt", b"RIFFxxxx" + bytes(4000), "needs a package to be read: pip install antio"),
    ],
)
def test_what_is_no_recording_is_told_apart(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    if name == "f.cnt" and find_spec("antio") is not None:
        pytest.skip("antio is installed, so that nothing is missing")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=words) as caught:
        read_files(tmp_path / name)
    if name[2:] in ("mat", "txt", "csv"):
        assert "download it again" not in str(caught.value)
