"""What runs along the sides of a feature map: electrodes, time in seconds, or just positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trimcap.graph.network import Network
from trimcap.graph.node import Node
from trimcap.graph.ops.atoms import Dim, flat
from trimcap.graph.ops.walk import per_dimension
from trimcap.graph.rewrite.conv import geometry

_POOLS = ("avg_pool1d", "avg_pool2d", "max_pool1d", "max_pool2d")


@dataclass(frozen=True)
class Side:
    """A word for what runs along a side, and what stands at its two ends."""

    name: str
    ends: tuple[str, str]


def side_of(network: Network, dim: Dim, n: int, *, channels: Sequence[str] = ()) -> Side:
    """A side that is a dimension of the input goes by its name; anything else are positions, counted from 1.

    So are times, see `time_side`: what a network takes for times may be bands.

    Parameters
    ----------
    channels : electrodes of the input; default those the network knows
    """
    names = list(network.channels or channels)
    for name, own in zip(network.dimensions, _input(network)[1:], strict=False):
        if name != "times" and flat(own) == flat(dim):
            known = name == "electrodes" and len(names) == n
            return Side(name, (names[0], names[-1]) if known else ("1", str(n)))
    return Side("positions", ("1", str(n)))


def time_side(network: Network, result: str, *, rate: float) -> Side | None:
    """The last dimension of a result as time in a window, s; None where it isn't time, or that can't be told.

    Parameters
    ----------
    rate : of the network's input, Hz
    """
    found = samples_of(network, result)
    if found is None or not rate > 0:
        return None
    first, step = found
    last = first + (network.shape_of(result)[-1] - 1) * step
    digits = 2 if last >= rate else 3
    return Side("time", (f"{first / rate:.{digits}f}", f"{last / rate:.{digits}f} s"))


def samples_of(network: Network, result: str) -> tuple[float, float] | None:
    """Where the last dimension of a result lies on the input's time: centre of its first step, and step, in samples.

    A convolution or pooling of kernel k, stride s, dilation d and padding p in front, over steps a + b·i, makes the
    steps a + b·(d·(k − 1)/2 − p) + b·s·i. What keeps the dimension keeps its steps. None for anything else.
    """
    if result in network.inputs:
        return (0.0, 1.0) if network.dimensions[-1:] == ("times",) else None
    node = next((n for n in network.nodes if n.name == result), None)
    if node is None:
        return None
    if node.kind in ("conv1d", "conv2d", *_POOLS):
        before = samples_of(network, node.args[0].name)
        if before is None:
            return None
        kernel, stride, padding, dilation = _last(network, node)
        first, step = before
        return first + step * (dilation * (kernel - 1) / 2 - padding), step * stride
    own = flat(network.axes.dims(result)[-1])
    for name in node.inputs:
        if own and name not in network.tensors and flat(network.axes.dims(name)[-1]) == own:
            return samples_of(network, name)
    return None


def _last(network: Network, node: Node) -> tuple[int, int, int, int]:
    """Kernel, stride, padding in front and dilation of the last dimension."""
    if node.kind not in _POOLS:
        found = geometry(network, node)
        return found.kernel[-1], found.stride[-1], found.padding[-1][0], found.dilation[-1]
    n = int(node.kind[-2])
    dilation = per_dimension(node.arg(4), n, 1) if node.kind.startswith("max") else [1]
    kernel = per_dimension(node.args[1], n, 1)
    stride = per_dimension(node.arg(2) or node.args[1], n, 1)
    return kernel[-1], stride[-1], per_dimension(node.arg(3), n, 0)[-1], dilation[-1]


def _input(network: Network) -> Sequence[Dim]:
    return network.axes.tensor_dims[next(iter(network.inputs))]
