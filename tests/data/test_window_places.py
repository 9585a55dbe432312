"""Every window knows what recording it is of and where in it, so that shared samples are seen whatever trials say."""

from __future__ import annotations

from dataclasses import replace

import mne
import numpy as np
import pandas as pd
import pytest
from brown import brown, several

from trimcap.data.arrays.npz import read_npz, write_npz
from trimcap.data.arrays.read import open_arrays
from trimcap.data.arrays.write import write_arrays
from trimcap.data.cache.make import make_windows
from trimcap.data.libraries.moabb import from_moabb
from trimcap.data.libraries.objects import from_arrays, from_epochs, from_raw
from trimcap.data.places import content_id, places_of, sharing
from trimcap.data.preprocess.chain import Chain
from trimcap.data.preprocess.recordings.crop import crop
from trimcap.data.preprocess.steps import make_step
from trimcap.data.preprocess.windows.cut import cut
from trimcap.data.split_files.audit import audit_split
from trimcap.data.split_files.rows import split_of
from trimcap.data.splits.protocols.named import split

CHANNELS = ("Fz", "Cz", "Pz")


def table_of(windows):
    return windows.metadata[["recording", "onset"]]


def test_a_recording_is_known_by_its_content_not_its_name():
    one, other = brown(), brown("s2")
    copy = replace(one, subject="s9", info={"file": "other.edf"})
    windows = cut([one, other, copy], seconds=1)
    names = windows.metadata.groupby("subject").recording.unique()
    assert names["s1"] == names["s9"] != names["s2"]
    assert windows.metadata.onset.tolist() == windows.metadata.start.tolist()
    blank = np.zeros((2, 100), np.float32)
    assert content_id(blank, 128.0, "a") != content_id(blank, 128.0, "b")


def test_crops_of_one_recording_know_where_they_lie():
    whole = brown(n_times=1280)
    parts = [replace(crop(whole, 0, 6), trial="a"), replace(crop(crop(whole, 2, 10), 1.5), trial="b")]
    chained = make_windows(Chain((make_step("keep_first", seconds=4), make_step("windows", seconds=2))), parts)
    for windows, count in ((cut(parts, seconds=2), 6), (chained, 4)):
        assert len(windows) == count
        assert windows.metadata.recording.nunique() == 1
        assert windows.metadata.onset[windows.metadata.trial == "b"].tolist()[0] == 3.5
        assert cut([whole], seconds=2).metadata.recording[0] == windows.metadata.recording[0]
        shared = sharing(places_of(windows), *(np.flatnonzero(windows.metadata.trial == t) for t in "ab"))
        assert shared.sum() == (2 if count == 6 else 1)


def overlapping():
    """Two subjects; trials of 4 s that begin every 3 s of one recording."""
    found = []
    for subject in ("s1", "s2"):
        whole = brown(subject, n_times=2560)
        found += [replace(crop(whole, 3.0 * t, 3.0 * t + 4), trial=f"t{t}", label=t % 2, session="0") for t in range(5)]
    return cut(found, seconds=2)


def test_trials_that_overlap_are_never_split():
    windows = overlapping()
    with pytest.raises(ValueError, match=r"overlap in time with .* windows of the same recording.*split by session or"):
        split(windows, "leave_trials_out", n_folds=2, valid=0.5)
    assert len(split(windows, "leaky_windows", n_folds=2))
    last = (windows.metadata.trial == "t4").to_numpy()
    audit = audit_split(split_of(windows, ~last, last), unit="trial")
    assert [f.text for f in audit.findings if f.severity == "error"] == [
        "2 of 4 test windows overlap in time with a training window"
    ]
    # twin: with a second less they do not
    apart = windows.take((windows.metadata.start < 2).to_numpy())
    assert split(apart, "leave_trials_out", n_folds=2, valid=0.5)


def info_of(n=3):
    return mne.create_info(list(CHANNELS[:n]), 100.0, "eeg")


def epochs(starts, codes, *, seconds=1.0):
    source = mne.io.RawArray(1e-5 * np.random.default_rng(0).standard_normal((3, 2000)), info_of(), verbose="error")
    events = np.array([[s, 0, c] for s, c in zip(starts, codes, strict=True)])
    return mne.Epochs(
        source, events, {"left": 3, "right": 7}, 0, seconds - 0.01, baseline=None, preload=True, verbose="error"
    )


def test_epochs_without_a_trial_are_one_trial():
    made = from_epochs(epochs([100, 200, 300], [3, 7, 3]), subject="S1")
    assert set(made.metadata.trial) == {"0"}
    assert made.metadata.onset.tolist() == [1.0, 2.0, 3.0]
    assert made.metadata.recording.nunique() == 1
    close = from_epochs(epochs(range(100, 1000, 75), [3, 7] * 6), subject="S1", trial=list("abcdefghijkl"))
    with pytest.raises(ValueError, match="share samples"):
        split(close, "leave_trials_out", n_folds=2, valid=0.5)


def test_other_ways_in():
    signal = 1e-5 * np.random.default_rng(0).standard_normal((3, 1000))
    made = cut([from_raw(mne.io.RawArray(signal, info_of(), verbose="error"), subject="S1")], seconds=1)
    assert made.metadata.onset.tolist() == list(map(float, range(10)))
    X, y = 20 * np.random.default_rng(0).standard_normal((4, 3, 100)), [0, 1, 0, 1]
    known = from_arrays(
        X, y, channels=CHANNELS, rate=100, subject="S1", trial=list("abcd"), start=[0, 0.5, 3, 4], recording="run 1"
    )
    assert table_of(known).to_dict("list") == {"recording": ["run 1"] * 4, "onset": [0, 0.5, 3, 4]}
    assert sharing(places_of(known), np.array([0]), np.arange(1, 4)).tolist() == [True, False, False]
    assert "recording" not in from_arrays(X, y, channels=CHANNELS, rate=100, subject="S1", start=[0, 1, 2, 3]).metadata
    with pytest.raises(ValueError, match="give both"):
        from_arrays(X, y, channels=CHANNELS, rate=100, subject="S1", recording="run 1")
    one = epochs([100, 250, 500, 900], [3, 7, 3, 7])
    table = pd.DataFrame({"subject": 1, "session": "0", "run": ["0", "0", "1", "1"]})
    made = from_moabb(one, ["left", "right"] * 2, table, trial="row")
    assert made.metadata.onset.tolist() == [0.0, 1.5, 0.0, 4.0]
    assert made.metadata.recording.tolist() == ["run 1/0/0"] * 2 + ["run 1/0/1"] * 2


def test_a_recording_that_says_where_it_is_from_is_known_under_another_subject():
    """Re-referenced or not: its place tells, and so does its content."""
    parts = [crop(brown(f"s{i}", n_times=1280), 0, 8) for i in range(4)]
    copy = replace(parts[0], subject="zz", signal=parts[0].signal - parts[0].signal.mean(axis=0))
    windows = cut([*parts, copy], seconds=2)
    windows = replace(windows, y=(windows.metadata.start.to_numpy() % 4 > 0).astype(np.int64))
    fold = next(f for f in split(windows, "leave_one_subject_out") if f.name == "subject zz")
    errors = [f.text for f in fold.audit().findings if f.severity == "error"]
    assert any("overlap in time with a training window" in text for text in errors)
    assert any("hold the same signal" in text for text in errors)


def test_they_are_kept_in_files(tmp_path):
    windows = cut(several(), seconds=1)
    write_npz(windows, tmp_path / "w.npz")
    write_arrays(windows, tmp_path / "w")
    for again in (read_npz(tmp_path / "w.npz"), open_arrays(tmp_path / "w")):
        pd.testing.assert_frame_equal(table_of(again), table_of(windows), check_dtype=False)
