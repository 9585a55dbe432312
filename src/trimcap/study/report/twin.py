"""The report's section about the leaky twin."""

from __future__ import annotations

from pathlib import Path

from trimcap.study.report.figures.twin import twin_figure
from trimcap.study.results.gathered import Gathered, gather
from trimcap.study.results.inflation import FOLDER, Inflation, inflations
from trimcap.study.results.words import Section, Table, interval, number, points, spread

_MISSING = "The recipe asks for a leaky twin, but it has no finished trial; `trimcap run RECIPE --leaky-twin` adds it."
_NOTHING = "The leaky twin has no finished trial that can be compared; run it to the end."


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


def inflation_table(run: Gathered, twin: Gathered, found: tuple[Inflation, ...]) -> Table:
    """Honest and leaky accuracy of every classifier, and the difference."""
    rows = [
        (
            one.classifier,
            spread(*one.honest),
            spread(*one.leaky),
            points(one.paired.difference),
            interval(one.paired.interval),
        )
        for one in found
    ]
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
