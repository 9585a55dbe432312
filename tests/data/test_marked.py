"""Stretches marked bad are left out on every path, as MNE leaves them out."""

from __future__ import annotations

from pathlib import Path

import mne
import numpy as np
import pytest

import stubs
from trimcap.data import crop, cut, from_braindecode, from_raw, make_chain, read_files
from trimcap.data.marked import is_bad_name, touched

MARKS = [(2.3, 0.4, "BAD_blink"), (5.0, 1.0, "bad jump"), (7.25, 0.0, "EDGE boundary"), (8.0, 0.5, "badger")]
#: seconds 2, 5, 7 and 8: a badger begins with "bad", too, and MNE takes it for bad as well
LEFT = [0, 1, 3, 4, 6, 9]


def raw_of(marks=MARKS, *, first_samp: int = 0) -> mne.io.BaseRaw:
    info = mne.create_info(["Fz", "Cz", "Oz"], 100.0, "eeg")
    values = np.random.default_rng(0).normal(0, 20e-6, (3, 1000))
    raw = mne.io.RawArray(values, info, first_samp=first_samp, verbose="error")
    onset, duration, text = zip(*marks, strict=True)
    return raw.set_annotations(mne.Annotations(onset, duration, text), verbose="error")


def write(folder: Path, *, first_samp: int = 0) -> Path:
    raw_of(first_samp=first_samp).save(folder / "s1_rest_raw.fif", verbose="error")
    return folder / "s1_rest_raw.fif"


def seconds_of(windows) -> list[int]:
    return np.rint(windows.metadata.start.to_numpy(dtype=float)).astype(int).tolist()


def table(folder: Path):
    (folder / "labels.csv").write_text(f"file,label\n{write(folder).name},rest\n")
    return read_files(folder / "labels.csv")


PATHS = {
    "from_raw": lambda tmp: [from_raw(raw_of(), subject="s1")],
    "from_raw, first sample": lambda tmp: [from_raw(raw_of(first_samp=5000), subject="s1")],
    "whole files": lambda tmp: read_files(write(tmp)),
    "whole files, first sample": lambda tmp: read_files(write(tmp, first_samp=700)),
    "a labels table": table,
    "a shorter stretch": lambda tmp: [crop(from_raw(raw_of(), subject="s1"), 0.0, 10.0)],
}


@pytest.mark.parametrize("path", PATHS)
def test_windows_that_touch_them_are_dropped_and_counted(path, tmp_path):
    recordings = PATHS[path](tmp_path)
    windows = cut(recordings, seconds=1)
    assert seconds_of(windows) == LEFT
    assert windows.steps[-1].endswith("(marked bad 4)")
    assert seconds_of(cut(recordings, seconds=1, marked="keep")) == list(range(10))
    chain = make_chain([{"name": "bandpass", "low": 1, "high": 30}, {"name": "windows", "seconds": 1}])
    windows = chain.apply(recordings)
    assert seconds_of(windows) == LEFT
    assert windows.steps[-1] == "4 of 10 windows dropped (marked bad 4)"
    kept = make_chain([{"name": "windows", "seconds": 1, "marked": "keep"}]).apply(recordings)
    assert seconds_of(kept) == list(range(10))


def test_as_mne_does_it():
    raw = raw_of([mark for mark in MARKS if "EDGE" not in mark[2]])
    epochs = mne.make_fixed_length_epochs(raw, duration=1.0, verbose="error").drop_bad(verbose="error")
    windows = cut([from_raw(raw, subject="s1")], seconds=1)
    assert seconds_of(windows) == epochs.selection.tolist()
    np.testing.assert_allclose(windows.X, epochs.get_data(copy=False) * 1e6, rtol=1e-5)


def test_a_crop_moves_them():
    late = crop(from_raw(raw_of(), subject="s1"), 1.5, 9.5)
    assert seconds_of(cut([late], seconds=1)) == [2, 7]  # 3.5 to 4.5 and 8.5 to 9.5 of the whole
    assert late.info["marked_bad"][0][0] == pytest.approx(0.8)


def test_a_marked_baseline_takes_its_trial():
    steps = [{"name": "windows", "seconds": 1, "baseline": 3}, "subtract_baseline"]
    with pytest.raises(ValueError, match=r"no window is left: 7 of 7 windows dropped \(marked bad 7"):
        make_chain(steps).apply([from_raw(raw_of(), subject="s1")])


@pytest.mark.parametrize(
    ("mark", "hit"),
    [
        ((1.0, 2.0), [1]), ((0.5, 1.0), [0]), ((0.99, 2.01), [0, 1, 2]), ((1.0, 1.0), []), ((1.5, 1.5), [1]),
        ((-5.0, 0.0), []), ((3.9, 99.0), [3]), ((-9.0, 99.0), [0, 1, 2, 3]),
    ],
)  # fmt: skip
def test_what_touches(mark, hit):
    assert np.flatnonzero(touched([(*mark, "bad")], np.arange(4.0), 1.0)).tolist() == hit


def test_names():
    assert all(map(is_bad_name, ["BAD", "bad_x", "Bad blink", "BAD_ACQ_SKIP", "boundary", "New Segment/", "EDGE"]))
    assert not any(map(is_bad_name, ["good", "not bad", "", "T1", "embed"]))


def test_another_option_is_refused():
    with pytest.raises(ValueError, match="unknown marked 'maybe'"):
        cut([from_raw(raw_of(), subject="s1")], seconds=1, marked="maybe")
    with pytest.raises(ValueError, match="unknown marked 'maybe'"):
        make_chain([{"name": "windows", "seconds": 1, "marked": "maybe"}])


def test_windows_of_braindecode():
    bd = stubs.framework("braindecode", "datasets", "preprocessing", "datautil")
    data = bd.datasets.BaseConcatDataset([bd.datasets.RawDataset(raw_of(), {"subject": 1, "x": "a"}, target_name="x")])
    cuts = bd.preprocessing.create_fixed_length_windows(
        data, window_size_samples=100, window_stride_samples=100, on_last_window="drop", mapping={"a": 0}
    )
    windows = from_braindecode(cuts)
    assert seconds_of(windows) == LEFT
    assert windows.steps[-1] == "4 of 10 windows dropped (marked bad 4)"
    assert seconds_of(from_braindecode(cuts, marked="keep")) == list(range(10))
