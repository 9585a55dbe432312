"""Recordings of one source have the electrodes and the rate of its first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from trimcap.data.files.channels import eeg_names
from trimcap.data.files.spans import Reading

if TYPE_CHECKING:
    import mne


def like_first(reading: Reading, raw: mne.io.BaseRaw, where: Path) -> Reading:
    """`reading` with what the first recording has, so that others that differ are refused; itself from then on."""
    if reading.like_rate is not None:
        return reading
    names = tuple(eeg_names(raw, where))
    return replace(
        reading,
        channels=reading.channels or names,
        like=() if reading.channels else names,
        like_rate=float(raw.info["sfreq"]),
    )
