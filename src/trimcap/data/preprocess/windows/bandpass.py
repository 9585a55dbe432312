"""Variances of band-passed rows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from trimcap.data.preprocess.windows.band_energy import EnergyPlan, band_energies, plan_energies

Edges = Sequence[tuple[float, float]]

#: samples that one matrix product filters; 16 to 32 measured fastest, whatever the length of the window
_BLOCK = 32
#: rows that are filtered together, so that all buffers stay in the processor's cache
_ROWS = 1024
#: relative error of a variance, on average half of which is that of an entropy in nat
_ERROR = 1e-7
#: least error of an energy, as a share of the row's; measured 1e-15
_ROUNDING = 2e-15
#: rows of white noise, and as many random walks, that measure it
_PROBES = 8


def band_variances(x: NDArray[np.float32], *, rate: float, edges: Edges, order: int) -> NDArray[np.float64]:
    """Population variance of every row after each causal Butterworth band-pass from zero state.

    Parameters
    ----------
    x : shape (n_rows, n_times)
    rate : sampling rate, Hz
    edges : (low, high) of every band, Hz
    order : order of the low-pass prototype; the band-pass has 2·order poles

    Returns
    -------
    float64 array, shape (n_rows, n_bands), in the square of x's unit; NaN for a row that is not finite.

    Notes
    -----
    The result equals the recursion of second-order sections to about 1e-7, relatively, also under electrode offsets
    of millivolts. (One polynomial of degree 10, the form of torcheeg, is itself off by 1e-5 nat for theta at 250 Hz.)
    It comes from `band_energy`, whose error is a share of the row's whole energy. A row with so little
    energy in one of the bands that this share would matter goes through the recursion instead.
    """
    n_times, bands = x.shape[1], tuple((float(low), float(high)) for low, high in edges)
    plan, least = _measured_plan(n_times, rate, bands, order)
    if plan is None:
        return np.asarray(_energies_by_recursion(x, rate, bands, order) / n_times)
    with np.errstate(invalid="ignore"):  # NaN and infinity become NaN
        energies, whole = band_energies(x, plan)
        faint = np.flatnonzero((energies < least * whole[:, None]).any(axis=1))
    if len(faint):
        energies[faint] = _energies_by_recursion(x[faint], rate, bands, order)
    return np.asarray(energies / n_times)


@lru_cache(maxsize=16)
def _measured_plan(
    n_times: int, rate: float, edges: tuple[tuple[float, float], ...], order: int
) -> tuple[EnergyPlan | None, NDArray[np.float64]]:
    """A plan, if there is one, and the share of a row's energy that each band must hold for an error below `_ERROR`."""
    plan = plan_energies(n_times, rate, edges, order)
    if plan is None:
        return None, np.full(len(edges), np.inf)
    rng = np.random.default_rng(0)
    probes = np.ones((2 + 2 * _PROBES, n_times), dtype=np.float32)
    probes[1, :-1] = 0
    probes[2:] = rng.standard_normal((2 * _PROBES, n_times))
    probes[2 + _PROBES :] = probes[2 + _PROBES :].cumsum(axis=1)
    energies, whole = band_energies(probes, plan)
    errors = np.abs(energies - _energies_by_recursion(probes, rate, edges, order)) / whole[:, None]
    return plan, np.maximum(errors.max(axis=0), _ROUNDING) / _ERROR


def _energies_by_recursion(x: NDArray[np.float32], rate: float, edges: Edges, order: int) -> NDArray[np.float64]:
    """Σ(y − ȳ)² of every row in every band, of shape (n_rows, n_bands), block by block.

    The filter is linear. A block of w samples therefore needs one matrix product: the samples times the
    lower-triangular Toeplitz matrix of the impulse response, plus the filter's state at the start of the
    block times the response to that state; the same product yields the next state.
    """
    energies = np.empty((len(x), len(edges)))
    for first in range(0, len(x), _ROWS):
        rows = slice(first, first + _ROWS)
        total, squares = _filtered_sums(x[rows], rate, edges, order)
        energies[rows] = (squares - total**2 / x.shape[1]).T
    return energies


def _filtered_sums(
    x: NDArray[np.float32], rate: float, edges: Edges, order: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Σy and Σy² of every row in every band, each of shape (n_bands, n_rows); x is (n_rows, n_times)."""
    total, squares = np.zeros((2, len(edges), len(x)))
    states: list[NDArray[np.float64] | None] = [None] * len(edges)
    for first in range(0, x.shape[1], _BLOCK):
        block = x[:, first : first + _BLOCK].astype(np.float64)
        width = block.shape[1]
        for b, (low, high) in enumerate(edges):
            from_input, from_state = _block_filter(low, high, rate, order, width)
            out = block @ from_input
            state = states[b]
            if state is not None:
                out += state @ from_state
            y = out[:, :width]
            squares[b] += np.einsum("ij,ij->i", y, y)
            total[b] += out[:, width]
            states[b] = out[:, width + 1 :]
    return total, squares


@lru_cache(maxsize=256)
def _block_filter(
    low: float, high: float, rate: float, order: int, width: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The filter over `width` samples as two matrices, read off SciPy's recursion by unit vectors.

    [y, Σy, next state] = x·A + state·B, where A has `width` rows and B one row per state.
    """
    from scipy.signal import butter, sosfilt

    sos = butter(order, [low, high], btype="bandpass", fs=rate, output="sos")
    n_sections = len(sos)
    n_states = 2 * n_sections

    def response(x: NDArray[np.float64], state: NDArray[np.float64]) -> NDArray[np.float64]:
        per_section = state.reshape(len(x), n_sections, 2).transpose(1, 0, 2)
        y, after = sosfilt(sos, x, axis=1, zi=per_section)
        return np.hstack([y, y.sum(axis=1, keepdims=True), after.transpose(1, 0, 2).reshape(len(x), n_states)])

    return (
        response(np.eye(width), np.zeros((width, n_states))),
        response(np.zeros((n_states, width)), np.eye(n_states)),
    )
