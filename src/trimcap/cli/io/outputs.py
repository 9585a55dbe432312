"""Output folders: what is in them, whether they may be written, and what led to them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trimcap import __version__
from trimcap._errors import ArtifactError
from trimcap._files import make_folder, write_json
from trimcap.cli.io.answer import Misuse

if TYPE_CHECKING:
    from trimcap.data.seen import Seen

Out = Annotated[Path, typer.Option("--out", help="Folder to write; made if it does not exist.")]
Force = Annotated[
    bool, typer.Option("--force", help="Replace other work: files of trimcap in the folder go, others stay.")
]

HISTORY = "trimcap.json"
FORMAT = "trimcap folder 1"
#: of a training that is under way, or done
CHECKPOINT = "checkpoint.safetensors"
#: file that tells what a folder holds; an artifact has a program.json too
KINDS = {
    "manifest.json": "artifact",
    "run.json": "run",
    "network.json": "network",
    "program.json": "program",
}
#: file by which trimcap is known → files that belong to it, where no history or manifest names them
_PARTS: Mapping[str, Sequence[str]] = {
    "network.json": ("tensors.safetensors", "masks.safetensors"),
    "program.json": ("program.safetensors",),
    "manifest.json": (),
    CHECKPOINT: (),
    HISTORY: (),
}
#: options that do not change what comes out
_IDLE = ("threads",)


@dataclass(frozen=True)
class Step:
    """What a command is about to do, for the folder that it writes.

    Parameters
    ----------
    options : what was asked for; all that decides the result, since a folder is written again only by the same step
    source : folder that it starts from, whose history goes on
    """

    verb: str
    options: Mapping[str, Any]
    source: Path | str | None = None

    def described(self) -> dict[str, Any]:
        """For the history."""
        options = {k: str(v) if isinstance(v, Path) else v for k, v in self.options.items() if v is not None}
        source = {} if self.source is None else {"source": str(self.source)}
        plain = json.loads(json.dumps(options, allow_nan=False))
        return {"verb": self.verb, "trimcap": __version__, **source, "options": plain}

    def before(self) -> list[dict[str, Any]]:
        """The steps that led to the source."""
        return [] if self.source is None else history(self.source)


def kind_of(folder: Path) -> str:
    """What a folder holds: "artifact", "run", "network", "program", or "" for anything else."""
    return next((kind for file, kind in KINDS.items() if (folder / file).is_file()), "")


def claim(out: Path, step: Step, *, force: bool, sources: Sequence[Path | str | None] = ()) -> Path:
    """Make `out` and check that a step may be written into it; what it holds stays as it is.

    The same step may be repeated, and a training goes on. Other work is replaced only by `force`.

    Parameters
    ----------
    sources : further folders that are read

    Raises
    ------
    Misuse : it is a file, an input of the same command, a run, or (without `force`) holds something else.
    ValueError : an option is not finite.
    OSError : it can't be written.
    """
    step.described()  # what can't be written fails now, not after the work
    if out.exists() and not out.is_dir():
        raise Misuse(f"'{out}' is a file; give --out a folder")
    if any(out.resolve() == Path(source).resolve() for source in (step.source, *sources) if source is not None):
        raise Misuse(f"'{out}' is both input and output; give --out another folder")
    if kind_of(out) == "run":
        raise Misuse(f"folder '{out}' holds a trimcap run, which is never overwritten; choose another --out")
    if out.is_dir() and any(out.iterdir()) and not force:
        _check_same(out, step)
    return make_folder(out)


def _check_same(out: Path, step: Step) -> None:
    """Refuse a folder that anything but this very step has made."""
    replace = "choose another --out, or pass --force to replace it"
    held, steps = kind_of(out), history(out)
    if not steps and held:
        raise Misuse(f"folder '{out}' holds a trimcap {held}, and does not say what made it; {replace}")
    if not steps and _is_ours(out / CHECKPOINT):
        if step.verb == "train":  # goes on, if the checkpoint is its own
            return
        raise Misuse(f"folder '{out}' holds a training that was interrupted; {replace}")
    if not steps:
        raise Misuse(
            f"folder '{out}' is not empty and was not made by trimcap; choose another --out, or pass --force to "
            "write into it"
        )
    differs = _difference(steps, step)
    if differs:
        path = " → ".join(str(one["verb"]) for one in steps)
        what = f"a trimcap {held}" if held else "other work"
        raise Misuse(f"folder '{out}' holds {what} ({path}), made otherwise: {differs}; {replace}")


def _difference(steps: Sequence[Mapping[str, Any]], step: Step) -> str:
    """What a step would do otherwise than the last of `steps` did; "" if nothing."""
    then, now = steps[-1], step.described()
    if then["verb"] != now["verb"]:
        return f"by `trimcap {then['verb']}`, not by `trimcap {now['verb']}`"
    old, new = (one.get("options", {}) | {"source": one.get("source", "")} for one in (then, now))
    changed = [name for name in {**new, **old} if old.get(name) != new.get(name) and name not in _IDLE]
    if "source" in changed and Path(old["source"]).resolve() == Path(new["source"]).resolve():
        changed.remove("source")  # written in another way
    if changed:
        return ", ".join(f"{name} was {_short(old.get(name))}, now {_short(new.get(name))}" for name in changed[:4])
    return "" if list(steps[:-1]) == step.before() else f"'{step.source}' was another one then"


def _short(value: Any) -> str:
    return "not given" if value is None or value == "" else repr(value)


def clear(out: Path, *, keep: Sequence[str] = ()) -> None:
    """Delete what trimcap has written into a folder, so that nothing of it lies beside new work.

    Only files that the folder's history or manifest names, or that a network or program consists of; others stay.
    """
    for name in set(files_of(out)) - set(keep):
        (out / name).unlink(missing_ok=True)
        for folder in [out / parent for parent in Path(name).parents][:-1]:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()


def files_of(out: Path) -> list[str]:
    """Names of the files in a folder that trimcap wrote."""
    names: list[str] = []
    for mark, parts in _PARTS.items():
        if _is_ours(out / mark):
            names += [mark, *parts, *(_listed(out / mark) if mark in (HISTORY, "manifest.json") else ())]
    return [name for name in names if not Path(name).is_absolute() and ".." not in Path(name).parts]


def _is_ours(path: Path) -> bool:
    """Whether trimcap wrote a file: its JSON and its checkpoints begin with what they are."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return b"trimcap" in file.read(256)


def _listed(path: Path) -> list[str]:
    try:
        return list(map(str, json.loads(path.read_text(encoding="utf-8")).get("files", ())))
    except (ValueError, AttributeError, TypeError):
        return []  # damaged: it names nothing


@contextmanager
def writing(out: Path, step: Step, **saw: Sequence[str]) -> Iterator[None]:
    """Around the lines that write the results of a step, once all work is done: the history is written after them.

    What trimcap wrote before goes first, but for the checkpoint of a training.

    Parameters
    ----------
    saw : stage → subjects whose windows the step used
    """
    keep = (CHECKPOINT,) if step.verb == "train" else ()
    before = step.before()
    clear(make_folder(out), keep=keep)
    there = set(_files(out)) - set(keep)
    yield
    remember(out, step, before, [name for name in _files(out) if name not in there], **saw)


def _files(out: Path) -> list[str]:
    """Files in a folder, and in the folders of networks in it."""
    found = [*out.iterdir(), *out.glob("networks/*/*")]
    return sorted(str(path.relative_to(out)) for path in found if path.is_file())


def remember(
    out: Path, step: Step, before: Sequence[Mapping[str, Any]], files: Sequence[str], **saw: Sequence[str]
) -> None:
    """Write the history of a folder: the steps `before`, this one, and the names of its files."""
    seen = {stage.replace("_", " "): sorted(set(subjects)) for stage, subjects in saw.items() if len(subjects)}
    steps = [*before, {**step.described(), "saw": seen}]
    write_json(out / HISTORY, {"format": FORMAT, "steps": steps, "files": list(files)})


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


def seen_in(folder: Path | str) -> Seen:
    """What the network, program or artifact in a folder says that it has seen; what nobody knows if it holds none."""
    from trimcap._sealed import unseal
    from trimcap.data.seen import OUTSIDE, from_json

    folder = Path(folder)
    if (folder / "network.json").is_file():
        from trimcap.graph.save import NETWORK

        return from_json(unseal(folder / "network.json", NETWORK)["seen"])
    if (folder / "program.json").is_file():
        from trimcap.program.save import PROGRAM

        content = unseal(folder / "program.json", PROGRAM)["seen"]
        return OUTSIDE if content is None else from_json(content)
    return OUTSIDE


def seen_subjects(folder: Path | str) -> dict[str, list[str]]:
    """Stage → subjects that a network has seen by what it says itself, and that steps before a folder looked at."""
    seen = seen_in(folder).subjects()
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
