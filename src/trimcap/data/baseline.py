"""The linear baseline that every network has to beat."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trimcap.data.folds import Fold


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
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    note = "linear baseline"
    parts = [fold.train, fold.valid] if use_valid else [fold.train]
    for part in parts:
        fold.ledger.record("fit", part, note)
    X = np.concatenate([_flat(part.X) for part in parts])
    y = np.concatenate([part.y for part in parts])
    model = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=2000)).fit(X, y)
    test = fold.test.open("evaluate", note)
    probabilities = np.zeros((len(test), len(test.classes)))
    probabilities[:, model.classes_] = model.predict_proba(_flat(test.X))
    return probabilities


def _flat(X: NDArray[np.float32]) -> NDArray[np.float64]:
    return X.reshape(len(X), -1).astype(np.float64)
