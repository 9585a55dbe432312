"""Which program wrote a file, and its reader."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from trimcap.data.files.recorders.delimited import head_of
from trimcap.data.files.recorders.emotiv import is_emotiv, read_emotiv, subject_of
from trimcap.data.files.recorders.muse import is_muse, read_muse
from trimcap.data.files.recorders.openbci import is_openbci, read_openbci
from trimcap.data.files.recorders.take import Take
from trimcap.data.files.recorders.xdf import read_xdf

_TEXTS = (".txt", ".csv", ".tsv")
_READERS: tuple[tuple[str, Callable[[str], bool], Callable[[Path], Take]], ...] = (
    ("OpenBCI GUI", is_openbci, read_openbci),
    ("EMOTIV", is_emotiv, read_emotiv),
    ("Muse", is_muse, read_muse),
)


def recorder_of(path: Path) -> tuple[str, Callable[[Path], Take]] | None:
    """The program and its reader, None if the file is of no headset's program."""
    suffix = path.suffix.lower()
    if suffix in (".xdf", ".xdfz") or path.name.lower().endswith(".xdf.gz"):
        return "LabStreamingLayer", read_xdf
    if suffix not in _TEXTS or not path.is_file():
        return None
    stamp = path.stat()
    place = _sniffed(path, stamp.st_mtime_ns, stamp.st_size)
    return None if place is None else (_READERS[place][0], _READERS[place][2])


@lru_cache(maxsize=4096)
def _sniffed(path: Path, _changed: int, _size: int) -> int | None:
    head = head_of(path)
    return next((i for i, (_, fits, _) in enumerate(_READERS) if fits(head)), None)


def header_subject(path: Path) -> str:
    """What the header of a text file says of its subject, "" if nothing."""
    found = recorder_of(path)
    return subject_of(head_of(path)) if found is not None and found[0] == "EMOTIV" else ""
