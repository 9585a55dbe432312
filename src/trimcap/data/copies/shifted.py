"""Windows that hold the same stretch of signal: shifted, re-referenced, scaled, resampled, with noise.

A window is reduced to one curve that none of these changes: the spread over electrodes of the band-passed signal
(global field power), whose square root is smoothed. It is cut into snippets around its maxima, which are where they are
wherever a window begins; snippets that look alike are candidates, and of these the signals are compared.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from trimcap.data.places import Places
from trimcap.data.rows.lazy import pieces

Pairs = NDArray[np.int64]
Curves = NDArray[np.float32]

#: windows shorter than this, s, or of fewer samples hold too little to tell a copy
_SHORTEST, _FEWEST = 0.9, 32
#: share of a window that two must have in common
_COMMON = 0.4
#: length of a snippet: share of the window, and at most so many seconds
_SNIPPET, _LONGEST = 0.3, 1.5
_DIMENSIONS, _NEIGHBOURS = 8, 4
#: correlation of curves below which signals are not compared, and how many pairs are, the best first
_ALIKE, _MOST = 0.75, 10_000
#: agreement that is asked for: at least this, and by atanh(r) · √(degrees of freedom); chance reaches 11
_LEAST, _SURE = 0.8, 14.0
#: independent samples a second of the band-passed signal, and how many electrodes count as independent
_PER_SECOND, _ELECTRODES, _MATCHED = 16.0, 8, 3
#: bytes of curves that are in memory; more go to a temporary file
_IN_MEMORY = 256 * 2**20
_TILE = 128


def comparable(shape: tuple[int, ...], rate: float) -> bool:
    """Whether windows (n_channels, n_times) are long enough to be looked through."""
    return shape[-1] >= max(_FEWEST, _SHORTEST * rate) and rate >= _FEWEST


def shifted_pairs(X: NDArray[np.float32], rate: float, places: Places) -> Pairs:
    """Pairs of windows that share a stretch of signal that their names do not tell, shape (k, 2).

    Parameters
    ----------
    X : signals, shape (n, n_channels, n_times), any unit; read in pieces
    rate : Hz

    Notes
    -----
    Found: another start, scale, sign, offset, reference or order of channels, gains by channel, resampling and
    zero-phase filters that keep 4 to 20 Hz, noise up to a third of the signal. Not found: other speeds, other
    electrodes, filters with a delay, overlaps of less than 0.4 of a window, and what repeats itself.
    """
    width = max(1, round(rate / 16))
    if len(X) < 2:
        return np.empty((0, 2), dtype=np.int64)
    curves = _curves(X, width)
    candidates = np.concatenate([_by_whole(curves), _by_maxima(curves, rate, places)])
    a, b, lag = candidates.T
    keep = (a != b) & ~places.overlap(a, b) & (curves.shape[1] - np.abs(lag) >= _COMMON * curves.shape[1])
    candidates = np.unique(candidates[keep], axis=0)
    likeness = _likeness(curves, candidates) if len(candidates) else np.empty(0)
    best = np.argsort(-likeness, kind="stable")[:_MOST]
    found: list[tuple[int, int]] = []
    for a_, b_, lag_ in candidates[best[likeness[best] >= _ALIKE]].tolist():
        if (a_, b_) not in found[-4:] and _same_signal(X[[a_, b_]], lag_, rate, width):
            found.append((a_, b_))
    return np.asarray(found, dtype=np.int64).reshape(-1, 2)


# ---- curves


def _curves(X: NDArray[np.float32], width: int) -> Curves:
    """√ of the smoothed global field power of every window, shape (n, n_times − 2·width + 1 − …)."""
    smooth = max(1, width // 2)
    length = X.shape[2] - 2 * width + 1 - smooth + 1
    shape = (len(X), length)
    curves: Curves = (
        np.empty(shape, np.float32)
        if 4 * len(X) * length <= _IN_MEMORY
        else np.memmap(tempfile.TemporaryFile(), np.float32, "w+", shape=shape)  # noqa: SIM115
    )
    done = 0
    for few in pieces(X):
        with np.errstate(invalid="ignore", over="ignore"):  # of windows that are not finite, which are left out
            y = _centred(_band(np.asarray(few, dtype=np.float32), width))
            power = np.sqrt(np.einsum("nct,nct->nt", y, y) / y.shape[1])
        curves[done : done + len(few)] = np.sqrt(
            _filtered(power[:, None], np.full(smooth, 1 / smooth, np.float32))[:, 0]
        )
        done += len(few)
    return curves


def _band(x: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    """Difference of neighbouring means of `width` samples: no offset, no drift, about 4 to 20 Hz; (…, n_times)."""
    kernel = np.concatenate([np.full(width, -1 / width), np.full(width, 1 / width)]).astype(np.float32)
    return _filtered(x - x[..., :1], kernel)


def _filtered(x: NDArray[np.float32], kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    """Correlation with a kernel along the last axis, where it fits; as products of matrices, which is fastest."""
    n = x.shape[-1] - len(kernel) + 1
    out = np.empty((*x.shape[:-1], n), dtype=np.float32)
    for first in range(0, n, _TILE):
        count = min(_TILE, n - first)
        matrix = np.zeros((count + len(kernel) - 1, count), dtype=np.float32)
        for column in range(count):
            matrix[column : column + len(kernel), column] = kernel
        out[..., first : first + count] = x[..., first : first + count + len(kernel) - 1] @ matrix
    return out


def _centred(y: NDArray[np.float32]) -> NDArray[np.float32]:
    """Without the mean over electrodes, so that the reference does not matter."""
    return y - y.mean(axis=-2, keepdims=True) if y.shape[-2] > 1 else y


# ---- candidates: (first window, second window, by how many samples the second is ahead)


def _by_whole(curves: Curves) -> NDArray[np.int64]:
    """Windows whose whole curves look alike."""
    usable = _usable(curves)
    pairs = usable[_neighbours(_unit(curves[usable]))]
    return np.column_stack([pairs, np.zeros(len(pairs), dtype=np.int64)])


def _by_maxima(curves: Curves, rate: float, places: Places) -> NDArray[np.int64]:
    """Windows in which something looks alike."""
    length = int(min(_SNIPPET * curves.shape[1], _LONGEST * rate)) // 2 * 2 + 1
    found = [*_maxima(curves, length)]
    rows, at = (np.concatenate([part[k] for part in found]) for k in (0, 1))
    # overlapping windows have the same maxima
    sample = np.round(places.start[rows] * rate).astype(np.int64) + at
    chosen = np.unique(np.stack([places.group[rows], sample]), axis=1, return_index=True)[1]
    rows, at, snippets = rows[chosen], at[chosen], np.concatenate([part[2] for part in found])[chosen]
    pairs = _neighbours(_unit(snippets))
    first, second = pairs.T
    return np.column_stack([rows[pairs], at[first] - at[second]])


def _maxima(curves: Curves, length: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], Curves]]:
    """Window, sample and snippet of every maximum that is one over a whole snippet."""
    for start in range(0, len(curves), 4096):
        few = np.asarray(curves[start : start + 4096])
        views = sliding_window_view(few, length, axis=1)
        top = (views.max(axis=-1) == views[..., length // 2]) & (views.min(axis=-1) < views[..., length // 2])
        rows, at = np.nonzero(top)
        snippets = views[rows, at]
        fine = np.isfinite(snippets).all(axis=1)
        yield rows[fine] + start, at[fine], snippets[fine]


def _neighbours(units: Curves) -> NDArray[np.int64]:
    """Pairs of rows that are nearest to each other in their principal components, shape (k, 2), first < second."""
    from scipy.spatial import cKDTree

    if len(units) < 2:
        return np.empty((0, 2), dtype=np.int64)
    some = units[:: max(1, len(units) // 5000)]
    axes = np.linalg.svd(some, full_matrices=False)[2][:_DIMENSIONS].T
    points = (units @ axes).astype(np.float64)
    _, other = cKDTree(points).query(points, k=min(_NEIGHBOURS, len(units)), eps=0.3)
    i = np.repeat(np.arange(len(units)), other.shape[1])
    pairs = np.stack([i, other.ravel()], axis=1)
    return np.unique(np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1), axis=0)


def _usable(curves: Curves) -> NDArray[np.int64]:
    """Windows that are finite and vary."""
    low, high = curves.min(axis=1), curves.max(axis=1)
    return np.flatnonzero(np.isfinite(low) & np.isfinite(high) & (low < high))


def _unit(x: Curves) -> Curves:
    x = x - x.mean(axis=1, keepdims=True)
    length = np.linalg.norm(x, axis=1, keepdims=True)
    return np.asarray(x / np.where(length > 0, length, 1.0), dtype=np.float32)


def _likeness(curves: Curves, candidates: NDArray[np.int64]) -> NDArray[np.float64]:
    """Correlation of the curves of every candidate where they lie over each other."""
    found = np.zeros(len(candidates))
    order = np.argsort(candidates[:, 2], kind="stable")
    bounds = np.flatnonzero(np.diff(candidates[order, 2])) + 1
    for same_lag in np.split(order, bounds):
        for rows in np.split(same_lag, range(4096, len(same_lag), 4096)):
            a, b, lag = candidates[rows].T
            x, y = _over(curves[a], curves[b], int(lag[0]))
            found[rows] = np.einsum("nt,nt->n", _unit(x), _unit(y))
    return found


def _over(x: NDArray[np.float32], y: NDArray[np.float32], lag: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What two signals have in common when the second is `lag` samples ahead, along the last axis."""
    n = x.shape[-1] - abs(lag)
    return x[..., max(lag, 0) : max(lag, 0) + n], y[..., max(-lag, 0) : max(-lag, 0) + n]


# ---- the signals themselves


def _same_signal(pair: NDArray[np.float32], lag: int, rate: float, width: int) -> bool:
    """Whether two windows agree more than chance and more than the signal agrees with itself at other times."""
    if not np.isfinite(pair).all():
        return False
    x, y = (_band(part, width) for part in _over(pair[0], pair[1], lag))
    seconds, n = x.shape[1] / rate, len(x)
    matched = _needed(seconds * min(n, _MATCHED)) <= (of_channels := _by_channel(x, y))
    x, y = _clipped(_centred(x)), _clipped(_centred(y))
    whole = n > 1 and _needed(seconds * min(n - 1, _ELECTRODES)) <= (agreement := _cosine(x, y))
    if not (matched or whole):
        return False
    return _repeats(x, width) < (agreement if whole else of_channels) - 0.1


def _needed(independent: float) -> float:
    """The agreement that chance does not reach, of so many independent seconds."""
    return max(_LEAST, float(np.tanh(_SURE / np.sqrt(_PER_SECOND * max(independent, 1e-3)))))


def _clipped(y: NDArray[np.float32], *, by_channel: bool = False) -> NDArray[np.float32]:
    """± 1 beyond 1.5 robust deviations: blinks look alike, and must not outweigh everything else."""
    scale = 1.5 * 1.4826 * np.median(np.abs(y), axis=-1 if by_channel else None, keepdims=True)
    return np.asarray(np.clip(y / np.where(scale > 0, scale, 1.0), -1, 1), dtype=np.float32)


def _cosine(x: NDArray[np.float32], y: NDArray[np.float32]) -> float:
    length = float(np.linalg.norm(x) * np.linalg.norm(y))
    return abs(float(np.vdot(x, y))) / length if length else 0.0


def _by_channel(x: NDArray[np.float32], y: NDArray[np.float32]) -> float:
    """Median over channels of the best |correlation| with any channel of the other: order and gains do not matter."""
    x, y = (_clipped(part, by_channel=True) for part in (x, y))
    norms = [np.linalg.norm(part, axis=1, keepdims=True) for part in (x, y)]
    match = np.abs(x @ y.T) / np.maximum(norms[0] @ norms[1].T, 1e-12)
    return float(min(np.median(match.max(axis=1)), np.median(match.max(axis=0))))


def _repeats(x: NDArray[np.float32], width: int) -> float:
    """Largest agreement of a signal with itself a while later: near 1 for hum and for sines."""
    return max((_cosine(*_over(x, x, lag)) for lag in range(2 * width, x.shape[1] // 2)), default=0.0)
