"""A run folder becomes one HTML file that needs nothing else, and Markdown with the same content."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trimcap._files import write_atomic
from trimcap.study.report import findings, tables
from trimcap.study.report.figures import draw as figures
from trimcap.study.report.figures.scalp import evidence_figure
from trimcap.study.report.integers import integer_sections
from trimcap.study.report.latex import latex
from trimcap.study.report.method_report import method_headline, method_sections, method_tiles
from trimcap.study.report.pages import write_pages
from trimcap.study.report.twin import twin_section
from trimcap.study.results.gathered import Gathered, gather
from trimcap.study.results.method_results import outcomes, trunk_of
from trimcap.study.results.statistics import Paired
from trimcap.study.results.words import Drawing, Section

#: sections whose first table is written as LaTeX
_FOR_PAPERS = ("accuracy", "cost", "comparison", "leaky", "methods", "networks", "against", "budgets")


def report(folder: Path | str) -> Path:
    """Write `report.html`, `report.md`, `figures/*.png` and `tables/*.tex` into a run folder.

    Parameters
    ----------
    folder : a run folder with at least one finished trial

    Returns
    -------
    path of `report.html`

    Raises
    ------
    FileNotFoundError : no run folder, or no finished trial.
    OSError : the folder can't be written.
    """
    folder = Path(folder)
    facts = report_of(folder)
    for section in facts["sections"]:
        for figure in section.figures:
            write_atomic(folder / "figures" / f"{figure.name}.png", figure.png)
        if section.name in _FOR_PAPERS and section.tables:
            write_atomic(folder / "tables" / f"{section.name}.tex", latex(section.tables[0], label=section.name))
    return write_pages(folder, "report", facts)


def report_of(folder: Path | str) -> dict[str, Any]:
    """What the pages of a run folder are made of: title, headline, verdict, tiles and sections.

    Raises
    ------
    FileNotFoundError : no run folder, or no finished trial.
    """
    folder = Path(folder)
    whole = gather(folder)
    run, methods = trunk_of(whole), outcomes(whole)
    compared = findings.compared_with_dense(run)
    with figures.style():
        content = (*method_sections(whole, methods), *sections(run, compared, twin_section(run, folder)))
    return {
        "title": run.recipe.report.title or run.recipe.name,
        "headline": method_headline(whole, methods) if methods else findings.headline(run, compared),
        "verdict": _verdict(run, compared),
        "leak": tables.leak_label(run),
        "tiles": (*findings.tiles(run, compared), *method_tiles(whole, methods)),
        "sections": content,
    }


def sections(run: Gathered, compared: Mapping[str, Paired], twin: Section) -> tuple[Section, ...]:
    """The report's content in reading order; `twin` is about leaky numbers, and the only section that has any."""
    return (
        Section(
            "accuracy",
            "Accuracy",
            text=tables.baselines_said(run),
            tables=(tables.accuracy_table(run),),
            figures=(figures.subjects_figure(run),),
        ),
        Section("cost", "Cost", tables=(tables.cost_table(run),), figures=_drawn(figures.cost_figure(run))),
        Section(
            "comparison",
            "As good as dense?",
            text=_argued(run, compared),
            tables=(tables.comparison_table(run, compared),) if compared else (),
        ),
        *integer_sections(run),
        twin,
        Section("caveats", "Read this before believing it", text=tuple(f"• {c}" for c in findings.caveats(run))),
        Section("confusion", "Confusion matrices", figures=_drawn(figures.confusion_figure(run))),
        Section("evidence", "Where the networks look", figures=_drawn(evidence_figure(run))),
        Section("curves", "Training curves", figures=_drawn(figures.curves_figure(run))),
        Section("subjects", "Every subject", tables=(tables.subject_table(run),)),
        *_choices(run),
        Section("audit", "Audit", tables=(tables.verdict_table(run), tables.audit_table(run))),
        Section(
            "reproduce",
            "Reproduce it",
            text=("Run the recipe below with these versions.",),
            tables=(tables.facts_table(run),),
            source=run.header["text"],
        ),
    )


def _verdict(run: Gathered, compared: Mapping[str, Paired]) -> str:
    return findings.verdict(compared.get(run.final), nothing=findings.nothing_learned(run))


def _argued(run: Gathered, compared: Mapping[str, Paired]) -> tuple[str, ...]:
    """The verdict, and what could have been shown at all."""
    pair = compared.get(run.final)
    return tuple(text for text in (_verdict(run, compared), findings.power_said(pair) if pair else "") if text)


def _choices(run: Gathered) -> tuple[Section, ...]:
    table = tables.choice_table(run)
    return (Section("choices", "What the folds chose", tables=(table,)),) if table else ()


def _drawn(figure: Drawing | None) -> tuple[Drawing, ...]:
    return (figure,) if figure else ()
