"""What a network says when it hears only some electrodes.

Where the electrodes are an axis, those that are gone are silenced where they are read, which is the same as removing
them (`shrink` proves it). Where they are none (cells of a grid, electrodes that are read in groups), their input is
held at its mean over the training windows, and the network stays as large as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from trimcap._errors import PlanError
from trimcap.data.windows import Windows
from trimcap.graph.module import NetworkModule
from trimcap.graph.network import Network
from trimcap.graph.node import Node
from trimcap.graph.ops.allowed import operation
from trimcap.prune.choose.silenced import after
from trimcap.prune.electrodes.mute import Mute
from trimcap.prune.saliency.gates import Site, closed, downstream, sites
from trimcap.prune.samples import Sample

#: kept electrodes, by number → logits
Heard = Callable[[Sequence[int]], Tensor]
AXIS = "electrodes"


@dataclass(frozen=True, eq=False)
class Hearing:
    """What a network makes of windows with some electrodes.

    Parameters
    ----------
    hear : windows → function from kept electrodes to logits
    numbers : that such a function keeps of every window
    """

    hear: Callable[[Tensor], Heard]
    numbers: int


def names_of(network: Network, windows: Windows) -> tuple[str, ...]:
    """The electrodes that a network hears, in the order of its input.

    Raises
    ------
    PlanError : neither network nor windows name them, or not as many as the input has.
    """
    names = tuple(network.channels or windows.channels)
    if not names:
        raise PlanError(f"{network.origin} does not know its electrodes; trace it with channels=(…)")
    if len(network.input_shape) < 3 and len(names) != network.input_shape[0]:
        raise PlanError(
            f"{network.origin} takes windows of shape {network.input_shape}, whose first dimension is not the "
            f"{len(names)} electrodes; trace it on windows (electrodes, times), (electrodes, features) or grids"
        )
    if len(names) < 2:
        raise PlanError(f"{network.origin} hears {len(names)} electrode; there is nothing to remove")
    return names


def why_not_removed(network: Network) -> str:
    """Why electrodes of this network can only be silenced, or "" where they can be removed."""
    if network.dimensions[:1] != (AXIS,):
        return (
            f"the input is {' × '.join(network.dimensions) or 'no list of electrodes'}: an electrode is a part of it "
            "and no axis, so that it can be silenced but not removed"
        )
    axis = network.axes.axes.get(AXIS)
    if axis is None or axis.size != network.input_shape[0]:
        return (
            f"{network.origin} reads its {network.input_shape[0]} electrodes in groups, so that they can be silenced "
            "but not removed one by one"
        )
    return f"electrodes can be silenced but not removed: {axis.frozen}" if axis.frozen else ""


def hearing(network: Network, mute: Mute | None) -> Hearing:
    """A function from windows to a function from kept electrodes to logits, of the network as `shrink` would make it.

    Parameters
    ----------
    mute : for a network whose electrodes are no axis; None where they are
    """
    plain = replace(network, constraints=(), trainable=frozenset())
    if mute is not None:
        return _muted(plain, mute)
    site = _spatial_filter(plain)
    return _by_gates(plain) if site is None else _by_sum(plain, site)


def _muted(network: Network, mute: Mute) -> Hearing:
    whole = NetworkModule(network).eval()

    def hear(x: Tensor) -> Heard:
        return lambda kept: whole(torch.from_numpy(mute.on(x.numpy(), _gone(len(mute.places), kept))))

    return Hearing(hear, prod(network.input_shape))


def _by_gates(network: Network) -> Hearing:
    """Whatever reads the electrodes is run with gates."""
    axis = network.axes[AXIS]
    part = downstream(network, axis)
    whole, module, needed = NetworkModule(network).eval(), NetworkModule(part).eval(), list(part.inputs)[1:]

    def hear(x: Tensor) -> Heard:
        results = whole.run(x, keep=True)
        inputs = [results[name] for name in needed]

        def logits(kept: Sequence[int]) -> Tensor:
            found: Tensor = module.run(closed(axis, _gone(axis.size, kept)), *inputs)[network.output]
            return found

        return logits

    return Hearing(hear, sum(prod(network.shape_of(name)) for name in needed))


def _spatial_filter(network: Network) -> Site | None:
    """The convolution over all electrodes at once that alone reads them, as EEGNet has one."""
    found = sites(network, network.axes[AXIS])
    if len(found) != 1 or found[0].node.kind != "conv2d" or found[0].position != 2:
        return None
    node, size = found[0].node, network.axes[AXIS].size
    weight = node.args[1].name
    whole = found[0].source == node.args[0].name and weight in network.tensors
    whole = whole and network.shape_of(weight)[2] == size == len(found[0].labels) and node.shape[2] == 1
    bias = node.arg(2)
    known = bias is None or bias.name in network.tensors
    in_order = found[0].labels.tolist() == list(range(size)) and network.shape_of(found[0].source)[2] == size
    return found[0] if whole and in_order and known and _unpadded(node) else None


def _unpadded(node: Node) -> bool:
    """Whether nothing is added before the first electrode."""
    padding = node.arg(4, (0, 0))
    return isinstance(padding, tuple | list) and not padding[0]


def _by_sum(network: Network, site: Site) -> Hearing:
    """Σ_e w_e·x_e over the electrodes e that are kept: every term is computed once, for all sets."""
    node, size = site.node, network.axes[AXIS].size
    weight = network.tensors[node.args[1].name]
    bias = node.arg(2)
    offset = 0.0 if bias is None else network.tensors[bias.name].reshape(1, -1, 1, 1)
    rest, function = after(network, [node.name]), operation(node.op)
    whole, module = NetworkModule(network).eval(), NetworkModule(rest).eval()
    others = [name for name in rest.inputs if name != node.name]

    def hear(x: Tensor) -> Heard:
        results = whole.run(x, keep=True)
        source = results[site.source]
        terms = torch.stack(
            [function(source[:, :, [e]], weight[:, :, [e]], None, *node.args[3:], **node.kwargs) for e in range(size)]
        )
        inputs = {name: results[name] for name in others}
        total = results[node.name] - offset

        def logits(kept: Sequence[int]) -> Tensor:
            now = {**inputs, node.name: _sum_of(terms, total, kept) + offset}
            found: Tensor = module.run(*(now[name] for name in rest.inputs))[network.output]
            return found

        return logits

    return Hearing(hear, size * prod(node.shape) + sum(prod(network.shape_of(name)) for name in others))


def _sum_of(terms: Tensor, total: Tensor, kept: Sequence[int]) -> Tensor:
    """Σ of some terms: of those that are kept, or of all less those that are gone, whichever are fewer."""
    gone = _gone(len(terms), kept)
    if len(gone) < len(kept):
        found = total.clone()
        for number in gone:
            found -= terms[number]
        return found
    found = torch.zeros_like(total)
    for number in kept:
        found += terms[number]
    return found


def _gone(size: int, kept: Sequence[int]) -> list[int]:
    return sorted(set(range(size)) - set(kept))


# ---- backward elimination ----

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
