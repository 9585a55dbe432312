"""The step "published"."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Literal

from pydantic import model_validator

from trimcap.study.steps.kind import Kind
from trimcap.study.steps.section import Fraction, Section

if TYPE_CHECKING:
    from trimcap.study.steps.task import Made, State, Task


class Published(Section):
    """A method of the four-method EEG study as it was published, slips included, to measure what they do.

    Parameters
    ----------
    method : "LFP", "NSFP", "UMWP" or "SFP" (zeroed once, not removed)
    sparsity : as the study counts it, of every layer
    rounding : of LFP's widths
    drop_biases : convolutions get random biases (LFP, NSFP)
    independent : coupled convolutions keep their own channels (LFP)
    three_of_six : only the convolutions of TSCeption that were reached (SFP)
    """

    kind: Literal["published"]
    method: Literal["LFP", "NSFP", "UMWP", "SFP"]
    sparsity: Fraction
    rounding: Literal["floor", "round"] = "floor"
    drop_biases: bool = False
    independent: bool = False
    three_of_six: bool = False

    @model_validator(mode="after")
    def _belongs(self) -> Published:
        for key, methods in (("drop_biases", ("LFP", "NSFP")), ("independent", ("LFP",)), ("three_of_six", ("SFP",))):
            if getattr(self, key) and self.method not in methods:
                raise ValueError(f"{key} is a slip of {' and '.join(methods)}, not of {self.method}; leave it out")
        return self


def _make(task: Task, name: str, step: Published, state: State) -> Made:
    from trimcap.prune.shrink import shrink
    from trimcap.reproduce import structured, unstructured
    from trimcap.reproduce.counting import published_counts
    from trimcap.study.steps.slices import removes
    from trimcap.study.steps.task import kept

    network, masks = state.network, None
    if step.method == "UMWP":
        masks = unstructured.umwp_masks(network, step.sparsity)
        network = masks.apply(network)
    elif step.method == "SFP":
        tensors = unstructured.three_of_six(network) if step.three_of_six else None
        network = unstructured.zeroed_filters(network, step.sparsity, tensors=tensors)
    elif step.method == "NSFP":
        network = structured.forget_shifts(network, structured.nsfp_plan(network, step.sparsity))
    elif step.independent:
        network = structured.independent_masks(network, step.sparsity, rounding=step.rounding)
    else:
        plan = structured.lfp_plan(network, step.sparsity, rounding=step.rounding)
        network = shrink(network, plan) if removes(plan) else network
    if step.drop_biases:
        network = structured.drop_biases(network, seed=task.seed)
    counted = asdict(published_counts(network))
    return kept(task, name, network, {"sparsity_requested": step.sparsity, "published_counts": counted}, masks=masks)


KIND = Kind(
    Published, "pruned as published", _make, changes=("weights", "shapes", "learning"), removes=("sparsity",)
)  # fmt: skip
