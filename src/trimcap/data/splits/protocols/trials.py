"""New trials and sessions of known subjects, for all subjects together or for each one alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from trimcap.data.splits.folds import Fold
from trimcap.data.splits.partition import (
    Cut,
    MissingClasses,
    Rows,
    cut_folds,
    grouped_tests,
    need_groups,
    one_by_one,
    sort_rows,
)
from trimcap.data.units import Groups, column, keys
from trimcap.data.windows import Windows


def leave_trials_out(
    windows: Windows,
    *,
    n_folds: int = 5,
    valid: float = 0.2,
    seed: int = 0,
    missing_classes: MissingClasses = "raise",
) -> list[Fold]:
    """`n_folds` folds of whole trials, stratified by class; options as in `leave_one_subject_out`."""
    windows = sort_rows(windows)
    trials = keys(windows, "subject", "session", "trial")
    need_groups(trials, 3, "trial", "leave_trials_out")
    return cut_folds(
        windows,
        grouped_tests(windows, trials, n_folds, seed, "trial"),
        trials,
        protocol=f"trial-grouped {n_folds}-fold",
        unit="trial",
        valid=valid,
        seed=seed,
        missing_classes=missing_classes,
    )


def leave_sessions_out(
    windows: Windows, *, valid: float = 0.2, seed: int = 0, missing_classes: MissingClasses = "raise"
) -> list[Fold]:
    """One fold per session name, held out for all subjects; other sessions of some subjects validate."""
    windows = sort_rows(windows)
    sessions = column(windows, "session")
    need_groups(sessions, 2, "session", "leave_sessions_out", instead="leave_trials_out")
    return cut_folds(
        windows,
        one_by_one(sessions, "session"),
        keys(windows, "subject", "session"),
        protocol="leave one session out",
        unit="session",
        valid=valid,
        seed=seed,
        missing_classes=missing_classes,
    )


def within_subject(
    windows: Windows,
    *,
    n_folds: int = 5,
    valid: float = 0.2,
    seed: int = 0,
    missing_classes: MissingClasses = "raise",
) -> list[Fold]:
    """Cross-trial, subject-dependent: `n_folds` folds of each subject's trials, trained on that subject alone.

    Trials are stratified by class. Windows of other subjects are in no part of a fold. Options as in
    `leave_one_subject_out`.
    """
    windows = sort_rows(windows)
    trials = keys(windows, "subject", "session", "trial")
    return cut_folds(
        windows,
        _cuts_of_trials(windows, trials, n_folds, seed),
        trials,
        protocol=f"within subject: trial-grouped {n_folds}-fold of each subject alone",
        unit="trial",
        valid=valid,
        seed=seed,
        missing_classes=missing_classes,
    )


def within_subject_sessions(
    windows: Windows, *, valid: float = 0.2, seed: int = 0, missing_classes: MissingClasses = "raise"
) -> list[Fold]:
    """Cross-session, subject-dependent: each session of a subject once, trained on that subject's other sessions.

    Whole trials of the training sessions validate, because there are few sessions; the held-out session shares
    nothing with either. Windows of other subjects are in no part of a fold. Options as in `leave_one_subject_out`.
    """
    windows = sort_rows(windows)
    return cut_folds(
        windows,
        list(_cuts_of_sessions(windows)),
        keys(windows, "subject", "session", "trial"),
        protocol="within subject: leave one session out of each subject alone",
        unit="session",
        valid=valid,
        seed=seed,
        missing_classes=missing_classes,
        valid_unit="trial",
    )


def _cuts_of_trials(windows: Windows, trials: Groups, n_folds: int, seed: int) -> Iterator[Cut]:
    for subject, rows in _subjects(windows):
        try:
            need_groups(trials[rows], 3, "trial", "within_subject")
            tests = grouped_tests(windows.take(rows), trials[rows], n_folds, seed, "trial")
        except ValueError as error:
            raise ValueError(f"subject {subject}: {error}") from error
        for name, test in tests.items():
            yield Cut(f"subject {subject}, {name}", rows[test], np.delete(rows, test))


def _cuts_of_sessions(windows: Windows) -> Iterator[Cut]:
    sessions = column(windows, "session")
    for subject, rows in _subjects(windows):
        names = np.unique(sessions[rows]).tolist()
        if len(names) < 2:
            raise ValueError(
                f"within_subject_sessions needs at least 2 sessions of every subject, but {subject} has only "
                f"{names[0]!r}; leave this subject out, or use the protocol 'within_subject'"
            )
        for name in names:
            held = sessions[rows] == name
            yield Cut(f"subject {subject}, session {name}", rows[held], rows[~held])


def _subjects(windows: Windows) -> Iterator[tuple[str, Rows]]:
    subjects = column(windows, "subject")
    for subject in np.unique(subjects).tolist():
        yield subject, np.flatnonzero(subjects == subject)
