"""`trimcap data sets` and `trimcap data check`: published data sets, and which of them lies in a folder."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trimcap.cli.io.answer import Answer, Misuse
from trimcap.cli.io.show import table
from trimcap.cli.io.surveys import surveyed

if TYPE_CHECKING:
    from trimcap.data.sets.recognise import SetReport

Place = Annotated[Path, typer.Argument(metavar="PATH", help="A folder, or a file.")]
_SHOWN = 8
# for five folds
_PEOPLE = 5
#: a shipped recipe for a set
_RECIPES = {"eegmat": "eegmat-ccnn", "deap": "ijcnn-deap-ccnn", "seed": "ijcnn-seed-ccnn"}


def sets() -> Answer:
    """List the published data sets that trimcap reads, and how to get them."""
    from trimcap.data.sets.table import data_sets

    known = {entry.name: entry.facts for entry in data_sets()}
    rows = [
        (name, f.title, f.subjects, f"{f.rate:g}", len(f.channels), f.size, f.licence, f"{f.access}\n{f.homepage}")
        for name, f in known.items()
    ]
    shown = table(("name", "title", "subjects", "Hz", "channels", "size", "licence", "access"), rows)
    return Answer({"sets": [{"name": name, **asdict(facts)} for name, facts in known.items()]}, [shown])


def check(path: Place) -> Answer:
    """Tell what lies in a folder, a published data set, BIDS, EEG files or arrays, and what to type next.

    Every file is read; exit 1 if files are missing or damaged.
    """
    from trimcap.data.sets.recognise import recognise

    if not path.exists():
        raise Misuse(f"no file or folder '{path}'")
    only = path.absolute()
    path = _folder_of(path)
    several = _several(path)
    if several:
        return _offered(several, path)
    if path.is_file() or not _published(path):
        return surveyed(path)
    report = recognise(path, only=only, progress=_tell if sys.stderr.isatty() else None)
    steps = _next(report, path)
    return Answer(_facts(report, steps), _lines(report, steps), "\n".join(_failures(report)))


def _folder_of(path: Path) -> Path:
    """The folder of a file that only a published set has (DREAMER.mat, s01.dat, sub000.pkl), else the path itself."""
    alone = path.is_file() and path.suffix.lower() in (".mat", ".dat", ".pkl")
    return path.absolute().parent if alone and _published(path.absolute().parent) else path


def _several(path: Path) -> dict[str, Path]:
    """Published sets in a folder with more than one."""
    from trimcap.data.sets.recognise import sets_in

    try:
        found = sets_in(path) if path.is_dir() else {}
    except ValueError:  # told by who reads the one
        return {}
    return found if len(found) > 1 else {}


def _offered(found: dict[str, Path], path: Path) -> Answer:
    """One command for each set of a folder."""
    steps = []
    for name, folder in sorted(found.items()):
        own = folder != path and list(found.values()).count(folder) == 1
        place = shlex.quote(str(folder if own else path))
        steps.append(
            f"trimcap data check {place}" if own else f"trimcap data prepare {name} --path {place} --out {name}.npz"
        )
    shown = table(("set", "folder"), [(name, str(folder)) for name, folder in sorted(found.items())])
    facts = {"kind": "sets", "folder": path, "sets": found, "next": steps}
    return Answer(facts, [shown, *(f"next: {text}" for text in steps)])


def _published(path: Path) -> bool:
    """Whether a folder has the layout of a published set; by names alone, so what reading finds is about the data."""
    from trimcap.data.sets.recognise import recognise

    try:
        recognise(path, read=False)
    except ValueError as error:
        if "layout of no published set" not in str(error):
            raise Misuse(str(error)) from error
        return False
    return True


def _tell(subject: str, done: int, total: int) -> None:
    typer.echo(f"reading {subject} ({done + 1} of {total})", err=True)


def _facts(report: SetReport, steps: list[str]) -> dict[str, Any]:
    own = {key: value for key, value in vars(report).items() if key != "entry"}
    known = report.entry.facts
    named = {"set": report.entry.name, "title": known.title, "labels": known.labels}
    return {**named, **own, "complete": report.complete, "next": steps}


def _lines(report: SetReport, steps: list[str]) -> list[Any]:
    known = report.entry.facts
    rows = [
        ("set", f"{report.entry.name}: {known.title}"),
        ("folder", str(report.folder)),
        ("subjects", f"{len(report.subjects)} of {known.subjects}: {_some(report.subjects)}"),
        *(_read_rows(report) if report.read else [("recordings", "none: only published features lie there")]),
        *((name, str(folder)) for name, folder in report.features.items()),
        ("missing", _some(report.missing) or "none"),
        ("extra", _some(report.extra) or "none"),
        ("damaged", _some(tuple(report.damaged)) or "none"),
    ]
    notes = [f"note: {text}" for text in report.notes]
    return [table(("what", "value"), rows), *notes, *(f"next: {text}" for text in steps)]


def _read_rows(report: SetReport) -> list[tuple[str, str]]:
    total = max(sum(report.balance.values()), 1)
    balance = ", ".join(f"{name} {n:,} ({100 * n / total:.0f} %)" for name, n in report.balance.items())
    short, long = report.seconds
    return [
        ("sessions", f"{len(report.sessions)}: {_some(report.sessions)}"),
        ("trials", f"{len(report.trials)}: {_some(report.trials)}"),
        ("recordings", f"{report.recordings:,} of {short:g} … {long:g} s"),
        ("rate", ", ".join(f"{rate:g} Hz" for rate in report.rates)),
        ("channels", f"{len(report.channels)}: {', '.join(report.channels)}"),
        ("labels", ", ".join(report.entry.facts.labels)),
        (f"classes of {report.label}", balance),
        *([("rule", f"{report.rule} (other: --option threshold=…, --option side='>=')")] if report.rule else []),
    ]


def _some(names: Sequence[str]) -> str:
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _failures(report: SetReport) -> list[str]:
    found = [
        text if subject.removeprefix("features of ") in text else f"{subject}: {text}"
        for subject, text in report.damaged.items()
    ]
    if report.missing:
        found.append(
            f"no files of {len(report.missing)} of {report.entry.facts.subjects} subjects: {_some(report.missing)}"
        )
    return found


def _next(report: SetReport, path: Path) -> list[str]:
    """What to type now."""
    entry, place = report.entry, shlex.quote(str(path))
    source = f"{entry.facts.access.rstrip('.')}; {entry.facts.homepage}"
    if entry.facts.download:
        source = f"trimcap data fetch {entry.name} --out {shlex.quote(str(report.folder))}"
    if report.damaged:
        return [f"copy or download the damaged files again ({source}), then `trimcap data check {place}`"]
    steps = [f"get the missing subjects: {source}"] if report.missing else []
    if report.recordings and entry.name in _RECIPES and len(report.subjects) >= _PEOPLE:
        recipe = (
            f'extends = "{_RECIPES[entry.name]}.toml"\\nname = "my-{entry.name}"\\n[data]\\npath = "{report.folder}"\\n'
        )
        steps.append(f"printf '%b' {shlex.quote(recipe)} > {entry.name}.toml && trimcap run {entry.name}.toml")
    if report.recordings:
        steps.append(f"trimcap data prepare {' '.join(_source(report, place))} --out {entry.name}.npz")
    steps += [f"trimcap data prepare {name} --path {place} --out {name}.npz" for name in report.features]
    return steps


def _source(report: SetReport, place: str) -> list[str]:
    """The words of `trimcap data prepare` that read the set whole."""
    entry = report.entry
    words = [entry.name, "--path", shlex.quote(str(report.folder)) if entry.name == "eegmat" else place]
    if any("left out" in note for note in report.notes):
        words += ["--option", "on_bad=drop"]
    if entry.name == "dasps" and not any(report.folder.glob("*preprocessed.mat")):
        words += ["--option", "form=raw"]
    return words
