"""Gates: 1 changes nothing, 0 is the network without the slice, on every axis of every network."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from sampled import MODELS, model_network
from small_networks import SMALL, small

from trimcap._errors import PlanError
from trimcap.graph.trace.trace import trace
from trimcap.prune.plan import make_plan
from trimcap.prune.resize import resize
from trimcap.prune.saliency.gates import closed, downstream, gated, open_gates, sites
from zoo import ZOO, build

F64 = torch.float64
QUICK = ("covariance", "transformer layer", "pieces", "over channels")
NETWORKS = [*ZOO, *MODELS, *(n if n in QUICK else pytest.param(n, marks=pytest.mark.long) for n in SMALL)]


def network_of(name):
    if name in MODELS:
        return model_network(name)
    return trace(*(build if name in ZOO else small)(name))


@pytest.mark.parametrize("name", NETWORKS)
def test_closed_gates_are_the_network_without_the_slices(name):
    """Compared with the network that is really smaller, not with the masked twin, whose code gates share."""
    network = network_of(name)
    axes = [axis for axis in network.axes.prunable if axis.kind == "hidden"]
    x = torch.randn(2, *network.input_shape, dtype=F64)
    module = gated(network, axes).module().double()
    results = replace(network, constraints=()).module().double().run(x, keep=True)
    whole = results[network.output]
    opened = module.run(x, *[open_gates(a, dtype=F64) for a in axes])[network.output]
    torch.testing.assert_close(opened, whole, rtol=1e-12, atol=1e-12)
    changed = 0.0
    for axis in axes:
        gone = [0, axis.size - 1] if axis.size > 2 else [0]
        plan = make_plan(network, {axis.name: [i for i in range(axis.size) if i not in gone]})
        want = replace(resize(network, plan), constraints=()).module().double()(x)
        gates = [closed(a, gone if a is axis else [], dtype=F64) for a in axes]
        torch.testing.assert_close(module.run(x, *gates)[network.output], want, rtol=1e-9, atol=1e-11)
        part = downstream(network, axis)
        inputs = [results[n] for n in list(part.inputs)[1:]]
        again = part.module().double().run(closed(axis, gone, dtype=F64), *inputs)[network.output]
        torch.testing.assert_close(again, want, rtol=1e-9, atol=1e-11)
        changed = max(changed, (want - whole).abs().max().item())
    assert changed > 1e-6  # a gate that does nothing would pass all of the above


def test_downstream_computes_only_what_depends_on_the_axis():
    network = trace(*build("grid"))
    sizes = [len(downstream(network, axis).nodes) for axis in network.axes.hidden]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < len(network.nodes) / 2


def test_every_window_may_have_gates_of_its_own():
    network = trace(*build("depth multiplier 2"))
    axes = list(network.axes.prunable)
    module = gated(network, axes).module().double()
    x = torch.randn(3, *network.input_shape, dtype=F64)
    own = [torch.rand(3, a.size + 1, dtype=F64) for a in axes]
    for gate in own:
        gate[:, -1] = 1
    together = module.run(x, *own)[network.output]
    alone = torch.cat([module.run(x[i : i + 1], *[g[i : i + 1] for g in own])[network.output] for i in range(3)])
    torch.testing.assert_close(together, alone)


def test_an_axis_that_nothing_reads():
    network = trace(*build("grid"))
    frozen = network.axes["10"]  # the classes
    with pytest.raises(PlanError, match=r"nothing in .* reads the slices of axis '10'; leave it out"):
        sites(network, frozen)
