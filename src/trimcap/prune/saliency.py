"""Saliency: one score per slice of an axis, higher = keep.

A saliency is a function `(network, *, axes=None, …) -> Scores`. These look at the weights only. Several layers may
make the slices of one axis together (the three temporal convolutions of TSCeption, a residual sum): each layer's
scores are divided by their mean and averaged, so that a layer with a larger fan-in does not decide alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trimcap._errors import PlanError
from trimcap.graph.axes import Axis
from trimcap.graph.network import Network, need_network
from trimcap.prune.plan import prunable_axis

#: units of one layer, one row each → one score per unit
UnitScore = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True)
class Scores:
    """Axis name → one score per slice (float64, higher = keep), and the name of the saliency."""

    values: Mapping[str, NDArray[np.float64]]
    name: str

    def __post_init__(self) -> None:
        for axis, values in self.values.items():
            if not np.isfinite(values).all():
                bad = np.flatnonzero(~np.isfinite(values))[:5].tolist()
                raise PlanError(
                    f"saliency '{self.name}': the scores of axis '{axis}' are not finite at slices {bad}; "
                    "are there NaN weights in the network?"
                )


def l1(network: Network, *, axes: Iterable[str] | None = None) -> Scores:
    """Σ|w| over all incoming weights of a filter or neuron.

    Source: Li et al. (2017), "Pruning filters for efficient ConvNets", ICLR, §3.1. Biases and batch norm are not used.
    """
    return from_units(network, lambda units: np.abs(units).sum(1), axes=axes, name="l1")


def l2(network: Network, *, axes: Iterable[str] | None = None) -> Scores:
    """√Σw² over all incoming weights of a filter or neuron.

    Source: He et al. (2018), "Soft filter pruning", IJCAI, eq. 2 with p = 2.
    """
    return from_units(network, lambda units: np.sqrt((units**2).sum(1)), axes=axes, name="l2")


def random(network: Network, *, axes: Iterable[str] | None = None, seed: int = 0) -> Scores:
    """Uniform random scores: the control every other saliency must beat.

    Parameters
    ----------
    seed : of NumPy's default generator; an axis gets the same scores whatever other axes are asked for
    """
    values = {}
    for axis in chosen(network, axes):
        entropy = [seed, *axis.name.encode()]
        values[axis.name] = np.random.default_rng(entropy).random(axis.size)
    return Scores(values, "random")


def d_score(network: Network, *, axes: Iterable[str] | None = None, ties: str = "ordinal") -> Scores:
    """D-Score: rank of the excitatory plus rank of the inhibitory mass, s_j = r(P)_j + r(N)_j.

    P_j = Σ max(w_jk, 0) and N_j = Σ |min(w_jk, 0)| over the incoming weights of unit j; r is the rank 0 … n−1 within
    the layer.

    Parameters
    ----------
    ties : "ordinal" (stable, lower index gets the lower rank: as published) or "average" (mid-ranks, which do not
        leak the order of the units into the score when many have the same mass)

    Source: Park et al. (2023), "D-Score: A synapse-inspired approach for filter pruning", arXiv:2308.04470, eq. 1–2.
    """
    if ties not in ("ordinal", "average"):
        raise ValueError(f"ties must be 'ordinal' or 'average', got {ties!r}")
    return from_units(network, lambda units: _d_score(units, ties), axes=axes, name="d_score", normalise=False)


def _d_score(units: NDArray[np.float64], ties: str) -> NDArray[np.float64]:
    from scipy.stats import rankdata

    def rank(mass: NDArray[np.float64]) -> NDArray[np.float64]:
        ranks = rankdata(mass, method="ordinal") if ties == "ordinal" else rankdata(mass, method="average")
        return np.asarray(ranks, dtype=np.float64) - 1

    return rank(np.maximum(units, 0).sum(1)) + rank(np.maximum(-units, 0).sum(1))


# ---- from the weights of units to the slices of axes ----


def from_units(
    network: Network, score: UnitScore, *, axes: Iterable[str] | None, name: str, normalise: bool = True
) -> Scores:
    """Scores from a function on the units of one layer.

    Parameters
    ----------
    score : (n_units, n_weights) float64 → (n_units,); a unit has all incoming weights that belong to one slice
    axes : names; by default all hidden prunable axes
    normalise : divide by the layer's mean before averaging over the layers that share an axis
    """
    values: dict[str, NDArray[np.float64]] = {}
    for axis in chosen(network, axes):
        layers = [score(units) for units in units_of(network, axis)]
        if len(layers) > 1 and normalise:
            layers = [scores / max(scores.mean(), 1e-30) for scores in layers]
        values[axis.name] = np.mean(layers, axis=0)
    return Scores(values, name)


def chosen(network: Network, axes: Iterable[str] | None) -> list[Axis]:
    """The axes a saliency is asked for: the named ones, or all hidden prunable ones.

    Raises
    ------
    PlanError : an axis is unknown or frozen, or nothing in the network can be pruned
    """
    need_network(network, "a saliency")
    if axes is not None:
        return [prunable_axis(network, name) for name in axes]
    hidden = list(network.axes.hidden)
    if not hidden:
        frozen = "; ".join(f"{a.name}: {a.frozen}" for a in network.axes.values() if a.frozen)
        inputs = ", ".join(a.name for a in network.axes.prunable)
        more = f" Of its input, {inputs} can: name them with axes=." if inputs else ""
        raise PlanError(f"no axis inside {network.origin} can be pruned ({frozen or 'it has no weights'}).{more}")
    return hidden


def units_of(network: Network, axis: Axis) -> Iterator[NDArray[np.float64]]:
    """The weights that make the slices of an axis, (n_slices, n_weights) for each layer that makes them.

    A layer makes a slice by rows of its weight (dimension 0). An input axis (electrodes, bands) is made by nobody:
    there the weights that read a slice count.
    """
    rows = [tensor for tensor, position in axis.members if position == 0 and network.tensors[tensor].ndim >= 2]
    readers = [(t, p) for t, p in axis.members if p > 0]
    made = [(tensor, 0) for tensor in rows if _makes(network, tensor, axis)] if axis.kind == "hidden" else []
    for tensor, position in made or readers or axis.members[:1]:
        yield _by_slice(network, axis, tensor, position)


def _makes(network: Network, tensor: str, axis: Axis) -> bool:
    """Rows of a grouped convolution pass the groups of its input on; it makes only what comes on top of them."""
    for node in network.users.get(tensor, ()):
        if node.kind.startswith("conv") and node.arg(6, 1) not in (1, None):
            channels = network.axes.dims(node.args[0].name)[1]
            return bool((network.axes.labels(channels, axis.name) < 0).all())
    return True


def _by_slice(network: Network, axis: Axis, tensor: str, position: int) -> NDArray[np.float64]:
    weight: Tensor = network.tensors[tensor].detach().double().movedim(position, 0).flatten(1)
    labels = network.axes.labels(network.axes.tensor_dims[tensor][position], axis.name)
    rows = [weight[labels == number].flatten() for number in range(axis.size)]
    width = max(len(row) for row in rows)
    padded = torch.stack([torch.nn.functional.pad(row, (0, width - len(row))) for row in rows])
    result: NDArray[np.float64] = padded.numpy()
    return result
