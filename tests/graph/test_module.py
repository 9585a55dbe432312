"""A traced network is an ordinary module for others too: it is pickled, cloned, and keeps its rules in any loop."""

from __future__ import annotations

import copy
import io
import pickle
import subprocess
import sys
from dataclasses import replace
from functools import cache

import pytest
import torch
from torch import nn

from trimcap.graph.max_norm import imposed_by_hand
from trimcap.graph.network import Constraint
from trimcap.graph.trace.trace import trace
from zoo import build


@cache
def traced(name):
    torch.manual_seed(0)
    model, x = build(name)
    return trace(model, x), x


def limited():
    """A network with two max-norms, 1.0 and 0.25."""
    return traced("max-norm")


def norms(module):
    rules = module.network.constraints
    return {r.tensor: float(module.tensor(r.tensor).detach().flatten(1).norm(dim=1).max()) / r.value for r in rules}


def steps(module, x, *, optimizer=torch.optim.Adam, n=3):
    made = optimizer(module.parameters(), lr=0.5)
    module.train()
    for _ in range(n):
        made.zero_grad()
        module(x).square().sum().backward()
        made.step()


def through_pickle(module):
    return pickle.loads(pickle.dumps(module))


def through_torch(module):
    file = io.BytesIO()
    torch.save(module, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


@pytest.mark.parametrize("name", ["max-norm", "weight norm", "GRU"])
@pytest.mark.parametrize("copied", [through_pickle, through_torch, copy.deepcopy])
def test_modules_are_pickled(name, copied):
    network, x = traced(name)
    assert network.axes  # what is cached needs no pickle
    module = network.module()
    twin = copied(copied(module))
    assert torch.equal(twin(x), module(x))
    assert list(twin.state_dict()) == list(module.state_dict())
    assert twin.extract().constraints == network.constraints
    steps(twin, x)
    assert not torch.equal(twin.eval()(x), module(x))  # it trains
    module.load_state_dict(twin.state_dict())
    torch.testing.assert_close(module(x), twin(x))


@pytest.mark.slow
def test_a_pickle_is_read_by_another_process(tmp_path):
    network, x = traced("weight norm")
    module = network.module()
    torch.save(module, tmp_path / "module.pt")
    torch.save(x, tmp_path / "x.pt")
    code = "import torch; m = torch.load('module.pt', weights_only=False); print(float(m(torch.load('x.pt')).sum()))"
    told = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert float(told.stdout) == pytest.approx(float(module(x).detach().sum()), abs=1e-5)


@pytest.mark.parametrize("optimizer", [torch.optim.Adam, torch.optim.SGD])
@pytest.mark.parametrize(
    "made", [lambda m: m, through_pickle, copy.deepcopy, lambda m: nn.Sequential(nn.Identity(), m)]
)
def test_max_norm_holds_in_any_loop(optimizer, made):
    network, x = limited()
    module = made(network.module())
    steps(module, x, optimizer=optimizer)
    own = module[1] if isinstance(module, nn.Sequential) else module
    assert max(norms(own).values()) <= 1 + 1e-5
    assert list(own.state_dict()) == list(network.module().state_dict())
    # the twin that fails: without the hook the same loop breaks the rule
    with imposed_by_hand():
        other = network.module()
        steps(other, x, optimizer=optimizer)
    assert max(norms(other).values()) > 1.2


def test_only_the_module_that_moved_is_limited():
    network, x = limited()
    moved, other = network.module(), network.module()
    other.tensor("14.weight").data.mul_(100)
    steps(moved, x)
    assert norms(other)["14.weight"] > 2
    part = network.module()
    frozen = torch.optim.SGD([part.tensor("3.bias") if "3.bias" in network.tensors else part.tensor("14.bias")], lr=0.1)
    part.tensor("14.weight").data.mul_(100)
    part(x).sum().backward()
    frozen.step()
    assert norms(part)["14.weight"] > 2


def test_skorch_keeps_the_rule():
    skorch = pytest.importorskip("skorch", reason="skorch is not installed: pip install skorch")
    network, x = limited()
    x = torch.randn(20, *x.shape[1:])
    y = torch.arange(20) % network.n_classes
    net = skorch.NeuralNetClassifier(network.module(), criterion=nn.CrossEntropyLoss, lr=1.0, max_epochs=5, verbose=0)
    net.fit(x.numpy(), y.numpy())
    assert max(norms(net.module_).values()) <= 1 + 1e-5


def test_rules_of_other_kinds_are_not_watched():
    network, x = limited()
    bare = replace(network, constraints=(Constraint("14.weight", "weight_norm", dim=0),))
    module = bare.module()
    steps(module, x)
    assert float(module.tensor("14.weight").detach().flatten(1).norm(dim=1).max()) > 0.25
