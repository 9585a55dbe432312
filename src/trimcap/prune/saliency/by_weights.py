"""Saliencies that look at the weights only: no windows, no training.

Biases are never used. Each takes `axes` (names; default: all hidden prunable ones), and those on the weights of units
take `folded`: with a batch norm behind a layer the scale of a raw filter is arbitrary, and folding it in makes the
score one of the function that the network computes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from trimcap._errors import PlanError
from trimcap.graph.axes import Axis
from trimcap.graph.network import Network
from trimcap.graph.node import Node, Ref
from trimcap.prune.saliency.scores import Scores, chosen, from_units

Rows = NDArray[np.float64]
Ties = Literal["ordinal", "average"]


def l1(network: Network, *, axes: Iterable[str] | None = None, folded: bool = False) -> Scores:
    """Σ|w| over all incoming weights of a filter or neuron.

    Shared parameters: `trimcap.prune`.
    Source: Li et al. (2017), "Pruning filters for efficient ConvNets", ICLR, §3.1. Biases and batch norm are not used.
    """
    return from_units(network, lambda units: np.abs(units).sum(1), axes=axes, name="l1", folded=folded)


def l2(network: Network, *, axes: Iterable[str] | None = None, folded: bool = False) -> Scores:
    """√Σw² over all incoming weights of a filter or neuron.

    Shared parameters: `trimcap.prune`.
    Source: He et al. (2018), "Soft filter pruning", IJCAI, eq. 2 with p = 2.
    """
    return from_units(network, lambda units: np.sqrt((units**2).sum(1)), axes=axes, name="l2", folded=folded)


def largest_first(network: Network, *, axes: Iterable[str] | None = None, folded: bool = False) -> Scores:
    """−Σ|w|: the largest filters go first; a control that a sensible saliency must beat clearly.

    Shared parameters: `trimcap.prune`.
    Source: Li et al. (2017), "Pruning filters for efficient ConvNets", ICLR, §4.4 ("largest filters").
    """
    found = l1(network, axes=axes, folded=folded)
    return Scores({axis: -values for axis, values in found.values.items()}, "largest_first")


def random(network: Network, *, axes: Iterable[str] | None = None, seed: int = 0) -> Scores:
    """Uniform random scores: the control every other saliency must beat.

    Parameters
    ----------
    seed : of NumPy's default generator; an axis gets the same scores whatever other axes are asked for

    Shared parameters: `trimcap.prune`.
    Source: the control of Li et al. (2017), ICLR, §4.4.
    """
    values = {}
    for axis in chosen(network, axes):
        entropy = [seed, *axis.name.encode()]
        values[axis.name] = np.random.default_rng(entropy).random(axis.size)
    return Scores(values, "random")


def fpgm(network: Network, *, axes: Iterable[str] | None = None, folded: bool = False) -> Scores:
    """Σ_i ‖w_i − w_j‖₂ over the units i of the layer: near the geometric median = replaceable = goes first.

    Distances are taken in float64 from the differences themselves (the usual float32 shortcut over ‖a‖² + ‖b‖² − 2ab
    is wrong by 0.01 on ordinary layers), and compared to 12 digits, so that exact ties stay ties.

    Shared parameters: `trimcap.prune`.
    Source: He et al. (2019), "Filter pruning via geometric median", CVPR, §3.3, without the norm stage.
    """
    return from_units(network, lambda units: _rounded(_distances(units)), axes=axes, name="fpgm", folded=folded)


def _distances(units: Rows) -> Rows:
    from scipy.spatial.distance import cdist

    return np.asarray(cdist(units, units).sum(1), dtype=np.float64)


def whc(network: Network, *, axes: Iterable[str] | None = None, folded: bool = False) -> Scores:
    """‖w_j‖ · Σ_{i≠j} ‖w_i‖ · (1 − |cos(w_i, w_j)|): large and unlike the others = keep.

    Shared parameters: `trimcap.prune`.
    Source: Chen et al. (2023), "WHC: weighted hybrid criterion for filter pruning on convolutional
    neural networks", ICASSP, §2.
    """
    return from_units(network, _whc, axes=axes, name="whc", folded=folded)


def _whc(units: Rows) -> Rows:
    norms = np.sqrt((units**2).sum(1))
    directions = units / np.maximum(norms, 1e-300)[:, None]
    unlike = 1 - np.abs(np.clip(directions @ directions.T, -1, 1))
    np.fill_diagonal(unlike, 0)
    return np.asarray(norms * (unlike @ norms))


def lamp(network: Network, *, axes: Iterable[str] | None = None, folded: bool = False) -> Scores:
    """n_j² / Σ_{n_i ≥ n_j} n_i² with the norms n of the units: comparable between layers.

    A monotone function of ℓ2 inside a layer; it is meant for `keep_top(…, scope="global")`. Layers that share an axis
    are averaged as they are. For single weights see `lamp_weights`.

    Shared parameters: `trimcap.prune`.
    Source: Lee et al. (2021), "Layer-adaptive sparsity for the magnitude-based pruning", ICLR, §2, on units.
    """
    return from_units(network, lambda u: _lamp((u**2).sum(1)), axes=axes, name="lamp", normalise=False, folded=folded)


def lamp_weights(weight: NDArray[np.floating]) -> Rows:
    """w_u² / Σ_{v ≥ u} w_v² of every weight of one tensor, v running over the weights sorted by magnitude.

    Parameters
    ----------
    weight : of one layer, any shape

    Returns
    -------
    float64, the shape of `weight`, higher = keep; comparable between layers

    Source: Lee et al. (2021), "Layer-adaptive sparsity for the magnitude-based pruning", ICLR, §2.
    """
    squares = np.asarray(weight, dtype=np.float64).ravel() ** 2
    return _lamp(squares).reshape(weight.shape)


def _lamp(squares: Rows) -> Rows:
    order = np.argsort(squares, kind="stable")
    left = np.cumsum(squares[order][::-1])[::-1]  # of itself and all that come later
    scores = np.empty_like(squares)
    scores[order] = np.divide(squares[order], left, out=np.zeros_like(left), where=left > 0)
    return scores


# ---- the D-Score family ----


def d_score(
    network: Network, *, axes: Iterable[str] | None = None, ties: Ties = "ordinal", folded: bool = False
) -> Scores:
    """s_j = r(P)_j + r(N)_j: rank of the excitatory plus rank of the inhibitory mass.

    P_j = Σ max(w_jk, 0) and N_j = Σ |min(w_jk, 0)| over the incoming weights of unit j; r is the rank 0 … n−1 within
    the layer. Layers that share an axis are averaged as they are, ranks being comparable.

    Parameters
    ----------
    ties : "ordinal" (stable, lower index gets the lower rank: as published) or "average" (mid-ranks, which do not
        leak the order of the units into the score when many have the same mass)

    Shared parameters: `trimcap.prune`.
    Source: Park et al. (2023), "D-Score: A synapse-inspired approach for filter pruning", arXiv:2308.04470, eq. 1–2.
    """
    return _ranked(network, _masses, lambda p, n: p + n, axes=axes, ties=ties, folded=folded, name="d_score")


def d_step(
    network: Network, *, axes: Iterable[str] | None = None, ties: Ties = "ordinal", folded: bool = False
) -> Scores:
    """s_j = 2n · max(r(P)_j, r(N)_j) + r(P)_j + r(N)_j: units that are small both ways enter first.

    Closed form of the published walk: with j = 1, 2, … take the j units of smallest P and the j of smallest N; a unit
    goes when it is in both, of two that enter together the one with the smaller sum of ranks.

    Shared parameters: `trimcap.prune`.
    Source: Park et al. (2023), "D-Score: A synapse-inspired approach for filter pruning", arXiv:2308.04470, "D-Step".
    """
    return _ranked(network, _masses, _step, axes=axes, ties=ties, folded=folded, name="d_step")


def d_step_gm(
    network: Network, *, axes: Iterable[str] | None = None, ties: Ties = "ordinal", folded: bool = False
) -> Scores:
    """D-Step on distances: P_j = Σ_i ‖w⁺_i − w⁺_j‖₂ and N_j = Σ_i ‖w⁻_i − w⁻_j‖₂ of the positive and negative parts.

    Distances are float64 and compared to 12 digits, so that exact ties stay ties.

    Shared parameters: `trimcap.prune`.
    Source: Park et al. (2023), "D-Score: A synapse-inspired approach for filter pruning", arXiv:2308.04470,
    "D-Step GM".
    """
    return _ranked(network, _sign_distances, _step, axes=axes, ties=ties, folded=folded, name="d_step_gm")


def _masses(units: Rows) -> tuple[Rows, Rows]:
    return np.maximum(units, 0).sum(1), np.maximum(-units, 0).sum(1)


def _sign_distances(units: Rows) -> tuple[Rows, Rows]:
    positive, negative = _distances(np.maximum(units, 0)), _distances(np.maximum(-units, 0))
    return _rounded(positive), _rounded(negative)


def _rounded(values: Rows) -> Rows:
    largest = max(float(values.max()), 1e-300)
    return np.asarray(np.round(values / largest, 12) * largest)


def _step(p: Rows, n: Rows) -> Rows:
    return np.asarray(2 * len(p) * np.maximum(p, n) + p + n)


def _ranked(
    network: Network,
    parts: Callable[[Rows], tuple[Rows, Rows]],
    combine: Callable[[Rows, Rows], Rows],
    *,
    axes: Iterable[str] | None,
    ties: str,
    folded: bool,
    name: str,
) -> Scores:
    if ties not in get_args(Ties):
        raise ValueError(f"ties must be 'ordinal' or 'average', got {ties!r}")

    def score(units: Rows) -> Rows:
        p, n = parts(units)
        return np.asarray(combine(_ranks(p, ties), _ranks(n, ties)))

    return from_units(network, score, axes=axes, name=name, normalise=False, folded=folded)


def _ranks(mass: Rows, ties: str) -> Rows:
    from scipy.stats import rankdata

    ranks = rankdata(mass, method="ordinal") if ties == "ordinal" else rankdata(mass, method="average")
    return np.asarray(ranks, dtype=np.float64) - 1


# ---- batch norm ----


def bn_scale(network: Network, *, axes: Iterable[str] | None = None) -> Scores:
    """|γ_j| of the batch norm that normalises slice j.

    Of several batch norms on an axis those count that have one scale per slice (the first after the layer), each
    divided by its mean; where all have several scales per slice (a depth multiplier), their mean. It means something
    only after training with an ℓ1 penalty on γ.

    Raises
    ------
    PlanError : no batch norm with a scale is on an axis; names it.

    Shared parameters: `trimcap.prune`.
    Source: Liu et al. (2017), "Learning efficient convolutional networks through network slimming", ICCV, §3.
    Needs: batch norm.
    """
    values = {}
    for axis in chosen(network, axes):
        layers = [_scales(network, axis, norm) for norm in _norms(network, axis)]
        if not layers:
            able = [a.name for a in network.axes.prunable if _norms(network, a)]
            raise PlanError(
                f"saliency 'bn_scale': no batch norm follows the layer of axis '{axis.name}' in {network.origin}; "
                + (f"name the axes that have one (axes={able})" if able else "the network has none: use another")
            )
        values[axis.name] = layers[0] if len(layers) == 1 else np.mean([v / max(v.mean(), 1e-30) for v in layers], 0)
    return Scores(values, "bn_scale")


def _norms(network: Network, axis: Axis) -> list[Node]:
    """The batch norms on an axis whose scales are the fewest per slice."""
    found = {}
    for node in network.nodes:
        if node.kind == "batch_norm" and isinstance(node.arg(1), Ref):
            rows = int((network.axes.labels(network.axes.dims(node.args[1].name)[0], axis.name) >= 0).sum())
            if rows:
                found[node.name] = (rows, node)
    fewest = min((rows for rows, _ in found.values()), default=0)
    return [node for rows, node in found.values() if rows == fewest]


def _scales(network: Network, axis: Axis, norm: Node) -> Rows:
    name = norm.args[1].name
    gamma = np.abs(network.tensors[name].detach().double().numpy())
    labels = network.axes.labels(network.axes.dims(name)[0], axis.name).numpy()
    return np.asarray([gamma[labels == number].mean() for number in range(axis.size)])
