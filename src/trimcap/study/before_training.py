"""What is wrong with the pruning of a recipe for its network, found before anything is trained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from trimcap._errors import unknown
from trimcap.data.ledger import Ledger
from trimcap.data.windows import Windows
from trimcap.graph.network import Network
from trimcap.graph.rewrite import rewrite
from trimcap.graph.trace import trace
from trimcap.prune.axes_of import KINDS, axes_of
from trimcap.prune.keep import keep_electrodes
from trimcap.prune.saliency import BY_WEIGHTS, random, score
from trimcap.prune.scores import chosen
from trimcap.study.plan import Stage, ancestors, plan_of
from trimcap.study.recipe import Recipe
from trimcap.study.steps import Prune, Soft
from trimcap.study.task import untrained

#: kinds of steps after which a network may have other axes
_CHANGING = ("rewrite", "prune", "soft", "published")
#: arms of recovery that put another network in the place of the one before
_OTHERS = ("random_twin", "small")


def check_axes(recipe: Recipe, train: Windows) -> None:
    """Refuse axes that the network has not, and saliencies of weights that it does not allow.

    A step that is given the trained network as it is meets the axes of the untrained one, which is traced here. Later
    steps may meet others: of them only names are refused that stand for nothing before or after rewriting.

    Parameters
    ----------
    recipe : whose stages that prune are looked at
    train : training windows of a fold, for their shape; two are enough

    Raises
    ------
    ValueError : a line for every stage. TraceError : the model can't be traced, which its training would not change.
    """
    stages = [stage for stage in plan_of(recipe) if isinstance(stage.step, Prune | Soft)]
    if not stages or any(key.startswith("model.") for key in recipe.choose):
        return
    before = _Untrained(recipe, train)
    wrong = dict[str, str]()
    for stage in stages:
        try:
            _check(stage.step, before, first=_is_first(recipe, stage))
        except ValueError as error:
            wrong.setdefault(str(error), stage.name)  # once for all sparsities
    if wrong:
        raise ValueError("\n".join(f"stage {name!r}: {text}" for text, name in wrong.items()))


class _Untrained:
    """The recipe's network before training; what it becomes by rewriting if anybody asks."""

    def __init__(self, recipe: Recipe, train: Windows) -> None:
        noise = np.random.default_rng(0).standard_normal((2, *train.shape), dtype=np.float32)
        windows = train.take([0, min(1, len(train) - 1)]).with_X(noise, step="noise")
        model = untrained(recipe, windows, seed=recipe.seeds[0], ledger=Ledger())
        self.network: Network = trace(model.eval(), windows)

    @cached_property
    def names(self) -> frozenset[str]:
        """Axes before and after rewriting, and the layers that may give their names to further ones."""
        later = rewrite(self.network).network
        layers = {
            tensor.rpartition(".")[0] or tensor for network in (self.network, later) for tensor in network.tensors
        }
        return frozenset((*self.network.axes, *later.axes, *layers))


def _is_first(recipe: Recipe, stage: Stage) -> bool:
    steps = [before.step for before in ancestors(recipe, stage.name) if before.step is not None]
    return not any(step.kind in _CHANGING or getattr(step, "arm", "") in _OTHERS for step in steps)


def _check(step: Prune | Soft, before: _Untrained, *, first: bool) -> None:
    if not first:
        _check_names((*_named(step), *_capped(step)), before)
        return
    network = before.network
    axes = _axes(step, network)
    found = [axis.name for axis in chosen(network, axes)]
    if missing := [name for name in _capped(step) if name not in found]:
        raise ValueError("at_most: " + "; ".join(unknown("axis", name, found) for name in missing))
    if isinstance(step, Prune) and step.electrodes is not None:
        keep_electrodes(network, step.electrodes, scores=random(network, axes=["electrodes"]))
    if step.saliency in BY_WEIGHTS:
        score(network, step.saliency, **(dict(step.options) | {"axes": axes}))


def _axes(step: Prune | Soft, network: Network) -> list[str] | None:
    """As the step will take them."""
    if isinstance(step, Prune) and step.electrodes is not None:
        return ["electrodes"]
    if isinstance(step.axes, str) and step.axes not in (*KINDS, *network.axes):
        raise ValueError(unknown("axis or kind of layer", step.axes, (*KINDS, *network.axes)))
    if isinstance(step.axes, str) and step.axes in KINDS:
        return axes_of(network, step.axes)
    return _named(step) or None


def _check_names(names: Iterable[str], before: _Untrained) -> None:
    known = before.names
    for name in names:
        # a number tells two axes of one layer apart, which there may be or not after a step
        if name not in KINDS and not any(name == one or name.startswith(f"{one}.") for one in known):
            raise ValueError(unknown("axis or kind of layer", name, (*KINDS, *before.network.axes)))


def _named(step: Prune | Soft) -> list[str]:
    axes: Any = step.options.get("axes") if step.axes is None else step.axes
    return [axes] if isinstance(axes, str) else list(axes or ())


def _capped(step: Prune | Soft) -> tuple[str, ...]:
    return tuple(step.at_most) if isinstance(step.at_most, Mapping) else ()
