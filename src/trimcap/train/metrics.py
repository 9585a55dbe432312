"""How good predictions are, over windows and per subject."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from trimcap.data.units import keys
from trimcap.data.windows import Windows

Labels = NDArray[np.int64]
Shares = NDArray[np.float64]


@dataclass(frozen=True)
class Metric:
    """One score, in one place: tables of results, reports and the command line derive from `METRICS`.

    Parameters
    ----------
    function : (true classes, int64 (n,); probabilities, float64 (n, k), rows sum to 1) -> score, or None if undefined
    words : what it is called in a report
    short : the same where there is little room
    higher : whether more is better
    """

    function: Callable[[Labels, Shares], float | None]
    words: str
    short: str = ""
    higher: bool = True

    @property
    def head(self) -> str:
        """The head of its column; an arrow says that less is better."""
        return self.words if self.higher else f"{self.words} ↓"

    @property
    def short_head(self) -> str:
        """The same where there is little room."""
        return replace(self, words=self.short or self.words).head


def _accuracy(y: Labels, p: Shares) -> float:
    return float((p.argmax(axis=1) == y).mean())


def _balanced_accuracy(y: Labels, p: Shares) -> float:
    """Mean recall over the classes that occur in `y`."""
    from sklearn.metrics import recall_score

    return float(recall_score(y, p.argmax(axis=1), labels=np.unique(y), average="macro", zero_division=0.0))


def _f1(y: Labels, p: Shares) -> float:
    """Macro F1 over the classes that occur in `y` or are predicted."""
    from sklearn.metrics import f1_score

    guess = p.argmax(axis=1)
    return float(f1_score(y, guess, labels=np.union1d(y, guess), average="macro", zero_division=0.0))


def _kappa(y: Labels, p: Shares) -> float | None:
    """Cohen's κ; None if only one class occurs in both."""
    from sklearn.metrics import cohen_kappa_score

    guess = p.argmax(axis=1)
    return float(cohen_kappa_score(y, guess)) if len(np.union1d(y, guess)) > 1 else None


def _auroc(y: Labels, p: Shares) -> float | None:
    """Area under the ROC curve, one class against the rest, macro; None if a class is absent."""
    from sklearn.metrics import roc_auc_score

    if len(np.unique(y)) < p.shape[1] or p.shape[1] < 2:
        return None
    if p.shape[1] == 2:
        return float(roc_auc_score(y, p[:, 1]))
    return float(roc_auc_score(y, p, multi_class="ovr", average="macro"))


#: scores of windows
METRICS = {
    "accuracy": Metric(_accuracy, "accuracy"),
    "balanced_accuracy": Metric(_balanced_accuracy, "balanced accuracy", "balanced"),
    "f1": Metric(_f1, "F1 (macro)", "F1"),
    "kappa": Metric(_kappa, "κ", "kappa"),
    "auroc": Metric(_auroc, "AUROC"),
}
#: scores of whole trials, whose probabilities are shares of votes or means over windows, see `per_trial`
TRIAL_METRICS = {"trial_vote": Metric(_accuracy, "trials, vote"), "trial_mean": Metric(_accuracy, "trials, mean p")}


@dataclass(frozen=True, eq=False)
class Metrics:
    """Scores of one set of windows, also as attributes by their names in `METRICS`; None where one is not defined.

    Parameters
    ----------
    n : windows
    scores : name → score
    confusion : int64 (k, k), rows are true classes, columns predicted ones
    """

    n: int
    scores: Mapping[str, float | None]
    confusion: NDArray[np.int64]

    def __getattr__(self, name: str) -> Any:
        if name in METRICS:
            return self.scores[name]
        raise AttributeError(f"no score {name!r}; scores: {', '.join(METRICS)}")

    def row(self) -> dict[str, float | int | None]:
        """The scores by name, and n, without the confusion matrix."""
        return {"n": self.n, **self.scores}


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
    from sklearn.metrics import confusion_matrix

    y, p = _checked(_labels(np.asarray(y), len(classes)), np.asarray(probabilities, dtype=np.float64), len(classes))
    confusion = confusion_matrix(y, p.argmax(axis=1), labels=range(len(classes))).astype(np.int64)
    return Metrics(len(y), {name: metric.function(y, p) for name, metric in METRICS.items()}, confusion)


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
    return pd.DataFrame(rows).astype(dict.fromkeys((*METRICS, "trials", *TRIAL_METRICS), float))


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
        return dict.fromkeys(("trials", *TRIAL_METRICS))
    mean, votes = np.zeros((len(counts), p.shape[1])), np.zeros((len(counts), p.shape[1]))
    np.add.at(mean, member, p)
    np.add.at(votes, (member, p.argmax(axis=1)), 1)
    mean /= counts[:, None]
    vote = np.where(votes == votes.max(axis=1, keepdims=True), mean, -1.0)
    given = zip(TRIAL_METRICS.items(), (vote, mean), strict=True)
    return {"trials": len(counts), **{name: metric.function(y, p) for (name, metric), p in given}}


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
