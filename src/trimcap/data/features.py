"""Features of windows: band differential entropy, band power, electrode grids."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trimcap.data.bandpass import band_variances
from trimcap.data.windows import Windows

if TYPE_CHECKING:
    from trimcap.data.montage import Grid

Bands = Mapping[str, tuple[float, float]]

#: bands of the emotion-recognition literature, Hz
BANDS: Bands = MappingProxyType({"theta": (4, 8), "alpha": (8, 14), "beta": (14, 31), "gamma": (31, 49)})
#: one more, slow band, Hz; combine as {**DELTA, **BANDS}
DELTA: Bands = MappingProxyType({"delta": (1, 4)})
#: bands of the linear baseline, Hz; gamma ends below the 50-Hz notch
POWER_BANDS: Bands = MappingProxyType({**DELTA, **BANDS, "gamma": (31, 45)})

#: windows whose spectra are computed together
_WINDOWS = 64


def differential_entropy(windows: Windows, *, bands: Bands = BANDS, order: int = 5) -> Windows:
    """DE = ½·ln(2πe·σ²) of every band-passed channel, in nat.

    σ² (in µV²) is the population variance of the window after a causal Butterworth band-pass (`order` as in
    `scipy.signal.butter`: 2·order poles) that starts from zero state in every window and is designed for the
    windows' own sampling rate.

    Parameters
    ----------
    windows : raw EEG, X of shape (n, n_channels, n_times), µV
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
    The arithmetic is described in `trimcap.data.bandpass`.
    """
    _check_raw(windows, bands)
    _check_alive(windows)
    n, n_channels, n_times = windows.X.shape
    edges = [(float(low), float(high)) for low, high in bands.values()]
    rows = windows.X.reshape(n * n_channels, n_times)
    variance = band_variances(rows, rate=windows.rate, edges=edges, order=order)
    _check_power(windows, variance.reshape(n, n_channels, len(bands)))
    entropy = 0.5 * np.log(2 * np.pi * np.e * variance).reshape(n, n_channels, len(bands))
    step = f"differential entropy ({_text(bands)}; causal Butterworth, order {order}, {windows.rate:g} Hz)"
    return windows.with_X(entropy.astype(np.float32), step=step, unit="nat")


def band_power(windows: Windows, *, bands: Bands = POWER_BANDS, segment: float = 2.0) -> Windows:
    """P = ln Σ_f S(f)·Δf over low ≤ f < high, with Welch's density S in µV²/Hz.

    Parameters
    ----------
    windows : raw EEG, X of shape (n, n_channels, n_times), µV
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
    """
    from scipy.signal import welch

    _check_raw(windows, bands)
    _check_alive(windows)
    n, n_channels, n_times = windows.X.shape
    length = min(n_times, max(1, round(segment * windows.rate)))
    inside = _frequencies(length, windows.rate, bands)
    power = np.empty((n, n_channels, len(bands)))
    for first in range(0, n, _WINDOWS):
        rows = slice(first, first + _WINDOWS)
        _, density = welch(windows.X[rows].astype(np.float64), fs=windows.rate, nperseg=length, axis=-1)
        for b, chosen in enumerate(inside):
            power[rows, :, b] = density[..., chosen].sum(axis=-1) * windows.rate / length
    _check_power(windows, power)
    step = f"log band power ({_text(bands)}; Welch, {length / windows.rate:g}-s segments)"
    return windows.with_X(np.log(power).astype(np.float32), step=step, unit="ln µV²")


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


def _check_raw(windows: Windows, bands: Bands) -> None:
    expected = (len(windows.channels), round(windows.duration * windows.rate))
    if windows.shape != expected:
        raise ValueError(
            f"features need raw windows (n, {expected[0]} channels, {expected[1]} samples), got X of shape "
            f"{windows.X.shape} after the steps {list(windows.steps)}"
        )
    if not bands:
        raise ValueError("no frequency band given; e.g. bands={'alpha': (8, 14)}")
    nyquist = windows.rate / 2
    for name, (low, high) in bands.items():
        if not 0 < low < high < nyquist:
            raise ValueError(
                f"band {name} ({low:g}–{high:g} Hz) must lie between 0 and {nyquist:g} Hz, half the sampling "
                f"rate of {windows.rate:g} Hz; leave the band out or keep a higher rate"
            )


def _check_alive(windows: Windows) -> None:
    """Refuse dead channels before filtering: the filter's onset would give a constant some entropy."""
    low, high = windows.X.min(axis=2), windows.X.max(axis=2)
    _refuse(windows, (low == high) | ~np.isfinite(low) | ~np.isfinite(high))


def _check_power(windows: Windows, power: NDArray[np.float64]) -> None:
    alive: NDArray[np.bool_] = np.logical_and(np.isfinite(power), power > 0)
    _refuse(windows, np.logical_not(alive.all(axis=2)))


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
