"""The steps of a recipe that prune: slices, single weights, softly, and as it was published."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict
from functools import partial
from typing import Any

from trimcap._errors import unknown
from trimcap.data.ledger import Ledger
from trimcap.graph.network import Network
from trimcap.prune.after.compact import compact
from trimcap.prune.after.soft import scales_off, silent_plan, soft_pruning, zeroed
from trimcap.prune.choose.axes_of import KINDS, axes_of
from trimcap.prune.choose.keep import keep_electrodes, keep_top, keep_within
from trimcap.prune.choose.schedule import gradual, rounds_of
from trimcap.prune.plan import Plan
from trimcap.prune.saliency.scores import Scores
from trimcap.prune.saliency.table import find_saliency, score
from trimcap.prune.shrink import shrink
from trimcap.prune.weights.unstructured import mask_weights
from trimcap.study.recipe import steps as s
from trimcap.study.recipe.plan import ancestors
from trimcap.study.results.store import slug
from trimcap.study.run.kinds.by_sensitivity import plan_by_sensitivity
from trimcap.study.run.kinds.training import spending, spent_on, tuned
from trimcap.study.run.task import Made, State, Task, fitted_to, kept
from trimcap.train.budget import Spent


def prune(task: Task, name: str, step: s.Prune, state: State) -> Made:
    """Saliency, plan, shrink; in several rounds with training between them, where a schedule says so."""
    if step.schedule is not None:
        return _in_rounds(task, name, step, step.schedule, state)
    plan = _plan(task, name, step, state.network)
    network, facts = _removed(state.network, plan, step)
    _save(task, name, plan)
    return kept(task, name, network, facts | _sparsity(plan, step.sparsity))


def _in_rounds(task: Task, name: str, step: s.Prune, schedule: s.Rounds, state: State) -> Made:
    assert step.sparsity is not None  # checked with the recipe
    network, facts, spent = state.network, dict[str, Any](), list[Spent]()
    sizes: dict[str, int] = {}
    shares = rounds_of(step.sparsity, schedule.rounds, spacing=schedule.spacing)
    for number, share in enumerate(shares, start=1):
        scores = scores_of(task, step, network)
        sizes = sizes or {axis: len(values) for axis, values in scores.values.items()}
        plan = keep_top(
            network, scores, share, scope=step.scope, at_least=step.at_least, at_most=_caps(step, scores),
            multiple_of=step.multiple_of, of=sizes,
        )  # fmt: skip
        _save(task, f"{name} round {number}", plan)
        if _removes(plan):
            network, facts = _removed(network, plan, step)
        if number < len(shares):
            network, made = tuned(task, name, schedule, network, "recovery", part=f"round {number}")
            spent.append(spent_on(network, made))
    left = {axis: network.axes[axis].size if axis in network.axes.axes else 1 for axis in sizes}
    facts |= {"sparsity_requested": step.sparsity, "sparsity_achieved": 1 - sum(left.values()) / sum(sizes.values())}
    return kept(task, name, network, facts | {"rounds": list(shares), **spending(task, name, spent)})


def _caps(step: s.Prune | s.Soft, scores: Scores) -> Any:
    """Caps of axes that are left; an axis of one slice is none any more."""
    if isinstance(step.at_most, dict):
        return {axis: cap for axis, cap in step.at_most.items() if axis in scores.values}
    return step.at_most


def _plan(task: Task, name: str, step: s.Prune, network: Network) -> Plan:
    scores = _shared_scores(task, name, step, network)
    if step.target is not None or step.drop is not None:
        return plan_by_sensitivity(task, name, step, network, scores)
    if step.electrodes is not None:
        return keep_electrodes(network, step.electrodes, scores=scores)
    limits: dict[str, Any] = {
        "scope": step.scope, "at_least": step.at_least, "at_most": step.at_most, "multiple_of": step.multiple_of,
    }  # fmt: skip
    if step.sparsity is not None:
        return keep_top(network, scores, step.sparsity, **limits)
    from trimcap.export.deployed import measure_of

    budgets: dict[str, Any] = {"flash": step.flash, "sram": step.sram, "macs": step.macs}
    return keep_within(network, scores, **budgets, **limits, measure=measure_of(network)[0])


def _removed(network: Network, plan: Plan, step: s.Prune) -> tuple[Network, dict[str, Any]]:
    """The network without what the plan drops, and what became of constants."""
    if not _removes(plan) and (step.target is not None or step.drop is not None):
        return network, {"note": "no axis alone can lose a slice at this target: nothing was removed"}
    if step.constants == "drop":
        return shrink(network, plan), {}
    found = compact(scales_off(network, plan), only=plan, borders=step.constants)
    facts = {"carried": {a: list(n) for a, n in found.carried.items()}, "left": dict(found.left)}
    return found.network, {**facts, "compaction_error": found.error}


def mask(task: Task, name: str, step: s.Mask, state: State) -> Made:
    """Single weights, in one or several rounds; the state keeps the masks."""
    network, masks, spent = state.network, state.masks, list[Spent]()
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
            network, made = tuned(task, name, step.schedule, network, "recovery", masks=masks, part=part)
            spent.append(spent_on(network, made))
    assert masks is not None  # there is at least one round
    facts = {"sparsity_requested": step.sparsity, "sparsity_achieved": masks.sparsity, "plan": masks.table()}
    return kept(task, name, network, facts | spending(task, name, spent), masks=masks)


def soft(task: Task, name: str, step: s.Soft, state: State) -> Made:
    """Training with the lowest slices zeroed after every epoch; then they are removed, their constants kept."""
    network = state.network
    axes = _axes(network, step)
    hook = partial(
        soft_pruning, network, saliency=_saliency(task, step), axes=axes, period=step.period, at_least=step.at_least,
        at_most=step.at_most,
    )  # fmt: skip
    trained, own, spent = network, step, list[Spent]()
    if step.gradual:
        # no epoch of the ramp may be the best one: it has not the sparsity that was asked for
        half = step.epochs // 2
        ramp = hook(sparsity=partial(gradual, sparsity=step.sparsity, start=0, end=half))
        first = step.model_copy(update={"epochs": half, "patience": None})
        trained, made = tuned(task, name, first, network, "recovery", on=(task.train, None), part="ramp",
                              epoch_hooks=[ramp])  # fmt: skip
        spent.append(spent_on(trained, made))
        own = step.model_copy(update={"epochs": step.epochs - half})
    trained, facts = tuned(task, name, own, trained, "recovery", epoch_hooks=[hook(sparsity=step.sparsity)])
    facts |= spending(task, name, [*spent, spent_on(trained, facts)])
    if step.period > 1:  # the best epoch may be one after which nothing was zeroed
        scores = _saliency(task, step)(trained, axes=axes)
        trained = zeroed(
            trained, keep_top(trained, scores, step.sparsity, at_least=step.at_least, at_most=step.at_most)
        )
    silent = silent_plan(trained, axes)
    facts |= {**_sparsity(silent, step.sparsity), "trained_parameters": trained.n_parameters}
    if step.borders == "keep":
        return kept(task, name, trained, facts)
    found = compact(trained, only=silent, borders=step.borders)
    facts |= {"carried": {a: list(n) for a, n in found.carried.items()}, "left": dict(found.left)}
    return kept(task, name, found.network, facts | {"compaction_error": found.error})


def published(task: Task, name: str, step: s.Published, state: State) -> Made:
    """A method with its published counts and slips."""
    from trimcap.reproduce import structured, unstructured
    from trimcap.reproduce.counting import published_counts

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
        network = _shrunk(network, structured.lfp_plan(network, step.sparsity, rounding=step.rounding))
    if step.drop_biases:
        network = structured.drop_biases(network, seed=task.seed)
    counted = asdict(published_counts(network))
    return kept(task, name, network, {"sparsity_requested": step.sparsity, "published_counts": counted}, masks=masks)


def _shrunk(network: Network, plan: Plan) -> Network:
    return shrink(network, plan) if _removes(plan) else network


def _removes(plan: Plan) -> bool:
    return any(len(kept) < plan.sizes[axis] for axis, kept in plan.keep.items())


# ---- scores ----


def scores_of(task: Task, step: s.Prune, network: Network) -> Scores:
    """Scores of the recipe's saliency, which sees training windows unless `options.windows` says "valid"."""
    options = dict(step.options)
    seen = task.valid if options.pop("windows", "train") == "valid" else task.train
    if step.electrodes is not None:
        options.setdefault("axes", ["electrodes"])
    axes = _axes(network, step)
    options |= {} if axes is None else {"axes": axes}
    options.setdefault("seed", task.seed)
    return score(network, step.saliency, windows=fitted_to(network, seen), ledger=task.fold.ledger, **options)


def _shared_scores(task: Task, name: str, step: s.Prune, network: Network) -> Scores:
    """The same, computed once for a network that is pruned by it to several sparsities."""
    before = ancestors(task.recipe, name)
    if task.recipe.compare is None or not before:
        return scores_of(task, step, network)
    asked = {"saliency": step.saliency, "options": step.options, "axes": step.axes, "electrodes": bool(step.electrodes)}
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


def _axes(network: Network, step: s.Prune | s.Soft) -> list[str] | None:
    """Names of axes: given, or of a kind of layer; only those that there still are."""
    if step.axes is None:
        return None
    if isinstance(step.axes, str):
        if step.axes not in KINDS and step.axes not in network.axes.axes:
            raise ValueError(unknown("axis or kind of layer", step.axes, [*KINDS, *network.axes.axes]))
        return axes_of(network, step.axes) if step.axes in KINDS else [step.axes]
    return list(step.axes)


def _saliency(task: Task, step: s.Soft) -> Any:
    """The saliency of soft pruning: a function of network and axes."""
    options = {k: v for k, v in step.options.items() if k != "windows"}
    seen = task.valid if step.options.get("windows", "train") == "valid" else task.train

    def saliency(network: Network, *, axes: Any = None) -> Scores:
        windows = fitted_to(network, seen)
        chosen = {"seed": task.seed, **options}
        return score(network, step.saliency, windows=windows, axes=axes, ledger=task.fold.ledger, **chosen)

    return saliency


def check_saliency(step: s.Prune | s.Soft) -> None:
    """Refuse a saliency that nothing stands for, and options that it does not take."""
    given = {k: v for k, v in step.options.items() if k != "axes"}
    find_saliency(step.saliency, given)
    which = step.options.get("windows", "train")
    if which not in ("train", "valid"):
        raise ValueError(
            f'saliency {step.saliency!r}: options.windows is {which!r}; it is "train" (default) or "valid", since what '
            "is removed must not be chosen on the test set"
        )


def _save(task: Task, name: str, plan: Plan) -> None:
    plan.save(task.folder.path / "plans" / f"{slug(name)}.json")


def _sparsity(plan: Plan, requested: float | None) -> dict[str, Any]:
    table = plan.table()
    before, after = (sum(row[key] for row in table) for key in ("before", "after"))
    return {"sparsity_requested": requested, "sparsity_achieved": 1 - after / before, "plan": table}
