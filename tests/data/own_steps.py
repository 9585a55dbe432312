"""Steps from outside, for the tests of chains."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from trimcap.data.preprocess.online import Online
from trimcap.data.recording import Recording
from trimcap.data.windows import Windows


def double(recording: Recording, *, factor: float = 2.0) -> Recording:
    return replace(recording, signal=(recording.signal * np.float32(factor)).astype(np.float32))


def absolute(windows: Windows) -> Windows:
    return windows.with_X(np.abs(windows.X), step="absolute")


absolute.per_window = True


def centre(windows: Windows) -> Windows:
    """Mixes windows."""
    return windows.with_X(windows.X - windows.X.mean(axis=0), step="centred")


def half(recording: Recording) -> Recording:
    return replace(recording, signal=(recording.signal / np.float32(2)).astype(np.float32))


def _half_online(rate, channels):
    return Online(lambda block: (block / np.float32(2)).astype(np.float32), rate, channels)


half.online = _half_online


def signal_only(recording: Recording):
    return recording.signal


def drops_some(windows: Windows) -> Windows:
    return windows.take([0])


drops_some.per_window = True
NUMBER = 3
