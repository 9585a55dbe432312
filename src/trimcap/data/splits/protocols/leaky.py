"""LEAKY protocols, which exist only to show how much they inflate: every trial is in train and in test."""

from __future__ import annotations

import numpy as np

from trimcap.data.splits.folds import Fold
from trimcap.data.splits.partition import MissingClasses, cut_folds, need_folds, numbered, sort_rows
from trimcap.data.units import keys
from trimcap.data.windows import Windows


def leaky_windows(
    windows: Windows,
    *,
    n_folds: int = 10,
    valid: float = 0.2,
    seed: int = 0,
    missing_classes: MissingClasses = "raise",
) -> list[Fold]:
    """LEAKY, for comparison only: windows are shuffled, so every trial is in train, valid and test.

    The split behind many published accuracies above 90 %; it rewards remembering trials.
    """
    from sklearn.model_selection import KFold

    windows = sort_rows(windows)
    need_folds(len(windows), n_folds, "windows")
    splitter = KFold(n_folds, shuffle=True, random_state=seed)
    return cut_folds(
        windows,
        numbered(test for _, test in splitter.split(windows.y)),
        windows.ids,
        protocol=f"LEAKY: windows shuffled, {n_folds}-fold (comparison only)",
        unit="trial",
        valid=valid,
        seed=seed,
        missing_classes=missing_classes,
        leaky=True,
    )


def leaky_within_trial(
    windows: Windows,
    *,
    n_folds: int = 10,
    valid: float = 0.2,
    seed: int = 0,
    missing_classes: MissingClasses = "raise",
) -> list[Fold]:
    """LEAKY, for comparison only: every trial is cut into `n_folds` contiguous parts, one of which is test.

    Published under names such as "k-fold grouped by trial", although every trial is in train and test.
    """
    windows = sort_rows(windows)
    trials = keys(windows, "subject", "session", "trial")
    members = [np.flatnonzero(trials == t) for t in np.unique(trials)]
    need_folds(min(len(m) for m in members), n_folds, "windows in the shortest trial")
    parts = [np.array_split(m, n_folds) for m in members]
    return cut_folds(
        windows,
        numbered(np.concatenate([p[k] for p in parts]) for k in range(n_folds)),
        windows.ids,
        protocol=f"LEAKY: every trial cut into {n_folds} parts (comparison only)",
        unit="trial",
        valid=valid,
        seed=seed,
        missing_classes=missing_classes,
        leaky=True,
    )
