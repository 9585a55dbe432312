"""Features of windows: differential entropy, power and log-variance of bands, and maps of the electrodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from trimcap.data.electrodes.montage import Grid
from trimcap.data.preprocess.effects import Effect
from trimcap.data.preprocess.step import WindowStep, on_windows
from trimcap.data.preprocess.windows.bandpass import band_variances
from trimcap.data.rows.lazy import pieces
from trimcap.data.windows import Windows

Bands = Mapping[str, tuple[float, float]]

#: bands of the emotion-recognition literature, Hz
BANDS: Bands = MappingProxyType({"theta": (4, 8), "alpha": (8, 14), "beta": (14, 31), "gamma": (31, 49)})
#: one more, slow band, Hz; combine as {**DELTA, **BANDS}
DELTA: Bands = MappingProxyType({"delta": (1, 4)})
#: bands of the linear baseline, Hz; gamma ends below the 50-Hz notch
POWER_BANDS: Bands = MappingProxyType({**DELTA, **BANDS, "gamma": (31, 45)})

#: samples whose spectra are computed together; they fit a core's second-level cache
_CELLS = 40_000


@dataclass(frozen=True, kw_only=True, eq=False)
class DifferentialEntropy(WindowStep):
    """DE = ½·ln(2πe·σ²) of every band-passed channel, in nat.

    σ² (in µV²) is the population variance of the window after a causal Butterworth band-pass (`order` as in
    `scipy.signal.butter`: 2·order poles) that starts from zero state in every window and is designed for the
    windows' own sampling rate. Of raw EEG, X of shape (n, n_channels, n_times), µV.

    Parameters
    ----------
    bands : name → (low, high), Hz
    order : order of the low-pass prototype

    Returns
    -------
    Windows with X of shape (n, n_channels, n_bands), float32, nat.

    Raises
    ------
    ValueError : X is not raw; a band edge is not between 0 and the Nyquist frequency; a channel is constant
        or not finite within a window, so that its entropy would be −∞ or NaN (names window and channel).

    Notes
    -----
    Source: Duan, Zhu & Lu (2013), "Differential entropy feature for EEG-based emotion classification".
    torcheeg's `BandDifferentialEntropy` takes log₂ instead of ln: its values are these divided by ln 2, in bits. It
    filters with one polynomial per band, whose rounding shows in low bands at high rates: 4e-3 nat for 1–4 Hz at
    200 Hz.
    The arithmetic is described in `trimcap.data.preprocess.windows.band_energy`.
    """

    name = "differential_entropy"
    effect = Effect(unit="nat", scale=True)

    bands: Bands = field(default_factory=lambda: BANDS)
    order: int = 5

    def apply(self, given: Windows, /) -> Windows:
        need_raw(given, self.name)
        entropy = 0.5 * np.log(2 * np.pi * np.e * variances(given, bands=self.bands, order=self.order))
        how = f"causal Butterworth, order {self.order}, {given.rate:g} Hz"
        step = f"differential entropy ({_text(self.bands)}; {how})"
        return given.with_X(entropy.astype(np.float32), step=step, unit="nat")


@dataclass(frozen=True, kw_only=True, eq=False)
class BandPower(WindowStep):
    """P = ln Σ_f S(f)·Δf over low ≤ f < high, with Welch's density S in µV²/Hz, of raw EEG.

    Parameters
    ----------
    bands : name → (low, high), Hz
    segment : length of a Welch segment, s (Hann window, half overlap, mean removed), at most the window's

    Returns
    -------
    Windows with X of shape (n, n_channels, n_bands), float32, ln µV².

    Raises
    ------
    ValueError : X is not raw; a band is empty at this resolution or beyond the Nyquist frequency; a channel
        is constant or not finite within a window.

    Notes
    -----
    Source: Welch (1967), "The use of fast Fourier transform for the estimation of power spectra".
    torcheeg's `BandPowerSpectralDensity` is another quantity: the mean, not the integral, of |X(f)|² under a symmetric
    Hann window, over the bins from one below low to one below high, with the offset left in, without unit or logarithm.
    """

    name = "band_power"
    effect = Effect(unit="ln µV²", scale=True)

    bands: Bands = field(default_factory=lambda: POWER_BANDS)
    segment: float = 2.0

    def apply(self, given: Windows, /) -> Windows:
        need_raw(given, self.name)
        _check_bands(self.bands, given.rate)
        length = min(given.X.shape[2], max(1, round(self.segment * given.rate)))
        weights = _welch_weights(length, given.rate, self.bands)
        power = _powers(given, partial(_welch_sums, length=length, weights=weights), len(self.bands))
        step = f"log band power ({_text(self.bands)}; Welch, {length / given.rate:g}-s segments)"
        return given.with_X(np.log(power).astype(np.float32), step=step, unit="ln µV²")


@dataclass(frozen=True, kw_only=True, eq=False)
class LogVariance(WindowStep):
    """Log-variance: ln σ² of every channel, or of every band-passed channel, in ln µV².

    Parameters
    ----------
    bands : name → (low, high), Hz, filtered as in `differential_entropy`, of which this is 2·DE − ln(2πe);
        None: the window as it is
    order : of the band-pass

    Returns
    -------
    Windows with X of shape (n, n_channels, n_bands), or (n, n_channels, 1) without bands, float32.

    Raises
    ------
    ValueError : as `differential_entropy`.
    """

    name = "log_variance"
    effect = Effect(unit="ln µV²", scale=True)

    bands: Bands | None = None
    order: int = 5

    def apply(self, given: Windows, /) -> Windows:
        need_raw(given, self.name)
        if self.bands is None:
            variance = given.X.var(axis=2, dtype=np.float64)[..., None]
            _refuse(given, ~(np.isfinite(variance) & (variance > 0)).all(axis=2))
        else:
            variance = variances(given, bands=self.bands, order=self.order)
        step = "log-variance" if self.bands is None else f"log-variance ({_text(self.bands)})"
        return given.with_X(np.log(variance).astype(np.float32), step=step, unit="ln µV²")


differential_entropy = on_windows(DifferentialEntropy)
band_power = on_windows(BandPower)
log_variance = on_windows(LogVariance)


def variances(windows: Windows, *, bands: Bands, order: int) -> NDArray[np.float64]:
    """σ² of every band-passed channel as in `differential_entropy`, shape (n, n_channels, n_bands), µV²."""
    _check_bands(bands, windows.rate)
    edges = [(float(low), float(high)) for low, high in bands.values()]
    return _powers(windows, partial(band_variances, rate=windows.rate, edges=edges, order=order), len(edges))


def to_grid(windows: Windows, grid: Grid) -> Windows:
    """Scatter features onto a map of electrodes: (n, n_channels, n_bands) → (n, n_bands, rows, columns).

    Parameters
    ----------
    windows : features per channel
    grid : cells of the windows' channels, in the same order; cells without an electrode become 0

    Raises
    ------
    ValueError : X has not three dimensions, or the grid was made for other channels.
    """
    if windows.X.ndim != 3:
        raise ValueError(f"to_grid needs features (n, n_channels, n_bands), got X of shape {windows.X.shape}")
    if tuple(grid.channels) != tuple(windows.channels):
        raise ValueError(
            f"the grid was made for the channels {', '.join(grid.channels)}, but the windows have "
            f"{', '.join(windows.channels)}; make it with grid(windows.channels)"
        )
    X = grid.scatter(windows.X.transpose(0, 2, 1))
    return windows.with_X(X, step=f"electrode grid {X.shape[-2]}×{X.shape[-1]}")


def _powers(
    windows: Windows, of_rows: Callable[[NDArray[np.float32]], NDArray[np.float64]], n_bands: int
) -> NDArray[np.float64]:
    """What `of_rows`, (n_rows, n_times) → (n_rows, n_bands), gives for all channels; dead ones are refused."""
    n, n_channels, n_times = windows.X.shape
    power, constant = np.empty((n, n_channels, n_bands)), np.empty((n, n_channels), dtype=bool)
    done = 0
    for X in pieces(windows.X):
        rows = slice(done, done + len(X))
        constant[rows] = _constant(X)
        power[rows] = of_rows(X.reshape(-1, n_times)).reshape(len(X), n_channels, n_bands)
        done += len(X)
    # a filter's onset, and rounding, give a constant some power
    _refuse(windows, constant | ~(np.isfinite(power) & (power > 0)).all(axis=2))
    return power


def _welch_sums(x: NDArray[np.float32], length: int, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weighted sums of the squared spectrum [Re, Im] of every Hann segment, averaged: (n_rows, n_times) → bands."""
    step, hann = length - length // 2, _hann(length)
    sums = np.empty((len(x), weights.shape[1]))
    n_rows = max(1, _CELLS // x.shape[1])
    for first in range(0, len(x), n_rows):
        rows = x[first : first + n_rows].astype(np.float64)
        segments = sliding_window_view(rows, length, axis=1)[:, ::step]
        with np.errstate(invalid="ignore"):  # infinity becomes NaN
            spectrum = np.fft.rfft((segments - segments.mean(axis=2, keepdims=True)) * hann, axis=2).view(np.float64)
        np.multiply(spectrum, spectrum, out=spectrum)
        sums[first : first + n_rows] = spectrum.mean(axis=1) @ weights
    return sums


def _welch_weights(length: int, rate: float, bands: Bands) -> NDArray[np.float64]:
    """What the squares [Re X₀, Im X₀, Re X₁, …] of a segment's spectrum contribute to Σ_f S(f)·Δf of every band."""
    sides = np.full(length // 2 + 1, 2.0)
    sides[[0, -1] if length % 2 == 0 else 0] = 1.0
    # S = sides·|X|² / (rate·Σ hann²) and Δf = rate / length
    share = sides / (length * (_hann(length) ** 2).sum())
    inside = np.column_stack(_frequencies(length, rate, bands))
    return np.repeat(share[:, None] * inside, 2, axis=0)


def _hann(length: int) -> NDArray[np.float64]:
    """The periodic window, one for a single sample."""
    return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)) if length > 1 else np.ones(1)


def _frequencies(length: int, rate: float, bands: Bands) -> list[NDArray[np.bool_]]:
    """Which frequencies of a segment of `length` samples lie in each band."""
    f = np.fft.rfftfreq(length, 1 / rate)
    inside = [(f >= low) & (f < high) for low, high in bands.values()]
    for (name, (low, high)), chosen in zip(bands.items(), inside, strict=True):
        if not chosen.any():
            raise ValueError(
                f"band {name} ({low:g}–{high:g} Hz) holds no frequency of a {length / rate:g}-s segment, whose "
                f"resolution is {rate / length:g} Hz; use longer segments or windows"
            )
    return inside


def need_raw(windows: Windows, step: str) -> None:
    """Refuse features where raw EEG is needed."""
    if not windows.raw:
        n_times = round(windows.duration * windows.rate)
        raise ValueError(
            f"{step} needs raw windows (n, {len(windows.channels)} channels, {n_times} samples), got X of shape "
            f"{windows.X.shape} after the steps {list(windows.steps)}"
        )


def _check_bands(bands: Bands, rate: float) -> None:
    if not bands:
        raise ValueError("no frequency band given; e.g. bands={'alpha': (8, 14)}")
    for name, (low, high) in bands.items():
        if not 0 < low < high < rate / 2:
            raise ValueError(
                f"band {name} ({low:g}–{high:g} Hz) must lie between 0 and {rate / 2:g} Hz, half the sampling "
                f"rate of {rate:g} Hz; leave the band out or keep a higher rate"
            )


def _constant(X: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which channels of which windows are constant, shape (n, n_channels)."""
    dead: NDArray[np.bool_] = X[:, :, 0] == X[:, :, X.shape[2] // 2]  # two reads instead of all: seldom true if alive
    rows = np.nonzero(dead)
    dead[rows] = (X[rows] == X[rows][:, :1]).all(axis=1)
    return dead


def _refuse(windows: Windows, dead: NDArray[np.bool_]) -> None:
    """Raise if any entry of `dead`, shape (n, n_channels), is set."""
    if dead.any():
        row, channel = np.argwhere(dead)[0]
        raise ValueError(
            f"window {windows.ids[row]}: channel {windows.channels[channel]} is constant or not finite, so the "
            f"logarithm of its power is undefined ({int(dead.any(axis=1).sum())} of {len(dead)} windows are "
            "affected); repair the recording, leave the channel out, or cut(…, on_bad='drop')"
        )


def _text(bands: Bands) -> str:
    return ", ".join(f"{name} {low:g}–{high:g} Hz" for name, (low, high) in bands.items())
