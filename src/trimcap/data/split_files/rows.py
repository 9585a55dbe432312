"""Splits that somebody else made, as tables: row numbers in JSON, torcheeg folders, our own split files.

A split is a table of training rows and one of test rows with the columns subject, session, trial, start and optionally
stop, stimulus, recording and onset, and window (a name, where no start is known).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimcap.data.join import stacked
from trimcap.data.split_files.file import is_splits, read_splits
from trimcap.data.split_files.tables import read_tables
from trimcap.data.splits.folds import Fold
from trimcap.data.splits.sealed import rows_of
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


def split_of(
    windows: Windows, train: Sequence[int] | NDArray[Any], test: Sequence[int] | NDArray[Any], *, name: str = "fold"
) -> SplitRows:
    """The rows of one fold, from row numbers (or boolean masks) of windows.

    Raises
    ------
    ValueError : a row number is outside the windows; a side is empty
    """
    return _numbered(windows, train, test, name)


def read_split(path: Path | str, windows: Windows | None = None, *, stimulus: str | None = None) -> list[SplitRows]:
    """Folds of a split on disk.

    Parameters
    ----------
    path : a JSON file {"folds": [{"train": [row numbers], "test": […]}, …]} or a split file of `write_splits`, which
        need `windows`; or a folder of torcheeg tables (`train_fold_0.csv`, `test_fold_0.csv`, …, or such pairs per
        subject)
    windows : what the row numbers count, or what the split file was made for
    stimulus : column of the tables or of the windows' metadata that names the stimulus; default the one called so

    Raises
    ------
    ValueError : none of these; says what was found
    """
    path = Path(path)
    if path.is_dir():
        return [SplitRows(t.name, t.train, t.test, t.length, (), t.unit) for t in read_tables(path, stimulus=stimulus)]
    if windows is None:
        raise ValueError(f"{path} holds row numbers or names; say of which windows")
    if stimulus is not None:
        from trimcap.data.splits.protocols.stimuli import with_stimulus

        windows = with_stimulus(windows, stimulus)
    if is_splits(path):
        return _ours(path, windows)
    try:
        folds = json.loads(path.read_text(encoding="utf-8"))["folds"]
        rows = [(str(f.get("name", f"fold {i + 1}")), f["train"], f["test"]) for i, f in enumerate(folds)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(
            f'{path} is no split: expected {{"folds": [{{"train": [rows], "test": [rows]}}]}} ({error!r})'
        ) from error
    if not rows:
        raise ValueError(f"{path} holds no folds")
    try:
        return [_numbered(windows, train, test, name) for name, train, test in rows]
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _numbered(windows: Windows, train: Any, test: Any, name: str) -> SplitRows:
    chosen = [
        _chosen(len(windows), rows, f"split '{name}': {side}") for side, rows in (("train", train), ("test", test))
    ]
    return split_rows(windows, chosen[0], chosen[1], name)


def _ours(path: Path, windows: Windows) -> list[SplitRows]:
    """Folds of a split file: what is trained and validated on, against what is tested; and calibrated on, likewise."""
    return [side for fold in read_splits(path, windows) for side in sides_of(fold)]


def sides_of(fold: Fold) -> list[SplitRows]:
    """What a fold is trained and validated on, against what it is tested on; and what it is calibrated on, likewise."""
    windows, rows = _whole(fold)
    test = rows["test"]
    found = [split_rows(windows, np.union1d(rows["train"], rows["valid"]), test, fold.name, unit=fold.unit)]
    if "calibration" in rows:
        name = f"{fold.name}, calibration"
        found.append(split_rows(windows, rows["calibration"], test, name, unit=fold.calibration_unit))
    return found


def between(train: Windows, test: Windows, name: str, *, unit: str) -> SplitRows:
    """Two sets of windows as a split."""
    n = len(train)
    return split_rows(stacked([train, test]), np.arange(n), np.arange(n, n + len(test)), name, unit=unit)


def _whole(fold: Fold) -> tuple[Windows, dict[str, Rows]]:
    """All windows of a fold as one, none of them copied, and the rows of its parts."""
    own = {"calibration": fold.calibration_set} if fold.calibration_set is not None else {}
    parts = {"train": fold.train_set, "valid": fold.valid_set, **own, "test": rows_of(fold.test)}
    first = fold.train_set.source
    if all(part.source is first for part in parts.values()):
        return first, {k: np.arange(len(first)) if p.rows is None else p.rows for k, p in parts.items()}
    windows = [part.windows() for part in parts.values()]
    # the parts were transformed one by one, and that of the test windows may have more to say
    windows[0] = replace(windows[0], steps=tuple(dict.fromkeys((*windows[0].steps, *fold.test.steps))))
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


def _chosen(n: int, rows: Any, what: str) -> Rows:
    index = np.asarray(rows)
    if index.ndim != 1:
        raise ValueError(f"{what} must be one list of row numbers, got an array of shape {index.shape}")
    if len(index) and not np.issubdtype(index.dtype, np.integer) and index.dtype != bool:
        raise ValueError(
            f"{what} must hold row numbers or a boolean mask, got {index.dtype} values such as {index[0]!r}"
        )
    if index.dtype == bool and len(index) != n:
        raise ValueError(f"{what} is a mask of {len(index)} rows, but there are {n} windows")
    index = np.flatnonzero(index) if index.dtype == bool else index.astype(np.int64)
    if not len(index):
        raise ValueError(f"{what} is empty")
    outside = index[(index < 0) | (index >= n)]
    if len(outside):
        raise ValueError(f"{what} has the row number {outside[0]}, but there are {n} windows (0…{n - 1})")
    return index
