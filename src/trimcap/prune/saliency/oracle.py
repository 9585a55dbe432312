"""The oracle: what the loss really becomes without a slice. Affordable on networks of the size that EEG has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from trimcap._errors import unknown
from trimcap.data.ledger import Ledger
from trimcap.data.windows import Windows
from trimcap.graph.axes import Axis
from trimcap.graph.module import NetworkModule
from trimcap.graph.network import Network
from trimcap.prune.saliency.gates import closed, downstream
from trimcap.prune.saliency.scores import Scores, chosen
from trimcap.prune.samples import Sample, sample

Values = NDArray[np.float64]
Measure = Literal["loss", "absolute", "error"]
MEASURES: tuple[Measure, ...] = get_args(Measure)


def oracle(
    network: Network,
    *,
    windows: Windows | None = None,
    axes: Iterable[str] | None = None,
    measure: Measure = "loss",
    n_windows: int | None = None,
    batch_size: int = 256,
    seed: int = 0,
    ledger: Ledger | None = None,
) -> Scores:
    """L(network without slice j) − L(network): the true increase of the loss, one slice at a time, without recovery.

    A slice is silenced wherever it is read, which is the same as removing it (`shrink`); only what comes after it is
    computed anew. What the other saliencies estimate.

    Parameters
    ----------
    windows : of the validation set, for an honest loss
    measure : "loss", the increase of the mean cross-entropy; "absolute", its absolute change, which does not take a
        slice whose removal lowers the loss for the first to go; or "error", the increase of the share of wrong windows

    Returns
    -------
    Scores : axis → float64 (n_slices,), higher = keep: the increase, in nat (of the error: a fraction)

    Shared parameters: `trimcap.prune`.
    Source: Molchanov et al. (2017), "Pruning convolutional neural networks for resource efficient inference", ICLR,
    §3.1 (oracle-loss and oracle-abs); LeCun et al. (1990), "Optimal brain damage", NIPS, §1.
    Needs: windows.
    """
    if measure not in MEASURES:
        raise ValueError(unknown("measure", measure, MEASURES))
    found = chosen(network, axes)
    data = sample(network, windows, name="oracle", ledger=ledger, n_windows=n_windows, batch_size=batch_size, seed=seed)
    values = _increases(network, found, data, measure)
    return Scores({a: np.abs(v) for a, v in values.items()} if measure == "absolute" else values, "oracle")


@torch.no_grad()
def _increases(network: Network, axes: Sequence[Axis], data: Sample, measure: str) -> dict[str, Values]:
    module = _module(network)
    parts = [(axis, *_part(network, axis)) for axis in axes]
    totals = {axis.name: np.zeros(axis.size) for axis in axes}
    for x, y in data.batches():
        results = module.run(x, keep=True)
        before = _sum(results[network.output], y, measure)
        for axis, part, names in parts:
            inputs = [results[name] for name in names]
            for j in range(axis.size):
                logits = part.run(closed(axis, [j]), *inputs)[network.output]
                totals[axis.name][j] += (_sum(logits, y, measure) - before) / len(data)
    return totals


def _part(network: Network, axis: Axis) -> tuple[NetworkModule, list[str]]:
    part = downstream(network, axis)
    return _module(part), list(part.inputs)[1:]


def _module(network: Network) -> NetworkModule:
    return NetworkModule(replace(network, constraints=())).eval().requires_grad_(False)


def _sum(logits: Tensor, y: Tensor, measure: str) -> float:
    if measure == "error":
        return float((logits.argmax(1) != y).sum())
    return float(cross_entropy(logits.double(), y, reduction="sum"))
