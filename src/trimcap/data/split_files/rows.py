"""Splits that somebody else made: row numbers in JSON, torcheeg folders, our own split files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimcap.data.split_files.file import is_splits, read_splits
from trimcap.data.split_files.tables import read_tables
from trimcap.data.splits.protocols.stimuli import with_stimulus
from trimcap.data.splits.sides import Rows, SplitRows, split_rows
from trimcap.data.windows import Windows


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
    return [side for fold in read_splits(path, windows) for side in fold.sides]


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
