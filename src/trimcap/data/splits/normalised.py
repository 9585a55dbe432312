"""What windows give away by their content: normalisation across a split."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from trimcap.data.rows.lazy import pieces
from trimcap.data.splits.sides import Content
from trimcap.data.units import LEVELS, column, keys
from trimcap.data.windows import Windows

_CHUNK = 1024
#: mean 0 and deviation 1 within this: float32 rounding of a z-score, far below the spread of a part of the rows
_EXACT = 2e-4
#: bytes that the sums of all trials may take
_LARGEST = 256 * 2**20


def standardised(content: Content) -> Iterator[tuple[bool, str]]:
    """Evidence that windows were z-scored with test windows: whether with those of training too, and in words.

    Mean 0 and deviation 1 that hold to float precision over training and test rows together, and over neither alone,
    can only have been computed from both. The same within every subject of the test set, but not within half of its
    trials, was computed from test windows.
    """
    windows = content.windows
    both = np.union1d(content.train, content.test)
    for kind in _kinds(windows):
        off = [_off(windows, both, kind)]
        if off[0] >= _EXACT:
            continue
        off += [_off(windows, rows, kind) for rows in (content.train, content.test)]
        if min(off[1:]) > 5 * off[0] and min(off[1:]) > _EXACT:
            yield (
                True,
                f"normalised across the boundary: every {kind} has mean 0 and deviation 1 over training and test "
                f"windows together (within {off[0]:.1g}), but not over training windows alone (off by {off[1]:.1g})",
            )
            return
    yield from _per_subject(content, both)


def _per_subject(content: Content, both: NDArray[np.int64]) -> Iterator[tuple[bool, str]]:
    windows = content.windows
    subjects, trials = column(windows, "subject"), keys(windows, *LEVELS["trial"])
    names = np.unique(subjects[content.test])
    for kind in _kinds(windows):
        off, parts = [], []
        for name in names:
            rows = both[subjects[both] == name]
            own = np.unique(trials[rows])
            # of whole trials, so that a z-score within each trial is not taken for one across them
            half = rows[np.isin(trials[rows], own[: len(own) // 2])]
            off.append(_off(windows, rows, kind))
            if off[-1] >= _EXACT:
                break
            parts.append(_off(windows, half, kind) if len(half) else 0.0)
        if max(off) < _EXACT and min(parts) > 5 * max(off) and min(parts) > _EXACT:
            on_both = np.isin(names, subjects[content.train])
            where = "across the boundary" if on_both.all() else "with the test subjects' own windows (transductive)"
            yield (
                bool(on_both.all()),
                f"normalised {where}: every {kind} has mean 0 and deviation 1 within each of {len(names)} test "
                f"subjects (within {max(off):.1g}), but not within half of their trials (off by {min(parts):.1g})",
            )
            return


def _kinds(windows: Windows) -> tuple[str, ...]:
    kinds = ("channel", "value") if windows.X.ndim == 3 else ("value",)
    return tuple(kind for kind in kinds if kind in _sums_of(windows).tables)


@dataclass(frozen=True, eq=False)
class _Sums:
    """Sums of all trials, so that those of any fold need not go through the windows again.

    Parameters
    ----------
    trials : number of every window's trial
    tables : "channel" or "value" → sums and sums of squares by trial, two arrays (n_trials, …)
    sizes : windows by trial
    """

    trials: NDArray[np.int64]
    tables: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]
    sizes: NDArray[np.int64]


_known: WeakKeyDictionary[Windows, _Sums] = WeakKeyDictionary()


def _sums_of(windows: Windows) -> _Sums:
    if windows not in _known:
        trials = np.unique(keys(windows, *LEVELS["trial"]), return_inverse=True)[1]
        n = int(trials.max(initial=-1)) + 1
        shapes = {"value": windows.shape, **({"channel": windows.shape[:1]} if windows.X.ndim == 3 else {})}
        tables = {
            k: (np.zeros((n, *s)), np.zeros((n, *s))) for k, s in shapes.items() if 16 * n * np.prod(s) < _LARGEST
        }
        done = 0
        for few in pieces(windows.X, rows=_CHUNK):
            for kind, table in tables.items():
                _add(table, trials[done : done + len(few)], few, kind)
            done += len(few)
        _known[windows] = _Sums(trials, tables, np.bincount(trials, minlength=n))
    return _known[windows]


def _add(
    table: tuple[NDArray[np.float64], NDArray[np.float64]], trials: NDArray[np.int64], X: NDArray[np.float32], kind: str
) -> None:
    """Windows to the sums of their trials."""
    x = np.asarray(X, dtype=np.float64)
    for sums, values in zip(table, (x, x**2), strict=True):
        by_window = values.sum(axis=2) if kind == "channel" else values
        starts = np.flatnonzero(np.r_[True, np.diff(trials) != 0])
        np.add.at(sums, trials[starts], np.add.reduceat(by_window, starts, axis=0))


def _off(windows: Windows, rows: NDArray[np.int64], kind: str) -> float:
    """How far the worst channel or value is from mean 0 and deviation 1 (n or n − 1); constant ones do not count."""
    sums = _sums_of(windows)
    count = float(len(rows) * (windows.X.shape[2] if kind == "channel" else 1))
    if count < 2:
        return float("inf")
    inside = np.bincount(sums.trials[rows], minlength=len(sums.sizes))
    whole = (inside == sums.sizes) & (inside > 0)
    total, square = (table[whole].sum(axis=0) for table in sums.tables[kind])
    rest = (total[None], square[None])
    parts = rows[~whole[sums.trials[rows]]]
    for first in range(0, len(parts), _CHUNK):
        few = parts[first : first + _CHUNK]
        _add(rest, np.zeros(len(few), dtype=np.int64), windows.X[few], kind)
    mean = rest[0][0] / count
    variance = rest[1][0] / count - mean**2
    varying = variance > 1e-12
    if not varying.any():
        return float("inf")
    mean, variance = mean[varying], variance[varying]
    deviation = np.minimum(np.abs(np.sqrt(variance) - 1), np.abs(np.sqrt(variance * count / (count - 1)) - 1))
    return float(max(np.abs(mean).max(), deviation.max()))
