"""Normalisation that is fitted on training rows only, and one that is labelled transductive."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trimcap._errors import counted, unknown
from trimcap.data.ledger import Ledger
from trimcap.data.preprocess.effects import Effect
from trimcap.data.preprocess.step import WindowStep, on_windows
from trimcap.data.rows.lazy import as_lazy, lazy_array, pieces
from trimcap.data.seen import NOTHING, Seen, united
from trimcap.data.windows import Windows

Per = Literal["auto", "channel", "feature"]

_CHUNK = 1024


@dataclass(frozen=True, eq=False)
class Scaler:
    """z = (x − mean) / std.

    Parameters
    ----------
    mean, std : float64 arrays that broadcast to one window, in the unit of the training windows
    per : "channel" (over rows and times) or "feature" (over rows)
    seen : the windows that it was fitted on; windows that it is applied to carry them on
    """

    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    per: str
    seen: Seen = field(default=NOTHING, repr=False)

    def apply(self, windows: Windows) -> Windows:
        """Standardised windows, unit "z"; those of a file that is larger than memory, when they are read.

        Raises
        ------
        ValueError : the windows have another shape than the ones the scaler was fitted on.
        """
        fits = len(windows.shape) == self.mean.ndim and all(
            m in (1, size) for m, size in zip(self.mean.shape, windows.shape, strict=True)
        )
        if not fits:
            raise ValueError(
                f"the scaler was fitted on windows with statistics of shape {self.mean.shape}, "
                f"but these windows have shape {windows.shape}; fit it on windows made by the same steps"
            )
        n = len(self.seen.windows)
        step = (
            f"standardised per {self.per}, fitted on {counted(n, 'window') if n else 'windows that are not recorded'}"
        )
        made = windows.with_X(_standardise(windows.X, self.mean[None], self.std[None]), step=step, unit="z")
        return replace(made, seen=united([windows.seen, self.seen]))


def fit_scaler(train: Windows, *, per: Per = "auto", ledger: Ledger | None = None) -> Scaler:
    """Mean and population standard deviation of the training windows.

    Parameters
    ----------
    train : training windows, and no others
    per : "channel": over rows and times, for raw EEG (n, n_channels, n_times); "feature": over rows, for
        vectors and grids; "auto": "channel" for raw EEG, else "feature"
    ledger : records stage "scale"

    Raises
    ------
    ValueError : no rows; a channel is constant over the whole training set (names it).

    Notes
    -----
    A constant feature keeps std 1, so a grid cell without an electrode stays 0.
    """
    if not len(train):
        raise ValueError("fit_scaler needs at least one training window")
    if per not in ("auto", "channel", "feature"):
        raise ValueError(unknown("per", per, ["auto", "channel", "feature"]))
    kind = _kind(train) if per == "auto" else per
    mean, std = _moments(train.X, kind)
    if kind == "channel" and (std == 0).any():
        channel = int(np.flatnonzero(std.ravel() == 0)[0])
        raise ValueError(
            f"channel {train.channels[channel]} is constant in all {len(train)} training windows; leave it out"
        )
    if ledger is not None:
        ledger.record("scale", train)
    return Scaler(mean, np.where(std == 0, 1.0, std), kind, NOTHING.plus("scale", train))


@dataclass(frozen=True, kw_only=True, eq=False)
class SubjectZScore(WindowStep):
    """Standardise with each subject's own statistics, z = (x − mean_subject) / std_subject.

    Uses all inputs of a subject, also of a test subject, but never a label: **transductive**. A deployed
    headset would need unlabelled data of its wearer first; `steps` says so.

    Parameters
    ----------
    per : as of `fit_scaler`
    """

    name = "subject_z_score"
    level = "subject"
    effect = Effect(unit="z", scale=True)
    per_window = False

    per: Per = "auto"

    def apply(self, given: Windows, /) -> Windows:
        kind = _kind(given) if self.per == "auto" else self.per
        names, group = np.unique(given.metadata.subject.to_numpy(), return_inverse=True)
        found = [_moments(given.take(group == number).X, kind) for number in range(len(names))]
        mean = np.stack([mean for mean, _ in found]) if found else np.zeros(0)
        std = np.stack([np.where(std == 0, 1.0, std) for _, std in found]) if found else np.ones(0)
        X = _standardise(given.X, mean, std, group.astype(np.int64))
        return given.with_X(X, step=f"z-scored per {kind} within each subject (transductive)", unit="z")


subject_z_score = on_windows(SubjectZScore)


def _kind(windows: Windows) -> Literal["channel", "feature"]:
    return "channel" if windows.raw else "feature"


def _moments(X: NDArray[np.float32], kind: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and std over rows (and the last axis for "channel"), float64, without a float64 copy of X."""
    axes = (0, X.ndim - 1) if kind == "channel" else (0,)
    low, high = _extremes(X, axes)
    # subtracting a value that occurs in the data first makes the spread of a constant feature exactly 0
    shift = low.astype(np.float64)
    count = X.size / shift.size
    mean = shift + sum((x - shift).sum(axis=axes, keepdims=True) for x in pieces(X, rows=_CHUNK)) / count
    square = sum(((x - mean) ** 2).sum(axis=axes, keepdims=True) for x in pieces(X, rows=_CHUNK)) / count
    if not np.isfinite(square).all():
        raise ValueError("the windows hold NaN or infinite values; repair or drop them before scaling")
    return mean[0], np.where(low == high, 0.0, np.sqrt(square))[0]


def _extremes(X: NDArray[np.float32], axes: tuple[int, ...]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    found = [(x.min(axis=axes, keepdims=True), x.max(axis=axes, keepdims=True)) for x in pieces(X, rows=_CHUNK)]
    low, high = (np.concatenate(values) for values in zip(*found, strict=True))
    return low.min(axis=0, keepdims=True), high.max(axis=0, keepdims=True)


def _standardise(
    X: NDArray[np.float32],
    mean: NDArray[np.float64],
    std: NDArray[np.float64],
    group: NDArray[np.int64] | None = None,
) -> NDArray[np.float32]:
    """(X − mean[group]) / std[group]; group is 0 for all rows unless given, shape (n,)."""
    if as_lazy(X) is not None:
        return lazy_array(partial(_standardised, X, mean, std, group), X.shape)
    out = np.empty_like(X)
    for i in range(0, len(X), _CHUNK):
        chosen = 0 if group is None else group[i : i + _CHUNK]
        out[i : i + _CHUNK] = (X[i : i + _CHUNK] - mean[chosen]) / std[chosen]
    return out


def _standardised(
    X: NDArray[np.float32],
    mean: NDArray[np.float64],
    std: NDArray[np.float64],
    group: NDArray[np.int64] | None,
    index: NDArray[np.int64],
) -> NDArray[np.float32]:
    return _standardise(X[index], mean, std, None if group is None else group[index])
