"""New subjects: whole subjects are held out."""

from __future__ import annotations

from trimcap.data.splits.folds import Fold
from trimcap.data.splits.partition import (
    MissingClasses,
    cut_folds,
    grouped_tests,
    one_by_one,
    sort_rows,
    subjects_of,
)
from trimcap.data.windows import Windows


def leave_one_subject_out(
    windows: Windows, *, valid: float = 0.2, seed: int = 0, missing_classes: MissingClasses = "raise"
) -> list[Fold]:
    """One fold per subject (LOSO); validation subjects are drawn from the others.

    Parameters
    ----------
    windows : at least three subjects
    valid : fraction of the training groups that validate; at least one group does, or one of each class
    seed : draws the validation groups
    missing_classes : "raise" if a class is absent from train, valid or test; "allow" it in valid and test
    """
    windows = sort_rows(windows)
    subjects = subjects_of(windows, "leave_one_subject_out", instead="leave_trials_out")
    return cut_folds(
        windows,
        one_by_one(subjects, "subject"),
        subjects,
        protocol="leave one subject out",
        unit="subject",
        valid=valid,
        seed=seed,
        missing_classes=missing_classes,
    )


def k_fold_subjects(
    windows: Windows,
    *,
    n_folds: int = 5,
    valid: float = 0.2,
    seed: int = 0,
    missing_classes: MissingClasses = "raise",
) -> list[Fold]:
    """`n_folds` folds of whole subjects, stratified by class; options as in `leave_one_subject_out`."""
    windows = sort_rows(windows)
    subjects = subjects_of(windows, "k_fold_subjects", instead="leave_trials_out")
    return cut_folds(
        windows,
        grouped_tests(windows, subjects, n_folds, seed, "subject"),
        subjects,
        protocol=f"subject-grouped {n_folds}-fold",
        unit="subject",
        valid=valid,
        seed=seed,
        missing_classes=missing_classes,
    )
