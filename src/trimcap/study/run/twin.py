"""The leaky twin: the same network and data under shuffled windows, to show what such a split would have claimed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from trimcap.study.recipe.derived import LEAKY, derive
from trimcap.study.recipe.recipe import Recipe
from trimcap.study.report.figures.twin import twin_figure
from trimcap.study.results.gathered import Gathered, gather
from trimcap.study.results.statistics import Paired, compare
from trimcap.study.results.store import BASELINES, RunFolder, read_header
from trimcap.study.results.words import Section, Table, number, points, spread
from trimcap.study.run.run import Executor, run
from trimcap.study.run.workers import Tell

#: where a run folder keeps its twin
FOLDER = "leaky"
PROTOCOL = LEAKY[0]


def leaky_twin(recipe: Recipe, *, folds: int) -> Recipe:
    """The dense part of a recipe under `leaky_windows`, with the seeds of `[report] leaky_twin` or the first one.

    Parameters
    ----------
    folds : as many as the recipe's own protocol has

    Raises
    ------
    ValueError : the recipe's own protocol leaks.
    """
    if recipe.protocol.name in LEAKY:
        raise ValueError(f"[protocol] {recipe.protocol.name} leaks itself; a leaky twin is for honest protocols")
    wanted = recipe.report.leaky_twin
    seeds = recipe.seeds[:1] if isinstance(wanted, bool) else wanted
    return derive(recipe, protocol=PROTOCOL, folds=folds, seeds=seeds, dense=True)


def run_twin(
    folder: Path | str, *, jobs: int = 1, executor: Executor | None = None, progress: bool | Tell = False
) -> RunFolder:
    """Run the leaky twin of a run, in its folder `leaky`; goes on where it was interrupted.

    Parameters
    ----------
    folder : of a run, from `run`. Seeds are those of its `[report] leaky_twin`, or its first one
    jobs, executor, progress : as in `run`

    Raises
    ------
    FileNotFoundError : no run folder. ValueError : the run's protocol is leaky already. And whatever `run` raises.
    """
    header = read_header(folder)
    recipe = Recipe.model_validate(header["recipe"])
    twin = leaky_twin(recipe, folds=header["protocol"]["folds"])
    if header["protocol"]["leaky"]:
        raise ValueError(f"[protocol] {recipe.protocol.name} leaks itself; a leaky twin is for honest protocols")
    text = (
        f"# LEAKY twin of {recipe.name!r}, for comparison only: protocol {PROTOCOL}, {twin.protocol.folds} folds, "
        f"seeds {list(twin.seeds)}, no steps.\n# Made by `trimcap run --leaky-twin` from this recipe:\n\n"
    )
    return run(twin, Path(folder) / FOLDER, text=text + header["text"], jobs=jobs, executor=executor, progress=progress)


@dataclass(frozen=True)
class Inflation:
    """A classifier under the honest protocol and under the leaky one, over the same subjects.

    Parameters
    ----------
    honest, leaky : mean and standard deviation over subjects of their accuracy over all windows and seeds
    paired : leaky minus honest
    """

    classifier: str
    honest: tuple[float, float]
    leaky: tuple[float, float]
    paired: Paired


def inflations(honest: Gathered, leaky: Gathered) -> tuple[Inflation, ...]:
    """Every classifier that both runs have, with the seeds that the twin has, over the subjects that both have."""
    seeds = set(leaky.subjects.seed)
    ours = _accuracies(honest.subjects[honest.subjects.seed.isin(seeds)])
    theirs = _accuracies(leaky.subjects)
    found = []
    for stage in (s for s in ("dense", *BASELINES[1:]) if s in ours and s in theirs):
        both = pd.concat([ours[stage], theirs[stage]], axis=1, keys=["honest", "leaky"]).dropna()
        if len(both):
            means, sds = both.mean(), both.std(ddof=1)
            found.append(
                Inflation(
                    stage,
                    (float(means.honest), float(sds.honest)),
                    (float(means.leaky), float(sds.leaky)),
                    compare(both.leaky, both.honest),
                )
            )
    return tuple(found)


def twin_section(run: Gathered, folder: Path | str) -> Section:
    """The report's section about the twin in a run folder; empty if it was neither run nor asked for."""
    place = Path(folder) / FOLDER
    title = "What a leaky split would have claimed"
    try:
        twin = gather(place)
    except FileNotFoundError:
        asked = run.recipe.report.leaky_twin is not False
        return Section(FOLDER, title, text=(_MISSING,) if asked else ())
    found = inflations(run, twin)
    if not found:
        return Section(FOLDER, title, text=(_NOTHING,))
    return Section(
        FOLDER,
        title,
        text=(_said(found[0]), *_unfinished(twin)),
        tables=(inflation_table(run, twin, found),),
        figures=(twin_figure(found),),
    )


_MISSING = "The recipe asks for a leaky twin, but it has no finished trial; `trimcap run RECIPE --leaky-twin` adds it."
_NOTHING = "The leaky twin has no finished trial that can be compared; run it to the end."


def twin_facts(folder: Path | str) -> list[dict[str, Any]]:
    """Honest and leaky accuracy of every classifier of a run that has a finished twin, for JSON.

    Raises
    ------
    FileNotFoundError : no run, no twin, or nothing finished.
    """
    folder = Path(folder)
    return [
        {
            "classifier": one.classifier,
            "honest": one.honest[0],
            "LEAKY": one.leaky[0],
            "inflation": one.paired.difference,
            "interval": one.paired.interval,
        }
        for one in inflations(gather(folder), gather(folder / FOLDER))
    ]


def _accuracies(subjects: pd.DataFrame) -> pd.DataFrame:
    """Subject × stage: accuracy over all test windows, however many folds they were in."""
    hits = subjects.assign(hits=subjects.accuracy * subjects.n)
    sums = hits.groupby(["subject", "stage"])[["hits", "n"]].sum()
    return (sums.hits / sums.n).unstack("stage")


def inflation_table(run: Gathered, twin: Gathered, found: tuple[Inflation, ...]) -> Table:
    """Honest and leaky accuracy of every classifier, and the difference."""
    rows = []
    for one in found:
        low, high = one.paired.interval
        rows.append(
            (
                one.classifier,
                spread(*one.honest),
                spread(*one.leaky),
                points(one.paired.difference),
                f"{points(low)} … {points(high)}",
            )
        )
    seeds = sorted(set(twin.subjects.seed))
    return Table(
        "LEAKY beside honest: window accuracy, mean ± standard deviation over subjects.",
        ("classifier", "honest", "LEAKY", "inflation, points", "95 % interval"),
        tuple(rows),
        note=f"Honest: {run.header['protocol']['text']}. {twin.header['protocol']['text']}. Both with the same "
        f"windows, the same {_training(run)}, and seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}; "
        f"{found[0].paired.n} subjects. Interval: paired t over subjects.",
    )


def _said(one: Inflation) -> str:
    worth = (
        f"The difference of {points(one.paired.difference)} points is what it is worth to have seen other windows of "
        "the same recordings, and a new recording does not have it."
        if one.paired.interval[0] > 0
        else f"The difference of {points(one.paired.difference)} points can't be told from none with these subjects."
    )
    return (
        "LEAKY, for comparison only, and in no other table: windows shuffled before the split, so that every recording "
        f"is in training and in test, would have claimed {number(one.leaky[0])} for the {one.classifier} network "
        f"instead of {number(one.honest[0])}. {worth}"
    )


def _training(run: Gathered) -> str:
    return "training" if not run.recipe.choose else "training but for [choose], instead of which the twin takes [train]"


def _unfinished(twin: Gathered) -> tuple[str, ...]:
    if len(twin.trials) == twin.n_planned:
        return ()
    return (f"Unfinished: {len(twin.trials)} of {twin.n_planned} leaky trials are in this table.",)
