"""Rounding of rewritten weights in a network that magnifies it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from everywhere import fold_batch_norm
from torch import nn

from trimcap.graph.rewrite.proof import ROUNDING
from trimcap.graph.rewrite.rewrite import rewrite
from trimcap.graph.trace.trace import trace


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


def test_weights_stay_where_rounding_them_is_the_result():
    network = subtracting(1e-6)
    found = rewrite(network)
    assert (found.applied, found.error) == ((), 0.0)
    assert found.network is network
    assert "nothing that changes weights: rounding them" in found.left[0]
    with pytest.raises(RuntimeError, match="differs by"):
        rewrite(network, rules=[fold_batch_norm])


class Spectral(nn.Module):
    """A filter of complex weights, as torcheeg's TSLANet has one: real numbers, seen as complex ones."""

    def __init__(self):
        super().__init__()
        self.weight, self.norm = nn.Parameter(torch.randn(5, 2)), nn.LayerNorm(8)

    def forward(self, x):
        spectrum = torch.fft.rfft(x, dim=1, norm="ortho") * torch.view_as_complex(self.weight)
        return self.norm(torch.fft.irfft(spectrum, n=8, dim=1, norm="ortho"))


def test_complex_weights_stay_of_the_same_precision():
    """They were evaluated in float64 and left so; the network it gave did not run."""
    network = trace(Spectral().eval(), np.random.default_rng(0).standard_normal((4, 8)).astype(np.float32))
    found, x = rewrite(network), torch.randn(5, 8)
    assert found.network(x).dtype == torch.float32
    torch.testing.assert_close(found.network(x), network(x))


class Odd(nn.Module):
    """Maps of results that depend on nothing, random ones, and ones that are not finite."""

    def __init__(self, odd):
        super().__init__()
        self.odd, self.linear = odd, nn.Linear(4, 3)

    def forward(self, x):
        return self.linear(self.odd(x))


ODD = {
    "a constant of nothing": lambda x: x + (torch.zeros(4) + 1) * 2,
    "a batch of constants of nothing": lambda x: x * (torch.eye(4) * 2).reshape(1, 16)[:, :4],
    "an infinite factor": lambda x: torch.nan_to_num(x / 0.0, posinf=1.0, neginf=-1.0),
    "a complex factor": lambda x: torch.fft.irfft(torch.fft.rfft(x) * 1j, n=4),
    "overflow everywhere": lambda x: (x.abs() + 1e200) * 1e38,
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.filterwarnings("ignore")
def test_odd_networks_are_rewritten_or_left(name):
    network = trace(Odd(ODD[name]).eval(), np.random.default_rng(0).standard_normal((4, 4)).astype(np.float32))
    found = rewrite(network)
    x = torch.randn(5, 4)
    torch.testing.assert_close(found.network(x), network(x), rtol=1e-4, atol=1e-5, equal_nan=True)
