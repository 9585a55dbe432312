"""CCNN and GridCNN: exact sizes, padding and order of the flattened map."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from trimcap.models import CCNN, GridCNN


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


# published for DEAP and SEED, and for layer-wise filter pruning by 10, 30 and 80 %
@pytest.mark.parametrize(
    ("classes", "widths", "published"),
    [
        (2, (64, 128, 256, 64), 6_233_602),
        (3, (64, 128, 256, 64), 6_234_627),
        (2, (57, 115, 230, 57), 5_472_829),
    ],
)
def test_published_sizes(classes, widths, published):
    assert parameters(CCNN(4, 9, 9, classes, widths=widths)) == published


def test_layers_of_ccnn_have_the_published_sizes():
    model = CCNN(4, 9, 9, 2)
    sizes = [parameters(block) for block in model.blocks] + [parameters(model.hidden), parameters(model.dense)]
    assert sizes == [4_160, 131_200, 524_544, 262_208, 5_309_440, 2_050]


def test_size_formula_of_ccnn():
    widths, hidden = (3, 5), 7
    convolutions = sum((16 * i + 1) * o for i, o in zip((2, *widths), widths, strict=False))
    expected = convolutions + (widths[-1] * 4 * 6 + 1) * hidden + (hidden + 1) * 3
    model = CCNN(2, 4, 6, 3, widths=widths, hidden=hidden)
    assert parameters(model) == expected
    assert model(torch.zeros(2, 2, 4, 6)).shape == (2, 3)


@pytest.mark.parametrize(("tap", "shift"), [((0, 0), (1, 1)), ((1, 1), (0, 0)), ((3, 3), (-2, -2)), ((0, 3), (1, -2))])
def test_padding_is_left_1_right_2_top_1_bottom_2(tap, shift):
    """A kernel with one tap moves the map by a known number of rows and columns, filling with zeros."""
    block = CCNN(1, 9, 9, 2, widths=(1,), hidden=4).blocks[0]
    with torch.no_grad():
        block[1].weight.zero_()
        block[1].bias.zero_()
        block[1].weight[0, 0, tap[0], tap[1]] = 1
    x = torch.rand(1, 1, 9, 9)
    expected = torch.zeros_like(x)
    for row in range(9):
        for column in range(9):
            r, c = row - shift[0], column - shift[1]
            if 0 <= r < 9 and 0 <= c < 9:
                expected[0, 0, row, column] = x[0, 0, r, c]
    assert torch.equal(block(x), expected)


def test_flatten_is_channel_major():
    model = CCNN(1, 9, 9, 2, widths=(3,), hidden=4).eval()
    seen = {}
    model.hidden.register_forward_hook(lambda _m, inputs, _o: seen.update(x=inputs[0]))
    model.blocks[0].register_forward_hook(lambda _m, _i, _o: torch.arange(3.0).reshape(1, 3, 1, 1).expand(1, 3, 9, 9))
    model(torch.zeros(1, 1, 9, 9))
    assert torch.equal(seen["x"][0], torch.arange(3.0).repeat_interleave(81))


def test_ccnn_is_its_formula():
    torch.manual_seed(0)
    model = CCNN(2, 5, 4, 3, widths=(3, 2), hidden=6).eval()
    x = torch.randn(2, 2, 5, 4)
    z = x
    for block in model.blocks:
        z = nn.functional.conv2d(nn.functional.pad(z, (1, 2, 1, 2)), block[1].weight, block[1].bias).clamp(min=0)
    z = z.flatten(1) @ model.hidden.weight.T + model.hidden.bias
    selu = 1.0507009873554805 * torch.where(z > 0, z, 1.6732632423543772 * torch.expm1(z))
    torch.testing.assert_close(model(x), selu @ model.dense.weight.T + model.dense.bias, rtol=1e-5, atol=1e-6)


def test_size_of_grid_cnn():
    assert parameters(GridCNN(5, 9, 9, 2)) == 93_234


def test_size_formula_of_grid_cnn():
    widths, hidden = (3, 4, 5), 7
    expected = sum((9 * i + 1) * o for i, o in zip((2, *widths), widths, strict=False))
    expected += 2 * (3 + 4) + (5 * 4 * 6 + 1) * hidden + (hidden + 1) * 3
    model = GridCNN(2, 4, 6, 3, widths=widths, hidden=hidden)
    assert parameters(model) == expected
    assert model(torch.zeros(2, 2, 4, 6)).shape == (2, 3)


@pytest.mark.parametrize("network", [CCNN, GridCNN])
def test_no_convolution_is_refused(network):
    with pytest.raises(ValueError, match=rf"{network.__name__}: `widths` is empty"):
        network(4, 9, 9, 2, widths=())
