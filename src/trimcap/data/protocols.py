"""Split protocols: how a data set becomes folds. scikit-learn's splitters underneath."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import numpy as np

from trimcap._errors import unknown
from trimcap.data.folds import Fold
from trimcap.data.partition import (
    MissingClasses,
    column,
    cut_folds,
    grouped_tests,
    keys,
    need_folds,
    need_groups,
    numbered,
    sort_rows,
)
from trimcap.data.windows import Windows

Protocol = Callable[..., list[Fold]]


def split(windows: Windows, protocol: str | Protocol, **options: Any) -> list[Fold]:
    """Folds of `windows` under a protocol.

    Parameters
    ----------
    windows : the whole data set; folds depend on its ids and the seed, not on the order of its rows
    protocol : a key of `PROTOCOLS`, "package.module:function", or a function (windows, **options) → folds
    options : options of the protocol, e.g. `n_folds`, `valid`, `seed`

    Raises
    ------
    ValueError : unknown protocol or option; the data do not allow the split (says why and what to do).
    """
    function = _resolve(protocol) if isinstance(protocol, str) else protocol
    parameters = inspect.signature(function).parameters
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    legal = list(parameters)[1:]
    for option in options:
        if option not in legal and not open_ended:
            raise ValueError(unknown(f"option of {protocol}", option, legal))
    return function(windows, **options)


def leave_one_subject_out(
    windows: Windows, *, valid: float = 0.2, seed: int = 0, missing_classes: MissingClasses = "raise"
) -> list[Fold]:
    """One fold per subject (LOSO); validation subjects are drawn from the others.

    Parameters
    ----------
    windows : at least three subjects
    valid : fraction of the training groups that validate; at least one group does
    seed : draws the validation groups
    missing_classes : "raise" if a class is absent from train, valid or test; "allow" it in valid and test
    """
    from sklearn.model_selection import LeaveOneGroupOut

    windows = sort_rows(windows)
    subjects = column(windows, "subject")
    need_groups(subjects, 3, "subject", "leave_one_subject_out", instead="leave_trials_out")
    pairs = LeaveOneGroupOut().split(subjects, groups=subjects)
    return cut_folds(
        windows,
        {f"subject {subjects[test[0]]}": test for _, test in pairs},
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
    subjects = column(windows, "subject")
    need_groups(subjects, 3, "subject", "k_fold_subjects", instead="leave_trials_out")
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


def leave_trials_out(
    windows: Windows,
    *,
    n_folds: int = 5,
    valid: float = 0.2,
    seed: int = 0,
    missing_classes: MissingClasses = "raise",
) -> list[Fold]:
    """`n_folds` folds of whole trials, stratified by class: new trials of known subjects."""
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
    from sklearn.model_selection import LeaveOneGroupOut

    windows = sort_rows(windows)
    sessions = column(windows, "session")
    need_groups(sessions, 2, "session", "leave_sessions_out", instead="leave_trials_out")
    pairs = LeaveOneGroupOut().split(sessions, groups=sessions)
    return cut_folds(
        windows,
        {f"session {sessions[test[0]]}": test for _, test in pairs},
        keys(windows, "subject", "session"),
        protocol="leave one session out",
        unit="session",
        valid=valid,
        seed=seed,
        missing_classes=missing_classes,
    )


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


#: split protocols by name
PROTOCOLS: Mapping[str, Protocol] = {
    "leave_one_subject_out": leave_one_subject_out,
    "k_fold_subjects": k_fold_subjects,
    "leave_trials_out": leave_trials_out,
    "leave_sessions_out": leave_sessions_out,
    "leaky_windows": leaky_windows,
    "leaky_within_trial": leaky_within_trial,
}


def _resolve(name: str) -> Protocol:
    if ":" in name:
        module, _, function = name.partition(":")
        try:
            found: Protocol = getattr(import_module(module), function)
        except (ImportError, AttributeError) as error:
            raise ValueError(f"protocol {name!r} cannot be imported: {error}") from error
        return found
    if name not in PROTOCOLS:
        raise ValueError(unknown("protocol", name, PROTOCOLS))
    return PROTOCOLS[name]
