"""Windows from braindecode's windowed datasets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimcap._errors import unknown
from trimcap.data.classes import Classes, to_classes
from trimcap.data.files.spans import UNITS
from trimcap.data.libraries.braindecode_parts import Keys, Origin, description_of, origins, parts_of, refuse_transforms
from trimcap.data.libraries.objects import check_names, eeg_picks, event_rate, from_arrays
from trimcap.data.marked import OnMarked, annotated, check_on_marked, touched
from trimcap.data.preprocess.windows.artefacts import count_words
from trimcap.data.windows import Windows

_TRIALS = ("event", "recording")
# EEG is tens of µV; standardised it is 1
_LIKELY, _STANDARD = (0.1, 1e4), (0.1, 10.0)


@dataclass(frozen=True)
class _Table:
    """Windows of one dataset: first sample and the one after the last, trial, target."""

    start: NDArray[np.int64]
    stop: NDArray[np.int64]
    trial: NDArray[np.int64]
    target: list[Any]


def from_braindecode(
    dataset: Any,
    *,
    unit: str = "V",
    trial: str = "event",
    classes: Classes | None = None,
    threshold: float | None = None,
    side: str | None = None,
    channels: Sequence[str] | None = None,
    subject: str = "subject",
    session: str = "session",
    run: str = "run",
    stimulus: str | None = None,
    any_names: bool = False,
    marked: OnMarked = "drop",
) -> Windows:
    """Windows from a `BaseConcatDataset` of braindecode, or of EEGDash, that was cut into windows.

    Parameters
    ----------
    dataset : concatenation of EEGWindowsDataset or WindowsDataset (or one of them); preloaded or not. Only EEG
        channels are taken
    unit : of the signals: "V" as MNE has it, or "uV" after `preprocess` multiplied by 1e6, as braindecode's tutorials
        do; "z" after `exponential_moving_standardize`
    trial : "event": windows around one event are one trial; "recording": all windows of one dataset are one trial, for
        events that follow each other so fast that their windows overlap
    classes : class names in order, or target → class name; default: the `mapping` that the windows were cut with, else
        the targets that occur
    threshold, side : for targets that are ratings, as in `from_triple`
    channels : electrodes, in this order; default: all EEG channels, which every dataset must then have
    subject, session, run : entries of the description with these names; without a run, datasets are numbered
    stimulus : entry of the description, or column of the windows' metadata, that names the stimulus
    any_names : accept electrode names outside the 10-20, 10-10 and 10-5 systems
    marked : what to do with windows of a recording that touch an annotation `BAD_…`, which braindecode keeps unless it
        makes epochs: "drop" them and count them in `steps`, or "keep"

    Returns
    -------
    Windows in the order of the dataset, float32; trial `run-NNN` (`run` with trial="recording"), start in seconds from
    the start of the dataset.

    Raises
    ------
    ValueError : continuous datasets; no subject in the description; other channels, rates or lengths in one dataset;
        transforms; targets from channels or without class; windows of two events that overlap; values that can't be in
        the unit.

    Warns
    -----
    UserWarning : windows without a target were left out: how many.
    """
    parts = parts_of(dataset, windowed=True)
    _check_options(dataset, parts, unit, trial)
    keys = Keys(subject, session, run)
    whence = origins([description_of(part) for part in parts], keys, what="dataset")
    names, rate = _common(parts, channels, any_names=any_names)
    factor = UNITS.get(unit, 1.0)
    loaded = [_load(part, names, i, factor, whole=trial == "recording") for i, part in enumerate(parts)]
    labels = to_classes(
        [t for _, table in loaded for t in table.target],
        what="braindecode dataset", name="target", threshold=threshold, side=side,
        classes=_mapping(parts) if classes is None and threshold is None else classes,
    )  # fmt: skip
    X = _joined([signal for signal, _ in loaded])
    X = X if len(labels.rows) == len(X) else X[labels.rows]
    rates = [_sample_rate(part, i) for i, part in enumerate(parts)]
    metadata = pd.concat([_origin(t, o, r, trial) for (_, t), o, r in zip(loaded, whence, rates, strict=True)])
    if stimulus is not None:
        metadata["stimulus"] = [name for part in parts for name in _stimuli(part, stimulus)]
    metadata = metadata.iloc[labels.rows]
    windows = _windows(X, labels.y, metadata, names, rate, labels.classes, unit, any_names)
    windows = replace(windows, steps=(*windows.steps, *labels.steps))
    check_on_marked(marked)
    hit = np.concatenate([_touched(part, t, r) for part, (_, t), r in zip(parts, loaded, rates, strict=True)])
    hit = hit[labels.rows]
    if marked == "keep" or not hit.any():
        return windows
    left = windows.take(~hit)
    return replace(left, steps=(*left.steps, count_words({"marked bad": int(hit.sum())}, len(windows))))


def _check_options(dataset: Any, parts: Sequence[Any], unit: str, trial: str) -> None:
    if unit not in (*UNITS, "z"):
        raise ValueError(unknown("unit", unit, (*UNITS, "z")))
    if trial not in _TRIALS:
        raise ValueError(unknown("trial", trial, _TRIALS))
    refuse_transforms(dataset, parts)
    if any(getattr(part, "targets_from", "metadata") != "metadata" for part in parts):
        raise ValueError("the targets are channels (targets_from='channels'), not classes; cut windows around events")


def _common(parts: Sequence[Any], channels: Sequence[str] | None, *, any_names: bool) -> tuple[list[str], float]:
    """Electrodes and rate that all datasets share."""
    infos = [_info(part) for part in parts]
    first = [infos[0]["ch_names"][i] for i in eeg_picks(infos[0], "dataset 0")]
    names = first if channels is None else list(channels)
    for i, info in enumerate(infos):
        here = [info["ch_names"][j] for j in eeg_picks(info, f"dataset {i}")]
        missing = [name for name in names if name not in here]
        extra = [] if channels is not None else [name for name in here if name not in names]
        if missing or extra:
            shared = [name for name in first if all(name in other["ch_names"] for other in infos)]
            raise ValueError(
                f"dataset {i} has the electrodes {', '.join(here)}; missing {', '.join(missing) or 'none'}, too many "
                f"{', '.join(extra) or 'none'}. Name those to take: channels={shared}"
            )
        if info["sfreq"] != infos[0]["sfreq"]:
            raise ValueError(
                f"dataset {i} has {info['sfreq']:g} Hz, dataset 0 {infos[0]['sfreq']:g} Hz; resample first"
            )
    check_names(tuple(names), "braindecode dataset", any_names=any_names)
    return names, float(infos[0]["sfreq"])


def _info(part: Any) -> Any:
    windows = getattr(part, "windows", None)
    return part.raw.info if windows is None else windows.info


def _sample_rate(part: Any, i: int) -> float:
    """Rate at which the starts in a dataset's table count samples: that at which it was cut into windows."""
    windows = getattr(part, "windows", None)
    if windows is not None:
        return event_rate(windows, f"the windows of dataset {i}")
    return float(part.raw.info["sfreq"])


def _touched(part: Any, table: _Table, rate: float) -> NDArray[np.bool_]:
    """Which windows of a recording touch a stretch marked bad; of epochs MNE has seen to it."""
    if getattr(part, "windows", None) is not None:
        return np.zeros(len(table.start), dtype=bool)
    return touched(annotated(part.raw), table.start / rate, float((table.stop[0] - table.start[0]) / rate))


def _refuse_resampled(part: Any, table: _Table, i: int) -> None:
    """Refuse windows of a recording that was resampled later; braindecode notes that it was, but not when."""
    raw, kwargs = part.raw, dict(getattr(part, "window_kwargs", None) or ())
    if "resample" not in str(getattr(part, "raw_preproc_kwargs", ())):
        return
    rate = float(raw.info["sfreq"])
    first = np.asarray([table.start[table.trial == trial].min() for trial in np.unique(table.trial)])
    offset = kwargs.get("create_windows_from_events", {}).get("trial_start_offset_samples")
    onsets = (np.asarray(raw.annotations.onset) - float(raw.first_time)) * rate + (offset or 0)
    moved = offset is not None and (not len(onsets) or np.abs(first[:, None] - onsets).min(axis=1).max() > 2)
    if moved or table.stop.max() > raw.n_times:
        raise ValueError(
            f"dataset {i} was resampled after it was cut into windows, which still count the samples of before, so "
            "they would be cut elsewhere; resample first, then cut windows"
        )


def _load(part: Any, names: Sequence[str], i: int, factor: float, *, whole: bool) -> tuple[NDArray[np.float32], _Table]:
    """Signals of one dataset in the order of `names`, and its table."""
    windows = getattr(part, "windows", None)
    if windows is not None:
        signal = windows.get_data(picks=list(names), copy=False)  # drops bad epochs, so ask for the rest afterwards
        return (signal * factor).astype(np.float32), _table(windows.metadata, i, whole=whole)
    table = _table(part.metadata, i, whole=whole)
    raw = part.raw
    _refuse_resampled(part, table, i)
    if table.start.min() < 0 or table.stop.max() > raw.n_times:
        raise ValueError(f"dataset {i}: its windows do not lie in its recording of {raw.n_times} samples")
    rows = [raw.ch_names.index(name) for name in names]
    pairs = zip(table.start.tolist(), table.stop.tolist(), strict=True)
    # one window at a time in double precision
    cut = [(raw.get_data(picks=rows, start=a, stop=b) * factor).astype(np.float32) for a, b in pairs]
    return np.stack(cut), table


def _table(metadata: Any, i: int, *, whole: bool) -> _Table:
    start, stop, number = (
        np.asarray(_column(metadata, f"i_{name}_in_trial", i), dtype=np.int64) for name in ("start", "stop", "window")
    )
    if not len(start):
        raise ValueError(f"dataset {i} has no windows; leave it out")
    if len(set((stop - start).tolist())) > 1:
        raise ValueError(
            f"dataset {i}: its windows have {sorted(set((stop - start).tolist()))} samples; cut them alike"
        )
    if "i_trial_in_dataset" in metadata.columns:
        trial = np.asarray(_column(metadata, "i_trial_in_dataset", i), dtype=np.int64)
    else:
        # the number of a window counts from 0 in each trial; where it does not grow a new one begins
        trial = np.concatenate(([0], np.cumsum(np.diff(number) <= 0)))
    if not whole:
        _check_overlap(start, stop, trial, i)
    return _Table(start, stop, trial, _column(metadata, "target", i))


def _column(metadata: Any, name: str, i: int) -> list[Any]:
    if name not in metadata.columns:
        raise ValueError(
            f"dataset {i}: its metadata has no column {name}; cut windows with braindecode's own functions"
        )
    if isinstance(metadata, pd.DataFrame):
        return list(metadata[name].tolist())
    return [metadata[row, name] for row in range(len(metadata))]  # braindecode's lazy table


def _check_overlap(start: NDArray[np.int64], stop: NDArray[np.int64], trial: NDArray[np.int64], i: int) -> None:
    # windows are equally long: if any two overlap, two neighbours do
    order = np.argsort(start, kind="stable")
    start, stop, trial = start[order], stop[order], trial[order]
    clash = np.append(False, (stop[:-1] > start[1:]) & (trial[1:] != trial[:-1]))
    if clash.any():
        row = int(clash.argmax())
        raise ValueError(
            f"dataset {i}: windows of trials {trial[row - 1]} and {trial[row]} overlap, so they share samples and must "
            "not be separate trials; pass trial='recording', or cut shorter windows"
        )


def _mapping(parts: Sequence[Any]) -> Classes | None:
    """Target → class name, if all windows were cut with one mapping."""
    found = [
        options.get("mapping")
        for part in parts
        for _, options in getattr(part, "window_kwargs", None) or ()
        if isinstance(options, Mapping)
    ]
    first = found[0] if found else None
    if not isinstance(first, Mapping) or any(mapping != first for mapping in found):
        return None
    by_target: dict[Any, list[str]] = {}
    for name, target in first.items():
        by_target.setdefault(target, []).append(str(name))
    if not all(isinstance(target, int) for target in by_target):
        return None
    return {target: "/".join(by_target[target]) for target in sorted(by_target)}


def _joined(signals: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    lengths = sorted({signal.shape[2] for signal in signals})
    if len(lengths) > 1:
        raise ValueError(f"windows have {lengths} samples in different datasets; cut them alike")
    return np.concatenate(signals)


def _origin(table: _Table, origin: Origin, rate: float, trial: str) -> pd.DataFrame:
    names = [f"{origin.run}-{t + 1:03d}" if trial == "event" else origin.run for t in table.trial.tolist()]
    return pd.DataFrame(
        {
            "subject": origin.subject,
            "session": origin.session,
            "trial": names,
            "start": table.start / rate,
            "recording": f"run {origin.subject}/{origin.session}/{origin.run}",
        }
    )


def _stimuli(part: Any, name: str) -> list[str]:
    windows = getattr(part, "windows", None)
    description, metadata = description_of(part), (part if windows is None else windows).metadata
    if name in metadata.columns:
        return [str(value) for value in _column(metadata, name, 0)]
    if name not in description:
        raise ValueError(unknown("stimulus", name, map(str, [*description, *metadata.columns])))
    return [str(description[name])] * len(metadata)


def _windows(
    X: NDArray[np.float32], y: NDArray[np.int64], metadata: pd.DataFrame, names: Sequence[str], rate: float,
    classes: tuple[str, ...], unit: str, any_names: bool,
) -> Windows:  # fmt: skip
    _check_unit(X, unit)
    windows = from_arrays(
        X, y, channels=names, rate=rate, classes=classes, any_names=any_names,
        **{key: metadata[key].tolist() for key in ("subject", "session", "trial", "start", "recording")},
    )  # fmt: skip
    if "stimulus" in metadata:
        windows = replace(windows, metadata=windows.metadata.assign(stimulus=metadata["stimulus"].tolist()))
    return windows.with_X(windows.X, step="standardised by braindecode", unit="z") if unit == "z" else windows


def _check_unit(X: NDArray[np.float32], unit: str) -> None:
    spread = float(np.median(X.std(axis=2)))
    if not np.isfinite(spread) or not spread:  # refused by its own message
        return
    if unit == "z" and not _STANDARD[0] <= spread <= _STANDARD[1]:
        raise ValueError(f"the signals have a median spread of {spread:.2g}, so they were not standardised; pass unit=")
    if unit != "z" and not _LIKELY[0] <= spread <= _LIKELY[1]:
        found = {other: spread / UNITS[unit] * factor for other, factor in UNITS.items()}
        fits = [other for other, value in found.items() if _LIKELY[0] <= value <= _LIKELY[1]]
        hint = f": as {fits[0]} they would have {found[fits[0]]:.2g} µV, so pass unit={fits[0]!r}" if fits else ""
        raise ValueError(
            f"the signals have a median spread of {spread:.2g} µV if their unit is {unit}, which is no EEG{hint} (or "
            "'z' if they were standardised)"
        )
