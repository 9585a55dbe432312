"""CSV files of EMOTIV: TestBench (one line of facts) and EmotivPRO (facts, then names of columns)."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from trimcap.data.electrodes.names import tidy
from trimcap.data.files.recorders.delimited import Cells, cells, columns_in, seconds, separator_of, text_of
from trimcap.data.files.recorders.take import Take
from trimcap.data.files.recorders.timeline import by_counter, by_time, changes, measured_rate

_MARKERS = ("marker", "markervalueint", "marker_hardware", "markerhardware")
_UNITS = {"v": 1e6, "mv": 1e3, "uv": 1.0, "µv": 1.0, "emotiv": 1.0, "": 1.0}


def is_emotiv(head: str) -> bool:
    """Whether a text begins as EMOTIV's programs write it."""
    lines = head.splitlines()[:2]
    first = lines[0].lower() if lines else ""
    facts = "sampling" in first and ("labels:" in first or "headset" in first)
    return facts or any(re.search(r"(^|[,;\t\"])EEG\.(AF3|Counter|F7|T7|Pz)\b", line) for line in lines)


def subject_of(head: str) -> str:
    """What the first line says of the subject, "" if nothing."""
    found = re.search(r"(?:^|,)\s*subject\s*(?:name)?:\s*([^,]*)", head.split("\n", 1)[0], re.IGNORECASE)
    return found[1].strip() if found else ""


def read_emotiv(path: Path) -> Take:
    """µV, some 4200 µV from zero; COUNTER tells what was lost, INTERPOLATED what the program made up.

    ValueError: no electrodes, no rate, an unknown unit, cells that are no numbers; names the file.
    """
    text = text_of(path)
    lines = text.splitlines()
    first = lines[0]
    labels = re.search(r"labels:\s*([^,;\t]*)", first, re.IGNORECASE)
    if labels:
        names, skip = labels[1].split(), 1
        body_line = next((line for line in lines[1:] if line.strip()), "")
    else:
        skip = next(i for i, line in enumerate(lines) if re.search(r"EEG\.", line)) + 1
        names, body_line = columns_in(lines[skip - 1]), lines[skip - 1]
    body = cells(text, path, names=names, skip=skip, separator=separator_of(body_line))
    short = [re.sub(r"^EEG\.", "", name) for name in names]
    rows = [i for i, name in enumerate(short) if tidy(name) is not None and "." not in name]
    if not rows:
        raise ValueError(f"{path}: no electrode among its columns {', '.join(names[:12])}")
    told = re.search(r"units?:\s*([^,;\t ]*)", first, re.IGNORECASE)
    unit = told[1].strip().lower() if told else ""
    if unit not in _UNITS:
        raise ValueError(f"{path}: its unit is {unit!r}; export it in µV")
    stamps = _stamps(body, short, path)
    rate = _rate(first, stamps, path)
    counter = next((i for i, name in enumerate(short) if name.lower() == "counter"), None)
    keep = np.ones(len(body), dtype=bool)
    if counter is not None:
        grid, keep, notes = by_counter(body.numbers(counter, path), rate, stamps)
    else:
        grid, notes = by_time(stamps if stamps is not None else np.arange(len(body)) / rate, rate)
    marked = [i for i, name in enumerate(short) if name.lower() in _MARKERS]
    marks = [mark for i in marked for mark in changes(body.numbers(i, path, strict=False)[keep], grid)]
    made_up = next((i for i, name in enumerate(short) if name.lower() == "interpolated"), None)
    if made_up is not None:
        marks += _stretches(body.numbers(made_up, path)[keep] > 0, grid.places, rate)
    used = {*rows, *marked, counter, made_up}
    dropped = tuple(name for i, name in enumerate(names) if i not in used and name and "time" not in name.lower())
    signal = np.stack([body.numbers(i, path)[keep] for i in rows]) * _UNITS[unit]
    return Take(signal, tuple(short[i] for i in rows), grid, tuple(marks), dropped, tuple(notes))


def _stamps(body: Cells, names: list[str], path: Path) -> np.ndarray | None:
    column = next((i for i, name in enumerate(names) if name.lower() in ("timestamp", "time_stamp_s")), None)
    if column is None:
        return None
    found = seconds(body, column, path)
    return found if np.isfinite(found).mean() > 0.9 else None


def _rate(first: str, stamps: np.ndarray | None, path: Path) -> float:
    told = re.search(r"sampling(?:\s*rate)?:\s*(?:eeg_)?([0-9]+(?:\.[0-9]+)?)", first, re.IGNORECASE)
    if told and float(told[1]) > 0:
        return float(told[1])
    try:
        return measured_rate(stamps if stamps is not None else np.empty(0))
    except ValueError as error:
        raise ValueError(f"{path}: {error}; its first line should say sampling:128") from error


def _stretches(flags: np.ndarray, places: np.ndarray, rate: float) -> list[tuple[float, float, str]]:
    edges = np.flatnonzero(np.diff(np.r_[False, flags, False].astype(np.int8)))
    return [
        (float(places[a] / rate), float((places[b - 1] - places[a] + 1) / rate), "BAD interpolated")
        for a, b in zip(edges[::2], edges[1::2], strict=True)
    ]
