"""The step "recover"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from trimcap._errors import unknown
from trimcap.study.steps.kind import Kind
from trimcap.study.steps.section import Positive, Training

if TYPE_CHECKING:
    from trimcap.graph.network import Network
    from trimcap.study.steps.task import Made, State, Task


#: arms that follow no teacher
_ARMS = ("fine_tune", "scratch_epochs", "scratch_flops", "random_twin", "small")


class Recover(Training):
    """Training of the network that the steps before left.

    Parameters
    ----------
    arm : "fine_tune" goes on from its weights; "distil" too, with the logits of the dense network, and "attention"
        with its attention maps as well as labels. "scratch_epochs" and "scratch_flops" start from new weights, for as
        many epochs as, or at the cost of, everything that the fine-tuned network went through, `epochs` of fine-tuning
        included. "random_twin" fine-tunes a network with as many slices of every axis, drawn at random. "small"
        trains a network of the model's own code with `small` options, as long as "scratch_epochs"
    epochs : of fine-tuning
    at_most_epochs : limit for the arms from scratch; what it cuts off is in the trial's facts
    temperature, weight : of losses with a teacher that have them, such as "distil", if not their defaults; see
        `trimcap.train.losses.table.TEACHERS`, whose names are arms too
    beta : `weight` of "attention", see `trimcap.train.losses.attention_transfer.attention_transfer`
    options : other numbers of a loss with a teacher
    small : options of the model that replace those in `[model.options]`, for "small"
    """

    kind: Literal["recover"]
    epochs: Positive = 30
    learning_rate: Annotated[float, Field(gt=0)] = 5e-4
    arm: str = "fine_tune"
    at_most_epochs: Positive | None = None
    temperature: Annotated[float, Field(gt=0)] | None = None
    weight: Annotated[float, Field(ge=0, le=1)] | None = None
    beta: Annotated[float, Field(ge=0)] | None = None
    options: dict[str, float] = Field(default_factory=dict)
    small: dict[str, Any] = Field(default_factory=dict)

    @property
    def replaces(self) -> bool:
        """Whether the arm puts another network in the place of the one before."""
        return self.arm in ("random_twin", "small")

    @model_validator(mode="after")
    def _arm_alone(self) -> Recover:
        if (self.arm == "small") != bool(self.small):
            raise ValueError('arm = "small" and a table `small` of options of the model go together; give both or none')
        if self.arm not in _ARMS:
            self._check_teacher()
        elif self.options:
            raise ValueError(f"options go with an arm that follows a teacher, not with {self.arm!r}; leave them out")
        return self

    def _check_teacher(self) -> None:
        from trimcap._named import check_options
        from trimcap.train.losses.table import TEACHERS

        if self.arm not in TEACHERS:
            raise ValueError(f"arm: {unknown('value', self.arm, (*_ARMS, *TEACHERS))}")
        if self.loss != "cross_entropy":
            raise ValueError(f"arm = {self.arm!r} has a loss of its own; leave out loss = {self.loss!r}")
        check_options(f"arm = {self.arm!r}", TEACHERS[self.arm].make, self.options, given=("teacher",))


def _make(task: Task, name: str, step: Recover, state: State) -> Made:
    """One of the arms; what they cost is among the facts."""
    from trimcap.graph.price import price
    from trimcap.study.steps import fitting
    from trimcap.study.steps.task import kept
    from trimcap.train.budget import equal_epochs, equal_flops
    from trimcap.train.fresh import fresh

    before = fitting.history(task, name)
    network, masks, own = state.network, state.masks, step
    more: dict[str, Any] = {}
    scratch = step.arm in ("scratch_epochs", "scratch_flops", "small")
    if scratch:
        wanted = equal_epochs(before, step.epochs)
        if step.arm == "scratch_flops":
            wanted = equal_flops(before, step.epochs, macs=price(network).macs)
        epochs = min(wanted, step.at_most_epochs or wanted)
        own = step.model_copy(update={"epochs": epochs})
        more = {"epochs_for_equal_budget": wanted}
    if step.arm == "small":
        network, masks = _small(task, step), None
    elif scratch:
        network = fresh(network, seed=task.seed)
    elif step.arm == "random_twin":
        network, masks = _random_twin(task, name, network), None
    loss = _loss(task, name, step, network)
    network, facts = fitting.tuned(task, name, own, network, "recovery", masks=masks, **loss)
    spent = fitting.spending(task, name, [fitting.spent_on(network, facts)], scratch=scratch)
    return kept(task, name, network, {**facts, "arm": step.arm, **more, **spent}, masks=masks)


def _small(task: Task, step: Recover) -> Network:
    """The untrained network of the model's own code with other options."""
    from trimcap.graph.trace.trace import trace
    from trimcap.study.steps.task import untrained

    model = task.recipe.model.model_copy(update={"options": {**task.recipe.model.options, **step.small}})
    recipe = task.recipe.model_copy(update={"model": model})
    return trace(untrained(recipe, task.train, seed=task.seed, ledger=task.fold.ledger).eval(), task.train)


def _random_twin(task: Task, name: str, network: Network) -> Network:
    """The network before pruning, without as many slices of every axis as this one lacks, drawn at random."""
    from trimcap.prune.plan import make_plan
    from trimcap.prune.saliency.by_weights import random
    from trimcap.prune.shrink import shrink

    whole = task.network_of(_unpruned(task, name))
    sizes = {a.name: network.axes[a.name].size if a.name in network.axes.axes else 1 for a in whole.axes.prunable}
    left = {axis: n for axis, n in sizes.items() if n < whole.axes[axis].size}
    if not left:
        raise ValueError("arm = 'random_twin' has no network without slices before it; put a 'prune' step before")
    scores = random(whole, axes=list(left), seed=task.seed)
    order = {axis: np.argsort(-scores.values[axis], kind="stable")[:n] for axis, n in left.items()}
    return shrink(whole, make_plan(whole, {axis: kept.tolist() for axis, kept in order.items()}, note="random twin"))


def _unpruned(task: Task, name: str) -> str:
    """The stage right before the first one that removes something."""
    before = task.before(name)
    pruning = (i for i, stage in enumerate(before) if stage.kind is not None and stage.kind.removes)
    return before[next(pruning, len(before)) - 1].name


def _loss(task: Task, name: str, step: Recover, network: Network) -> dict[str, Any]:
    """The loss of an arm that follows a teacher."""
    if step.arm in _ARMS:
        return {}
    from trimcap.train.losses.table import TEACHERS

    teacher = task.network_of(_unpruned(task, name))
    if teacher.input_shape != network.input_shape:
        raise ValueError(
            f"arm = {step.arm!r}: the dense network reads {teacher.input_shape}, the pruned one {network.input_shape}; "
            "a teacher must read the same windows, so don't prune electrodes before"
        )
    loss, weight = TEACHERS[step.arm], step.beta if step.arm == "attention" else step.weight
    own = {"temperature": step.temperature, "weight": weight}
    return {"loss": loss.loss(teacher, {key: v for key, v in own.items() if key in loss.options} | step.options)}


KIND = Kind(Recover, "recovered", _make, changes=("weights", "learning"))
