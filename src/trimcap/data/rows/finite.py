"""Where windows hold NaN or infinity, in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SHOWN = 5


def not_finite(
    blocks: Iterable[NDArray[Any]], channels: Sequence[str] = (), *, rows: NDArray[np.int64] | None = None
) -> str:
    """What is said about windows that hold NaN or infinity; "" if none does.

    Parameters
    ----------
    blocks : windows in order, (k, …) each, so that they need not be in memory together
    channels : names of the second dimension, if it is that of electrodes
    rows : the number of every window, if these are not all; default: from 0

    Returns
    -------
    str : which windows, in which channel first, and what to do

    >>> X = np.zeros((3, 2, 4))
    >>> X[1, 0, 2] = np.nan
    >>> not_finite([X], ["Fz", "Cz"])
    'X holds NaN or infinity in 1 of 3 windows, first in window 1, channel Fz; leave these windows out or interpolate'
    """
    bad, place, n = list[int](), "", 0
    for block in blocks:
        finite = np.isfinite(block).reshape(*block.shape[:2], -1).all(axis=2)
        wrong = np.flatnonzero(~finite.all(axis=1))
        if len(wrong) and not bad and len(channels) == finite.shape[1]:
            place = f", channel {channels[int(finite[wrong[0]].argmin())]}"
        bad += (wrong + n).tolist()
        n += len(block)
    if not bad:
        return ""
    first, *others = bad if rows is None else rows[bad].tolist()
    more = f", then in {', '.join(map(str, others[:_SHOWN]))}{', …' if len(others) > _SHOWN else ''}" if others else ""
    looked_at = "" if rows is None else " looked at"
    return (
        f"X holds NaN or infinity in {len(bad)} of {n} windows{looked_at}, first in window {first}{place}{more}; leave "
        "these windows out or interpolate"
    )
