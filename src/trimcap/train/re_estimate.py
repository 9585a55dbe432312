"""Batch-norm statistics of a network that was changed after it was trained."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from trimcap.data.rows.lazy import pieces
from trimcap.data.windows import Windows
from trimcap.graph.network import Network, need_network
from trimcap.graph.node import Node, Ref
from trimcap.train.predict import trained_on

if TYPE_CHECKING:
    from trimcap.data.ledger import Ledger


@torch.no_grad()
def re_estimate_batch_norm(
    network: Network, windows: Windows, *, batch_size: int = 256, ledger: Ledger | None = None
) -> Network:
    """The network with running statistics that its own activations have now.

    Layer by layer, in the order in which they run: μ = mean and σ² = n/(n − 1)·mean((x − μ)²) of everything that
    enters the batch norm, over windows and positions, with all earlier layers re-estimated and in evaluation mode. No
    moving average, so the result depends neither on the order of windows nor on `batch_size`; labels are not used.

    Parameters
    ----------
    network : traced network; not changed
    windows : training windows, of the network's electrodes
    batch_size : windows at once
    ledger : where to record that the windows were seen, as "recovery"

    Returns
    -------
    Network : the same one where it has no batch norm with running statistics

    Raises
    ------
    ValueError : windows of another shape, or fewer than two values of a channel.

    Source: Wu and Johnson (2021), "Rethinking 'batch' in batchnorm", arXiv:2105.07576, §3 (precise batch norm).
    """
    need_network(network, "re_estimate_batch_norm")
    windows = trained_on(network.module(), windows)
    if ledger is not None:
        ledger.record("recovery", windows, "batch-norm statistics")
    for position, node in enumerate(network.nodes):
        if node.training and node.kind == "batch_norm" and isinstance(node.arg(3), Ref):  # not a frozen one
            network = _estimated(network, position, node, windows, batch_size)
    return replace(network, seen=network.seen.plus("recovery", windows))


def _estimated(network: Network, position: int, node: Node, windows: Windows, batch_size: int) -> Network:
    """Two passes: the mean, then the variance around it, in float64."""
    mean, count = _mean(_inputs(network, position, node, windows, batch_size))
    if count < 2:
        raise ValueError(f"re_estimate_batch_norm: {node.where} gets {count} value per channel; give more windows")
    around = (
        (x.double() - mean.reshape(1, -1, *[1] * (x.ndim - 2))) ** 2
        for x in _inputs(network, position, node, windows, batch_size)
    )
    variance, _ = _mean(around)
    names = node.args[3].name, node.args[4].name
    values = mean, variance * count / (count - 1)
    old = network.tensors
    changed = {name: value.to(old[name].dtype) for name, value in zip(names, values, strict=True)}
    return network.with_tensors({**old, **changed})


def _mean(parts: Iterator[Tensor]) -> tuple[Tensor, int]:
    total: Tensor | None = None
    count = 0
    for x in parts:
        rows = x.double().movedim(1, 0).flatten(1)
        total = rows.sum(1) if total is None else total + rows.sum(1)
        count += rows.shape[1]
    if total is None:
        raise ValueError("re_estimate_batch_norm: there are no windows")
    return total / count, count


def _inputs(network: Network, position: int, node: Node, windows: Windows, batch_size: int) -> Iterator[Tensor]:
    """What enters a batch norm, batch by batch; nothing behind it is computed."""
    name = node.args[0].name
    module = replace(network, nodes=network.nodes[:position], output=name, constraints=()).module()
    for part in pieces(windows.X, rows=batch_size):
        yield module(torch.from_numpy(np.array(part, dtype=np.float32)))
