"""Change a recording's sampling rate."""

from __future__ import annotations

from functools import partial

from trimcap.data.preprocess.online import whole
from trimcap.data.preprocess.recordings.polyphase import resample_online
from trimcap.data.recording import Recording


def resample(recording: Recording, rate: float) -> Recording:
    """The recording at another sampling rate, by polyphase filtering with SciPy's anti-aliasing filter.

    With rate / recording.rate = u / d in lowest terms the signal is upsampled by u, low-passed (Kaiser
    window, β = 5, cutoff at the lower Nyquist frequency, zero phase, every phase of gain 1 at 0 Hz) and downsampled
    by d; 500 Hz to 128 Hz is 32 / 125. The result has ⌈n_times · u / d⌉ samples. Before the recording the signal
    counts as its first sample and after it as its last one, so that an offset of the electrodes leaves no transient.

    Parameters
    ----------
    recording : what to resample
    rate : Hz

    Raises
    ------
    ValueError : rate is not positive, or the two rates have no fraction with terms up to 10,000; NaN or infinity.
    """
    return recording if rate == recording.rate else whole(recording, partial(resample_online, rate=rate))
