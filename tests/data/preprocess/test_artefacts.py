from __future__ import annotations

import numpy as np
import pytest
from toy_windows import raw, toy

from trimcap.data.preprocess.windows.artefacts import (
    Reject,
    count_words,
    find_unusable,
    refuse_unusable,
    reject,
)


def waves():
    """Six windows of two channels, ±10 µV: then a blink, a flat channel, NaN, and a constant."""
    X = np.broadcast_to(10 * np.sin(np.arange(128) / 5), (6, 2, 128)).astype(np.float32).copy()
    X[1, 0, 50:70] += 200
    X[2, 1] *= 0.01
    X[3, 1, 5] = np.nan
    X[4, 0] = 42
    return raw(X)


def test_each_threshold_takes_its_windows():
    windows = waves()
    np.testing.assert_array_equal(reject(windows, peak_to_peak=100).metadata.start, [0, 2, 4, 5])
    np.testing.assert_array_equal(reject(windows, flat=1).metadata.start, [0, 1, 5])
    both = reject(windows, peak_to_peak=100, flat=1)
    np.testing.assert_array_equal(both.metadata.start, [0, 5])
    assert both.steps[-1] == (
        "windows with a peak-to-peak above 100 µV or below 1 µV left out; "
        "4 of 6 windows dropped (not finite 1, peak-to-peak 1, flat 2)"
    )
    np.testing.assert_array_equal(both.X, windows.X[[0, 5]])


def test_the_threshold_itself_passes():
    X = np.zeros((1, 1, 128), np.float32)
    X[0, 0, :2] = (-50, 50)
    assert len(reject(raw(X), peak_to_peak=100)) == len(reject(raw(X), flat=100)) == 1
    assert len(reject(raw(X), peak_to_peak=99.9)) == len(reject(raw(X), flat=100.1)) == 0


def test_reasons_are_counted_once():
    keep, reasons = Reject(peak_to_peak=100, flat=1).find(waves())
    assert sum(reasons.values()) == (~keep).sum()
    assert count_words({}, 5) == "0 of 5 windows dropped"


def test_unusable():
    keep, reasons = find_unusable(waves())
    np.testing.assert_array_equal(keep, [True, True, True, False, False, True])
    assert reasons == {"not finite": 1, "constant": 1}
    with pytest.raises(ValueError, match=r"window s/1/t@3.0000: channel E1 has NaN.*\(2 of 6 windows"):
        refuse_unusable(waves(), keep)


def test_the_rest_of_a_filter_counts_as_constant():
    X = np.random.default_rng(0).standard_normal((2, 1, 128))
    X[1] *= 1e-6
    np.testing.assert_array_equal(find_unusable(raw(X))[0], [True, False])


@pytest.mark.parametrize(
    "options", [{}, {"flat": 0}, {"peak_to_peak": -1}, {"peak_to_peak": np.nan}, {"peak_to_peak": 1, "flat": 2}]
)
def test_impossible_thresholds(options):
    with pytest.raises(ValueError, match="reject"):
        reject(waves(), **options)


def test_features_have_no_peak_to_peak():
    with pytest.raises(ValueError, match="reject needs raw windows"):
        reject(toy(), flat=1)
