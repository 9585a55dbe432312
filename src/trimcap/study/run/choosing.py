"""A trial chooses hyper-parameters on inner folds, before its own training begins."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np

from trimcap.data.ledger import Ledger
from trimcap.data.splits.folds import Fold
from trimcap.data.splits.nesting import nested, training_windows
from trimcap.study.recipe.choose import combinations, with_choice
from trimcap.study.recipe.recipe import Recipe
from trimcap.study.steps.task import Task, untrained

_PIECE = "chosen"


def choose(task: Task) -> tuple[Task, dict[str, Any] | None]:
    """The task with the best combination of the recipe's `[choose]`, and what was compared; or as it was.

    Every combination is trained on every inner fold, stopped on the inner validation windows and scored on the inner
    test windows; the highest mean accuracy wins, the first in the recipe's order among equals. The outer test set is
    not among the inner folds' windows; the outer ledger records under "choose" which were.
    """
    if not task.recipe.choose:
        return task, None
    if task.folder.has(_PIECE):
        facts = task.folder.read(_PIECE)
        task.fold.ledger.merge(Ledger.from_rows(facts["ledger"]))
    else:
        facts = task.folder.write(_PIECE, _compare(task))
    return replace(task, recipe=with_choice(task.recipe, facts["chosen"])), facts


def _compare(task: Task) -> dict[str, Any]:
    recipe, start = task.recipe, time.perf_counter()
    seen = Ledger()
    seen.record("choose", training_windows(task.fold))
    task.fold.ledger.merge(seen)
    inner = nested(task.fold, **_inner_options(task))
    rows: list[dict[str, Any]] = []
    for choice in combinations(recipe):
        scores = [_score(with_choice(recipe, choice), fold, seed=task.seed) for fold in inner]
        rows.append({"values": choice, "accuracy": float(np.mean(scores)), "folds": scores})
    best = max(rows, key=lambda row: float(row["accuracy"]))  # the first of equals
    return {
        "chosen": best["values"],
        "compared": rows,
        "inner_folds": [fold.name for fold in inner],
        "seconds": time.perf_counter() - start,
        "ledger": seen.to_rows(),
    }


def _inner_options(task: Task) -> dict[str, Any]:
    """The inner split is that of the recipe's seed, whatever the trial's."""
    protocol = task.recipe.protocol
    own: dict[str, Any] = {"n_folds": protocol.inner, "valid": protocol.valid, "seed": task.fold.seed}
    allowed = protocol.options.get("missing_classes")
    return own if allowed is None else {**own, "missing_classes": allowed}


def _score(recipe: Recipe, fold: Fold, *, seed: int) -> float:
    """Accuracy on the inner test windows."""
    from trimcap.train.fit import fit
    from trimcap.train.predict import predict

    train = fold.train
    model = untrained(recipe, train, seed=seed, ledger=fold.ledger)
    fitted = fit(model, train, fold.valid, seed=seed, ledger=fold.ledger, **recipe.train.model_dump())
    held = fold.test.open("evaluate", "inner")
    fold.audit().raise_if_failed()
    return float((predict(fitted.model, held).argmax(axis=1) == held.y).mean())
