"""What a network was made to be given, in a few numbers: the record that the door compares data with."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimcap.data.windows import Windows

#: windows that a record is made of, spread evenly over all
_LOOKED_AT = 256


@dataclass(frozen=True)
class Expected:
    """The input of a network, as far as it is known; made from the windows that it was trained on or traced with.

    Parameters
    ----------
    channels : electrode names in order, () if unknown
    rate : sampling rate of the underlying signal, Hz
    duration : of a window, s
    unit : of the numbers: "µV", "nat", "z", …; "" if unknown
    raw : whether a window is (electrodes, times)
    scale : typical deviation within a window, in `unit`: median over windows of their standard deviation, of each
        electrode for raw windows, one number for all else; () if unknown
    low, high : smallest and largest mean of a window, in the same layout
    steps : what was done to the numbers before the network, in words
    """

    channels: tuple[str, ...] = ()
    rate: float | None = None
    duration: float | None = None
    unit: str = ""
    raw: bool = False
    scale: tuple[float, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    steps: tuple[str, ...] = field(default=())

    @staticmethod
    def of(windows: Windows) -> Expected:
        """The record of some windows, of which at most 256 are read."""
        raw = windows.raw
        spread, mean = levels(some_rows(windows.X, _LOOKED_AT), raw=raw)
        known = len(spread) > 0 and bool(np.isfinite(spread).all())
        return Expected(
            channels=tuple(windows.channels),
            rate=float(windows.rate),
            duration=float(windows.duration),
            unit=windows.unit,
            raw=raw,
            scale=_rounded(np.median(spread, axis=0)) if known else (),
            low=_rounded(mean.min(axis=0)) if known else (),
            high=_rounded(mean.max(axis=0)) if known else (),
            steps=tuple(windows.steps),
        )

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Shape of one window, where the record says it."""
        known = self.raw and self.channels and self.rate and self.duration
        return (len(self.channels), round(float(self.duration or 0) * float(self.rate or 0))) if known else None

    def only(self, channels: Sequence[str]) -> Expected:
        """The record of a network that reads some of the electrodes only, in this order."""
        if not channels or not self.channels or tuple(channels) == self.channels:
            return self
        if not set(channels) <= set(self.channels):
            return replace(self, channels=tuple(channels), scale=(), low=(), high=())
        rows = [self.channels.index(name) for name in channels]

        def picked(values: tuple[float, ...]) -> tuple[float, ...]:
            return tuple(values[row] for row in rows) if len(values) == len(self.channels) and self.raw else values

        return replace(
            self, channels=tuple(channels), scale=picked(self.scale), low=picked(self.low), high=picked(self.high)
        )

    def as_dict(self) -> dict[str, Any]:
        """As JSON values, for `from_dict`."""
        return {key: list(v) if isinstance(v, tuple) else v for key, v in vars(self).items()}

    @staticmethod
    def from_dict(content: Mapping[str, Any]) -> Expected:
        """The record that `as_dict` wrote down.

        Raises
        ------
        ValueError : entries of another kind than a record has.
        """
        known = Expected().as_dict()
        if not isinstance(content, Mapping) or set(content) != set(known):
            raise ValueError(f"no record of a network's input: it must have {', '.join(known)}")
        for key, value in content.items():
            if not _fits(key, value):
                raise ValueError(f"no record of a network's input: {key} is {value!r}")
        made: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in content.items()}
        return Expected(**made)


def some_rows(X: Any, n: int) -> NDArray[np.float32]:
    """At most `n` windows, spread evenly."""
    if len(X) <= n:
        return np.asarray(X[np.arange(len(X))] if not isinstance(X, np.ndarray) else X)
    return np.asarray(X[np.linspace(0, len(X) - 1, n).astype(np.int64)])


def levels(X: NDArray[np.float32], *, raw: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Standard deviation and mean within each window, (n, n_channels) for raw windows, (n, 1) for all else."""
    flat = X.reshape(*X.shape[:2], -1) if raw else X.reshape(len(X), 1, -1)
    with np.errstate(all="ignore"):
        return flat.std(axis=2, dtype=np.float64), flat.mean(axis=2, dtype=np.float64)


def _rounded(values: NDArray[np.float64]) -> tuple[float, ...]:
    """Four digits: a record says what is usual, and must not depend on the order of a sum."""
    return tuple(float(f"{value:.4g}") for value in values)


def _fits(key: str, value: object) -> bool:
    """Whether a JSON value can be the entry `key` of a record."""
    if key in ("channels", "steps"):
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if key in ("scale", "low", "high"):
        return isinstance(value, list) and all(_is_number(item) for item in value)
    if key in ("rate", "duration"):
        return value is None or (_is_number(value) and float(str(value)) > 0)
    return isinstance(value, bool if key == "raw" else str)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
