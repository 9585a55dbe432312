"""What calibration windows reach at one value, window by window, and which windows reach far beyond the others."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

#: numbers kept per value for percentile and mse
SAMPLE = 1 << 15
#: a window dominates if it reaches this many times what nine in ten windows stay below
DOMINATES = 10.0


def dominating(magnitudes: NDArray[Any]) -> NDArray[np.bool_]:
    """Windows whose largest magnitude is at least 10 times the 90 % quantile of all windows'.

    The quantile is one of the magnitudes, never interpolated towards the outlier, so that one window in two to ten
    is found too. Where nine in ten windows are zero, nothing can be said and nothing is found.

    Parameters
    ----------
    magnitudes : max |x| of every window, (n,)

    Returns
    -------
    bool (n,)
    """
    m = np.asarray(magnitudes, np.float64)
    level = float(np.quantile(m, 0.9, method="lower"))
    return (m >= DOMINATES * level) & (level > 0)


class Seen:
    """Exact extremes of every window and a bounded random sample of one value."""

    def __init__(self, size: int, n_windows: int) -> None:
        self._rng = np.random.default_rng([size, n_windows])
        self._per_window = min(size, max(1, SAMPLE // n_windows))
        self._parts: list[NDArray[np.float64]] = []
        self._extremes: list[NDArray[np.float64]] = []

    def add(self, array: NDArray[Any]) -> None:
        """The value on further windows, (n, …)."""
        flat = array.reshape(len(array), -1)
        self._extremes.append(np.stack([flat.min(axis=1), flat.max(axis=1)]).astype(np.float64))
        if self._per_window < flat.shape[1]:
            columns = self._rng.integers(0, flat.shape[1], (len(flat), self._per_window))
            flat = np.take_along_axis(flat, columns, axis=1)
        self._parts.append(flat.astype(np.float64))

    @property
    def extremes(self) -> NDArray[np.float64]:
        """Minimum and maximum of every window, (2, n)."""
        return np.concatenate(self._extremes, axis=1)

    @property
    def magnitudes(self) -> NDArray[np.float64]:
        """Largest |x| of every window, (n,)."""
        largest: NDArray[np.float64] = np.abs(self.extremes).max(axis=0)
        return largest

    def sample(self, rows: NDArray[np.bool_]) -> NDArray[np.float64]:
        """The sample, of some of the windows."""
        return np.concatenate(self._parts)[rows].reshape(-1)
