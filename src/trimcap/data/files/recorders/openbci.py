"""Raw files of the OpenBCI GUI (`OpenBCI-RAW-….txt`): Cyton, Cyton with Daisy, Ganglion; versions 3 to 6."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from trimcap.data.files.recorders.delimited import Cells, cells, columns_in, seconds, separator_of, text_of
from trimcap.data.files.recorders.take import Take
from trimcap.data.files.recorders.timeline import by_counter, changes, measured_rate

_EEG = re.compile(r"(EXG|EEG) Channel ?[0-9]+$", re.IGNORECASE)


def is_openbci(head: str) -> bool:
    """Whether a text begins as the GUI writes it."""
    return head.lstrip().startswith("%") and "openbci" in head[:400].lower()


def read_openbci(path: Path) -> Take:
    """µV of the EXG channels; the packet number tells what was lost, the Timestamp where more than a round was.

    ValueError: no EXG columns, no rate, cells that are no numbers; names the file.
    """
    text = text_of(path)
    lines = text.splitlines()
    facts = dict(_facts(line) for line in lines if line.startswith("%"))
    first = next((i for i, line in enumerate(lines) if line.strip() and not line.startswith("%")), len(lines))
    header = lines[first] if first < len(lines) else ""
    named = bool(re.search("[A-Za-z]{3}", header)) and "index" in header.lower()
    names = columns_in(header) if named else _old_names(header, facts)
    body = cells(text, path, names=names, skip=first + named, separator=separator_of(header), comment="%")
    rows = [i for i, name in enumerate(body.names) if _EEG.match(name)]
    if not rows:
        raise ValueError(f"{path}: no column EXG Channel 0, 1, … among {', '.join(filter(None, body.names[:12]))}")
    stamps = _stamps(body, path)
    rate = _number(facts.get("sample rate", "")) or _rate(path, stamps)
    counter = next((i for i, name in enumerate(body.names) if "index" in name.lower()), None)
    numbers = np.full(len(body), np.nan) if counter is None else body.numbers(counter, path)
    grid, keep, notes = by_counter(numbers, rate, stamps)
    told = _number(facts.get("number of channels", ""))
    if told and told != len(rows):
        notes.append(f"the header tells of {told:g} channels, the table has {len(rows)}")
    marks = [i for i, name in enumerate(body.names) if name.lower().startswith("marker")]
    events = [mark for i in marks for mark in changes(body.numbers(i, path)[keep], grid)]
    used = {*rows, *marks, counter}
    dropped = tuple(name for i, name in enumerate(body.names) if i not in used and name and not _is_time(name))
    signal = np.stack([body.numbers(i, path)[keep] for i in rows])
    return Take(signal, tuple(body.names[i] for i in rows), grid, tuple(events), dropped, tuple(notes))


def _facts(line: str) -> tuple[str, str]:
    name, _, value = line.lstrip("% ").partition("=")
    return name.strip().lower(), value.strip()


def _number(text: str) -> float:
    found = re.match(r"[0-9]+(?:[.,][0-9]+)?", text)
    return float(found[0].replace(",", ".")) if found else 0.0


def _old_names(line: str, facts: dict[str, str]) -> list[str]:
    """Columns of versions 3 and 4, which the header describes in words: index, channels, accelerations, times."""
    n = int(_number(facts.get("number of channels", "")) or 0)
    total = len(line.split(separator_of(line)))
    names = ["Sample Index", *(f"EXG Channel {i}" for i in range(n))]
    rest = max(total - len(names), 0)
    times = [i for i, cell in enumerate(line.split(separator_of(line))[len(names) :]) if ":" in cell or len(cell) > 11]
    return [*names, *("Timestamp" if i in times else f"Aux {i}" for i in range(rest))]


def _is_time(name: str) -> bool:
    return name.lower().startswith("timestamp")


def _stamps(body: Cells, path: Path) -> np.ndarray | None:
    for i in (i for i, name in enumerate(body.names) if _is_time(name)):
        found = seconds(body, i, path)
        if np.isfinite(found).mean() > 0.9 and np.ptp(found[np.isfinite(found)]) > 0:
            return found
    return None


def _rate(path: Path, stamps: np.ndarray | None) -> float:
    try:
        return measured_rate(stamps if stamps is not None else np.empty(0))
    except ValueError as error:
        raise ValueError(f"{path}: {error}; write the line '%Sample Rate = 250 Hz' into its header") from error
