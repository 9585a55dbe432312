"""Energies of band-passed rows, from one Fourier transform and the filters' final states."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: numbers in the buffer of the rows that are worked on together; it fits a core's second-level cache
_CELLS = 80_000
#: relative size of what may be left out of a response
_NOTHING = 1e-18
#: how often the length of a response is doubled, from some dozens of samples, before it counts as endless
_DOUBLINGS = 24
#: states that grow so much do not decay later
_ENDLESS = 1e100


@dataclass(frozen=True, eq=False)
class EnergyPlan:
    """Matrices of `band_energies` for one window length and one set of bands.

    Parameters
    ----------
    n_times : samples of a row
    n_fft : points of the Fourier transform, at least 2·n_times − 1
    tails : shape (reach, k); the last `reach` samples of a row times these are the amplitudes to take off
    weights : shape (n_fft + 2 + k, n_bands + 1), of the squares [Re X₀, Im X₀, Re X₁, …, amplitudes]
    """

    n_times: int
    n_fft: int
    tails: Floats
    weights: Floats


def band_energies(x: NDArray[np.float32], plan: EnergyPlan) -> tuple[Floats, Floats]:
    """Σ(y − ȳ)² of every row in every band, and Σx² of every row.

    Parameters
    ----------
    x : shape (n_rows, n_times)
    plan : of `plan_energies`, for as many samples

    Returns
    -------
    float64 arrays of shape (n_rows, n_bands) and (n_rows,). An energy is off by a part of Σx², about 1e-15 of it,
    more for filters that are narrow beside the sampling rate. Where a band holds next to nothing of a row,
    another method is needed.

    Notes
    -----
    y is the response of the filter h to a row x that is zero before and after its T samples. By Parseval

        Σ_{t<T} y_t² = 1/N·Σ_f S_f·|X_f|² − Σ_{t≥T} y_t²,

    where X is the transform of x padded to N ≥ 2T − 1 points, and S that of the autocorrelation of h at the lags
    |k| < T: no pair of samples is further apart. The transform of a row serves all bands. After the row, y depends
    only on the filter's state then, 2·order numbers per band: the last sum is a sum of as many squares of linear
    functions of x, and (Σ_{t<T} y_t)²/T, which makes the energy that about the mean, is one more.
    """
    n_bands, spectrum = plan.weights.shape[1] - 1, plan.n_fft + 2
    energies = np.empty((len(x), n_bands + 1))
    n_rows = max(1, _CELLS // len(plan.weights))
    buffer = np.empty((min(n_rows, len(x)), len(plan.weights)))
    for first in range(0, len(x), n_rows):
        rows = x[first : first + n_rows].astype(np.float64)
        cells = buffer[: len(rows)]
        cells[:, :spectrum] = np.fft.rfft(rows, plan.n_fft, axis=1).view(np.float64)
        np.matmul(rows[:, plan.n_times - len(plan.tails) :], plan.tails, out=cells[:, spectrum:])
        np.multiply(cells, cells, out=cells)
        np.matmul(cells, plan.weights, out=energies[first : first + n_rows])
    return energies[:, :n_bands], energies[:, n_bands]


@lru_cache(maxsize=16)
def plan_energies(n_times: int, rate: float, edges: tuple[tuple[float, float], ...], order: int) -> EnergyPlan | None:
    """The plan for rows of `n_times` samples at `rate` Hz and Butterworth band-passes with these edges, Hz.

    None if a filter is so narrow beside the rate that, rounded to float64, its response does not decay.
    """
    from scipy.fft import next_fast_len
    from scipy.signal import butter

    n_fft = 2 * next_fast_len(n_times)
    # a transform of real samples holds each frequency but the first and the last once instead of twice
    parseval = np.full(n_fft // 2 + 1, 2 / n_fft)
    parseval[[0, -1]] = 1 / n_fft
    spectra, tails = [], []
    for low, high in edges:
        sections = butter(order, [low, high], btype="bandpass", fs=rate, output="sos")
        to_come = _to_come(sections)
        if to_come is None:
            return None
        h, states = _responses(sections, n_times)
        after = states @ to_come.T
        spectra.append(parseval * _spectrum(h[0] * h + after @ after[0], n_fft))
        tails.append(_few_columns(np.column_stack([after, h.cumsum() / np.sqrt(n_times)])))
    reach = max(_reach(tail) for tail in tails)
    rows = [np.repeat(np.column_stack([*spectra, parseval]), 2, axis=0)]
    for band, tail in enumerate(tails):
        taken = np.zeros((tail.shape[1], len(edges) + 1))
        taken[:, band] = -1
        rows.append(taken)
    # a sample's age decides what is left of it: the last one is the first row of a response
    return EnergyPlan(n_times, n_fft, np.hstack(tails)[:reach][::-1].copy(), np.vstack(rows))


def _responses(sections: Floats, n_times: int) -> tuple[Floats, Floats]:
    """The first `n_times` samples of the impulse response, and all sections' states after each of them.

    Shapes (n_times,) and (n_times, n_states).
    """
    from scipy.signal import sosfilt

    h = np.zeros(n_times)
    h[0] = 1.0
    states = []
    for section in sections:
        b1, b2, a1, a2 = section[[1, 2, 4, 5]]
        x, h = h, sosfilt(section[None], h)
        second = b2 * x - a2 * h
        states += [b1 * x - a1 * h + np.concatenate([[0.0], second[:-1]]), second]
    return h, np.column_stack(states)


def _to_come(sections: Floats) -> Floats | None:
    """R such that |R·state|² is the energy of all output that follows a state; None if that has no end."""
    from scipy.signal import sosfilt

    n_states = 2 * len(sections)
    start = np.eye(n_states).reshape(n_states, len(sections), 2).transpose(1, 0, 2)
    outputs, after = sosfilt(sections, np.zeros((n_states, 4 * n_states)), axis=1, zi=start)
    step = after.transpose(1, 0, 2).reshape(n_states, n_states).T  # states as many samples later
    energy = _triangle(outputs.T)
    size = np.abs(energy).max()
    for _ in range(_DOUBLINGS):
        later = energy @ step
        if np.abs(later).max() <= _NOTHING * size:
            return energy
        if np.abs(step).max() > _ENDLESS:
            break
        energy, step = _triangle(np.vstack([energy, later])), step @ step
        size = np.abs(energy).max()
    return None


def _triangle(matrix: Floats) -> Floats:
    """R with RᵀR = MᵀM, without squaring M's condition."""
    return np.asarray(np.linalg.qr(matrix, mode="r"))


def _spectrum(correlation: Floats, n_fft: int) -> Floats:
    """Transform of an autocorrelation that is given at the lags 0, 1, …, and equal at negative ones."""
    circle = np.zeros(n_fft)
    circle[: len(correlation)] = correlation
    circle[n_fft - len(correlation) + 1 :] = correlation[:0:-1]
    return np.asarray(np.fft.rfft(circle).real)


def _few_columns(matrix: Floats) -> Floats:
    """A matrix with as few columns as needed and the same Gram matrix of its rows."""
    u, s, _ = np.linalg.svd(matrix, full_matrices=False)
    kept = s > 1e-10 * s[0]
    return np.asarray(u[:, kept] * s[kept])


def _reach(tail: Floats) -> int:
    """How many samples back a tail remembers."""
    size = np.abs(tail).max(axis=1)
    return int(np.flatnonzero(size > _NOTHING * size.max())[-1]) + 1
