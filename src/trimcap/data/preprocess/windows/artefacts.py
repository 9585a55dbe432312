"""Windows that hold artefacts, and windows that can't be used at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimcap.data.preprocess.effects import Effect
from trimcap.data.preprocess.step import WindowStep, on_windows
from trimcap.data.preprocess.windows.features import need_raw
from trimcap.data.windows import Windows

#: peak-to-peak, µV; no amplifier resolves less: it is what a filter makes of a constant
_SMALLEST_SPREAD = 1e-3


@dataclass(frozen=True, kw_only=True, eq=False)
class Reject(WindowStep):
    """Leave out windows by thresholds on max − min of every channel, in µV; they are counted in `steps`.

    Parameters
    ----------
    peak_to_peak : a window with more than this in any channel goes (blinks, movement); also NaN and infinity
    flat : a window with less than this in any channel goes (a lost electrode)

    Raises
    ------
    ValueError : X is not raw; a threshold is not positive.
    """

    name = "reject"
    effect = Effect(numbers=False)

    peak_to_peak: float | None = None
    flat: float | None = None

    def check(self) -> None:
        limits = {"peak_to_peak": self.peak_to_peak, "flat": self.flat}
        if self.peak_to_peak is None and self.flat is None:
            raise ValueError("reject: no threshold was given; set peak_to_peak or flat, in µV")
        for name, value in limits.items():
            if value is not None and not value > 0:
                raise ValueError(f"reject: {name} is {value} µV; it must be positive")
        if self.peak_to_peak is not None and self.flat is not None and self.flat >= self.peak_to_peak:
            raise ValueError(f"reject: flat ({self.flat:g} µV) must be below peak_to_peak ({self.peak_to_peak:g} µV)")

    @property
    def words(self) -> str:
        limits = [] if self.peak_to_peak is None else [f"above {self.peak_to_peak:g} µV"]
        limits += [] if self.flat is None else [f"below {self.flat:g} µV"]
        return f"windows with a peak-to-peak {' or '.join(limits)} left out"

    def apply(self, given: Windows, /) -> Windows:
        keep, reasons = self.find(given)
        kept = given.take(keep)
        return kept.with_X(kept.X, step=f"{self.words}; {count_words(reasons, len(given))}")

    def find(self, windows: Windows) -> tuple[NDArray[np.bool_], Counter[str]]:
        """Which windows to keep, and how many go for which reason (the first that applies)."""
        need_raw(windows, "reject")
        with np.errstate(invalid="ignore"):  # ∞ − ∞
            spread = windows.X.max(axis=2) - windows.X.min(axis=2)
        finite = np.asarray(np.isfinite(spread).all(axis=1))  # max and min pass NaN and infinity on
        none = np.zeros(len(windows), dtype=bool)
        large = none if self.peak_to_peak is None else (spread > self.peak_to_peak).any(axis=1)
        small = none if self.flat is None else (spread < self.flat).any(axis=1)
        reasons = {"not finite": ~finite, "peak-to-peak": finite & large, "flat": finite & ~large & small}
        return finite & ~large & ~small, _count(reasons)


reject = on_windows(Reject)


def find_unusable(windows: Windows) -> tuple[NDArray[np.bool_], Counter[str]]:
    """Which windows to keep, and how many have a constant or a non-finite channel."""
    finite, moves = _channels(windows.X)
    whole = np.asarray(finite.all(axis=1))
    constant = np.asarray(whole & ~moves.all(axis=1))
    return whole & ~constant, _count({"not finite": ~whole, "constant": constant})


def refuse_unusable(windows: Windows, keep: NDArray[np.bool_], what: str = "window") -> None:
    """Raise unless every window is usable; names the first one, its channel and what to do."""
    if keep.all():
        return
    row = int(np.flatnonzero(~keep)[0])
    finite, moves = _channels(windows.X[[row]])
    channel = int(np.flatnonzero(~(finite & moves)[0])[0])
    raise ValueError(
        f"{what} {windows.ids[row]}: channel {windows.channels[channel]} "
        f"{'is constant' if finite[0, channel] else 'has NaN or infinite values'} ({int((~keep).sum())} of {len(keep)} "
        "windows of this recording are affected); repair or leave out the channel or recording, or set "
        "on_bad='drop' in the windows step"
    )


def count_words(reasons: Mapping[str, int], total: int) -> str:
    """`12 of 2400 windows dropped (peak-to-peak 10, flat 2)`."""
    dropped = sum(reasons.values())
    why = ", ".join(f"{name} {n}" for name, n in reasons.items() if n)
    return f"{dropped} of {total} windows dropped" + (f" ({why})" if dropped else "")


def _channels(X: NDArray[np.float32]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which channels of each window are finite, and which move; X is (n, n_channels, n_times)."""
    low, high = X.min(axis=2), X.max(axis=2)
    finite = np.isfinite(low) & np.isfinite(high)
    with np.errstate(invalid="ignore"):
        return finite, np.asarray(high - low >= _SMALLEST_SPREAD)


def _count(reasons: Mapping[str, NDArray[np.bool_]]) -> Counter[str]:
    return Counter({name: int(rows.sum()) for name, rows in reasons.items() if rows.any()})
