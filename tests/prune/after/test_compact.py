"""Constant slices leave without a trace: same function, fewer slices; what can't leave is told."""

from __future__ import annotations

from functools import cache
from importlib import import_module

import pytest
import torch
from torch import nn

from trimcap._errors import PlanError
from trimcap.graph.trace.trace import trace
from trimcap.prune.after.compact import compact, difference
from trimcap.prune.after.constants import constants
from trimcap.prune.after.soft import scales_off, silent_plan, zeroed
from trimcap.prune.choose.keep import keep_top
from trimcap.prune.plan import Plan, make_plan
from trimcap.prune.saliency.by_weights import random
from trimcap.prune.shrink import shrink
from zoo import ZOO, build

#: whose axes a layer norm or a recurrent layer runs over, so that a constant slice still counts there
STAY = {"attention head": {"embed", "qkv.3"}, "GRU": {"conv", "rnn.2"}, "LSTM": {"conv", "rnn.2"}}


@cache
def traced(name):
    return trace(*build(name))


def half_off(name, sparsity=0.5, seed=0):
    network = traced(name)
    plan = keep_top(network, random(network, seed=seed), sparsity)
    return network, plan, zeroed(network, plan)


def removed(found):
    return {axis: size - len(found.plan.keep[axis]) for axis, size in found.plan.sizes.items()}


@pytest.mark.parametrize("borders", ["carry", "map"])
@pytest.mark.parametrize("name", ZOO)
def test_the_function_stays_to_1e_6_on_every_network(name, borders):
    _, plan, off = half_off(name)
    found = compact(off, borders=borders, only=plan)
    x = torch.randn(8, *off.input_shape, generator=torch.Generator().manual_seed(11))
    scale = off(x).abs().max()
    assert (found.network(x) - off(x)).abs().max() <= 1e-5 * scale  # float32
    assert difference(off, found.network, seed=5) <= 1e-6
    wanted = {axis: plan.sizes[axis] - len(kept) for axis, kept in plan.keep.items() if axis not in STAY.get(name, ())}
    if borders == "map":  # then all of them go
        assert removed(found) == wanted
        assert set(found.left) == STAY.get(name, set())
    for axis, kept in plan.keep.items():  # and never another one than was zeroed
        assert set(kept) <= set(found.plan.keep.get(axis, range(plan.sizes[axis])))


@pytest.mark.parametrize("name", ["grid", "TSCeption", "residual", "squeeze-excitation"])
def test_dropping_the_constants_is_not_the_same(name):
    """The twin that must fail: plain shrinking forgets what zeroed filters still say."""
    _, plan, off = half_off(name)
    assert difference(off, shrink(off, plan)) > 1e-3


def test_behind_zero_padding_one_filter_carries_all_others():
    _, plan, off = half_off("grid")
    found = compact(off, only=plan)
    assert {axis: len(n) for axis, n in found.carried.items()} == {"1": 1}
    assert removed(found) == {"1": 5, "3": 10, "7": 16}
    assert found.carried["1"][0] not in plan.keep["1"]
    assert "slices [" in str(found)
    assert "carry the removed" in str(found)


def test_a_map_holds_what_a_convolution_of_the_constants_gives():
    _, plan, off = half_off("grid")
    found = compact(off, borders="map", only=plan, axes=["1"])
    name = next(n for n in found.network.tensors if n.endswith("border"))
    assert name in found.network.trainable
    dead = [i for i in range(12) if i not in plan.keep["1"]]
    known = constants(off)
    reader = next(n for n in off.nodes if n.kind == "conv2d" and n.args[1].name.startswith("3."))
    inside = torch.nan_to_num(known[reader.args[0].name])[:, dead]
    want = nn.functional.conv2d(inside, off.tensors["3.weight"][:, dead].double(), padding=1)
    assert torch.allclose(found.network.tensors[name].double(), want, atol=1e-6)
    assert (want - want[..., 2:3, 2:3]).abs().max() > 1e-3  # borders do differ


def test_interior_takes_the_middle_and_says_by_how_much_it_is_wrong():
    _, plan, off = half_off("grid")
    found = compact(off, borders="interior", only=plan)
    assert removed(found) == {"1": 6, "3": 10, "7": 16}
    assert 1e-4 < found.error < 0.5
    assert found.error == difference(off, found.network)
    assert difference(off, shrink(off, plan)) > found.error  # better than forgetting


def test_a_constant_that_is_zero_leaves_without_a_carrier():
    network = trace(*build("grid"))
    plan = keep_top(network, random(network), 0.5)
    low = network.with_tensors({n: -t.abs() if n == "1.bias" else t for n, t in network.tensors.items()})
    found = compact(zeroed(low, plan), only=plan)
    assert not found.carried
    assert removed(found)["1"] == 6


def test_unread_slices_leave_although_they_are_not_constant():
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 6), nn.ReLU(), nn.Linear(6, 2))
    with torch.no_grad():
        model[3].weight[:, [1, 4]] = 0
    network = trace(model, torch.randn(2, 3, 4))
    found = compact(network)
    assert found.plan.keep == {"1": (0, 2, 3, 5)}
    assert difference(network, found.network) <= 1e-6


def test_when_everything_is_constant_one_slice_stays():
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 6), nn.ReLU(), nn.Linear(6, 2))
    with torch.no_grad():
        model[1].weight.zero_()
    network = trace(model, torch.randn(2, 3, 4))
    found = compact(network)
    assert found.plan.keep == {"1": (0,)}
    assert difference(network, found.network) <= 1e-6


def test_a_shared_bias_is_not_shared_any_more():
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(4, 6), nn.Linear(4, 6)
            self.c, self.d = nn.Linear(6, 3, bias=False), nn.Linear(6, 3, bias=False)
            self.bias = nn.Parameter(torch.randn(3))

        def forward(self, x):
            c = nn.functional.linear(torch.relu(self.a(x[:, 0])), self.c.weight, self.bias)
            return c * nn.functional.linear(torch.tanh(self.b(x[:, 1])), self.d.weight, self.bias)

    torch.manual_seed(0)
    network = trace(Shared(), torch.randn(2, 2, 4))
    plan = make_plan(network, {"a": [0, 1, 2], "b": [3, 4, 5]})
    off = zeroed(network, plan)
    found = compact(off)
    assert found.plan.keep == plan.keep
    assert difference(off, found.network) <= 1e-6
    (new,) = {"c.bias", "d.bias"} & found.network.trainable
    assert not torch.equal(found.network.tensors[new], found.network.tensors["bias"])


def test_a_reader_without_a_bias_gets_one():
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 6), nn.ReLU(), nn.Linear(6, 2, bias=False))
    network = trace(model, torch.randn(2, 3, 4))
    off = zeroed(network, make_plan(network, {"1": [0, 1, 2]}))
    found = compact(off)
    assert difference(off, found.network) <= 1e-6
    want = off.tensors["3.weight"][:, 3:] @ torch.relu(off.tensors["1.bias"][3:])
    assert torch.allclose(found.network.tensors["3.bias"], want, atol=1e-6)
    assert "3.bias" in found.network.trainable


@pytest.mark.parametrize("sparsity", [0.1, 0.5, 0.8])
def test_batch_norm_with_scale_zero_leaves_its_shift_to_the_reader(sparsity):
    """conv – ReLU – batch norm: the removed channel is β, at every position, and 0 in the padding."""
    from trimcap.models import FBCCNN
    from trimcap.prune.saliency.by_weights import bn_scale

    torch.manual_seed(0)
    model = FBCCNN(3, 5, 4, 2, widths=(6, 8, 10, 8, 6, 8, 5), hidden=(8, 6)).eval()
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight)
            nn.init.normal_(layer.bias)
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
    network = trace(model, torch.randn(2, 3, 5, 4))
    axes = [a.name for a in network.axes.hidden if "block" in a.name or "conv" in a.name]
    axes = [a for a in axes if network.axes[a].size in (6, 8, 10, 5)][:7]
    plan = keep_top(network, bn_scale(network, axes=axes), sparsity, scope="threshold")
    total = sum(network.axes[a].size for a in axes)
    assert sum(plan.sizes[a] - len(plan.keep[a]) for a in axes) == int(sparsity * total) > 0
    off = scales_off(network, plan)
    exact = compact(off, borders="map", only=plan)
    assert exact.plan.keep == {a: k for a, k in plan.keep.items() if len(k) < plan.sizes[a]}
    assert difference(off, exact.network) <= 1e-6
    assert difference(off, compact(off, only=plan).network) <= 1e-6
    assert difference(off, shrink(off, plan)) > 1e-3


def test_nothing_constant_is_the_network_itself():
    network = trace(*build("grid"))
    found = compact(network)
    assert found.network is network
    assert found.plan.keep == {}
    assert "no slice is constant" in str(found)


def test_what_a_plan_drops_and_the_network_needs_is_told():
    network = trace(*build("grid"))
    found = compact(network, only=make_plan(network, {"1": range(10)}))
    assert found.network is network
    assert found.left["1"].startswith("slices [10, 11] stay: they are not constant for 3 (conv2d)")
    with pytest.raises(PlanError, match="unknown axis '9'"):
        compact(network, only=Plan({"9": (0,)}, {"9": 2}))
    _, plan, off = half_off("GRU")
    assert "rnn" in compact(off, only=plan).left["conv"]


def test_silent_plan_finds_what_was_zeroed():
    _, plan, off = half_off("TSCeption")
    assert silent_plan(off).keep == plan.keep


def test_a_wrong_fold_is_refused(monkeypatch):
    _, plan, off = half_off("grid")
    monkeypatch.setattr(import_module("trimcap.prune.after.compact"), "folded", lambda network, *_, **__: network)
    with pytest.raises(PlanError, match=r"compacting changed .* nothing was returned"):
        compact(off, only=plan)
    with pytest.raises(ValueError, match="did you mean 'map'"):
        compact(off, borders="maps")


@pytest.mark.parametrize("name", ZOO)
def test_constants_are_what_the_network_computes_whatever_it_is_given(name):
    _, _, off = half_off(name)
    known = constants(off)
    run = off.module().double()
    found = 0
    for seed in range(2):
        x = 3 * torch.randn(1, *off.input_shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        with torch.no_grad():
            results = run.run(x, keep=True)
        for node in off.nodes:
            value, got = known[node.name], results[node.name]
            if isinstance(value, torch.Tensor) and value.shape == got.shape:
                sure = ~value.isnan()
                found += int(sure.sum())
                assert torch.allclose(value[sure], got[sure].double(), atol=1e-9)
    assert found > 0
