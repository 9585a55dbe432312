"""Pruned == masked twin on every architecture; a wrong index, a wrong plan and a plan that does nothing are refused."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from trimcap._errors import PlanError
from trimcap.graph.axes import Axes
from trimcap.graph.trace.trace import trace
from trimcap.prune.choose.keep import keep_electrodes
from trimcap.prune.plan import Plan, make_plan
from trimcap.prune.resize import resize
from trimcap.prune.saliency.by_weights import l1
from trimcap.prune.shrink import shrink, twin_error
from trimcap.prune.twin import silence
from zoo import ZOO, build

_NETWORKS = {}


def network_of(name):
    if name not in _NETWORKS:
        _NETWORKS[name] = trace(*build(name))
    return _NETWORKS[name]


def random_plan(network, fraction, seed, axes=None):
    generator = torch.Generator().manual_seed(seed)
    keep = {}
    for axis in axes or network.axes.prunable:
        n = max(1, round(axis.size * (1 - fraction)))
        keep[axis.name] = sorted(torch.randperm(axis.size, generator=generator)[:n].tolist())
    return make_plan(network, keep)


@pytest.mark.parametrize("fraction", [0.3, 0.8])
@pytest.mark.parametrize("name", ZOO)
def test_pruned_equals_masked_twin_on_every_axis_at_once(name, fraction):
    network = network_of(name)
    plan = random_plan(network, fraction, seed=3)
    small = shrink(network, plan)
    assert twin_error(network, small, plan, seed=7) <= 1e-12
    assert small.n_parameters < network.n_parameters
    # not vacuous: pruning changed the function, and the function depends on its input
    x = torch.randn(4, *network.input_shape)
    if "electrodes" not in plan.keep and "bands" not in plan.keep:
        assert (small(x) - network(x)).abs().max() > 1e-4
    assert small(torch.randn(4, *small.input_shape)).std(0).max() > 1e-6


@pytest.mark.parametrize("name", ZOO)
def test_each_axis_alone(name):
    network = network_of(name)
    for axis in network.axes.prunable:
        plan = random_plan(network, 0.5, seed=1, axes=[axis])
        assert twin_error(network, shrink(network, plan), plan) <= 1e-12


@pytest.mark.parametrize("name", ZOO)
def test_another_plan_is_not_the_twin(name):
    """The oracle can fail: the same counts with other slices differ visibly."""
    network = network_of(name)
    plan = random_plan(network, 0.5, seed=1)
    other = make_plan(network, {n: [(i + 1) % plan.sizes[n] for i in kept] for n, kept in plan.keep.items()})
    assert other.keep != plan.keep
    assert twin_error(network, resize(network, plan), other) > 1e-4


def test_a_wrong_index_is_caught(monkeypatch):
    """Rows of one weight dimension taken in the wrong order: shrink refuses to return."""
    network = network_of("inception")
    plan = random_plan(network, 0.5, seed=1)
    right = Axes.index
    wrong_dim = network.axes.tensor_dims["head.weight"][1]

    def reversed_for_head(self, dim, keep):
        rows = right(self, dim, keep)
        return rows.flip(0) if dim is wrong_dim else rows

    with monkeypatch.context() as patch:
        patch.setattr(Axes, "index", reversed_for_head)
        with pytest.raises(PlanError, match="differs from its masked twin"):
            shrink(network, plan)


def test_a_wrong_index_is_caught_in_a_network_whose_output_is_always_the_same(monkeypatch):
    """All units of the last layer but one are off, so that no wrong slice could show in the output."""
    network = network_of("residual")
    dead = {n: t - 100.0 if n.startswith("c.1.bias") else t for n, t in network.tensors.items()}
    network = network.with_tensors(dead)
    x = torch.randn(3, *network.input_shape)
    assert (network(x) - network(x[:1])).abs().max() == 0
    plan = random_plan(network, 0.5, seed=1)
    shrink(network, plan)
    right = Axes.index

    def rolled(self, dim, keep):
        rows = right(self, dim, keep)
        wrong = any(dim is dims[1] for name, dims in self.tensor_dims.items() if name == "b.0.weight")
        return rows.roll(1) if wrong else rows

    with monkeypatch.context() as patch:
        patch.setattr(Axes, "index", rolled)
        with pytest.raises(PlanError, match="differs from its masked twin"):
            shrink(network, plan)


def test_pruned_network_is_pruned_again():
    network = network_of("depth multiplier 2")
    once = shrink(network, random_plan(network, 0.3, seed=1))
    twice = shrink(once, random_plan(once, 0.5, seed=2))
    assert twice.n_parameters < once.n_parameters < network.n_parameters


def test_pruning_the_rest_of_nothing_is_the_identity_of_the_twin():
    """0 % pruned: silence changes nothing."""
    network = network_of("residual")
    everything = make_plan(network, {a.name: range(a.size) for a in network.axes.prunable})
    x = torch.randn(2, *network.input_shape)
    assert torch.equal(silence(network, everything)(x), network(x))
    assert torch.equal(resize(network, everything)(x), network(x))


def test_biases_and_statistics_are_kept():
    """The published code re-randomised biases of pruned layers; ours are the selected ones."""
    network = network_of("residual")
    small = shrink(network, make_plan(network, {"stem": [0, 5, 7]}))
    for name in ("stem.bias", "a.1.running_var", "b.0.bias"):
        assert torch.equal(small.tensors[name], network.tensors[name][[0, 5, 7]])


def test_a_plan_that_removes_nothing_is_an_error():
    network = network_of("shallow")
    with pytest.raises(PlanError, match="removes nothing from"):
        shrink(network, make_plan(network, {"1": range(12)}))
    with pytest.raises(PlanError, match="removes nothing from"):
        shrink(network, Plan({}, {}))


def test_plan_of_another_network():
    small = network_of("depth multiplier 2")
    plan = make_plan(small, {"1": [0, 1]})
    with pytest.raises(PlanError, match=r"for another network: its axis '1' has 6 slices, .* has 12"):
        shrink(network_of("shallow"), plan)


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        ({"tempral": [0]}, "unknown axis 'tempral'"),
        ({"times": [0]}, "can't be pruned: times of the input"),
        ({"1": []}, "keeps 0 of 12 slices"),
        ({"1": [12]}, r"has slices 0…11"),
    ],
)
def test_impossible_plans(keep, message):
    with pytest.raises(PlanError, match=message):
        make_plan(network_of("shallow"), keep)


def test_plan_survives_the_disk(tmp_path):
    network = network_of("shallow")
    plan = make_plan(network, {"1": [0, 3], "electrodes": [1]}, requested={"1": 0.8}, note="why")
    assert Plan.load(plan.save(tmp_path / "plan.json")) == plan
    (tmp_path / "plan.json").write_text('{"keep": 3}')
    with pytest.raises(PlanError, match="is not a plan"):
        Plan.load(tmp_path / "plan.json")


def test_electrode_names_follow():
    model, x = build("shallow")
    network = trace(model, x, channels=("Fp1", "Fp2", "C3", "C4", "P3", "P4", "O1", "O2"))
    small = shrink(network, make_plan(network, {"electrodes": [2, 3, 6]}))
    assert small.channels == ("C3", "C4", "O1")
    assert small.input_shape == (3, 64)


class Pairs(nn.Module):
    """Reads electrodes as (hemisphere, position): the axis is a product of two."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(2, 5, (4, 9)), nn.Linear(5, 2)

    def forward(self, x):
        return self.head(torch.relu(self.conv(x.reshape(-1, 2, 4, 16))).mean((2, 3)))


def test_electrode_names_follow_a_product_of_axes():
    names = ("Fp1", "C3", "P3", "O1", "Fp2", "C4", "P4", "O2")
    network = trace(Pairs(), torch.randn(2, 8, 16), channels=names)
    assert shrink(network, make_plan(network, {"electrodes": [1]})).channels == names[4:]
    assert shrink(network, make_plan(network, {"electrodes.1": [0, 3]})).channels == ("Fp1", "O1", "Fp2", "O2")
    for wanted in (("Fp1", "C3"), 1):
        with pytest.raises(PlanError, match=r"reads its 8 electrodes in groups.* electrodes \(2\), electrodes.1 \(4\)"):
            keep_electrodes(network, wanted, scores=l1(network, axes=["electrodes"]))


class Scaled(nn.Module):
    """Weights computed from other tensors; limits per channel; a pool whose size depends on the electrodes."""

    def __init__(self):
        super().__init__()
        self.weight, self.gain = nn.Parameter(torch.randn(6, 1, 1, 3)), nn.Parameter(torch.randn(6, 1, 1, 1))
        self.register_buffer("limit", torch.rand(6, 1, 1))
        self.pool, self.spatial = nn.AdaptiveAvgPool2d((None, 4)), nn.Conv2d(6, 5, (4, 1), bias=False)
        self.scale, self.head = nn.Parameter(torch.randn(5, 1, 1, 1)), nn.Linear(20, 2)

    def forward(self, x):
        x = nn.functional.conv2d(x[:, None], self.weight * self.gain)
        x = self.pool(torch.clamp(x, -self.limit, self.limit))
        return self.head(nn.functional.conv2d(x, self.spatial.weight * self.scale).flatten(1))


def test_computed_weights_limits_per_channel_and_adaptive_pools():
    network = trace(Scaled(), torch.randn(2, 4, 16))
    assert {a.size for a in network.axes.prunable} == {4, 5, 6}
    for axis in network.axes.prunable:
        plan = random_plan(network, 0.5, seed=1, axes=[axis])
        small = shrink(network, plan)
        other = make_plan(network, {axis.name: [(i + 1) % axis.size for i in plan.keep[axis.name]]})
        assert twin_error(network, small, other) > 1e-4
        results = small.module().run(torch.randn(1, *small.input_shape), keep=True)
        assert all(tuple(results[node.name].shape) == node.shape for node in small.nodes)


def test_same_parameter_counts_as_torch_pruning():
    """Independent implementation, on networks it handles: halving every filter axis leaves the same parameters."""
    tp = pytest.importorskip("torch_pruning")
    for name in ("residual", "shallow"):
        model, x = build(name)
        network = network_of(name)
        scores = l1(network)
        plan = make_plan(
            network, {n: v.argsort()[len(v) - len(v) // 2 :] for n, v in scores.values.items() if len(v) % 2 == 0}
        )
        ours = shrink(network, plan).n_parameters
        head = [m for m in model.modules() if isinstance(m, torch.nn.Linear)][-1]
        for parameter in model.parameters():
            parameter.requires_grad_(True)
        tp.pruner.BasePruner(
            model, x, importance=tp.importance.MagnitudeImportance(p=1), pruning_ratio=0.5, ignored_layers=[head]
        ).step()
        assert ours == sum(p.numel() for p in model.parameters())
