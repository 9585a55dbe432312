"""What steps that remove slices share: axes, scores and what a plan came to."""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any

from trimcap._errors import unknown
from trimcap.data.ledger import Ledger
from trimcap.graph.network import Network
from trimcap.prune.choose.axes_of import KINDS, axes_of
from trimcap.prune.plan import Plan
from trimcap.prune.saliency.scores import Scores
from trimcap.prune.saliency.table import find_saliency, score
from trimcap.study.steps.kind import slug
from trimcap.study.steps.section import Slices
from trimcap.study.steps.task import Task, fitted_to


def axes_named(network: Network, step: Slices) -> list[str] | None:
    """Names of axes: given, or of a kind of layer; only those that there still are."""
    if step.axes is None:
        return None
    if isinstance(step.axes, str):
        if step.axes not in KINDS and step.axes not in network.axes.axes:
            raise ValueError(unknown_axis(step.axes, network))
        return axes_of(network, step.axes) if step.axes in KINDS else [step.axes]
    return list(step.axes)


def unknown_axis(name: str, network: Network) -> str:
    """What is said of a name that is neither an axis nor a kind of layer."""
    return unknown("axis or kind of layer", name, (*KINDS, *(axis.name for axis in network.axes.prunable)))


def scores_of(task: Task, step: Slices, network: Network, *, axes: list[str] | None = None) -> Scores:
    """Scores of the step's saliency, which sees training windows unless `options.windows` says "valid".

    Parameters
    ----------
    axes : instead of those of the step
    """
    options = {"seed": task.seed, **step.options}
    seen = task.valid if options.pop("windows", "train") == "valid" else task.train
    if getattr(step, "electrodes", None) is not None:
        options.setdefault("axes", ["electrodes"])
    if (wanted := axes or axes_named(network, step)) is not None:
        options["axes"] = wanted
    return score(network, step.saliency, windows=fitted_to(network, seen), ledger=task.fold.ledger, **options)


def shared_scores(task: Task, name: str, step: Slices, network: Network) -> Scores:
    """The same, computed once for a network that is pruned by it to several sparsities."""
    before = task.before(name)
    if task.recipe.compare is None or not before:
        return scores_of(task, step, network)
    electrodes = bool(getattr(step, "electrodes", None))
    asked = {"saliency": step.saliency, "options": step.options, "axes": step.axes, "electrodes": electrodes}
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:12]
    piece = f"scores/{slug(before[-1].name)}-{digest}"
    if task.folder.has(piece):
        facts = task.folder.read(piece)
        task.fold.ledger.merge(Ledger.from_rows(facts["ledger"]))
        return Scores(task.folder.read_arrays(piece), facts["name"])
    known, start = len(task.fold.ledger), time.perf_counter()
    scores = scores_of(task, step, network)
    task.folder.write_arrays(piece, **scores.values)
    seen = task.fold.ledger.since(known).to_rows()
    facts = {**asked, "name": scores.name, "seconds": time.perf_counter() - start, "ledger": seen}
    task.folder.write(piece, facts)
    return scores


def check_saliency(step: Slices) -> None:
    """Refuse a saliency that nothing stands for, and options that it does not take."""
    given = {k: v for k, v in step.options.items() if k != "axes"}
    find_saliency(step.saliency, given)
    which = step.options.get("windows", "train")
    if which not in ("train", "valid"):
        raise ValueError(
            f'saliency {step.saliency!r}: options.windows is {which!r}; it is "train" (default) or "valid", since what '
            "is removed must not be chosen on the test set"
        )


def removes(plan: Plan) -> bool:
    """Whether a plan drops anything."""
    return any(len(kept) < plan.sizes[axis] for axis, kept in plan.keep.items())


def achieved(plan: Plan, requested: float | None) -> dict[str, Any]:
    """Facts about what a plan removes."""
    table = plan.table()
    before, after = (sum(row[key] for row in table) for key in ("before", "after"))
    return {"sparsity_requested": requested, "sparsity_achieved": 1 - after / before, "plan": table}
