"""The part of a report that sets methods side by side."""

from __future__ import annotations

from collections.abc import Sequence

from trimcap._errors import counted
from trimcap.study.report import method_tables as tables
from trimcap.study.report.figures.methods import methods_figure, recovery_figure
from trimcap.study.report.findings import nothing_learned, result_label
from trimcap.study.report.tables import leak_label
from trimcap.study.results.gathered import Gathered
from trimcap.study.results.method_results import Outcome, fewer, smallest, trunk_of
from trimcap.study.results.statistics import per_subject
from trimcap.study.results.words import Section, Tile, number, points, probability, times


def method_headline(run: Gathered, found: Sequence[Outcome]) -> str:
    """The whole result in a sentence; under random labels it says first that it is none."""
    trunk = trunk_of(run)
    table = per_subject(run.subjects)
    base, margin = trunk.final, 100 * run.recipe.report.margin
    text = (
        f"{result_label(trunk)}{counted(len({o.method for o in found}), 'method')}, "
        f"{counted(len(found), 'network')} of {run.recipe.model.name}: "
        f"{leak_label(run).lower()}{base} {number(float(table[base].mean()))} window accuracy over "
        f"{counted(len(table), 'subject')}. "
    )
    if why := nothing_learned(trunk, base):
        return text + why[0].upper() + why[1:]
    best = smallest(run, found)
    passing = sum(outcome.passes for outcome in found)
    if best is None:
        raw = sum(outcome.passes_alone for outcome in found)
        return text + (
            f"None is shown to be within {margin:g} points of it after correction for {counted(len(found), 'test')}"
            + (f" ({raw} before)." if raw else ".")
        )
    cost = run.cost
    parameters, macs = (fewer(cost[key][base], cost[key][best.last]) for key in ("parameters", "macs"))
    return text + (
        f"{passing} within {margin:g} points of it (non-inferiority, corrected for {counted(len(found), 'test')}); the "
        f"smallest is {best.title} with {parameters} fewer parameters and {macs} fewer MACs "
        f"({points(best.pair.difference)} points, corrected p = {probability(float(best.holm))})."
    )


def method_tiles(run: Gathered, found: Sequence[Outcome]) -> tuple[Tile, ...]:
    """How many passed, and the smallest that did."""
    if not found or found[0].unproven:
        return ()
    best, cost, base = smallest(run, found), run.cost, trunk_of(run).final
    passing = sum(o.passes for o in found)
    tiles = [Tile(f"{passing} of {len(found)}", "not worse than " + base, "after correction", passing > 0 or None)]
    if best is not None:
        ratios = ", ".join(
            f"{times(cost[key][base], cost[key][best.last])} fewer {name}"
            for key, name in (("parameters", "parameters"), ("macs", "MACs"))
        )
        tiles.append(Tile(best.title, "the smallest of these", ratios, True))
    return tuple(tiles)


def method_sections(run: Gathered, found: Sequence[Outcome]) -> tuple[Section, ...]:
    """Sections about the methods, in reading order; none without `[compare]`."""
    if not found:
        return ()
    recovery = recovery_figure(run, found)
    against, budgets = tables.against_table(run, found), tables.budget_table(run, found)
    sections = [
        Section(
            "methods",
            "Methods side by side",
            text=(
                "Every method goes on from the same trained network of a fold and seed. Which of them looks best here "
                "is seen on test subjects: choose one by its validation accuracy, or by what is right for your "
                "headset, and test that one on new subjects.",
            ),
            tables=(tables.pivot_table(run, found),),
            figures=(methods_figure(run, found), *((recovery,) if recovery else ())),
        ),
        Section(
            "networks", "Every network", tables=(tables.outcome_table(run, found), tables.scores_table(run, found))
        ),
    ]
    if against is not None:
        assert run.recipe.compare is not None
        sections.append(Section("against", f"Against {run.recipe.compare.reference}", tables=(against,)))
    if budgets is not None:
        sections.append(Section("budgets", "What the training cost", tables=(budgets,)))
    return tuple(sections)
