"""Small windows with a class effect, and small networks for them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from trimcap.data.windows import Windows
from trimcap.models import EEGNet, GridCNN


@pytest.fixture(scope="session")
def make_windows() -> Callable[..., Windows]:
    def make(n: int = 50, shape: tuple[int, ...] = (4, 64), *, k: int = 2, seed: int = 0) -> Windows:
        rng = np.random.default_rng(seed)
        y = np.arange(n, dtype=np.int64) % k
        X = rng.standard_normal((n, *shape)).astype(np.float32)
        X[:, 0] += y.astype(np.float32).reshape(-1, *[1] * (len(shape) - 1))
        metadata = pd.DataFrame({"subject": [f"s{i % 3}" for i in range(n)], "session": "1", "trial": "1"})
        metadata["start"] = np.arange(n, dtype=float)
        return Windows(X, y, metadata, ("Fz", "Cz", "Pz", "Oz")[: shape[0]], 64.0, tuple("abcdef"[:k]), 1.0)

    return make


@pytest.fixture
def eegnet() -> EEGNet:
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return EEGNet(4, 64, 2, F1=2, D=2, F2=4, kernel=8, separable_kernel=4)


@pytest.fixture
def grid_cnn() -> GridCNN:
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return GridCNN(3, 5, 4, 2, widths=(4, 6), hidden=8)
