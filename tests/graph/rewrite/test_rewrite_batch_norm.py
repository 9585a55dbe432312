"""Batch norms are folded into a layer beside them where that is exact, and only there."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from everywhere import fold_batch_norm
from torch import nn
from traced_layers import C, Maps, T, assert_same, kinds, network_of

from trimcap.graph.node import Ref
from trimcap.graph.rewrite.affine import affine_of
from trimcap.graph.rewrite.proof import largest_difference
from trimcap.graph.rewrite.rewrite import rewrite
from trimcap.graph.trace.trace import trace

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
