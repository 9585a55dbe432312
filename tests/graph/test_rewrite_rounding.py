"""Rounding of rewritten weights in a network that magnifies it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from trimcap.graph.rewrite import rewrite
from trimcap.graph.rewrite_proof import ROUNDING
from trimcap.graph.trace import trace


def subtracting(nearness):
    """The difference of two units whose weights differ by so little, behind a batch norm that can be folded."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 2), nn.BatchNorm1d(2), nn.LeakyReLU(0.1), nn.Linear(2, 2, bias=False)).eval()
    with torch.no_grad():
        model[0].weight[1] = model[0].weight[0] * (1 + nearness)
        model[0].bias.zero_()
        model[1].running_var.fill_(0.7)
        model[3].weight.copy_(torch.tensor([[1.0, -1.0], [-1.0, 1.0]]))
    return trace(model, np.random.default_rng(0).standard_normal((4, 16)).astype(np.float32))


def test_a_network_that_magnifies_rounding_can_be_rewritten():
    found = rewrite(subtracting(0.01))
    assert any("batch" in words for words in found.applied)
    assert 1e-6 < found.error < ROUNDING


def test_rounding_that_is_the_result_is_refused():
    with pytest.raises(RuntimeError, match="differs by"):
        rewrite(subtracting(1e-6))
