"""Which sets of electrodes are measured: by saliency, at random, and as headsets have them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np

from trimcap._errors import PlanError
from trimcap.data.electrodes.headsets import Fitting
from trimcap.prune.saliency.scores import Scores

#: up to so many electrodes every number is measured
_ALL_COUNTS = 32
_MARKS = (1, 2, 3, 4, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 128, 160, 192, 256)


@dataclass(frozen=True)
class Chosen:
    """A set of electrodes before it is measured; `kept` are numbers, ascending."""

    kind: str
    name: str
    kept: tuple[int, ...]
    draw: int | None = None


def counts_of(n: int, counts: Sequence[int] | None, extra: Iterable[int] = ()) -> list[int]:
    """The numbers of electrodes to measure, ascending, n always among them.

    Parameters
    ----------
    counts : asked for; None for all up to 32 electrodes, and a coarser row beyond
    extra : further numbers, of headsets

    Raises
    ------
    ValueError : a number that is not 1 … n.
    """
    if counts is None:
        counts = range(1, n + 1) if n <= _ALL_COUNTS else [k for k in _MARKS if k < n]
    wrong = [k for k in counts if not 1 <= k <= n]
    if wrong:
        raise ValueError(f"cannot keep {wrong[0]} of {n} electrodes; give numbers from 1 to {n}")
    return sorted({*counts, *extra, n})


def order_of(scores: Scores, n: int) -> list[int]:
    """Electrodes in the order in which they go: lowest score first, among equals the lower number.

    Raises
    ------
    PlanError : no scores of electrodes, or not of this network.
    """
    values = scores.values.get("electrodes")
    if values is None:
        raise PlanError(
            f"the scores by '{scores.name}' have no axis 'electrodes'; score it with axes=['electrodes'], or order the "
            "electrodes with greedy=True"
        )
    if len(values) != n:
        raise PlanError(f"the scores by '{scores.name}' are of {len(values)} electrodes, the network has {n}")
    return [int(j) for j in np.argsort(values, kind="stable")]


def nested(name: str, order: Sequence[int], counts: Sequence[int]) -> list[Chosen]:
    """The last k electrodes of an order, for every k."""
    return [Chosen("saliency", name, tuple(sorted(order[len(order) - k :]))) for k in counts]


def drawn(n: int, counts: Sequence[int], n_random: int, seed: int) -> list[Chosen]:
    """For every k below n so many different sets of k electrodes, drawn at random; all sets where there are no more.

    Set number i of k electrodes is `numpy.random.default_rng((seed, k, i)).choice(n, k, replace=False)`; a set that was
    drawn before is passed over, and i counts on.
    """
    found = []
    for k in (k for k in counts if k < n):
        if comb(n, k) <= n_random:
            found += [Chosen("random", "random", kept, i) for i, kept in enumerate(combinations(range(n), k))]
            continue
        seen: dict[tuple[int, ...], int] = {}
        i = 0
        while len(seen) < n_random:
            rng = np.random.default_rng((seed, k, i))
            seen.setdefault(tuple(sorted(rng.choice(n, k, replace=False).tolist())), i)
            i += 1
        found += [Chosen("random", "random", kept, i) for kept, i in seen.items()]
    return found


def worn(fittings: Mapping[str, Fitting], names: Sequence[str]) -> list[Chosen]:
    """The headsets that the recording can stand for."""
    number = {name: i for i, name in enumerate(names)}
    return [
        Chosen("headset", name, tuple(sorted(number[channel] for channel in fitting.channels)))
        for name, fitting in fittings.items()
        if fitting.complete
    ]
