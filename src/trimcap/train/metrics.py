"""How good predictions are, over windows and per subject."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from trimcap.data.units import keys
from trimcap.data.windows import Windows

#: keys of `per_trial`
TRIAL_SCORES = ("trials", "trial_vote", "trial_mean")


@dataclass(frozen=True, eq=False)
class Metrics:
    """Scores of one set of windows; None where a score is not defined.

    Parameters
    ----------
    n : windows
    accuracy : share of windows whose most probable class is right
    balanced_accuracy : mean recall over the classes that occur in `y`
    f1 : macro F1 over the classes that occur in `y` or are predicted
    kappa : Cohen's κ; None if only one class occurs in both
    auroc : area under the ROC curve, one class against the rest, macro; None if a class is absent
    confusion : int64 (k, k), rows are true classes, columns predicted ones
    """

    n: int
    accuracy: float
    balanced_accuracy: float
    f1: float
    kappa: float | None
    auroc: float | None
    confusion: NDArray[np.int64]

    def row(self) -> dict[str, float | int | None]:
        """The scores by name, without the confusion matrix."""
        names = ("n", "accuracy", "balanced_accuracy", "f1", "kappa", "auroc")
        return {name: getattr(self, name) for name in names}


def evaluate(y: ArrayLike, probabilities: ArrayLike, classes: Sequence[str]) -> Metrics:
    """Scores of predicted class probabilities.

    Parameters
    ----------
    y : whole numbers (n,), index into `classes`
    probabilities : (n, k), finite; rows are scaled to sum 1
    classes : the k class names

    Raises
    ------
    ValueError : shapes disagree, there are no windows, a label is no index into `classes`, or a probability is negative
        or not finite.
    """
    from sklearn.metrics import confusion_matrix, f1_score, recall_score

    y, p = _checked(_labels(np.asarray(y), len(classes)), np.asarray(probabilities, dtype=np.float64), len(classes))
    guess = p.argmax(axis=1)
    confusion = confusion_matrix(y, guess, labels=range(len(classes))).astype(np.int64)
    here, anywhere = np.unique(y), np.union1d(y, guess)
    return Metrics(
        n=len(y),
        accuracy=float((guess == y).mean()),
        balanced_accuracy=float(recall_score(y, guess, labels=here, average="macro", zero_division=0.0)),
        f1=float(f1_score(y, guess, labels=anywhere, average="macro", zero_division=0.0)),
        kappa=_kappa(y, guess),
        auroc=_auroc(y, p) if len(here) == len(classes) else None,
        confusion=confusion,
    )


def per_subject(windows: Windows, probabilities: ArrayLike) -> pd.DataFrame:
    """One row per subject, in order of first appearance: subject, the scores of `Metrics.row` and of `per_trial`."""
    p = np.asarray(probabilities)
    if len(p) != len(windows):
        raise ValueError(f"per_subject: {len(windows)} windows but {len(p)} rows of probabilities")
    subjects = windows.metadata["subject"].astype(str).to_numpy()
    trials, rows = _trials(windows), []
    for subject in dict.fromkeys(subjects):
        of = subjects == subject
        scores = evaluate(windows.y[of], p[of], windows.classes).row()
        rows.append({"subject": subject, **scores, **_voted(windows.y[of], trials[of], p[of])})
    undefined = ("kappa", "auroc", *TRIAL_SCORES)
    return pd.DataFrame(rows).astype(dict.fromkeys(undefined, float))


def per_trial(windows: Windows, probabilities: ArrayLike) -> dict[str, float | None]:
    """Scores of whole trials (recordings, videos), which have one label each, from those of their windows.

    Parameters
    ----------
    probabilities : (n, k), rows as in `windows`

    Returns
    -------
    "trials" : number of trials; "trial_vote" : share of trials whose most frequent answer is right, of as frequent ones
    the more probable on average; "trial_mean" : the same for the class with the highest mean probability. All None
    where the label changes within a trial.
    """
    return _voted(windows.y, _trials(windows), np.asarray(probabilities, dtype=np.float64))


def _trials(windows: Windows) -> NDArray[np.str_]:
    return keys(windows, "subject", "session", "trial")


def _voted(labels: NDArray[np.int64], trials: NDArray[np.str_], p: NDArray[np.float64]) -> dict[str, float | None]:
    _, first, member, counts = np.unique(trials, return_index=True, return_inverse=True, return_counts=True)
    y = labels[first]
    if (labels != y[member]).any():
        return dict.fromkeys(TRIAL_SCORES)
    mean, votes = np.zeros((len(counts), p.shape[1])), np.zeros((len(counts), p.shape[1]))
    np.add.at(mean, member, p)
    np.add.at(votes, (member, p.argmax(axis=1)), 1)
    mean /= counts[:, None]
    vote = np.where(votes == votes.max(axis=1, keepdims=True), mean, -1.0)
    right = (float((guess.argmax(axis=1) == y).mean()) for guess in (vote, mean))
    return dict(zip(TRIAL_SCORES, (len(counts), *right), strict=True))


def _labels(y: NDArray[Any], k: int) -> NDArray[np.int64]:
    if y.ndim != 1:
        raise ValueError(f"evaluate: y has shape {y.shape}; give one label per window (one-hot: y.argmax(axis=1))")
    whole = y.dtype.kind in "biu" or (y.dtype.kind == "f" and bool((np.isfinite(y) & (np.floor(y) == y)).all()))
    if len(y) and not (whole and y.min() >= 0 and y.max() < k):
        some = ", ".join(str(v) for v in np.unique(y.astype(str))[:6])
        raise ValueError(
            f"evaluate: y must hold whole numbers from 0 to {k - 1}, the index into the {k} classes; it holds {some}. "
            "Of codes of events or names, np.unique(y, return_inverse=True)[1] makes them, if every class occurs"
        )
    return y.astype(np.int64)


def _checked(y: NDArray[np.int64], p: NDArray[np.float64], k: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    if not len(y):
        raise ValueError("evaluate: there are no windows; check the split or the selection that made them")
    if p.shape != (len(y), k):
        raise ValueError(f"evaluate: expected probabilities of shape ({len(y)}, {k}), got {p.shape}")
    if not np.isfinite(p).all() or (p < 0).any() or (p.sum(axis=1) == 0).any():
        row = int(np.flatnonzero(~np.isfinite(p).all(axis=1) | (p < 0).any(axis=1) | (p.sum(axis=1) == 0))[0])
        raise ValueError(
            f"evaluate: row {row} is not a set of probabilities: {p[row]}; give softmax(logits), "
            "and if that is NaN look for NaN in the window or in the weights"
        )
    return y, p / p.sum(axis=1, keepdims=True)


def _kappa(y: NDArray[np.int64], guess: NDArray[np.int64]) -> float | None:
    from sklearn.metrics import cohen_kappa_score

    if len(np.union1d(y, guess)) < 2:
        return None
    return float(cohen_kappa_score(y, guess))


def _auroc(y: NDArray[np.int64], p: NDArray[np.float64]) -> float | None:
    from sklearn.metrics import roc_auc_score

    if p.shape[1] < 2:
        return None
    if p.shape[1] == 2:
        return float(roc_auc_score(y, p[:, 1]))
    return float(roc_auc_score(y, p, multi_class="ovr", average="macro"))
