"""EEG files of any format that MNE reads, labelled by a table, by events inside them, or by their names."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from trimcap.data.files.edf.notes import pauses
from trimcap.data.files.events import Classes, check_around, event_spans, events_of
from trimcap.data.files.header import first_header, open_named
from trimcap.data.files.identity import common_root, identity
from trimcap.data.files.labels import Table, is_table, read_labels, row_spans
from trimcap.data.files.names import class_by_name, files_at, name_by, named_files, stem_of, without
from trimcap.data.files.raws import companions
from trimcap.data.files.spans import Reading, Span, over_pauses, read_spans
from trimcap.data.recording import Recording
from trimcap.data.source import Source, Wanted, choose_subjects


def files_source(
    path: Path | str | None = None,
    *,
    subjects: Wanted = None,
    files: Sequence[Path | str] | None = None,
    leave_out: str | Sequence[str] = (),
    labels: Path | str | None = None,
    events: Classes | None = None,
    patterns: Mapping[str, str] | None = None,
    start: float = 0.0,
    stop: float | None = None,
    stim: str | None = None,
    missing_events: str = "raise",
    subject: str | None = None,
    session: str | None = None,
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
    """EEG files (EDF, BDF, GDF, FIF, EEGLAB, BrainVision, Neuroscan CNT, … all that MNE reads), one item each.

    Trials are labelled in one of three ways; without any every file is one trial of one class.

    - `labels`: a table, see `read_labels`. One row is one trial: a file, or a stretch of it.
    - `events`: classes by what happened; one trial around each event, named after the file and numbered in time.
    - `patterns`: classes by file name, such as {"rest": "*_1.edf", "task": "*_2.edf"}; the first that fits.

    Making a source reads names, the table, and the header of the first file, whose EEG channels and rate all files
    must have. Channels are matched by name, so their order in a file does not matter. Reading takes one file at a
    time, and of that only the stretches that are trials, where the format allows.

    Parameters
    ----------
    path : a folder (with its subfolders), a file, or a labels table
    subjects : which, or how many; default all
    files : the files, instead of `path`; with `labels` those of them that the table names
    leave_out : patterns of files not to read, of their paths below `path` or of their names: "subject07/2012.07.11*"
    labels : CSV or TSV; relative names in it start at `path`, if that is a folder, or at the table
    events : class → descriptions or codes, e.g. {"left": "769", "right": ["770", "T2"]}; "S1" finds `Stimulus/S  1`
    patterns : class → pattern of the file's name, or of its path where the pattern has a "/"
    start, stop : of a trial, s after its event; stop None: the event's own duration
    stim : trigger channel to take events from; default: annotations, and where there are none the trigger channel
    missing_events : "raise", or "allow" files without an event of some class
    subject : who a file is of: "header" (what it says of its subject), "bids" (`sub-…` in its name), "folder"
        (`subject03/` above it), "file" (its name up to the first underscore), or a regular expression whose group 1 is
        the name, searched in the file's name without ending, then in its path below `path`. A table's column comes
        first. Default: the first of these four that names all files; if the others draw other lines between persons, or
        only file names are there, the windows' `steps` say so, and no protocol takes them for new subjects
    session : the same by a regular expression; default "1"
    channels : electrodes to read, in this order; T3 finds T7. Default: all EEG channels, in the first file's order
    rename, types : of channels, by their names in the file, e.g. {"EEG Fp1-Ref": "Fp1"}, {"EXG1": "eog"}. A prefix
        `EEG `, `-REF` and other common references, trailing dots and odd case go by themselves where a name of the
        10-5 system is left
    any_names : accept names outside the 10-5 system (no regions, grids or scalp maps then), and any amplitude
    bad_channels : what to do with channels marked bad: "raise"; "interpolate" (spherical splines); "drop" those that
        are bad in any file from all files (opens all headers)
    rate : Hz to resample every trial to, by polyphase filtering of its surroundings too; None: files must agree
    unit : what the numbers are that MNE takes for volts: "V", "mV", "uV" or "nV"; of some channels {"C3": "uV"}
    on_bad : a trial with an annotation such as BAD_… or a boundary in it, with a constant channel or NaN, or beyond
        the file's ends: "raise"; "drop" and count it; "keep" it with the reason in `info["bad"]` if it lies inside
    on_overlap : trials of a file that share samples: "raise", or "flag" them with a warning and `info["overlaps"]`

    Returns
    -------
    Source of recordings in µV, float32; subject, session and trial as above; `info`: file, and start, end (s), event
    and stimulus where they are known.

    Raises
    ------
    FileNotFoundError : no such path; a table names a file that is not there.
    ValueError : options that exclude each other; two trials with one name; an unknown subject; a table, the first
        header or, when it is read, a file that is wrong. The message names the file.

    Warns
    -----
    UserWarning : rows of the table without a label, files that it leaves out, and, when they are read, trials left
        out: how many and why.
    """
    check_ways(labels, events, patterns)
    check_around(events, start=start, stop=stop, missing=missing_events)
    place, table_path = _places(path, files, labels)
    root, found, table = _found(place, files, table_path)
    found = without(found, leave_out, root or common_root(found))
    root = root or common_root(found)
    doubt = ""
    if subject is None:
        known = identity(found, root)
        subject, doubt = known.way, known.doubt
    wanted = _wanted(found, table, root=root, subject=subject, session=session, patterns=patterns)
    chosen = choose_subjects(list(wanted), subjects, what="files")
    items = list(dict.fromkeys(file for name in chosen for file in wanted[name]))
    header = first_header(
        found, channels=channels, rename=rename, types=types, any_names=any_names, drop_bad=bad_channels == "drop"
    )
    read = partial(
        read_file,
        root=None if root is None else str(root),
        subjects=None if subjects is None or table is None else tuple(chosen),
        labels=None if table is None else str(table.path),
        events=events,
        patterns=patterns,
        start=start, stop=stop, stim=stim, missing_events=missing_events, subject=subject, session=session, doubt=doubt,
        rename=rename, types=types, any_names=any_names, bad_channels=bad_channels, rate=rate, unit=unit,
        on_bad=on_bad, on_overlap=on_overlap, **header,
    )  # fmt: skip
    also = [other for file in items for other in companions(file)] + ([] if table is None else [table.path])
    return Source("files", tuple(items), read, tuple(also))


def read_files(path: Path | str | None = None, **options: Any) -> list[Recording]:
    """All recordings of `files_source(path, **options)`, in memory."""
    return list(files_source(path, **options))


def read_file(
    path: Path,
    *,
    root: str | None = None,
    subjects: Sequence[str] | None = None,
    labels: str | None = None,
    events: Classes | None = None,
    patterns: Mapping[str, str] | None = None,
    start: float = 0.0,
    stop: float | None = None,
    stim: str | None = None,
    missing_events: str = "raise",
    subject: str | None = None,
    session: str | None = None,
    doubt: str = "",
    rename: Mapping[str, str] | None = None,
    types: Mapping[str, str] | None = None,
    **reading: Any,
) -> list[Recording]:
    """The trials of one file: what the source of `files_source` reads for an item.

    Parameters
    ----------
    root : folder above which paths tell nothing
    subjects : only their rows of the table
    doubt : why it is not certain whose file it is
    reading : `Reading` but for the classes
    """
    path, above = Path(path), None if root is None else Path(root)
    table = None if labels is None else read_labels(labels, folder=root)
    raw = open_named(path, rename=rename, types=types)
    names = {what: name_by(text, path, above, what=what) for what, text in (("subject", subject), ("session", session))}
    prefix = stem_of(path)
    if table is not None:
        classes = table.classes
        spans = [s for s in row_spans(table, path) if subjects is None or (s.subject or names["subject"]) in subjects]
        spans = over_pauses(spans, pauses(path))
    elif events is not None:
        classes = tuple(events)
        found = events_of(raw, path, stim=stim)
        spans = event_spans(found, events, path, prefix=prefix, start=start, stop=stop, missing=missing_events)
    else:
        classes = tuple(patterns or ("0",))
        spans = [Span(prefix, class_by_name(path, patterns, above) if patterns else 0)]
    if doubt:
        spans = [s if s.subject else replace(s, info={**s.info, "doubt": doubt}) for s in spans]
    return read_spans(raw, path, spans, Reading(classes=classes, **reading), **names)


def check_ways(*ways: object) -> None:
    """Refuse two ways of labelling at once."""
    if sum(way is not None for way in ways) > 1:
        raise ValueError("labels=, events= and patterns= are three ways to label files; give one of them")


def _places(
    path: Path | str | None, files: Sequence[Path | str] | None, labels: Path | str | None
) -> tuple[Path | None, Path | None]:
    """The folder or file to read, and the labels table."""
    if (path is None and files is None and labels is None) or (path is not None and files is not None):
        raise ValueError("pass the path of a folder, a file or a labels table, or files=[…]; not both")
    place = None if path is None else Path(path)
    table = None if labels is None else Path(labels)
    if place is not None and is_table(place):
        if table is not None:
            raise ValueError(f"path '{place}' is a labels table, and labels= names another; give one")
        return None, place
    if table is not None and place is not None and not table.is_absolute() and not table.exists():
        table = place / table if (place / table).exists() else table
    return place, table


def _found(
    place: Path | None, files: Sequence[Path | str] | None, table_path: Path | None
) -> tuple[Path | None, list[Path], Table | None]:
    """Where paths start, the files, and the table."""
    root, found = (None, []) if place is None else files_at(place)
    if files is not None:
        found = named_files(files)
    if table_path is None:
        return root, found, None
    root = root or table_path.parent
    table = read_labels(table_path, folder=root)
    if table.unlabelled():
        total = sum(map(len, table.rows.values()))
        warnings.warn(f"{table_path}: {table.unlabelled()} of {total} rows have no label; left out", stacklevel=3)
    named = {file.resolve() for file in table.rows}
    others = [file for file in found if file.resolve() not in named]
    if others:
        listed = ", ".join(file.name for file in others[:5])
        warnings.warn(f"{table_path} does not name {len(others)} of the files: {listed}; left out", stacklevel=3)
    wanted = None if files is None else {file.resolve() for file in found}
    labelled = [file for file, rows in table.rows.items() if any(row.label for row in rows)]
    return root, [file for file in labelled if wanted is None or file.resolve() in wanted], table


def _wanted(
    files: Sequence[Path],
    table: Table | None,
    *,
    root: Path | None,
    subject: str | None,
    session: str | None,
    patterns: Mapping[str, str] | None,
) -> dict[str, list[Path]]:
    """Subject → its files. ValueError: two trials with one name; a file that no pattern fits."""
    wanted: dict[str, list[Path]] = {}
    names: Counter[tuple[str, str, str]] = Counter()
    for file in files:
        own = (name_by(subject, file, root, what="subject"), name_by(session, file, root, what="session"))
        if patterns is not None:
            class_by_name(file, patterns, root)
        spans = [Span(stem_of(file), 0)] if table is None else row_spans(table, file)
        for span in spans:
            name = (span.subject or own[0], span.session or own[1], span.trial)
            names[name] += 1
            wanted.setdefault(name[0], []).append(file)
            if names[name] > 1:
                raise ValueError(
                    f"two trials are called {'/'.join(name)} (subject/session/trial), the second of {file}; tell them "
                    "apart with subject= and session= (regular expressions), or in columns of a labels table"
                )
    return wanted
