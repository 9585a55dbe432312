"""One split: an official test part, or a share of the trials."""

from __future__ import annotations

import numpy as np

from trimcap._errors import unknown
from trimcap.data.splits.folds import Fold
from trimcap.data.splits.partition import MissingClasses, cut_folds, grouped_tests, need_groups, sort_rows
from trimcap.data.units import Groups, column, keys
from trimcap.data.windows import Windows


def hold_out(
    windows: Windows,
    *,
    session: str | None = None,
    one_in: int = 5,
    valid: float = 0.2,
    seed: int = 0,
    missing_classes: MissingClasses = "raise",
) -> list[Fold]:
    """One fold: the trials of a session are tested, or one trial in `one_in`, stratified by class.

    For data sets with an official test part, and for networks so large that one split has to do. It says nothing about
    new subjects. In a recipe: `name = "trimcap.data.splits.protocols.hold_out:hold_out"`.

    Parameters
    ----------
    session : the session that is tested, e.g. "test" of CIFAR-10; None to draw trials
    one_in : the share of the trials that is tested: 5 for a fifth
    valid : fraction of the other trials that validate, stratified by class
    seed : draws test and validation trials
    missing_classes : as in `leave_one_subject_out`

    Raises
    ------
    ValueError : unknown session (names the nearest), or too few trials.
    """
    windows = sort_rows(windows)
    trials = keys(windows, "subject", "session", "trial")
    need_groups(trials, 3, "trial", "hold_out")
    if session is None:
        _check_share(windows, trials, one_in)
        tests = {"held out": next(iter(grouped_tests(windows, trials, one_in, seed, "trial").values()))}
        protocol = f"one trial in {one_in} held out"
    else:
        sessions = column(windows, "session")
        if session not in sessions:
            raise ValueError(unknown("session", session, sorted(set(sessions.tolist()))))
        tests = {f"session {session}": np.flatnonzero(sessions == session)}
        protocol = f"session {session!r} held out"
    return cut_folds(
        windows,
        tests,
        trials,
        protocol=protocol,
        unit="trial",
        valid=valid,
        seed=seed,
        missing_classes=missing_classes,
    )


def _check_share(windows: Windows, trials: Groups, one_in: int) -> None:
    """Refuse a share that leaves no trial of a class to test, in words of this protocol."""
    fewest = min(len(np.unique(trials[windows.y == label])) for label in np.unique(windows.y))
    if not 2 <= one_in <= fewest:
        raise ValueError(
            f"one_in is {one_in}: one trial in so many is tested, at least 2 and at most as many as the rarest class "
            f"has, {fewest}; choose another share, or load more trials"
        )
