"""The step "soft"."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from pydantic import model_validator

from trimcap.study.steps.kind import Kind
from trimcap.study.steps.section import Fraction, Positive, Slices, Training

if TYPE_CHECKING:
    from trimcap.graph.network import Network
    from trimcap.prune.saliency.scores import Scores
    from trimcap.study.steps.task import Made, State, Task


class Soft(Training, Slices):
    """Training on, with the lowest slices zeroed after every `period` epochs, then exact compaction.

    Parameters
    ----------
    saliency, options, axes, at_least, at_most : see `Slices`
    period : in epochs; if it is not 1, the lowest slices are zeroed once more at the end
    gradual : reach the sparsity by the cubic schedule, in the first half of the epochs; the best is one of the others
    borders : see `trimcap.prune.after.compact.compact`; "keep" leaves the zeroed slices in the network
    """

    kind: Literal["soft"]
    sparsity: Fraction
    saliency: str = "l2"
    period: Positive = 1
    gradual: bool = False
    borders: Literal["carry", "map", "interior", "keep"] = "carry"

    @model_validator(mode="after")
    def _two_halves(self) -> Soft:
        if self.gradual and self.epochs < 2 * self.period:
            raise ValueError(
                f"gradual needs two periods, but there are {self.epochs} epochs; give more, or leave it out"
            )
        return self


def _make(task: Task, name: str, step: Soft, state: State) -> Made:
    """Training with the lowest slices zeroed after every epoch; then they are removed, their constants kept."""
    from trimcap.prune.after.compact import compact
    from trimcap.prune.after.soft import silent_plan, soft_pruning, zeroed
    from trimcap.prune.choose.keep import keep_top
    from trimcap.prune.choose.schedule import gradual
    from trimcap.study.steps import fitting
    from trimcap.study.steps.slices import achieved, axes_named, scores_of
    from trimcap.study.steps.task import kept

    network = state.network
    limits: dict[str, Any] = {"at_least": step.at_least, "at_most": step.at_most}
    axes = axes_named(network, step)

    def saliency(network: Network, *, axes: Any = None) -> Scores:
        return scores_of(task, step, network, axes=axes)

    hook = partial(soft_pruning, network, saliency=saliency, axes=axes, period=step.period, **limits)
    trained, own, spent = network, step, []
    if step.gradual:
        # no epoch of the ramp may be the best one: it has not the sparsity that was asked for
        half = step.epochs // 2
        ramp = hook(sparsity=partial(gradual, sparsity=step.sparsity, start=0, end=half))
        first = step.model_copy(update={"epochs": half, "patience": None})
        trained, made = fitting.tuned(task, name, first, network, "recovery", on=(task.train, None), part="ramp",
                                      epoch_hooks=[ramp])  # fmt: skip
        spent.append(fitting.spent_on(trained, made))
        own = step.model_copy(update={"epochs": step.epochs - half})
    trained, facts = fitting.tuned(task, name, own, trained, "recovery", epoch_hooks=[hook(sparsity=step.sparsity)])
    facts |= fitting.spending(task, name, [*spent, fitting.spent_on(trained, facts)])
    if step.period > 1:  # the best epoch may be one after which nothing was zeroed
        trained = zeroed(trained, keep_top(trained, saliency(trained, axes=axes), step.sparsity, **limits))
    silent = silent_plan(trained, axes)
    facts |= {**achieved(silent, step.sparsity), "trained_parameters": trained.n_parameters}
    if step.borders == "keep":
        return kept(task, name, trained, facts)
    found = compact(trained, only=silent, borders=step.borders)
    facts |= {"carried": {a: list(n) for a, n in found.carried.items()}, "left": dict(found.left)}
    return kept(task, name, found.network, facts | {"compaction_error": found.error})


KIND = Kind(Soft, "soft-pruned", _make, changes=("weights", "shapes", "learning"), removes=("sparsity",))
