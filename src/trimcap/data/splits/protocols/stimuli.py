"""New stimuli: the films, pictures or sounds of the test set were never seen in training."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from trimcap.data.splits.folds import Fold
from trimcap.data.splits.partition import (
    Cut,
    MissingClasses,
    cut_folds,
    grouped_tests,
    need_groups,
    sort_rows,
    subjects_of,
)
from trimcap.data.units import Groups, column, keys
from trimcap.data.windows import Windows


def leave_stimuli_out(
    windows: Windows,
    *,
    n_folds: int = 5,
    stimulus: str = "stimulus",
    valid: float = 0.2,
    seed: int = 0,
    missing_classes: MissingClasses = "raise",
) -> list[Fold]:
    """`n_folds` folds of whole stimuli, held out for all subjects, stratified by class.

    Parameters
    ----------
    stimulus : column of the metadata that names the stimulus, e.g. "trial" where the trial's number is the film's
    others : as in `leave_one_subject_out`; the groups that validate are stimuli
    """
    windows = with_stimulus(sort_rows(windows), stimulus)
    stimuli = column(windows, "stimulus")
    need_groups(stimuli, 3, "stimulus", "leave_stimuli_out", instead="leave_trials_out")
    return cut_folds(
        windows,
        grouped_tests(windows, stimuli, n_folds, seed, "stimulus"),
        stimuli,
        protocol=f"stimulus-grouped {n_folds}-fold",
        unit="stimulus",
        valid=valid,
        seed=seed,
        missing_classes=missing_classes,
    )


def subject_and_stimulus(
    windows: Windows,
    *,
    n_folds: int = 3,
    stimulus_folds: int | None = None,
    stimulus: str = "stimulus",
    valid: float = 0.2,
    seed: int = 0,
    missing_classes: MissingClasses = "raise",
) -> list[Fold]:
    """New subjects with new stimuli: every fold of subjects with every fold of stimuli is tested once.

    A fold tests (held-out subjects) × (held-out stimuli), trains on (other subjects) × (other stimuli), and leaves
    the rest unused (`Fold.unused`). Validation is as strict: its subjects and its stimuli are both new to training.

    Parameters
    ----------
    n_folds, stimulus_folds : folds of subjects, and of stimuli (default as many); their product is the number of folds
    stimulus : column of the metadata that names the stimulus
    valid : fraction of the training subjects, and of the training stimuli, that validate
    others : as in `leave_one_subject_out`
    """
    windows = with_stimulus(sort_rows(windows), stimulus)
    subjects = subjects_of(windows, "subject_and_stimulus", instead="leave_stimuli_out")
    stimuli = column(windows, "stimulus")
    need_groups(stimuli, 3, "stimulus", "subject_and_stimulus", instead="leave_one_subject_out")
    by_subject = grouped_tests(windows, subjects, n_folds, seed, "subject")
    by_stimulus = grouped_tests(windows, stimuli, stimulus_folds or n_folds, seed, "stimulus")
    every = np.arange(len(windows))
    cuts = [
        Cut(
            f"subjects {number}, stimuli {other}",
            np.intersect1d(held, shown),
            np.setdiff1d(every, np.union1d(held, shown)),
        )
        for number, held in ((name.removeprefix("fold "), rows) for name, rows in by_subject.items())
        for other, shown in ((name.removeprefix("fold "), rows) for name, rows in by_stimulus.items())
    ]
    return cut_folds(
        windows,
        cuts,
        (subjects, stimuli),
        protocol=f"new subjects × new stimuli: {len(by_subject)} × {len(by_stimulus)} folds",
        unit="subject+stimulus",
        valid=valid,
        seed=seed,
        missing_classes=missing_classes,
    )


def with_stimulus(windows: Windows, name: str) -> Windows:
    """The windows with a column "stimulus" of names, taken from the column `name`; same rows.

    Raises
    ------
    ValueError : no such column, a window without a name, or a trial with two stimuli; says how to supply them.
    """
    table = windows.metadata
    if name not in table:
        raise ValueError(
            f"the windows do not say which stimulus they are of: their metadata has no column {name!r} (it has "
            f"{', '.join(map(str, table.columns))}). Give recordings info={{'stimulus': …}}, add the column to the "
            "metadata (in an .npz the array 'metadata_stimulus'), or name the column that holds it: stimulus='trial' "
            "where the trial's number is the film's"
        )
    names = _names(table[name])
    missing = np.flatnonzero(names == "")
    if len(missing):
        raise ValueError(
            f"{len(missing)} of {len(names)} windows have no stimulus, the first is {windows.ids[missing[0]]}; name it "
            f"in the column {name!r}, or leave these recordings out"
        )
    trials = keys(windows, "subject", "session", "trial")
    pairs = pd.DataFrame({"trial": trials, "stimulus": names}).drop_duplicates()
    several = pairs.trial[pairs.trial.duplicated()]
    if len(several):
        found = ", ".join(pairs.stimulus[pairs.trial == several.iloc[0]].tolist()[:3])
        raise ValueError(
            f"trial {several.iloc[0]} has more than one stimulus ({found}); cut it into one trial per stimulus"
        )
    return replace(windows, metadata=table.assign(stimulus=names.tolist()))


def _names(values: pd.Series[Any]) -> Groups:
    """Values as text; "" for what is missing."""
    return np.asarray(["" if pd.isna(v) else str(v) for v in values.tolist()], dtype=np.str_)
