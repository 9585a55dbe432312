from __future__ import annotations

import numpy as np
import pytest

from trimcap.data.preprocess.windows.cut import cut
from trimcap.data.recording import Recording

RATE = 100.0


def recording(subject: str = "s1", *, seconds: float = 10.0, label: int = 0, **changes: object) -> Recording:
    rng = np.random.default_rng([label, *subject.encode()])
    values: dict[str, object] = {
        "signal": rng.standard_normal((2, round(seconds * RATE))).astype(np.float32),
        "rate": RATE,
        "channels": ("Fz", "Cz"),
        "subject": subject,
        "trial": f"t{label}",
        "label": label,
        "classes": ("rest", "task"),
    }
    return Recording(**(values | changes))  # type: ignore[arg-type]


def test_every_window_is_the_slice_its_metadata_says():
    recordings = [recording("s1", seconds=10.3), recording("s2", label=1, seconds=7)]
    windows = cut(recordings, seconds=2.5, step=0.9)
    by_subject = {r.subject: r for r in recordings}
    assert len(windows) == (1030 - 250) // 90 + 1 + (700 - 250) // 90 + 1
    for x, y, (_, row) in zip(windows.X, windows.y, windows.metadata.iterrows(), strict=True):
        source = by_subject[row.subject]
        first = round(row.start * RATE)
        np.testing.assert_array_equal(x, source.signal[:, first : first + 250])
        assert y == source.label
    assert windows.X.dtype == np.float32
    assert windows.duration == 2.5
    assert windows.unit == "µV"
    assert len(set(windows.ids)) == len(windows)


def test_default_step_does_not_overlap_and_leaves_out_the_rest():
    windows = cut([recording(seconds=10.9)], seconds=2)
    assert windows.metadata.start.tolist() == [0, 2, 4, 6, 8]


def test_odd_length_never_overlaps_by_rounding():
    windows = cut([recording(seconds=10)], seconds=0.428)  # 42.8 samples: windows of 43
    starts = np.round(windows.metadata.start.to_numpy() * RATE)
    assert set(np.diff(starts)) == {43}
    assert windows.X.shape[2] == 43


def test_window_as_long_as_the_recording_fits():
    assert len(cut([recording(seconds=10)], seconds=10)) == 1


def test_window_longer_than_a_recording_names_it_and_both_durations():
    with pytest.raises(ValueError, match=r"recording s2/0/t0 lasts 3 s, shorter than one window of 4 s"):
        cut([recording("s1"), recording("s2", seconds=3)], seconds=4)


@pytest.mark.parametrize(("option", "value"), [("seconds", 0), ("seconds", np.nan), ("step", -1), ("step", 1e-9)])
def test_length_and_step_must_be_positive(option, value):
    with pytest.raises(ValueError, match=f"{option}.*must be (positive|longer|a finite number)"):
        cut([recording()], **({"seconds": 2.0} | {option: value}))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"rate": 250.0}, r"s3/0/t0 has rate 250.0, but 3 of 4 recordings have 100.0"),
        ({"channels": ("Fz", "Pz")}, r"s3/0/t0 has channels .*Pz.*, but 3 of 4"),
        ({"classes": ("rest", "x")}, r"s3/0/t0 has classes .*'x'"),
    ],
)
def test_disagreeing_recording_is_the_one_named(change, text):
    odd = recording("s3", **change)
    with pytest.raises(ValueError, match=text):
        cut([odd, recording("s1"), recording("s2"), recording("s4")], seconds=2)


def test_same_name_twice():
    with pytest.raises(ValueError, match="two recordings are named s1/0/t0"):
        cut([recording("s1"), recording("s1")], seconds=2)


def test_names_that_would_break_ids():
    with pytest.raises(ValueError, match="must not contain"):
        cut([recording("a/b")], seconds=2)


def test_no_recordings():
    with pytest.raises(ValueError, match="no recordings"):
        cut([], seconds=2)


@pytest.mark.parametrize(
    ("value", "text"), [(np.nan, "has NaN or infinite"), (np.inf, "has NaN"), (7.0, "is constant")]
)
def test_bad_channel_names_recording_channel_and_time(value, text):
    bad = recording("s2")
    bad.signal[1, 400:600] = value
    pattern = rf"window s2/0/t0@4.0000: channel Cz {text}.*\(1 of 5 windows"
    with pytest.raises(ValueError, match=pattern):
        cut([recording("s1"), bad], seconds=2)


def test_one_nan_sample_is_enough_but_one_changing_sample_saves_a_flat_channel():
    bad = recording()
    bad.signal[0, 30] = np.nan
    with pytest.raises(ValueError, match="channel Fz has NaN"):
        cut([bad], seconds=2)
    fine = recording()
    fine.signal[0, :200] = 1
    fine.signal[0, 100] = 2
    assert len(cut([fine], seconds=2)) == 5


def test_dropping_is_counted_in_steps():
    bad = recording("s2")
    bad.signal[1, 400:600] = 7.0
    windows = cut([recording("s1"), bad], seconds=2, on_bad="drop")
    assert len(windows) == 9
    assert "s2/0/t0@4.0000" not in windows.ids
    assert windows.steps[-1] == "1 of 10 windows dropped (constant 1)"
    assert "dropped" not in cut([recording("s1")], seconds=2, on_bad="drop").steps[-1]


def test_dropping_everything_is_an_error():
    bad = recording()
    bad.signal[0] = 0
    with pytest.raises(ValueError, match=r"no window is left: 5 of 5 windows dropped \(constant 5\)"):
        cut([bad], seconds=2, on_bad="drop")


def test_misspelt_on_bad():
    with pytest.raises(ValueError, match="did you mean 'drop'"):
        cut([recording()], seconds=2, on_bad="drops")  # type: ignore[arg-type]
