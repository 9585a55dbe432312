"""Remove slices that say nothing about the input, without changing the function.

A filter whose weights are zero still answers with a constant: its bias, through activation, batch norm and pooling. So
does a channel whose batch-norm scale is zero: its shift. Whatever reads the slice adds that constant, times its
weights, to its own result. Where the sum is the same at all positions it goes into the bias of the reader. Where zero
padding makes borders differ from the interior it does not, and `borders` says what is done.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from trimcap._errors import PlanError, unknown
from trimcap.graph.network import Network
from trimcap.prune.after.constants import constants
from trimcap.prune.after.fold_constants import carriers_of, folded
from trimcap.prune.after.reading import Reading, reading_of
from trimcap.prune.plan import Plan, make_plan, prunable_axis
from trimcap.prune.shrink import shrink

BORDERS = ("carry", "map", "interior")


@dataclass(frozen=True, eq=False)
class Compacted:
    """A network without its constant slices.

    Parameters
    ----------
    network : the smaller network
    plan : what was kept; empty when no slice was constant
    carried : axis → constant slices that stay in place of all others of their axis
    left : axis → which slices stay though they were to go, and why
    error : largest difference to the network before, relative to its largest output, in float64 on random input
    """

    network: Network
    plan: Plan
    carried: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    left: Mapping[str, str] = field(default_factory=dict)
    error: float = 0.0

    def __str__(self) -> str:
        lines = [str(self.plan) or "no slice is constant: nothing was removed"]
        lines += [f"{axis}: constant slices {list(n)} stay and carry the removed" for axis, n in self.carried.items()]
        lines += [f"{axis}: {why}" for axis, why in self.left.items()]
        return "\n".join([*lines, f"largest difference to the network before: {self.error:.1e} (relative)"])


def compact(
    network: Network,
    *,
    axes: Iterable[str] | None = None,
    only: Plan | None = None,
    borders: str = "carry",
    tolerance: float = 1e-6,
) -> Compacted:
    """Remove constant and unread slices; the result is compared with the network on random input.

    Parameters
    ----------
    only : a plan; only slices that it drops are removed, even if others are constant
    borders : where what constants add differs from position to position, as it does at the borders of zero padding,
        "carry" (exact) leaves the fewest constant slices that the others are multiples or sums of (behind padding:
        one), and gives them the weights of all: w ← w + Σ_j (c_j/c)·w_j;
        "map" (exact) adds a trainable tensor of all positions behind the reader, and removes all;
        "interior" (not exact at the borders, `Compacted.error` says by how much) takes the value in the middle
    tolerance : largest difference relative to the largest output; not for borders="interior"

    Returns
    -------
    Compacted

    Raises
    ------
    ValueError : unknown way with borders.
    PlanError : unknown or frozen axis, or a plan of another network; the result differs, and nothing is returned.

    Shared parameters: `trimcap.prune`.
    """
    if borders not in BORDERS:
        raise ValueError(unknown("way with borders", borders, BORDERS))
    changed, keep = network, dict[str, tuple[int, ...]]()
    carried: dict[str, tuple[int, ...]] = {}
    left: dict[str, str] = {}
    known = constants(network)
    for name in _chosen(network, axes, only):
        reading = reading_of(changed, changed.axes[name], known)
        dropped = set(range(reading.axis.size)) - set(() if only is None else only.keep[name])
        if only is not None:
            left |= _needed(reading, dropped)
        going = [i for i in reading.removable if i in dropped]
        if not going:
            continue
        changed, gone, staying = _without(changed, reading, going, borders)
        if gone:
            keep[name] = tuple(i for i in range(reading.axis.size) if i not in set(gone))
            known = constants(changed)
            carried |= {name: staying} if staying else {}
        elif staying:
            left[name] = f"constant slices {list(staying)} stay: none is a sum of others at all positions"
    if not keep:
        return Compacted(network, Plan({}, {}, {}, "constant slices"), {}, left)
    plan = make_plan(changed, keep, note=f"constant slices, {borders}")
    small = shrink(changed, plan)
    error = difference(network, small)
    if borders != "interior" and not error <= tolerance:
        raise PlanError(
            f"compacting changed {network.origin} by {error:.2g} (relative, tolerance {tolerance:.0e}); nothing was "
            f"returned. Axes: {', '.join(keep)}. Leave out one after the other with axes= to find the one that fails."
        )
    return Compacted(small, plan, carried, left, error)


def _chosen(network: Network, axes: Iterable[str] | None, only: Plan | None) -> list[str]:
    """Names of axes: given, those of the plan, or all hidden ones."""
    if only is not None:
        make_plan(network, only.keep)  # of this network, and of axes that can be pruned
    if axes is None:
        return [axis.name for axis in network.axes.hidden] if only is None else list(only.keep)
    names = [prunable_axis(network, name).name for name in axes]
    return names if only is None else [name for name in names if name in only.keep]


def _needed(reading: Reading, dropped: set[int]) -> dict[str, str]:
    """Slices that a plan drops and that are not constant, with the first place that needs them."""
    needed = sorted(dropped & set(reading.blocked))
    where = sorted({reading.blocked[i] for i in needed})
    return {reading.axis.name: f"slices {needed} stay: they are not constant for {', '.join(where)}"} if needed else {}


def _without(
    network: Network, reading: Reading, going: list[int], borders: str
) -> tuple[Network, list[int], tuple[int, ...]]:
    """The network in which nobody reads `going` any more; what is really gone, and what stays for the others."""
    if len(going) == reading.axis.size:
        going = going[1:]
    loud = [i for i in going if reading.uneven([i])]
    if not loud or borders == "interior":
        return folded(network, reading, going), going, ()
    if borders == "map":
        return folded(network, reading, going, maps=True), going, ()
    carriers = carriers_of(network, reading, loud)
    staying = tuple(loud) if carriers is None else carriers.numbers
    gone = [i for i in going if i not in set(staying)]
    return (folded(network, reading, gone, carriers=carriers) if gone else network), gone, staying


@torch.no_grad()
def difference(network: Network, other: Network, *, seed: int = 0, n: int = 3) -> float:
    """Largest difference of two networks, relative to the first one's largest output, in float64 on normal input.

    Parameters
    ----------
    network, other : traced networks with the same input
    seed : of the input
    n : windows

    Returns
    -------
    float, relative
    """
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, *network.input_shape, generator=generator, dtype=torch.float64)
    results: list[Any] = [replace(each, constraints=()).module().double()(x) for each in (network, other)]
    scale = max(float(results[0].abs().max()), 1e-30)
    return float((results[0] - results[1]).abs().max()) / scale
