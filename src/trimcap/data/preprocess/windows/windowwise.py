"""Steps on windows, each window for itself: maps and films of the scalp, own z-score, difference from a baseline."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import numpy as np

from trimcap._errors import unknown
from trimcap.data.electrodes.montage import Grid
from trimcap.data.electrodes.montage import grid as lay_out
from trimcap.data.preprocess.effects import Effect
from trimcap.data.preprocess.step import WindowStep, on_windows
from trimcap.data.preprocess.windows.features import need_raw, to_grid
from trimcap.data.rows.lazy import pieces
from trimcap.data.windows import Windows

#: what of a baseline is averaged: its samples before the features, or the features
Average = Literal["waveform", "feature"]

#: values that are standardised together; they fit a core's second-level cache
_VALUES = 40_000


@dataclass(frozen=True, kw_only=True, eq=False)
class ToGrid(WindowStep):
    """Features on a map of the electrodes, see `to_grid` and `montage.grid`: (n, n_bands, rows, columns)."""

    name = "grid"
    effect = Effect()

    rows: int = 9
    columns: int = 9

    def apply(self, given: Windows, /) -> Windows:
        return to_grid(given, _laid_out(given.channels, self.rows, self.columns))


@dataclass(frozen=True, kw_only=True, eq=False)
class Frames(WindowStep):
    """A film of the scalp: raw windows (n, n_channels, n_times) → (n, frames, rows, columns).

    Parameters
    ----------
    rows, columns : of the electrode grid; cells without an electrode are 0
    every : samples that are averaged to one frame; a rest at the end is left out

    Notes
    -----
    The input of three-dimensional networks: Cho & Hwang (2020), "Spatio-temporal representation of an
    electroencephalogram for emotion recognition using a three-dimensional convolutional neural network".
    Frames of bands instead of times are `grid` after a band feature.
    """

    name = "frames"
    effect = Effect()

    rows: int = 9
    columns: int = 9
    every: int = 1

    def apply(self, given: Windows, /) -> Windows:
        need_raw(given, self.name)
        n, n_channels, n_times = given.X.shape
        every = self.every
        if int(every) != every or not 1 <= every <= n_times:
            raise ValueError(f"frames: every is {every}; it must be a whole number from 1 to {n_times} samples")
        whole = given.X[..., : n_times // every * every].reshape(n, n_channels, -1, every)
        averaged = whole[..., 0] if every == 1 else whole.mean(axis=3, dtype=np.float64).astype(np.float32)
        each = "" if every == 1 else f", {every} samples each"
        X = _laid_out(given.channels, self.rows, self.columns).scatter(averaged.transpose(0, 2, 1))
        return given.with_X(X, step=f"{X.shape[1]} frames{each} on an electrode grid {self.rows}×{self.columns}")


@lru_cache(maxsize=16)
def _laid_out(channels: tuple[str, ...], rows: int, columns: int) -> Grid:
    """The grid of one set of electrodes, which the next recording has too."""
    return lay_out(channels, rows=rows, columns=columns)


@dataclass(frozen=True, kw_only=True, eq=False)
class WindowZScore(WindowStep):
    """Standardise with each window's own mean and population deviation, z = (x − mean) / std.

    Parameters
    ----------
    per : "window": one mean and deviation for the whole window; "channel": one per row of a window (n, n_channels, …)

    Raises
    ------
    ValueError : a window or channel is constant.
    """

    name = "window_z_score"
    effect = Effect(unit="z", scale=True)

    per: str = "window"

    def check(self) -> None:
        if self.per not in ("window", "channel"):
            raise ValueError(f"window_z_score: per={self.per!r} must be 'window' or 'channel'")

    @property
    def words(self) -> str:
        return f"z-scored per {self.per} within each window"

    def apply(self, given: Windows, /) -> Windows:
        axes = tuple(range(1 if self.per == "window" else 2, given.X.ndim))
        X, done = np.empty(given.X.shape, dtype=np.float32), 0
        for part in pieces(given.X, rows=max(1, _VALUES // max(1, math.prod(given.shape)))):
            z = part.astype(np.float64)
            with np.errstate(invalid="ignore"):  # infinity becomes NaN, which is refused
                z -= z.mean(axis=axes, keepdims=True)
            std = np.sqrt(np.square(z).mean(axis=axes, keepdims=True))
            alive = (std > 0).reshape(len(z), -1).all(axis=1)
            if not alive.all():
                row = given.ids[done + int(np.flatnonzero(~alive)[0])]
                raise ValueError(f"window {row}: constant or not finite, so it has no z-score; drop it first")
            z /= std
            X[done : done + len(z)] = z
            done += len(z)
        return given.with_X(X, step=self.words, unit="z")


@dataclass(frozen=True, kw_only=True, eq=False)
class SubtractBaseline(WindowStep):
    """X − B for every window of a trial, with B of the baseline before it: f(mean_k B_k), or mean_k f(B_k).

    f are the steps so far, B_k the windows of the baseline, k = 1 … K. Without features the two are the same.

    Parameters
    ----------
    average : "waveform": the baseline's windows were averaged sample by sample to one, which went through the same
        steps. Noise of K windows averages out, so that this is the entropy of what they have in common.
        "feature": each of them went through the same steps, and the results are averaged

    Raises
    ------
    ValueError : the baseline has another shape, or none.

    Notes
    -----
    "waveform": Yang, Wu, Qiu, Wang & Chen (2018), "Emotion recognition from multi-channel EEG through parallel
    convolutional recurrent neural network", for raw windows; torcheeg's baseline removal, also after DE.
    "feature": Yang, Wu, Fu & Chen (2018), "Continuous convolutional neural network with 3D input for EEG-based emotion
    recognition", DE_final = DE(X) − Σ_k DE(B_k) / K.
    """

    name = "subtract_baseline"
    effect = Effect()

    average: Average = "waveform"

    def check(self) -> None:
        if self.average not in get_args(Average):
            raise ValueError(unknown("average", self.average, get_args(Average)))

    @property
    def words(self) -> str:
        how = "averaged baseline" if self.average == "waveform" else "mean over the baseline's windows"
        return f"{how} subtracted"

    def apply(self, given: Windows, /, baseline: Windows | None = None) -> Windows:
        """The windows of one trial, f(X), less those of its baseline: one, f(mean_k B_k), or K of them, f(B_k)."""
        n = 0 if baseline is None else len(baseline)
        if baseline is None or not (n == 1 or (n and self.average == "feature")) or baseline.shape != given.shape:
            raise ValueError(
                f"subtract_baseline: the baseline has shape {baseline and baseline.X.shape}, the windows {given.shape}"
            )
        mean = baseline.X.mean(axis=0, dtype=np.float64).astype(np.float32)
        return given.with_X(given.X - mean, step=self.words)


frames = on_windows(Frames)
window_z_score = on_windows(WindowZScore)


def subtract_baseline(windows: Windows, *, baseline: Windows, average: Average = "waveform") -> Windows:
    """The step `SubtractBaseline` with the windows of the baseline."""
    return SubtractBaseline(average=average).apply(windows, baseline)
