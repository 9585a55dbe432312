"""An electrode offset of millivolts leaves no transient at the ends, whatever the step; the same in a stream."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from brown import NAMES, brown
from scipy.signal import resample_poly

from trimcap.data import bandpass, notch, resample
from trimcap.data.preprocess.online import whole
from trimcap.data.preprocess.recordings.resample import Resample
from trimcap.data.recording import Recording

#: µV: of DREAMER
OFFSET = 4200.0

STEPS = {
    "down": partial(resample, rate=100),
    "a little down": partial(resample, rate=125),
    "up": partial(resample, rate=200),
    "band": partial(bandpass, low=1, high=40),
    "low-pass": partial(bandpass, low=None, high=40),
    "zero phase": partial(bandpass, low=1, high=40, phase="zero"),
    "notch": partial(notch, frequency=50),
}


@pytest.mark.parametrize("name", STEPS)
def test_an_offset_changes_nothing_but_the_offset(name):
    plain = brown(n_times=512)
    raised = replace(plain, signal=plain.signal + np.float32(OFFSET))
    plain = replace(raised, signal=raised.signal - np.float32(OFFSET))  # rounded alike
    change = STEPS[name](raised).signal.astype(float) - STEPS[name](plain).signal
    assert min(np.abs(change).max(), np.abs(change - OFFSET).max()) < 5e-3


@pytest.mark.parametrize("rate", [100, 125, 200])
def test_the_ends_are_as_quiet_as_with_a_padded_line(rate):
    """SciPy pads zeros by default: a step of the whole offset, 0.3 s long."""
    recording = brown(n_times=512)
    raised = replace(recording, signal=recording.signal + np.float32(OFFSET))
    ratio = (rate, round(recording.rate))
    ours = resample(raised, rate).signal - OFFSET
    for where in (slice(0, 8), slice(-8, None)):
        inside = np.abs(ours[:, 8:-8]).max()
        assert np.abs(ours[:, where]).max() < 2 * inside
    padded = resample_poly(raised.signal.astype(float), *ratio, axis=1) - OFFSET
    assert np.abs(padded - ours[:, : padded.shape[1]])[:, :8].max() > (400 if rate == 100 else 40)
    line = resample_poly(raised.signal.astype(float), *ratio, axis=1, padtype="line") - OFFSET
    n = min(line.shape[1], ours.shape[1])
    np.testing.assert_allclose(ours[:, 40 : n - 40], line[:, 40 : n - 40], atol=3)  # SciPy's ripple of 7e-4


@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_recordings_of_a_few_samples(n):
    signal = np.full((len(NAMES), n), 7.0, np.float32)
    for rate in (100, 200):
        out = whole(Recording(signal, 128.0, NAMES, "s1"), Resample(rate).online).signal
        assert out.shape[1] == -(-n * rate // 128)
        np.testing.assert_array_equal(out, 7)  # a constant stays exactly what it is
