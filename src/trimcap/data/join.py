"""Windows of several subjects or sessions as one data set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimcap.data.hearsay import metadata_of
from trimcap.data.rows.lazy import lazy_array
from trimcap.data.seen import united
from trimcap.data.windows import Windows


def join(parts: Iterable[Windows]) -> Windows:
    """All windows of all parts, in their order: for example one part per subject, from `from_epochs`.

    Parameters
    ----------
    parts : windows of the same electrodes (in the same order), rate, duration, classes, unit and steps

    Raises
    ------
    ValueError : no parts; parts that differ in one of these; a window that occurs twice.
    """
    parts = list(parts)
    if not parts:
        raise ValueError("join: no windows were given")
    first = parts[0]
    for number, part in enumerate(parts[1:], start=2):
        for what in ("channels", "rate", "duration", "classes", "unit", "steps", "shape"):
            if getattr(part, what) != getattr(first, what):
                raise ValueError(
                    f"join: part {number} has {what} {getattr(part, what)}, part 1 has {getattr(first, what)}; "
                    "pick the same electrodes, resample, or process all parts alike first"
                )
    joined = replace(
        first,
        X=np.concatenate([part.X for part in parts]),
        y=np.concatenate([part.y for part in parts]),
        metadata=pd.concat([part.metadata for part in parts], ignore_index=True),
        seen=united(part.seen for part in parts),
    )
    ids, counts = np.unique(joined.ids, return_counts=True)
    if (counts > 1).any():
        raise ValueError(
            f"join: window {ids[counts.argmax()]} occurs {counts.max()} times; "
            "give every part its own subject or session"
        )
    return joined


def stacked(parts: Sequence[Windows]) -> Windows:
    """Windows of one shape as one set whose X is read from the parts when it is asked for; nothing is checked."""
    ends = np.cumsum([0, *map(len, parts)])
    X = lazy_array(partial(_read, [part.X for part in parts], ends), (int(ends[-1]), *parts[0].shape))
    y = np.concatenate([part.y for part in parts])
    return replace(parts[0], X=X, y=y, metadata=metadata_of(parts), seen=united(part.seen for part in parts))


def _read(
    arrays: Sequence[NDArray[np.float32]], ends: NDArray[np.int64], index: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Rows of arrays that are counted through."""
    out = np.empty((len(index), *arrays[0].shape[1:]), dtype=np.float32)
    whose = np.searchsorted(ends, index, side="right") - 1
    for number in np.unique(whose).tolist():
        own = whose == number
        out[own] = arrays[number][index[own] - ends[number]]
    return out
