"""Each operation that `lower` understands, in small modules, against torch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trimcap.graph.trace.trace import trace
from trimcap.program.interpret import interpret
from trimcap.program.lower.lower import lower

G = torch.Generator().manual_seed(3)
C, T = 6, 12
VECTOR, COLUMN, PLANE = torch.randn(T, generator=G), torch.randn(C, 1, generator=G), torch.randn(C, T, generator=G)
INDEX = torch.tensor([4, 0, 1, 2, 5])


class Function(nn.Module):
    """A function of (n, 6, 12) with a small layer before and after, so that shapes and sums are tested."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function
        self.before = nn.Conv1d(C, C, 3, padding=1)
        for name, tensor in (("vector", VECTOR), ("column", COLUMN), ("plane", PLANE)):
            self.register_buffer(name, tensor)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self.before(x))


MAPS = {
    "relu": torch.relu,
    "relu6": F.relu6,
    "hardtanh": lambda x: F.hardtanh(x, -0.2, 0.4),
    "clamp min": lambda x: x.clamp(min=-0.1),
    "clamp max": lambda x: x.clamp(max=0.1),
    "leaky_relu": lambda x: F.leaky_relu(x, 0.2),
    "prelu": nn.PReLU(),
    "elu": lambda x: F.elu(x, 0.8),
    "selu": F.selu,
    "celu": lambda x: F.celu(x, 0.7),
    "gelu": F.gelu,
    "gelu tanh": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
    "sigmoid": torch.sigmoid,
    "logsigmoid": F.logsigmoid,
    "tanh": torch.tanh,
    "softplus": lambda x: F.softplus(x, 2, 1),
    "softsign": F.softsign,
    "mish": F.mish,
    "hardswish": F.hardswish,
    "hardsigmoid": F.hardsigmoid,
    "exp": torch.exp,
    "log": lambda x: torch.log(x.square() + 0.1),
    "log2": lambda x: torch.log2(x.abs() + 1),
    "log10": lambda x: torch.log10(x.abs() + 1),
    "log1p": lambda x: torch.log1p(x.abs()),
    "sqrt": lambda x: torch.sqrt(x * x + 1),
    "rsqrt": lambda x: torch.rsqrt(x**2 + 1),
    "abs": torch.abs,
    "neg": torch.neg,
    "pow": lambda x: x.abs() ** 1.5,
    "reciprocal": lambda x: (x.abs() + 1).reciprocal(),
    "sin, cos": lambda x: torch.sin(x) + torch.cos(x),
    "erf": torch.erf,
    "dropout": nn.Dropout(),
}
ARITHMETIC = {
    "scalars": lambda x: 2 - (3 * x + 1) / 4,
    "scalar over": lambda x: 3 / (x.abs() + 1),
    "vector": lambda x: x * VECTOR,
    "column": lambda x: (x - COLUMN) / (COLUMN.abs() + 1),
    "plane": lambda x: x + PLANE,
    "reversed": lambda x: COLUMN - x,
    "uniform": lambda x: x * torch.full((C, 1), 0.5),
    "computed constant": lambda x: x * torch.exp(COLUMN) * VECTOR.sum(),
    "alpha": lambda x: torch.add(torch.sub(x, COLUMN, alpha=2), PLANE, alpha=-3),
    "two windows": lambda x: torch.add(x, torch.tanh(x), alpha=0.5) - x.mean(-1, keepdim=True),
    "quotient": lambda x: x / (x.abs().mean(1, keepdim=True) + 1),
    "rsub": lambda x: torch.rsub(x, 1.0),
    "outer sum": lambda x: x.mean(-1)[:, :, None] + x.mean(1)[:, None, :],
    "outer product": lambda x: x[:, :, :1] * x[:, :1],
    "expand": lambda x: x.mean(-1, keepdim=True).expand(-1, C, T) * x,
    "expand_as": lambda x: x + x.amax(1, keepdim=True).expand_as(x),
}
SHAPES = {
    "permute": lambda x: x.permute(0, 2, 1),
    "transpose": lambda x: x.reshape(-1, 2, 3, T).transpose(1, 3),
    "movedim": lambda x: x.reshape(-1, 2, 3, T).movedim(1, -1),
    "move ones": lambda x: x[:, None].permute(0, 2, 1, 3),
    "flatten": lambda x: x.flatten(1),
    "unflatten": lambda x: x.unflatten(1, (2, 3)),
    "squeeze": lambda x: x[:, :1].squeeze(1),
    "slice": lambda x: x[:, 1:5:2, -7:-1],
    "narrow": lambda x: x.narrow(2, 3, 4),
    "select": lambda x: x[:, -2] + x.select(1, 0),
    "chunk": lambda x: x.chunk(3, 1)[1] * 2 + x.chunk(3, 1)[2],
    "split": lambda x: torch.cat(x.split([1, 2, 3], 1)[::-1], 1),
    "unbind": lambda x: x.unbind(1)[2],
    "stack": lambda x: torch.stack([x, -x], 2),
    "cat": lambda x: torch.cat([x, x[:, :, :5]], -1),
    "index_select": lambda x: x.index_select(1, torch.tensor([0, 2, 4])),
    "index": lambda x: x[:, INDEX],
    "pad": lambda x: F.pad(x, (2, 3)),
    "pad both": lambda x: F.pad(x, (2, 0, 1, 1)),
    "pad image": lambda x: F.pad(x[:, None], (2, 0, 1, 3)),
    "pad channels": lambda x: F.pad(x[:, :, None], (0, 0, 0, 0, 1, 2)),
    "crop": lambda x: F.pad(x, (-2, 1)),
}
POOLS = {
    "avg_pool1d": lambda x: F.avg_pool1d(x, 3, 2),
    "avg_pool1d padded": lambda x: F.avg_pool1d(x, 4, 3, padding=2),
    "avg_pool2d": lambda x: F.avg_pool2d(x[:, None], (2, 3), (1, 2), padding=(1, 0)),
    "avg_pool2d divisor": lambda x: F.avg_pool2d(x[:, None], 2, divisor_override=3),
    "avg_pool of pad": lambda x: F.avg_pool1d(F.pad(x, (1, 2)), 3, 2),
    "max_pool1d": lambda x: F.max_pool1d(x, 3, 2, padding=1),
    "max_pool ceil": lambda x: F.max_pool1d(x, 5, 3, ceil_mode=True),
    "max_pool2d": lambda x: F.max_pool2d(x[:, None], 2, 1, padding=1),
    "adaptive 1": lambda x: F.adaptive_avg_pool1d(x, 1),
    "adaptive 5": lambda x: F.adaptive_avg_pool1d(x, 5),
    "adaptive 2d": lambda x: F.adaptive_avg_pool2d(x[:, None], (3, 5)),
    "adaptive all": lambda x: F.adaptive_avg_pool2d(x[:, None], 1),
    "adaptive max": lambda x: F.adaptive_max_pool1d(x, 5),
    "adaptive max 2d": lambda x: F.adaptive_max_pool2d(x[:, None], (4, 1)),
    "adaptive 3d": lambda x: F.adaptive_avg_pool3d(x.reshape(-1, 2, 3, 4, 3), (1, 2, 3)),
    "avg_pool ceil": lambda x: F.avg_pool1d(x, 5, 3, ceil_mode=True),
    "avg_pool ceil padded": lambda x: F.avg_pool1d(x, 5, 3, padding=2, ceil_mode=True),
    "avg_pool inside": lambda x: F.avg_pool1d(x, 5, 2, padding=2, count_include_pad=False),
    "avg_pool2d inside": lambda x: F.avg_pool2d(x[:, None], (3, 4), padding=(1, 2), count_include_pad=False),
    "avg_pool2d ceil inside": lambda x: F.avg_pool2d(x[:, None], 4, 3, 2, ceil_mode=True, count_include_pad=False),
    "avg_pool of pad inside": lambda x: F.avg_pool1d(F.pad(x, (2, 1)), 3, padding=1, count_include_pad=False),
    "avg_pool3d": lambda x: F.avg_pool3d(x.reshape(-1, 2, 3, 3, 4), 2, padding=1, count_include_pad=False),
    "avg_pool3d divisor": lambda x: F.avg_pool3d(x.reshape(-1, 2, 3, 3, 4), 2, padding=1, divisor_override=5),
    "avg_pool3d padded": lambda x: F.avg_pool3d(x.reshape(-1, 2, 3, 3, 4), (2, 1, 3), 1, padding=(1, 0, 1)),
    "max_pool3d": lambda x: F.max_pool3d(x.reshape(-1, 2, 3, 3, 4), (2, 3, 2), (1, 2, 2), padding=1),
    "max over": lambda x: x.max(2, keepdim=True).values,
    "mean last": lambda x: x.mean(-1),
    "mean first": lambda x: x.mean(1, keepdim=True),
    "mean both": lambda x: x.mean((1, 2)),
    "mean apart": lambda x: x.reshape(-1, 2, 3, T).mean((1, 3)),
    "sum": lambda x: x.sum(2),
    "var": lambda x: x.var(-1),
    "std": lambda x: x.std(1, unbiased=False, keepdim=True),
    "amax": lambda x: x.amax((1, 2)),
    "matmul": lambda x: x @ PLANE.T,
    "log variance": lambda x: torch.log(torch.clamp(x.var(dim=2, keepdim=True), 1e-6, 1e6)),
}


X3 = torch.randn(3, 4, 12, generator=G)
PRODUCTS = {
    "gram": lambda x: x @ x.transpose(1, 2),
    "bmm": lambda x: torch.bmm(x.transpose(1, 2), x.tanh()),
    "constant on the left": lambda x: COLUMN.T @ x,
    "constant batch on the left": lambda x: X3 @ x.reshape(-1, 1, T, C),
    "constant broadcast": lambda x: x.reshape(-1, 3, 2, T) @ X3.transpose(1, 2),
    "heads": lambda x: x.reshape(-1, 3, 2, T).transpose(2, 3) @ x.reshape(-1, 3, 2, T).sigmoid(),
    "broadcast heads": lambda x: x.reshape(-1, 3, 2, T) @ x[:, None, :2].transpose(2, 3),
    "expand": lambda x: x[:, :1].expand(-1, C, T) @ x.transpose(1, 2),
    "vector": lambda x: x @ VECTOR,
    "einsum": lambda x: torch.einsum("bct,bdt->bcd", x, x.tanh()),
    "einsum turned": lambda x: torch.einsum("bct,bcs->bst", x, x[:, :, :5]),
    "einsum of groups": lambda x: torch.einsum(
        "bxyt,bxzt->byzx", x.reshape(-1, 2, 3, T), x.tanh().reshape(-1, 2, 3, T)
    ),
    "einsum of two letters": lambda x: torch.einsum(
        "bxyt,bsyx->bts", x.reshape(-1, 2, 3, T), x.reshape(-1, 4, 3, 6)[..., :2]
    ),
    "einsum elementwise": lambda x: torch.einsum("bct,bct->bct", x, x.tanh()),
    "einsum dot": lambda x: torch.einsum("bct,bct->bc", x, x.tanh()),
    "einsum outer": lambda x: torch.einsum("bc,bt->bct", x[:, :, 0], x[:, 0]),
    "einsum dots": lambda x: torch.einsum("...ct,dt->...cd", x, X3[0]),
    "einsum constant first": lambda x: torch.einsum("dc,bct->bdt", PLANE[:, :C], x),
    "einsum constant last": lambda x: torch.einsum("bct,td->bcd", x, PLANE.T),
    "einsum constant per channel": lambda x: torch.einsum("bct,ct->bc", x, PLANE),
    "einsum constant grouped": lambda x: torch.einsum("bxyt,xyo->botx", x.reshape(-1, 2, 3, T), X3[:2, :3, :5]),
    "einsum constant amid": lambda x: torch.einsum("bxyt,yo->bxot", x.reshape(-1, 2, 3, T), X3[0, :3, :5]),
    "einsum constant all": lambda x: torch.einsum("bct,ct->b", x, PLANE)[:, None],
    "einsum of ones": lambda x: torch.einsum("bct,cd->bdt", x[:, :1], COLUMN.T),
}
NORMS = {
    "layer norm": lambda x: F.layer_norm(x, (T,), VECTOR, VECTOR.square(), 1e-3),
    "layer norm plain": lambda x: F.layer_norm(x, (C, T)),
    "layer norm of both": lambda x: F.layer_norm(x, (C, T), PLANE, PLANE * 2),
    "layer norm of channels": lambda x: F.layer_norm(x.transpose(1, 2), (C,), COLUMN[:, 0]).transpose(1, 2),
    "group norm": lambda x: F.group_norm(x, 3, COLUMN[:, 0], COLUMN[:, 0] + 1),
    "instance norm": lambda x: F.instance_norm(x.reshape(-1, 2, 3, T), weight=VECTOR[:2], bias=VECTOR[2:4]),
    "softmax last": lambda x: x.softmax(-1) * x,
    "softmax first": lambda x: (3 * x).softmax(1) + x,
    "softmax amid": lambda x: x.reshape(-1, 2, 3, T).softmax(2),
    "attention": lambda x: (x @ x.transpose(1, 2) / 3).softmax(-1) @ x,
}


def differs(model: nn.Module, x: Tensor, tolerance: float = 1e-5) -> None:
    model.eval()
    program = lower(trace(model, x))
    with torch.no_grad():
        want = model(x).numpy()
    got = interpret(program, x.numpy())
    assert got.shape == want.shape
    assert np.abs(got - want).max() <= tolerance * np.abs(want).max()


@pytest.mark.parametrize(
    "function",
    [
        pytest.param(f, id=name)
        for group in (MAPS, ARITHMETIC, SHAPES, POOLS, PRODUCTS, NORMS)
        for name, f in group.items()
    ],
)
def test_function(function: Callable[[Tensor], Tensor]) -> None:
    torch.manual_seed(0)
    differs(Function(function), torch.randn(3, C, T, generator=G))


LAYERS = {
    "same even": nn.Conv1d(C, 4, 4, padding="same"),
    "same dilated": nn.Conv1d(C, 4, 4, padding="same", dilation=3),
    "valid": nn.Conv1d(C, 4, 4, padding="valid", bias=False),
    "strided": nn.Conv1d(C, 8, 3, stride=2, padding=2, groups=2),
    "2d": nn.Sequential(nn.Unflatten(1, (1, C)), nn.Conv2d(1, 3, (3, 4), (2, 1), (1, 2), (1, 2))),
    "2d same": nn.Sequential(nn.Unflatten(1, (2, 3)), nn.Conv2d(2, 4, (2, 4), padding="same", groups=2)),
    "pad, pad, conv": nn.Sequential(nn.ConstantPad1d((1, 0), 0.0), nn.ZeroPad1d((3, 2)), nn.Conv1d(C, 3, 4)),
    "linear on rows": nn.Sequential(nn.Linear(T, 5), nn.ReLU(), nn.Linear(5, 2)),
    "2d after 1d": nn.Sequential(nn.Conv1d(C, 4, 1), nn.Unflatten(2, (3, 4)), nn.Conv2d(4, 2, (2, 3))),
    "3d": nn.Sequential(nn.Unflatten(1, (1, 2, 3)), nn.Conv3d(1, 4, (2, 2, 3), (1, 2, 2), (1, 0, 2), (1, 1, 2))),
    "3d grouped": nn.Sequential(nn.Unflatten(1, (2, 3, 1)), nn.Conv3d(2, 6, 3, padding=1, groups=2)),
    "3d same": nn.Sequential(
        nn.Unflatten(1, (2, 1, 3)), nn.Conv3d(2, 3, (2, 3, 4), padding="same", dilation=(1, 1, 2))
    ),
    "3d of one plane each": nn.Sequential(nn.Unflatten(1, (1, 2, 3)), nn.Conv3d(1, 4, (1, 2, 3), padding=(0, 1, 0))),
    "3d pointwise": nn.Sequential(nn.Unflatten(1, (2, 1, 3)), nn.Conv3d(2, 5, 1)),
    "3d along time": nn.Sequential(nn.Unflatten(1, (1, 2, 3)), nn.Conv3d(1, 5, (2, 1, 1), (2, 1, 1), (1, 0, 0))),
    "3d across": nn.Sequential(nn.Unflatten(1, (1, 2, 3)), nn.Conv3d(1, 5, (1, 1, 3), (1, 1, 2))),
    "3d over all planes": nn.Sequential(
        nn.Unflatten(1, (2, 3, 1)), nn.Conv3d(2, 4, (3, 1, 4), groups=2), nn.BatchNorm3d(4)
    ),
    "batch norm first": nn.Sequential(nn.BatchNorm1d(C), nn.Conv1d(C, 3, 2)),
    "batch norm 2d": nn.Sequential(nn.Unflatten(1, (2, 3)), nn.BatchNorm2d(2, affine=False), nn.Flatten()),
    "batch norm of features": nn.Sequential(nn.Flatten(), nn.BatchNorm1d(C * T)),
}


@pytest.mark.parametrize("layer", [pytest.param(layer, id=name) for name, layer in LAYERS.items()])
def test_layer(layer: nn.Module) -> None:
    for module in layer.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(generator=G)
            module.running_var.uniform_(0.5, 2, generator=G)
    differs(layer, torch.randn(3, C, T, generator=G))


REFUSED = {
    "aten.cumsum at top level": lambda x: x.cumsum(1),
    "a pool with dilation": lambda x: F.max_pool1d(x, 2, dilation=2),
    "the places of a maximum": lambda x: x * F.max_pool1d(x, 3, 1, 1, return_indices=True)[1],
    "mode 'reflect'": lambda x: F.pad(x, (1, 1), mode="reflect"),
    "value 3": lambda x: F.pad(x, (1, 1), value=3.0),
    "windows of a batch, or moves them": lambda x: torch.einsum("bct,bdt->cbd", x[:, :1], x).transpose(0, 1),
    "it takes no positions": lambda x: torch.cat([x, x.index_select(1, torch.zeros(0, dtype=torch.int64))], 1),
    "of one factor alone": lambda x: torch.einsum("bct,bds->bcd", x, x),
    "einsum of two tensors": lambda x: torch.einsum("bct,bdt,bet->bcde", x, x, x),
    "log_softmax is supported": lambda x: x.log_softmax(1),
    "batch": lambda x: x - x.mean(0, keepdim=True),
    "merges or splits the batch": lambda x: x.reshape(-1, T).square().reshape(-1, C, T),
    "slope per channel": nn.PReLU(C, 0.1),
    "constant tensor among its inputs": lambda x: torch.cat([x, torch.ones(1, C, 2).expand(x.shape[0], -1, -1)], -1),
}


@pytest.mark.parametrize("message", sorted(REFUSED))
def test_refused(message: str) -> None:
    function = REFUSED[message]
    if isinstance(function, nn.PReLU):
        function.weight.data[0] = 0.3
    network = trace(Function(function).eval(), torch.randn(3, C, T, generator=G))
    with pytest.raises(ValueError, match="cannot lower") as caught:
        lower(network)
    assert message in str(caught.value)
