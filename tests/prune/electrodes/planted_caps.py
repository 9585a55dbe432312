"""Windows in which two electrodes carry the label, a network that hears them, and the metric from its definition."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch import nn

from trimcap.data.windows import Windows

NAMES = ("Fp1", "Fp2", "C3", "C4", "T7", "T8", "O1", "O2")
TRUE = (2, 5)  # C3 and T8 carry the label


def made(n: int, shape: tuple[int, ...], *, subject: str, seed: int, names=NAMES, true=TRUE) -> Windows:
    """Noise; in class 1 two electrodes have another mean."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, *shape)).astype(np.float32)
    y = np.arange(n) % 2
    X[:, list(true)] += (2 * y[:, None, None] - 1) * 0.8
    table = pd.DataFrame({"subject": subject, "session": "1", "trial": "1", "start": np.arange(n, dtype=float)})
    return Windows(X, y.astype(np.int64), table, names, 64.0, ("a", "b"), 1.0)


def planted() -> nn.Module:
    """Features: the two electrodes are summed; the weights of all others are larger and sum to nothing."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(8 * 3, 2))
    weight = torch.zeros(2, 8, 3)
    for electrode in range(8):
        own = torch.tensor([1.0, 1.0, 1.0]) if electrode in TRUE else torch.tensor([3.0, -6.0, 3.0]) * 0.4
        weight[0, electrode], weight[1, electrode] = -own, own
    with torch.no_grad():
        model[1].weight.copy_(weight.reshape(2, -1))
        model[1].bias.zero_()
    return model


def replica(logits, y, metric):
    """The metric from its definition, window by window."""
    if metric == "loss":
        return np.mean([np.log(np.exp(row).sum()) - row[k] for row, k in zip(logits, y, strict=True)])
    right = [int(row.argmax() == k) for row, k in zip(logits, y, strict=True)]
    if metric == "accuracy":
        return np.mean(right)
    return np.mean([np.mean([r for r, k in zip(right, y, strict=True) if k == c]) for c in (0, 1)])
