"""CSV files of Muse headbands: Mind Monitor (`RAW_TP9`, …) and muselsl (`timestamps, TP9, …`)."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trimcap.data.files.recorders.delimited import cells, columns_in, seconds, separator_of, text_of
from trimcap.data.files.recorders.take import Take
from trimcap.data.files.recorders.timeline import by_time, measured_rate

_RAW = re.compile(r"RAW_(TP9|AF7|AF8|TP10|FPZ|FP1|FP2)$", re.IGNORECASE)
_LSL = ("TP9", "AF7", "AF8", "TP10")
# of Muse and Muse 2, and of the first Muse, Hz; programs round the times of samples to ms
_RATES = (220, 256, 500)
# rows so far apart are averages, not samples, Hz
_SLOWEST = 50.0


def is_muse(head: str) -> bool:
    """Whether a text begins as Mind Monitor or muselsl write it."""
    names = columns_in(_first_line(head))
    lower = {name.lower() for name in names}
    return any(_RAW.match(name) for name in names) or ("timestamps" in lower and {"tp9", "af7"} <= lower)


def read_muse(path: Path) -> Take:
    """µV as the headband gives them, some 800 µV from zero; markers of the column Elements, gaps by the times.

    ValueError: no times; one row a second, as of averages; cells that are no numbers; names the file.
    """
    text = text_of(path)
    line = _first_line(text)
    names = columns_in(line)
    skip = text.splitlines().index(line) + 1
    body = cells(text, path, names=names, skip=skip, separator=separator_of(line))
    raw = [i for i, name in enumerate(names) if _RAW.match(name)] or [i for i, name in enumerate(names) if name in _LSL]
    clock = next((i for i, name in enumerate(names) if name.lower() in ("timestamp", "timestamps")), None)
    if clock is None:
        raise ValueError(f"{path}: no column TimeStamp, so neither rate nor gaps are known")
    stamps = seconds(body, clock, path)
    values = np.stack([body.numbers(i, path) for i in raw])
    there: NDArray[np.bool_] = np.asarray(np.isfinite(values).any(axis=0))
    if there.sum() < 2:
        raise ValueError(f"{path}: columns {', '.join(names[i] for i in raw)} hold no samples")
    try:
        rate = measured_rate(stamps[there], _RATES, near=0.06)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if rate < _SLOWEST:
        raise ValueError(
            f"{path} has {rate:g} rows a second: averages, not samples; set the recording interval to 'constant'"
        )
    grid, notes = by_time(stamps[there], rate)
    zero = float(stamps[there][np.isfinite(stamps[there])][0])
    elements = next((i for i, name in enumerate(names) if name.lower() in ("elements", "marker0", "marker")), None)
    marks = []
    if elements is not None:
        for row, what in enumerate(body.text(elements).tolist()):
            if what in ("", "0", "0.0"):
                continue
            before = max(int(there[: row + 1].sum()) - 1, 0)  # of samples: the clock's jitter moves no marker
            late = stamps[row] - zero if np.isfinite(stamps[row]) and not there[row] else grid.places[before] / rate
            marks.append((float(late), 0.0, re.sub(r"^/(muse/elements/)?", "", what, flags=re.IGNORECASE)))
    used = {*raw, clock, elements}
    dropped = tuple(name for i, name in enumerate(names) if i not in used and name)
    channels = tuple(re.sub("^RAW_", "", names[i], flags=re.IGNORECASE) for i in raw)
    return Take(values[:, there], channels, grid, tuple(marks), dropped, tuple(notes))


def _first_line(text: str) -> str:
    return next((line for line in text.splitlines() if line.strip()), "")
