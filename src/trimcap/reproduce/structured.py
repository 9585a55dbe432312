"""Published ways of choosing and removing filters: LFP and NSFP of the four-method EEG study."""

from __future__ import annotations

from collections.abc import Callable
from math import floor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trimcap._errors import PlanError, unknown
from trimcap.graph.network import Network, need_network
from trimcap.graph.node import Node, Ref
from trimcap.prune.after.soft import scales_off
from trimcap.prune.choose.axes_of import axes_of
from trimcap.prune.plan import Plan, make_plan
from trimcap.prune.resize import resize
from trimcap.prune.saliency.by_weights import bn_scale, l1
from trimcap.prune.saliency.scores import makers_of
from trimcap.train.fresh import fresh

_ROUNDINGS: dict[str, Callable[[float], int]] = {"floor": floor, "round": round}


def width(n: int, sparsity: float, *, rounding: str = "floor") -> int:
    """Filters that LFP keeps of n: ⌊n·(1 − p)⌋, or Python's round(n·(1 − p)), which takes halves to the even number.

    The printed costs of CCNN and FBCCNN are those of "floor", of TSCeption those of "round"; the released scripts
    round. The core removes ⌊p·n⌋, so that it keeps up to one filter more.

    Parameters
    ----------
    n : filters that there are
    rounding : "floor" or "round"

    Returns
    -------
    filters that stay

    Shared parameters: `trimcap.reproduce`.
    Source: Rao and Zhong (2023), IJCNN, table of LFP; their release, `l1normNN` scripts.
    """
    if rounding not in _ROUNDINGS:
        raise ValueError(unknown("rounding", rounding, _ROUNDINGS))
    return _ROUNDINGS[rounding](n * (1 - sparsity))


def lfp_plan(network: Network, sparsity: float, *, rounding: str = "floor") -> Plan:
    """LFP with the published widths: the filters of largest ℓ1 norm of every convolution; linear layers stay.

    Coupled convolutions get one mask; for the published slip see `independent_masks`.

    Parameters
    ----------
    rounding : of the widths, "floor" or "round", see `width`

    Shared parameters: `trimcap.reproduce`.
    Source: Rao and Zhong (2023), IJCNN, table of LFP.
    """
    scores = l1(network, axes=axes_of(network, "conv"))
    keep = {
        axis: _top(values, width(len(values), sparsity, rounding=rounding)).tolist()
        for axis, values in scores.values.items()
    }
    return make_plan(network, keep, requested=dict.fromkeys(keep, sparsity), note=f"LFP as published, {rounding}")


def _top(values: NDArray[np.float64], n: int) -> NDArray[np.int64]:
    return np.sort(np.argsort(values, kind="stable")[len(values) - n :])


def nsfp_plan(network: Network, sparsity: float, *, guard: bool = True) -> Plan:
    """NSFP with the published threshold: θ is number int(p·n) of the sorted |γ| of the network; |γ| ≥ θ stay.

    With ties at θ fewer than int(p·n) go; the core removes exactly so many.

    Parameters
    ----------
    network : traced network with batch norm, trained with `slimming`
    guard : keep the largest scale of a layer that would be empty, as for TSCeption; for FBCCNN there was no guard

    Returns
    -------
    Plan : for `shrink` or `forget_shifts`

    Raises
    ------
    PlanError : without the guard, a layer would be empty; names it.

    Shared parameters: `trimcap.reproduce`.
    Source: Rao and Zhong (2023), IJCNN, `slimmingNN` scripts of their release.
    """
    scores = bn_scale(network, axes=axes_of(network, "batch_norm"))
    pooled = np.sort(np.concatenate(list(scores.values.values())))
    threshold = pooled[int(sparsity * len(pooled))]
    keep = {}
    for axis, values in scores.values.items():
        kept = np.flatnonzero(values >= threshold)
        if not len(kept) and not guard:
            raise PlanError(f"NSFP as published leaves axis '{axis}' without a channel at {sparsity:g}; set guard=True")
        keep[axis] = (kept if len(kept) else np.array([values.argmax()])).tolist()
    return make_plan(network, keep, requested=dict.fromkeys(keep, sparsity), note="NSFP as published")


def forget_shifts(network: Network, plan: Plan) -> Network:
    """NSFP's surgery: γ *and* β of removed channels are set to zero, so that their constants are lost.

    The core leaves β to what reads the channel: `compact(scales_off(network, plan), only=plan)`.

    Returns
    -------
    Network : smaller

    Shared parameters: `trimcap.reproduce`.
    Source: Rao and Zhong (2023), IJCNN, `slimmingNN` scripts of their release. The order conv–ReLU–batch norm of
    FBCCNN makes β a constant that the next convolution misses.
    """
    off = scales_off(network, plan)
    changed = dict(off.tensors)
    for node in network.nodes:
        if node.kind == "batch_norm" and isinstance(node.arg(2), Ref):
            name = node.args[2].name
            gone = torch.ones(changed[name].shape, dtype=torch.bool)
            gone[network.axes.index(network.axes.dims(name)[0], plan.keep)] = False
            changed[name] = changed[name].masked_fill(gone, 0.0)
    return resize(network.with_tensors(changed), plan)


def drop_biases(network: Network, *, seed: int) -> Network:
    """Fresh random biases in all convolutions, as after the published rebuilding, which does not copy them.

    The damage is there at 0 % pruning too, and puts a floor under the published sensitivity curves.

    Parameters
    ----------
    seed : of the biases, uniform in ±1/√fan_in as PyTorch draws them

    Returns
    -------
    Network : of the same shape

    Shared parameters: `trimcap.reproduce`.
    Source: Rao and Zhong (2023), IJCNN, rebuilding of CCNN and FBCCNN (LFP, NSFP) and of TSCeption (NSFP,
    sensitivity) in their release.
    """
    drawn = fresh(network, seed=seed).tensors
    names = [
        node.args[2].name for node in network.nodes if node.kind.startswith("conv") and isinstance(node.arg(2), Ref)
    ]
    return network.with_tensors({**network.tensors, **{name: drawn[name] for name in names}})


def independent_masks(network: Network, sparsity: float, *, rounding: str = "round") -> Network:
    """LFP in which every layer of a coupled group keeps its own channels: the widths agree, the channels do not.

    Convolutions keep their filters of largest ℓ1 norm, a batch norm its channels of largest |γ|, and whatever reads
    the group takes the batch norm's (the convolution's, where there is none). Position k then holds channel A_k of one
    convolution, B_k of another, the statistics of D_k, and weights meant for D_k: another network, not a pruned one.

    Parameters
    ----------
    rounding : of the widths, "floor" or "round", see `width`

    Returns
    -------
    the scrambled network; equal to the pruned one only where all choices agree

    Shared parameters: `trimcap.reproduce`.
    Source: Rao and Zhong (2023), IJCNN, LFP of TSCeption in their release (nine-entry configuration).
    """
    need_network(network, "independent_masks")
    plan = lfp_plan(network, sparsity, rounding=rounding)
    small = resize(network, plan)
    changed = {name: tensor.clone() for name, tensor in network.tensors.items()}
    chosen = {axis: _choices(network, axis, list(kept)) for axis, kept in plan.keep.items()}
    for name in network.tensors:
        for position, dim in enumerate(network.axes.tensor_dims[name]):
            rows = torch.ones(network.shape_of(name)[position], dtype=torch.bool)
            for axis, choices in chosen.items():
                labels = network.axes.labels(dim, axis)
                own = torch.as_tensor(choices.get(name if position == 0 else "", choices[""]))
                rows &= (labels < 0) | torch.isin(labels, own)
            changed[name] = changed[name].index_select(position, torch.nonzero(rows).flatten())
    return small.with_tensors(changed)


def _choices(network: Network, axis: str, together: list[int]) -> dict[str, list[int]]:
    """Name of a tensor → the channels that its rows keep; "" is for whoever reads the axis.

    Layers with one row per channel choose by themselves; all others keep what was chosen `together`.
    """
    found: dict[str, list[int]] = {}
    n, every = len(together), torch.arange(network.axes[axis].size)
    makers = [tensor for tensor, position in makers_of(network, network.axes[axis]) if position == 0]
    for node in network.nodes:
        if node.kind == "batch_norm" and isinstance(node.arg(1), Ref):
            labels = network.axes.labels(network.axes.dims(node.args[1].name)[0], axis)
            if torch.equal(labels, every):
                kept = _largest(network.tensors[node.args[1].name].abs(), n)
                found |= {ref.name: kept for ref in node.args[1:5] if isinstance(ref, Ref)} | {"": kept}
        elif node.kind.startswith("conv") and node.args[1].name in makers and node.shape[1] == len(every):
            kept = _largest(network.tensors[node.args[1].name].abs().flatten(1).sum(1), n)
            found |= dict.fromkeys(_own(node), kept)
            found.setdefault("", kept)
    found.setdefault("", together)
    return found


def _own(node: Node) -> list[str]:
    return [ref.name for ref in node.args[1:3] if isinstance(ref, Ref)]


def _largest(values: Tensor, n: int) -> list[int]:
    return _top(values.detach().double().numpy(), n).tolist()  # type: ignore[no-any-return]
