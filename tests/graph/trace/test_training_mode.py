"""What a model does in training only: followed, or named in the notes."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional

from trimcap.graph.node import Ref
from trimcap.graph.ops.allowed import misused
from trimcap.graph.save import load, save
from trimcap.graph.trace.trace import trace
from trimcap.prune.plan import make_plan
from trimcap.prune.shrink import shrink

X = torch.randn(6, 8, 16, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    """A convolution and a head; what lies between is the case."""

    def __init__(self, middle=None):
        super().__init__()
        self.conv, self.head = nn.Conv1d(8, 6, 3), nn.Linear(6, 2)
        self.middle = middle

    def between(self, x):
        return self.middle(x)

    def forward(self, x):
        return self.head(self.between(self.conv(x)).mean(-1))


def assert_trains_alike(model, module, steps=3):
    """Results, statistics and weights of both after a few steps with the same random numbers."""
    results = []
    for net in (copy.deepcopy(model).train(), module.train()):
        torch.manual_seed(3)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
        for step in range(steps):
            optimizer.zero_grad()
            net(X + step).square().sum().backward()
            optimizer.step()
        results.append((net(X).detach(), dict(net.state_dict())))
    (want, theirs), (got, mine) = results
    torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-5)
    for name in mine:
        torch.testing.assert_close(mine[name], theirs[name], rtol=1e-4, atol=1e-5)


class Frozen(nn.BatchNorm1d):
    def train(self, mode=True):
        return super().train(False)


class Off(nn.Module):
    def forward(self, x):
        return functional.dropout(x, 0.5, False)


class OnlyThen(nn.Module):
    def forward(self, x):
        return functional.dropout(x, 0.5, True) if self.training else x


class Attention(nn.Module):
    def __init__(self, weights):
        super().__init__()
        self.own, self.weights = nn.MultiheadAttention(6, 2, dropout=0.3, batch_first=True), weights

    def forward(self, x):
        x = x.transpose(1, 2)
        return self.own(x, x, x, need_weights=self.weights)[0].transpose(1, 2)


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.own = nn.TransformerEncoderLayer(6, 2, 12, batch_first=True)

    def forward(self, x):
        return self.own(x.transpose(1, 2)).transpose(1, 2)


FOLLOWED = {
    "batch norm that averages all batches": (lambda: nn.BatchNorm1d(6, momentum=None), ((5, True),)),
    "frozen batch norm": (lambda: Frozen(6), ()),
    "dropout that is off": (Off, None),
    "dropout in training only": (OnlyThen, ((2, True),)),
    "instance norm with statistics": (lambda: nn.InstanceNorm1d(6, track_running_stats=True), ((5, True),)),
    "attention dropout": (lambda: Attention(True), ((2, True),)),
    "attention dropout, fused": (lambda: Attention(False), ((4, 0.3),)),
    "encoder": (Encoder, ((4, 0.1),)),
    "dropout and batch norm": (lambda: nn.Sequential(nn.BatchNorm1d(6), nn.Dropout1d(0.5)), ((5, True),)),
}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n in ("encoder", "attention dropout") else n for n in FOLLOWED]
)
def test_training_is_followed(name, tmp_path):
    torch.manual_seed(0)
    make, mark = FOLLOWED[name]
    model = Net(make())
    network = trace(model, X)
    assert network.notes == ()
    found = [n.training for n in network.nodes if n.training or n.kind in ("dropout", "batch_norm")]
    assert found[:1] == ([] if mark is None else [mark])
    assert_trains_alike(model, network.module())
    saved = load(save(network, tmp_path / "network"))
    assert [n.training for n in saved.nodes] == [n.training for n in network.nodes]
    assert_trains_alike(model, saved.module())
    axis = next(a for a in network.axes.prunable if a.kind == "hidden" and a.size % 3 == 0)
    small = shrink(network, make_plan(network, {axis.name: range(0, axis.size, 3)}))
    assert [n.training for n in small.nodes] == [n.training for n in network.nodes]


def test_statistics_of_all_batches_go_on_after_loading():
    """The factor of the n-th batch is 1/n: stored as 0, the statistics never moved."""
    module = trace(Net(nn.BatchNorm1d(6, momentum=None)), X).module().train()
    module(X)
    first = module.tensor("middle.running_mean").clone()
    other = module.extract().module().train()
    other(X + 10)
    assert int(other.tensor("middle.num_batches_tracked")) == 2
    second = (module.tensor("conv.weight").sum((1, 2)) * 10).detach()  # what the offset adds to the mean of a filter
    torch.testing.assert_close(other.tensor("middle.running_mean"), first + second / 2, rtol=1e-4, atol=1e-4)


class Noise(nn.Module):
    def forward(self, x):
        return x + 0.1 * torch.randn_like(x) if self.training else x


class Counter(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("steps", torch.zeros(()))

    def forward(self, x):
        if self.training:
            self.steps += 1
        return x


class Straight(torch.autograd.Function):
    @staticmethod
    def forward(context, x):
        return x.sign()

    @staticmethod
    def backward(context, gradient):
        return gradient


class Binary(nn.Module):
    def forward(self, x):
        return Straight.apply(x)


class Refuses(nn.Module):
    def forward(self, x):
        if self.training:
            raise RuntimeError("no training here")
        return x


NAMED = {
    "noise": (Noise, ["in training the model computes something else", "at middle: randn_like, mul, add"]),
    "counter": (Counter, ["training changes the buffers middle.steps of the model"]),
    "gradient of one's own": (Binary, ["gradients of conv.weight, conv.bias are others than the model's"]),
    "no training": (Refuses, ["the model does not run in training mode (no training here)"]),
}


@pytest.mark.parametrize("name", NAMED)
def test_the_rest_is_named(name):
    make, said = NAMED[name]
    network = trace(Net(make()), X)
    assert len(network.notes) == len(said)
    for part, note in zip(said, network.notes, strict=True):
        assert part in note


class Prototypes(Net):
    """Limits a weight of its own, where no layer is that could be one with a rule."""

    def __init__(self):
        super().__init__(nn.Identity())
        self.classes = nn.Parameter(3 * torch.randn(2, 6))

    def forward(self, x):
        self.classes.data = torch.renorm(self.classes.data, p=2, dim=0, maxnorm=1.0)
        return torch.einsum("bd,cd->bc", self.conv(x).mean(-1), self.classes)


def test_a_weight_that_the_model_changes_by_itself_is_held():
    model = Prototypes()
    network = trace(model, X)
    assert float(model.classes.detach().norm(dim=1).min()) > 1  # the user's is as it was
    torch.testing.assert_close(network(X), model.eval()(X).detach())
    assert "the model changes classes whenever it runs" in " ".join(network.notes)


def test_the_users_model_and_random_numbers_stay(monkeypatch):
    model = Net(nn.BatchNorm1d(6)).train()
    before = copy.deepcopy(model.state_dict())
    torch.manual_seed(7)
    want = torch.rand(3)
    torch.manual_seed(7)
    trace(model, X)
    assert torch.equal(torch.rand(3), want)
    assert model.training
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


@pytest.mark.parametrize(
    "training",
    [((9, True),), ((-1, True),), (("train", True),), ((2, "yes"),), ((2, Ref("conv.weight")),), ((True, True),), (2,)],
)
def test_what_training_changes_is_checked_in_files(training):
    network = trace(Net(nn.Dropout(0.5)), X)
    dropout = next(node for node in network.nodes if node.kind == "dropout")
    assert misused(dropout) == ""
    assert misused(replace(dropout, training=training))
