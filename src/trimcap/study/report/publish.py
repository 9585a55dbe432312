"""A run as a folder for a repository: a readable page, its figures, and tables from which its numbers follow again."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from trimcap._files import make_folder, write_atomic
from trimcap._sealed import Kind, listed, seal, unseal
from trimcap.study.recipe.recipe import Recipe
from trimcap.study.report import findings, tables
from trimcap.study.report import method_tables as methods
from trimcap.study.report.method_report import method_headline
from trimcap.study.report.pages import markdown_text, render
from trimcap.study.report.report import report_of
from trimcap.study.report.twin import inflation_table
from trimcap.study.results.gathered import Gathered, gather
from trimcap.study.results.inflation import FOLDER, inflations
from trimcap.study.results.method_results import outcomes, trunk_of
from trimcap.study.results.plain import read_table, write_csv
from trimcap.study.results.recount import recount, trials_of
from trimcap.study.results.store import RunFolder
from trimcap.study.results.words import Section, Table

#: what was run; with it a folder is a published one
FACTS = "study.json"
#: rows of a table that a page shows; a longer one is a CSV beside it
_MOST = 60
#: parts of a run's header that tables ask for
_HEADER = ("name", "hash", "recipe", "text", "versions", "data", "protocol")
_TABLES = ("results.csv", "subjects.csv")
_AGAIN = "Publish the run again by `trimcap report RUN --publish DIR`"
STUDY = Kind(
    "published run",
    "trimcap study 1",
    {
        "name": str, "hash": str, "recipe": {str: Any}, "text": str, "versions": {str: str}, "data": {str: Any},
        "protocol": {str: Any},
        "trials": [{"fold": int, "seed": int, "stages": int, "windows": int, "subjects": int}],
    },
    "publish the run again by `trimcap report RUN --publish DIR`",
    below=True,
)  # fmt: skip


def publish(run: Path | str, folder: Path | str) -> Path:
    """Write a run's `README.md`, `figures/`, `results.csv`, `subjects.csv` and what else its numbers follow from.

    `results.csv` has a row for every fold, seed and stage, `subjects.csv` for every subject as well; `study.json` says
    what was run. `check_published` derives the page's tables from these alone. Tables of more than 60 rows, as of the
    audit, become CSV files. A leaky twin is in `leaky/`.

    Parameters
    ----------
    run : a run folder with at least one finished trial
    folder : made if it is not there; files of these names are replaced

    `study.json` is sealed and has the hashes of all files but the page, which people add words to.

    Returns
    -------
    path of `README.md`

    Raises
    ------
    FileNotFoundError : no run folder, or no finished trial. OSError : the folder can't be written.
    """
    run, folder = Path(run), make_folder(folder)
    facts = report_of(run)
    figures = [figure for section in facts["sections"] for figure in section.figures]
    for figure in figures:
        write_atomic(folder / "figures" / f"{figure.name}.png", _small(figure.png))
    long = list[str]()
    sections = tuple(_readable(section, folder, long) for section in facts["sections"])
    if (run / FOLDER / "subjects.csv").is_file():
        _tables_of(run / FOLDER, folder / FOLDER)
        long += [f"{FOLDER}/{name}" for name in (FACTS, *_TABLES)]
    _tables_of(run, folder, [*long, *(f"figures/{figure.name}.png" for figure in figures)])
    return write_atomic(folder / "README.md", render("report.md.j2", facts | {"sections": sections}, html=False))


def check_published(folder: Path | str) -> int:
    """How many lines of tables and sentences of a published page follow from the CSV files beside it: all of them.

    Before that the files are compared with the hashes in `study.json`, and with each other, see `recount`.

    Raises
    ------
    FileNotFoundError : no published folder. ArtifactError : a file is missing or was changed. ValueError : names the
        first line that is not on the page, or where the tables contradict each other.
    """
    folder = Path(folder)
    for place in (folder, *([folder / FOLDER] if (folder / FOLDER).is_dir() else [])):
        if wrong := next(recount(_published(place)), ""):
            raise ValueError(f"{place}: {wrong}. {_AGAIN}")
    page = set((folder / "README.md").read_text(encoding="utf-8").splitlines())
    lines = list(_derived(folder))
    for line in lines:
        if line not in page:
            raise ValueError(f"{folder / 'README.md'} does not say what its CSV files give: {line!r}. {_AGAIN}")
    return len(lines)


def _derived(folder: Path) -> Iterator[str]:
    """Lines that a page must have."""
    whole = _published(folder)
    run, found = trunk_of(whole), outcomes(whole)
    compared = findings.compared_with_dense(run)
    yield f"**{markdown_text(method_headline(whole, found) if found else findings.headline(run, compared))}**"
    pair = compared.get(run.final)
    for said in (*tables.baselines_said(run), findings.power_said(pair) if pair else ""):
        if said:
            yield markdown_text(said)
    shown: list[Table | None] = [tables.accuracy_table(run), tables.cost_table(run), tables.subject_table(run)]
    shown.append(tables.facts_table(run))
    if compared:
        shown.append(tables.comparison_table(run, compared))
    if found:
        shown += [make(whole, found) for make in (methods.pivot_table, methods.outcome_table, methods.scores_table)]
        shown += [methods.against_table(whole, found), methods.budget_table(whole, found)]
    if (folder / FOLDER).is_dir():
        twin = _published(folder / FOLDER)
        shown.append(inflation_table(run, twin, inflations(run, twin)))
    for table in shown:
        for row in table.rows if table is not None and len(table.rows) <= _MOST else ():
            yield f"| {' | '.join(map(markdown_text, row))} |"


def _published(folder: Path) -> Gathered:
    """What tables need, from the files of a published folder."""
    path = folder / FACTS
    if not path.is_file():
        raise FileNotFoundError(
            f"'{folder}' is no published run: it has no {FACTS}. Make one by `trimcap report RUN --publish DIR`"
        )
    header = unseal(path, STUDY)
    for name in header["files"]:
        listed(path, header, name, STUDY)
    results, subjects = (read_table(listed(path, header, name, STUDY).decode()) for name in _TABLES)
    return Gathered(
        header=header,
        recipe=Recipe.model_validate(header["recipe"]),
        results=results,
        subjects=subjects,
        trials=(),
        confusion={},
        histories={},
        evidence={},
    )


def _tables_of(run: Path, folder: Path, files: Sequence[str] = ()) -> None:
    whole = gather(run)
    make_folder(folder)
    RunFolder(run).gather()  # tables are copies, which somebody may have edited
    for name in _TABLES:
        write_atomic(folder / name, (run / name).read_bytes())
    facts = {key: whole.header[key] for key in _HEADER} | {"trials": trials_of(whole.results, whole.subjects)}
    seal(folder / FACTS, STUDY, facts, files=dict.fromkeys([*_TABLES, *files]))


def _readable(section: Section, folder: Path, long: list[str]) -> Section:
    """A section without long tables, which become files, named in `long`."""
    shown, said = list[Table](), list(section.text)
    for number, table in enumerate(section.tables, start=1):
        if len(table.rows) <= _MOST:
            shown.append(table)
            continue
        name = f"{section.name}-{number}.csv"
        rows: list[dict[str, Any]] = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
        write_csv(folder / name, rows)
        long.append(name)
        said.append(f"{table.caption.rstrip('.')}: {len(rows):,} rows, in the file {name}. {table.note}".strip())
    return replace(section, text=tuple(said), tables=tuple(shown))


def _small(png: bytes) -> bytes:
    """The picture with a palette of 256 colours, if that takes less."""
    from PIL import Image

    out = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return min(png, out.getvalue(), key=len)
