"""The step "mask"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from trimcap.study.steps.kind import Kind
from trimcap.study.steps.section import Fraction, Rounds, Section

if TYPE_CHECKING:
    from trimcap.study.steps.task import Made, State, Task
    from trimcap.train.budget import Spent


class Mask(Section):
    """Single weights: explicit masks that later training keeps. See `trimcap.prune.weights.unstructured.mask_weights`.

    The network keeps its shape, and no exporter has a sparse kernel: a device sees the dense network.
    """

    kind: Literal["mask"]
    sparsity: Fraction
    layers: tuple[Literal["conv", "linear", "recurrent"], ...] = ("conv", "linear")
    scope: Literal["global", "layer"] = "global"
    score: Literal["magnitude", "lamp"] = "magnitude"
    at_least: Annotated[int, Field(ge=0)] = 1
    schedule: Rounds | None = None


def _make(task: Task, name: str, step: Mask, state: State) -> Made:
    """In one or several rounds; the state keeps the masks."""
    from trimcap.prune.choose.schedule import rounds_of
    from trimcap.prune.weights.unstructured import mask_weights
    from trimcap.study.steps import fitting
    from trimcap.study.steps.task import kept

    network, masks, spent = state.network, state.masks, list["Spent"]()
    shares = [step.sparsity]
    if step.schedule is not None:
        shares = list(rounds_of(step.sparsity, step.schedule.rounds, spacing=step.schedule.spacing))
    for number, share in enumerate(shares, start=1):
        masks = mask_weights(
            network, share, layers=step.layers, scope=step.scope, score=step.score, at_least=step.at_least,
            within=masks,
        )  # fmt: skip
        network = masks.apply(network)
        if step.schedule is not None and number < len(shares):
            part = f"round {number}"
            network, made = fitting.tuned(task, name, step.schedule, network, "recovery", masks=masks, part=part)
            spent.append(fitting.spent_on(network, made))
    assert masks is not None  # there is at least one round
    facts = {"sparsity_requested": step.sparsity, "sparsity_achieved": masks.sparsity, "plan": masks.table()}
    return kept(task, name, network, facts | fitting.spending(task, name, spent), masks=masks)


# masks are for the weights as they are
KIND = Kind(Mask, "masked", _make, changes=("weights", "learning"), ends=("shapes",), removes=("sparsity",))
