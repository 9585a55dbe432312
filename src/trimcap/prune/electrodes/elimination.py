"""Backward elimination of electrodes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from trimcap.prune.electrodes.hearing import Heard, Hearing
from trimcap.prune.samples import Sample

#: what is being done, how much of it is done, and how much there is
Progress = Callable[[str, int, int], None]


@torch.no_grad()
def eliminate(ears: Hearing, data: Sample, n: int, *, progress: Progress | None = None) -> list[int]:
    """Electrodes in the order in which they go: each time the one without which the cross-entropy is least.

    Among equals the lower number goes first.
    """
    left, order = list(range(n)), []
    total, done = n * (n + 1) // 2 - 1, 0
    again = _remembered(ears, data)
    while len(left) > 1:
        losses = np.zeros(len(left))
        for heard, y in again():
            losses += [_sum(heard([i for i in left if i != j]), y) for j in left]
        done += len(left)
        order.append(left.pop(int(np.argmin(losses))))
        if progress:
            progress("backward elimination", done, total)
    return [*order, *left]


#: bytes that are kept between the rounds of the elimination; beyond, they are computed anew
_KEPT = 512 * 2**20


def _remembered(ears: Hearing, data: Sample) -> Callable[[], Iterable[tuple[Heard, Tensor]]]:
    """The batches as the network hears them, computed once if they fit into memory."""

    def batches() -> Iterator[tuple[Heard, Tensor]]:
        return ((ears.hear(x), y) for x, y in data.batches())

    if 4 * ears.numbers * len(data) > _KEPT:
        return batches
    kept = list(batches())
    return lambda: kept


def _sum(logits: Tensor, y: Tensor) -> float:
    return float(cross_entropy(logits.double(), y, reduction="sum"))
