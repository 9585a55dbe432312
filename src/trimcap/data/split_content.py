"""What windows give away by their content: copies up to scale and offset, and normalisation across a split."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trimcap.data.partition import column, keys
from trimcap.data.units import LEVELS
from trimcap.data.windows import Windows

if TYPE_CHECKING:
    from trimcap.data.split_rows import Content

_CHUNK = 1024
#: directions on which windows are projected to find neighbours
_DIRECTIONS = 8
#: values below which windows of unlike origin may agree by chance
_LEAST_VALUES = 12
#: distance of two unit vectors that are copies: float32 rounding of the values, of a scale and of an offset
_SAME = 2e-5
#: mean 0 and deviation 1 within this: float32 rounding of a z-score, far below the spread of a part of the rows
_EXACT = 2e-4


def near_copies(content: Content) -> NDArray[np.bool_]:
    """Which test windows are a·x + b of a training window x, with a ≠ 0; exact copies are among them.

    Windows are centred and scaled to unit length, projected on 8 fixed random directions, and compared with their
    nearest neighbours there. Windows of fewer than 12 values are not compared.
    """
    from scipy.spatial import cKDTree

    X = content.windows.X
    found = np.zeros(len(content.test), dtype=bool)
    size = int(np.prod(X.shape[1:]))
    if size < _LEAST_VALUES:
        return found
    directions = np.random.default_rng(0).standard_normal((size, _DIRECTIONS)) / np.sqrt(_DIRECTIONS)
    train = np.concatenate([_unit(X[rows]) @ directions for rows in _pieces(content.train)])
    tree = cKDTree(train)
    for first, rows in zip(range(0, len(content.test), _CHUNK), _pieces(content.test), strict=True):
        units = _unit(X[rows])
        for sign in (1, -1):
            near, place = tree.query(sign * units @ directions, distance_upper_bound=3 * _SAME)
            for i in np.flatnonzero(np.isfinite(near) & (np.abs(units).max(axis=1) > 0)).tolist():
                other = _unit(X[content.train[np.asarray(place)[i : i + 1]]])[0]
                found[first + i] |= bool(np.linalg.norm(units[i] - sign * other) < _SAME)
    return found


def standardised(content: Content) -> Iterator[str]:
    """Evidence that training and test windows were z-scored together, in words.

    Mean 0 and deviation 1 that hold to float precision over training and test rows together, and over neither alone,
    can only have been computed from both. The same within every subject of the test set, but not within half of its
    trials, was computed from test windows.
    """
    windows = content.windows
    both = np.union1d(content.train, content.test)
    for kind in _kinds(windows):
        off = [_off(windows, rows, kind) for rows in (both, content.train, content.test)]
        if off[0] < _EXACT and min(off[1:]) > 5 * off[0] and min(off[1:]) > _EXACT:
            yield (
                f"normalised across the boundary: every {kind} has mean 0 and deviation 1 over training and test "
                f"windows together (within {off[0]:.1g}), but not over training windows alone (off by {off[1]:.1g})"
            )
            return
    yield from _per_subject(content, both)


def _per_subject(content: Content, both: NDArray[np.int64]) -> Iterator[str]:
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
            parts.append(_off(windows, half, kind) if len(half) else 0.0)
        if max(off) < _EXACT and min(parts) > 5 * max(off) and min(parts) > _EXACT:
            on_both = np.isin(names, subjects[content.train])
            where = "across the boundary" if on_both.all() else "with the test subjects' own windows (transductive)"
            yield (
                f"normalised {where}: every {kind} has mean 0 and deviation 1 within each of {len(names)} test "
                f"subjects (within {max(off):.1g}), but not within half of their trials (off by {min(parts):.1g})"
            )
            return


def _kinds(windows: Windows) -> tuple[str, ...]:
    return ("channel", "value") if windows.X.ndim == 3 else ("value",)


def _off(windows: Windows, rows: NDArray[np.int64], kind: str) -> float:
    """How far the worst channel or value is from mean 0 and deviation 1 (n or n − 1); constant ones do not count."""
    X = windows.X
    axes = (0, 2) if kind == "channel" else (0,)
    count = float(len(rows) * (X.shape[2] if kind == "channel" else 1))
    if count < 2:
        return float("inf")
    total = sum(X[r].sum(axis=axes, dtype=np.float64) for r in _pieces(rows))
    square = sum((X[r].astype(np.float64) ** 2).sum(axis=axes) for r in _pieces(rows))
    mean = np.asarray(total / count)
    variance = np.asarray(square / count - mean**2)
    varying = variance > 1e-12
    if not varying.any():
        return float("inf")
    mean, variance = mean[varying], variance[varying]
    deviation = np.minimum(np.abs(np.sqrt(variance) - 1), np.abs(np.sqrt(variance * count / (count - 1)) - 1))
    return float(max(np.abs(mean).max(), deviation.max()))


def _pieces(rows: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    return (rows[i : i + _CHUNK] for i in range(0, len(rows), _CHUNK))


def _unit(X: NDArray[np.float32]) -> NDArray[np.float64]:
    """Windows as centred vectors of length 1; constant ones as 0."""
    flat = np.asarray(X, dtype=np.float64).reshape(len(X), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.asarray(flat / np.where(length > 0, length, 1.0))
