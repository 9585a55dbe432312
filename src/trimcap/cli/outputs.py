"""Output folders: what is in them, whether they may be written, and what led to them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from trimcap import __version__
from trimcap._errors import ArtifactError
from trimcap._files import make_folder, write_json
from trimcap.cli.answer import Misuse

Out = Annotated[Path, typer.Option("--out", help="Folder to write; made if it does not exist.")]
Force = Annotated[bool, typer.Option("--force", help="Write even where that overwrites other work.")]

HISTORY = "trimcap.json"
FORMAT = "trimcap folder 1"
#: file that tells what a folder holds; an artifact has a program.json too
KINDS = {
    "manifest.json": "artifact",
    "run.json": "run",
    "network.json": "network",
    "program.json": "program",
}


def kind_of(folder: Path) -> str:
    """What a folder holds: "artifact", "run", "network", "program", or "" for anything else."""
    return next((kind for file, kind in KINDS.items() if (folder / file).is_file()), "")


def claim(out: Path, kind: str, *, force: bool, sources: Sequence[Path | str] = ()) -> Path:
    """Make `out` and check that a `kind` may be written into it.

    Raises
    ------
    Misuse : it is a file, an input of the same command, or (without `force`) holds something else.
    OSError : it can't be written.
    """
    if out.exists() and not out.is_dir():
        raise Misuse(f"'{out}' is a file; give --out a folder")
    if any(out.resolve() == Path(source).resolve() for source in sources):
        raise Misuse(f"'{out}' is both input and output; give --out another folder")
    if out.is_dir() and any(out.iterdir()) and not force:
        held = kind_of(out)
        if not held and not (out / HISTORY).is_file():
            raise Misuse(
                f"folder '{out}' is not empty and was not made by trimcap; choose another --out, or pass --force to "
                "write into it"
            )
        if held and held != kind:
            raise Misuse(f"folder '{out}' holds a trimcap {held}; choose another --out, or pass --force to replace it")
    make_folder(out)
    if kind_of(out) not in ("", kind):
        _remove_marks(out)
    return out


def _remove_marks(out: Path) -> None:
    """A folder must not look like two things: forget the other one."""
    for file in (*KINDS, HISTORY):
        (out / file).unlink(missing_ok=True)


def history(folder: Path | str) -> list[dict[str, Any]]:
    """The steps that led to a folder; empty if it does not say."""
    path = Path(folder) / HISTORY
    if not path.is_file():
        return []
    try:
        steps: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["steps"]
    except (ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{path} is damaged ({error}); delete it, and the folder's history is unknown") from error
    return steps


def remember(
    out: Path, verb: str, options: Mapping[str, Any], *, source: Path | str | None = None, **saw: Sequence[str]
) -> None:
    """Append a step to what `source` says of itself and write it into `out`.

    Parameters
    ----------
    options : what was asked for
    saw : stage → subjects whose windows it used
    """
    seen = {stage.replace("_", " "): sorted(set(subjects)) for stage, subjects in saw.items() if len(subjects)}
    step = {"verb": verb, "trimcap": __version__, "options": _named(options), "saw": seen}
    before = history(source) if source is not None else []
    write_json(out / HISTORY, {"format": FORMAT, "steps": [*before, step]})


def seen_subjects(folder: Path | str) -> dict[str, list[str]]:
    """Stage → subjects that the steps before this folder used."""
    seen: dict[str, list[str]] = {}
    for step in history(folder):
        for stage, subjects in step.get("saw", {}).items():
            seen[stage] = sorted({*seen.get(stage, []), *subjects})
    return seen


def held_out(folder: Path | str) -> set[str]:
    """Subjects that a training on the way to this folder left out for a test, and that none has seen since."""
    names = {
        name.strip()
        for step in history(folder)
        for name in str(step.get("options", {}).get("hold_out") or "").split(",")
        if name.strip()
    }
    return names - set(seen_subjects(folder).get("fit", ()))


def _named(options: Mapping[str, Any]) -> dict[str, Any]:
    return {k: str(v) if isinstance(v, Path) else v for k, v in options.items() if v is not None}
