"""Every rewrite computes the same function, is applied where it is exact and pays, and only there."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from trimcap.graph import rewrite as module
from trimcap.graph import rewrite_spatial
from trimcap.graph.cost import cost
from trimcap.graph.network import Ref
from trimcap.graph.rewrite import (
    RULES,
    evaluate_constants,
    fold_batch_norm,
    fold_constants,
    fold_padding,
    largest_difference,
    merge_filters,
    merge_linear,
    merge_reshapes,
    remove_dropout,
    rewrite,
    spatial_first,
)
from trimcap.graph.rewrite_affine import affine_of
from trimcap.graph.trace import trace
from trimcap.models.eegnet import EEGNet
from trimcap.models.scaled import Scaled
from zoo import ZOO, build

C, T = 8, 32


def settled(model):
    """The model with batch-norm statistics and affine parameters that are not 0 and 1."""
    for layer in model.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            if layer.running_mean is not None:
                layer.running_mean.normal_(0, 0.5)
                layer.running_var.uniform_(0.5, 2)
            if layer.weight is not None:
                layer.weight.data.uniform_(-1.5, 1.5)
                layer.bias.data.normal_(0, 0.5)
    return model.eval()


def network_of(*layers, shape=(C, T)):
    torch.manual_seed(0)
    model = settled(nn.Sequential(*layers) if len(layers) > 1 else layers[0])
    return trace(model, torch.randn(2, *shape))


def kinds(network):
    return [node.kind for node in network.nodes]


def assert_same(a, b):
    """The definition of exact: the original's output in float64, within the rounding of float32 weights."""
    error = largest_difference(a, b)
    assert error <= 1e-6, error


class Maps(nn.Module):
    """(n, C, T) as one map: (n, 1, C, T)."""

    def forward(self, x):
        return x.unsqueeze(1)


@cache
def eegnet(electrodes=32, times=256, depth=2):
    torch.manual_seed(0)
    model = settled(EEGNet(electrodes, times, 3, D=depth))
    return trace(model, torch.randn(2, electrodes, times))


# --- what the whole must reach ---------------------------------------------------------------------------------


def test_eegnet_has_8_times_fewer_macs_and_6_times_less_sram():
    result = rewrite(eegnet())
    before, after = result.before, result.after
    assert (before.macs, after.macs) == (4358528, 426368)
    assert before.macs >= 8 * after.macs
    assert before.sram_bytes >= 6 * after.sram_bytes
    assert cost(eegnet(), bits=8).sram_bytes >= 6 * cost(result.network, bits=8).sram_bytes
    assert result.error <= 1e-6
    assert_same(eegnet(), result.network)
    assert "batch_norm" not in kinds(result.network)
    assert "dropout" not in kinds(result.network)
    assert result.left == ()
    assert any("put spatial (conv2d) before temporal (conv2d) (MACs 4,358,528 → 426,368" in w for w in result.applied)
    assert "10.2×" in str(result)


def test_float32_outputs_agree_too():
    x = torch.randn(16, 32, 256)
    want, got = eegnet()(x), rewrite(eegnet()).network(x)
    assert (want - got).abs().max() <= 1e-6 * want.abs().max()


def test_an_artifact_takes_microvolts():
    rng = np.random.default_rng(0)
    mean, std = rng.normal(0, 20, (C, 1)), rng.uniform(5, 40, (C, 1))
    network = network_of(Scaled(EEGNet(C, T, 2), mean, std))
    result = rewrite(network)
    assert kinds(result.network)[:2] == ["reshape", "conv2d"]
    assert not {"sub", "div", "batch_norm"} & set(kinds(result.network))
    assert_same(network, result.network)
    x = torch.randn(4, C, T) * 30
    torch.testing.assert_close(result.network(x), network(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["depth multiplier 3", "shallow", "TSCeption", "inception", "separable"])
def test_zoo(name):
    zoo_network_stays_itself(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", ZOO)
def test_whole_zoo(name):
    zoo_network_stays_itself(name)


def zoo_network_stays_itself(name):
    model, example = build(name)
    network = trace(model, example)
    result = rewrite(network)
    assert_same(network, result.network)
    assert result.after.macs <= result.before.macs
    assert result.after.sram_bytes <= result.before.sram_bytes
    for node in result.network.nodes:  # shapes that were written down are the shapes that are computed
        got = result.network.module().run(example[:1].float(), keep=True)[node.name]
        if isinstance(got, torch.Tensor):
            assert tuple(got.shape) == node.shape, node


def test_a_rewritten_network_trains_and_is_pruned():
    network = rewrite(eegnet()).network
    model = network.module().train()
    model(torch.randn(4, 32, 256)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
    assert set(network.trainable) == {name for name, _ in model.named_parameters()}
    prunable = {axis.name: axis.size for axis in network.axes.prunable}
    assert prunable["electrodes"] == 32
    assert prunable["temporal"] == 16  # F·D filters
    assert prunable["separable_point"] == 16


def test_lost_constraints_are_noted():
    network = eegnet()
    assert {rule.tensor for rule in network.constraints} == {"spatial.weight", "dense.weight"}
    after = rewrite(network).network
    assert {rule.tensor for rule in after.constraints} == {"dense.weight"}
    assert any("'spatial.weight': its max-norm constraint (1) was dropped" in note for note in after.notes)


# --- spatial first ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("padding", ["same", 0, (0, 3)])
def test_swap_equals_the_formula(depth, padding):
    filters = 4
    network = network_of(
        Maps(),
        nn.Conv2d(1, filters, (1, 6), padding=padding),
        nn.Conv2d(filters, filters * depth, (C, 1), groups=filters),
    )
    after = spatial_first(network)
    assert_same(network, after)
    time, space = network.tensors["1.weight"], network.tensors["2.weight"]
    b, c = network.tensors["1.bias"], network.tensors["2.bias"]
    first, second = (node for node in after.nodes if node.kind == "conv2d")
    assert after.shape_of(first.inputs[1]) == (filters * depth, 1, C, 1)
    assert after.shape_of(second.inputs[1]) == (filters * depth, 1, 1, 6)
    assert first.arg(2) is None
    for o in range(filters * depth):
        f = o // depth
        torch.testing.assert_close(after.tensors[second.inputs[1]][o], time[f])
        torch.testing.assert_close(after.tensors[first.inputs[1]][o], space[o])
        bias = after.tensors[second.inputs[2]][o]
        torch.testing.assert_close(bias, b[f] * space[o].sum() + c[o])


def test_the_other_layout():
    class Transposed(nn.Module):  # (n, 1, times, electrodes), as braindecode has it
        def forward(self, x):
            return x.transpose(1, 2).unsqueeze(1)

    network = network_of(
        Transposed(), nn.Conv2d(1, 4, (5, 1), stride=(2, 1)), nn.BatchNorm2d(4), nn.Conv2d(4, 8, (1, C), groups=4)
    )
    result = rewrite(network)
    assert result.after.macs < result.before.macs
    assert [n.layer for n in result.network.nodes if n.kind == "conv2d"] == ["3", "1"]
    assert_same(network, result.network)


def test_hemispheres():
    """A spatial filter with a stride: half of the electrodes at a time."""
    network = network_of(
        Maps(), nn.Conv2d(1, 4, (1, 5), dilation=(1, 2)), nn.Conv2d(4, 8, (C // 2, 1), stride=(C // 2, 1), groups=4)
    )
    after = rewrite(network)
    assert any("put 2" in words for words in after.applied)
    assert_same(network, after.network)


def test_full_spatial_filters_merge():
    network = network_of(
        Maps(), nn.Conv2d(1, 10, (1, 7)), nn.Conv2d(10, 10, (C, 1), bias=False), nn.BatchNorm2d(10), nn.ELU()
    )
    result = rewrite(network)
    assert kinds(result.network) == ["reshape", "conv2d", "elu"]
    assert_same(network, result.network)
    assert_same(fold_batch_norm(network), merge_filters(fold_batch_norm(network)))
    time, space = network.tensors["1.weight"][:, 0, 0].double(), network.tensors["2.weight"][..., 0].double()
    scale = network.tensors["3.weight"] / (network.tensors["3.running_var"] + 1e-5).sqrt()
    expected = torch.einsum("o,ofe,ft->oet", scale.double(), space, time)
    torch.testing.assert_close(result.network.tensors["2.weight"][:, 0].double(), expected, rtol=1e-5, atol=1e-6)


def test_full_spatial_filters_swap_where_that_is_cheaper():
    network = network_of(Maps(), nn.Conv2d(1, 2, (1, 16)), nn.Conv2d(2, 3, (C, 1)))
    swapped, merged = (change.network for change in rewrite_spatial.filter_orders(network))
    assert_same(network, swapped)
    assert_same(network, merged)
    assert cost(swapped).macs < cost(network).macs
    assert cost(swapped).macs < cost(merged).macs
    assert cost(rewrite(network, objective="macs").network).macs == cost(swapped).macs


def test_objective():
    """Eight depthwise filters per temporal one, few electrodes: merging saves memory and costs MACs."""
    network = network_of(Maps(), nn.Conv2d(1, 2, (1, 16)), nn.Conv2d(2, 16, (C, 1), groups=2))
    for objective in ("macs", "both"):
        result = rewrite(network, objective=objective)
        assert result.applied == ()
        assert "it does not pay (MACs" in result.left[0]
        assert result.after == result.before
    small = rewrite(network, objective="sram")
    assert small.after.sram_bytes < small.before.sram_bytes
    assert small.after.macs > small.before.macs
    assert_same(network, small.network)


@pytest.mark.parametrize(
    "between",
    [nn.ELU(), nn.Conv2d(4, 4, 1), nn.AvgPool2d((1, 2)), nn.InstanceNorm2d(4)],
    ids=["ELU", "pointwise", "pool", "instance norm"],
)
def test_no_swap_across(between):
    network = network_of(Maps(), nn.Conv2d(1, 4, (1, 5)), between, nn.Conv2d(4, 8, (C, 1), groups=4))
    result = rewrite(network)
    assert result.applied == ()
    assert kinds(spatial_first(network)) == kinds(network)


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ({}, {"stride": (1, 2)}, "both move along the same dimension"),
        ({"stride": (2, 1)}, {"kernel_size": (2, 1)}, "both move along the same dimension"),
        ({}, {"padding": (1, 0)}, "it pads with zeros, where the first has a bias"),
        ({}, {"groups": 2}, "it has 2 groups"),
    ],
)
def test_no_swap_where_the_filters_interfere(first, second, reason):
    one = {"kernel_size": (1, 5)} | first
    two = {"kernel_size": (C, 1), "groups": 4} | second
    network = network_of(Maps(), nn.Conv2d(1, 4, **one), nn.Conv2d(4, 8, **two))
    result = rewrite(network)
    assert result.applied == ()
    assert len(result.left) == 1
    assert reason in result.left[0]
    assert spatial_first(network) is network


def test_padding_of_a_spatial_filter_without_bias_before_it():
    network = network_of(Maps(), nn.Conv2d(1, 4, (1, 5), bias=False), nn.Conv2d(4, 8, (3, 1), padding=(1, 0), groups=4))
    after = spatial_first(network)
    assert [node.layer for node in after.nodes if node.kind == "conv2d"] == ["2", "1"]
    assert_same(network, after)


def test_no_swap_when_the_temporal_maps_are_read_twice():
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.time, self.space = nn.Conv2d(1, 4, (1, 5)), nn.Conv2d(4, 8, (C, 1), groups=4)

        def forward(self, x):
            y = self.time(x.unsqueeze(1))
            return self.space(y).mean((2, 3)) + y.mean((2, 3)).repeat(1, 2)

    network = network_of(Both())
    assert spatial_first(network) is network


# --- batch norm ------------------------------------------------------------------------------------------------

FOLDS = {
    "conv1d, grouped": (nn.Conv1d(C, 12, 5, groups=4), nn.BatchNorm1d(12)),
    "conv without bias": (nn.Conv1d(C, 6, 5, bias=False), nn.BatchNorm1d(6)),
    "padded conv": (nn.Conv1d(C, 6, 5, padding=2), nn.BatchNorm1d(6)),
    "conv3d": (Maps(), Maps(), nn.Conv3d(1, 4, (1, 3, 3)), nn.BatchNorm3d(4)),
    "transposed": (nn.ConvTranspose1d(C, 12, 4, stride=2, groups=2), nn.BatchNorm1d(12)),
    "linear": (nn.Flatten(), nn.Linear(C * T, 6), nn.BatchNorm1d(6)),
    "no affine parameters": (nn.Conv1d(C, 6, 5), nn.BatchNorm1d(6, affine=False)),
    "across a reshape": (Maps(), nn.Conv2d(1, 6, (C, 1)), nn.Flatten(2), nn.BatchNorm1d(6)),
    "across pooling": (nn.Conv1d(C, 6, 5), nn.AvgPool1d(4), nn.BatchNorm1d(6)),
    "batch norm twice": (nn.ELU(), nn.BatchNorm1d(C), nn.BatchNorm1d(C), nn.Conv1d(C, 4, 3), nn.ELU()),
    "before a conv": (nn.BatchNorm1d(C), nn.Conv1d(C, 12, 5, groups=4)),
    "before a conv without bias": (nn.BatchNorm1d(C), nn.Conv1d(C, 6, 5, bias=False, stride=2, dilation=2)),
    "before a linear, across a mean": (nn.BatchNorm1d(C), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(C, 3)),
    "before a linear, per position": (nn.BatchNorm1d(C), nn.Flatten(), nn.Linear(C * T, 3)),
    "before a conv, across pooling": (nn.BatchNorm1d(C), nn.AvgPool1d(4), nn.Conv1d(C, 3, 2)),
}


@pytest.mark.parametrize("name", FOLDS)
def test_batch_norm_folds(name):
    network = network_of(*FOLDS[name])
    after = fold_batch_norm(network)
    assert "batch_norm" not in kinds(after)
    assert not [name for name in after.tensors if "running" in name]
    assert_same(network, after)


def test_fold_equals_the_formula():
    network = network_of(nn.Conv1d(C, 6, 5), nn.BatchNorm1d(6, eps=0.3))
    after = fold_batch_norm(network)
    t = network.tensors
    a = t["1.weight"] / torch.sqrt(t["1.running_var"] + 0.3)
    torch.testing.assert_close(after.tensors["0.weight"], t["0.weight"] * a[:, None, None])
    torch.testing.assert_close(after.tensors["0.bias"], (t["0.bias"] - t["1.running_mean"]) * a + t["1.bias"])
    assert after.trainable == {"0.weight", "0.bias"}


def test_shift_before_zero_padding_stays():
    network = network_of(nn.BatchNorm1d(C), nn.Conv1d(C, 6, 5, padding=2))
    result = rewrite(network)
    assert fold_batch_norm(network) is network
    assert result.left == ("0 (batch_norm) stays: its shift is not zero and 1 (conv1d) pads with zeros",)
    # the twin: the same fold without looking at the padding is another function
    blind = replace(network, nodes=tuple(_unpadded(node) for node in network.nodes))
    wrong = fold_batch_norm(blind)
    padded = replace(wrong, nodes=tuple(replace(n, args=network.nodes[1].args[:1] + n.args[1:]) for n in wrong.nodes))
    padded = replace(
        padded, nodes=tuple(replace(n, args=(Ref("input"), *n.args[1:4], (2,)), shape=(1, 6, T)) for n in padded.nodes)
    )
    assert largest_difference(network, padded) > 1e-3


def _unpadded(node):
    return replace(node, args=(*node.args[:4], (0,), *node.args[5:])) if node.kind == "conv1d" else node


def test_zero_shift_before_zero_padding_folds():
    norm = nn.BatchNorm1d(C)
    model = nn.Sequential(norm, nn.Conv1d(C, 6, 5, padding=2)).eval()
    norm.running_var.uniform_(0.5, 2)
    network = trace(model, torch.randn(2, C, T))  # mean and bias are zero
    after = fold_batch_norm(network)
    assert kinds(after) == ["conv1d"]
    assert_same(network, after)


def test_no_fold_across_a_non_linearity_or_into_one_of_two_readers():
    network = network_of(nn.Conv1d(C, 6, 5), nn.ELU(), nn.BatchNorm1d(6), nn.Tanh())
    assert fold_batch_norm(network) is network
    assert "does not move past 3 (tanh)" in rewrite(network).left[0]

    class Readers(nn.Module):
        def __init__(self, last):
            super().__init__()
            self.norm, self.a, self.b = nn.BatchNorm1d(C), nn.Conv1d(C, 4, 3), last

        def forward(self, x):
            y = self.norm(x)
            return self.a(y).mean(2) + self.b(y).mean(2)[:, :4]

    both, one = network_of(Readers(nn.Conv1d(C, 4, 5))), network_of(Readers(nn.Conv1d(C, 4, 5, padding=1)))
    assert "batch_norm" not in kinds(fold_batch_norm(both))
    assert_same(both, fold_batch_norm(both))
    assert fold_batch_norm(one) is one


def test_the_conv_before_is_not_changed_for_another_reader():
    class Tapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm = nn.Conv1d(C, 4, 3), nn.BatchNorm1d(4)

        def forward(self, x):
            y = self.conv(x)
            return torch.relu(self.norm(y)) + y

    network = network_of(Tapped())
    assert fold_batch_norm(network) is network


def test_a_shared_weight_is_copied_not_changed():
    class Siamese(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm = nn.Conv1d(C, 4, 3), nn.BatchNorm1d(4)

        def forward(self, x):
            return torch.relu(self.norm(self.conv(x))) + torch.relu(self.conv(x.flip(-1)))

    network = network_of(Siamese())
    after = fold_batch_norm(network)
    assert "batch_norm" not in kinds(after)
    torch.testing.assert_close(after.tensors["conv.weight"], network.tensors["conv.weight"])
    assert len([n for n in after.tensors if n.startswith("conv.weight")]) == 2
    assert_same(network, after)
    after.module()  # the new names make a module


def test_batch_statistics_are_not_affine():
    network = network_of(nn.Conv1d(C, 4, 3), nn.BatchNorm1d(4))
    conv, norm = network.nodes
    source, affine = affine_of(network, norm)
    assert (source, affine.scale.shape) == (conv.name, (1, 4, T - 2))
    for position, value in ((3, None), (4, None), (5, True)):
        args = list(norm.args)
        args[position] = value
        assert affine_of(network, replace(norm, args=tuple(args))) is None


# --- constants -------------------------------------------------------------------------------------------------


class Arithmetic(nn.Module):
    """Every way to write an affine map with constants, before a filter over all electrodes."""

    def __init__(self):
        super().__init__()
        self.register_buffer("a", torch.randn(C, 1))
        self.register_buffer("b", torch.rand(1, C, 1) + 0.5)
        self.conv = nn.Conv2d(1, 4, (C, 1))

    def forward(self, x):
        x = (x - self.a) / self.b * 1.5 + 0.25
        x = torch.rsub(x, 2.0, alpha=0.5)
        x = torch.sub(self.a, x, alpha=3)
        x = -torch.add(self.b, x, alpha=2)
        return self.conv(x.unsqueeze(1))


def test_constants_fold():
    network = network_of(Arithmetic())
    result = rewrite(network, rules=["fold_constants"])
    assert kinds(result.network) == ["reshape", "conv2d"]
    assert_same(network, result.network)


def test_constants_per_electrode_do_not_fold_into_temporal_filters():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("std", torch.rand(C, 1) + 0.5)
            self.conv = nn.Conv2d(1, 4, (1, 5))

        def forward(self, x):
            return self.conv(((x + 1) / self.std).unsqueeze(1))

    network = network_of(Model())
    after = fold_constants(network)
    assert kinds(after) == kinds(network)
    assert "differs along a dimension over which conv (conv2d) slides" in " ".join(rewrite(network).left)


def test_a_scale_folds_where_the_shift_cannot():
    mean, std = np.ones((C, 1)), np.full((C, 1), 3.0)
    network = network_of(Scaled(nn.Conv1d(C, 4, 5, padding=2), mean, std))
    after = fold_constants(network)
    assert kinds(after) == ["sub", "conv1d"]
    assert_same(network, after)


def test_what_is_not_affine_stays():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv1d(C, 4, 5)

        def forward(self, x):
            return self.conv(1 / (x + 3) + torch.div(x, 2, rounding_mode="floor") + x * x)

    network = network_of(Model())
    assert fold_constants(network) is network


# --- tidy ------------------------------------------------------------------------------------------------------


def test_dropout_and_reshapes():
    network = network_of(
        nn.Flatten(), nn.Dropout(), nn.Unflatten(1, (4, C * T // 4)), nn.Flatten(), nn.Linear(C * T, 2)
    )
    after = merge_reshapes(remove_dropout(network))
    assert kinds(after) == ["reshape", "linear"]
    assert_same(network, after)
    assert kinds(rewrite(network).network) == ["reshape", "linear"]


def test_constants_are_computed_once():
    class Masked(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(4, C))
            self.register_buffer("mask", torch.rand(4, C).round())

        def forward(self, x):
            return functional.linear(x.mean(2), (self.weight * self.mask).clamp(max=1)).tanh()

    network = network_of(Masked())
    after = evaluate_constants(network)
    assert kinds(after) == ["mean", "linear", "tanh"]
    (name,) = after.tensors
    assert after.trainable == {name}
    assert_same(network, after)


@pytest.mark.parametrize(
    ("pad", "conv", "expected"),
    [
        ((1, 2, 1, 2), {"kernel_size": 4}, "aten.conv2d.padding"),  # CCNN
        ((1, 1, 2, 2), {"kernel_size": 3, "stride": 2, "padding": 1}, "aten.conv2d.default"),
        ((1, 2, 1, 2), {"kernel_size": 4, "stride": 2}, None),
        ((2, 1, 1, 2), {"kernel_size": 4}, None),
    ],
)
def test_padding(pad, conv, expected):
    network = network_of(nn.ZeroPad2d(pad), nn.Conv2d(4, 3, **conv), shape=(4, 9, 9))
    after = fold_padding(network)
    assert_same(network, after)
    if expected is None:
        assert after is network
        assert "cannot pad unevenly" in rewrite(network).left[0]
    else:
        assert [node.op for node in after.nodes] == [expected]


def test_padding_with_another_value_or_reflection_stays():
    for pad in (nn.ConstantPad1d((1, 1), 0.5), nn.ReflectionPad1d((1, 1))):
        network = network_of(pad, nn.Conv1d(C, 3, 3))
        assert fold_padding(network) is network


def test_linear_operations_merge_where_it_pays():
    wide = network_of(nn.Flatten(), nn.Linear(C * T, 64), nn.Dropout(), nn.Linear(64, 32, bias=False), nn.Linear(32, 2))
    result = rewrite(wide)
    assert kinds(result.network) == ["reshape", "linear"]
    assert result.after.macs == C * T * 2
    assert_same(wide, result.network)
    narrow = network_of(nn.Flatten(), nn.Linear(C * T, 2), nn.Linear(2, 64))
    assert rewrite(narrow).applied == ()
    assert kinds(merge_linear(narrow)) == ["reshape", "linear"]
    bent = network_of(nn.Flatten(), nn.Linear(C * T, 64), nn.ELU(), nn.Linear(64, 2))
    assert merge_linear(bent) is bent


# --- the proof -------------------------------------------------------------------------------------------------


def test_the_proof_notices_a_wrong_bias(monkeypatch):
    """The twin of every test above: bias b·Σs forgotten, as if the first filter had none."""
    right = rewrite_spatial._filters
    monkeypatch.setattr(rewrite_spatial, "_filters", lambda *a: (*right(*a)[:2], None))
    with pytest.raises(RuntimeError, match=r"rewrite rule spatial_first at 'conv2d_1' .*differs by .* of its scale"):
        rewrite(eegnet(C, T))


def test_the_proof_notices_a_wrong_rule_of_the_user():
    def halve(network):
        fewer = remove_dropout(network)
        name = next(iter(fewer.tensors))
        return fewer.with_tensors({**fewer.tensors, name: fewer.tensors[name] / 2})

    with pytest.raises(RuntimeError, match="rewrite rule halve"):
        rewrite(eegnet(C, T), rules=[halve])


def test_a_rule_of_the_user_is_applied_and_named():
    def drop_names(network):
        return remove_dropout(network)

    result = rewrite(eegnet(C, T), rules=[drop_names])
    assert result.applied == ("applied drop_names",)


def test_largest_difference():
    network = network_of(nn.Flatten(), nn.Linear(C * T, 2))
    assert largest_difference(network, network) == 0
    bias = network.tensors["1.bias"]
    x = torch.randn(4, C, T, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    other = network.with_tensors({**network.tensors, "1.bias": bias + torch.tensor([0.5, 0.0])})
    scale = torch.nn.functional.linear(x.flatten(1), network.tensors["1.weight"].double(), bias.double()).abs().max()
    assert largest_difference(network, other) == pytest.approx(0.5 / scale.item(), rel=1e-6)
    infinite = network.with_tensors({**network.tensors, "1.bias": bias * torch.inf})
    assert largest_difference(network, infinite) == float("inf")


def test_types_come_back():
    """Weights are changed in float64; the result has the types of the original."""
    model, example = build("GRU")  # its initial state is made with an explicit type
    network = trace(model, example)
    after = rewrite(network).network
    assert {t.dtype for t in after.tensors.values()} == {torch.float32}
    assert [n.kwargs for n in after.nodes if n.kind == "zeros"] == [{"dtype": "float32"}]
    after(example.float())


def test_the_proof_of_a_change_is_much_sharper_than_float32():
    def nudge(network):
        fewer = remove_dropout(network)
        name = next(iter(fewer.tensors))
        return fewer.with_tensors({**fewer.tensors, name: fewer.tensors[name] * (1 + 1e-7)})

    with pytest.raises(RuntimeError, match="allowed 1e-09"):
        rewrite(eegnet(C, T), rules=[nudge])


def test_names():
    with pytest.raises(ValueError, match="unknown rewrite rule 'fold_batchnorm'; did you mean 'fold_batch_norm'"):
        rewrite(eegnet(C, T), rules=["fold_batchnorm"])
    with pytest.raises(ValueError, match="unknown objective 'mac'; did you mean 'macs'"):
        rewrite(eegnet(C, T), objective="mac")
    assert all(hasattr(module, name) for name in RULES)
