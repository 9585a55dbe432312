"""EEG in the Brain Imaging Data Structure (BIDS)."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trimcap._errors import unknown
from trimcap.data.files.bids.tables import bids_events, bids_label, event_values, participant_labels
from trimcap.data.files.channels import name_channels
from trimcap.data.files.edf.notes import pauses
from trimcap.data.files.edf.raw import other_rates
from trimcap.data.files.events import Classes, check_around, event_spans
from trimcap.data.files.header import first_header
from trimcap.data.files.names import SESSION
from trimcap.data.files.raws import companions, natural, open_raw
from trimcap.data.files.spans import Reading, Span, over_pauses, read_spans
from trimcap.data.recording import Recording
from trimcap.data.source import Source, Wanted, choose_subjects

if TYPE_CHECKING:
    import mne

Entity = str | Sequence[str] | None

_EXTENSIONS = [".vhdr", ".edf", ".EDF", ".bdf", ".BDF", ".set", ".fif", ".cnt"]
_SIDECARS = (("events", ".tsv"), ("events", ".json"), ("channels", ".tsv"), ("eeg", ".json"))


def bids_source(
    path: Path | str,
    *,
    subjects: Wanted = None,
    task: Entity = None,
    session: Entity = None,
    run: Entity = None,
    events: Classes | None = None,
    column: str = "trial_type",
    label: str | None = None,
    start: float = 0.0,
    stop: float | None = None,
    missing_events: str = "raise",
    channels: Sequence[str] | None = None,
    rename: Mapping[str, str] | None = None,
    types: Mapping[str, str] | None = None,
    any_names: bool = False,
    bad_channels: str = "raise",
    rate: float | None = None,
    unit: str | Mapping[str, str] = "V",
    on_bad: str = "raise",
    on_overlap: str = "raise",
) -> Source:
    """EEG recordings of a BIDS data set, one item each, read by MNE-BIDS with what their sidecars tell.

    Trials are labelled in one of three ways; without any every recording is one trial of one class.

    - `events`: classes by the values of a column of `*_events.tsv`; one trial around each event.
    - `label="trial_type"` or another column of `*_events.tsv`: each of its values is a class.
    - `label="participants:group"`: a column of `participants.tsv`; each recording is one trial.

    Types of channels, and which are bad, come from `*_channels.tsv`.

    Parameters
    ----------
    path : the folder with dataset_description.json
    subjects : "sub-01" or "01", how many, or all
    task, session, run : only these, with or without what BIDS puts before ("motor" or "task-motor")
    events : class → values, e.g. {"left": "left_hand", "right": "right_hand"}
    column : of `*_events.tsv` in which `events` are looked up
    label : column that holds the classes
    start, stop : of a trial, s after its event; stop None: the event's duration
    missing_events, channels, rename, types, any_names, bad_channels, rate, unit, on_bad, on_overlap : as in
        `files_source`

    Returns
    -------
    Source of recordings in µV, float32; subject "sub-01"; session of the file's name, else "1"; trials named after
    task and run, and numbered in time: "task-motor_run-1-001"; `info`: file, task, run, and of events event, start, end
    (s) and stimulus (`stim_file`).

    Raises
    ------
    ImportError : MNE-BIDS is not installed.
    FileNotFoundError : no such folder, no EEG in it, or a table that is needed is missing.
    ValueError : unknown subject, task, session, run or column; a file that is wrong, when it is read.

    Warns
    -----
    UserWarning : participants without a label, and trials left out: how many and why.

    Notes
    -----
    Pernet et al., EEG-BIDS, an extension to the brain imaging data structure for electroencephalography, Scientific
    Data 2019;6:103; Appelhoff et al., MNE-BIDS, JOSS 2019;4(44):1896.
    """
    if events is not None and label is not None:
        raise ValueError("events= and label= are two ways to label trials; give one of them")
    of_events = events is not None or (label is not None and not label.startswith("participants:"))
    if label is not None and of_events:
        column = label.removeprefix("events:")
    root = Path(path)
    files = _chosen(bids_files(root), {"task": task, "session": session, "run": run})
    if label is not None and of_events:
        values = event_values([sidecar(file, root, "events", ".tsv", needed=True) for file in files], column)
        events = {value: value for value in values}
        missing_events = "allow"
    check_around(events, start=start, stop=stop, missing=missing_events)
    groups = participant_labels(root, label, {entity(f, "sub") for f in files}) if label and not of_events else None
    if groups is not None:
        files = [file for file in files if entity(file, "sub") in groups]
    by_subject: dict[str, list[Path]] = {}
    for file in files:
        by_subject.setdefault(f"sub-{entity(file, 'sub')}", []).append(file)
    wanted = subjects if subjects is None or isinstance(subjects, int) else [_sub(name) for name in subjects]
    items = [file for name in choose_subjects(list(by_subject), wanted, what="BIDS") for file in by_subject[name]]
    opened = partial(open_bids, root=root, rename=rename, types=types)
    header = first_header(
        files, channels=channels, rename=rename, types=types, any_names=any_names, drop_bad=bad_channels == "drop",
        opened=opened,
    )  # fmt: skip
    read = partial(
        read_bids_file, root=str(root), events=events, column=column, groups=groups, start=start, stop=stop,
        missing_events=missing_events, rename=rename, types=types, any_names=any_names, bad_channels=bad_channels,
        rate=rate, unit=unit, on_bad=on_bad, on_overlap=on_overlap, **header,
    )  # fmt: skip
    return Source("bids", tuple(items), read, tuple(_also(items, root)))


def read_bids(path: Path | str, **options: Any) -> list[Recording]:
    """All recordings of `bids_source(path, **options)`, in memory."""
    return list(bids_source(path, **options))


def read_bids_file(
    path: Path,
    *,
    root: str,
    events: Classes | None = None,
    column: str = "trial_type",
    groups: Mapping[str, str] | None = None,
    start: float = 0.0,
    stop: float | None = None,
    missing_events: str = "raise",
    rename: Mapping[str, str] | None = None,
    types: Mapping[str, str] | None = None,
    **reading: Any,
) -> list[Recording]:
    """The trials of one recording: what the source of `bids_source` reads for an item.

    Parameters
    ----------
    groups : subject → class
    reading : `Reading` but for the classes
    """
    path = Path(path)
    raw = open_bids(path, root=Path(root), rename=rename, types=types)
    prefix = re.sub(r"^(sub|ses)-[^_]+_|(?<=_)(sub|ses)-[^_]+_|_eeg\.[^.]+$", "", path.name)
    facts = {name: value for name in ("task", "run") if (value := entity(path, name))}
    if events is not None:
        table = sidecar(path, Path(root), "events", ".tsv", needed=True)
        found = bids_events(table, column)
        classes = tuple(events)
        spans = event_spans(found, events, path, prefix=prefix, start=start, stop=stop, missing=missing_events)
        spans = over_pauses(spans, pauses(path))
    elif groups is not None:
        classes = bids_label(groups)
        spans = [Span(prefix, classes.index(groups[entity(path, "sub")]))]
    else:
        classes, spans = ("0",), [Span(prefix, 0)]
    spans = [replace(span, info={**facts, **span.info}) for span in spans]
    session = entity(path, "ses") or SESSION
    subject = f"sub-{entity(path, 'sub')}"
    return read_spans(raw, path, spans, Reading(classes=classes, **reading), subject=subject, session=session)


def is_bids(path: Path) -> bool:
    """Whether a folder looks like a BIDS data set with EEG."""
    return (path / "dataset_description.json").is_file() and any(path.glob("sub-*"))


def bids_files(root: Path) -> list[Path]:
    """EEG recordings of a BIDS data set, sub-2 before sub-10; those of derivatives are left out.

    ImportError: MNE-BIDS is not installed. FileNotFoundError: no such folder, or no EEG in it.
    """
    bids = _mne_bids()
    if not root.is_dir():
        raise FileNotFoundError(f"no folder '{root}'; check the path")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = bids.find_matching_paths(
            root, datatypes="eeg", suffixes="eeg", extensions=_EXTENSIONS, ignore_nosub=True, check=False
        )
    files = sorted({Path(p.fpath) for p in found}, key=lambda p: natural(p.relative_to(root).as_posix()))
    files = [file for file in files if (entity(file, "split") or "1").strip("0") == "1"]
    if not files:
        raise FileNotFoundError(f"'{root}' holds no EEG recordings of BIDS (sub-*/[ses-*/]eeg/*_eeg.*)")
    return files


def entity(path: Path, name: str) -> str:
    """What a BIDS name says, "" if nothing: `entity(…/sub-01_task-rest_eeg.edf, "task")` is "rest"."""
    found = re.search(rf"(?:^|_){name}-([^_.]+)", path.name)
    return found[1] if found else ""


def sidecar(file: Path, root: Path, suffix: str, extension: str, *, needed: bool = False) -> Path:
    """The table or JSON that belongs to a recording, here or above it; an empty path if there is none.

    FileNotFoundError: there is none and it is `needed`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = _bids_path(file, root).find_matching_sidecar(suffix=suffix, extension=extension, on_error="ignore")
    if found is None and needed:
        raise FileNotFoundError(
            f"{file} has no *_{suffix}{extension}; write it, or read the files by the events inside them (files_source)"
        )
    return Path(found) if found is not None else Path()


def _also(files: Sequence[Path], root: Path) -> list[Path]:
    own = [sidecar(file, root, suffix, extension) for file in files for suffix, extension in _SIDECARS]
    own += [other for file in files for other in companions(file)] + [root / "participants.tsv"]
    return list(dict.fromkeys(path for path in own if path.is_file()))


def open_bids(
    path: Path, *, root: Path, rename: Mapping[str, str] | None = None, types: Mapping[str, str] | None = None
) -> mne.io.BaseRaw:
    """A recording as MNE-BIDS sees it, with what its sidecars tell; see `open_raw`."""
    bids = _mne_bids()
    own = {"exclude": other_rates(path)} if path.suffix.lower() in (".edf", ".bdf") else {}
    raw = open_raw(path, lambda: bids.read_raw_bids(_bids_path(path, root), extra_params=own, verbose="error"))
    name_channels(raw, path, rename=rename, types=types)
    return raw


def _bids_path(file: Path, root: Path) -> Any:
    found = _mne_bids().get_bids_path_from_fname(file, check=False)
    return found.update(root=root, datatype="eeg", check=False)


def _mne_bids() -> Any:
    try:
        import mne_bids
    except ImportError as error:
        raise ImportError("BIDS needs MNE-BIDS: pip install 'trimcap[bids]', or pip install mne-bids") from error
    return mne_bids


def _chosen(found: list[Path], wanted: Mapping[str, Entity]) -> list[Path]:
    files = found
    for what, names in wanted.items():
        key = {"session": "ses"}.get(what, what)
        if names is None:
            continue
        present = sorted({entity(file, key) for file in found} - {""})
        asked = [_bare(name, key) for name in ([names] if isinstance(names, str) else names)]
        for name in asked:
            if name not in {_bare(known, key) for known in present}:
                raise ValueError(unknown(f"BIDS {what}", name, present) if present else f"no file names a {what}")
        files = [file for file in files if _bare(entity(file, key), key) in asked]
    if not files:
        raise ValueError("no recording has that task, session and run together")
    return files


def _bare(name: str, key: str) -> str:
    text = str(name).removeprefix(f"{key}-")
    return str(int(text)) if text.isdecimal() else text


def _sub(name: str) -> str:
    return f"sub-{str(name).removeprefix('sub-')}"
