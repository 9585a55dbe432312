"""Refuse signals that no network should be trained on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trimcap.data.recording import Recording

#: how scalp EEG varies within a second, blinks and muscles included, µV: beyond it the unit is another
SWINGS = (0.5, 500.0)


def check_signal(recording: Recording) -> Recording:
    """The recording itself, if every channel is finite and varies.

    Raises
    ------
    ValueError : the recording is empty, or a channel holds NaN or infinity, or is constant; names the
        recording and the channels.
    """
    signal = recording.signal
    if signal.shape[1] < 2:
        raise ValueError(f"recording {recording.name}: {signal.shape[1]} samples are no signal; leave it out")
    finite = np.asarray(np.isfinite(signal).all(axis=1))
    if not finite.all():
        first = int(np.argmin(np.isfinite(signal[int(np.argmin(finite))])))
        bad = _listed(recording, np.logical_not(finite))
        raise ValueError(
            f"recording {recording.name}: {bad} NaN or infinity, first at "
            f"{first / recording.rate:.3f} s. Interpolate the channel, crop the recording or leave it out"
        )
    constant = np.ptp(signal, axis=1) == 0
    if constant.any():
        raise ValueError(
            f"recording {recording.name}: {_listed(recording, constant)} one value throughout (electrode off "
            "or not recorded). Interpolate the channel, drop it from all recordings or leave this recording "
            "out"
        )
    return recording


def _listed(recording: Recording, which: NDArray[np.bool_]) -> str:
    names = [c for c, bad in zip(recording.channels, which, strict=True) if bad]
    return f"channel {names[0]} holds" if len(names) == 1 else f"channels {', '.join(names)} hold"
