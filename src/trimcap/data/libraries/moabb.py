"""Data sets of MOABB (the Mother of All BCI Benchmarks), by name, and what its paradigms return."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from trimcap._errors import unknown
from trimcap.data.classes import Classes
from trimcap.data.files.events import annotations_of, event_spans
from trimcap.data.files.header import like_first
from trimcap.data.files.spans import UNITS, Reading, read_spans
from trimcap.data.libraries.objects import eeg_picks, event_rate
from trimcap.data.libraries.triple import check_table, from_triple
from trimcap.data.recording import Recording
from trimcap.data.source import Wanted, choose_subjects
from trimcap.data.windows import Windows

if TYPE_CHECKING:
    import mne

_TRIALS = ("run", "row")


def moabb_recordings(
    path: Path | str | None = None,
    *,
    subjects: Wanted = None,
    dataset: Any,
    classes: Sequence[str] | None = None,
    options: Mapping[str, Any] | None = None,
    channels: Sequence[str] | None = None,
    rate: float | None = None,
    on_bad: str = "raise",
    on_overlap: str = "raise",
    any_names: bool = False,
) -> Iterator[Recording]:
    """Trials of a MOABB data set, unfiltered, one recording each; read (and downloaded) subject by subject.

    A trial is the data set's `interval` around its event, the end left out. MOABB's raws are in volts or, in some
    sets, already in µV; its `unit_factor` says which and is applied.

    Parameters
    ----------
    path : folder of MOABB's downloads; default: what MNE is configured for (`MNE_DATA`)
    subjects : which, e.g. ["1", "2"], or how many; default all
    dataset : its class in `moabb.datasets`, e.g. "BNCI2014_001", or an object of such a class
    classes : names of events to read, in the order of the classes; default: all of the data set's `event_id`
    options : of the class, e.g. {"sessions": [0]}
    channels : electrodes, in this order; default: all EEG channels
    rate : Hz to resample to; None keeps that of the data set
    on_bad, on_overlap, any_names : as in `files_source`; trials of P300 sets overlap, so read these with
        `from_moabb`

    Returns
    -------
    Recordings in µV, float32; subject and session as MOABB numbers them, trial `run-NNN`; `info`: dataset, run, event,
    start and end in the run (s).

    Raises
    ------
    ImportError : MOABB is not installed.
    ValueError : unknown data set, class or subject (says the nearest); overlapping or bad trials.
    """
    found = _dataset(dataset, options or {})
    names = _classes(found, classes)
    known = {str(name): name for name in found.subject_list}
    wanted = subjects if subjects is None or isinstance(subjects, int) else [str(name) for name in subjects]
    chosen = [known[name] for name in choose_subjects(list(known), wanted, what=found.code)]
    reading = Reading(
        classes=names,
        channels=None if channels is None else tuple(channels),
        rate=rate,
        any_names=any_names,
        unit=_unit(found),
        on_bad=on_bad,
        on_overlap=on_overlap,
    )
    return _recordings(found, chosen, reading, None if path is None else Path(path))


def from_moabb(
    X: Any,
    y: ArrayLike,
    metadata: pd.DataFrame,
    *,
    channels: Sequence[str] | None = None,
    rate: float | None = None,
    classes: Classes | None = None,
    trial: str = "run",
    unit: str | None = None,
    any_names: bool = False,
) -> Windows:
    """Windows from what `paradigm.get_data(dataset)` of MOABB returns.

    MOABB has multiplied arrays by the data set's `unit_factor`, so they are in µV; its epochs are in volts.

    Parameters
    ----------
    X : array (n, n_channels, n_times), or MNE Epochs (`return_epochs=True`)
    y : class names
    metadata : columns subject, session, run
    channels, rate : electrode names and Hz; not needed with epochs
    classes : class names in order; default: by letters
    trial : "run": all windows of a run are one trial, the cautious assumption; "row": each is a trial of its own,
        right for cued trials that do not overlap, wrong for P300 and for pseudo-online windows
    unit : "V" or "uV", if X is not what MOABB makes by itself
    any_names : accept electrode names outside the 10-20, 10-10 and 10-5 systems

    Raises
    ------
    ValueError : a filter bank (4 dimensions); values that are no EEG in µV; epochs that overlap with `trial="row"`;
        whatever `from_triple` refuses.
    """
    if trial not in _TRIALS:
        raise ValueError(unknown("trial", trial, _TRIALS))
    epochs = hasattr(X, "get_data") and hasattr(X, "info")
    values, channels, rate = _epochs(X) if epochs else _array(X, channels, rate)
    check_table(metadata, len(values), required=("subject", "session", "run"))
    if unit is None:
        unit = "V" if epochs else "uV"
    if unit not in UNITS:
        raise ValueError(unknown("unit", unit, UNITS))
    table = metadata.reset_index(drop=True)
    table["trial"] = table["run"].astype(str)
    if trial == "row":
        number = table.groupby(["subject", "session", "run"]).cumcount() + 1
        table["trial"] += [f"-{i:03d}" for i in number]
    if epochs:
        table["onset"] = _starts(X, table, values.shape[-1] / rate, apart=trial == "row")
        table["start"] = table["onset"] * (trial != "row")
        parts = [table[name].astype(str) for name in ("subject", "session", "run")]
        table["recording"] = "run " + parts[0] + "/" + parts[1] + "/" + parts[2]
    microvolts = values if UNITS[unit] == 1 else values * UNITS[unit]
    return from_triple(microvolts, y, table, channels=channels, rate=rate, classes=classes, any_names=any_names)


def _dataset(dataset: Any, options: Mapping[str, Any]) -> Any:
    if not isinstance(dataset, str):
        if options or not (hasattr(dataset, "event_id") and hasattr(dataset, "get_data")):
            raise ValueError(
                f"dataset is a {type(dataset).__name__}; give the name of a MOABB data set (options= go with a name), "
                "or an object of one"
            )
        return dataset
    try:
        import moabb.datasets as known
        from moabb.datasets.base import BaseDataset
    except ImportError as error:
        raise ImportError(f"MOABB can't be imported ({error}); install it: pip install 'trimcap[zoo]'") from error
    names = {name: kind for name, kind in inspect.getmembers(known, inspect.isclass) if issubclass(kind, BaseDataset)}
    if dataset not in names:
        raise ValueError(unknown("MOABB data set", dataset, names))
    try:
        return names[dataset](**options)
    except TypeError as error:
        raise ValueError(f"MOABB data set {dataset}: {error}; correct options=") from error


def _classes(dataset: Any, classes: Sequence[str] | None) -> tuple[str, ...]:
    known = list(dataset.event_id)
    if classes is not None and (isinstance(classes, str) or not classes):
        raise ValueError(f"classes is {classes!r}; give a list of events, such as {known[:2]}")
    for name in classes or ():
        if name not in known:
            raise ValueError(unknown(f"event of {dataset.code}", name, known))
    return tuple(known if classes is None else classes)


def _unit(dataset: Any) -> str:
    factor = float(dataset.unit_factor)
    found = [unit for unit, known in UNITS.items() if known == factor]
    if not found:
        raise ValueError(f"{dataset.code}: its unit_factor is {factor:g}; known are {sorted(UNITS.values())}")
    return found[0]


def _recordings(dataset: Any, subjects: Sequence[Any], reading: Reading, path: Path | None) -> Iterator[Recording]:
    for subject in subjects:
        with _downloads(path, dataset.code):
            sessions = dataset.get_data(subjects=[subject])[subject]
        for session, runs in sessions.items():
            for run, raw in runs.items():
                where = Path(f"{dataset.code} subject {subject} session {session} run {run}")
                reading = like_first(reading, raw, where)
                yield from _trials(raw, where, reading, dataset, str(subject), str(session), str(run))


def _trials(
    raw: mne.io.BaseRaw, where: Path, reading: Reading, dataset: Any, subject: str, session: str, run: str
) -> list[Recording]:
    spans = event_spans(
        annotations_of(raw), {name: name for name in reading.classes}, where, prefix=run, missing="allow"
    )
    found = read_spans(raw, where, spans, reading, subject=subject, session=session)
    return [replace(r, info={**r.info, "dataset": dataset.code, "run": run}) for r in found]


@contextmanager
def _downloads(path: Path | None, code: str) -> Iterator[None]:
    """MOABB looks in `path` first, for as long as this lasts."""
    if path is None:
        yield
        return
    if not path.is_dir():
        raise FileNotFoundError(f"no folder '{path}' for MOABB's downloads; make it first, or leave path out")
    names = ("MNE_DATA", f"MNE_DATASETS_{code.upper()}_PATH")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, str(path)))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})


def _epochs(epochs: Any) -> tuple[Any, list[str], float]:
    picks = eeg_picks(epochs.info, "epochs")
    return epochs.get_data(picks=picks, copy=False), [epochs.ch_names[i] for i in picks], float(epochs.info["sfreq"])


def _array(X: ArrayLike, channels: Sequence[str] | None, rate: float | None) -> tuple[Any, Sequence[str], float]:
    values = np.asarray(X)
    if values.ndim == 4:
        raise ValueError(
            f"X has shape {values.shape}: a filter bank. Take one band, X[..., 0], or a paradigm with one filter"
        )
    if channels is None or rate is None:
        raise ValueError(
            "an array has no electrode names and no rate; give channels= and rate=, or use return_epochs=True"
        )
    return values, channels, float(rate)


def _starts(epochs: Any, table: pd.DataFrame, duration: float, *, apart: bool) -> pd.Series[float]:
    """Seconds from the first event of the run; within a run MNE keeps the distances when it joins epochs."""
    rate = float(epochs.info["sfreq"])
    onset = pd.Series(epochs.events[:, 0] / event_rate(epochs, "epochs"), index=table.index)
    keys = [table[name] for name in ("subject", "session", "run")]
    gaps = onset.groupby(keys).transform(lambda t: t.sort_values().diff())
    if apart and gaps.min() < duration - 1.5 / rate:
        raise ValueError(
            f"epochs of a run overlap ({duration:g} s long, {gaps.min():g} s apart), so they share samples and are no "
            "trials of their own; pass trial='run'"
        )
    start: pd.Series[float] = onset - onset.groupby(keys).transform("min")
    return start
