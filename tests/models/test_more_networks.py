"""Networks on raw windows: size formulas, shapes, what they refuse."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import nn

from trimcap.models import (
    DeepConvNet,
    EEGConformer,
    EEGNet3D,
    FrameCNN,
    RecurrentNet,
    ResNet,
    ShallowConvNet,
    SqueezeExcite,
    TSCeption,
)


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def test_shallow_has_the_size_of_its_formula_and_of_the_original():
    model = ShallowConvNet(22, 1125, 4)
    pooled = (1125 - 25 + 1 - 75) // 15 + 1
    assert parameters(model) == 40 * 26 + 40 * 40 * 22 + 80 + (40 * pooled + 1) * 4
    assert model(torch.zeros(2, 22, 1125)).shape == (2, 4)


def test_shallow_is_log_variance_of_sources():
    """With one window-long pool, spatial filters that pick a channel, and no temporal filter."""
    model = ShallowConvNet(3, 64, 2, filters=3, kernel=1, pool=64, stride=1).eval()
    with torch.no_grad():
        model.temporal.weight.zero_()
        model.temporal.bias.zero_()
        model.spatial.weight.zero_()
        for i in range(3):
            model.temporal.weight[i] = 1
            model.spatial.weight[i, i, i, 0] = 1
        seen = {}
        model.dense.register_forward_hook(lambda _m, inputs, _o: seen.update(x=inputs[0]))
        x = torch.randn(2, 3, 64)
        model(x)
    expected = (x**2 / (1 + model.norm.eps)).mean(2).log()
    torch.testing.assert_close(seen["x"], expected)


def test_deep_has_the_size_of_its_formula():
    model = DeepConvNet(22, 1125, 4)
    widths, left = (25, 50, 100, 200), 1125
    for _ in widths:
        left = (left - 9) // 3
    expected = 25 * 11 + 25 * 25 * 22 + 50 + sum(10 * a * b + 2 * b for a, b in pairwise(widths))
    assert parameters(model) == expected + (200 * left + 1) * 4
    assert model(torch.zeros(2, 22, 1125)).shape == (2, 4)


def test_shortest_deep_window_is_the_one_the_message_names():
    with pytest.raises(ValueError, match="at least 441 samples"):
        DeepConvNet(4, 440, 2)
    assert DeepConvNet(4, 441, 2)(torch.zeros(1, 4, 441)).shape == (1, 2)


def test_conformer_attends_over_tokens_only():
    """Permuting tokens before the encoder permutes them behind it; nothing else moves."""
    torch.manual_seed(0)
    model = EEGConformer(4, 200, 2, embedding=8, heads=2, depth=2).eval()
    tokens = torch.randn(1, 7, 8)
    order = torch.randperm(7)
    torch.testing.assert_close(model.encoder(tokens)[:, order], model.encoder(tokens[:, order]))
    assert model(torch.randn(3, 4, 200)).shape == (3, 2)


def test_attention_is_its_formula():
    torch.manual_seed(0)
    layer = EEGConformer(4, 200, 2, embedding=8, heads=2, depth=1).eval().encoder[0].attention
    x = torch.randn(2, 5, 8)
    q, k, v = (m(x) for m in (layer.queries, layer.keys, layer.values))
    parts = []
    for head in (slice(0, 4), slice(4, 8)):
        weights = torch.softmax(torch.einsum("nqd,nkd->nqk", q[..., head], k[..., head]) / 8**0.5, dim=2)
        parts.append(torch.einsum("nqk,nkd->nqd", weights, v[..., head]))
    torch.testing.assert_close(layer(x), layer.projection(torch.cat(parts, dim=2)))


@pytest.mark.parametrize(("cell", "gates"), [("gru", 3), ("lstm", 4)])
def test_recurrent_has_the_size_of_its_formula(cell, gates):
    model = RecurrentNet(6, 64, 3, cell=cell, hidden=10, layers=2)
    expected = gates * 10 * (6 + 10 + 2) + gates * 10 * (10 + 10 + 2) + 11 * 3
    assert parameters(model) == expected
    assert model(torch.zeros(2, 6, 64)).shape == (2, 3)


def test_tsception_reads_hemispheres():
    """A constant added to the right half changes what the second hemisphere row sees and not the first."""
    torch.manual_seed(0)
    model = TSCeption(4, 256, 2).eval()
    seen = []
    model.halves.register_forward_hook(lambda _m, _i, o: seen.append(o.detach()))
    x = torch.randn(1, 4, 256)
    model(x)
    model(x + torch.tensor([0.0, 0, 1, 1])[None, :, None])
    first, second = seen
    assert first.shape[2] == 2
    torch.testing.assert_close(first[:, :, 0], second[:, :, 0])
    assert (first[:, :, 1] - second[:, :, 1]).abs().max() > 1e-3


def test_squeeze_excite_weighs_channels():
    torch.manual_seed(0)
    block = SqueezeExcite(6, reduction=3)
    x = torch.randn(2, 6, 3, 3)
    weight = torch.sigmoid(
        torch.relu(x.mean((2, 3)) @ block.excite[0].weight.flatten(1).T) @ block.excite[2].weight.flatten(1).T
    )
    torch.testing.assert_close(block(x), x * weight[:, :, None, None])
    assert parameters(FrameCNN(8, 9, 9, 2, reduction=16)) - parameters(FrameCNN(8, 9, 9, 2)) == 2 * 128 * 8


def test_a_block_that_keeps_its_shape_adds_its_input():
    model = EEGNet3D(16, 9, 9, 2, size=(16, 16), time_strides=(2, 1, 2)).eval()
    assert [block.adds for block in model.blocks] == [True, False]
    x = torch.randn(1, 16, 8, 9, 9)
    block = model.blocks[0]
    torch.testing.assert_close(block(x), x + block.project(block.depthwise(block.expand(x))))


def test_small_resnet_keeps_small_images():
    model = ResNet(1, 32, 32, 10, widths=(4, 4, 8, 8), small=True).eval()
    assert model.stem(torch.zeros(1, 1, 32, 32)).shape == (1, 4, 32, 32)
    assert model(torch.zeros(2, 1, 32, 32)).shape == (2, 10)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TSCeption(5, 512, 2), "hemispheres"),
        (lambda: TSCeption(4, 60, 2), "too short"),
        (lambda: ShallowConvNet(4, 50, 2), "at least 99 samples"),
        (lambda: DeepConvNet(4, 100, 2, widths=()), "`widths` is empty"),
        (lambda: EEGConformer(4, 50, 2), "at least 99 samples"),
        (lambda: EEGConformer(4, 200, 2, heads=7), "do not divide"),
        (lambda: RecurrentNet(4, 100, 2, cell="gruu"), "did you mean 'gru'"),
        (lambda: RecurrentNet(4, 2, 2), "shorter than one step"),
        (lambda: EEGNet3D(16, 9, 9, 2, size="XL"), "unknown size 'XL'"),
        (lambda: EEGNet3D(16, 9, 9, 2, time_strides=(2,)), "`time_strides` has 1"),
        (lambda: FrameCNN(4, 9, 9, 2, widths=(1, 2)), "4 convolutions"),
        (lambda: SqueezeExcite(4, reduction=0), "at least 1"),
        (lambda: ResNet(3, 32, 32, 2, depth=20), "one of 18, 34, 50"),
    ],
)
def test_impossible_sizes_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
