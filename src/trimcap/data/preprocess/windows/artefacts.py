"""Windows that hold artefacts, and windows that can't be used at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from trimcap.data.preprocess.windows.windowwise import need_raw
from trimcap.data.windows import Windows

#: peak-to-peak, µV; no amplifier resolves less: it is what a filter makes of a constant
_SMALLEST_SPREAD = 1e-3


def reject(windows: Windows, *, peak_to_peak: float | None = None, flat: float | None = None) -> Windows:
    """Leave out windows by thresholds on max − min of every channel, in µV; they are counted in `steps`.

    Parameters
    ----------
    windows : raw EEG, X of shape (n, n_channels, n_times), µV
    peak_to_peak : a window with more than this in any channel goes (blinks, movement); also NaN and infinity
    flat : a window with less than this in any channel goes (a lost electrode)

    Raises
    ------
    ValueError : X is not raw; a threshold is not positive.
    """
    words = reject_words(peak_to_peak=peak_to_peak, flat=flat)
    keep, reasons = find_artefacts(windows, peak_to_peak=peak_to_peak, flat=flat)
    kept = windows.take(keep)
    return kept.with_X(kept.X, step=f"{words}; {count_words(reasons, len(windows))}")


def find_artefacts(
    windows: Windows, *, peak_to_peak: float | None = None, flat: float | None = None
) -> tuple[NDArray[np.bool_], Counter[str]]:
    """Which windows to keep, and how many go for which reason (the first that applies)."""
    need_raw(windows, "reject")
    with np.errstate(invalid="ignore"):  # ∞ − ∞
        spread = windows.X.max(axis=2) - windows.X.min(axis=2)
    finite = np.asarray(np.isfinite(spread).all(axis=1))  # max and min pass NaN and infinity on
    large = np.zeros(len(windows), dtype=bool) if peak_to_peak is None else (spread > peak_to_peak).any(axis=1)
    small = np.zeros(len(windows), dtype=bool) if flat is None else (spread < flat).any(axis=1)
    reasons = {"not finite": ~finite, "peak-to-peak": finite & large, "flat": finite & ~large & small}
    return finite & ~large & ~small, _count(reasons)


def reject_words(*, peak_to_peak: float | None = None, flat: float | None = None) -> str:
    """What `reject` does, in words; checks the thresholds."""
    if peak_to_peak is None and flat is None:
        raise ValueError("reject: no threshold was given; set peak_to_peak or flat, in µV")
    for name, value in (("peak_to_peak", peak_to_peak), ("flat", flat)):
        if value is not None and not 0 < value < np.inf:
            raise ValueError(f"reject: {name} is {value} µV; it must be positive")
    if peak_to_peak is not None and flat is not None and flat >= peak_to_peak:
        raise ValueError(f"reject: flat ({flat:g} µV) must be below peak_to_peak ({peak_to_peak:g} µV)")
    limits = [] if peak_to_peak is None else [f"above {peak_to_peak:g} µV"]
    limits += [] if flat is None else [f"below {flat:g} µV"]
    return f"windows with a peak-to-peak {' or '.join(limits)} left out"


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
