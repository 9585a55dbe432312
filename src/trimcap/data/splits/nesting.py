"""Nested validation: inner folds of what a fold may be trained on, for choosing hyper-parameters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from trimcap.data.join import join
from trimcap.data.splits.folds import Fold
from trimcap.data.splits.protocols.named import Protocol, split
from trimcap.data.windows import Windows

#: unit that the outer fold keeps apart → protocol of the inner folds
INNER = {
    "subject": "k_fold_subjects",
    "session": "leave_trials_out",
    "trial": "leave_trials_out",
    "stimulus": "leave_stimuli_out",
    "subject+stimulus": "subject_and_stimulus",
}


def nested(fold: Fold, protocol: str | Protocol | None = None, **options: Any) -> list[Fold]:
    """Inner folds made of the training and validation windows of an outer fold; its test set is never in reach.

    Train on `inner.train`, stop on `inner.valid`, score on the inner test set, average over the inner folds; then
    train the best choice on the outer fold. Inner ledgers are separate: record in the outer one that the stage
    "choose" saw these windows.

    Parameters
    ----------
    fold : the outer fold; its calibration windows are not used either
    protocol : of the inner folds, as in `split`; default the one that keeps apart what the outer fold keeps apart:
        k folds of subjects, of trials (also for sessions) or of stimuli
    options : of that protocol, e.g. `n_folds`, `valid`, `seed`; the seed defaults to the outer fold's

    Raises
    ------
    ValueError : the outer fold is leaky; its training windows do not allow the inner folds.
    """
    if fold.leaky:
        raise ValueError(
            f"fold {fold.name!r} is LEAKY by declaration: inner folds can't repair that; choose an honest protocol"
        )
    protocol = protocol or INNER[fold.unit]
    options = {"seed": fold.seed, **options}
    try:
        inner = split(training_windows(fold), protocol, **options)
    except ValueError as error:
        raise ValueError(f"inner folds of fold {fold.name!r}: {error}") from error
    kept = set(fold.test.ids)
    assert not any(kept.intersection(part.ids.tolist()) for f in inner for part in (f.train_set, f.valid_set))
    # copies among what the outer fold may train on leak nothing of its test set; its own audit names them
    return [replace(one, known=()) for one in inner]


def training_windows(fold: Fold) -> Windows:
    """Training and validation windows of a fold as one, in the order of the data set."""
    train, valid = fold.train_set, fold.valid_set
    if train.source is valid.source and train.rows is not None and valid.rows is not None:
        return train.source.take(np.union1d(train.rows, valid.rows))
    return join([train.windows(), valid.windows()])
