"""In which samples the events of MNE epochs are counted."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def event_rate(epochs: Any, what: str) -> float:
    """The rate, Hz, that the sample numbers in `epochs.events` count in: that of the recording.

    It is not `info["sfreq"]` once epochs were made with `decim=`, decimated or resampled (MOABB's `resample=` does
    that): MNE leaves the events as they were, and remembers the recording's rate.

    Raises
    ------
    ValueError : the epochs don't know it.
    """
    known = np.asarray(getattr(epochs, "_raw_sfreq", None), dtype=np.float64).reshape(-1)
    if len(known) != 1 or not (math.isfinite(known[0]) and known[0] > 0):
        raise ValueError(
            f"{what} don't say at which rate they were recorded, so it is unknown when they begin: their events may "
            f"count other samples than those of {float(epochs.info['sfreq']):g} Hz. Make the epochs again with MNE "
            "1.0 or newer, or pass from_arrays(epochs.get_data() * 1e6, …, start=seconds)"
        )
    return float(known[0])
