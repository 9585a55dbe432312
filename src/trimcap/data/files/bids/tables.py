"""Tables of a BIDS data set: events and participants."""

from __future__ import annotations

import csv
import io
import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from trimcap._errors import unknown
from trimcap.data.files.events import Event, is_bad
from trimcap.data.files.labels import MISSING
from trimcap.data.files.raws import natural


def read_tsv(path: Path) -> list[dict[str, str]]:
    """Rows of a tab-separated table, cells without meaning as "".

    ValueError: no UTF-8 text, or rows of different length; says which line.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text (byte {error.start})") from error
    lines = list(csv.reader(io.StringIO(text, newline=""), delimiter="\t", quoting=csv.QUOTE_NONE))
    if not lines:
        raise ValueError(f"{path} is empty; it needs a first line with the names of its columns")
    names = [name.strip() for name in lines[0]]
    rows = []
    for number, cells in enumerate(lines[1:], 2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(names):
            raise ValueError(f"{path}, line {number} has {len(cells)} cells, the first line {len(names)}")
        cleaned = ("" if cell.strip().lower() in MISSING else cell.strip() for cell in cells)
        rows.append(dict(zip(names, cleaned, strict=True)))
    return rows


def bids_events(path: Path, column: str) -> list[Event]:
    """Events of an `*_events.tsv` that have a value in `column`, in the order of time.

    ValueError: no such column, or no number where one must be; says which line.
    """
    rows = read_tsv(path)
    for name in ("onset", "duration", column):
        if rows and name not in rows[0]:
            raise ValueError(f"{path}: {unknown('column', name, rows[0])}")
    found = [_event(row, column, f"{path}, line {number}") for number, row in enumerate(rows, 2) if row[column]]
    return sorted(found, key=lambda event: event.onset)


def event_values(tables: Sequence[Path], column: str) -> tuple[str, ...]:
    """All values of a column of many `*_events.tsv`, numbers by value; stretches marked bad are none.

    ValueError: there are none.
    """
    values = {event.name for table in tables for event in bids_events(table, column) if not is_bad(event)}
    if not values:
        raise ValueError(f"column {column} of {len(tables)} events tables (first: {tables[0]}) holds no value")
    return tuple(sorted(values, key=natural))


def participant_labels(root: Path, label: str, subjects: Iterable[str]) -> dict[str, str]:
    """Subject (without "sub-") → the class that a column of `participants.tsv` gives it.

    Parameters
    ----------
    label : "participants:column"
    subjects : those who have recordings

    Raises
    ------
    FileNotFoundError : no table. ValueError : no such column; nobody has a label.

    Warns
    -----
    UserWarning : subjects without a label, how many.
    """
    path, column = root / "participants.tsv", label.partition(":")[2]
    if not path.is_file():
        raise FileNotFoundError(f"no '{path}', so label={label!r} means nothing")
    rows = read_tsv(path)
    for name in ("participant_id", column):
        if rows and name not in rows[0]:
            raise ValueError(f"{path}: {unknown('column', name, rows[0])}")
    known = {row["participant_id"].removeprefix("sub-"): row[column] for row in rows if row[column]}
    present = sorted(subjects, key=natural)
    groups = {name: known[name] for name in present if name in known}
    if not groups:
        raise ValueError(f"{path}: no subject with recordings has a value in column {column}")
    without = [name for name in present if name not in groups]
    if without:
        text = f"{path}: {len(without)} of {len(present)} subjects have no {column}, left out: {', '.join(without)}"
        warnings.warn(text, stacklevel=3)
    return groups


def bids_label(groups: Mapping[str, str]) -> tuple[str, ...]:
    """Class names of labelled subjects, numbers by value."""
    return tuple(sorted(set(groups.values()), key=natural))


def _event(row: Mapping[str, str], column: str, where: str) -> Event:
    return Event(
        _seconds(row["onset"], "onset", where), _seconds(row["duration"] or "0", "duration", where), row[column],
        row.get("stim_file", ""),
    )  # fmt: skip


def _seconds(text: str, name: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or (name == "duration" and value < 0):
        raise ValueError(f"{where}: {name} is {text!r}, which is no number of seconds")
    return value
