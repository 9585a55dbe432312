"""Electrodes that are no axis of a network: where they are in its input, and what stands there without them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimcap.data.electrodes.montage import grid
from trimcap.data.rows.lazy import pieces
from trimcap.data.windows import Windows
from trimcap.graph.network import Network


@dataclass(frozen=True, eq=False)
class Mute:
    """Input values that stand for electrodes which are gone.

    Parameters
    ----------
    places : of every electrode, where it is in a window: an index for all dimensions after the batch
    value : what stands there, shaped like a window or to broadcast against one
    """

    places: tuple[tuple[int, ...], ...]
    value: NDArray[np.float32]

    def on(self, X: NDArray[np.float32], gone: Sequence[int]) -> NDArray[np.float32]:
        """A copy of windows (n, …) without some electrodes."""
        out = np.array(X, dtype=np.float32)
        value = np.broadcast_to(self.value, out.shape[1:])
        for number in gone:
            place = self._at(number, out.ndim - 1)
            out[(slice(None), *place)] = value[place]
        return out

    def _at(self, number: int, rank: int) -> tuple[slice | int, ...]:
        """Electrodes are the first dimension of a window, or the last two of a grid."""
        place = self.places[number]
        return place if len(place) == 1 else (*[slice(None)] * (rank - len(place)), *place)


def mute_of(network: Network, names: Sequence[str], windows: Windows) -> Mute:
    """Where electrodes are in the input, and their mean over windows (and times of raw EEG).

    Parameters
    ----------
    windows : training windows; their labels are not looked at

    Raises
    ------
    ValueError : a grid that is not laid out as `trimcap.grid` does, or of another number of dimensions.
    """
    shape = network.input_shape
    if len(shape) == 2:
        mean = _mean(windows).astype(np.float32)
        raw = windows.shape == (len(names), round(windows.duration * windows.rate))
        return Mute(tuple((i,) for i in range(len(names))), mean.mean(1, keepdims=True) if raw else mean)
    if len(shape) == 3:
        cells = grid(names, rows=shape[1], columns=shape[2]).cells
        _check_layout(cells, windows)
        return Mute(tuple((int(r), int(c)) for r, c in cells), _mean(windows).astype(np.float32))
    raise ValueError(
        f"it is unknown where the {len(names)} electrodes are in windows of shape {shape}; use windows (electrodes, "
        "times), (electrodes, features) or grids (bands, rows, columns)"
    )


def _mean(windows: Windows) -> NDArray[np.float64]:
    if not len(windows):
        raise ValueError("the mean of silenced electrodes needs at least one window")
    total = sum((X.sum(axis=0, dtype=np.float64) for X in pieces(windows.X)), np.zeros(windows.shape))
    return np.asarray(total / len(windows))


def _check_layout(cells: NDArray[np.int64], windows: Windows) -> None:
    """That no cell but those of the electrodes says anything."""
    free = np.ones(windows.shape[-2:], dtype=bool)
    free[cells[:, 0], cells[:, 1]] = False
    some = np.asarray(windows.X[: min(len(windows), 256)])[..., free]
    if some.size and np.ptp(some, axis=0).max() > 0:
        raise ValueError(
            f"the windows' grid of {windows.shape[-2]} × {windows.shape[-1]} has content where "
            "trimcap.grid(channels, rows=…, columns=…) has no electrode, so it is unknown which cell belongs to which "
            "electrode; lay the windows out with to_grid(windows, grid(windows.channels))"
        )
