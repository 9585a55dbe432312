"""Two sides of a split, whoever made it: tables of rows, and what they hold if that is at hand.

A side is a table with the columns subject, session, trial, start and optionally stop, stimulus, recording and onset,
and window (a name, where no start is known).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimcap.data.join import stacked
from trimcap.data.splits.sealed import Subset
from trimcap.data.windows import Windows

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Content:
    """What the windows of a split hold: `windows`, and which rows of them are on either side."""

    windows: Windows
    train: Rows
    test: Rows


@dataclass(frozen=True, eq=False)
class SplitRows:
    """Training and test rows of one fold.

    Parameters
    ----------
    name : of the fold
    train, test : tables with subject, session, trial, start (s); optionally stop, stimulus, recording, onset, window
    duration : length of a window, s; None if unknown (then overlap can't be told from neighbourhood)
    steps : what was done to the windows before the split, in words
    unit : what the split itself says that it keeps apart; "" if it does not say
    content : the windows, if they are at hand
    """

    name: str
    train: pd.DataFrame
    test: pd.DataFrame
    duration: float | None = None
    steps: tuple[str, ...] = ()
    unit: str = ""
    content: Content | None = field(default=None, repr=False)


def sides_of(parts: Mapping[str, Subset], name: str, *, unit: str, calibration_unit: str) -> list[SplitRows]:
    """What a fold is trained and validated on, against what it is tested on; and what it is calibrated on, likewise."""
    windows, rows = _whole(parts)
    test = rows["test"]
    found = [split_rows(windows, np.union1d(rows["train"], rows["valid"]), test, name, unit=unit)]
    if "calibration" in rows:
        more = f"{name}, calibration"
        found.append(split_rows(windows, rows["calibration"], test, more, unit=calibration_unit))
    return found


def between(train: Windows, test: Windows, name: str, *, unit: str) -> SplitRows:
    """Two sets of windows as a split."""
    n = len(train)
    return split_rows(stacked([train, test]), np.arange(n), np.arange(n, n + len(test)), name, unit=unit)


def _whole(parts: Mapping[str, Subset]) -> tuple[Windows, dict[str, Rows]]:
    """All windows of a fold as one, none of them copied, and the rows of its parts."""
    first = parts["train"].source
    if all(part.source is first for part in parts.values()):
        return first, {k: np.arange(len(first)) if p.rows is None else p.rows for k, p in parts.items()}
    windows = [part.windows() for part in parts.values()]
    # the parts were transformed one by one, and that of the test windows may have more to say
    windows[0] = replace(windows[0], steps=tuple(dict.fromkeys((*windows[0].steps, *parts["test"].source.steps))))
    ends = np.cumsum([0, *map(len, windows)])
    rows = {key: np.arange(ends[i], ends[i + 1]) for i, key in enumerate(parts)}
    return stacked(windows), rows


def split_rows(windows: Windows, train: Rows, test: Rows, name: str, *, unit: str = "") -> SplitRows:
    """Some rows of windows against others."""
    table = windows.metadata
    return SplitRows(
        name,
        table.iloc[train].reset_index(drop=True),
        table.iloc[test].reset_index(drop=True),
        duration=windows.duration,
        steps=windows.steps,
        unit=unit,
        content=Content(windows, train, test),
    )
