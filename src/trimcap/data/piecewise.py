"""A function of windows, applied to windows that are not in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from trimcap.data.rows.lazy import AT_ONCE, outside, rows_in
from trimcap.data.windows import Windows


def piecewise(windows: Windows, function: Callable[[Windows], Windows]) -> Windows:
    """`function(windows)`, for a function that looks at each window by itself, such as `band_power`.

    A large file is read in pieces of 64 MiB; only what `function` makes of them is kept.
    """
    if outside(windows.X) is None:
        return function(windows)
    step = rows_in(AT_ONCE, windows.X)
    rows = (np.arange(first, min(first + step, len(windows))) for first in range(0, len(windows), step))
    made = [function(windows.take(some)) for some in rows]
    return replace(made[0], X=np.concatenate([part.X for part in made]), y=windows.y, metadata=windows.metadata)
