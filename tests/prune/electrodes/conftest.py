"""Windows and networks of eight electrodes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from planted_caps import NAMES, made, planted

from trimcap.data.electrodes.montage import grid
from trimcap.data.windows import Windows
from trimcap.graph.trace.trace import trace
from trimcap.models import EEGNet, GridCNN, Scaled


@pytest.fixture(scope="module")
def valid() -> Windows:
    return made(80, (8, 3), subject="v", seed=1)


@pytest.fixture(scope="module")
def test_windows() -> Windows:
    return made(120, (8, 3), subject="t", seed=2)


@pytest.fixture(scope="module")
def network(valid):
    return trace(planted(), valid)


@pytest.fixture(scope="module")
def raw():
    """EEGNet on µV with its standardisation inside, and windows for it."""
    torch.manual_seed(1)
    windows = made(40, (8, 64), subject="v", seed=3)
    model = Scaled(EEGNet(8, 64, 2, F1=4, kernel=16), np.full((8, 1), 0.3), np.full((8, 1), 2.0))
    return trace(model, windows), windows


@pytest.fixture(scope="module")
def on_grid():
    own = grid(NAMES, rows=7, columns=7)
    flat = made(50, (8, 3), subject="v", seed=11)
    X = own.scatter(flat.X.transpose(0, 2, 1)).astype(np.float32)
    windows = replace(flat, X=X)
    torch.manual_seed(4)
    return trace(GridCNN(3, 7, 7, 2, widths=(4, 6), hidden=8), windows), windows, own
