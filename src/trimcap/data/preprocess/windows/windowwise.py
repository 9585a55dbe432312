"""Steps on windows, each window for itself: log-variance, frames, own z-score, difference from a baseline."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, get_args

import numpy as np

from trimcap._errors import unknown
from trimcap.data.electrodes.montage import Grid
from trimcap.data.electrodes.montage import grid as lay_out
from trimcap.data.preprocess.windows.features import to_grid, variances
from trimcap.data.rows.lazy import pieces
from trimcap.data.windows import Windows

#: what of a baseline is averaged: its samples before the features, or the features
Average = Literal["waveform", "feature"]

#: values that are standardised together; they fit a core's second-level cache
_VALUES = 40_000


def log_variance(
    windows: Windows, *, bands: Mapping[str, tuple[float, float]] | None = None, order: int = 5
) -> Windows:
    """Log-variance: ln σ² of every channel, or of every band-passed channel, in ln µV².

    Parameters
    ----------
    windows : raw EEG, X of shape (n, n_channels, n_times), µV
    bands : name → (low, high), Hz, filtered as in `differential_entropy`, of which this is 2·DE − ln(2πe);
        None: the window as it is
    order : of the band-pass

    Returns
    -------
    Windows with X of shape (n, n_channels, n_bands), or (n, n_channels, 1) without bands, float32.

    Raises
    ------
    ValueError : X is not raw; a band edge is not between 0 and the Nyquist frequency; a channel without
        variance.
    """
    need_raw(windows, "log_variance")
    _check_bands(bands, windows.rate)
    if bands is None:
        variance = windows.X.var(axis=2, dtype=np.float64)[..., None]
        text = "log-variance"
    else:
        variance = variances(windows, bands=bands, order=order)
        text = f"log-variance ({', '.join(f'{b} {low:g}–{high:g} Hz' for b, (low, high) in bands.items())})"
    dead = ~(np.isfinite(variance) & (variance > 0)).all(axis=2)
    if dead.any():
        row, channel = np.argwhere(dead)[0]
        raise ValueError(
            f"window {windows.ids[row]}: channel {windows.channels[channel]} is constant or not finite, so the "
            "logarithm of its variance is undefined; leave the channel out, or on_bad='drop' in the windows step"
        )
    return windows.with_X(np.log(variance).astype(np.float32), step=text, unit="ln µV²")


def grid(windows: Windows, *, rows: int = 9, columns: int = 9) -> Windows:
    """Features on a map of the electrodes, see `to_grid` and `montage.grid`: (n, n_bands, rows, columns)."""
    return to_grid(windows, _laid_out(windows.channels, rows, columns))


def frames(windows: Windows, *, rows: int = 9, columns: int = 9, every: int = 1) -> Windows:
    """A film of the scalp: raw windows (n, n_channels, n_times) → (n, frames, rows, columns).

    Parameters
    ----------
    windows : raw EEG
    rows, columns : of the electrode grid; cells without an electrode are 0
    every : samples that are averaged to one frame; a rest at the end is left out

    Notes
    -----
    The input of three-dimensional networks: Cho & Hwang (2020), "Spatio-temporal representation of an
    electroencephalogram for emotion recognition using a three-dimensional convolutional neural network".
    Frames of bands instead of times are `grid` after a band feature.
    """
    need_raw(windows, "frames")
    n, n_channels, n_times = windows.X.shape
    if int(every) != every or not 1 <= every <= n_times:
        raise ValueError(f"frames: every is {every}; it must be a whole number from 1 to {n_times} samples")
    whole = windows.X[..., : n_times // every * every].reshape(n, n_channels, -1, every)
    averaged = whole[..., 0] if every == 1 else whole.mean(axis=3, dtype=np.float64).astype(np.float32)
    each = "" if every == 1 else f", {every} samples each"
    X = _laid_out(windows.channels, rows, columns).scatter(averaged.transpose(0, 2, 1))
    return windows.with_X(X, step=f"{X.shape[1]} frames{each} on an electrode grid {rows}×{columns}")


@lru_cache(maxsize=16)
def _laid_out(channels: tuple[str, ...], rows: int, columns: int) -> Grid:
    """The grid of one set of electrodes, which the next recording has too."""
    return lay_out(channels, rows=rows, columns=columns)


def window_z_score(windows: Windows, *, per: str = "window") -> Windows:
    """Standardise with each window's own mean and population deviation, z = (x − mean) / std.

    Parameters
    ----------
    windows : any layout
    per : "window": one mean and deviation for the whole window; "channel": one per row of a window (n, n_channels, …)

    Raises
    ------
    ValueError : a window or channel is constant.
    """
    window_z_score_words(per=per)
    axes = tuple(range(1 if per == "window" else 2, windows.X.ndim))
    X, done = np.empty(windows.X.shape, dtype=np.float32), 0
    for part in pieces(windows.X, rows=max(1, _VALUES // max(1, math.prod(windows.shape)))):
        z = part.astype(np.float64)
        with np.errstate(invalid="ignore"):  # infinity becomes NaN, which is refused
            z -= z.mean(axis=axes, keepdims=True)
        std = np.sqrt(np.square(z).mean(axis=axes, keepdims=True))
        alive = (std > 0).reshape(len(z), -1).all(axis=1)
        if not alive.all():
            row = done + int(np.flatnonzero(~alive)[0])
            raise ValueError(f"window {windows.ids[row]}: constant or not finite, so it has no z-score; drop it first")
        z /= std
        X[done : done + len(z)] = z
        done += len(z)
    return windows.with_X(X, step=window_z_score_words(per=per), unit="z")


def window_z_score_words(*, per: str = "window") -> str:
    """What `window_z_score` does, in words."""
    if per not in ("window", "channel"):
        raise ValueError(f"window_z_score: per={per!r} must be 'window' or 'channel'")
    return f"z-scored per {per} within each window"


def subtract_baseline(windows: Windows, *, baseline: Windows, average: Average = "waveform") -> Windows:
    """X − B for every window of a trial, with B of the baseline before it: f(mean_k B_k), or mean_k f(B_k).

    f are the steps so far, B_k the windows of the baseline, k = 1 … K. Without features the two are the same.

    Parameters
    ----------
    windows : of one trial, f(X)
    baseline : "waveform": one window of the same shape, f(mean_k B_k); "feature": K of them, f(B_k)
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
    text = subtract_baseline_words(average=average)
    enough = len(baseline) == 1 or (average == "feature" and len(baseline) > 1)
    if not enough or baseline.shape != windows.shape:
        raise ValueError(f"subtract_baseline: the baseline has shape {baseline.X.shape}, the windows {windows.shape}")
    mean = baseline.X.mean(axis=0, dtype=np.float64).astype(np.float32)
    return windows.with_X(windows.X - mean, step=text)


def subtract_baseline_words(*, average: Average = "waveform") -> str:
    """What `subtract_baseline` does, in words."""
    if average not in get_args(Average):
        raise ValueError(unknown("average", average, get_args(Average)))
    return "averaged baseline subtracted" if average == "waveform" else "mean over the baseline's windows subtracted"


def need_raw(windows: Windows, step: str) -> None:
    """Refuse features where raw EEG is needed."""
    expected = (len(windows.channels), round(windows.duration * windows.rate))
    if windows.shape != expected:
        raise ValueError(
            f"{step} needs raw windows (n, {expected[0]} channels, {expected[1]} samples), got X of shape "
            f"{windows.X.shape} after the steps {list(windows.steps)}"
        )


def _check_bands(bands: Mapping[str, tuple[float, float]] | None, rate: float) -> None:
    if bands is not None and not bands:
        raise ValueError("no frequency band given; e.g. bands={'alpha': (8, 14)}, or None for the whole window")
    for name, (low, high) in (bands or {}).items():
        if not 0 < low < high < rate / 2:
            raise ValueError(
                f"band {name} ({low:g}–{high:g} Hz) must lie between 0 and {rate / 2:g} Hz, half the sampling "
                f"rate of {rate:g} Hz; leave the band out or keep a higher rate"
            )
