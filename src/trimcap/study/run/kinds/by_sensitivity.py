"""A recipe's step that prunes by sensitivity: a target for every axis alone, then all axes at once."""

from __future__ import annotations

from trimcap._files import write_json
from trimcap.graph.network import Network
from trimcap.prune.choose.ratios import goal_of, plan_from, ratios_for
from trimcap.prune.choose.sensitivity import sensitivity
from trimcap.prune.plan import Plan, make_plan
from trimcap.prune.saliency.scores import Scores
from trimcap.study.recipe import steps as s
from trimcap.study.results.store import slug, to_plain
from trimcap.study.run.task import Task, fitted_to


def plan_by_sensitivity(task: Task, name: str, step: s.Prune, network: Network, scores: Scores) -> Plan:
    """The plan for the step's target on the validation windows; it keeps everything where no axis can lose a slice.

    The curves are saved beside the plan, as `<step>-sensitivity.json`.
    """
    found = sensitivity(network, scores, fitted_to(network, task.valid), ledger=task.fold.ledger)
    goal = goal_of(found, target=step.target, drop=step.drop)
    ratios = ratios_for(found, target=goal)
    place = task.folder.path / "plans"
    place.mkdir(parents=True, exist_ok=True)
    facts = {"target": goal, "ratios": ratios}
    write_json(place / f"{slug(name)}-sensitivity.json", to_plain(found.as_dict() | facts))
    if not any(ratios.values()):
        whole = {axis: range(curve.size) for axis, curve in found.curves.items()}
        return make_plan(network, whole, requested=ratios, note=f"{scores.name}, sparsity by sensitivity: none")
    limits = {"at_least": step.at_least, "at_most": step.at_most, "multiple_of": step.multiple_of}
    return plan_from(network, scores, ratios, **limits)  # type: ignore[arg-type]
