"""Spatial filters go before temporal ones, or both become one, where that is exact and pays, and only there."""

from __future__ import annotations

import pytest
import torch
from everywhere import fold_batch_norm, merge_filters, spatial_first
from torch import nn
from traced_layers import C, Maps, assert_same, kinds, network_of

from trimcap.graph.rewrite import spatial as rewrite_spatial
from trimcap.graph.rewrite.rewrite import rewrite
from trimcap.program.cost import cost


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
    swapped, merged = (change.network for change in rewrite_spatial.spatial_first(network))
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
    assert small.after.live_bytes < small.before.live_bytes
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
