"""The triple `X, y, metadata` that MOABB, braindecode and torcheeg users keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from trimcap._errors import unknown
from trimcap.data.classes import Classes, to_classes
from trimcap.data.libraries.objects import from_arrays
from trimcap.data.windows import COLUMNS, Windows

# EEG is tens of µV; a spread beyond this was scaled once too often
_LARGEST_SPREAD = 1e5


def from_triple(
    X: ArrayLike,
    y: ArrayLike | None,
    metadata: pd.DataFrame,
    *,
    channels: Sequence[str],
    rate: float,
    label: str | None = None,
    classes: Classes | None = None,
    threshold: float | None = None,
    side: str | None = None,
    any_names: bool = False,
) -> Windows:
    """Windows from arrays and a table with one row per window.

    Parameters
    ----------
    X : shape (n, n_channels, n_times), µV
    y : shape (n,): class names, codes, or ratings; None: the column `label`
    metadata : n rows; column subject, and if known session, trial and start (s from the start of the recording).
        Without trial all windows of a session are one trial, as in `from_arrays`. Further columns are kept; protocols
        know `stimulus`
    channels : electrode names
    rate : Hz
    label : column of `metadata` to take instead of `y`
    classes : class names in order, or target → class name; default: the targets that occur
    threshold, side : for ratings: class 1 is rating `side` threshold, `side` is ">" or ">="
    any_names : accept electrode names outside the 10-20, 10-10 and 10-5 systems

    Raises
    ------
    ValueError : lengths that do not fit; missing columns or entries; targets without class; whatever `from_arrays`
        refuses; a spread that is no EEG's; two windows of one place.

    Warns
    -----
    UserWarning : windows without a target were left out: how many.
    """
    values = np.asarray(X, dtype=np.float32)
    check_table(metadata, len(values), required=("subject",))
    name, given = targets(y, metadata, label)
    if len(given) != len(values):
        raise ValueError(f"X has {len(values)} windows, y {len(given)} entries; they must agree")
    labels = to_classes(given, what="triple", name=name, classes=classes, threshold=threshold, side=side)
    if len(labels.rows) < len(values):
        values, metadata = values[labels.rows], metadata.iloc[labels.rows]
    check_spread(values)
    known = {key: metadata[key].tolist() for key in COLUMNS if key in metadata}
    windows = from_arrays(
        values, labels.y, channels=channels, rate=rate, classes=labels.classes, any_names=any_names, **known
    )
    if "start" in metadata:
        check_unique(windows)
    return with_columns(replace(windows, steps=(*windows.steps, *labels.steps)), metadata)


def targets(y: ArrayLike | None, metadata: pd.DataFrame, label: str | None) -> tuple[str, list[Any]]:
    """Name and entries of what is to be predicted: `y`, or a column.

    ValueError: both or none; no such column (names the nearest).
    """
    if (y is None) == (label is None):
        raise ValueError("give either y or label=, the name of a column of the metadata")
    if label is None:
        given = np.asarray(y)
        if given.ndim != 1:
            raise ValueError(f"y has shape {given.shape}; expected one entry per window")
        return "label", list(given.tolist())
    if label not in metadata:
        raise ValueError(unknown("label column", label, map(str, metadata.columns)))
    return label, metadata[label].tolist()


def check_table(metadata: pd.DataFrame, n: int, *, required: Sequence[str]) -> None:
    """Refuse a table of another length, without the columns needed, or with holes in those that name windows."""
    if not isinstance(metadata, pd.DataFrame):
        raise ValueError(
            f"metadata is a {type(metadata).__name__}; expected a pandas DataFrame with one row per window"
        )
    if len(metadata) != n:
        raise ValueError(f"X has {n} windows, metadata {len(metadata)} rows; they must agree")
    for name in required:
        if name not in metadata:
            listed = ", ".join(map(str, metadata.columns)) or "none"
            raise ValueError(f"metadata has no column {name!r}; its columns are {listed}. Rename or add it")
    for name in dict.fromkeys((*required, *COLUMNS)):
        holes = metadata[name].isna().to_numpy() if name in metadata else np.zeros(0, dtype=bool)
        if holes.any():
            raise ValueError(f"metadata: {int(holes.sum())} rows have no {name}, first row {int(holes.argmax())}")


def check_spread(values: NDArray[np.float32]) -> None:
    """Refuse what was scaled to µV twice."""
    spread = float(np.median(values.std(axis=-1))) if values.size else 0.0
    if spread > _LARGEST_SPREAD:
        raise ValueError(
            f"X has a median spread of {spread:.2g} µV, which is no EEG: was it in µV already when it was multiplied "
            "by 1e6? Pass it in µV, and say so where there is an option unit="
        )


def check_unique(windows: Windows) -> None:
    """Refuse two windows of one place: the same window twice, or trials of two sessions under one name."""
    names, counts = np.unique(windows.ids, return_counts=True)
    if len(names) < len(windows):
        raise ValueError(
            f"{int((counts - 1).sum())} windows have the subject, session, trial and start of another one, first "
            f"{names[counts > 1][0]}; drop the copies, or name what tells them apart (session, run)"
        )


def with_columns(windows: Windows, metadata: pd.DataFrame) -> Windows:
    """Windows with the further columns of a table, numbers as they are and all else as text."""
    extra = [name for name in metadata.columns if name not in COLUMNS]
    table = windows.metadata.copy()
    for name in extra:
        column = metadata[name]
        missing = column.isna().tolist()
        texts = ["" if hole else str(value) for value, hole in zip(column.tolist(), missing, strict=True)]
        table[str(name)] = column.to_numpy() if column.dtype.kind in "biuf" else texts
    return replace(windows, metadata=table)
