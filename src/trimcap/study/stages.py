"""What the steps of a recipe do: each takes a state and gives the next one and facts about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from trimcap._files import write_atomic
from trimcap.data.folds import Fold
from trimcap.data.join import join
from trimcap.data.lazy import pick
from trimcap.data.ledger import Ledger
from trimcap.data.windows import Windows
from trimcap.graph.cost import cost
from trimcap.graph.network import Network
from trimcap.graph.rewrite import rewrite
from trimcap.graph.save import load, save
from trimcap.graph.trace import trace
from trimcap.models.build import MODELS, build
from trimcap.models.named import named
from trimcap.models.scaled import Scaled
from trimcap.program.program import Program
from trimcap.prune.keep import keep_electrodes, keep_top, keep_within
from trimcap.prune.plan import Plan
from trimcap.prune.saliency import Scores, find_saliency, score
from trimcap.prune.shrink import shrink
from trimcap.study import recipe as r
from trimcap.study.folding import check_protocol
from trimcap.study.prepare import Prepared
from trimcap.study.store import TrialFolder, slug

NAMES = {
    "rewrite": "rewritten",
    "prune": "pruned",
    "recover": "recovered",
    "calibrate": "calibrated",
    "quantize": "int8",
    "export": "C",
    "verify": "verified",
}


@dataclass(frozen=True, eq=False)
class Task:
    """One fold and seed of a recipe."""

    recipe: r.Recipe
    prepared: Prepared
    fold: Fold
    features: Fold
    seed: int
    folder: TrialFolder

    @cached_property
    def train(self) -> Windows:
        """Training windows."""
        return self.fold.train

    @cached_property
    def valid(self) -> Windows:
        """Validation windows."""
        return self.fold.valid


@dataclass(frozen=True, eq=False)
class State:
    """The network after a step: the last float network, and what was made of it."""

    network: Network
    program: Program | None = None
    artifact: Path | None = None


Made = tuple[State, dict[str, Any]]


def plan_of(recipe: r.Recipe) -> list[tuple[str, Any]]:
    """Stage names with their steps, "dense" first; a kind that comes again is numbered: "pruned 2".

    >>> [name for name, _ in plan_of(r.Recipe(name="x", steps=(r.Rewrite(kind="rewrite"),) * 2))]
    ['dense', 'rewritten', 'rewritten 2']
    """
    stages: list[tuple[str, Any]] = [("dense", None)]
    for step in recipe.steps:
        name = NAMES[step.kind]
        before = sum(s is not None and s.kind == step.kind for _, s in stages)
        stages.append((f"{name} {before + 1}" if before else name, step))
    return stages


def check_names(recipe: r.Recipe) -> None:
    """Refuse names that nothing stands for, before anything is trained."""
    named("model", recipe.model.name, MODELS)
    check_protocol(recipe.protocol)
    for step in recipe.steps:
        if isinstance(step, r.Prune):
            _check_saliency(step)


def make(task: Task, name: str, step: Any, state: State | None) -> Made:
    """Carry out one step and save its result in the trial's folder."""
    if step is None or state is None:
        return _dense(task, name)
    return _STEPS[step.kind](task, name, step, state)


def restore(task: Task, name: str, step: Any, state: State | None) -> State:
    """The state that `make` saved."""
    place = _place(task, name)
    kind = "train" if step is None else step.kind
    if kind in ("train", "rewrite", "prune", "recover", "calibrate") or state is None:
        return State(load(place))
    if kind == "quantize":
        from trimcap.program.save import load_program

        return replace(state, program=load_program(place))
    return replace(state, artifact=place) if kind == "export" else state


def fitted_to(network: Network, windows: Windows) -> Windows:
    """The windows with only those electrodes that the network still has."""
    if not network.channels or network.channels == windows.channels:
        return windows
    rows = [windows.channels.index(c) for c in network.channels]
    return replace(windows, X=pick(windows.X, rows), channels=network.channels)


def untrained(recipe: r.Recipe, train: Windows, *, seed: int, ledger: Ledger) -> Any:
    """The recipe's network for these training windows, with its normalisation inside."""
    model = build(recipe.model.name, train, seed=seed, **recipe.model.options)
    if recipe.data.normalise != "train":
        return model
    from trimcap.data.scaling import fit_scaler

    scaler = fit_scaler(train, ledger=ledger)
    return Scaled(model, scaler.mean, scaler.std)


def _dense(task: Task, name: str) -> Made:
    model = untrained(task.recipe, task.train, seed=task.seed, ledger=task.fold.ledger)
    fitted, facts = _fit(task, name, model, task.recipe.train, "fit")
    return _kept(task, name, trace(fitted, task.train), facts)


def _recover(task: Task, name: str, step: r.Recover, state: State) -> Made:
    return _tuned(task, name, step, state, "recovery", (task.train, task.valid))


def _calibrate(task: Task, name: str, step: r.Calibrate, state: State) -> Made:
    own = task.fold.calibration
    assert own is not None  # checked before anything was trained
    made, facts = _tuned(task, name, step, state, "calibrate", (own, None))
    note = "no validation: all epochs run, the last weights are kept"
    return made, {**facts, "calibration_windows": len(own), "note": note}


def _tuned(
    task: Task, name: str, step: r.Recover | r.Calibrate, state: State, stage: str, on: tuple[Windows, Windows | None]
) -> Made:
    """Training that goes on from the weights of a traced network."""
    from trimcap.graph.module import NetworkModule

    fitted, facts = _fit(task, name, state.network.module(), step, stage, network=state.network, on=on)
    if not isinstance(fitted, NetworkModule):
        raise TypeError(f"training turned a NetworkModule into {type(fitted).__name__}")
    return _kept(task, name, fitted.extract(), facts)


def _fit(
    task: Task,
    name: str,
    model: Any,
    options: r.Training | r.Calibrate,
    stage: str,
    *,
    network: Network | None = None,
    on: tuple[Windows, Windows | None] | None = None,
) -> tuple[Any, dict[str, Any]]:
    from trimcap.train.fit import fit

    train, valid = on or (task.train, task.valid)
    if network is not None:
        train, valid = fitted_to(network, train), None if valid is None else fitted_to(network, valid)
    checkpoint = task.folder.path / "checkpoints" / f"{slug(name)}.safetensors"
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    result = fit(
        model,
        train,
        valid,
        seed=task.seed,
        checkpoint=checkpoint,
        ledger=task.fold.ledger,
        stage=stage,
        **options.model_dump(exclude={"kind"}),
    )
    write_atomic(task.folder.path / "history" / f"{slug(name)}.csv", result.history.to_csv(index=False))
    checkpoint.unlink(missing_ok=True)
    epochs = int(pd.to_numeric(result.history.epoch).max())
    return result.model, {"epochs": epochs, "best_epoch": result.best_epoch, "stopped_early": result.stopped_early}


def _rewrite(task: Task, name: str, _: r.Rewrite, state: State) -> Made:
    found = rewrite(state.network)
    return _kept(task, name, found.network, {"rewrites": str(found)})


def _prune(task: Task, name: str, step: r.Prune, state: State) -> Made:
    network = state.network
    scores = _scores(task, step, network)
    if step.electrodes is not None:
        plan = keep_electrodes(network, step.electrodes, scores=scores)
    elif step.sparsity is not None:
        plan = keep_top(
            network, scores, step.sparsity, scope=step.scope, at_least=step.at_least, multiple_of=step.multiple_of
        )
    else:
        from trimcap.export.deployed import measure_of

        plan = keep_within(
            network, scores, flash=step.flash, sram=step.sram, macs=step.macs, scope=step.scope,
            at_least=step.at_least, multiple_of=step.multiple_of, measure=measure_of(network)[0],
        )  # fmt: skip
    plan.save(task.folder.path / "plans" / f"{slug(name)}.json")
    return _kept(task, name, shrink(network, plan), _sparsity(plan, step))


def _scores(task: Task, step: r.Prune, network: Network) -> Scores:
    """Scores of the recipe's saliency, which sees training windows unless `options.windows` says "valid"."""
    options = dict(step.options)
    seen = task.valid if options.pop("windows", "train") == "valid" else task.train
    if step.electrodes is not None:
        options.setdefault("axes", ["electrodes"])
    options.setdefault("seed", task.seed)
    return score(network, step.saliency, windows=fitted_to(network, seen), ledger=task.fold.ledger, **options)


def _check_saliency(step: r.Prune) -> None:
    """Refuse a saliency that nothing stands for, and options that it does not take."""
    given = {k: v for k, v in step.options.items() if k != "axes"}
    find_saliency(step.saliency, given)
    which = step.options.get("windows", "train")
    if which not in ("train", "valid"):
        raise ValueError(
            f'saliency {step.saliency!r}: options.windows is {which!r}; it is "train" (default) or "valid", since what '
            "is removed must not be chosen on the test set"
        )


def _sparsity(plan: Plan, step: r.Prune) -> dict[str, Any]:
    table = plan.table()
    before, after = (sum(row[key] for row in table) for key in ("before", "after"))
    return {"sparsity_requested": step.sparsity, "sparsity_achieved": 1 - after / before, "plan": table}


def _quantize(task: Task, name: str, step: r.Quantize, state: State) -> Made:
    from trimcap.program.lower import lower
    from trimcap.program.save import save_program
    from trimcap.quantize.quantize import quantize

    rows = np.random.default_rng(task.seed).permutation(len(task.train))[: step.windows]
    parts = [task.train.take(np.sort(rows))]
    own = task.fold.calibration
    if own is not None and any(s.kind == "calibrate" for s in task.recipe.steps):
        parts.append(own)  # the wearer may have other amplitudes than everybody in training
    for part in parts:
        task.fold.ledger.record("calibration", part)
    program = quantize(
        lower(state.network, name="network", classes=task.train.classes),
        join([fitted_to(state.network, part) for part in parts]),
        bits=step.bits,
        method=step.ranges,
    )
    save_program(program, _place(task, name))
    return replace(state, program=program), {"notes": list(program.notes), **_network_cost(state.network, bits=8)}


def _export(task: Task, name: str, step: r.Export, state: State) -> Made:
    from trimcap.export.artifact import check_artifact, export
    from trimcap.program.lower import lower

    valid = fitted_to(state.network, task.valid)
    golden = valid.take(np.linspace(0, len(valid) - 1, min(step.golden, len(valid))).round().astype(np.int64))
    task.fold.ledger.record("verify", golden, "golden windows")
    program = state.program or lower(state.network, name="network", classes=valid.classes)
    place = export(program, _place(task, name), golden=golden)
    found = check_artifact(place).manifest["cost"]
    facts = {
        "parameters": state.network.n_parameters,
        "macs": found["macs"],
        "flash": found["flash_bytes"],
        "sram": found["arena_bytes"] + program.values[program.output].nbytes,
    }
    return replace(state, program=program, artifact=place), facts


def _verify(task: Task, _: str, step: r.Verify, state: State) -> Made:
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


def _kept(task: Task, name: str, network: Network, facts: Mapping[str, Any]) -> Made:
    save(network, _place(task, name))
    return State(network), {**facts, **_network_cost(network, bits=32)}


def _network_cost(network: Network, *, bits: int) -> dict[str, int]:
    found = cost(network, bits=bits)
    return {
        "parameters": found.parameters,
        "macs": found.macs,
        "flash": found.flash_bytes,
        "sram": found.sram_bytes,
    }


def _place(task: Task, name: str) -> Path:
    return task.folder.path / "networks" / slug(name)


_STEPS: dict[str, Callable[[Task, str, Any, State], Made]] = {
    "rewrite": _rewrite,
    "prune": _prune,
    "recover": _recover,
    "calibrate": _calibrate,
    "quantize": _quantize,
    "export": _export,
    "verify": _verify,
}
