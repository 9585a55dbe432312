"""The step "prune"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from trimcap.study.steps.kind import Kind, slug
from trimcap.study.steps.section import Bytes, Fraction, Positive, Rounds, Slices

if TYPE_CHECKING:
    from trimcap.graph.network import Network
    from trimcap.prune.plan import Plan
    from trimcap.prune.saliency.scores import Scores
    from trimcap.study.steps.task import Made, State, Task
    from trimcap.train.budget import Spent

_BUDGETS = ("flash", "sram", "macs")


class Prune(Slices):
    """Saliency, plan, shrink: by `sparsity`, by budgets, by a number of `electrodes`, or by sensitivity.

    Parameters
    ----------
    flash, sram, macs : budgets, see `trimcap.prune.choose.keep.keep_within`
    target, drop : by sensitivity, all axes at once: each loses as much as leaves the validation accuracy, when it
        alone is pruned, at `target`, or at most `drop` below the network's; see `trimcap.prune.choose.ratios`
    saliency, options, axes, at_least, at_most : see `Slices`
    scope, multiple_of : see `trimcap.prune.choose.keep.keep_top`
    schedule : several rounds, with training between them; with `sparsity` only
    constants : what becomes of the shift of a batch norm whose channel is removed: "drop" (the masked twin's channel
        is zero), or it goes to whatever reads the channel, with the borders of zero padding as `compact` says:
        "carry", "map", "interior"
    """

    kind: Literal["prune"]
    sparsity: Fraction | None = None
    scope: Literal["axis", "global", "threshold"] = "axis"
    flash: Bytes | None = None
    sram: Bytes | None = None
    macs: Positive | None = None
    electrodes: Positive | None = None
    target: Annotated[float, Field(gt=0, le=1)] | None = None
    drop: Fraction | None = None
    multiple_of: Positive = 1
    schedule: Rounds | None = None
    constants: Literal["drop", "carry", "map", "interior"] = "drop"

    @property
    def by_sensitivity(self) -> bool:
        """Whether axes are measured one by one."""
        return self.target is not None or self.drop is not None

    @model_validator(mode="after")
    def _one_goal(self) -> Prune:
        goals = [
            self.sparsity is not None,
            any(getattr(self, key) is not None for key in _BUDGETS),
            self.electrodes is not None,
            self.target is not None,
            self.drop is not None,
        ]
        if sum(goals) != 1:
            raise ValueError(
                "give exactly one goal: sparsity, budgets (flash, sram, macs), electrodes, target, or drop; "
                f"{'none was' if not any(goals) else 'several were'} given"
            )
        if self.schedule is not None and self.sparsity is None:
            raise ValueError("a schedule goes up to a sparsity; give sparsity, or leave the schedule out")
        if self.scope != "axis" and self.by_sensitivity:
            raise ValueError("target and drop decide about every axis by itself; leave out scope")
        if self.axes is not None and ("axes" in self.options or self.electrodes is not None):
            raise ValueError("axes are given twice; leave them out of the options, and out where electrodes are pruned")
        return self


def _make(task: Task, name: str, step: Prune, state: State) -> Made:
    """Saliency, plan, shrink; in several rounds with training between them, where a schedule says so."""
    from trimcap.study.steps.slices import achieved
    from trimcap.study.steps.task import kept

    if step.schedule is not None:
        return _in_rounds(task, name, step, step.schedule, state)
    plan = _plan(task, name, step, state.network)
    network, facts = _removed(state.network, plan, step)
    plan.save(task.folder.plan(name))
    return kept(task, name, network, facts | achieved(plan, step.sparsity))


def _in_rounds(task: Task, name: str, step: Prune, schedule: Rounds, state: State) -> Made:
    from trimcap.prune.choose.keep import keep_top
    from trimcap.prune.choose.schedule import rounds_of
    from trimcap.study.steps import fitting
    from trimcap.study.steps.slices import removes, scores_of
    from trimcap.study.steps.task import kept

    assert step.sparsity is not None  # checked with the recipe
    network, facts, spent = state.network, dict[str, Any](), list["Spent"]()
    sizes: dict[str, int] = {}
    shares = rounds_of(step.sparsity, schedule.rounds, spacing=schedule.spacing)
    for number, share in enumerate(shares, start=1):
        scores = scores_of(task, step, network)
        sizes = sizes or {axis: len(values) for axis, values in scores.values.items()}
        plan = keep_top(network, scores, share, of=sizes, **_limits(step, scores))
        plan.save(task.folder.plan(f"{name} round {number}"))
        if removes(plan):
            network, facts = _removed(network, plan, step)
        if number < len(shares):
            network, made = fitting.tuned(task, name, schedule, network, "recovery", part=f"round {number}")
            spent.append(fitting.spent_on(network, made))
    left = {axis: network.axes[axis].size if axis in network.axes.axes else 1 for axis in sizes}
    facts |= {"sparsity_requested": step.sparsity, "sparsity_achieved": 1 - sum(left.values()) / sum(sizes.values())}
    return kept(task, name, network, facts | {"rounds": list(shares), **fitting.spending(task, name, spent)})


def _limits(step: Prune, scores: Scores | None = None) -> dict[str, Any]:
    """Limits of `keep_top`; with `scores`, caps only of axes that have some: an axis of one slice is none any more."""
    most = step.at_most
    if isinstance(most, dict) and scores is not None:
        most = {axis: cap for axis, cap in most.items() if axis in scores.values}
    return {"scope": step.scope, "at_least": step.at_least, "at_most": most, "multiple_of": step.multiple_of}


def _plan(task: Task, name: str, step: Prune, network: Network) -> Plan:
    from trimcap.prune.choose.keep import keep_electrodes, keep_top, keep_within
    from trimcap.study.steps.slices import shared_scores

    scores = shared_scores(task, name, step, network)
    if step.by_sensitivity:
        return _plan_by_sensitivity(task, name, step, network, scores)
    if step.electrodes is not None:
        return keep_electrodes(network, step.electrodes, scores=scores)
    if step.sparsity is not None:
        return keep_top(network, scores, step.sparsity, **_limits(step))
    budgets: dict[str, Any] = {key: getattr(step, key) for key in _BUDGETS}
    return keep_within(network, scores, **budgets, **_limits(step))


def _plan_by_sensitivity(task: Task, name: str, step: Prune, network: Network, scores: Scores) -> Plan:
    """The plan for the step's target on the validation windows; it keeps everything where no axis can lose a slice.

    The curves are saved beside the plan, as `<step>-sensitivity.json`.
    """
    from trimcap.prune.choose.ratios import goal_of, plan_from, ratios_for
    from trimcap.prune.choose.sensitivity import sensitivity
    from trimcap.prune.plan import make_plan
    from trimcap.study.steps.task import fitted_to

    found = sensitivity(network, scores, fitted_to(network, task.valid), ledger=task.fold.ledger)
    goal = goal_of(found, target=step.target, drop=step.drop)
    ratios = ratios_for(found, target=goal)
    task.folder.note(f"plans/{slug(name)}-sensitivity.json", found.as_dict() | {"target": goal, "ratios": ratios})
    if not any(ratios.values()):
        whole = {axis: range(curve.size) for axis, curve in found.curves.items()}
        return make_plan(network, whole, requested=ratios, note=f"{scores.name}, sparsity by sensitivity: none")
    limits = {key: value for key, value in _limits(step).items() if key != "scope"}
    return plan_from(network, scores, ratios, **limits)


def _removed(network: Network, plan: Plan, step: Prune) -> tuple[Network, dict[str, Any]]:
    """The network without what the plan drops, and what became of constants."""
    from trimcap.prune.after.compact import compact
    from trimcap.prune.after.soft import scales_off
    from trimcap.prune.shrink import shrink
    from trimcap.study.steps.slices import removes

    if step.by_sensitivity and not removes(plan):
        return network, {"note": "no axis alone can lose a slice at this target: nothing was removed"}
    if step.constants == "drop":
        return shrink(network, plan), {}
    found = compact(scales_off(network, plan), only=plan, borders=step.constants)
    facts = {"carried": {a: list(n) for a, n in found.carried.items()}, "left": dict(found.left)}
    return found.network, {**facts, "compaction_error": found.error}


KIND = Kind(
    Prune,
    "pruned",
    _make,
    changes=("weights", "shapes", "learning"),
    removes=("sparsity", *_BUDGETS, "electrodes", "target", "drop"),
)
