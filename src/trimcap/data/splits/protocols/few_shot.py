"""Calibration of a new subject: a few of its labelled trials are set aside, the others are tested."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Literal
from zlib import crc32

import numpy as np

from trimcap._errors import unknown
from trimcap.data.splits.folds import Fold
from trimcap.data.splits.partition import (
    Cut,
    MissingClasses,
    Rows,
    cut_folds,
    grouped_tests,
    one_by_one,
    sort_rows,
    subjects_of,
)
from trimcap.data.splits.protocols.stimuli import with_stimulus
from trimcap.data.units import Groups, column, keys
from trimcap.data.windows import Windows


def few_shot(
    windows: Windows,
    *,
    shots: int = 2,
    order: Literal["first", "random"] = "first",
    n_folds: int | None = None,
    calibrate_on: Literal["trial", "stimulus"] = "trial",
    stimulus: str = "stimulus",
    valid: float = 0.2,
    seed: int = 0,
    missing_classes: MissingClasses = "raise",
) -> list[Fold]:
    """One fold per subject; `shots` of its trials of each class are `calibration`, its other trials are test.

    Training and validation hold neither: without a stage "calibrate" the scores are those of a new subject, on the
    very test windows on which a calibrated network is scored.

    Parameters
    ----------
    shots : trials of each class
    order : "first" in time, as somebody who puts a headset on would calibrate, or "random", drawn by `seed`. Time is
        told by the names of session and trial, in which numbers count as such ("trial 9" before "trial 10")
    n_folds : hold out folds of subjects instead of one; their calibration trials then serve one network together
    calibrate_on : "trial", or "stimulus": `shots` stimuli of each class, all repetitions of which leave the test set
    stimulus : column of the metadata that names the stimulus
    valid, seed, missing_classes : as in `leave_one_subject_out`; with "allow", a subject that has too few trials of a
        class calibrates on all but one of them

    Raises
    ------
    ValueError : a subject has too few trials of a class; a trial with two labels.
    """
    if order not in ("first", "random"):
        raise ValueError(unknown("order", order, ["first", "random"]))
    if calibrate_on not in ("trial", "stimulus"):
        raise ValueError(unknown("calibrate_on", calibrate_on, ["trial", "stimulus"]))
    if not isinstance(shots, int | np.integer) or shots < 1:
        raise ValueError(f"shots={shots!r} must be a whole number of trials per class, at least 1")
    windows = sort_rows(windows)
    if calibrate_on == "stimulus":
        windows = with_stimulus(windows, stimulus)
    subjects = subjects_of(windows, "few_shot", instead="within_subject")
    units = keys(windows, "subject", *(("stimulus",) if calibrate_on == "stimulus" else ("session", "trial")))
    things = "trials" if calibrate_on == "trial" else "stimuli"
    _check_enough(windows, units, shots, things, missing_classes)
    tests = (
        one_by_one(subjects, "subject")
        if n_folds is None
        else grouped_tests(windows, subjects, n_folds, seed, "subject")
    )
    cuts = []
    for name, held in tests.items():
        chosen = _shots(windows, held, units, shots, seed if order == "random" else None)
        own = held[np.isin(units[held], chosen)]
        cuts.append(Cut(name, np.setdiff1d(held, own), np.setdiff1d(np.arange(len(windows)), held), own))
    who = "leave one subject out" if n_folds is None else f"subject-grouped {n_folds}-fold"
    which = f"{order} {shots} {things if shots > 1 else calibrate_on}"
    return cut_folds(
        windows,
        cuts,
        subjects,
        protocol=f"{who}; the {which} of each class {'are' if shots > 1 else 'is'} set aside for calibration",
        unit="subject",
        valid=valid,
        seed=seed,
        missing_classes=missing_classes,
        calibration_unit=calibrate_on,
    )


def _shots(windows: Windows, held: Rows, units: Groups, shots: int, seed: int | None) -> list[str]:
    """Names of the units that calibrate, of all subjects in the rows `held`."""
    subjects = column(windows, "subject")[held]
    chosen: list[str] = []
    for subject in np.unique(subjects).tolist():
        rows = held[subjects == subject]
        names, first = np.unique(units[rows], return_index=True)
        labels = windows.y[rows][first]
        for label in range(len(windows.classes)):
            own = names[labels == label].tolist()
            drawn = _by_time(windows, own, rows, units) if seed is None else _drawn(own, seed, subject, label)
            chosen += drawn[: max(0, min(shots, len(own) - 1))]
    return chosen


def _check_enough(windows: Windows, units: Groups, shots: int, things: str, missing_classes: MissingClasses) -> None:
    """Refuse subjects of whom calibration would leave nothing to test, or with "allow" who can't calibrate at all."""
    _check_pure(windows, units)
    strict = missing_classes == "raise"
    counts = {name: _counts(windows, units, name) for name in np.unique(column(windows, "subject")).tolist()}
    have = {name: min(own) if strict else max(own) for name, own in counts.items()}
    short = [name for name, n in have.items() if n < (shots + 1 if strict else 2)]
    if not short:
        return
    first, most = short[0], min(have.values()) - 1
    label = windows.classes[counts[first].index(have[first])]
    advice = [f"lower shots to {most}"] if most > 0 else []
    advice += ["leave these subjects out"] if len(short) <= len(have) - 3 else []
    advice += ["let them calibrate on all but one with missing_classes='allow'"] if strict and most > 0 else []
    raise ValueError(
        f"{len(short)} of {len(have)} subjects have too few {things}, so shots={shots} leave none to test (the first, "
        f"{first}, has {have[first]} of class {label!r}); "
        + ", or ".join(advice or ["choose a protocol without calibration, such as leave_one_subject_out"])
    )


def _counts(windows: Windows, units: Groups, subject: str) -> list[int]:
    """Units of each class that a subject has."""
    own = column(windows, "subject") == subject
    return [len(np.unique(units[own & (windows.y == label)])) for label in range(len(windows.classes))]


def _by_time(windows: Windows, names: Sequence[str], rows: Rows, units: Groups) -> list[str]:
    """Names in order of their first window: session, trial, start."""
    session, trial = column(windows, "session"), column(windows, "trial")
    start = windows.metadata.start.to_numpy(dtype=float)

    def moment(row: int) -> tuple[list[tuple[int, int, str]], list[tuple[int, int, str]], float]:
        return _natural(session[row]), _natural(trial[row]), float(start[row])

    begin: dict[str, int] = {}
    for row in sorted(rows.tolist(), key=moment):
        begin.setdefault(str(units[row]), len(begin))
    return sorted(names, key=begin.__getitem__)


def _natural(name: str) -> list[tuple[int, int, str]]:
    """A key that sorts "t2" before "t10"."""
    parts = re.findall(r"\d+|\D+", str(name))
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]


def _drawn(names: Sequence[str], seed: int, subject: str, label: int) -> list[str]:
    """Names shuffled; a subject's order does not depend on which other subjects there are."""
    order = np.random.default_rng([seed, crc32(subject.encode()), label]).permutation(len(names))
    return [sorted(names)[i] for i in order]


def _check_pure(windows: Windows, units: Groups) -> None:
    pairs = {(str(unit), int(label)) for unit, label in zip(units, windows.y, strict=True)}
    mixed = [unit for unit, n in Counter(unit for unit, _ in pairs).items() if n > 1]
    if mixed:
        raise ValueError(
            f"{min(mixed)} has windows of two classes, so it is no shot of either; cut it into trials of one label"
        )
