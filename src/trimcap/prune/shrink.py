"""Remove slices for real, and prove against the masked twin that nothing else changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from trimcap._errors import PlanError, unknown
from trimcap.graph.network import Network, need_network
from trimcap.prune.plan import Plan, make_plan
from trimcap.prune.resize import resize
from trimcap.prune.twin import silence


def shrink(network: Network, plan: Plan, *, tolerance: float = 1e-9) -> Network:
    """The network without the slices that the plan drops.

    Every tensor dimension that contains a pruned axis is index-selected; operation arguments that hold sizes
    (groups, reshapes) follow. The result is compared, in float64 on random input, with the masked twin
    (`silence`), in which the dropped slices still exist but whatever reads them multiplies them by zero.

    Parameters
    ----------
    tolerance : largest difference to the twin relative to its largest output

    Returns
    -------
    Network : smaller; `module()` trains it, `save` stores it

    Raises
    ------
    PlanError : the plan removes nothing, belongs to another network, or the twin disagrees

    Shared parameters: `trimcap.prune`.
    """
    plan = _checked(need_network(network, "shrink"), plan)
    small = resize(network, plan)
    error = twin_error(network, small, plan)
    if _is_dead(silence(network, plan)):  # any slices would do: the check is made with weights that are alive
        other = _enlivened(network)
        error = max(error, twin_error(other, resize(other, plan), plan))
    if not error <= tolerance:
        raise PlanError(_complaint(network, plan, error, tolerance))
    return small


def _complaint(network: Network, plan: Plan, error: float, tolerance: float) -> str:
    """Why nothing is returned."""
    broken = [n for n, t in network.tensors.items() if t.is_floating_point() and not bool(t.isfinite().all())]
    if broken:
        return (
            f"{network.origin} has weights that are not finite ({', '.join(broken[:5])}), so that nothing can be "
            "compared and nothing was pruned; train it again, or load a network from before"
        )
    if not bool(_float64(network, _windows(network, 0, 3)).isfinite().all()):
        return (
            f"{network.origin} gives numbers that are not finite on standard normal windows, so that the pruned "
            "network can't be compared with its masked twin; nothing was returned. Is there a logarithm of, or a "
            "division by, something that may be 0 or below?"
        )
    return (
        f"the pruned {network.origin} differs from its masked twin by {error:.2g} (relative, tolerance "
        f"{tolerance:.0e}); nothing was returned. Axes: {', '.join(plan.keep)}. This is a defect of trimcap: "
        "please report the network; meanwhile leave out one axis after the other to find the one that fails."
    )


def _checked(network: Network, plan: Plan) -> Plan:
    _check_for(network, plan)
    checked = make_plan(network, plan.keep, requested=plan.requested, note=plan.note)
    if all(len(kept) == checked.sizes[name] for name, kept in checked.keep.items()):
        raise PlanError(
            f"the plan removes nothing from {network.origin}: every axis keeps all its slices "
            f"({', '.join(f'{n} {s}' for n, s in checked.sizes.items()) or 'none named'}). Raise the sparsity."
        )
    return checked


def _check_for(network: Network, plan: Plan) -> None:
    """Refuse the plan of another network."""
    now = "Use it on the network that it was made from, or make one for this network"
    for name, size in plan.sizes.items():
        if name not in network.axes.axes:
            raise PlanError(f"the plan is for another network: {unknown('axis', name, network.axes)}. {now}")
        if network.axes[name].size != size:
            raise PlanError(
                f"the plan is for another network: its axis '{name}' has {size} slices, "
                f"{network.origin} has {network.axes[name].size}. {now}"
            )


@torch.no_grad()
def twin_error(network: Network, small: Network, plan: Plan, *, seed: int = 0, n: int = 3) -> float:
    """Largest difference of the pruned network to the masked twin, relative to the twin's largest output.

    Evaluated in float64 on standard normal input, so that rounding does not hide a wrong slice.

    Parameters
    ----------
    network : the whole network
    small : what was made of it
    plan : by which
    seed : of the input
    n : windows

    Returns
    -------
    float, relative
    """
    windows = _windows(network, seed, n)
    kept = [_of_kept(network, name, x, plan) for name, x in zip(network.inputs, windows, strict=True)]
    want = _float64(silence(network, plan), windows)
    try:
        got = _float64(small, kept)
    except (RuntimeError, IndexError, ValueError) as error:
        raise PlanError(
            f"the pruned {network.origin} does not run ({str(error).splitlines()[0]}); nothing was returned"
        ) from error
    if got.shape != want.shape:
        raise PlanError(
            f"the pruned {network.origin} returns shape {tuple(got.shape)} instead of {tuple(want.shape)}; nothing "
            "was returned"
        )
    scale = want.abs().max().item()
    return float((want - got).abs().max().item() / max(scale, 1e-30))


@torch.no_grad()
def _is_dead(network: Network) -> bool:
    """Whether all windows give the same output: the last activation is 0 for all, or weights are."""
    y = _float64(network, _windows(network, 1, 3))
    return bool((y - y[:1]).abs().max() <= 1e-12 * y.abs().max().clamp_min(1e-30))


def _enlivened(network: Network) -> Network:
    """The same graph with noise on everything that is trained: what belongs together does not depend on values."""
    generator = torch.Generator().manual_seed(2)
    for scale in (0.1, 1.0, 3.0):
        tensors = {
            name: tensor + scale * torch.randn(tensor.shape, generator=generator)
            if name in network.trainable
            else tensor
            for name, tensor in network.tensors.items()
        }
        other = replace(network, tensors=tensors)
        if not _is_dead(other):
            return other
    return network


def _windows(network: Network, seed: int, n: int) -> list[Tensor]:
    """Standard normal numbers for every input."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(n, *s, generator=generator, dtype=torch.float64) for s in network.inputs.values()]


def _of_kept(network: Network, name: str, x: Tensor, plan: Plan) -> Tensor:
    """An input without the electrodes, bands or features that the plan drops."""
    for position, dim in enumerate(network.axes.tensor_dims[name]):
        if position:
            x = x.index_select(position, network.axes.index(dim, plan.keep))
    return x


def _float64(network: Network, x: Sequence[Tensor]) -> Tensor:
    # without constraints: a weight-normalised module would round its weights once more
    result: Tensor = replace(network, constraints=()).module().double()(*x)
    return result
