"""One fold and seed: all stages, then the sealed test set, then the audit."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimcap._errors import ArtifactError, VerifyError
from trimcap._files import sha256
from trimcap.data.ledger import Ledger
from trimcap.data.libraries.door import aligned
from trimcap.data.splits.findings import Finding
from trimcap.data.windows import Windows
from trimcap.study.recipe.plan import plan_of
from trimcap.study.recipe.recipe import Recipe
from trimcap.study.results.store import BASELINES
from trimcap.study.results.trial_folder import TrialFolder
from trimcap.study.run.baselines import classified, names_of
from trimcap.study.run.choosing import choose
from trimcap.study.run.evidence import electrode_evidence
from trimcap.study.run.machine import machine
from trimcap.study.run.prepare import Prepared, folds_of
from trimcap.study.steps.fitting import dense
from trimcap.study.steps.kind import Stage, slug
from trimcap.study.steps.table import KINDS
from trimcap.study.steps.task import Made, State, Task, fitted_to, restored
from trimcap.train.metrics import Metrics, evaluate, per_subject, per_trial
from trimcap.train.predict import predict, softmax

Probabilities = NDArray[np.float64]
Logits = NDArray[np.float32]
#: windows that the C or the interpreter is given at once
_WINDOWS = 1024
_COPIED = (
    "parameters", "macs", "flash", "sram", "sparsity_requested", "sparsity_achieved", "nonzero", "compressed",
    "budget_epochs", "budget_macs", "plain_macs", "plain_flash", "plain_sram",
    *(column for kind in KINDS.values() for column in kind.columns),
)  # fmt: skip


def run_trial(
    recipe: Recipe,
    prepared: Prepared,
    *,
    fold: int,
    seed: int,
    folder: TrialFolder,
    shared: tuple[Finding, ...] | None = None,
) -> dict[str, Any]:
    """Run one trial, or the part of it that is not in `folder` yet.

    First all stages are made; only then is the test set opened, once for each of them, and nothing is made after that.

    Parameters
    ----------
    shared : what the sides of the fold share by content, where that is known; None looks

    Returns
    -------
    facts of the trial: rows, subjects, audit, seconds; the same as in `trial.json`

    Raises
    ------
    VerifyError : C and the interpreter disagree. And whatever a stage raises, with a note that names trial and stage.
    """
    if folder.has("trial"):
        return folder.read("trial")
    own = replace(folds_of(prepared, recipe.protocol)[fold], known=shared)
    stages = plan_of(recipe)
    task, choice = choose(Task(recipe, prepared, own, seed, folder, stages))
    built: dict[str, dict[str, Any]] = {}
    states: dict[str, State] = {}
    made: dict[str | None, State] = {}
    for stage in stages:
        made[stage.name], built[stage.name] = _built(task, stage, made.get(stage.parent))
        if stage.is_network:
            states[stage.name] = made[stage.name]
    _evidence(task, {s.name: states[s.name] for s in stages if s.name in states and not s.method})
    evaluated = {name: _evaluated(task, name, states) for name in (*names_of(recipe, prepared.windows), *states)}
    networks = {name: state.program or state.network for name, state in states.items()}
    facts = folder.finish(_facts(task, built, evaluated, choice, networks), without=_forgotten(recipe, folder))
    forget(recipe, folder)
    return facts


def _built(task: Task, stage: Stage, state: State | None) -> Made:
    name = stage.name
    piece = f"built/{slug(name)}"
    if task.folder.has(piece):
        facts = task.folder.read(piece)
        task.fold.ledger.merge(Ledger.from_rows(facts["ledger"]))
        if (now := _saved(task, name)) != facts["saved"]:
            different = next(file for file in {*now, *facts["saved"]} if now.get(file) != facts["saved"].get(file))
            raise ArtifactError(
                f"{task.folder.path / different} is not what stage {name!r} of {task.folder.name} saved (removed, "
                "edited or copied from elsewhere). Delete the folder of this trial, and run again"
            )
        return restore(task, stage, state), facts
    start, before = time.perf_counter(), len(task.fold.ledger)
    try:
        state, facts = make(task, stage, state)
    except Exception as error:
        error.add_note(f"in {task.folder.name} ({task.fold.name}), stage {name!r}")
        raise
    facts = {**facts, "seconds": time.perf_counter() - start, "ledger": task.fold.ledger.since(before).to_rows()}
    facts["saved"] = _saved(task, name)
    return state, task.folder.write(piece, facts)


def make(task: Task, stage: Stage, state: State | None) -> Made:
    """Carry out one step and save its result in the trial's folder."""
    if stage.kind is None or state is None:
        return dense(task, stage.name)
    return stage.kind.make(task, stage.name, stage.step, state)


def restore(task: Task, stage: Stage, state: State | None) -> State:
    """The state that `make` saved."""
    if stage.kind is None or state is None or stage.kind.restore is None:
        return restored(task, stage.name)
    return stage.kind.restore(task, stage.name, state)


def _saved(task: Task, name: str) -> dict[str, str]:
    """Hashes of the files of a stage; a sealed one has those of the files beside it."""
    folder = task.folder
    heads = (folder.network(name) / head for head in ("network.json", "program.json", "manifest.json"))
    files = (*heads, folder.masks(name), folder.history(name), folder.plan(name))
    return {file.relative_to(folder.path).as_posix(): sha256(file) for file in files if file.is_file()}


def forget(recipe: Recipe, folder: TrialFolder) -> None:
    """Remove the networks of a finished trial's methods, unless the recipe keeps them; what was measured stays."""
    for path in _forgotten(recipe, folder):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _forgotten(recipe: Recipe, folder: TrialFolder) -> list[Path]:
    """What `forget` removes."""
    if recipe.compare is None or recipe.compare.keep_networks:
        return []
    methods = [stage.name for stage in plan_of(recipe) if stage.method]
    return [path for name in methods for path in (folder.network(name), folder.masks(name))]


def _evidence(task: Task, states: dict[str, State]) -> None:
    """Maps of the first and the last float network, on validation windows."""
    floats = [name for name, state in states.items() if state.program is None]
    for name in dict.fromkeys((floats[0], floats[-1])):
        piece = f"evidence/{slug(name)}"
        if not task.folder.has(piece):
            before = len(task.fold.ledger)
            network = states[name].network
            windows = fitted_to(network, task.valid)
            task.fold.ledger.record("evidence", windows, name)
            grid, channels = task.prepared.grid, task.valid.channels
            task.folder.write_arrays(piece, evidence=electrode_evidence(network, windows, channels=channels, grid=grid))
            task.folder.write(piece, {"ledger": task.fold.ledger.since(before).to_rows()})
        else:
            task.fold.ledger.merge(Ledger.from_rows(task.folder.read(piece)["ledger"]))


def _evaluated(task: Task, name: str, states: dict[str, State]) -> dict[str, Any]:
    piece = f"evaluated/{slug(name)}"
    if task.folder.has(piece):
        facts = task.folder.read(piece)
        task.fold.ledger.merge(Ledger.from_rows(facts["ledger"]))
        return facts
    before = len(task.fold.ledger)
    scores: dict[str, Any]
    if name in BASELINES:
        found = classified(task.fold, name, task.recipe)
        test, p, scores = found.test, found.probabilities, dict(found.facts)
    else:
        predictor = _predictor(states[name])
        # `_facts` tells the audit what the network had seen; whatever runs it here does not know
        test = replace(task.fold.test.open("evaluate", name), ledger=None)
        logits = predictor(test)
        compared = _compared(task, name, states, logits)
        p, valid = softmax(logits), softmax(predictor(task.valid))
        scores = {"compared": compared}
        scores |= {f"valid_{k}": v for k, v in evaluate(task.valid.y, valid, test.classes).row().items() if k != "n"}
        task.folder.write_arrays(f"logits/{slug(name)}", test=logits)
        task.folder.write(f"logits/{slug(name)}", {})
    row = _row(evaluate(test.y, p, test.classes)) | per_trial(test, p)
    task.folder.write_arrays(piece, y=test.y, probabilities=p, ids=test.ids)
    subjects = per_subject(test, p).to_dict("records")
    return task.folder.write(
        piece, {**row, **scores, "subjects": subjects, "ledger": task.fold.ledger.since(before).to_rows()}
    )


def _predictor(state: State) -> Callable[[Windows], Logits]:
    """Windows → logits: by the compiled C, the interpreter, or PyTorch, whatever the state has come to."""
    if state.artifact is not None:
        from trimcap import runtime

        # the library stays loaded when its file is gone
        with tempfile.TemporaryDirectory(prefix="trimcap-") as cache:
            runner = runtime.load(state.artifact, cache=cache)
        return lambda windows: predict(runner, fitted_to(state.network, windows), batch_size=_WINDOWS)
    if state.program is not None:
        from trimcap.program.interpret import dequantize, interpret

        program = state.program
        return lambda windows: predict(
            lambda X: dequantize(program, interpret(program, X)),
            aligned(fitted_to(state.network, windows), program.expects, what=program.name),
            batch_size=_WINDOWS,
        )
    module = state.network.module()
    return lambda windows: predict(module, fitted_to(state.network, windows))


def _compared(task: Task, name: str, states: dict[str, State], logits: Logits) -> int:
    """On how many test windows the C gave its integer interpreter's logits, bit for bit: on all, or it is an error."""
    state = states[name]
    if state.artifact is None or state.program is None or not state.program.integer:
        return 0
    interpreted = next(n for n, s in states.items() if s.artifact is None and s.program is state.program)
    reference = task.folder.read_arrays(f"logits/{slug(interpreted)}")["test"]
    wrong = np.flatnonzero((reference != logits).any(axis=1))
    if len(wrong):
        worst = float(np.abs(reference - logits).max())
        raise VerifyError(
            f"C and interpreter disagree on {len(wrong)} of {len(logits)} test windows of {task.folder.name}, first on "
            f"window {task.fold.test.ids[wrong[0]]}: largest difference of a logit {worst:g}. "
            f"The artifact is in {state.artifact}"
        )
    return len(logits)


def _facts(
    task: Task,
    built: dict[str, Any],
    evaluated: dict[str, Any],
    choice: dict[str, Any] | None,
    networks: dict[str, Any],
) -> dict[str, Any]:
    common = {"fold": task.folder.fold, "seed": task.seed}
    verifications = _verifications(task, built)
    stages = {stage.name: stage for stage in task.stages} if task.recipe.compare else {}
    rows, subjects = [], []
    for name, scores in evaluated.items():
        made = built.get(name, {})
        row = {**common, "fold_name": task.fold.name, "stage": name, "leaky": task.fold.leaky}
        row |= {k: v for k, v in scores.items() if k not in ("subjects", "ledger", "confusion", "compared")}
        row |= {key: made.get(key) for key in _COPIED}
        if name in stages:
            row |= {"method": stages[name].method, "method_sparsity": stages[name].sparsity}
        verification = verifications.get(name, {})
        row["verified"] = verification.get("verified", "")
        row["verified_windows"] = verification["verified_windows"] + scores["compared"] if row["verified"] else None
        row |= {"seconds": made.get("seconds"), "sha256": _digest(task.folder, name)}
        rows.append(row)
        subjects += [{**common, "stage": name, "leaky": task.fold.leaky, **s} for s in scores["subjects"]]
    audit = task.fold.audit(networks)
    return {
        **common,
        "fold_name": task.fold.name,
        "rows": rows,
        "subjects": subjects,
        "audit": {
            "verdict": audit.verdict,
            "checks": audit.checks,
            "findings": [asdict(f) for f in audit.findings],
            "rows": list(audit.rows),
        },
        "ledger": task.fold.ledger.to_rows(),
        "warnings": {name: made["warnings"] for name, made in built.items() if made.get("warnings")},
        "choice": None if choice is None else {key: choice[key] for key in ("chosen", "compared", "inner_folds")},
        "machine": machine(),
        "seconds": sum(f.get("seconds", 0) for f in (*built.values(), choice or {})),
    }


def _verifications(task: Task, built: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Exported stage → the facts of the step that verified it; methods may export and verify each for itself."""
    found: dict[str, dict[str, Any]] = {}
    for name, facts in built.items():
        if "verified" in facts:
            exported = next(one.name for one in reversed(task.before(name)) if "artifact" in one.changes)
            found.setdefault(exported, facts)
    return found


def _row(metrics: Metrics) -> dict[str, Any]:
    return {**metrics.row(), "confusion": metrics.confusion}


def _digest(folder: TrialFolder, name: str) -> str:
    """SHA-256 over the test probabilities of a stage: equal runs have equal ones."""
    p = folder.read_arrays(f"evaluated/{slug(name)}")["probabilities"]
    return hashlib.sha256(np.ascontiguousarray(p).tobytes()).hexdigest()
