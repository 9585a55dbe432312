"""What is wrong with the pruning of a recipe for its network, found before anything is trained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from trimcap._errors import unknown
from trimcap._named import named
from trimcap.data.ledger import Ledger
from trimcap.data.windows import Windows
from trimcap.graph.network import Network
from trimcap.graph.rewrite.rewrite import rewrite
from trimcap.graph.trace.trace import trace
from trimcap.models.build import MODELS
from trimcap.prune.choose.axes_of import KINDS
from trimcap.prune.choose.keep import keep_electrodes
from trimcap.prune.saliency.by_weights import random
from trimcap.prune.saliency.scores import chosen
from trimcap.prune.saliency.table import BY_WEIGHTS, score
from trimcap.study.recipe.plan import plan_of
from trimcap.study.recipe.recipe import Recipe
from trimcap.study.run.folding import check_protocol
from trimcap.study.steps.kind import Stage, ancestors
from trimcap.study.steps.rewrite import Rewrite
from trimcap.study.steps.section import Fitting, Slices
from trimcap.study.steps.slices import axes_named, check_saliency, unknown_axis
from trimcap.study.steps.task import untrained
from trimcap.train.optimizers import OPTIMIZERS, SCHEDULES


def check_names(recipe: Recipe) -> None:
    """Refuse names that nothing stands for, before anything is trained."""
    named("model", recipe.model.name, MODELS)
    check_protocol(recipe.protocol)
    for step in (recipe.train, *(stage.step for stage in plan_of(recipe))):
        if isinstance(step, Slices):
            check_saliency(step)
        if isinstance(step, Fitting):
            named("optimizer", step.optimizer, OPTIMIZERS)
            if step.schedule is not None:
                named("schedule", step.schedule, SCHEDULES)


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
    stages = [stage for stage in plan_of(recipe) if isinstance(stage.step, Slices)]
    if not stages or any(key.startswith("model.") for key in recipe.choose):
        return
    before = _Untrained(recipe, train)
    wrong, looked_at = dict[str, str](), set[tuple[str, bool]]()
    for stage in stages:
        first = _is_first(recipe, stage)
        same = (stage.step.model_dump_json(exclude={"sparsity"}), first)
        if same in looked_at:
            continue
        looked_at.add(same)
        try:
            _check(stage.step, before, first=first)
        except ValueError as error:
            wrong.setdefault(str(error), stage.name)
    if wrong:
        raise ValueError("\n".join(f"stage {name!r}: {text}" for text, name in wrong.items()))


class _Untrained:
    """The recipe's network before training; what it becomes by rewriting if anybody asks."""

    def __init__(self, recipe: Recipe, train: Windows) -> None:
        noise = np.random.default_rng(0).standard_normal((2, *train.shape), dtype=np.float32)
        windows = train.take([0, min(1, len(train) - 1)]).with_X(noise, step="noise")
        model = untrained(recipe, windows, seed=recipe.seeds[0], ledger=Ledger())
        self.network: Network = trace(model.eval(), windows)

        self._rewrites = any(isinstance(stage.step, Rewrite) for stage in plan_of(recipe))

    def may_become(self, name: str) -> bool:
        """Whether an axis can have that name after some step: it has now or rewritten, or its layer has.

        A number or a dimension behind the layer's name tells two axes of it apart, which may be one after a step.
        """
        return _may_be(name, self.network) or (self._rewrites and _may_be(name, self._rewritten))

    @cached_property
    def _rewritten(self) -> Network:
        return rewrite(self.network).network


def _may_be(name: str, network: Network) -> bool:
    layers = (tensor.rpartition(".")[0] or tensor for tensor in network.tensors)
    return any(name == known or name.startswith(f"{known}.") for known in (*network.axes, *layers))


def _is_first(recipe: Recipe, stage: Stage) -> bool:
    before = ancestors(plan_of(recipe), stage.name)
    return not any("shapes" in one.changes or getattr(one.step, "replaces", False) for one in before)


def _check(step: Slices, before: _Untrained, *, first: bool) -> None:
    if not first:
        _check_names((*_named(step), *_capped(step)), before)
        return
    network = before.network
    electrodes = getattr(step, "electrodes", None)
    given = axes_named(network, step) if step.axes is not None else _named(step) or None
    axes = given if electrodes is None else ["electrodes"]
    found = [axis.name for axis in chosen(network, axes)]
    if missing := [name for name in _capped(step) if name not in found]:
        raise ValueError("at_most: " + "; ".join(unknown("axis", name, found) for name in missing))
    if electrodes is not None:
        keep_electrodes(network, electrodes, scores=random(network, axes=["electrodes"]))
    if step.saliency in BY_WEIGHTS:
        score(network, step.saliency, **(dict(step.options) | {"axes": axes}))


def _check_names(names: Iterable[str], before: _Untrained) -> None:
    for name in names:
        if name not in KINDS and not before.may_become(name):
            raise ValueError(unknown_axis(name, before.network))


def _named(step: Slices) -> list[str]:
    """Axes by name, or one kind of layer."""
    if step.axes is not None:
        return [step.axes] if isinstance(step.axes, str) else list(step.axes)
    axes: Any = step.options.get("axes", ())
    if isinstance(axes, str):
        raise ValueError(f"options.axes = {axes!r} is no list of names; write axes = {axes!r} beside options instead")
    return list(axes)


def _capped(step: Slices) -> tuple[str, ...]:
    return tuple(step.at_most) if isinstance(step.at_most, Mapping) else ()
