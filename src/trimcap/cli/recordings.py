"""`trimcap data`: make windows of recordings, and look at what is in a file or folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trimcap.cli import datasets, edf
from trimcap.cli.answer import Answer, Misuse, verb
from trimcap.cli.sets import check, sets
from trimcap.cli.show import table, times
from trimcap.cli.values import names_of, pairs_of

if TYPE_CHECKING:
    from trimcap.data.windows import Windows

app = typer.Typer(help="Make windows of recordings; see what a file or folder holds.", no_args_is_help=True)

Source = Annotated[
    list[str],
    typer.Argument(metavar="SOURCE", help="eegmat, synthetic, fingerprint, package.module:function, or EEG files."),
]
OutFile = Annotated[Path, typer.Option("--out", help="The .npz file to write.")]
Length = Annotated[float, typer.Option("--window", "--seconds", help="Length of a window, s.")]
Step = Annotated[float | None, typer.Option("--step", help="Distance of two windows, s; default: no overlap.")]
Part = Annotated[float | None, typer.Option("--recording-seconds", help="How much of every recording is used, s.")]
Rate = Annotated[float, typer.Option("--rate", help="Sampling rate to resample to, Hz.")]
Features = Annotated[str, typer.Option("--features", help="raw, de (differential entropy) or power (band power).")]
Layout = Annotated[str, typer.Option("--layout", help="Of features: vector, or grid (a 2-D map of the scalp).")]
Normalise = Annotated[
    str, typer.Option("--normalise", help="none, or subject: z-score within each subject (transductive).")
]
Pick = Annotated[str | None, typer.Option("--subjects", help="A number, or names with commas between.")]
Folder = Annotated[str | None, typer.Option("--path", help="Where the recordings of eegmat or your function are.")]
Option = Annotated[
    list[str] | None, typer.Option("--option", metavar="KEY=VALUE", help="Of the source, such as effect=8; repeat.")
]
ClassOf = Annotated[
    list[str] | None, typer.Option("--class", metavar="NAME=PATTERN", help="EEG files of a class: rest='*_1.edf'.")
]
SubjectOf = Annotated[str, typer.Option("--subject", help="Regular expression whose group 1 is a file's subject.")]
Channels = Annotated[str | None, typer.Option("--channels", help="Channels of EEG files to read, commas between.")]
Force = Annotated[bool, typer.Option("--force", help="Replace an existing file.")]


def prepare(
    source: Source,
    out: OutFile,
    window: Length = 4.0,
    step: Step = None,
    recording_seconds: Part = None,
    rate: Rate = 128.0,
    features: Features = "raw",
    layout: Layout = "vector",
    normalise: Normalise = "none",
    subjects: Pick = None,
    path: Folder = None,
    option: Option = None,
    class_: ClassOf = None,
    subject: SubjectOf = edf.SUBJECT,
    channels: Channels = None,
    force: Force = False,
) -> Answer:
    """Read recordings, cut windows, compute features, and write them as .npz."""
    from trimcap.data.npz import write_npz

    _check_out(out, force)
    keys: dict[str, Any] = {
        "window": window, "step": step, "seconds": recording_seconds, "rate": rate, "features": features,
        "layout": layout, "normalise": normalise, "path": path, "subjects": _subjects(subjects),
    }  # fmt: skip
    keys = {key: value for key, value in keys.items() if value is not None}
    keys["options"] = pairs_of(option or (), option="--option")
    if edf.are_files(source):
        if keys.pop("options"):
            raise Misuse("--option is for data sets by name; EEG files take --class, --subject and --channels")
        windows = edf.windows(source, keys, classes=class_ or (), subject=subject, channels=channels)
    elif len(source) > 1:
        raise Misuse(f"give one data set by name, or EEG files; got {', '.join(source)}")
    else:
        windows = datasets.prepared(datasets.section(source[0], keys))
    write_npz(windows, out)
    facts = {"out": out, **_facts(windows)}
    return Answer(facts, [*_lines(windows), f"saved in {out}"])


def info(path: Annotated[str, typer.Argument(metavar="FILE|FOLDER", help="Windows, EEG files or a folder.")]) -> Answer:
    """Show subjects, recordings, channels, rate, classes and balance; exit 1 if anything can't be read."""
    place = Path(path)
    if not place.exists():
        if ".npz" not in path and not place.parts[1:] and ":" not in path:
            windows = datasets.read(path)
            return Answer(_facts(windows), _lines(windows))
        raise Misuse(f"no file or folder '{path}'")
    if place.suffix == ".npz":
        windows = datasets.read(path)
        return Answer(_facts(windows), _lines(windows))
    return edf.survey(place)


def fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="eegmat")],
    folder: Annotated[Path | None, typer.Option("--out", help="Folder; default: the cache of the user.")] = None,
    subjects: Pick = None,
) -> Answer:
    """Download a public data set, checking every file's SHA-256."""
    from trimcap._errors import unknown
    from trimcap.data.eegmat_files import choose, locate, pinned
    from trimcap.data.eegmat_files import fetch as download

    if name != "eegmat":
        raise Misuse(unknown("data set", name, ["eegmat"]))
    place, is_cache = (folder, True) if folder is not None else locate(None)
    wanted = _subjects(subjects)
    chosen = choose(wanted if isinstance(wanted, list) else None, place, is_cache=is_cache)
    chosen = chosen[:wanted] if isinstance(wanted, int) else chosen
    files = [file for subject in chosen for file in download(subject, place, download=True)]
    facts = {"folder": place, "subjects": chosen, "files": len(files), "source": pinned()["source"]}
    text = f"{len(files)} files of {len(chosen)} subjects are in {place} ({pinned()['source']}, {pinned()['licence']})"
    return Answer(facts, [text])


for function in (prepare, info, fetch, check, sets):
    app.command()(verb(function))


def _check_out(out: Path, force: bool) -> None:
    from trimcap._files import make_folder

    if out.suffix != ".npz":
        raise Misuse(f"--out is the file to write and must end in .npz, got '{out}'")
    if out.exists() and not force:
        raise Misuse(f"'{out}' exists; choose another --out, or pass --force to replace it")
    make_folder(out.parent)


def _subjects(text: str | None) -> int | list[str] | None:
    if text is None:
        return None
    return int(text) if text.strip().isdigit() else list(names_of(text))


def _facts(windows: Windows) -> dict[str, Any]:
    import numpy as np

    counts = np.bincount(windows.y, minlength=len(windows.classes)).tolist()
    groups = windows.metadata[["subject", "session", "trial"]].drop_duplicates()
    return {
        "windows": len(windows),
        "shape": list(windows.shape),
        "unit": windows.unit,
        "rate": windows.rate,
        "duration": windows.duration,
        "channels": list(windows.channels),
        "subjects": datasets.subjects_of(windows),
        "recordings": len(groups),
        "classes": dict(zip(windows.classes, counts, strict=True)),
        "steps": list(windows.steps),
        "problems": _problems(windows, counts),
    }


def _problems(windows: Windows, counts: list[int]) -> list[str]:
    """What will be in the way later."""
    from trimcap.data.electrodes import unknown_electrodes

    found = [f"class {c!r} has no window" for c, n in zip(windows.classes, counts, strict=True) if not n]
    subjects = datasets.subjects_of(windows)
    if len(subjects) < 2:
        found.append(f"only one subject ({subjects[0]}): nothing can be said about new subjects")
    if unknown_electrodes(windows.channels):
        found.append(f"unknown electrodes {', '.join(unknown_electrodes(windows.channels))}: no regions, grids or maps")
    return found


def _lines(windows: Windows) -> list[Any]:
    facts = _facts(windows)
    total = max(sum(facts["classes"].values()), 1)
    balance = ", ".join(f"{name} {n:,} ({100 * n / total:.0f} %)" for name, n in facts["classes"].items())
    rows = [
        ("windows", f"{facts['windows']:,} of {times(facts['shape'])}, {windows.duration:g} s, {windows.unit}"),
        ("rate", f"{windows.rate:g} Hz"),
        ("channels", f"{len(windows.channels)}: {', '.join(windows.channels)}"),
        ("subjects", f"{len(facts['subjects'])}: {', '.join(facts['subjects'])}"),
        ("recordings", f"{facts['recordings']}"),
        ("classes", balance),
        ("steps", "; ".join(windows.steps)),
    ]
    return [table(("what", "value"), rows), *(f"problem: {text}" for text in facts["problems"])]
