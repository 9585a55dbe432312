"""Continuous EEG of one subject, session and trial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Recording:
    """Continuous EEG with one label.

    Parameters
    ----------
    signal : float32 array, shape (n_channels, n_times), in `unit`
    rate : sampling rate, Hz
    channels : electrode names, one per row of `signal`
    subject, session, trial : identifiers; (subject, session, trial) is unique in a data set
    label : index into `classes`
    classes : class names, shared by all recordings of a data set
    info : further facts about the recording (age, sex, quality, file, …); `stimulus`, if there is one, becomes a
        column of the windows' metadata
    unit : of `signal`; another one after steps such as `running_z_score`
    place : name of what was recorded, by content, and s of the first sample in it, where it is a part of a file; see
        `trimcap.data.places`

    Raises
    ------
    ValueError : shape, rate, label and names do not fit together; names the recording.
    """

    signal: NDArray[np.float32]
    rate: float
    channels: tuple[str, ...]
    subject: str
    session: str = "0"
    trial: str = "0"
    label: int = 0
    classes: tuple[str, ...] = ("0",)
    info: Mapping[str, object] = field(default_factory=dict)
    unit: str = "µV"
    place: tuple[str, float] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.signal.ndim != 2 or self.signal.shape[0] != len(self.channels):
            raise ValueError(
                f"recording {self.name}: signal has shape {self.signal.shape}, but {len(self.channels)} channel "
                "names were given; expected (n_channels, n_times)"
            )
        if not self.rate > 0:
            raise ValueError(f"recording {self.name}: sampling rate is {self.rate} Hz; it must be positive")
        if not 0 <= self.label < len(self.classes):
            raise ValueError(f"recording {self.name}: label {self.label} is outside classes {self.classes}")
        if len(set(self.channels)) != len(self.channels):
            twice = sorted({c for c in self.channels if self.channels.count(c) > 1})
            raise ValueError(f"recording {self.name}: channel names occur twice: {', '.join(twice)}")

    def __repr__(self) -> str:
        return (
            f"Recording({self.name}: {len(self.channels)} electrodes, {self.duration:g} s at {self.rate:g} Hz, "
            f"{self.classes[self.label]})"
        )

    @property
    def name(self) -> str:
        """`subject/session/trial`."""
        return f"{self.subject}/{self.session}/{self.trial}"

    @property
    def stimulus(self) -> str:
        """Name of what was shown or played, from `info`; "" if it is not known."""
        return str(self.info.get("stimulus", ""))

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return float(self.signal.shape[1] / self.rate)
