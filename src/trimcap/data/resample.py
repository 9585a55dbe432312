"""Change a recording's sampling rate."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from trimcap.data.recording import Recording

# The polyphase filter has 20 · max(up, down) + 1 taps; beyond this the two rates have no useful common
# fraction.
_LARGEST_FACTOR = 10_000


def resample(recording: Recording, rate: float) -> Recording:
    """The recording at another sampling rate, by polyphase filtering with SciPy's anti-aliasing filter.

    With rate / recording.rate = u / d in lowest terms the signal is upsampled by u, low-passed (Kaiser
    window, β = 5, cutoff at the lower Nyquist frequency, zero phase) and downsampled by d; 500 Hz to 128 Hz
    is 32 / 125. The result has ⌈n_times · u / d⌉ samples; outside the recording the signal counts as zero.

    Parameters
    ----------
    recording : what to resample
    rate : Hz

    Raises
    ------
    ValueError : rate is not positive, or the two rates have no fraction with terms up to 10,000.
    """
    if not rate > 0:
        raise ValueError(f"recording {recording.name}: cannot resample to {rate} Hz; the rate must be positive")
    ratio = Fraction(rate).limit_denominator(_LARGEST_FACTOR) / Fraction(recording.rate).limit_denominator(
        _LARGEST_FACTOR
    )
    up, down = ratio.numerator, ratio.denominator
    if max(up, down) > _LARGEST_FACTOR or abs(up / down * recording.rate - rate) > 1e-6 * rate:
        raise ValueError(
            f"recording {recording.name}: {recording.rate} Hz to {rate} Hz is the fraction {up}/{down}, too "
            "fine for polyphase filtering; choose a rate with a simpler ratio"
        )
    if up == down:
        return recording
    from scipy.signal import resample_poly

    signal = resample_poly(recording.signal.astype(np.float64), up, down, axis=-1)
    return replace(recording, signal=np.ascontiguousarray(signal, dtype=np.float32), rate=float(rate))
