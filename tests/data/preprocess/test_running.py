from __future__ import annotations

import numpy as np
import pytest
from brown import brown

from trimcap.data.preprocess.recordings.running import running_z_score, subtract_baseline_mean


@pytest.mark.parametrize("offset", [0.0, 4200.0])
def test_running_z_score_is_the_weighted_sum_over_the_past(offset):
    recording = brown(n_times=300, offset=offset)
    out = running_z_score(recording, seconds=0.5).signal
    x, alpha = recording.signal.astype(float), 1 - np.exp(-1 / 64)
    for t in (1, 7, 100, 299):
        weights = (1 - alpha) ** np.arange(t, -1, -1)
        weights /= weights.sum()
        mean = x[:, : t + 1] @ weights
        variance = (x[:, : t + 1] - mean[:, None]) ** 2 @ weights
        np.testing.assert_allclose(out[:, t], (x[:, t] - mean) / np.sqrt(variance), rtol=1e-4, atol=1e-5)
    assert (out[:, 0] == 0).all()


def test_running_z_score_is_causal_and_a_z_score_of_the_whole_is_not():
    recording, changed = brown(), brown()
    changed.signal[:, 600:] *= 9
    before = slice(0, 600)
    np.testing.assert_array_equal(
        running_z_score(recording).signal[:, before], running_z_score(changed).signal[:, before]
    )

    def global_z(signal):
        return (signal - signal.mean(axis=1, keepdims=True)) / signal.std(axis=1, keepdims=True)

    assert np.abs(global_z(recording.signal)[:, before] - global_z(changed.signal)[:, before]).max() > 0.1


def test_scale_and_offset_do_not_matter():
    recording, other = brown(), brown()
    other.signal[:] = 7 * other.signal + 300
    np.testing.assert_allclose(running_z_score(other).signal, running_z_score(recording).signal, atol=1e-3)


def test_a_constant_channel_stays_zero():
    recording = brown()
    recording.signal[1] = 42
    assert (running_z_score(recording).signal[1] == 0).all()


def test_baseline_mean():
    recording = brown(offset=500)
    out = subtract_baseline_mean(recording, seconds=2)
    np.testing.assert_allclose(out.signal[:, :256].mean(axis=1, dtype=float), 0, atol=1e-4)
    mean = recording.signal[:, :256].astype(float).mean(axis=1, keepdims=True)
    np.testing.assert_allclose(out.signal, recording.signal - mean, atol=1e-4)
    assert np.abs(out.signal.mean(axis=1)).max() > 1  # not the mean of the whole


def test_baseline_longer_than_the_recording():
    with pytest.raises(ValueError, match=r"recording s1/0/0: it ended within its baseline of 9 s"):
        subtract_baseline_mean(brown(n_times=1000), seconds=9)


@pytest.mark.parametrize("function", [running_z_score, subtract_baseline_mean])
def test_bad_options_and_nan(function):
    for seconds in (0, -1, np.inf, np.nan):
        with pytest.raises(ValueError, match="seconds is"):
            function(brown(), seconds=seconds)
    recording = brown()
    recording.signal[0, 3] = np.inf
    with pytest.raises(ValueError, match="channel Fp1 has NaN or infinite"):
        function(recording, seconds=1)
