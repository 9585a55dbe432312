"""Constants are folded and computed once; what does nothing is removed, what is done twice is done once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from everywhere import evaluate_constants, fold_constants, fold_padding, merge_linear, merge_reshapes, remove_dropout
from torch import nn
from torch.nn import functional
from traced_layers import C, T, assert_same, kinds, network_of

from trimcap.graph.rewrite.rewrite import rewrite
from trimcap.models.scaled import Scaled

# ---- constants


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


# ---- tidy


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
