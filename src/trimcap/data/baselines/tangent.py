"""Spatial covariances of windows in a tangent space, where a linear classifier can be fitted on them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Matrices = NDArray[np.float64]


def covariances(X: NDArray[np.floating]) -> Matrices:
    """Covariance over time of every window, shrunk to a multiple of the identity so that it has a logarithm.

    With S = (x − x̄)(x − x̄)ᵀ/T, c channels and μ = tr(S)/c: C = (1 − ρ)·S + ρ·μ·I, with a = mean of the squares of S's
    entries and ρ = min(1, (a + μ²) / ((T + 1)·(a − μ²/c))), the oracle approximating shrinkage.

    Parameters
    ----------
    X : shape (n, n_channels, n_times)

    Returns
    -------
    shape (n, n_channels, n_channels), in the square of X's unit

    Source: Chen, Wiesel, Eldar & Hero (2010), "Shrinkage algorithms for MMSE covariance estimation", IEEE Trans Signal
    Process 58:5016, eq. 23.
    """
    x = np.asarray(X, dtype=np.float64)
    x = x - x.mean(axis=2, keepdims=True)
    c, n_times = x.shape[1:]
    S = x @ x.transpose(0, 2, 1) / n_times
    mu = np.trace(S, axis1=1, axis2=2) / c
    a = (S**2).mean(axis=(1, 2))
    spread = (n_times + 1) * (a - mu**2 / c)
    rho = np.where(spread > 0, np.minimum(1, (a + mu**2) / np.where(spread > 0, spread, 1)), 1.0)
    # a window of zeros has the logarithm of next to nothing, instead of none
    floor = np.maximum(mu, np.finfo(np.float32).tiny)
    return np.asarray((1 - rho)[:, None, None] * S + (rho * floor)[:, None, None] * np.eye(c))


def log_euclidean_mean(C: Matrices) -> Matrices:
    """exp(mean of log Cᵢ), shape (c, c).

    Source: Arsigny, Fillard, Pennec & Ayache (2007), "Geometric means in a novel vector space structure on symmetric
    positive-definite matrices", SIAM J Matrix Anal Appl 29:328.
    """
    return _applied(np.exp, _applied(np.log, C).mean(axis=0))


def tangent_vectors(C: Matrices, mean: Matrices) -> NDArray[np.float64]:
    """Upper triangle of log(M^(−½)·C·M^(−½)), entries off the diagonal times √2, which keeps the norm.

    Parameters
    ----------
    C : shape (n, c, c); mean : M, shape (c, c), both positive definite

    Returns
    -------
    shape (n, c·(c + 1)/2)

    Source: Barachant, Bonnet, Congedo & Jutten (2012), "Multiclass brain-computer interface classification by
    Riemannian geometry", IEEE Trans Biomed Eng 59:920, eq. 10 and 13.
    """
    half = _applied(lambda values: values**-0.5, mean)
    logs = _applied(np.log, half @ C @ half)
    rows, columns = np.triu_indices(C.shape[1])
    return np.asarray(logs[:, rows, columns] * np.where(rows == columns, 1.0, 2**0.5))


def _applied(function: Callable[[Matrices], Matrices], matrices: Matrices) -> Matrices:
    """A function of symmetric positive matrices: of their eigenvalues."""
    values, vectors = np.linalg.eigh((matrices + np.swapaxes(matrices, -1, -2)) / 2)
    found = function(values)
    return np.asarray((vectors * found[..., None, :]) @ np.swapaxes(vectors, -1, -2))
