"""Steps on windows, each window for itself: log-variance, frames, own z-score, difference from a baseline."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from trimcap.data.features import to_grid, variances
from trimcap.data.lazy import pieces
from trimcap.data.montage import Grid
from trimcap.data.montage import grid as lay_out
from trimcap.data.windows import Windows

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


def subtract_baseline(windows: Windows, *, baseline: Windows) -> Windows:
    """X − B for every window, where B is the averaged baseline of its trial, through the same steps so far.

    After raw windows this is the removal in the time domain, after DE it is DE(X) − DE(B), the entropy of the
    *averaged waveform*, as in torcheeg's baseline removal.

    Parameters
    ----------
    windows : of one trial
    baseline : one window of the same shape
    """
    if baseline.X.shape != (1, *windows.shape):
        raise ValueError(
            f"subtract_baseline: the baseline has shape {baseline.X.shape[1:]}, the windows {windows.shape}"
        )
    return windows.with_X(windows.X - baseline.X, step="averaged baseline subtracted")


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
