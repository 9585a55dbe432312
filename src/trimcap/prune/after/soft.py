"""Soft pruning: zero the lowest slices after every epoch, let them grow again, and remove at the end what stayed zero.

`soft_pruning` is a hook for `fit(…, epoch_hooks=…)`. The slices of one axis are zeroed in all layers that make them
(one mask for coupled layers); only weights are, so that biases and batch norm go on. What then answers with a constant
is removed by `compact` without changing the function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor, nn

from trimcap.graph.module import NetworkModule
from trimcap.graph.network import Network, need_network
from trimcap.graph.node import Ref
from trimcap.prune.choose.keep import keep_top
from trimcap.prune.plan import Plan
from trimcap.prune.saliency.by_weights import l2
from trimcap.prune.saliency.scores import Scores, makers_of
from trimcap.train.epoch import Hook


def rows_that_make(network: Network, plan: Plan) -> dict[str, Tensor]:
    """Weight name → which of its rows (dimension 0) make slices that the plan drops, bool.

    Returns
    -------
    weight name → bool (n_rows,)
    """
    rows: dict[str, Tensor] = {}
    for name, kept in plan.keep.items():
        axis = network.axes[name]
        dropped = torch.tensor([i for i in range(axis.size) if i not in set(kept)], dtype=torch.long)
        for tensor, position in makers_of(network, axis):
            if position == 0:
                labels = network.axes.labels(network.axes.tensor_dims[tensor][0], name)
                rows[tensor] = rows.get(tensor, torch.zeros(len(labels), dtype=torch.bool)) | torch.isin(
                    labels, dropped
                )
    return rows


def zeroed(network: Network, plan: Plan) -> Network:
    """The network in which the weights that make dropped slices are zero; biases and batch norm stay.

    Returns
    -------
    Network : of the same shape

    Shared parameters: `trimcap.prune`.
    """
    need_network(network, "zeroed")
    changed = dict(network.tensors)
    for name, rows in rows_that_make(network, plan).items():
        changed[name] = changed[name].clone()
        changed[name][rows] = 0.0
    return network.with_tensors(changed)


def scales_off(network: Network, plan: Plan) -> Network:
    """The network in which the batch-norm scales γ of dropped slices are zero; their shifts β stay.

    A slice of which γ is zero is a constant: `compact` removes it and gives β to whatever reads it. Slices of axes
    without batch norm are left alone.

    Returns
    -------
    Network : of the same shape

    Shared parameters: `trimcap.prune`.
    """
    need_network(network, "scales_off")
    changed = dict(network.tensors)
    for node in network.nodes:
        if node.kind != "batch_norm" or not isinstance(node.arg(1), Ref):
            continue
        scale = node.args[1].name
        dim = network.axes.dims(scale)[0]
        gone = torch.ones(changed[scale].shape, dtype=torch.bool)
        gone[network.axes.index(dim, plan.keep)] = False
        changed[scale] = changed[scale].masked_fill(gone, 0.0)
    return network.with_tensors(changed)


def soft_pruning(
    network: Network,
    sparsity: float | Callable[[int], float],
    *,
    saliency: Callable[..., Scores] = l2,
    axes: Iterable[str] | None = None,
    period: int = 1,
    at_least: int = 1,
    at_most: Mapping[str, float] | float | None = None,
) -> Hook:
    """A hook for `fit(network.module(), …, epoch_hooks=[hook])`: zero the lowest slices after every `period` epochs.

    They stay trainable: in the next epoch they may grow and others may be the lowest. The hook keeps nothing of its
    own, so that training resumes as if it had not stopped.

    Parameters
    ----------
    network : the traced network whose module is trained
    sparsity : fraction of every axis, or a function of the epoch (1, 2, …), for example a gradual schedule
    saliency : function `(network, *, axes) -> Scores`; ℓ2 as published
    period, at_least, at_most : epochs between two prunings; limits as for `keep_top`

    Returns
    -------
    Hook : `hook(model, epoch, step)`; it changes the model in place, as hooks of `fit` do

    Raises
    ------
    ValueError : a period below 1; while training: an impossible sparsity.
    TypeError : while training: another model than the network's module.

    Shared parameters: `trimcap.prune`.
    Source: He et al. (2018), "Soft filter pruning for accelerating deep convolutional neural networks", IJCAI, alg. 1.
    """
    need_network(network, "soft_pruning")
    if period < 1:
        raise ValueError(f"soft_pruning: the period is a number of epochs, 1 or more, got {period}")
    names = None if axes is None else tuple(axes)

    def hook(model: nn.Module, epoch: int, step: int) -> None:
        del step
        if epoch % period:
            return
        if not isinstance(model, NetworkModule):
            raise TypeError(
                f"soft_pruning works on network.module(), got {type(model).__name__}: trace the model first"
            )
        share = sparsity(epoch) if callable(sparsity) else sparsity
        now = model.extract()
        plan = keep_top(now, saliency(now, axes=names), share, at_least=at_least, at_most=at_most)
        zero_rows(model, rows_that_make(now, plan))

    return hook


@torch.no_grad()
def zero_rows(model: NetworkModule, rows: Mapping[str, Tensor]) -> None:
    """Set rows of weights to zero, in place; of a weight-normalised tensor its magnitude.

    Parameters
    ----------
    model : `network.module()`, changed in place
    rows : weight name → bool (n_rows,), as `rows_that_make` gives them
    """
    parameters = dict(model.named_parameters())
    for name, chosen in rows.items():
        owner, _, leaf = name.rpartition(".")
        place = f"{owner}.parametrizations.{leaf}.original0" if owner else f"parametrizations.{leaf}.original0"
        parameter = parameters[name] if name in parameters else parameters[place]
        parameter[chosen.to(parameter.device)] = 0.0


def silent_plan(network: Network, axes: Iterable[str] | None = None) -> Plan:
    """The plan that drops slices of which all weights that make them are zero.

    Returns
    -------
    Plan : it may keep no slice of an axis; `compact(…, only=plan)` leaves one

    Shared parameters: `trimcap.prune`.
    """
    keep, sizes = {}, {}
    chosen = network.axes.hidden if axes is None else [network.axes[name] for name in axes]
    for axis in chosen:
        loud = torch.zeros(axis.size, dtype=torch.bool)
        for tensor, position in makers_of(network, axis):
            dims = network.axes.tensor_dims[tensor]
            labels = network.axes.labels(dims[position], axis.name)
            used = network.tensors[tensor].movedim(position, 0).flatten(1).ne(0).any(1)
            loud[labels[used & (labels >= 0)]] = True
        keep[axis.name], sizes[axis.name] = tuple(torch.nonzero(loud).flatten().tolist()), axis.size
    return Plan(keep, sizes, {}, "silent slices")
