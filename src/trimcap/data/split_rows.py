"""Splits that somebody else made, as tables: row numbers in JSON, torcheeg folders, our own split files.

A split is a table of training rows and one of test rows with the columns subject, session, trial, start and optionally
stop, stimulus, window (a name, where no start is known) and content (a hash of what the window holds).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimcap.data.folds import Fold
from trimcap.data.sealed import rows_of
from trimcap.data.split_file import is_splits, load_splits, read_splits
from trimcap.data.split_tables import read_tables
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
    train, test : tables with subject, session, trial, start (s); optionally stop, stimulus, window, content
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
    """The rows of one fold, from row numbers (or boolean masks) of windows, with a hash of every window's content.

    Raises
    ------
    ValueError : a row number is outside the windows; a side is empty
    """
    return _numbered(windows, _with_hashes(windows), train, test, name)


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
        from trimcap.data.protocol_stimuli import with_stimulus

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
    table = _with_hashes(windows)
    try:
        return [_numbered(windows, table, train, test, name) for name, train, test in rows]
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _numbered(windows: Windows, table: pd.DataFrame, train: Any, test: Any, name: str) -> SplitRows:
    chosen = [
        _chosen(len(windows), rows, f"split '{name}': {side}") for side, rows in (("train", train), ("test", test))
    ]
    return _split(windows, table, chosen[0], chosen[1], name)


def _ours(path: Path, windows: Windows) -> list[SplitRows]:
    """Folds of a split file: what is trained and validated on, against what is tested; and calibrated on, likewise."""
    facts = load_splits(path)
    found: list[SplitRows] = []
    tables: dict[int, pd.DataFrame] = {}
    for fold in read_splits(path, windows):
        source = fold.train_set.source
        table = tables.setdefault(id(source), _with_hashes(source))
        test = _numbers(rows_of(fold.test).rows, source)
        train = np.union1d(_numbers(fold.train_set.rows, source), _numbers(fold.valid_set.rows, source))
        found.append(_split(source, table, train, test, fold.name, unit=facts["unit"]))
        found += _calibration(fold, source, table, test)
    return found


def _calibration(fold: Fold, source: Windows, table: pd.DataFrame, test: Rows) -> list[SplitRows]:
    if fold.calibration_set is None:
        return []
    own = _numbers(fold.calibration_set.rows, source)
    return [_split(source, table, own, test, f"{fold.name}, calibration", unit=fold.calibration_unit)]


def _numbers(rows: Rows | None, windows: Windows) -> Rows:
    return np.arange(len(windows)) if rows is None else rows


def _split(windows: Windows, table: pd.DataFrame, train: Rows, test: Rows, name: str, *, unit: str = "") -> SplitRows:
    return SplitRows(
        name,
        table.iloc[train].reset_index(drop=True),
        table.iloc[test].reset_index(drop=True),
        duration=windows.duration,
        steps=windows.steps,
        unit=unit,
        content=Content(windows, train, test),
    )


def _with_hashes(windows: Windows) -> pd.DataFrame:
    hashes = [hashlib.sha256(np.ascontiguousarray(x).tobytes()).hexdigest() for x in windows.X]
    return windows.metadata.assign(content=hashes)


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
