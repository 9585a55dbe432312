"""Which windows hold the same signal, whatever they are called."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from trimcap.data.copies.exact import equal_pairs, scaled_pairs
from trimcap.data.copies.shifted import comparable, shifted_pairs
from trimcap.data.places import places_of
from trimcap.data.seen import content_of
from trimcap.data.windows import Windows

Rows = NDArray[np.int64]

#: kind of copy, from the surest on → what is said of it
KINDS = {
    "same": "have the same content as",
    "scaled": "are copies up to scale and offset of",
    "shifted": "hold the same signal (shifted, re-referenced, resampled or with noise) as",
}


@dataclass(frozen=True, eq=False)
class Copies:
    """Which windows of a set are copies of each other.

    Parameters
    ----------
    groups : kind of `KINDS` → number of the group of every window, shape (n,); windows of one group are copies of that
        kind or a surer one
    trials : number of every window's recording or trial
    gaps : what was not looked for, in words
    """

    groups: dict[str, NDArray[np.int32]]
    trials: NDArray[np.int64]
    gaps: tuple[str, ...] = ()

    def across(self, train: Rows, test: Rows) -> dict[str, Rows]:
        """Kind → pairs (test window, a training window of which it is a copy), each test window once, shape (k, 2)."""
        found: dict[str, Rows] = {}
        left = np.setdiff1d(test, train)
        for kind, group in self.groups.items():
            known, first = np.unique(group[train], return_index=True)
            hit = left[np.isin(group[left], known)]
            found[kind] = np.stack([hit, train[first[np.searchsorted(known, group[hit])]]], axis=1)
            left = np.setdiff1d(left, hit)
        return found

    def inside(self, rows: Rows) -> dict[str, Rows]:
        """Kind → those of `rows` that are copies of an earlier one; the same signal only where trials differ."""
        found, left = {}, np.sort(rows)
        for kind, group in self.groups.items():
            first = np.unique(group[left], return_index=True)[1]
            repeated = np.setdiff1d(np.arange(len(left)), first)
            if kind == "shifted":  # of one trial, neighbours are connected by a copy that overlaps both
                origin = dict(zip(group[left[first]].tolist(), self.trials[left[first]].tolist(), strict=True))
                other = [origin[group[i]] != self.trials[i] for i in left[repeated].tolist()]
                repeated = repeated[np.asarray(other, dtype=bool)]
            found[kind] = left[repeated]
            left = np.delete(left, repeated)
        return found


_known: WeakKeyDictionary[Windows, Copies] = WeakKeyDictionary()


def find_copies(windows: Windows) -> Copies:
    """All copies among windows, found once for one set; see `docs/protocols.md` for what is found and what is not.

    Windows that overlap by their names are no copies: that one is known.
    """
    if windows not in _known:
        _known[windows] = _found(windows)
    return _known[windows]


def _found(windows: Windows) -> Copies:
    X, signal, places = windows.X, windows.raw, places_of(windows)
    content = content_of(windows)
    pairs = {
        "same": equal_pairs(X, content, signal=signal),
        "scaled": scaled_pairs(X, content, signal=signal),
        "shifted": np.empty((0, 2), dtype=np.int64),
    }
    gaps = []
    if signal and comparable(windows.shape, windows.rate):
        pairs["shifted"] = shifted_pairs(X, windows.rate, places)
    else:
        why = "the windows are no signals (features, pictures)" if not signal else "the windows are too short"
        gaps.append(f"{why}: shifted, re-referenced, resampled or noisy copies were not looked for")
    return Copies(_grouped(len(windows), pairs), places.group, tuple(gaps))


def _grouped(n: int, pairs: dict[str, Rows]) -> dict[str, NDArray[np.int32]]:
    """Windows that are connected by pairs of a kind or of those before it."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    groups, edges = {}, np.empty((0, 2), dtype=np.int64)
    for kind, more in pairs.items():
        edges = np.concatenate([edges, more])
        graph = coo_array((np.ones(len(edges), dtype=np.int8), (edges[:, 0], edges[:, 1])), shape=(n, n))
        groups[kind] = connected_components(graph, directed=False)[1]
    return groups
