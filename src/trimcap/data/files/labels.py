"""A table that says which file, or stretch of a file, is a trial of which class."""

from __future__ import annotations

import csv
import io
import math
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from trimcap._errors import unknown
from trimcap.data.files.names import check_name, stem_of
from trimcap.data.files.raws import natural
from trimcap.data.files.recorders.known import recorder_of
from trimcap.data.files.spans import Span

COLUMNS = ("file", "label", "subject", "session", "trial", "onset", "duration", "stimulus")
#: cells that hold nothing, in any case
MISSING = frozenset({"", "nan", "n/a", "na", "null"})
_SUFFIXES = (".csv", ".tsv")
_SHOWN = 5
_FORMS: tuple[Literal["NFC", "NFD"], ...] = ("NFC", "NFD")


@dataclass(frozen=True)
class Row:
    """One trial: `line` of the table, and its cells; "" and None where they are empty."""

    line: int
    file: Path
    label: str
    subject: str
    session: str
    trial: str
    onset: float | None
    duration: float | None
    stimulus: str


@dataclass(frozen=True)
class Table:
    """Trials by file, and the class names.

    Parameters
    ----------
    path : of the table
    rows : file → its trials in the order of time; files in the order of the table
    classes : names that occur, numbers by value, else by letters
    """

    path: Path
    rows: Mapping[Path, tuple[Row, ...]]
    classes: tuple[str, ...]

    def unlabelled(self) -> int:
        """How many rows have no label."""
        return sum(not row.label for rows in self.rows.values() for row in rows)


def is_table(path: Path) -> bool:
    """Whether a path names a table rather than a recording."""
    return path.suffix.lower() in _SUFFIXES and recorder_of(path) is None


def read_labels(path: Path | str, *, folder: Path | str | None = None) -> Table:
    """Read a labels table: CSV or TSV with the columns file and label.

    Parameters
    ----------
    path : UTF-8, with or without byte order mark; "," or ";" or tabs between cells. Further columns: subject, session,
        trial, onset and duration (s), stimulus. One row is one trial; several rows may name one file.
    folder : where relative file names start, if not at the table

    Raises
    ------
    FileNotFoundError : no such table, or files that are not there.
    ValueError : another encoding; unknown, missing or repeated columns; a stretch listed twice; a number that is none;
        labels that differ in case only, or that are ratings. Says which line.
    """
    table = Path(path)
    if not table.is_file():
        raise FileNotFoundError(f"no labels table '{table}'; check the path")
    stamp = table.stat()
    return _read(table, None if folder is None else Path(folder), stamp.st_mtime_ns, stamp.st_size)


def row_spans(table: Table, file: Path) -> list[Span]:
    """The labelled trials of a file in the order of time.

    A trial without a name of its own is called after its file, and numbered if the table has several of the file.
    """
    rows = table.rows[file]
    spans = []
    for number, row in enumerate(rows, 1):
        own = stem_of(file) if len(rows) == 1 else f"{stem_of(file)}-{number:03d}"
        start = row.onset or 0.0
        stop = None if row.duration is None else start + row.duration
        facts = {"stimulus": row.stimulus, "start": row.onset, "end": stop}
        info = {name: fact for name, fact in facts.items() if fact not in (None, "")}
        label = table.classes.index(row.label) if row.label else None
        spans.append(Span(row.trial or own, label, start, stop, row.subject or None, row.session or None, info))
    return [span for span in spans if span.label is not None]


@lru_cache(maxsize=8)  # a source reads it again for every file
def _read(path: Path, folder: Path | None, _changed: int, _size: int) -> Table:
    rows = [_row(line, cells, path, folder) for line, cells in _lines(path)]
    if not rows:
        raise ValueError(f"{path} has no rows; write one per trial: file, label")
    _check_files(rows, path)
    _check_twice(rows, path)
    files: dict[Path, list[Row]] = {}
    for row in rows:
        files.setdefault(row.file, []).append(row)
    in_time = {file: tuple(sorted(own, key=lambda r: (r.onset or 0.0, r.line))) for file, own in files.items()}
    return Table(path, in_time, _classes(rows, path))


def _lines(path: Path) -> list[tuple[int, dict[str, str]]]:
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text (byte {error.start}); save it as 'CSV UTF-8'") from error
    if "\0" in text:
        raise ValueError(f"{path} is no text; save it as 'CSV UTF-8'")
    head = text.split("\n", 1)[0]
    separator = max("\t;,", key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        names = [name.strip().lower() for name in next(reader, [])]
        _check_columns(names, path)
        return [
            (reader.line_num, _cells(names, cells, separator, f"{path}, line {reader.line_num}"))
            for cells in reader
            if any(cell.strip() for cell in cells)
        ]
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: {error}; correct the quotes") from error


def _check_columns(names: Sequence[str], path: Path) -> None:
    missing = [name for name in ("file", "label") if name not in names]
    if missing:
        raise ValueError(
            f"{path} has no column {' or '.join(missing)}; its first line is {', '.join(names) or 'empty'}. A labels "
            f"table has the columns file and label, and if you like {', '.join(COLUMNS[2:])}; tables of features are "
            "no recordings: give their arrays to from_arrays"
        )
    for name in names:
        if name not in COLUMNS:
            raise ValueError(f"{path}: {unknown('column', name, COLUMNS)}. Take it out or rename it")
        if names.count(name) > 1:
            raise ValueError(f"{path} has two columns {name}; keep one")


def _cells(names: Sequence[str], cells: Sequence[str], separator: str, where: str) -> dict[str, str]:
    if len(cells) != len(names):
        raise ValueError(
            f"{where} has {len(cells)} cells, the first line {len(names)}; put quotes around {separator!r}"
        )
    row = {
        name: "" if cell.strip().lower() in MISSING else cell.strip() for name, cell in zip(names, cells, strict=True)
    }
    if separator == ";":  # of spreadsheets that write 1,5
        row |= {name: row[name].replace(",", ".") for name in ("onset", "duration") if name in row}
    return row


def _row(line: int, cells: Mapping[str, str], table: Path, folder: Path | None) -> Row:
    where = f"{table}, line {line}"
    if not cells["file"]:
        raise ValueError(f"{where} names no file")
    onset, duration = (_number(cells.get(name, ""), name, where) for name in ("onset", "duration"))
    if onset is not None and onset < 0:
        raise ValueError(f"{where}: onset is {onset:g} s; it counts from the start of the file")
    if duration is not None and duration <= 0:
        raise ValueError(f"{where}: duration is {duration:g} s; it must be positive, or empty for the rest of the file")
    for name in ("subject", "session", "trial"):
        check_name(cells.get(name, ""), name, where)
    return Row(
        line, _find(cells["file"], table.parent, folder), cells["label"], cells.get("subject", ""),
        cells.get("session", ""), cells.get("trial", ""), onset, duration, cells.get("stimulus", ""),
    )  # fmt: skip


def _number(text: str, name: str, where: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{where}: {name} is {text!r}, which is no number of seconds")
    return value


def _find(name: str, beside: Path, folder: Path | None) -> Path:
    """The file, from `folder` or beside the table, whichever way the system writes accents and folders."""
    variants = dict.fromkeys(
        unicodedata.normalize(form, text) for text in (name, name.replace("\\", "/")) for form in _FORMS
    )
    places = [place for place in (folder, beside) if place is not None]
    texts = dict.fromkeys([name, *variants])
    return next((p for text in texts for place in places if (p := place / text).exists()), places[0] / name)


def _check_files(rows: Sequence[Row], path: Path) -> None:
    missing = {row.file: row.line for row in rows if not row.file.exists()}
    if missing:
        listed = ", ".join(f"'{file}' (line {line})" for file, line in list(missing.items())[:_SHOWN])
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        raise FileNotFoundError(
            f"{path} names {len(missing)} files that are not there: {listed}{more}. Names start at the table's folder"
        )


def _check_twice(rows: Sequence[Row], path: Path) -> None:
    seen: dict[tuple[Path, float, float | None], int] = {}
    for row in rows:
        first = seen.setdefault((row.file, row.onset or 0.0, row.duration), row.line)
        if first != row.line:
            raise ValueError(f"{path}: lines {first} and {row.line} are the same stretch of {row.file.name}; keep one")


def _classes(rows: Sequence[Row], path: Path) -> tuple[str, ...]:
    names = sorted({row.label for row in rows if row.label}, key=natural)
    if not names:
        raise ValueError(f"{path}: no row has a label")
    same = Counter(_meaning(name) for name in names)
    for name in names:
        if same[_meaning(name)] > 1:
            twins = " and ".join(repr(n) for n in names if _meaning(n) == _meaning(name))
            raise ValueError(f"{path}: the labels {twins} mean the same; write one of them everywhere")
    fractions = [name for name in names if isinstance(v := _meaning(name), float) and not v.is_integer()]
    if fractions:
        raise ValueError(
            f"{path}: the labels are ratings ({', '.join(fractions[:3])}, …), not classes; write each trial's class, "
            "such as low and high, with the threshold of your choice"
        )
    return tuple(names)


def _meaning(name: str) -> float | str:
    try:
        return float(name)
    except ValueError:
        return name.casefold()
