"""Weights computed from statistics of themselves stay what they are when filters go."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import prune

from trimcap.graph.trace.trace import trace
from trimcap.prune.plan import make_plan
from trimcap.prune.shrink import shrink

X = torch.randn(4, 8, 16, generator=torch.Generator().manual_seed(0))
KEPT = (0, 2, 3, 5)


class Net(nn.Module):
    """A convolution with a weight of its own making, whose filters 1 and 4 the head does not read."""

    def __init__(self, made=lambda w: w, conv=lambda c: c):
        super().__init__()
        torch.manual_seed(1)
        self.conv, self.head = conv(nn.Conv1d(8, 6, 3)), nn.Linear(6, 2)
        self.made = made
        self.head.weight.data[:, [1, 4]] = 0

    def forward(self, x):
        y = self.conv(x) if self.made is None else functional.conv1d(x, self.made(self.conv.weight), self.conv.bias)
        return self.head(torch.tanh(y).mean(-1))


MADE = {
    "norm": lambda w: w / w.norm(),
    "norm of filters": lambda w: w / w.norm(dim=(1, 2), keepdim=True),
    "centred over filters": lambda w: w - w.mean(0),
    "standardised": lambda w: (w - w.mean((1, 2), keepdim=True)) / (w.std((1, 2), keepdim=True) + 1e-5),
    "softmax": lambda w: w.softmax(0),
    "shares": lambda w: w / w.abs().sum(),
    "largest": lambda w: w / w.abs().amax(),
    "spectral": lambda w: w / torch.linalg.matrix_norm(w.flatten(1), 2),
    "ranks": lambda w: w * (w >= w.flatten().sort().values[40]),
}
HOOKS = {
    "spectral_norm": nn.utils.spectral_norm,
    "parametrized spectral norm": nn.utils.parametrizations.spectral_norm,
    "weight_norm": nn.utils.weight_norm,
    "orthogonal": nn.utils.parametrizations.orthogonal,
}
CASES = {**{name: (made, lambda c: c) for name, made in MADE.items()}, **{n: (None, hook) for n, hook in HOOKS.items()}}


@pytest.mark.filterwarnings("ignore:.*weight_norm.*deprecated:FutureWarning")
@pytest.mark.parametrize("name", CASES)
def test_filters_that_nobody_reads_go_without_a_trace(name):
    model = Net(*CASES[name]).eval()
    network = trace(model, X)
    small = shrink(network, make_plan(network, {"conv": KEPT}))
    assert small.tensors["conv.weight"].shape[0] == 4
    torch.testing.assert_close(small(X), model(X).detach(), rtol=1e-4, atol=1e-6)
    said = [note for note in network.notes if "conv.weight" in note]
    assert len(said) == (name != "weight_norm")  # that is a rule, which training imposes again
    assert "conv.weight" in network.trainable
    assert "conv.weight" in dict(network.module().named_parameters()) or network.constraints


@pytest.mark.filterwarnings("ignore:.*weight_norm.*deprecated:FutureWarning")
def test_hooks_of_torch_become_rules_and_notes():
    model = Net(None, lambda c: prune.l1_unstructured(nn.utils.weight_norm(c), "bias", 0.5)).eval()
    model(X).sum().backward()  # weights that a hook computed are results now, which torch does not copy
    network = trace(model, X)
    assert [(r.tensor, r.kind, r.dim) for r in network.constraints] == [("conv.weight", "weight_norm", 0)]
    assert "'conv.bias': the zeros of torch.nn.utils.prune were baked" in " ".join(network.notes)
    assert "conv.weight_g" in dict(model.named_parameters())  # the model is as it was
    torch.testing.assert_close(network(X), model(X).detach())
    torch.testing.assert_close(network.module()(X).detach(), model(X).detach())


def test_what_is_computed_slice_by_slice_stays():
    """It trains as in the model: weights under a mask, gains, weights of low rank."""
    for made in (lambda w: w * 2 + 1, lambda w: w.exp(), lambda w: torch.cat([w[:3] * 2, w[3:]], 0)):
        network = trace(Net(made), X)
        assert network.notes == ()
        assert len(network.nodes) > 4

    class Rank(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Parameter(torch.randn(6, 2)), nn.Parameter(torch.randn(2, 8))

        def forward(self, x):
            return functional.linear(x.mean(-1), self.a @ self.b)

    network = trace(Rank(), X)
    assert network.trainable == {"a", "b"}

    class Joined(Net):  # two layers in one, as of temporal and spatial filters
        def forward(self, x):
            w = (self.conv.weight[:, :, None] * self.head.weight.T[:, None, :, None]).sum(0)
            return functional.conv1d(x, w.transpose(0, 1)).mean(-1)

    network = trace(Joined(), X)
    assert network.trainable == {"conv.weight", "head.weight"}


def test_a_statistic_of_a_constant_needs_no_note():
    model = Net(None)
    model.register_buffer("gain", torch.rand(8, 1))
    model.made = lambda w: w * (model.gain / model.gain.sum())
    network = trace(model, X)
    assert network.notes == ()
    (gain,) = (network.tensors[n] for n in network.tensors if n not in network.trainable)
    torch.testing.assert_close(gain, model.gain / model.gain.sum())


def test_a_weight_that_is_read_as_it_is_too_keeps_its_name():
    class Twice(Net):
        def forward(self, x):
            return super().forward(x) + self.conv(x).mean(-1)[:, :2]

    model = Twice(MADE["norm"]).eval()
    network = trace(model, X)
    assert {"conv.weight", "conv.weight_computed"} <= network.trainable
    torch.testing.assert_close(network(X), model(X).detach())
