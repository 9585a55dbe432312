"""What the annotations of an EDF+ or BDF+ file say: when each record began, and what happened.

MNE takes records for one stretch, although those of EDF+D have pauses between them, and passes over an annotation
whose duration is negative.

Format: Kemp and Olivan (2003), "European data format 'plus' (EDF+), an EDF alike standard format for the exchange of
physiological data".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trimcap.data.files.edf.head import EdfFields, edf_fields

#: signals that hold annotations
SIGNALS = ("EDF Annotations", "BDF Annotations")
# a time, a duration, texts; all between the bytes 20 and 21, up to a zero
_ENTRY = re.compile(rb"([+-][0-9]+(?:\.[0-9]*)?)(?:\x15([^\x14\x00]*))?\x14([^\x00]*)\x00")


# of a record's length: clocks that drift within it are no pause
_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Note:
    """An annotation: s after the header's start, how long (None: not said, negative or no number), and what."""

    onset: float
    duration: float | None
    text: str
    wrong: str = ""


@dataclass(frozen=True)
class EdfNotes:
    """All annotations of a file.

    Parameters
    ----------
    records : how many there are
    starts : of the records, s after the header's start
    length : of a record, s
    notes : in the order of the file
    """

    records: int
    starts: tuple[float, ...]
    length: float
    notes: tuple[Note, ...]

    def pauses(self) -> tuple[tuple[float, float], ...]:
        """Where the records stop and go on: (s of signal before it, how long nothing was recorded, s).

        ValueError: a record begins before the one in front of it ends, or says no time.
        """
        if len(self.starts) != self.records:
            raise ValueError(f"{self.records - len(self.starts)} of {self.records} records do not say when they began")
        found = []
        for i, (a, b) in enumerate(zip(self.starts, self.starts[1:], strict=False), 1):
            gap = b - a - self.length
            if gap < -_TOLERANCE * max(self.length, 1e-3):
                raise ValueError(f"record {i + 1} begins at {b:g} s, before record {i} ends ({a + self.length:g} s)")
            if gap > _TOLERANCE * max(self.length, 1e-3):
                found.append((i * self.length, gap))
        return tuple(found)


def is_plus(head: EdfFields) -> bool:
    """Whether a header announces annotations."""
    return head.kind[:5] in ("EDF+C", "EDF+D", "BDF+C", "BDF+D") and any(name in SIGNALS for name in head.labels)


def pauses(path: Path) -> tuple[tuple[float, float], ...]:
    """`EdfNotes.pauses` of any file; only EDF+D and BDF+D have some."""
    if path.suffix.lower() not in (".edf", ".bdf"):
        return ()
    try:
        head = edf_fields(path)
        return edf_notes(path).pauses() if is_plus(head) and head.kind[4] == "D" else ()
    except ValueError as error:
        raise ValueError(f"{path}: its times are damaged: {error}") from error


def in_signal(seconds: float, stops: Sequence[tuple[float, float]]) -> tuple[float, bool]:
    """Where in the signal a time of the clock lies, s, and whether nothing was recorded then.

    Both count from the first sample; the clock goes on in a pause, the signal does not.
    """
    lost = 0.0
    for at, gap in stops:
        if seconds < at + lost:
            break
        if seconds < at + lost + gap:
            return at, True
        lost += gap
    return seconds - lost, False


def edf_notes(path: Path) -> EdfNotes:
    """Annotations of an EDF+ or BDF+ file; texts are UTF-8, or what the recorder's computer wrote (Latin-1)."""
    stamp = path.stat()
    return _read(path, stamp.st_mtime_ns, stamp.st_size)


@lru_cache(maxsize=4)
def _read(path: Path, _changed: int, size: int) -> EdfNotes:
    head = edf_fields(path)
    records = (size - head.offset) // max(head.record_bytes, 1)
    table: Iterable[NDArray[np.uint8]] = ()
    if records:
        table = np.memmap(path, np.uint8, "r", head.offset, (records, head.record_bytes))
    ends = np.cumsum([0, *head.counts]) * head.width
    places = [slice(ends[i], ends[i + 1]) for i, name in enumerate(head.labels) if name in SIGNALS]
    starts: list[float] = []
    notes: list[Note] = []
    for row in table:
        for n, place in enumerate(places):
            entries = _ENTRY.findall(row[place].tobytes())
            starts += [float(onset) for onset, _, _ in entries[:1] if n == 0]
            notes += [_note(o, d, text) for o, d, texts in entries for text in texts.split(b"\x14") if text]
    return EdfNotes(records, tuple(starts), head.length, tuple(notes))


def _note(onset: bytes, duration: bytes, text: bytes) -> Note:
    try:
        words = text.decode("utf-8")
    except UnicodeDecodeError:
        words = text.decode("latin-1")
    try:
        seconds = float(duration) if duration else 0.0
    except ValueError:
        seconds = float("nan")
    wrong = "" if 0 <= seconds < float("inf") else f"its duration is {duration.decode('latin-1')!r}"
    return Note(float(onset), None if wrong else seconds, words, wrong)
