"""`trimcap run`, `demo`, `report` and `baselines`: a whole study from one recipe."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trimcap.cli.io import inputs, outputs
from trimcap.cli.io.answer import Answer, Misuse, typed
from trimcap.cli.io.show import table
from trimcap.study.recipe.shipped import recipe_path

if TYPE_CHECKING:
    import pandas as pd


Rows = Annotated[Path | None, typer.Option("--out", help="CSV of every fold, baseline and subject.")]
RecipeFile = Annotated[str, typer.Argument(metavar="RECIPE", help="A .toml file, or the name of a shipped recipe.")]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")]
Out = Annotated[Path | None, typer.Option("--out", help="Run folder; default: runs/NAME of the recipe.")]
DemoOut = Annotated[Path, typer.Option("--out", help="Run folder.")]
Twin = Annotated[
    bool, typer.Option("--leaky-twin", help="Also run the dense network under shuffled windows, to show the inflation.")
]
Publish = Annotated[
    Path | None, typer.Option("--publish", metavar="DIR", help="Write a folder for a repository: page, figures, CSV.")
]
Check = Annotated[bool, typer.Option("--check", help="RUN is a published folder: derive its tables again.")]
Jobs = Annotated[int | None, typer.Option("--jobs", min=1, help="Processes, one trial each; default: all cores.")]


Portable = Annotated[
    bool,
    typer.Option("--portable", help="Only kernels that every processor with AVX2 has: up to 1.4× slower."),
]
#: variables that keep PyTorch, oneDNN and MKL to kernels that do not depend on the processor
_PORTABLE = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_CBWR": "COMPATIBLE"}


def run(
    recipe: RecipeFile, out: Out = None, jobs: Jobs = None, leaky_twin: Twin = False, portable: Portable = False
) -> Answer:
    """Run a recipe: train, compress, export, verify, evaluate, report. Goes on where it was interrupted."""
    if portable:
        _only_portable()
    return _study(recipe, out, jobs, twin=leaky_twin)


def demo(out: DemoOut = Path("runs/demo"), jobs: Jobs = None) -> Answer:
    """Run the demonstration study on synthetic EEG and say where its report is."""
    return _study("demo", out, jobs)


def report(run: RunFolder, publish: Publish = None, check: Check = False) -> Answer:
    """Write report.html and report.md of a run again; or publish it, or check what was published."""
    from trimcap.study.report.report import report as write

    if check:
        from trimcap.study.report.publish import check_published
        from trimcap.study.results.recount import UNSEEN

        if publish is not None:
            raise Misuse("--check and --publish do not go together: publish first, then check the published folder")
        try:
            lines = check_published(run)
        except ValueError as error:
            return Answer({"folder": run}, [], failed=str(error))
        said = [f"{run}: {lines} lines follow from the CSV files, which agree with each other and with study.json"]
        return Answer({"folder": run, "lines": lines, "unseen": UNSEEN}, [*said, f"not seen: {UNSEEN}"])
    inputs.need(str(run), "run")
    if publish is not None:
        from trimcap.study.report.publish import publish as write_folder

        page = write_folder(run, publish)
        return Answer({"run": run, "page": page}, [f"published: {page}"])
    path = write(run)
    facts = {"run": run, "report": path, "markdown": path.with_suffix(".md")}
    return Answer(facts, [f"report: {path}"])


def _only_portable() -> None:
    """Choose kernels, which libraries read when they are loaded."""
    if "torch" in sys.modules:
        raise Misuse(
            "--portable comes too late: PyTorch is loaded already and has chosen its kernels; use a new process"
        )
    os.environ.update(_PORTABLE)


def _study(recipe: str, out: Path | None, jobs: int | None, *, twin: bool = False) -> Answer:
    from trimcap._errors import AuditError
    from trimcap.study.recipe.extends import full_text
    from trimcap.study.recipe.recipe import load_recipe
    from trimcap.study.report.report import report as write_report
    from trimcap.study.results.store import check_same
    from trimcap.study.run.before_training import check_names
    from trimcap.study.run.run import run as study
    from trimcap.study.run.twin import leaky_twin, run_twin

    inputs.see_here()
    with typed():
        path = recipe_path(recipe)
        content = load_recipe(path)
        check_names(content)
        twin = twin or content.report.leaky_twin is not False
        if twin:
            leaky_twin(content, folds=2)  # refuses what has none, before hours of training
        folder = out or Path("runs") / content.name
        if folder.exists() and not folder.is_dir():
            raise Misuse(f"'{folder}' is a file; give --out a folder")
        _check_empty(folder)
        if (folder / "run.json").is_file():
            check_same(folder, content)
    failed = ""
    try:
        text = full_text(path)
        jobs = jobs or len(os.sched_getaffinity(0))
        study(content, folder, text=text, jobs=jobs, progress=True)
        if twin:
            write_report(folder)  # is there, whatever becomes of the twin
            run_twin(folder, jobs=jobs, progress=True)
    except AuditError as error:
        if not _finished(folder):
            raise
        failed = str(error)  # the report of the trials that are there shows what was wrong
    write_report(folder)
    return _summary(folder, failed, twin=twin and not failed)


def _finished(folder: Path) -> bool:
    """Whether there is a trial to report."""
    from trimcap.study.results.store import RunFolder as Store
    from trimcap.study.results.store import began

    return began(folder) and any(trial.has("trial") for trial in Store(folder).trials)


def _check_empty(folder: Path) -> None:
    """Refuse a folder with other work of trimcap in it."""
    held = outputs.kind_of(folder)
    if held != "run" and (held or outputs.history(folder)):
        raise Misuse(f"folder '{folder}' holds {f'a trimcap {held}' if held else 'other work'}; choose another --out")


def baselines(recipe: RecipeFile, out: Rows = None) -> Answer:
    """Score a recipe's baselines on its folds, as a run does, without training a network."""
    from trimcap.study.recipe.recipe import load_recipe
    from trimcap.study.results.plain import write_csv
    from trimcap.study.results.statistics import metrics_of, summary
    from trimcap.study.run.baselines import baselines_alone

    inputs.see_here()
    with typed():
        content = load_recipe(recipe_path(recipe))
    found = baselines_alone(content)
    scores, metrics = summary(found), metrics_of(found)
    names = [str(name) for name in scores.index]
    rows = [(name, *(float(scores[(key, "mean")].loc[name]) for key in metrics)) for name in names]
    heads = ("baseline", *(metric.short_head for metric in metrics.values()))
    title = f"window accuracy, mean over {found.subject.nunique()} subjects"
    lines: list[object] = [table(heads, rows, title=title)]
    if out is not None:
        write_csv(out, found.to_dict("records"))  # type: ignore[arg-type]  # columns have names
        lines.append(f"written: {out}")
    return Answer({"recipe": content.name, "baselines": [dict(zip(heads, row, strict=True)) for row in rows]}, lines)


def _summary(folder: Path, failed: str, *, twin: bool = False) -> Answer:
    from trimcap.data.splits.findings import UNSEEN
    from trimcap.study.results.store import RunFolder as Store

    run_folder = Store(folder)
    results = run_folder.results()
    trials = [trial.read("trial") for trial in run_folder.trials if trial.has("trial")]
    verdicts = [(t["fold_name"], t["seed"], t["audit"]["verdict"]) for t in trials]
    stages = _stages(results, run_folder.subjects())
    page = folder / "report.html"
    leaky = bool(run_folder.header["protocol"]["leaky"])
    facts = {
        "run": folder,
        "report": page,
        "trials": len(trials),
        "leaky": leaky,
        "stages": stages,
        "audit": verdicts,
        "unseen": UNSEEN,
    }
    columns = ("accuracy", "balanced_accuracy", "parameters", "macs", "flash", "sram")
    rows = [(s["stage"], *(s.get(c) for c in columns), s["verified"]) for s in stages]
    heads = ("stage", "accuracy", "balanced", "parameters", "MACs", "flash, B", "SRAM, B", "verified")
    shown = table(heads, rows, title="LEAKY protocol, for comparison only" if leaky else "")
    lines: list[object] = [shown]
    if twin:
        from trimcap.study.results.inflation import twin_facts

        facts["leaky_twin"] = found = twin_facts(folder)
        rows = [(one["classifier"], one["honest"], one["LEAKY"], f"{100 * one['inflation']:+.1f}") for one in found]
        lines.append("What a LEAKY split would have claimed, for comparison only:")
        lines.append(table(("classifier", "honest", "LEAKY", "inflation, points"), rows))
    said = ", ".join(dict.fromkeys(verdict for *_, verdict in verdicts))
    return Answer({**facts, "failed": failed}, [*lines, f"audit: {said}. {UNSEEN}", f"report: {page}"], failed)


def _stages(results: pd.DataFrame, subjects: pd.DataFrame) -> list[dict[str, Any]]:
    """Scores as in the report, mean over subjects; costs, mean over folds and seeds; in order of the stages."""
    from trimcap.study.results.statistics import summary

    scores = summary(subjects)
    rows = []
    for stage, part in results.groupby("stage", sort=False):
        row: dict[str, Any] = {"stage": stage}
        for name in ("accuracy", "balanced_accuracy"):
            row[name] = float(scores[(name, "mean")].loc[stage])
        for name in ("parameters", "macs", "flash", "sram"):
            values = part[name].dropna()
            row[name] = round(float(values.mean())) if len(values) else None
        texts = [str(v) for v in part.get("verified", []) if isinstance(v, str) and v]
        row["verified"] = texts[0] if texts else ""
        rows.append(row)
    return rows
