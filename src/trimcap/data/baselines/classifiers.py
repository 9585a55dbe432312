"""Classifiers that every network has to be compared with, on exactly the windows that the network gets."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimcap._errors import unknown
from trimcap.data.baselines.tangent import covariances, log_euclidean_mean, tangent_vectors
from trimcap.data.rows.lazy import pieces
from trimcap.data.splits.folds import Fold
from trimcap.data.units import keys
from trimcap.data.windows import Windows

MAJORITY = "majority class"
LINEAR = "linear baseline"
NEIGHBOURS = "nearest neighbours"
COVARIANCE = "covariance baseline"
EVOKED = "evoked baseline"

#: inverse strengths of the L2 penalty of which the training windows choose, and the one if they can't
CHOICES, WITHOUT_CHOICE = (1e-4, 1e-3, 1e-2, 1e-1, 1.0), 0.05
#: neighbours that vote
K = 5
#: seconds over which the evoked baseline averages
INTERVAL = 0.05
#: groups of training windows among which C is chosen
_GROUPS = 5
#: values of the training matrix, and rows of one that has more columns than that; more rows are thinned out evenly
_MOST_VALUES, _MOST_WIDE = 2**25, 4096

Rows = NDArray[np.float64]
Bands = Sequence[tuple[float, float]]
Columns = Callable[[NDArray[np.float32]], Rows]


@dataclass(frozen=True, eq=False)
class Classified:
    """Test windows of a fold, as a baseline classified them.

    Parameters
    ----------
    test : the windows
    probabilities : float64, shape (n_test, n_classes), rows as in `test`; 0 for a class absent from training
    facts : "columns" and "train_windows" that were used; "C" or "k"
    """

    test: Windows
    probabilities: NDArray[np.float64]
    facts: dict[str, float]


def linear_baseline(fold: Fold, *, C: float | None = None, use_valid: bool = True) -> NDArray[np.float64]:
    """Logistic regression on the standardised values of a window; probabilities of the test windows.

    Parameters
    ----------
    fold : what the network gets
    C : inverse strength of the L2 penalty; None: of 10⁻⁴, 10⁻³, … 1 the one with the least log-loss over 5 groups of
        training subjects (sessions or trials, if there is one subject), each classified by what the others taught
    use_valid : train on the validation groups as well, as networks see them too: they choose their epoch there

    Returns
    -------
    float64 array, shape (n_test, n_classes), rows as in `fold.test`; 0 for a class absent from training.

    Notes
    -----
    Records "fit" and "evaluate" with the note "linear baseline". Of more than 2²⁵ training values, or 4,096 rows with
    more columns than rows, rows are thinned out evenly.
    """
    return classify(fold, LINEAR, C=C, use_valid=use_valid).probabilities


def nearest_neighbours(fold: Fold, *, k: int = K, use_valid: bool = True) -> NDArray[np.float64]:
    """Share of each class among the `k` nearest training windows, in the standardised values of a window.

    It remembers: where trials are on both sides of a split, it looks the trial up and repeats its label. That makes it
    the witness of leaks, and a weak baseline where there is none.

    Parameters
    ----------
    fold : what the network gets
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
    return classify(fold, NEIGHBOURS, k=k, use_valid=use_valid).probabilities


def covariance_baseline(
    fold: Fold, *, C: float | None = None, bands: Bands = (), use_valid: bool = True
) -> NDArray[np.float64]:
    """Logistic regression on log-covariances in the tangent space at their training mean: for oscillations.

    See `baselines.tangent`; other parameters and returns as in `linear_baseline`. The windows must be signals.

    Parameters
    ----------
    bands : (low, high) in Hz: the covariance is that of all electrodes in all bands (zero-phase Butterworth filters of
        order 4), as where frequencies tell classes apart; none: of the windows as they are. Source: Congedo, Barachant
        & Andreev (2013), "A new generation of brain-computer interface based on Riemannian geometry"
    """
    return classify(fold, COVARIANCE, C=C, bands=bands, use_valid=use_valid).probabilities


def evoked_baseline(fold: Fold, *, C: float | None = None, use_valid: bool = True) -> NDArray[np.float64]:
    """Logistic regression on amplitudes averaged over 50 ms at every electrode: for evoked potentials.

    Parameters and returns as in `linear_baseline`. The windows must be signals. Source: Blankertz, Lemm, Treder, Haufe
    & Müller (2011), "Single-trial analysis and classification of ERP components", NeuroImage 56:814, section 2.3.
    """
    return classify(fold, EVOKED, C=C, use_valid=use_valid).probabilities


def baselines(windows: Windows, *, signal: str) -> tuple[str, ...]:
    """Names of the baselines of a study; `signal` says which one of signals: "covariance", "evoked" or "none"."""
    own = {"covariance": (COVARIANCE,), "evoked": (EVOKED,)}.get(signal, ())
    return (LINEAR, NEIGHBOURS, *(own if windows.raw else ()))


def classify(
    fold: Fold, name: str, *, C: float | None = None, k: int = K, bands: Bands = (), use_valid: bool = True
) -> Classified:
    """What the baseline of that name says of the test windows; see the functions above.

    Raises
    ------
    ValueError : an unknown name; a baseline for signals, but the windows are features; bands beyond half the rate.
    """
    from sklearn.preprocessing import StandardScaler

    if name not in (LINEAR, NEIGHBOURS, COVARIANCE, EVOKED):
        raise ValueError(unknown("baseline", name, (LINEAR, NEIGHBOURS, COVARIANCE, EVOKED)))
    parts = [fold.train, fold.valid] if use_valid else [fold.train]
    if name in (COVARIANCE, EVOKED) and not parts[0].raw:
        raise ValueError(f"the {name} needs signals, windows of electrodes × samples; these are {parts[0].shape}")
    for part in parts:
        fold.ledger.record("fit", part, name)
    rows = [_thinned(part, parts) for part in parts]
    columns = _columns(name, rows, bands)
    X = np.concatenate([piece for part in rows for piece in _in_pieces(part, columns)])
    y = np.concatenate([part.y for part in rows])
    scaler = StandardScaler().fit(X)
    X = scaler.transform(X)
    facts: dict[str, float] = {"columns": X.shape[1], "train_windows": len(X)}
    rotate: Callable[[Rows], Rows] = _as_is
    if name == NEIGHBOURS:
        from sklearn.neighbors import KNeighborsClassifier

        facts["k"] = min(k, len(X))
        model = KNeighborsClassifier(min(k, len(X))).fit(X, y)
    else:
        X, rotate = _rotated(X)
        facts["C"] = _chosen(X, y, rows) if C is None else C
        model = _regression(facts["C"]).fit(X, y)
    test = fold.test.open("evaluate", name)
    p = np.zeros((len(test), len(test.classes)))
    found = [model.predict_proba(rotate(scaler.transform(piece))) for piece in _in_pieces(test, columns)]
    p[:, model.classes_] = np.concatenate(found)
    return Classified(test, p, facts)


def _columns(name: str, rows: list[Windows], bands: Bands) -> Columns:
    """What becomes of a batch of windows, one row each."""
    if name == COVARIANCE:
        rate = rows[0].rate
        found = [covariances(_banded(piece, bands, rate)) for part in rows for piece in pieces(part.X)]
        mean = log_euclidean_mean(np.concatenate(found))
        return lambda X: tangent_vectors(covariances(_banded(X, bands, rate)), mean)
    if name == EVOKED:
        n = max(1, round(rows[0].duration / INTERVAL))
        return lambda X: _averaged(X, n)
    return lambda X: X.reshape(len(X), -1).astype(np.float64)


def _banded(X: NDArray[np.float32], bands: Bands, rate: float) -> NDArray[Any]:
    """Electrodes in every band below each other; without bands, as they are."""
    if not bands:
        return X
    from scipy.signal import butter, sosfiltfilt

    for low, high in bands:
        if not 0 < low < high < rate / 2:
            raise ValueError(
                f"band {low:g}–{high:g} Hz of the covariance baseline must lie between 0 and {rate / 2:g} Hz"
            )
    filters = [butter(4, band, "bandpass", fs=rate, output="sos") for band in bands]
    return np.concatenate([sosfiltfilt(sos, X, axis=2) for sos in filters], axis=1)


def _averaged(X: NDArray[np.float32], n: int) -> Rows:
    """Means over `n` intervals of as many samples, or one more."""
    parts = np.array_split(X.astype(np.float64), min(n, X.shape[2]), axis=2)
    return np.concatenate([part.mean(axis=2) for part in parts], axis=1)


def _in_pieces(windows: Windows, columns: Columns) -> Iterator[Rows]:
    return (columns(np.asarray(piece)) for piece in pieces(windows.X))


def _thinned(part: Windows, parts: list[Windows]) -> Windows:
    """Rows of a part, taken evenly, so that all parts fit."""
    total, width = sum(map(len, parts)), math.prod(part.X.shape[1:])
    most = min(total, max(1, _MOST_VALUES // width))
    most = min(most, _MOST_WIDE) if width > _MOST_WIDE else most
    if most == total:
        return part
    n = max(1, len(part) * most // total)
    return part.take(np.linspace(0, len(part) - 1, n).round().astype(np.int64))


def _as_is(X: Rows) -> Rows:
    return X


def _rotated(X: Rows) -> tuple[Rows, Callable[[Rows], Rows]]:
    """Fewer columns for the same regression: the L2 penalty lets weights lie in the span of the rows, so X = U·s·Vᵀ
    may be replaced by U·s, and a test row x by Vᵀx.
    """
    if X.shape[1] <= X.shape[0]:
        return X, _as_is
    values, U = np.linalg.eigh(X @ X.T)
    kept = values > values.max(initial=0) * 1e-12
    V = X.T @ (U[:, kept] / np.sqrt(values[kept]))
    return X @ V, lambda rows: np.asarray(rows @ V)


def _regression(C: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=C, max_iter=5000)


def _chosen(X: Rows, y: NDArray[np.int64], rows: list[Windows]) -> float:
    """The C with the least log-loss on groups of training windows that were left out in turn."""
    from sklearn.model_selection import GroupKFold

    groups = _groups(rows)
    n = min(_GROUPS, len(np.unique(groups)))
    losses = np.zeros(len(CHOICES))
    for inner, held in GroupKFold(n).split(X, y, groups) if n > 1 else ():
        if len(np.unique(y[inner])) > 1:
            for i, C in enumerate(CHOICES):
                model = _regression(C).fit(X[inner], y[inner])
                p = np.full((len(held), int(y.max()) + 1), 1e-6)  # of a class that the others do not have
                p[:, model.classes_] = np.maximum(model.predict_proba(X[held]), 1e-6)
                losses[i] -= np.log(p[np.arange(len(held)), y[held]]).sum()
    return CHOICES[int(losses.argmin())] if losses.any() else WITHOUT_CHOICE


def _groups(rows: list[Windows]) -> NDArray[Any]:
    """Subject of every row; of one subject the session, of one session the trial."""
    for levels in (("subject",), ("subject", "session"), ("subject", "session", "trial")):
        names = np.concatenate([keys(part, *levels) for part in rows])
        if len(np.unique(names)) > 1:
            return names
    return np.zeros(len(names), dtype=np.int64)
