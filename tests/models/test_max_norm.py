"""MaxNorm: the formula, what a trace reads of it, and its gradient."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from trimcap.models import MaxNorm


@pytest.mark.parametrize("dim", [0, 1])
def test_formula(dim):
    torch.manual_seed(0)
    weight = torch.randn(6, 4, 3)
    expected = weight.clone()
    for i in range(weight.shape[dim]):
        length = float(weight.select(dim, i).pow(2).sum().sqrt())
        expected.select(dim, i).mul_(min(1.0, 2.5 / length))
    assert not torch.equal(expected, weight)
    torch.testing.assert_close(MaxNorm(2.5, dim)(weight), expected, rtol=1e-6, atol=1e-6)


def test_slices_within_the_bound_stay_bit_for_bit():
    weight = torch.tensor([[0.3, 0.4], [3.0, 4.0]])
    constrained = MaxNorm(1.0)(weight)
    assert torch.equal(constrained[0], weight[0])
    torch.testing.assert_close(constrained[1], torch.tensor([0.6, 0.8]))


def test_a_trace_can_read_bound_and_dimension():
    layer = nn.Linear(3, 2)
    parametrize.register_parametrization(layer, "weight", MaxNorm(0.5, 1))
    rule = layer.parametrizations.weight[0]
    assert (rule.max_value, rule.dim) == (0.5, 1)
    assert "max_value=0.5, dim=1" in repr(rule)


def test_gradient_on_the_bound_only_turns():
    weight = (10 * torch.randn(3, 5)).requires_grad_()
    (MaxNorm(1.0)(weight) * torch.randn(3, 5)).sum().backward()
    radial = (weight.grad * weight).sum(dim=1) / weight.norm(dim=1)
    assert weight.grad.norm(dim=1).min() > 1e-4
    assert radial.abs().max() < 1e-6


def test_assignment_within_the_bound_is_what_the_layer_computes_with():
    layer = nn.Linear(3, 2)
    parametrize.register_parametrization(layer, "weight", MaxNorm(5.0))
    layer.weight = torch.ones(2, 3)
    assert torch.equal(layer.weight, torch.ones(2, 3))


@pytest.mark.parametrize("bound", [0, -1, float("nan")])
def test_bound_must_be_positive(bound):
    with pytest.raises(ValueError, match="max_value must be above 0"):
        MaxNorm(bound)
