"""Windows that hold the same numbers, to the bit or up to scale and offset."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Pairs = NDArray[np.int64]

#: distinct values below which windows may agree by chance: dead, railed or blank ones
_LEAST_DISTINCT = 8
#: values below which a·x + b fits by chance
_LEAST_VALUES = 12
#: directions on which windows are projected to find neighbours
_DIRECTIONS = 8
#: distance of two unit vectors that are copies: float32 rounding of the values, of a scale and of an offset
_SAME = 2e-5
_NEIGHBOURS = 5
_CHUNK = 1024


def equal_pairs(X: NDArray[np.float32], content: NDArray[np.uint64], *, signal: bool) -> Pairs:
    """Every window with the first one of the same content, shape (k, 2); blank windows are no copies of each other.

    Parameters
    ----------
    content : hash of every window, of `content_of`
    signal : the last axis is time: a channel that does not vary says nothing
    """
    _, first, which, counts = np.unique(content, return_index=True, return_inverse=True, return_counts=True)
    telling = np.zeros(len(first), dtype=bool)
    for group in np.flatnonzero(counts > 1).tolist():
        telling[group] = _tells(np.asarray(X[int(first[group])]), signal=signal)
    rows = np.flatnonzero(telling[which])
    pairs = np.stack([first[which[rows]], rows], axis=1)
    return np.asarray(pairs[pairs[:, 0] != pairs[:, 1]], dtype=np.int64)


def scaled_pairs(X: NDArray[np.float32], content: NDArray[np.uint64], *, signal: bool) -> Pairs:
    """Pairs of windows of different content of which one is a·x + b of the other, a ≠ 0, shape (k, 2).

    Windows are centred and scaled to unit length, projected on 8 fixed random directions, and compared with their
    nearest neighbours there. Windows of fewer than 12 values are not compared.
    """
    from scipy.spatial import cKDTree

    size = int(np.prod(X.shape[1:]))
    rows = np.sort(np.unique(content, return_index=True)[1])
    if size < _LEAST_VALUES or len(rows) < 2:
        return np.empty((0, 2), dtype=np.int64)
    directions = np.random.default_rng(0).standard_normal((size, _DIRECTIONS)) / np.sqrt(_DIRECTIONS)
    parts = [_unit(X[rows[i : i + _CHUNK]]) @ directions for i in range(0, len(rows), _CHUNK)]
    places = np.concatenate(parts)
    places *= np.where(places[:, :1] < 0, -1.0, 1.0)  # a copy may be upside down
    usable = np.isfinite(places).all(axis=1) & (np.abs(places).max(axis=1) > 0)
    rows, places = rows[usable], places[usable]
    if len(rows) < 2:
        return np.empty((0, 2), dtype=np.int64)
    near, other = cKDTree(places).query(places, k=min(_NEIGHBOURS, len(rows)), distance_upper_bound=3 * _SAME)
    i, k = np.nonzero(np.isfinite(near))
    j = np.asarray(other)[i, k]
    found = []
    for a, b in zip(rows[i[i < j]].tolist(), rows[j[i < j]].tolist(), strict=True):
        pair = np.asarray(X[[a, b]])
        x, y = _unit(pair)
        if min(np.linalg.norm(x - y), np.linalg.norm(x + y)) < _SAME and _tells(pair[0], signal=signal):
            found.append((a, b))
    return np.asarray(found, dtype=np.int64).reshape(-1, 2)


def _tells(x: NDArray[np.float32], *, signal: bool) -> bool:
    """Whether a window holds enough to say that another one with the same values is a copy."""
    if signal:
        x = x - x[..., :1]
    finite = x[np.isfinite(x)]
    return len(np.unique(finite)) >= max(3, min(_LEAST_DISTINCT, x.size))


def _unit(X: NDArray[np.float32]) -> NDArray[np.float64]:
    """Windows as centred vectors of length 1; constant ones as 0."""
    flat = np.asarray(X, dtype=np.float64).reshape(len(X), -1)
    with np.errstate(invalid="ignore"):
        flat = flat - flat.mean(axis=1, keepdims=True)
        length = np.linalg.norm(flat, axis=1, keepdims=True)
        return np.asarray(flat / np.where(length > 0, length, 1.0))
