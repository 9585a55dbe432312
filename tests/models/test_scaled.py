"""Scaled: a network that takes raw units."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from trimcap.models import EEGNet, Scaled


def test_function_is_the_model_of_the_standardised_input():
    torch.manual_seed(0)
    model = EEGNet(4, 64, 2).eval()
    mean, std = np.arange(4.0).reshape(4, 1), np.linspace(2, 9, 4).reshape(4, 1)
    raw = 10 * torch.randn(3, 4, 64)
    expected = model(torch.from_numpy(((raw.numpy() - mean) / std).astype(np.float32)))
    torch.testing.assert_close(Scaled(model, mean, std).eval()(raw), expected, rtol=1e-5, atol=1e-6)
    assert (Scaled(model, mean, std).eval()(raw) - model(raw)).abs().max() > 1e-3


def test_statistics_are_saved_and_not_trained():
    scaled = Scaled(nn.Linear(4, 2), np.zeros(4), np.ones(4))
    assert {"mean", "std"} <= set(scaled.state_dict())
    assert not {"mean", "std"} & {name for name, _ in scaled.named_parameters()}
    assert scaled.mean.dtype == torch.float32


def test_input_shape_is_the_models():
    assert Scaled(EEGNet(4, 64, 2), 0.0, 1.0).input_shape == (4, 64)


def test_later_changes_of_the_statistics_do_not_reach_the_model():
    mean = np.zeros(4, dtype=np.float32)
    scaled = Scaled(nn.Linear(4, 2), mean, np.ones(4))
    mean += 1
    assert scaled.mean.sum() == 0


@pytest.mark.parametrize(("mean", "std"), [([0, 0], [1, 0]), ([0, 0], [1, -1]), ([np.nan, 0], [1, 1])])
def test_a_constant_channel_is_refused(mean, std):
    with pytest.raises(ValueError, match="std above 0"):
        Scaled(nn.Linear(2, 2), mean, std)
