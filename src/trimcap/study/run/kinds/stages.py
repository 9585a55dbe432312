"""What the steps of a recipe do: each takes a state and gives the next one and facts about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from trimcap._named import named
from trimcap.data.join import join
from trimcap.graph.rewrite.rewrite import rewrite
from trimcap.graph.save import load
from trimcap.models.build import MODELS
from trimcap.study.recipe.plan import ancestors, plan_of
from trimcap.study.recipe.recipe import Recipe
from trimcap.study.recipe.steps import Export, Prune, Quantize, Rewrite, Soft, Verify
from trimcap.study.report.integers import fidelity_row
from trimcap.study.run.folding import check_protocol
from trimcap.study.run.kinds.pruning import check_saliency, mask, prune, published, soft
from trimcap.study.run.kinds.training import calibrate, dense, re_estimate, recover
from trimcap.study.run.task import Made, State, Task, fitted_to, kept, masks_of, place_of, program_facts, untrained
from trimcap.train.masks import Masks

__all__ = ["State", "Task", "check_names", "fitted_to", "make", "plan_of", "restore", "untrained"]

#: training windows that set no range, to compare integers with float on
_HELD_OUT = 128


def check_names(recipe: Recipe) -> None:
    """Refuse names that nothing stands for, before anything is trained."""
    named("model", recipe.model.name, MODELS)
    check_protocol(recipe.protocol)
    for stage in plan_of(recipe):
        if isinstance(stage.step, Prune | Soft):
            check_saliency(stage.step)


def make(task: Task, name: str, step: Any, state: State | None) -> Made:
    """Carry out one step and save its result in the trial's folder."""
    if step is None or state is None:
        return dense(task, name)
    return _STEPS[step.kind](task, name, step, state)


def restore(task: Task, name: str, step: Any, state: State | None) -> State:
    """The state that `make` saved."""
    place = place_of(task, name)
    if step is None or state is None or step.kind not in ("quantize", "export", "verify"):
        masks = masks_of(task, name)
        return State(load(place), masks=Masks.load(masks) if masks.exists() else None)
    if step.kind == "quantize":
        from trimcap.program.save import load_program

        return replace(state, program=load_program(place))
    return replace(state, artifact=place) if step.kind == "export" else state


def _rewrite(task: Task, name: str, _: Rewrite, state: State) -> Made:
    found = rewrite(state.network)
    return kept(task, name, found.network, {"rewrites": str(found)})


def _quantize(task: Task, name: str, step: Quantize, state: State) -> Made:
    from trimcap.program.save import save_program
    from trimcap.quantize.network import quantize_network

    rows = np.random.default_rng(task.seed).permutation(len(task.train))
    parts = [task.train.take(np.sort(rows[: step.windows]))]
    others = task.train.take(np.sort(rows[step.windows :][:_HELD_OUT]))
    own = task.fold.calibration
    if own is not None and any(s.step is not None and s.step.kind == "calibrate" for s in ancestors(task.recipe, name)):
        parts.append(own)  # the wearer may have other amplitudes than everybody in training
    for part in (*parts, others):
        task.fold.ledger.record("calibration", part)
    found = quantize_network(
        state.network,
        join([fitted_to(state.network, part) for part in parts]),
        held_out=fitted_to(state.network, others) if len(others) else None,
        bits=step.bits,
        method=step.ranges,
        input_scales=step.input_scales,
        int16=step.int16,
        name="network",
        classes=task.train.classes,
        exact_rewrites=False,
    )
    save_program(found.program, place_of(task, name))
    facts = {
        "notes": list(found.program.notes),
        "warnings": list(found.fidelity.warnings),
        "measured": dict(found.program.measured),
        **fidelity_row(found.program.measured),
    }
    return replace(state, program=found.program), {**facts, **program_facts(state.network, found.program)}


def _export(task: Task, name: str, step: Export, state: State) -> Made:
    from trimcap.export.artifact import export
    from trimcap.program.lower.lower import lower
    from trimcap.study.run.windows import declared_chain

    valid = fitted_to(state.network, task.valid)
    golden = valid.take(np.linspace(0, len(valid) - 1, min(step.golden, len(valid))).round().astype(np.int64))
    task.fold.ledger.record("verify", golden, "golden windows")
    program = state.program or lower(state.network, name="network", classes=valid.classes)
    place = export(program, place_of(task, name), golden=golden, chain=declared_chain(task.recipe.data))
    return replace(state, program=program, artifact=place), program_facts(state.network, program)


def _verify(task: Task, _: str, step: Verify, state: State) -> Made:
    from trimcap.export.verify import verify

    assert state.artifact is not None  # the recipe's order was checked
    targets = ["host", *(["sanitize"] if step.sanitize else []), *(["cortex-m4", "cortex-m7"] if step.arm else [])]
    place = task.folder.path / "mismatches"
    place.mkdir(parents=True, exist_ok=True)
    found = verify(state.artifact, targets=targets, n=step.windows, save=place)
    passed = [row for row in found.rows if row.status == "passed"]
    how = "bit-exact" if found.integer else f"within {found.tolerance:g}"
    text = f"{how} ({', '.join(row.target for row in passed)})"
    windows = max(row.windows for row in passed)
    return state, {"verified": text, "verified_windows": windows, "targets": found.as_dict()["rows"]}


_STEPS: dict[str, Callable[[Task, str, Any, State], Made]] = {
    "rewrite": _rewrite,
    "prune": prune,
    "mask": mask,
    "soft": soft,
    "published": published,
    "recover": recover,
    "re_estimate": re_estimate,
    "calibrate": calibrate,
    "quantize": _quantize,
    "export": _export,
    "verify": _verify,
}
