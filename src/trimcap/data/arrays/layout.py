"""What arrays on disk must say beside their numbers, and windows made of it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimcap._errors import unknown
from trimcap.data.arrays.labels import labels_of
from trimcap.data.electrodes.names import unknown_electrodes
from trimcap.data.rows.finite import not_finite
from trimcap.data.rows.lazy import Block, Index, lazy_array, pieces
from trimcap.data.source import Wanted, choose_subjects
from trimcap.data.windows import INTENSITY, Windows

Check = Literal["quick", "full"]

#: what info.json, the attributes of a Zarr group or the schema of a Parquet file may say
INFO = ("channels", "rate", "classes", "unit", "scale", "duration", "steps", "sha256")
#: bytes of X that are looked at for NaN, and how many of them at once
_READ, _AT_ONCE = 2 * 2**30, 32 * 2**20
#: windows that a quick check looks at
_LOOKED_AT = 32
# EEG is tens of µV; below this spread the numbers are volts, or the electrodes were off
_SMALLEST_SPREAD = 1e-2


@dataclass(frozen=True, eq=False)
class Layout:
    """Arrays of one place, before they are checked.

    Parameters
    ----------
    where : the place, for messages
    read : row numbers → rows of X as they are stored
    shape, dtype : of X
    labels : one per row, numbers or names
    table : one line per row; subject, session, trial, start and further columns, of which only subject must be there
    info : keys of `INFO`
    """

    where: str
    read: Callable[[Index], NDArray[Any]]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    labels: NDArray[Any]
    table: pd.DataFrame
    info: Mapping[str, Any]


def windows_from(layout: Layout, *, subjects: Wanted, check: Check, any_names: bool) -> Windows:
    """Windows whose X is read when it is asked for.

    Raises
    ------
    ValueError : the parts of the layout do not fit together; names the place, the part and the row.
    """
    if check not in ("quick", "full"):
        raise ValueError(unknown("check", check, ["quick", "full"]))
    problems = problems_of(layout, any_names=any_names)
    if problems:
        raise ValueError(f"{layout.where}: {problems[0]}")
    info, unit = layout.info, str(layout.info.get("unit", "µV"))
    duration = _duration(layout)
    y, classes, known = labels_of(layout.labels, layout.info.get("classes"))
    windows = Windows(
        X=lazy_array(ScaledRows(layout.read, float(info.get("scale", 1))), layout.shape),
        y=y,
        metadata=complete(layout.table, duration),
        channels=tuple(map(str, info["channels"])),
        rate=float(info["rate"]),
        classes=classes,
        duration=duration,
        unit=unit,
        steps=tuple(map(str, info.get("steps", ()))),
    )
    if not known.all():
        step = f"{int((~known).sum())} of {len(known)} windows without a label left out"
        windows = replace(windows.take(np.flatnonzero(known)), steps=(*windows.steps, step))
    if subjects is not None:
        names = sorted(set(windows.metadata.subject))
        chosen = choose_subjects(names, subjects, what=layout.where)
        windows = windows.take(windows.metadata.subject.isin(chosen).to_numpy())
    _check_values(windows, layout.where, full=check == "full")
    return windows


@dataclass(frozen=True)
class ScaledRows:
    """Rows of `read`, multiplied by `scale`, as float32."""

    read: Callable[[Index], NDArray[Any]]
    scale: float

    def __call__(self, index: Index) -> Block:
        """The rows, in the order of `index`."""
        rows = self.read(index)
        if self.scale == 1:
            return rows.astype(np.float32, copy=False)
        return (rows.astype(np.float64) * self.scale).astype(np.float32)


def problems_of(layout: Layout, *, any_names: bool = False) -> list[str]:
    """What is wrong with the sizes, names and labels, in words; nothing of X is read."""
    found = [*_of_sizes(layout), *_of_info(layout, any_names=any_names)]
    if not found:
        try:
            labels_of(layout.labels, layout.info.get("classes"))
        except ValueError as error:
            found.append(str(error))
    return found


def values_problem(layout: Layout) -> str:
    """What is said about NaN and infinity in X, "" if none is seen; of a very large X windows evenly spread."""
    n = layout.shape[0]
    if layout.dtype.kind != "f" or len(layout.shape) < 2 or 0 in layout.shape:
        return ""
    row = math.prod(layout.shape[1:]) * layout.dtype.itemsize
    most = max(1, _READ // row)
    chosen = np.arange(n) if n <= most else np.linspace(0, n - 1, most).round().astype(np.int64)
    at_once = max(1, _AT_ONCE // row)
    blocks = (layout.read(chosen[first : first + at_once]) for first in range(0, len(chosen), at_once))
    channels = layout.info.get("channels") or ()
    return not_finite(
        blocks, tuple(map(str, channels)) if len(layout.shape) == 3 else (), rows=None if n <= most else chosen
    )


def complete(table: pd.DataFrame, duration: float) -> pd.DataFrame:
    """Metadata with all columns that windows need; without starts they follow each other within their trial."""
    made = pd.DataFrame({"subject": table["subject"].astype(str)})
    for column in ("session", "trial"):
        made[column] = table[column].astype(str) if column in table else "0"
    if "start" in table:
        made["start"] = table["start"].astype(np.float64)
    else:
        made["start"] = made.groupby(["subject", "session", "trial"]).cumcount() * duration
    for column in table.columns:
        if column not in made:
            made[column] = table[column]
    return made


def merged(info: Mapping[str, Any], given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """What the place says, and what the caller says instead.

    Raises
    ------
    ValueError : a key that means nothing.
    """
    for key in (*info, *given):
        if key not in INFO:
            raise ValueError(f"{where}: {unknown('key', key, INFO)}")
    chosen = {key: value for key, value in given.items() if value is not None}
    return {**info, **{key: list(value) if isinstance(value, tuple) else value for key, value in chosen.items()}}


def info_from(text: str | bytes, where: str) -> dict[str, Any]:
    """A JSON object.

    Raises
    ------
    ValueError : it is something else.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where} is no JSON ({error})") from error
    if not isinstance(found, dict):
        raise ValueError(f'{where} must hold a JSON object such as {{"rate": 200}}, not a {type(found).__name__}')
    return found


def read_info(path: Path) -> dict[str, Any]:
    """The JSON object in a file; {} if there is no such file."""
    return info_from(path.read_bytes(), str(path)) if path.exists() else {}


def plain_column(column: pd.Series[Any]) -> NDArray[Any]:
    """A column of metadata as numbers or text, for a file; refuses Python objects."""
    values = column.to_numpy()
    if values.dtype.kind in "biuf":
        return values
    if not all(isinstance(v, str) for v in values):
        raise ValueError(f"metadata column {column.name!r} holds Python objects; turn it into text or numbers first")
    return np.asarray(values.tolist(), dtype=np.str_)


@contextmanager
def foreign(path: Path, kind: str, library: str) -> Iterator[None]:
    """Errors of another library and its codecs become a ValueError that names the place.

    Raises
    ------
    ImportError : the library is missing; says how it is installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise ImportError(f"{kind} needs {library}: pip install 'trimcap[arrays]'") from error
    except FileNotFoundError:
        raise
    except Exception as error:  # codecs raise whatever they like on damaged chunks
        text = str(error)
        known = isinstance(error, ValueError) and text.startswith(str(path))
        raise ValueError(text if known else f"{path} can't be read as {kind} ({text}); write it again") from error


def _of_sizes(layout: Layout) -> list[str]:
    n = layout.shape[0]
    found = []
    if len(layout.shape) < 2 or 0 in layout.shape:
        return [f"X has shape {layout.shape}; expected (n, n_channels, n_times), none of them zero"]
    if layout.dtype.kind not in "fiu" or layout.dtype.itemsize > 8:
        return [f"X holds {layout.dtype}; expected float32, or integers with a scale"]
    if layout.dtype.kind in "iu" and "scale" not in layout.info:
        found.append(f"X holds {layout.dtype}; give scale=, the µV of one step (1 if the numbers are µV)")
    if layout.labels.shape != (n,):
        found.append(f"y has shape {layout.labels.shape}; X has {n} rows, so expected ({n},)")
    if len(layout.table) != n:
        found.append(f"the metadata have {len(layout.table)} lines; X has {n} rows")
    if "subject" not in layout.table:
        found.append(
            f"the metadata lack the column subject; they have {', '.join(map(str, layout.table.columns)) or 'none'}"
        )
    for column in [name for name in ("subject", "session", "trial") if name in layout.table]:
        nameless = layout.table[column].isna() | (layout.table[column].astype(str) == "")
        if nameless.any():
            found.append(f"line {int(nameless.to_numpy().argmax())} of the metadata has no {column}")
    if "start" in layout.table and not np.isfinite(pd.to_numeric(layout.table["start"], errors="coerce")).all():
        found.append("the metadata's column start holds something that is no number of seconds")
    return found


def _of_info(layout: Layout, *, any_names: bool) -> list[str]:
    info, found = layout.info, []
    missing = [key for key in ("channels", "rate") if info.get(key) is None]
    if missing:
        return [f"{' and '.join(missing)} not given; write them into its info, or pass {missing[0]}="]
    channels = [str(name) for name in info["channels"]] if isinstance(info["channels"], Sequence) else []
    if isinstance(info["channels"], str) or len(set(channels)) != len(channels) or not channels:
        found.append(f"channels must be a list of different electrode names, got {info['channels']!r}")
    elif not any_names and info.get("unit") != INTENSITY and unknown_electrodes(channels):
        found.append(
            f"unknown electrodes {', '.join(unknown_electrodes(channels))}; rename them to 10-20/10-10 names, or pass "
            "any_names=True (regions, grids and scalp maps will not work)"
        )
    for key in ("rate", "scale", "duration"):
        value = info.get(key, 1)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            found.append(f"{key} is {value!r}; it must be a positive number")
    if not found and info.get("unit", "µV") == "µV" and (len(layout.shape), *layout.shape[1:2]) != (3, len(channels)):
        expected = f"(n, {len(channels)}, n_times)"
        found.append(f"X has shape {layout.shape} and there are {len(channels)} channel names; expected {expected}")
    lists = [key for key in ("classes", "steps") if key in info]
    wrong = [key for key in lists if isinstance(info[key], str) or not isinstance(info[key], Sequence)]
    return [*found, *(f"{key} must be a list of names, got {info[key]!r}" for key in wrong)]


def _duration(layout: Layout) -> float:
    if "duration" in layout.info:
        return float(layout.info["duration"])
    if layout.info.get("unit", "µV") != "µV":
        raise ValueError(f"{layout.where}: features need the duration of their windows, in s; write it into the info")
    return float(layout.shape[-1] / layout.info["rate"])


def _check_values(windows: Windows, where: str, *, full: bool) -> None:
    """Refuse NaN, and µV that look like volts; in all windows, or in some evenly from the first to the last."""
    looked_at = len(windows) if full else min(len(windows), _LOOKED_AT)
    chosen = np.linspace(0, len(windows) - 1, looked_at).round().astype(np.int64)
    spreads, ends, row = [], [], 0
    for X in pieces(windows.take(chosen).X):
        flat = np.isfinite(X.reshape(len(X), -1)).all(axis=1)
        if not flat.all():
            first = chosen[row + int(np.argmin(flat))]
            raise ValueError(
                f"{where}: X holds NaN or infinity, first seen in window {windows.ids[first]}; leave such windows out "
                "or interpolate"
            )
        spreads.append(X.std(axis=-1, dtype=np.float64).reshape(-1) if windows.unit == "µV" else np.ones(1))
        ends.append((X.min(axis=(0, -1)), X.max(axis=(0, -1))))
        row += len(X)
    low, high = (np.array(values) for values in zip(*ends, strict=True))
    dead = low.min(axis=0) == high.max(axis=0)
    if windows.unit == "µV" and dead.any():
        name = windows.channels[int(dead.argmax())]
        raise ValueError(f"{where}: channel {name} is constant in all {len(chosen)} windows looked at; leave it out")
    spread = float(np.median(np.concatenate(spreads)))
    if spread < _SMALLEST_SPREAD:
        raise ValueError(f"{where}: X has a median spread of {spread:.2g} µV, which looks like volts; pass scale=1e6")
