"""Published features that differ from their formula."""

from __future__ import annotations

import math

import numpy as np

from trimcap.data.windows import Windows


def entropy_of_deviation(windows: Windows) -> Windows:
    """½·log₂(2πe·σ) in place of differential entropy ½·log₂(2πe·σ²), from windows that hold the latter in nat.

    It is ½·DE/ln 2 + ¼·log₂(2πe): every difference of entropies is halved, so that features are weaker beside
    whatever does not scale with them, such as biases.

    Parameters
    ----------
    windows : of `trimcap.data.differential_entropy`

    Returns
    -------
    Windows : of the same shape, float32, in bit

    Raises
    ------
    ValueError : windows of another unit.

    Source: torcheeg up to 1.1.0, `BandDifferentialEntropy` (put right in 1.1.1), on which Rao and Zhong (2023) build.
    """
    if windows.unit != "nat":
        raise ValueError(
            f"entropy_of_deviation takes windows of differential entropy in nat, got {windows.unit!r}; "
            "make them with trimcap.data.differential_entropy"
        )
    X = 0.5 * np.asarray(windows.X, dtype=np.float64) / math.log(2) + 0.25 * math.log2(2 * math.pi * math.e)
    return windows.with_X(X.astype(np.float32), step="entropy of σ in place of σ² (as published)", unit="bit")
