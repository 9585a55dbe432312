"""Single weights instead of slices: which go, by magnitude or LAMP, over the whole network or layer by layer.

The network keeps its shape. Nothing that this package exports runs faster for it, see `prune.weights.compressed`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from trimcap._errors import PlanError, unknown
from trimcap.graph.network import Network, need_network
from trimcap.graph.node import Ref
from trimcap.graph.ops.table import LAYERS
from trimcap.prune.plan import need_sparsity, removed_count
from trimcap.prune.saliency.by_weights import lamp_weights
from trimcap.train.masks import Masks

Flat = NDArray[np.float64]
#: of one tensor: weights → scores of the same shape, higher = stays
WeightScore = Callable[[Flat], Flat]


def magnitude(weight: Flat) -> Flat:
    """|w|. Source: Han et al. (2015), "Learning both weights and connections", NeurIPS, §3.

    Parameters
    ----------
    weight : of one tensor, float64

    Returns
    -------
    float64, of the same shape, higher = stays
    """
    return np.abs(weight)


SCORES: dict[str, WeightScore] = {"magnitude": magnitude, "lamp": lamp_weights}


def mask_weights(
    network: Network,
    sparsity: float,
    *,
    layers: Iterable[str] = ("conv", "linear"),
    tensors: Iterable[str] | None = None,
    scope: str = "global",
    score: str | WeightScore = "magnitude",
    at_least: int = 1,
    within: Masks | None = None,
) -> Masks:
    """Remove the weights with the lowest scores: ⌊sparsity · n⌋ of all of them, or of every tensor.

    Among equals the earlier weight goes first. Biases and batch norm are never touched.

    Parameters
    ----------
    layers : kinds of layers whose weights are meant, keys of `LAYERS`: "conv", "linear", "recurrent"
    tensors : names of weights instead of kinds of layers
    scope : "global" ranks all weights together, "layer" every tensor by itself
    score : a key of `SCORES` ("magnitude", "lamp"), or a function of one tensor's weights, float64, with a result of
        the same shape. Magnitudes compare layers of very different fan-in badly; LAMP is made for scope="global"
    at_least : weights that every tensor keeps; others go in their place
    within : masks of an earlier round: what they removed stays removed, and counts

    Returns
    -------
    Masks : give them to `fit(…, masks=…)`, and `masks.apply(network)` for the network with zeros

    Raises
    ------
    TypeError : sparsity is no number. ValueError : impossible sparsity, unknown layers, scope or score
    PlanError : no such weights in the network; scores that are not finite; masks of another network

    Shared parameters: `trimcap.prune`.
    Source: Han et al. (2015), NeurIPS, §3 (magnitude); Lee et al. (2021), ICLR, §2 (LAMP).
    """
    need_network(network, "mask_weights")
    need_sparsity(sparsity)
    if scope not in ("global", "layer"):
        raise ValueError(unknown("scope", scope, ("global", "layer")))
    if within is not None:
        within.apply(network)  # they are of this network, or it says so
    names = weights_of(network, layers) if tensors is None else _known(network, tensors)
    ranked = {name: _scores(network, name, score, within) for name in names}
    if scope == "global":
        kept = _lowest(ranked, removed_count(sparsity, sum(map(np.size, ranked.values()))), at_least)
    else:
        kept = {}
        for name, values in ranked.items():
            kept |= _lowest({name: values}, removed_count(sparsity, values.size), at_least)
    how = score if isinstance(score, str) else getattr(score, "__name__", "own score")
    return _masks(network, kept, f"{how}, sparsity {sparsity:g}, {scope}")


def weights_of(network: Network, layers: Iterable[str] = ("conv", "linear")) -> list[str]:
    """Names of the weights of some kinds of layers, in the order in which they run.

    Parameters
    ----------
    layers : keys of `LAYERS`: "conv", "linear", "recurrent"

    Returns
    -------
    list of names of tensors

    Raises
    ------
    ValueError : an unknown kind.
    PlanError : the network has none.

    Shared parameters: `trimcap.prune`.
    """
    wanted = tuple(layers)
    for layer in wanted:
        if layer not in LAYERS:
            raise ValueError(unknown("kind of layer", layer, LAYERS))
    kinds = {kind for layer in wanted for kind in LAYERS[layer]}
    found: dict[str, None] = {}
    for node in network.nodes:
        if node.kind in kinds:
            weights = node.args[2] if node.kind in LAYERS["recurrent"] else (node.args[1],)
            names = (ref.name for ref in weights if isinstance(ref, Ref))
            found |= {n: None for n in names if n in network.tensors and network.tensors[n].ndim >= 2}
    if not found:
        raise PlanError(f"{network.origin} has no weights of layers {', '.join(wanted)}")
    return list(found)


def _known(network: Network, tensors: Iterable[str]) -> list[str]:
    names = list(dict.fromkeys(tensors))
    for name in names:
        if name not in network.tensors:
            raise PlanError(unknown("tensor", name, network.tensors))
    if not names:
        raise PlanError("mask_weights: no tensor is named; leave out tensors= to take kinds of layers")
    return names


def _scores(network: Network, name: str, score: str | WeightScore, within: Masks | None) -> Flat:
    """Scores of one tensor; −∞ where it was removed before."""
    if isinstance(score, str) and score not in SCORES:
        raise ValueError(unknown("score", score, SCORES))
    function = SCORES[score] if isinstance(score, str) else score
    weight = network.tensors[name].detach().double().cpu().numpy()
    values = np.asarray(function(weight), dtype=np.float64)
    if values.shape != weight.shape:
        raise PlanError(f"scores of '{name}' have shape {values.shape}, its weights {weight.shape}")
    if not np.isfinite(values).all():
        raise PlanError(f"the scores of '{name}' are not finite; are there NaN weights in the network?")
    if within is not None and name in within.kept:
        values = np.where(within.kept[name].cpu().numpy(), values, -np.inf)
    return values


def _lowest(ranked: Mapping[str, Flat], remove: int, at_least: int) -> dict[str, NDArray[np.bool_]]:
    """Which weights stay when the `remove` lowest go; the `at_least` highest of every tensor are spared."""
    if at_least < 0:
        raise ValueError(f"at_least is a number of weights, 0 or more, got {at_least}")
    flat = {name: values.ravel() for name, values in ranked.items()}
    spared = np.concatenate([_highest(values, at_least) for values in flat.values()])
    order = np.argsort(np.concatenate(list(flat.values())), kind="stable")
    going = order[~spared[order]][:remove]
    stays = np.ones(len(order), dtype=np.bool_)
    stays[going] = False
    ends = np.cumsum([values.size for values in flat.values()])[:-1]
    parts = np.split(stays, ends)
    return {name: part.reshape(ranked[name].shape) for name, part in zip(flat, parts, strict=True)}


def _highest(values: Flat, n: int) -> NDArray[np.bool_]:
    chosen = np.zeros(len(values), dtype=np.bool_)
    chosen[np.argsort(values, kind="stable")[len(values) - min(n, len(values)) :]] = True
    return chosen


def _masks(network: Network, kept: Mapping[str, NDArray[np.bool_]], note: str) -> Masks:
    import torch

    order = [name for name in network.tensors if name in kept]
    return Masks({name: torch.from_numpy(kept[name].copy()) for name in order}, note)
