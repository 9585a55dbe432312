"""Baselines of a recipe: what networks are compared with, and what can be known before any is trained."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from trimcap.data.baselines.classifiers import MAJORITY, Classified, baselines, classify
from trimcap.data.splits.folds import Fold
from trimcap.data.windows import Windows
from trimcap.study.recipe.recipe import Recipe
from trimcap.study.run.leaks import look
from trimcap.study.run.prepare import folds_of, prepare
from trimcap.train.metrics import per_subject


def names_of(recipe: Recipe, windows: Windows) -> tuple[str, ...]:
    """The recipe's baselines for such windows, in the order of tables."""
    return (MAJORITY, *baselines(windows, signal=recipe.baselines.signal))


def classified(fold: Fold, name: str, recipe: Recipe) -> Classified:
    """A fold's test windows by one of them; the majority class is that of the training windows."""
    if name != MAJORITY:
        return classify(fold, name, bands=recipe.baselines.bands)
    y = fold.train.y
    test = fold.test.open("evaluate", name)
    shares = np.bincount(y, minlength=len(test.classes)) / len(y)
    return Classified(test, np.tile(shares, (len(test), 1)), {})


def baselines_alone(recipe: Recipe) -> pd.DataFrame:
    """A recipe's baselines on its folds, as in a run of it; no network is trained.

    Returns
    -------
    one row per fold, baseline ("stage") and test subject, with columns as in `subjects.csv` and the baseline's facts

    Raises
    ------
    ValueError, OSError : as `prepare` and `folds_of`. AuditError : as `look`.
    """
    return pd.DataFrame(list(_rows(recipe)))


def _rows(recipe: Recipe) -> Iterator[dict[str, Any]]:
    prepared = prepare(recipe)
    folds = folds_of(prepared, recipe.protocol)
    look(recipe, folds, range(len(folds)))
    for number, fold in enumerate(folds):
        for name in names_of(recipe, prepared.windows):
            found = classified(fold, name, recipe)
            for row in per_subject(found.test, found.probabilities).to_dict("records"):
                yield {"fold": number, "stage": name, **{str(k): v for k, v in row.items()}, **found.facts}
