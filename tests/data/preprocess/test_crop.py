"""Crop, resample and check one recording."""

from __future__ import annotations

import numpy as np
import pytest

from trimcap.data.check import check_signal
from trimcap.data.preprocess.recordings.crop import crop
from trimcap.data.preprocess.recordings.resample import resample
from trimcap.data.recording import Recording


def recording(signal: np.ndarray | None = None, *, rate: float = 100.0) -> Recording:
    if signal is None:
        signal = np.arange(2000.0).reshape(2, 1000) % 977
    return Recording(signal.astype(np.float32), rate, ("Fz", "Cz"), "S01", "1", "rest", info={"age": 21})


@pytest.mark.parametrize(
    ("start", "stop", "first", "last"),
    [
        (None, None, 0, 1000),
        (2, 5, 200, 500),
        (-3, None, 700, 1000),
        (None, -1, 0, 900),
        (-4, -2, 600, 800),
        (0, 10, 0, 1000),
    ],
)
def test_crop_takes_these_samples(start: float | None, stop: float | None, first: int, last: int) -> None:
    whole = recording()
    part = crop(whole, start, stop)
    np.testing.assert_array_equal(part.signal, whole.signal[:, first:last])
    assert part.info == {"age": 21, "crop": (first / 100, last / 100)}
    assert part.name == whole.name


@pytest.mark.parametrize(("start", "stop"), [(5, 5), (5, 2), (0, 10.5), (-11, None), (12, None)])
def test_crop_outside_names_recording_and_length(start: float, stop: float | None) -> None:
    with pytest.raises(ValueError, match=r"S01/1/rest lasts 10 s; the stretch from .* is empty or reaches outside"):
        crop(recording(), start, stop)


@pytest.mark.parametrize(("old", "new", "n"), [(500.0, 128.0, 1280), (100.0, 250.0, 12500), (256.0, 128.0, 2500)])
def test_resampling_keeps_a_sine_and_removes_what_would_alias(old: float, new: float, n: int) -> None:
    t = np.arange(5000) / old
    kept, lost = 0.1 * min(old, new), 0.7 * new
    low = np.sin(2 * np.pi * kept * t)
    high = np.sin(2 * np.pi * lost * t) if lost < old / 2 else 0 * t
    made = resample(recording(np.stack([low, low + high]), rate=old), new)
    assert made.signal.shape == (2, n)
    assert made.signal.dtype == np.float32
    assert made.rate == new
    expected = np.sin(2 * np.pi * kept * np.arange(n) / new)
    inner = slice(n // 10, -n // 10)  # away from the ends, where the signal is taken as zero beyond
    np.testing.assert_allclose(made.signal[:, inner], np.stack([expected, expected])[:, inner], atol=0.02)


def test_plain_decimation_would_alias_so_the_test_above_can_fail() -> None:
    t = np.arange(5000) / 256.0
    high = np.sin(2 * np.pi * 0.7 * 128 * t)
    assert np.abs(high[::2]).max() > 0.9


def test_same_rate_is_the_same_object() -> None:
    whole = recording()
    assert resample(whole, 100.0) is whole


@pytest.mark.parametrize("rate", [0.0, -128.0])
def test_rate_must_be_positive(rate: float) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        resample(recording(), rate)


def test_rates_without_a_simple_ratio_are_refused() -> None:
    with pytest.raises(ValueError, match="too fine for polyphase"):
        resample(recording(rate=100.0), 99.98761)


def test_good_signal_passes() -> None:
    whole = recording()
    assert check_signal(whole) is whole


def test_nan_and_infinity_name_the_channel_and_the_time() -> None:
    signal = recording().signal.copy()
    signal[1, 250] = np.nan
    with pytest.raises(ValueError, match=r"S01/1/rest: channel Cz holds NaN or infinity, first at 2\.500 s"):
        check_signal(recording(signal))
    signal[0, 3] = np.inf
    with pytest.raises(ValueError, match=r"channels Fz, Cz hold NaN or infinity, first at 0\.030 s"):
        check_signal(recording(signal))


def test_constant_channel_is_named() -> None:
    signal = recording().signal.copy()
    signal[0] = 4.0
    with pytest.raises(ValueError, match="S01/1/rest: channel Fz holds one value throughout"):
        check_signal(recording(signal))


def test_no_samples_are_no_signal() -> None:
    with pytest.raises(ValueError, match="0 samples are no signal"):
        check_signal(recording(np.zeros((2, 0))))
