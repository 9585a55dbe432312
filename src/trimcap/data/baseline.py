"""Classifiers that every network has to be compared with."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimcap.data.folds import Fold
from trimcap.data.lazy import pieces

LINEAR = "linear baseline"
NEIGHBOURS = "nearest neighbours"


def linear_baseline(fold: Fold, *, C: float = 0.05, use_valid: bool = True) -> NDArray[np.float64]:
    """Logistic regression on standardised, flattened features; probabilities of the test windows.

    Parameters
    ----------
    fold : features such as `band_power`; raw windows work but have many columns
    C : inverse strength of the L2 penalty
    use_valid : train on the validation groups as well, since nothing is chosen on them

    Returns
    -------
    float64 array, shape (n_test, n_classes), rows as in `fold.test`; 0 for a class absent from training.

    Notes
    -----
    Records "fit" and "evaluate" with the note "linear baseline".
    """
    from sklearn.linear_model import LogisticRegression

    return _probabilities(fold, LogisticRegression(C=C, max_iter=2000), note=LINEAR, use_valid=use_valid)


def nearest_neighbours(fold: Fold, *, k: int = 5, use_valid: bool = True) -> NDArray[np.float64]:
    """Share of each class among the `k` nearest training windows, in standardised, flattened features.

    It remembers: where trials are on both sides of a split, it looks the trial up and repeats its label. That makes it
    the witness of leaks, and a weak baseline where there is none.

    Parameters
    ----------
    fold : features such as `band_power`
    k : neighbours; all training windows if there are fewer
    use_valid : as in `linear_baseline`

    Returns
    -------
    float64 array, shape (n_test, n_classes), rows as in `fold.test`; of classes with equal shares the first is the
    answer.

    Notes
    -----
    Records "fit" and "evaluate" with the note "nearest neighbours". Source: Cover & Hart (1967), "Nearest neighbor
    pattern classification".
    """
    from sklearn.neighbors import KNeighborsClassifier

    n = len(fold.train_set) + (len(fold.valid_set) if use_valid else 0)
    return _probabilities(fold, KNeighborsClassifier(min(k, n)), note=NEIGHBOURS, use_valid=use_valid)


def _probabilities(fold: Fold, classifier: Any, *, note: str, use_valid: bool) -> NDArray[np.float64]:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    parts = [fold.train, fold.valid] if use_valid else [fold.train]
    for part in parts:
        fold.ledger.record("fit", part, note)
    X = _flat(*(part.X for part in parts))
    y = np.concatenate([part.y for part in parts])
    model = make_pipeline(StandardScaler(), classifier).fit(X, y)
    test = fold.test.open("evaluate", note)
    probabilities = np.zeros((len(test), len(test.classes)))
    probabilities[:, model.classes_] = model.predict_proba(_flat(test.X))
    return probabilities


def _flat(*parts: NDArray[np.float32]) -> NDArray[np.float64]:
    """All parts below each other, one row per window."""
    flat, row = np.empty((sum(map(len, parts)), math.prod(parts[0].shape[1:]))), 0
    for piece in (piece for X in parts for piece in pieces(X)):
        flat[row : row + len(piece)] = piece.reshape(len(piece), -1)
        row += len(piece)
    return flat
