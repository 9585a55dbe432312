"""Every idiom is pruned exactly, with several random weights; the twin sees wrong slices in each of them."""

from __future__ import annotations

import functools

import pytest
import torch
from small_networks import SMALL, small
from torch import nn

from trimcap._errors import PlanError
from trimcap.graph.axes import Axes
from trimcap.graph.network import Network
from trimcap.graph.save import load, save
from trimcap.graph.trace.trace import trace
from trimcap.prune.plan import make_plan
from trimcap.prune.resize import resize
from trimcap.prune.shrink import shrink, twin_error


@functools.cache
def network_of(name: str, seed: int = 0) -> Network:
    return trace(*small(name, seed))


def random_plan(network, seed, axes=None, fraction=0.5):
    generator = torch.Generator().manual_seed(seed)
    keep = {}
    for axis in axes or network.axes.prunable:
        n = max(1, round(axis.size * (1 - fraction)))
        keep[axis.name] = torch.randperm(axis.size, generator=generator)[:n].tolist()
    return make_plan(network, keep)


@pytest.mark.parametrize("name", SMALL)
def test_the_axes_that_can_go(name):
    assert sorted(a.size for a in network_of(name).axes.hidden) == SMALL[name][1]


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in (1, 2))])
@pytest.mark.parametrize("name", SMALL)
def test_exact_with_several_weights_and_plans(name, seed):
    network = network_of(name, seed)
    for fraction in (0.3, 0.5, 0.8):
        plan = random_plan(network, seed, fraction=fraction)
        pruned = shrink(network, plan)
        assert twin_error(network, pruned, plan, seed=9) <= 1e-12
        assert pruned.n_parameters < network.n_parameters
        results = pruned.module().run(torch.randn(1, *pruned.input_shape), keep=True)
        for node in pruned.nodes:
            if node.shape and isinstance(results[node.name], torch.Tensor):
                assert tuple(results[node.name].shape) == node.shape, node


@pytest.mark.parametrize("name", SMALL)
def test_each_axis_alone_and_the_twin_sees_other_slices(name):
    network = network_of(name)
    for axis in network.axes.prunable:
        plan = random_plan(network, 1, [axis])
        pruned = shrink(network, plan)
        assert twin_error(network, pruned, plan) <= 1e-12
        other = make_plan(network, {axis.name: [(i + 1) % axis.size for i in plan.keep[axis.name]]})
        assert twin_error(network, pruned, other) > 1e-6, axis.name


#: a bias of keys adds the same to the scores of all tokens; a norm of each channel takes its bias away; the axis of a
#: weight that is used both ways may come in any order
WITHOUT_EFFECT = {
    ("separate projections", "k.bias"),
    ("linear attention", "k.bias"),
    ("as many groups as channels", "a.bias"),
    ("shared", "tied"),
}


QUICK = ("transformer layer", "LSTM, two layers", "three groups", "pieces", "grouped transposed convolution")


@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.long) for n in SMALL])
def test_a_wrong_index_of_any_weight_is_seen(name, monkeypatch):
    """Slices of one tensor dimension taken in another order, one after the other: never the twin."""
    network = network_of(name)
    plan = random_plan(network, 1, fraction=0.3)
    right = Axes.index
    caught = 0
    for tensor in network.tensors:
        for dim in () if (name, tensor) in WITHOUT_EFFECT else network.axes.tensor_dims[tensor]:
            rows = right(network.axes, dim, plan.keep)
            if len(rows) < 2 or len(rows) == len(right(network.axes, dim, {})):
                continue

            def turned(self, asked, keep, wrong=dim):
                return right(self, asked, keep).roll(1) if asked is wrong else right(self, asked, keep)

            with monkeypatch.context() as patch:
                patch.setattr(Axes, "index", turned)
                wrong = resize(network, plan)
            assert _differs(network, wrong, plan), tensor
            caught += 1
    assert caught


def _differs(network, wrong, plan):
    try:
        return twin_error(network, wrong, plan) > 1e-9
    except PlanError:  # a wrong list of places names one that is gone
        return True


@pytest.mark.parametrize("name", ["transformer layer", "LSTM, both directions, no bias", "three groups", "pieces"])
def test_pruned_twice_and_saved(name, tmp_path):
    network = network_of(name)
    once = shrink(network, random_plan(network, 1, network.axes.hidden, fraction=0.3))
    twice = shrink(once, random_plan(once, 2, once.axes.hidden, fraction=0.4))
    assert twice.n_parameters < once.n_parameters
    save(twice, tmp_path / "small")
    x = torch.randn(3, *twice.input_shape)
    assert torch.equal(load(tmp_path / "small")(x), twice(x))


def test_the_norm_of_what_is_left_is_the_norm_of_the_smaller_layer():
    """The twin of a layer norm, re-derived: mean and variance over the kept features only."""
    network = network_of("layer norm")
    kept = [0, 3, 4, 8]
    pruned = shrink(network, make_plan(network, {"a": kept}))
    t = {name: value.double() for name, value in network.tensors.items()}
    x = torch.randn(2, *network.input_shape, dtype=torch.float64)
    y = torch.nn.functional.conv1d(x, t["a.weight"], t["a.bias"])[:, kept].transpose(1, 2)
    mean = y.sum(-1, keepdim=True) / 4
    y = (y - mean) / (((y - mean) ** 2).sum(-1, keepdim=True) / 4 + 1e-5).sqrt()
    y = (y * t["norm.weight"][kept] + t["norm.bias"][kept]) @ t["b.weight"][:, kept].T + t["b.bias"]
    want = torch.nn.functional.gelu(y).mean(1) @ t["head.weight"].T + t["head.bias"]
    got = pruned.module().double()(x)
    assert (got - want).abs().max() <= 1e-12 * want.abs().max()


def test_attention_keeps_its_scale():
    network = network_of("separate projections")
    axis = next(a for a in network.axes.hidden if a.size == 5)
    pruned = shrink(network, make_plan(network, {axis.name: [0, 2]}))
    assert [n.kwargs["scale"] for n in pruned.nodes if n.kind == "scaled_dot_product_attention"] == [5**-0.5]


def test_a_plan_of_a_frozen_axis_says_why():
    network = network_of("assigned")
    with pytest.raises(PlanError, match="times of the input"):
        make_plan(network, {"times": [0]})


class TwoInputs(nn.Module):
    """A window, and features of it such as the subject's age, joined before the last layers."""

    def __init__(self):
        super().__init__()
        self.conv, self.side = nn.Conv1d(6, 8, 5), nn.Linear(7, 5)
        self.joined, self.head = nn.Linear(13, 9), nn.Linear(9, 3)

    def forward(self, x, features):
        seen = torch.cat([torch.relu(self.conv(x)).mean(-1), torch.tanh(self.side(features))], 1)
        return self.head(torch.relu(self.joined(seen)))


class UnderAStar(TwoInputs):
    """The same, with a signature that does not name its inputs."""

    def forward(self, *inputs):
        return super().forward(*inputs)


@pytest.mark.parametrize(("kind", "second"), [(TwoInputs, "features"), (UnderAStar, "inputs_1")])
def test_a_model_with_two_inputs(kind, second, tmp_path):
    model = kind().eval()
    network = trace(model, (torch.randn(2, 6, 24), torch.randn(2, 7)))
    x, features = torch.randn(4, 6, 24), torch.randn(4, 7)
    assert torch.allclose(network(x, features), model(x, features), atol=1e-6)
    assert {(a.name, a.size, a.kind) for a in network.axes.prunable} == {
        ("electrodes", 6, "input"),
        (f"{second}.features", 7, "input"),
        ("conv", 8, "hidden"),
        ("side", 5, "hidden"),
        ("joined", 9, "hidden"),
    }
    plan = random_plan(network, 1)
    pruned = shrink(network, plan)
    assert list(pruned.inputs.values()) == [(3, 24), (4,)]
    assert twin_error(network, pruned, plan, seed=3) <= 1e-12
    other = make_plan(network, {f"{second}.features": [(i + 1) % 7 for i in plan.keep[f"{second}.features"]]})
    alone = make_plan(network, {f"{second}.features": plan.keep[f"{second}.features"]})
    assert twin_error(network, resize(network, alone), other) > 1e-6
    save(pruned, tmp_path / "two")
    kept = [plan.keep["electrodes"], plan.keep[f"{second}.features"]]
    assert torch.equal(
        load(tmp_path / "two")(x[:, kept[0]], features[:, kept[1]]), pruned(x[:, kept[0]], features[:, kept[1]])
    )
