"""Which electrodes a network uses."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trimcap.data.electrodes.montage import Grid
from trimcap.data.rows.lazy import outside, pieces
from trimcap.data.windows import Windows
from trimcap.graph.network import Network
from trimcap.train.predict import evaluating

_BATCH = 256


def electrode_evidence(
    network: Network, windows: Windows, *, channels: tuple[str, ...], grid: Grid | None = None
) -> NDArray[np.float64]:
    """Mean |(x − x̄) · ∂z/∂x| by electrode, z the logit of the predicted class, x̄ the mean over windows.

    Subtracting the mean makes the map independent of an offset, such as the level of a differential entropy.

    Parameters
    ----------
    network : float network
    windows : input of the network, (n, n_channels, …) or, with `grid`, (n, n_bands, rows, columns)
    channels : electrodes of the result; those that the network no longer has get 0
    grid : layout of the electrodes

    Returns
    -------
    float64 array, shape (n_channels,), summed over bands and averaged over windows and times

    Source: Shrikumar et al. (2016), arXiv:1605.01713 (input × gradient).
    """
    model = network.module()
    total = np.zeros(windows.shape)
    # electrodes keep their level through time; features have one level each
    over = (0, -1) if windows.X.ndim == 3 and windows.unit == "µV" else (0,)
    mean = _mean(windows.X, over)
    with evaluating(model):
        for few in pieces(windows.X, rows=_BATCH):
            part = torch.from_numpy(np.ascontiguousarray(few))
            x = part.clone().requires_grad_(True)
            model(x).max(dim=1).values.sum().backward()
            assert x.grad is not None
            total += ((part - mean) * x.grad).abs().sum(dim=0).double().numpy()
    total /= max(len(windows), 1)
    if grid is not None:
        return np.asarray(grid.gather(total.sum(axis=0)), dtype=np.float64)
    rows = total.reshape(len(total), -1)  # of pictures, all pixels of a plane
    by_row = rows.mean(axis=-1) if windows.unit == "µV" else rows.sum(axis=-1)
    values = dict(zip(windows.channels, by_row.tolist(), strict=True))
    return np.array([values.get(c, 0.0) for c in channels])


def _mean(X: NDArray[np.float32], over: tuple[int, ...]) -> Tensor:
    if outside(X) is None:
        return torch.from_numpy(np.ascontiguousarray(X)).mean(dim=over, keepdim=True)
    sums = sum(part.sum(axis=over, keepdims=True, dtype=np.float64) for part in pieces(X, rows=_BATCH))
    count = X.size / np.size(sums)
    return torch.from_numpy(np.asarray(sums / count, dtype=np.float32))
