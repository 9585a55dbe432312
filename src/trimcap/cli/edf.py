"""EEG files (EDF and whatever else MNE reads) named on the command line."""

from __future__ import annotations

import fnmatch
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trimcap.cli.answer import Answer, Misuse
from trimcap.cli.datasets import prepared, section
from trimcap.cli.show import table
from trimcap.cli.values import names_of

if TYPE_CHECKING:
    from trimcap.data.recording import Recording
    from trimcap.data.windows import Windows

SUFFIXES = (".edf", ".bdf", ".gdf", ".fif", ".vhdr", ".set", ".cnt")
#: the name of a file up to its first underscore
SUBJECT = r"^([^_]+)"
_FOREVER = 1e9  # s


def are_files(sources: Sequence[str]) -> bool:
    """Whether the sources are EEG files rather than the name of a data set."""
    return all(Path(source).suffix.lower() in SUFFIXES for source in sources)


def windows(
    files: Sequence[str], keys: dict[str, Any], *, classes: Sequence[str], subject: str, channels: str | None
) -> Windows:
    """Windows of EEG files by the keys of a recipe's `[data]`.

    Parameters
    ----------
    classes : NAME=PATTERN; a file has the class of the first pattern that its name matches
    subject : regular expression, group 1 is the subject
    channels : names to read; default all EEG channels
    """
    paths = [Path(file) for file in files]
    for path in paths:
        if not path.is_file():
            raise Misuse(f"no file '{path}'")
    options = {
        "files": list(files),
        "subjects": [_subject(path, subject) for path in paths],
        "labels": _labels(paths, classes),
        "classes": list(dict.fromkeys(text.partition("=")[0] for text in classes)) or ["0"],
        "channels": list(names_of(channels)) if channels else None,
    }
    whole = {"seconds": _FOREVER} | keys
    return prepared(section("trimcap.cli.edf:recordings", {**whole, "options": options}))


def recordings(
    *, files: Sequence[str], subjects: Sequence[str], labels: Sequence[int], classes: Sequence[str],
    channels: Sequence[str] | None,
) -> list[Recording]:  # fmt: skip
    """The files as recordings: a source for `[data]`."""
    return [
        read(Path(file), subject=subject, label=label, classes=classes, channels=channels)
        for file, subject, label in zip(files, subjects, labels, strict=True)
    ]


def read(
    path: Path,
    *,
    subject: str,
    label: int = 0,
    classes: Sequence[str] = ("0",),
    channels: Sequence[str] | None = None,
) -> Recording:
    """One EEG file as a recording; the trial is the file's name.

    Raises
    ------
    ValueError : empty, truncated or unreadable file; missing, unknown, constant or NaN channel.
    """
    from trimcap.data.readers import from_raw

    raw = _raw(path)
    if channels is not None:
        missing = [name for name in channels if name not in raw.ch_names]
        if missing:
            raise ValueError(f"{path}: channel {', '.join(missing)} missing; the file has {', '.join(raw.ch_names)}")
        raw.pick(list(channels))
    try:
        return from_raw(
            raw, subject=subject, session="1", trial=path.stem, label=label, classes=tuple(classes),
            info={"file": path.name},
        )  # fmt: skip
    except ValueError as error:
        raise ValueError(f"{path}: {_for_here(str(error), raw)}") from error


def _for_here(text: str, raw: Any) -> str:
    """A reader's message with what to do about it on the command line."""
    from trimcap.data.electrodes import unknown_electrodes

    bad = unknown_electrodes(raw.ch_names)
    if "unknown electrodes" not in text:
        return text
    good = [name for name in raw.ch_names if name not in bad]
    return f'unknown electrodes {", ".join(bad)}; name the channels to read: --channels "{",".join(good)}"'


def survey(place: Path) -> Answer:
    """What is in a file or a folder of recordings, and which of them can't be read."""
    paths = [place] if place.is_file() else sorted(p for p in place.rglob("*") if p.suffix.lower() in SUFFIXES)
    if not paths:
        raise Misuse(f"'{place}' holds no EEG files ({', '.join(SUFFIXES)}) and is no .npz file of windows")
    rows, problems = [], []
    for path in paths:
        try:
            rows.append(_row(path))
        except ValueError as error:
            problems.append(str(error))
    facts = {
        "recordings": rows,
        "subjects": sorted({row["subject"] for row in rows}),
        "rates": sorted({row["rate"] for row in rows}),
        "problems": problems,
    }
    cells = [(r["file"], r["subject"], r["seconds"], r["rate"], r["channels"], r["unusable"]) for r in rows]
    shown = table(("file", "subject", "s", "Hz", "EEG channels", "unknown electrodes"), cells)
    count = f"{len(rows)} of {len(paths)} recordings can be read, {len(facts['subjects'])} subjects"
    return Answer(facts, [shown, count], "\n".join(problems))


def _row(path: Path) -> dict[str, Any]:
    import mne
    import numpy as np

    from trimcap.data.electrodes import unknown_electrodes

    raw = _raw(path)
    names = [raw.ch_names[i] for i in mne.pick_types(raw.info, eeg=True, exclude=[])]
    signal = raw.get_data(picks=names) if names else np.empty((0, 0))
    flat = [name for name, x in zip(names, signal, strict=True) if np.isnan(x).any() or np.ptp(x) == 0]
    if flat:
        raise ValueError(f"{path}: channel {', '.join(flat)} is constant or holds NaN; leave it out with --channels")
    return {
        "file": path.name,
        "subject": _subject(path, SUBJECT),
        "seconds": float(raw.times[-1] + 1 / raw.info["sfreq"]),
        "rate": float(raw.info["sfreq"]),
        "channels": len(names),
        "names": names,
        "unusable": ", ".join(unknown_electrodes(names)),
    }


def _raw(path: Path) -> Any:
    import mne

    if path.stat().st_size == 0:
        raise ValueError(f"{path} is empty; copy or download it again, or leave it out")
    options = {"infer_types": True} if path.suffix.lower() in (".edf", ".bdf") else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # MNE reads a truncated file as a shorter one and only warns
        warnings.filterwarnings("error", message="Number of records from the header")
        try:
            return mne.io.read_raw(path, preload=True, verbose="warning", **options)
        except Exception as error:  # MNE raises whatever its parser stumbled over
            short = "Number of records" in str(error)
            what = "is truncated" if short else f"is not a readable {path.suffix} file ({type(error).__name__})"
            raise ValueError(f"{path} {what}; copy or download it again, or leave it out") from error


def _labels(paths: Sequence[Path], classes: Sequence[str]) -> list[int]:
    names = list(dict.fromkeys(text.partition("=")[0] for text in classes))
    if not names:
        return [0] * len(paths)
    patterns = [(text.partition("=")[0], text.partition("=")[2]) for text in classes]
    if any(not name or not pattern for name, pattern in patterns):
        raise Misuse("write --class NAME=PATTERN, such as --class rest='*_1.edf'")
    labels = []
    for path in paths:
        found = next((name for name, pattern in patterns if fnmatch.fnmatch(path.name, pattern)), None)
        if found is None:
            raise Misuse(f"no --class matches '{path.name}'; the patterns are {', '.join(p for _, p in patterns)}")
        labels.append(names.index(found))
    return labels


def _subject(path: Path, pattern: str) -> str:
    try:
        match = re.search(pattern, path.stem)
        found = match[1] if match else path.stem
    except (re.error, IndexError) as error:
        raise Misuse(f"--subject {pattern!r} is no regular expression with a group: {error}") from error
    return str(found)
