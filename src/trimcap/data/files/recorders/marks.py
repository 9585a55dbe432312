"""Markers that stand in columns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trimcap.data.files.recorders.timeline import Grid


def changes(values: NDArray[np.float64], grid: Grid) -> list[tuple[float, float, str]]:
    """A marker wherever a column takes another value than 0; (s, 0, value)."""
    codes = np.where(np.isfinite(values), values, 0.0)
    begins = np.flatnonzero((codes != 0) & (np.r_[0.0, codes[:-1]] != codes))
    return [(float(grid.places[i] / grid.rate), 0.0, f"{codes[i]:g}") for i in begins]
