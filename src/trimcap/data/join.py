"""Windows of several subjects or sessions as one data set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pandas as pd

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
    )
    ids, counts = np.unique(joined.ids, return_counts=True)
    if (counts > 1).any():
        raise ValueError(
            f"join: window {ids[counts.argmax()]} occurs {counts.max()} times; "
            "give every part its own subject or session"
        )
    return joined
