"""Recordings and windows by name: published sets, files, libraries, generators, and functions of anybody."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from trimcap._named import check_options, first_parameter, named
from trimcap.data.arrays.npz import read_npz
from trimcap.data.recording import Recording
from trimcap.data.sets.folders import Subjects
from trimcap.data.sets.table import FEATURES, SETS
from trimcap.data.source import Source, Wanted, choose_subjects
from trimcap.data.windows import Windows

#: name → function of (path, *, subjects, **options) that gives a `Source` or recordings
SOURCES: Mapping[str, str] = MappingProxyType(
    {
        **{name: f"{record}.source" for name, record in SETS.items()},
        "arrays": "trimcap.data.arrays.source:arrays_source",
        "bids": "trimcap.data.files.bids.read:bids_source",
        "braindecode": "trimcap.data.libraries.braindecode:braindecode_recordings",
        "eegdash": "trimcap.data.libraries.braindecode:eegdash_recordings",
        "files": "trimcap.data.files.labelled:files_source",
        "fingerprint": "trimcap.data.generated.sources:fingerprint",
        "moabb": "trimcap.data.libraries.moabb:moabb_recordings",
        "synthetic": "trimcap.data.generated.sources:synthetic",
    }
)

#: name → function of (path, *, subjects, **options) that gives windows
WINDOW_SOURCES: Mapping[str, str] = MappingProxyType(
    {
        **{name: f"{record}.windows" for name, record in FEATURES.items()},
        "cifar10": "trimcap.reproduce.cifar10:cifar10",
        "digits": "trimcap.reproduce.digits:digits",
        "image-folder": "trimcap.reproduce.image_folder:image_folder",
        "npz": "trimcap.data.sources:npz_windows",
        "windows": "trimcap.data.arrays.read:windows_source",
    }
)


def read_set(
    name: str, path: Path | str | None = None, *, subjects: Subjects = None, **options: Any
) -> list[Recording]:
    """All recordings of a published set, in memory; `open_source`, which has the parameters, reads file by file.

    Examples
    --------
    `read_set("deap", "data/DEAP", subjects=["s01", "s07"], label="arousal")`
    """
    return list(open_source(name, path, subjects=subjects, **options))


def open_source(
    name: str, path: Path | str | None = None, *, subjects: Subjects = None, **options: Any
) -> Source | Sequence[Recording]:
    """Recordings by the name of what holds them.

    Parameters
    ----------
    name : a key of `SOURCES`, or "package.module:function" of a function of (path, *, subjects, **options) that
        returns a `Source` or recordings. A function without `subjects` gives all; without a path it is called
        without one
    path : where the files lie, `$TRIMCAP_DATA/kalunga` or the like too; None: where the source looks by itself
    subjects : names (of a published set also numbers), how many of the first, or None for all
    options : of that source, such as `label="arousal"`; those of a published set are in its module, e.g.
        `trimcap.data.sets.deap.Options`

    Returns
    -------
    Source, of which nothing has been read; or, of a generator or a library, the recordings.

    Raises
    ------
    ValueError : unknown name, option or subject (says the nearest); whatever the source does not like.
    FileNotFoundError : no such files; says where they were looked for, and for a published set how to get it.

    Examples
    --------
    `open_source("deap", "data/DEAP", subjects=4, label="arousal", threshold=5, side=">")`
    """
    if name in WINDOW_SOURCES:
        raise ValueError(f"{name} holds windows, not recordings; use open_windows({name!r}, …)")
    function = _function(name, {**WINDOW_SOURCES, **SOURCES}, options)
    subjects = [subjects] if isinstance(subjects, str) else subjects
    place = None if path is None else Path(os.path.expandvars(path)).expanduser()
    if name in SOURCES:
        return _kept(function(place, subjects=subjects, **options), name)
    return _foreign(function, place, subjects, options, name)


def open_windows(name: str, path: Path | str | None = None, *, subjects: Subjects = None, **options: Any) -> Windows:
    """Windows by the name of what holds them: published features, or a .npz file.

    Parameters
    ----------
    name : a key of `WINDOW_SOURCES`
    path, subjects, options : as in `open_source`; e.g. `feature="de_LDS"` of "seed-features"

    Raises
    ------
    ValueError, FileNotFoundError : as `open_source`, and as the readers of windows.
    """
    function = _function(name, WINDOW_SOURCES, options, "source of windows")
    windows: Windows = function(None if path is None else Path(path).expanduser(), subjects=subjects, **options)
    return windows


def check_source(name: str, options: Mapping[str, Any]) -> None:
    """Refuse what neither `SOURCES` nor `WINDOW_SOURCES` knows, what can't be imported, and unknown options.

    Raises
    ------
    ValueError : says the nearest name.
    """
    _function(name, {**WINDOW_SOURCES, **SOURCES}, set(options) - {"subjects"})


def _function(name: str, known: Mapping[str, str], options: Iterable[str], kind: str = "source") -> Callable[..., Any]:
    """The function of a source, if it takes these options."""
    function: Callable[..., Any] = named(kind, name, known)
    # a first parameter that must be given is the path, whatever it is called; any other may be an option
    first = first_parameter(function)
    needed = bool(first) and inspect.signature(function).parameters[first].default is inspect.Parameter.empty
    check_options(f"source {name}", function, options, given=("path", "subjects", *([first] if needed else [])))
    return function


def npz_windows(path: Path | None, *, subjects: Wanted = None) -> Windows:
    """`read_npz`, or only some subjects of it."""
    if path is None:
        raise ValueError("npz: no path was given; give the .npz file of the windows")
    windows = read_npz(path)
    own = windows.metadata.subject.astype(str).to_numpy()
    if subjects is None:
        return windows
    return windows.take(np.isin(own, choose_subjects(sorted(set(own.tolist())), subjects, what=str(path))))


def _foreign(
    function: Callable[..., Any], path: Path | None, subjects: Subjects, options: Mapping[str, Any], name: str
) -> Source | Sequence[Recording]:
    """Of a function of anybody: `subjects` is passed where it can be meant as here, else its recordings are chosen."""
    places = [] if path is None else [path]
    takes = "subjects" in inspect.signature(function).parameters and "subjects" not in options
    if takes and subjects is not None and not isinstance(subjects, int):
        return _kept(function(*places, subjects=list(subjects), **options), name)
    found = _kept(function(*places, **options), name)
    if isinstance(found, Source):
        if subjects is None:
            return found
        if not takes:
            raise ValueError(f"source {name} gives files, and has no option `subjects` to choose among them; add it")
        return _kept(function(*places, subjects=subjects, **options), name)
    if subjects is None:
        return found
    wanted = subjects if isinstance(subjects, int) else [str(subject) for subject in subjects]
    chosen = choose_subjects(sorted({r.subject for r in found}), wanted, what=name)
    return [r for r in found if r.subject in chosen]


def _kept(result: Any, name: str) -> Source | Sequence[Recording]:
    if isinstance(result, Source):
        return result
    if isinstance(result, Iterable):
        recordings = list(result)
        wrong = next((r for r in recordings if not isinstance(r, Recording)), None)
        if wrong is None:
            return recordings
        raise ValueError(f"source {name} gave a {type(wrong).__name__} among its recordings")
    raise ValueError(f"source {name} gave a {type(result).__name__}; it must return a Source or recordings")
