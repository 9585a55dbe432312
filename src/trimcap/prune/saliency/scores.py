"""Scores: one number per slice of an axis, higher = keep; and the way to them from the weights of a network.

Several layers may make the slices of one axis together (the three temporal convolutions of TSCeption, a residual sum).
Scores of weights are then divided by each layer's mean and averaged, so that a layer with a larger fan-in does not
decide alone. Scores that are sums over weights (gradients times weights, ranks) say so and are added or averaged as
they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trimcap._errors import PlanError
from trimcap.graph.axes import Axis
from trimcap.graph.network import Network, need_network
from trimcap.graph.node import Node, Ref
from trimcap.graph.ops.layers import CONVOLUTIONS, TRANSPOSED, WEIGHTED
from trimcap.graph.ops.products import FACTORS
from trimcap.prune.plan import prunable_axis

#: units of one layer, one row each → one score per unit
UnitScore = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True)
class Scores:
    """Axis name → one score per slice (float64, higher = keep), and the name of the saliency.

    Parameters
    ----------
    values : axis → one score per slice, float64 (n_slices,), finite
    name : of the saliency, for reports
    """

    values: Mapping[str, NDArray[np.float64]]
    name: str

    def __post_init__(self) -> None:
        values = {
            axis: _numbers(own, f"saliency '{self.name}': the scores of axis '{axis}'")
            for axis, own in self.values.items()
        }
        object.__setattr__(self, "values", values)


def _numbers(values: Any, what: str) -> NDArray[np.float64]:
    try:
        found = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise PlanError(f"{what} are no numbers ({error}); give one per slice, higher = keep") from error
    if found.ndim != 1:
        raise PlanError(f"{what} have shape {found.shape}; give one number per slice, higher = keep")
    if not np.isfinite(found).all():
        bad = np.flatnonzero(~np.isfinite(found))[:5].tolist()
        raise PlanError(
            f"{what} are not finite at slices {bad}; are there NaN weights in the network, or NaN in the windows?"
        )
    return found


def scored_axes(network: Network, scores: Scores, axes: Iterable[str] | None = None) -> list[Axis]:
    """The named axes, or all that have scores, after a look whether the scores are theirs.

    Parameters
    ----------
    scores : of its axes
    axes : names; default: all that have scores

    Raises
    ------
    PlanError : an axis is unknown or frozen, or has no scores, or not as many as slices.
    """
    names = list(scores.values) if axes is None else list(axes)
    missing = [name for name in names if name not in scores.values]
    found = [prunable_axis(network, name) for name in names]
    if missing:
        raise PlanError(f"the scores by '{scores.name}' have no axis {', '.join(missing)}; score it with axes=[…]")
    for axis in found:
        if len(scores.values[axis.name]) != axis.size:
            raise PlanError(
                f"the scores are of another network: axis '{axis.name}' has {len(scores.values[axis.name])} scores and "
                f"{axis.size} slices in {network.origin}"
            )
    return found


def from_units(
    network: Network,
    score: UnitScore,
    *,
    axes: Iterable[str] | None,
    name: str,
    normalise: bool = True,
    folded: bool = False,
) -> Scores:
    """Scores from a function on the units of one layer.

    Parameters
    ----------
    score : (n_units, n_weights) float64 → (n_units,); a unit has all incoming weights that belong to one slice
    axes : names; by default all hidden prunable axes
    normalise : divide by the layer's mean before averaging over the layers that share an axis
    folded : of weights times γ/√(σ² + ε) of the batch norm that directly follows their layer; others stay raw
    name : of the saliency, for reports and messages

    Shared parameters: `trimcap.prune`.
    """
    values: dict[str, NDArray[np.float64]] = {}
    found = chosen(network, axes)
    weights = folded_weights(network) if folded else network.tensors
    for axis in found:
        layers = [score(units) for units in units_of(network, axis, weights)]
        if len(layers) > 1 and normalise:
            layers = [scores / max(scores.mean(), 1e-30) for scores in layers]
        values[axis.name] = np.mean(layers, axis=0)
    return Scores(values, name)


def summed(network: Network, axis: Axis, values: Mapping[str, Tensor]) -> NDArray[np.float64]:
    """Σ of `values` (one per weight) over all weights that make a slice, in all layers that make it.

    Parameters
    ----------
    values : one number per weight, tensors of the names and shapes of the network's

    Returns
    -------
    float64 (n_slices,)
    """
    total = np.zeros(axis.size)
    for units in units_of(network, axis, values):
        total += units.sum(1)
    return total


def chosen(network: Network, axes: Iterable[str] | None) -> list[Axis]:
    """The axes a saliency is asked for: the named ones, or all hidden prunable ones.

    Returns
    -------
    list of Axis, never empty unless `axes` is

    Raises
    ------
    PlanError : an axis is unknown or frozen, or nothing in the network can be pruned
    """
    need_network(network, "a saliency")
    if axes is not None:
        names = list(axes)
        if not names:
            raise PlanError(
                f"no axis of {network.origin} is named: axes= is empty, as it is for a kind of layer (conv, linear, "
                "recurrent, batch_norm) that the network has not; leave it out to take all hidden axes"
            )
        return [prunable_axis(network, name) for name in names]
    hidden = list(network.axes.hidden)
    if not hidden:
        frozen = "; ".join(f"{a.name}: {a.frozen}" for a in network.axes.values() if a.frozen)
        inputs = ", ".join(a.name for a in network.axes.prunable)
        more = f" Of its input, {inputs} can: name them with axes= (--axis)." if inputs else ""
        raise PlanError(f"no axis inside {network.origin} can be pruned ({frozen or 'it has no weights'}).{more}")
    return hidden


def units_of(network: Network, axis: Axis, values: Mapping[str, Tensor] | None = None) -> Iterator[NDArray[np.float64]]:
    """The weights that make the slices of an axis, (n_slices, n_weights) for each layer that makes them.

    Parameters
    ----------
    values : other numbers in place of the weights, tensors of the same names and shapes

    Returns
    -------
    iterator of float64 (n_slices, n_weights), one per layer; shorter rows are padded with zeros

    Shared parameters: `trimcap.prune`.
    """
    for tensor, position in makers_of(network, axis):
        yield by_slice(network, axis, (values or network.tensors)[tensor], tensor, position)


def makers_of(network: Network, axis: Axis) -> list[tuple[str, int]]:
    """(tensor, dimension) of the weights that make the slices of an axis.

    A layer makes a slice by rows of its weight (dimension 0; of a transposed convolution by columns, of a matrix that
    is multiplied from the right by its last dimension). An input axis (electrodes, bands) is made by nobody: there the
    weights that read a slice count.

    Returns
    -------
    list of (name of a weight, dimension), at least one
    """
    weights = [(t, p) for t, p in axis.members if network.tensors[t].ndim >= 2]
    rows = [(t, p) for t, p in weights if p == _making(network, t)]
    made = [(t, p) for t, p in rows if _makes(network, t, axis)] if axis.kind == "hidden" else []
    readers = [(t, p) for t, p in weights if (t, p) not in rows]
    return made or readers or list(axis.members[:1])


def _making(network: Network, tensor: str) -> int:
    """The dimension of a weight whose slices it makes."""
    for node in network.users.get(tensor, ()):
        if node.kind in TRANSPOSED and node.args[1] == Ref(tensor):
            return 1
        if node.kind in FACTORS and node.args[FACTORS[node.kind] + 1] == Ref(tensor):
            return network.tensors[tensor].ndim - 1
    return 0


def _makes(network: Network, tensor: str, axis: Axis) -> bool:
    """Rows of a grouped convolution pass the groups of its input on; it makes only what comes on top of them."""
    for node in network.users.get(tensor, ()):
        if node.kind in CONVOLUTIONS and node.arg(6, 1) not in (1, None):
            channels = network.axes.dims(node.args[0].name)[1]
            return bool((network.axes.labels(channels, axis.name) < 0).all())
    return True


def by_slice(network: Network, axis: Axis, values: Tensor, tensor: str, position: int) -> NDArray[np.float64]:
    """`values`, shaped like `tensor`, as rows: all entries of one slice each; shorter rows are padded with zeros."""
    weight: Tensor = values.detach().double().movedim(position, 0).flatten(1)
    labels = torch.stack(network.axes.occurrences(network.axes.tensor_dims[tensor][position], axis.name))
    rows = [weight[(labels == number).any(0)].flatten() for number in range(axis.size)]
    width = max(len(row) for row in rows)
    padded = torch.stack([torch.nn.functional.pad(row, (0, width - len(row))) for row in rows])
    result: NDArray[np.float64] = padded.cpu().numpy()
    return result


# ---- batch norm ----


def folded_weights(network: Network) -> dict[str, Tensor]:
    """The tensors, with rows of weights times γ/√(σ² + ε) of the batch norm that directly follows their layer."""
    tensors = dict(network.tensors)
    for node in network.nodes:
        if not is_layer(node) or node.args[1].name not in tensors:
            continue
        norm = batch_norm_after(network, node)
        if norm is not None:
            weight = tensors[node.args[1].name].double()
            tensors[node.args[1].name] = weight * factor(network, norm).reshape(-1, *[1] * (weight.ndim - 1))
    return tensors


def is_layer(node: Node) -> bool:
    """Whether rows of the second operand, a weight, make channels or neurons: convolution or linear."""
    return node.kind in WEIGHTED and isinstance(node.args[1], Ref)


def batch_norm_after(network: Network, node: Node) -> Node | None:
    """The batch norm that alone reads the result of a layer."""
    users = network.users.get(node.name, ())
    return users[0] if len(users) == 1 and users[0].kind == "batch_norm" else None


def factor(network: Network, norm: Node) -> Tensor:
    """γ/√(σ² + ε) per channel of a batch norm in evaluation, float64."""
    scale = torch.ones(norm.shape[1], dtype=torch.float64)
    if isinstance(norm.arg(1), Ref):
        scale = scale * network.tensors[norm.args[1].name].double()
    if isinstance(norm.arg(4), Ref):
        scale = scale / torch.sqrt(network.tensors[norm.args[4].name].double() + norm.args[7])
    return scale
