"""build: a model from a name and windows."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from trimcap.data.windows import Windows
from trimcap.models import CCNN, EEGNet, GridCNN, build, sizes


def windows(*shape: int, classes: tuple[str, ...] = ("rest", "task")) -> Windows:
    table = pd.DataFrame({"subject": ["1"] * 4, "session": "1", "trial": "1", "start": np.arange(4.0)})
    X = np.zeros((4, *shape), dtype=np.float32)
    return Windows(X, np.zeros(4, dtype=np.int64), table, ("Cz",), 200.0, classes, 1.0)


class Foreign(nn.Module):
    """Has braindecode's names for sizes, and a required option of its own."""

    def __init__(self, n_chans, n_outputs, n_times, sfreq, *, width):
        super().__init__()
        self.sizes = (n_chans, n_outputs, n_times, sfreq, width)


@pytest.mark.parametrize(
    ("name", "shape", "network"),
    [("eegnet", (5, 64), EEGNet), ("ccnn", (4, 9, 9), CCNN), ("grid_cnn", (5, 7, 6), GridCNN)],
)
def test_sizes_come_from_the_windows(name, shape, network):
    options = {"widths": (4, 4), "hidden": 8} if name != "eegnet" else {}
    model = build(name, windows(*shape, classes=("a", "b", "c")), **options)
    assert type(model) is network
    assert model.eval()(torch.zeros(2, *shape)).shape == (2, 3)


def test_names_of_other_libraries_and_import_path():
    model = build(f"{__name__}:Foreign", windows(5, 64), width=3)
    assert model.sizes == (5, 2, 64, 200.0, 3)


def test_a_function_that_needs_nothing():
    assert isinstance(build(lambda: nn.Linear(2, 2), windows(2)), nn.Linear)


def test_options_win_over_windows():
    assert build("eegnet", windows(5, 64), n_classes=7).dense.out_features == 7


def test_seed_decides_the_weights_and_the_global_state_stays():
    w = windows(5, 64)
    before = torch.get_rng_state()
    one, same, other = (build("eegnet", w, seed=s).temporal.weight for s in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_features_have_bands():
    assert sizes(windows(19, 5))["n_bands"] == 5
    assert sizes(windows(5, 9, 8)) == {
        "n_classes": 2, "n_outputs": 2, "sfreq": 200.0, "input_shape": (5, 9, 8), "n_bands": 5, "rows": 9, "columns": 8,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ("egnet", {}, "unknown model 'egnet'; did you mean 'eegnet'? Known: ccnn, conformer, deep"),
        ("eegnet", {"kernal": 3}, "model EEGNet: unknown option 'kernal'; did you mean 'kernel'? Known: D, F1"),
        ("ccnn", {}, "model CCNN needs rows, columns, which windows of shape ('n', 5, 64) do not tell"),
        ("no.such.module:Net", {}, "model 'no.such.module:Net': cannot import 'no.such.module'"),
        ("torch.nn:Liner", {}, "model 'torch.nn:Liner': module 'torch.nn' has no 'Liner'; did you mean 'Linear'?"),
        (EEGNet(5, 64, 2), {}, "this EEGNet is one already: pass it to fit"),
        (lambda: {}, {}, "expected a torch.nn.Module, got dict"),
    ],
)
def test_messages(model, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        build(model, windows(5, 64), **options)
