"""A published run counted again: trials, subjects and windows, and the scores of folds from those of subjects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from trimcap.study.results.gathered import Gathered
from trimcap.study.results.words import listed

#: what `recount` can't follow from anything that is published
UNSEEN = (
    "F1, κ and AUROC of a fold, balanced accuracies, scores of every subject, costs, the audit and figures follow from "
    "no other published file: of them only the seals show an edit"
)
_KEY = ["fold", "seed", "stage"]


def trials_of(results: pd.DataFrame, subjects: pd.DataFrame) -> list[dict[str, Any]]:
    """For `study.json`: the trials in the tables, with their stages, windows and subjects."""
    found = []
    for fold, seed in results[["fold", "seed"]].drop_duplicates().itertuples(index=False):
        rows = results[(results.fold == fold) & (results.seed == seed)]
        own = subjects[(subjects.fold == fold) & (subjects.seed == seed)]
        found.append(
            {
                "fold": int(fold),
                "seed": int(seed),
                "stages": len(rows),
                "windows": int(rows.n.iloc[0]),
                "subjects": int(own.subject.nunique()),
            }
        )
    return found


def recount(run: Gathered) -> Iterator[str]:
    """What the tables of a published run contradict each other in, or `study.json`; nothing if they agree."""
    results, subjects, trials = run.results, run.subjects, run.header["trials"]
    pairs = sorted((one["fold"], one["seed"]) for one in trials)
    planned = {(f, s) for f in range(int(run.header["protocol"]["folds"])) for s in run.recipe.seeds}
    if extra := sorted(set(pairs) - planned):
        yield f"study.json has the trials (fold, seed) {listed(extra)}, which its recipe does not ask for"
    for name, table in (("results.csv", results), ("subjects.csv", subjects)):
        there = sorted({(int(f), int(s)) for f, s in zip(table.fold, table.seed, strict=True)})
        if there != pairs:
            yield f"{name} has {len(there)} trials and study.json {len(pairs)}: {_odd(there, pairs)}"
    for trial in trials:
        yield from _of_trial(trial, results, subjects)
    unknown = set(subjects.subject) - set(map(str, run.header["data"]["subjects"]))
    if unknown:
        yield f"subjects.csv has {listed(sorted(unknown))}, of whom study.json knows nothing"
    twice = results[results.duplicated(_KEY)], subjects[subjects.duplicated([*_KEY, "subject"])]
    for name, table in zip(("results.csv", "subjects.csv"), twice, strict=True):
        if len(table):
            yield f"{name} has a row twice: {_at(table.iloc[0])}"
    yield from _scores(results, subjects)


def _of_trial(trial: dict[str, Any], results: pd.DataFrame, subjects: pd.DataFrame) -> Iterator[str]:
    """Whether each stage of a trial has all its windows and subjects."""
    where = f"fold {trial['fold']}, seed {trial['seed']}"
    rows, own = (t[(t.fold == trial["fold"]) & (t.seed == trial["seed"])] for t in (results, subjects))
    if len(rows) != trial["stages"]:
        yield f"results.csv has {len(rows)} stages of {where} and study.json {trial['stages']}"
    if set(rows.stage) != set(own.stage):
        yield f"subjects.csv and results.csv have other stages of {where}: {_odd(set(own.stage), set(rows.stage))}"
    for stage, part in own.groupby("stage", sort=False):
        if (part.subject.nunique(), part.n.sum()) != (trial["subjects"], trial["windows"]):
            yield (
                f"subjects.csv has {part.subject.nunique()} subjects with {part.n.sum():g} windows of {where}, stage "
                f"{stage!r}, and study.json {trial['subjects']} with {trial['windows']}"
            )


def _scores(results: pd.DataFrame, subjects: pd.DataFrame) -> Iterator[str]:
    """Scores of folds that are means over subjects, weighted by their windows or trials."""
    for score, weight in (
        ("n", None),
        ("accuracy", "n"),
        ("trials", None),
        ("trial_vote", "trials"),
        ("trial_mean", "trials"),
    ):
        if score not in results or score not in subjects:
            continue
        value = subjects[score] * (subjects[weight] if weight else 1)
        total = value.groupby([subjects[k] for k in _KEY], sort=False).agg(lambda v: v.sum(skipna=False))
        if weight:
            total = total / subjects.groupby(_KEY, sort=False)[weight].sum()
        for _, row in results.iterrows():
            want = total.get(tuple(row[k] for k in _KEY), np.nan)
            if np.isfinite(want) and not abs(row[score] - want) < 1e-9:
                yield f"results.csv says {score} {row[score]:.6g} of {_at(row)}, and subjects.csv gives {want:.6g}"


def _odd(here: Any, there: Any) -> str:
    more, less = sorted(set(here) - set(there)), sorted(set(there) - set(here))
    parts = (f"too many: {listed(more)}" if more else "", f"missing: {listed(less)}" if less else "")
    return "; ".join(filter(None, parts))


def _at(row: Any) -> str:
    return f"fold {row.fold}, seed {row.seed}, stage {row.stage!r}"
