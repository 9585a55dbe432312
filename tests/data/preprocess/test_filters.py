from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from brown import brown
from scipy.signal import butter, filtfilt, lfilter

from trimcap.data.preprocess.recordings.filters import Bandpass, Notch, bandpass, notch
from trimcap.data.recording import Recording


def tone(frequency, *, rate=250.0, seconds=20.0, amplitude=10.0):
    t = np.arange(round(seconds * rate)) / rate
    return Recording((amplitude * np.sin(2 * np.pi * frequency * t))[None].astype(np.float32), rate, ("Cz",), "s")


def gain(filtered, recording):
    """Amplitude away from both ends, relative to the input."""
    rest = slice(recording.signal.shape[1] // 2, recording.signal.shape[1] * 3 // 4)
    return float(filtered.signal[0, rest].std() / recording.signal[0, rest].std())


def test_causal_band_pass_is_the_recursion_started_at_the_first_sample():
    recording = brown(offset=4200)
    out = bandpass(recording, low=2, high=40, order=3)
    numerator, denominator = butter(3, [2 / 64, 40 / 64], btype="band")
    # started as if the first sample had lasted for ever: a band-pass answers a constant with zero
    expected = lfilter(numerator, denominator, recording.signal.astype(float) - recording.signal[:, :1].astype(float))
    np.testing.assert_allclose(out.signal, expected, atol=2e-4)
    assert out.signal.dtype == np.float32
    assert np.abs(out.signal[:, 0]).max() < 20  # no transient of 4200 µV


def test_zero_state_would_leave_a_transient():
    """The twin that must differ: without the start at the first sample the offset rings."""
    recording = brown(offset=4200)
    numerator, denominator = butter(3, [2 / 64, 40 / 64], btype="band")
    rung = lfilter(numerator, denominator, recording.signal.astype(float))
    assert np.abs(rung - bandpass(recording, low=2, high=40, order=3).signal).max() > 500


def test_zero_phase_is_forwards_and_backwards():
    recording = brown(n_times=3000)
    out = bandpass(recording, low=2, high=40, order=2, phase="zero")
    expected = filtfilt(*butter(2, [2 / 64, 40 / 64], btype="band"), recording.signal.astype(float))
    inside = slice(600, -600)
    np.testing.assert_allclose(out.signal[:, inside], expected[:, inside], atol=1e-3)
    causal = bandpass(recording, low=2, high=40, order=2)
    assert np.abs(causal.signal[:, inside] - expected[:, inside]).max() > 1


@pytest.mark.parametrize(
    ("low", "high", "passed", "stopped"), [(8, 14, 10.6, 30), (8, None, 40, 2), (None, 14, 3, 40), (1, 45, 10, 100)]
)
@pytest.mark.parametrize("phase", ["causal", "zero"])
def test_pass_and_stop(low, high, passed, stopped, phase):
    for frequency, low_bound, high_bound in ((passed, 0.97, 1.03), (stopped, 0, 0.05)):
        recording = tone(frequency)
        assert low_bound <= gain(bandpass(recording, low=low, high=high, phase=phase), recording) <= high_bound


def test_edges_are_at_3_db_and_at_6_db_with_zero_phase():
    for edge in (8, 14):
        recording = tone(edge)
        assert gain(bandpass(recording, low=8, high=14), recording) == pytest.approx(0.5**0.5, abs=0.01)
        assert gain(bandpass(recording, low=8, high=14, phase="zero"), recording) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("mains", [50.0, 60.0])
def test_notch_takes_the_mains_and_their_harmonics(mains):
    for frequency in (mains, 2 * mains):
        recording = tone(frequency, rate=500.0)
        assert gain(notch(recording, frequency=mains), recording) < 0.01
        zero = gain(notch(recording, frequency=mains, phase="zero"), recording)
        assert zero < 0.01
    assert gain(notch(tone(2 * mains, rate=500.0), frequency=mains, harmonics=0), tone(2 * mains, rate=500.0)) > 0.99
    beside = tone(mains - 5, rate=500.0)
    assert gain(notch(beside, frequency=mains), beside) > 0.97


def test_notch_keeps_an_offset_without_transient():
    recording = replace(tone(10.0), signal=tone(10.0).signal + np.float32(4200))
    out = notch(recording).signal
    assert np.abs(out - 4200).max() < 12


def test_notch_equals_its_transfer_function():
    recording = brown(n_times=500)
    w = 2 * np.pi * 50 / 128
    # a notch of width f/Q: zeros on the unit circle, poles inside; Orfanidis (1996), chapter 11
    beta = np.tan(w / 30 / 2)
    k = 1 / (1 + beta)
    b, a = k * np.array([1, -2 * np.cos(w), 1]), np.array([1, -2 * k * np.cos(w), 2 * k - 1])
    x = recording.signal.astype(float)
    expected = lfilter(b, a, x - x[:, :1]) + x[:, :1]
    np.testing.assert_allclose(notch(recording).signal, expected, atol=1e-4)


@pytest.mark.parametrize("frequency", [64.0, 70.0])
def test_edges_at_or_above_nyquist(frequency):
    with pytest.raises(ValueError, match=f"edge {frequency:g} Hz is not below 64 Hz, half the sampling rate of 128 Hz"):
        bandpass(brown(), low=1, high=frequency)
    with pytest.raises(ValueError, match=f"notch: {frequency:g} Hz is not below 64 Hz"):
        notch(brown(), frequency=frequency)
    with pytest.raises(ValueError, match="notch: 100 Hz is not below 64 Hz"):
        notch(brown(), harmonics=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"low": 8, "high": 8}, "low below high"),
        ({"low": -1, "high": 8}, "must be positive"),
        ({"low": 0, "high": 8}, "must be positive"),
        ({"low": None, "high": None}, "both edges are None"),
        ({"low": 1, "high": 8, "order": 0}, "whole number from 1"),
        ({"low": 1, "high": 8, "order": 2.5}, "whole number from 1"),
        ({"low": 1, "high": 8, "phase": "zerro"}, "did you mean 'zero'"),
    ],
)
def test_impossible_band_pass(options, message):
    with pytest.raises(ValueError, match=message):
        bandpass(brown(), **options)


@pytest.mark.parametrize("options", [{"frequency": 0}, {"quality": -1}, {"harmonics": -1}, {"harmonics": 0.5}])
def test_impossible_notch(options):
    with pytest.raises(ValueError, match="notch"):
        notch(brown(), **options)


@pytest.mark.parametrize("phase", ["causal", "zero"])
def test_nan_is_refused_with_its_channel(phase):
    recording = brown()
    recording.signal[2, 500] = np.nan
    with pytest.raises(ValueError, match=r"recording s1/0/0.*channel F3 has NaN"):
        bandpass(recording, low=1, high=40, phase=phase)


def test_zero_phase_needs_some_length():
    with pytest.raises(ValueError, match=r"recording s1/0/0, 0\.078125 s"):
        bandpass(brown(n_times=10), low=1, high=40, phase="zero")


def test_zero_phase_does_not_stream():
    for step in (Bandpass(low=1, high=40, phase="zero"), Notch(phase="zero")):
        with pytest.raises(ValueError, match="runs backwards from the end"):
            step.online(128.0, ("Cz",))


@pytest.mark.parametrize(("low", "high", "expected"), [(1, 40, 0), (1, None, 0), (None, 40, 42)])
def test_a_constant_stays_exactly_constant(low, high, expected):
    """So that a lost electrode is still found behind the filter."""
    recording = brown()
    recording.signal[1] = 42
    assert (bandpass(recording, low=low, high=high).signal[1] == expected).all()
    assert (notch(recording).signal[1] == 42).all()


def test_words():
    assert Bandpass(low=1, high=45).words == "band-pass 1–45 Hz (Butterworth, order 4, causal)"
    assert Bandpass(low=None, high=45).words == "low-pass 45 Hz (Butterworth, order 4, causal)"
    assert Bandpass(low=1, high=None, phase="zero").words.startswith(
        "high-pass 1 Hz (Butterworth, order 4, zero phase, not"
    )
    assert Notch().words == "notch 50 Hz and all harmonics (Q 30, causal)"
    assert Notch(harmonics=0).words == "notch 50 Hz only (Q 30, causal)"
