"""Windows from torcheeg's datasets, and from arrays with its table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimcap._errors import unknown
from trimcap.data.classes import Classes, Labels, to_classes
from trimcap.data.files.spans import UNITS
from trimcap.data.libraries.objects import check_names, from_arrays
from trimcap.data.libraries.triple import check_spread, check_table, check_unique, targets
from trimcap.data.windows import Windows

_LAYOUTS = ("signal", "features", "grid")
_SHAPES = {
    "signal": "(n, n_channels, n_times) or (n, 1, n_channels, n_times)",
    "features": "(n, n_channels, n_features)",
    "grid": "(n, n_features, rows, columns)",
}


def from_torcheeg(
    data: Any,
    *,
    channels: Sequence[str],
    rate: float,
    label: str | None = None,
    threshold: float | None = None,
    side: str | None = None,
    classes: Classes | None = None,
    layout: str = "signal",
    unit: str | None = None,
    subject: str = "subject_id",
    session: str | None = None,
    trial: str = "trial_id",
    stimulus: str | None = None,
    any_names: bool = False,
) -> Windows:
    """Windows from a torcheeg dataset, as its transforms give them, or from `(X, y, metadata)` with its table.

    torcheeg's table has one row per clip: subject_id, trial_id, start_at and end_at (samples from the start of the
    trial, a baseline before it included), clip_id, and the labels. Rows of baselines (a clip_id that is some row's
    baseline_id) are left out.

    Parameters
    ----------
    data : dataset with `info` and `[i]` → (signal, label); or (X, y, metadata), where y may be None
    channels : electrode names in the order of the signals; on a grid, those that are on it
    rate : Hz, that start_at counts in
    label : column to predict, e.g. "valence"; default: y, or the label that the dataset's `label_transform` makes
    threshold, side : for ratings: class 1 is rating `side` threshold, `side` is ">" or ">="; torcheeg's `Binary(5.0)`
        is side=">="
    classes : class names in order, or label → class name
    layout : "signal", "features" (electrodes × features, as of `BandDifferentialEntropy`) or "grid" (as of `ToGrid`)
    unit : of signals "uV" (default), "V", …; of features and grids it must be told: "nat" for differential entropy,
        "µV" for signals on a grid, "z", …
    subject, trial : columns with these names
    session : column, e.g. "date" in SEED; default session_id if there is one, else one session "0"
    stimulus : column that names the stimulus, e.g. "trial_id" in DEAP
    any_names : accept electrode names outside the 10-20, 10-10 and 10-5 systems

    Returns
    -------
    Windows in the order of the table; clips of one trial keep one trial, however they overlap; start in seconds.

    Raises
    ------
    ValueError : no such column or option; entries missing; shapes that do not fit layout, channels, or start_at to
        end_at; two clips of one place, as when a session is not told; ratings without a threshold; NaN or infinity; a
        spread that is no EEG's.

    Warns
    -----
    UserWarning : clips without a label were left out: how many.
    """
    if layout not in _LAYOUTS:
        raise ValueError(unknown("layout", layout, _LAYOUTS))
    unit = _unit(layout, unit)
    items, given, table = _opened(data)
    rows = np.flatnonzero(~_baselines(table))
    table = table.iloc[rows].reset_index(drop=True)
    session = ("session_id" if "session_id" in table else None) if session is None else session
    needed = [subject, trial, *(name for name in (session, stimulus) if name is not None)]
    check_table(table, len(rows), required=needed)
    labels = _labels(data, given, rows, table, label, classes=classes, threshold=threshold, side=side)
    rows, table = rows[labels.rows], table.iloc[labels.rows]
    start, duration = _times(table, rate)
    X = _stacked(items, rows, layout, len(channels))
    names = {
        "subject": _texts(table[subject]),
        "session": ["0"] * len(table) if session is None else _texts(table[session]),
        "trial": _texts(table[trial]),
    }
    if layout == "signal":
        _check_length(X, duration, rate)
        X *= np.float32(UNITS[unit])
        check_spread(X)
        windows = from_arrays(
            X, labels.y, channels=channels, rate=rate, start=start, classes=labels.classes, any_names=any_names, **names
        )
    else:
        windows = _features(X, labels, names, start, duration, channels, rate, unit, any_names=any_names)
    check_unique(windows)
    windows = replace(windows, steps=(*windows.steps, *labels.steps))
    if stimulus is None:
        return windows
    return replace(windows, metadata=windows.metadata.assign(stimulus=_texts(table[stimulus])))


def _unit(layout: str, unit: str | None) -> str:
    if layout == "signal":
        if unit not in (None, *UNITS):
            raise ValueError(unknown("unit", str(unit), UNITS))
        return unit or "uV"
    if unit is None:
        raise ValueError(
            f"layout {layout!r}: say the unit of the values: unit='nat' for differential entropy, 'µV', 'z', …"
        )
    return unit


def _opened(data: Any) -> tuple[Any, Any, pd.DataFrame]:
    """What gives signals by row, the targets or None, and the table."""
    if hasattr(data, "info") and hasattr(data, "__getitem__"):
        if not isinstance(data.info, pd.DataFrame):
            raise ValueError(f"the dataset's info is a {type(data.info).__name__}; torcheeg's is a DataFrame")
        return data, None, data.info
    if not isinstance(data, tuple | list) or len(data) != 3:
        raise ValueError(f"got a {type(data).__name__}; expected a torcheeg dataset or (X, y, metadata)")
    X, y, metadata = data
    values = np.asarray(X)
    check_table(metadata, len(values), required=())
    if y is not None and np.shape(y) != (len(values),):
        raise ValueError(f"y has shape {np.shape(y)}; X has {len(values)} clips, so expected ({len(values)},)")
    return values, y, metadata


def _baselines(table: pd.DataFrame) -> NDArray[np.bool_]:
    """Which rows are baselines: their clip is the baseline of some row of the same record."""
    if not {"clip_id", "baseline_id"} <= set(table.columns):
        return np.zeros(len(table), dtype=bool)
    record = table["_record_id"].astype(str) + "/" if "_record_id" in table else ""
    clips, bases = record + table["clip_id"].astype(str), record + table["baseline_id"].astype(str)
    # a clip that is its own baseline is a trial without one
    return np.asarray(clips.isin(set(bases[bases != clips])), dtype=bool)


def _labels(
    data: Any, given: Any, rows: NDArray[np.int64], table: pd.DataFrame, label: str | None, **rule: Any
) -> Labels:
    if label is None and given is None:
        if not hasattr(data, "info"):
            raise ValueError(f"there is no y; name a column with label=: {', '.join(map(str, table.columns))}")
        found = [_plain_label(data[int(i)][1], table) for i in rows]
        return to_classes(found, what="torcheeg dataset", **rule)
    name, values = targets(np.asarray(given)[rows] if label is None else None, table, label)
    return to_classes(values, what="torcheeg table", name=name, **rule)


def _plain_label(value: Any, table: pd.DataFrame) -> Any:
    if isinstance(value, dict | list | tuple):
        raise ValueError(
            f"the dataset gives a {type(value).__name__} as label; name one column with label=: "
            f"{', '.join(map(str, table.columns))}"
        )
    return value


def _times(table: pd.DataFrame, rate: float) -> tuple[NDArray[np.float64], float]:
    """Start of each clip and their common length, s."""
    if not rate > 0:
        raise ValueError(f"sampling rate is {rate} Hz; it must be positive")
    check_table(table, len(table), required=("start_at", "end_at"))
    start, end = (table[name].to_numpy(dtype=np.float64) for name in ("start_at", "end_at"))
    lengths = sorted(set((end - start).tolist()))
    if not np.isfinite([start, end]).all() or lengths[0] <= 0 or len(lengths) > 1:
        listed = ", ".join(f"{n:g}" for n in lengths[:4])
        raise ValueError(f"clips last end_at − start_at = {listed} samples; they must be equally long")
    return start / rate, lengths[0] / rate


def _stacked(items: Any, rows: NDArray[np.int64], layout: str, n_channels: int) -> NDArray[np.float32]:
    """All signals as one float32 array of the layout's shape, filled one by one."""
    X: NDArray[np.float32] | None = None
    for place, signal in enumerate(_signals(items, rows)):
        signal = signal[0] if layout == "signal" and signal.ndim == 3 and len(signal) == 1 else signal
        fits = signal.ndim == (3 if layout == "grid" else 2) and (layout == "grid" or len(signal) == n_channels)
        if not fits:
            raise ValueError(
                f"a clip has shape {signal.shape} and there are {n_channels} channel names; layout {layout!r} is "
                f"{_SHAPES[layout]}, layouts are {', '.join(_LAYOUTS)}"
            )
        if X is None:
            X = np.empty((len(rows), *signal.shape), dtype=np.float32)
        if signal.shape != X.shape[1:]:
            raise ValueError(f"clip {place} has shape {signal.shape}, the first {X.shape[1:]}; they must be alike")
        X[place] = signal
    assert X is not None  # to_classes refuses a table without rows
    return X


def _signals(items: Any, rows: NDArray[np.int64]) -> Iterator[NDArray[Any]]:
    for row in rows.tolist():
        # a dataset gives (signal, label)
        yield items[row] if isinstance(items, np.ndarray) else np.asarray(items[row][0])


def _check_length(X: NDArray[np.float32], duration: float, rate: float) -> None:
    if X.shape[2] != round(duration * rate):
        raise ValueError(
            f"clips have {X.shape[2]} samples, but start_at to end_at are {round(duration * rate)}; signals that were "
            "resampled need a table in their own samples"
        )


def _features(
    X: NDArray[np.float32], labels: Labels, names: dict[str, list[str]], start: NDArray[np.float64], duration: float,
    channels: Sequence[str], rate: float, unit: str, *, any_names: bool,
) -> Windows:  # fmt: skip
    check_names(tuple(channels), "torcheeg dataset", any_names=any_names)
    finite = np.isfinite(X).reshape(len(X), -1).all(axis=1)
    if not finite.all():
        raise ValueError(
            f"X holds NaN or infinity in {int((~finite).sum())} of {len(X)} clips, first in clip {int(finite.argmin())}"
        )
    metadata = pd.DataFrame({**names, "start": start})
    return Windows(
        X,
        labels.y,
        metadata,
        tuple(channels),
        float(rate),
        labels.classes,
        duration,
        unit,
        ("transformed by torcheeg",),
    )


def _texts(column: pd.Series[Any]) -> list[str]:
    whole = column.dtype.kind == "f" and (column % 1 == 0).all()  # a column with holes turns 3 into 3.0
    return [str(int(value)) if whole else str(value) for value in column.tolist()]
