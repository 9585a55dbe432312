"""`trimcap data`: make windows of recordings, and look at what is in a file or folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trimcap._errors import counted
from trimcap.cli.io import datasets, files
from trimcap.cli.io.answer import Answer, Misuse, verb
from trimcap.cli.io.chains import declared
from trimcap.cli.io.show import table, times
from trimcap.cli.io.surveys import surveyed
from trimcap.cli.io.values import names_of, pairs_of
from trimcap.cli.verbs.caching import cache as list_cache
from trimcap.cli.verbs.sets import check, sets

if TYPE_CHECKING:
    from trimcap.data.windows import Windows

app = typer.Typer(help="Make windows of recordings; see what a file or folder holds.", no_args_is_help=True)

Source = Annotated[
    list[str],
    typer.Argument(
        metavar="SOURCE",
        help="A data set by name (eegmat, deap, seed, … see `trimcap data sets`), synthetic, fingerprint, files, bids, "
        "package.module:function, EEG files, or their labels table.",
    ),
]
OutFile = Annotated[Path, typer.Option("--out", help="A .npz file, or a folder for windows larger than memory.")]
Length = Annotated[float | None, typer.Option("--window", "--seconds", help="Length of a window, s; default 4.")]
Step = Annotated[float | None, typer.Option("--step", help="Distance of two windows, s; default: no overlap.")]
Part = Annotated[float | None, typer.Option("--recording-seconds", help="How much of every recording is used, s.")]
Rate = Annotated[
    float | None,
    typer.Option(
        "--rate", help="Sampling rate to resample to, Hz; default: that of the files; 128 for eegmat and synthetic."
    ),
]
Features = Annotated[
    str | None, typer.Option("--features", help="raw (default), de (differential entropy) or power (band power).")
]
Layout = Annotated[
    str | None, typer.Option("--layout", help="Of features: vector (default), or grid (a 2-D map of the scalp).")
]
Normalise = Annotated[
    str, typer.Option("--normalise", help="none, or subject: z-score within each subject (transductive).")
]
ChainFile = Annotated[
    Path | None,
    typer.Option("--chain", metavar="FILE", help="A .toml file that says chain = …, instead of the options above."),
]
Do = Annotated[
    list[str] | None,
    typer.Option("--do", metavar="STEP", help="A step of a chain, 'bandpass low=4 high=45 phase=causal'; repeat."),
]
CacheFolder = Annotated[
    Path | None,
    typer.Option("--cache", help="Where windows are kept; default for files: $TRIMCAP_CACHE, or the user's cache."),
]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Make all windows in memory and keep none.")]
Pick = Annotated[str | None, typer.Option("--subjects", help="A number, or names with commas between.")]
Folder = Annotated[str | None, typer.Option("--path", help="Where the files of a data set or of your function are.")]
Option = Annotated[
    list[str] | None, typer.Option("--option", metavar="KEY=VALUE", help="Of the source, such as effect=8; repeat.")
]
ClassOf = Annotated[
    list[str] | None, typer.Option("--class", metavar="NAME=PATTERN", help="EEG files of a class: rest='*_1.edf'.")
]
LabelsOf = Annotated[
    str | None, typer.Option("--labels", help="Table (.csv, .tsv) of EEG files: file, label, subject, onset, …")
]
EventsOf = Annotated[
    list[str] | None,
    typer.Option("--events", metavar="NAME=EVENT,…", help="Trials around events: left=769,right=770; repeat."),
]
Start = Annotated[float | None, typer.Option("--start", help="Of a trial, s after its event; default 0.")]
Stop = Annotated[float | None, typer.Option("--stop", help="Of a trial, s after its event; default: its duration.")]
SubjectOf = Annotated[
    str | None,
    typer.Option(
        "--subject",
        help="Who a file is of: header, bids, folder, file, or a regular expression whose group 1 is the name.",
    ),
]
SessionOf = Annotated[str | None, typer.Option("--session", help="The same for the session, or a session of BIDS.")]
BadChannels = Annotated[
    str | None, typer.Option("--bad-channels", help="Marked so in the files: raise (default), interpolate or drop.")
]
Channels = Annotated[str | None, typer.Option("--channels", help="Channels of EEG files to read, commas between.")]
Force = Annotated[bool, typer.Option("--force", help="Replace an existing file.")]


def prepare(
    source: Source,
    out: OutFile,
    window: Length = None,
    step: Step = None,
    recording_seconds: Part = None,
    rate: Rate = None,
    features: Features = None,
    layout: Layout = None,
    normalise: Normalise = "none",
    chain: ChainFile = None,
    do: Do = None,
    cache: CacheFolder = None,
    no_cache: NoCache = False,
    subjects: Pick = None,
    path: Folder = None,
    option: Option = None,
    class_: ClassOf = None,
    labels: LabelsOf = None,
    events: EventsOf = None,
    start: Start = None,
    stop: Stop = None,
    subject: SubjectOf = None,
    session: SessionOf = None,
    channels: Channels = None,
    bad_channels: BadChannels = None,
    force: Force = False,
) -> Answer:
    """Read recordings, make windows of them by simple options or by a chain of steps, and write them."""
    from trimcap.data.splits.shared import copies_within

    _check_out(out, force)
    keys: dict[str, Any] = {
        "window": window, "step": step, "seconds": recording_seconds, "rate": rate, "features": features,
        "layout": layout, "normalise": normalise, "path": path, "subjects": _subjects(subjects),
        "chain": declared(chain, do or ()), "cache": _cache(cache, no_cache),
    }  # fmt: skip
    keys = {key: value for key, value in keys.items() if value is not None}
    given = files.options_of(
        classes=class_, labels=labels, events=events, start=start, stop=stop, subject=subject, session=session,
        channels=channels, bad_channels=bad_channels,
    )  # fmt: skip
    name, options = files.source_of(source, {**given, **pairs_of(option or (), option="--option")})
    recipe = datasets.section(name, {**keys, "options": options})
    with files.worded():
        windows = datasets.prepared(recipe)
    _write(windows, out)
    notes = copies_within(windows)
    facts = {"out": out, **_facts(windows), "notes": notes}
    return Answer(facts, [*_lines(windows), *(f"note: {text}" for text in notes), f"saved in {out}"])


def info(
    path: Annotated[str, typer.Argument(metavar="FILE|FOLDER", help="Windows, a recipe, EEG files or a folder.")],
) -> Answer:
    """Show subjects, recordings, channels, rate, classes and balance; exit 1 if anything can't be read."""
    place = Path(path)
    if not place.exists():
        if ".npz" not in path and not place.parts[1:] and ":" not in path:
            windows = datasets.read(path)
            return Answer(_facts(windows), _lines(windows))
        raise Misuse(f"no file or folder '{path}'")
    if place.suffix in (".npz", ".toml") or datasets.holds_windows(place):
        windows = datasets.read(path)
        return Answer(_facts(windows), _lines(windows))
    return surveyed(place)


def fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="eegmat")],
    folder: Annotated[Path | None, typer.Option("--out", help="Folder; default: the cache of the user.")] = None,
    subjects: Pick = None,
) -> Answer:
    """Download a public data set, checking every file's SHA-256."""
    from trimcap._errors import unknown
    from trimcap.data.sets.eegmat_files import fetched, pinned

    if name != "eegmat":
        raise Misuse(unknown("data set", name, ["eegmat"]))
    found = fetched(folder, _subjects(subjects), everything=True)
    chosen, files = list(found.files), sum(map(len, found.files.values()))
    facts = {"folder": found.folder, "subjects": chosen, "files": files, "source": pinned()["source"]}
    text = f"{counted(files, 'file')} of {counted(len(chosen), 'subject')} in {found.folder}"
    text += f" ({pinned()['source']}, {pinned()['licence']})"
    return Answer(facts, [text])


for function in (prepare, info, fetch, check, sets):
    app.command()(verb(function))
app.command("cache")(verb(list_cache))


def _check_out(out: Path, force: bool) -> None:
    from trimcap._files import make_folder

    if out.suffix not in ("", ".npz"):
        raise Misuse(f"--out is a .npz file or a folder (a name without an ending), got '{out}'")
    if out.is_dir():
        raise Misuse(f"the folder '{out}' exists; choose another --out, or delete it first")
    if out.exists() and not force:
        raise Misuse(f"'{out}' exists; choose another --out, or pass --force to replace it")
    make_folder(out.parent)


def _write(windows: Windows, out: Path) -> None:
    from trimcap.data.arrays.npz import write_npz
    from trimcap.data.arrays.write import write_arrays

    if out.suffix == ".npz":
        write_npz(windows, out)
    else:
        write_arrays(windows, out)


def _cache(folder: Path | None, without: bool) -> str | bool | None:
    if without and folder is not None:
        raise Misuse(f"--no-cache keeps nothing, --cache {folder} does; give one of them")
    return False if without else None if folder is None else str(folder)


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
    from trimcap.data.electrodes.names import unknown_electrodes
    from trimcap.data.windows import INTENSITY

    found = [f"class {c!r} has no window" for c, n in zip(windows.classes, counts, strict=True) if not n]
    subjects = datasets.subjects_of(windows)
    if len(subjects) < 2:
        found.append(f"only one subject ({subjects[0]}): nothing can be said about new subjects")
    if windows.unit != INTENSITY and unknown_electrodes(windows.channels):
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
