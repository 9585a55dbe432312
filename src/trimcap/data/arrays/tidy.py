"""Recordings in a Parquet table: one row per sample, one column per electrode."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimcap._errors import unknown
from trimcap.data.arrays.labels import labels_of
from trimcap.data.arrays.layout import merged
from trimcap.data.arrays.parquet import check_rows, info_of, opened
from trimcap.data.check import check_signal
from trimcap.data.electrodes.names import unknown_electrodes
from trimcap.data.recording import Recording

_KEYS = ("subject", "session", "trial")
_LABELS = ("y", "label")
#: rows that are decoded together
_ROWS = 65536


@dataclass(frozen=True)
class Columns:
    """What the columns of a table are.

    Parameters
    ----------
    keys : of subject, session and trial, those that are there
    label : name of the column of labels
    time : name of the column of seconds, or None
    channels : electrodes
    info : keys of `INFO`
    total : rows
    """

    keys: tuple[str, ...]
    label: str
    time: str | None
    channels: tuple[str, ...]
    info: Mapping[str, Any]
    total: int


def is_tidy(path: Path) -> bool:
    """Whether a Parquet file has a column per electrode, rather than a column X of windows."""
    with opened(path) as file:
        return "X" not in file.schema_arrow.names


def columns_of(path: Path, given: Mapping[str, Any]) -> Columns:
    """The columns of a table; its rows are not read.

    Raises
    ------
    ValueError : no subjects, labels or electrodes; an electrode that is asked for is missing.
    """
    with opened(path) as file:
        check_rows(path, file.metadata)
        names, total = list(file.schema_arrow.names), int(file.metadata.num_rows)
        info = merged(info_of(path, file.schema_arrow.metadata or {}), given, str(path))
    label = next((name for name in _LABELS if name in names), None)
    if "subject" not in names or label is None:
        raise ValueError(f"{path} needs the columns subject and label; it has {', '.join(names[:12])}")
    channels = [str(name) for name in info.get("channels") or () if name != label]
    missing = [name for name in channels if name not in names]
    if missing:
        raise ValueError(f"{path}: {unknown('electrode', missing[0], names)}")
    if not channels:
        others = {*_KEYS, *_LABELS, "time"}
        channels = [name for name in names if name not in others and not unknown_electrodes([name])]
    if not channels:
        raise ValueError(
            f"{path}: none of its columns is an electrode ({', '.join(names[:12])}); name them by channels="
        )
    keys = tuple(name for name in _KEYS if name in names)
    return Columns(keys, label, "time" if "time" in names else None, tuple(channels), info, total)


def subjects_of(path: Path) -> list[str]:
    """Names of the subjects, sorted."""
    with opened(path) as file:
        column = file.read(columns=["subject"]).column(0).unique()
    return sorted(map(str, column.to_pylist()))


def read_tidy(path: Path, given: Mapping[str, Any], *, subjects: frozenset[str] | None = None) -> Iterator[Recording]:
    """The recordings of a table one after the other; memory holds one of them.

    Raises
    ------
    ValueError : rows of a recording do not follow each other, or their times have gaps; two labels in one recording;
        NaN; names the recording.
    """
    columns = columns_of(path, given)
    seen: set[tuple[str, ...]] = set()
    unlabelled = 0
    for key, table in _stretches(path, columns):
        if key in seen:
            raise ValueError(
                f"{path}: the rows of recording {'/'.join(key)} do not follow each other; sort the table by subject, "
                "session, trial and time"
            )
        seen.add(key)
        if subjects is not None and key[0] not in subjects:
            continue
        if table[columns.label].isna().all():
            unlabelled += 1
            continue
        yield _recording(path, columns, key, table)
    warn_unlabelled(str(path), unlabelled, len(seen))


def warn_unlabelled(where: str, count: int, total: int) -> None:
    """Tell that recordings without a label are left out, if there are any."""
    if count:
        warnings.warn(f"{where}: {count} of {total} recordings have no label and are left out", stacklevel=3)


def _stretches(path: Path, columns: Columns) -> Iterator[tuple[tuple[str, ...], pd.DataFrame]]:
    """(subject, session, trial) and all rows of it, in the order of the file."""
    used = [*columns.keys, columns.label, *([columns.time] if columns.time else []), *columns.channels]
    waiting: list[pd.DataFrame] = []
    current: tuple[str, ...] | None = None
    for table in _tables(path, used):
        if table[list(columns.keys)].isna().any(axis=None):
            raise ValueError(f"{path}: some rows have no {' or '.join(columns.keys)}")
        names = table[list(columns.keys)].astype(str)
        moved = (names != names.shift()).any(axis=1).to_numpy()
        edges = [*np.flatnonzero(moved).tolist(), len(table)]
        for first, last in pairwise(edges):
            row = names.iloc[first]
            key = tuple(str(row[name]) if name in columns.keys else "0" for name in _KEYS)
            if current is not None and key != current:
                yield current, pd.concat(waiting, ignore_index=True)
                waiting = []
            current = key
            waiting.append(table.iloc[first:last])
    if current is not None:
        yield current, pd.concat(waiting, ignore_index=True)


def _tables(path: Path, used: list[str]) -> Iterator[pd.DataFrame]:
    with opened(path) as file:
        for batch in file.iter_batches(batch_size=_ROWS, columns=used):
            yield batch.to_pandas()


def _recording(path: Path, columns: Columns, key: tuple[str, ...], table: pd.DataFrame) -> Recording:
    name, info = "/".join(key), columns.info
    if table[columns.label].nunique(dropna=False) != 1:
        raise ValueError(f"{path}: recording {name} has several labels; a recording has one")
    label, classes, known = labels_of(table[columns.label].to_numpy()[:1], info.get("classes"))
    del known
    signal = table[list(columns.channels)].to_numpy(dtype=np.float64) * float(info.get("scale", 1))
    return check_signal(
        Recording(
            signal=np.ascontiguousarray(signal.T, dtype=np.float32),
            rate=_rate(path, columns, name, table),
            channels=columns.channels,
            subject=key[0],
            session=key[1],
            trial=key[2],
            label=int(label[0]),
            classes=classes,
            info={"file": path.name},
        )
    )


def _rate(path: Path, columns: Columns, name: str, table: pd.DataFrame) -> float:
    """The rate, of which the times must be; without one, that of the times."""
    given = columns.info.get("rate")
    if columns.time is None or len(table) < 2:
        if given is None:
            raise ValueError(f"{path} has no column time and no rate; pass rate=, in Hz")
        return float(given)
    steps: NDArray[np.float64] = np.diff(table[columns.time].to_numpy(dtype=np.float64))
    middle = float(np.median(steps))
    rate = float(given) if given is not None else 1 / middle if middle > 0 else 1.0
    wrong = np.flatnonzero(~(np.abs(steps * rate - 1) < 0.5))
    if len(wrong):
        row = int(wrong[0])
        raise ValueError(
            f"{path}: recording {name} has a step of {steps[row]:g} s after {table[columns.time].iloc[row]:g} s, at "
            f"{rate:g} Hz; fill the gap, or give its parts their own trials"
        )
    return rate if given is not None else round(rate, 3)
