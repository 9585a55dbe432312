"""Costs against published numbers, PyTorch's own counter, hand counts, and a run inside the planned memory."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from trimcap.graph.cost import cost
from trimcap.graph.liveness import activation_blocks, block_of
from trimcap.graph.memory import Block, plan_memory
from trimcap.graph.node import map_refs
from trimcap.graph.ops.allowed import operation
from trimcap.graph.ops.costs import macs_of
from trimcap.graph.trace.trace import trace
from trimcap.models.ccnn import CCNN
from trimcap.models.eegnet import EEGNet
from zoo import ZOO, build


def fbccnn(widths, classes):
    layers, n = [], 4
    for w in widths:
        layers += [nn.Conv2d(n, w, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(w)]
        n = w
    dense = [nn.Linear(81 * n, 512), nn.ReLU(), nn.Linear(512, 128), nn.ReLU(), nn.Linear(128, classes)]
    return nn.Sequential(*layers, nn.Flatten(), *dense)


class TSCeption(nn.Module):
    def __init__(self, t, s, f, classes, electrodes=28):
        super().__init__()

        def block(i, o, kernel, stride, pool):
            conv = nn.Conv2d(i, o, kernel, stride=stride)
            return nn.Sequential(conv, nn.LeakyReLU(), nn.AvgPool2d((1, pool), (1, pool)))

        self.time = nn.ModuleList(block(1, t, (1, k), 1, 8) for k in (64, 32, 16))
        self.time_norm, self.space_norm, self.fusion_norm = (nn.BatchNorm2d(n) for n in (t, s, f))
        half = electrodes // 2
        self.space = nn.ModuleList([block(t, s, (electrodes, 1), 1, 2), block(t, s, (half, 1), (half, 1), 2)])
        self.fusion = block(s, f, (3, 1), 1, 4)
        self.dense = nn.Sequential(nn.Linear(f, 32), nn.ReLU(), nn.Dropout(0.5), nn.Linear(32, classes))

    def forward(self, x):
        y = self.time_norm(torch.cat([b(x) for b in self.time], dim=-1))
        y = self.space_norm(torch.cat([b(y) for b in self.space], dim=2))
        return self.dense(self.fusion_norm(self.fusion(y)).mean((2, 3)))


def r2():
    layers, n = [], 128
    for w, stride in ((128, 1), (256, 2), (256, 1), (512, 2)):
        layers += [nn.Conv2d(n, w, 3, stride, padding=1), nn.SELU()]
        n = w
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(4608, 1024), nn.Linear(1024, 1024), nn.Linear(1024, 2))


def ccnn(*widths, classes=2):
    return CCNN(4, 9, 9, classes, widths=widths)


# model, window, parameters, published FLOPs, MACs: Rao and Zhong (2023), tables of costs
PUBLISHED = {
    "CCNN": (lambda: ccnn(64, 128, 256, 64), (4, 9, 9), 6233602, 160004098, 79960064),
    "CCNN, 3 classes": (lambda: ccnn(64, 128, 256, 64, classes=3), (4, 9, 9), 6234627, 160006147, 79961088),
    "CCNN, 10 %": (lambda: ccnn(57, 115, 230, 57), (4, 9, 9), 5472829, 129656152, 64790384),
    "CCNN, 30 %": (lambda: ccnn(44, 89, 179, 44), (4, 9, 9), 4099350, 79676074, 39808688),
    "CCNN, 80 %": (lambda: ccnn(12, 25, 51, 12), (4, 9, 9), 1034262, 7805098, 3893936),
    "FBCCNN": (lambda: fbccnn((12, 32, 64, 128, 256, 128, 32), 2), (4, 9, 9), 2118230, 120081554, 59934512),
    "FBCCNN, 80 %": (lambda: fbccnn((2, 6, 12, 25, 51, 25, 6), 2), (4, 9, 9), 343475, 5179814, 2568692),
    "TSCeption": (lambda: TSCeption(15, 15, 15, 2), (1, 28, 512), 12563, 49728389, 24177019),
    "TSCeption, SEED": (lambda: TSCeption(15, 15, 15, 3), (1, 28, 200), 12596, 16444804, 7986546),
    "TSCeption, 30 %": (lambda: TSCeption(10, 10, 10, 2), (1, 28, 512), 6158, 32128824, 15606284),
    "R2": (r2, (128, 9, 9), 7984258, 100926594, 50448384),
}


@cache
def eegnet(*shape):
    return traced(EEGNet(*shape, 3), *shape)


def traced(model, *shape):
    return trace(model.eval(), torch.randn(2, *shape))


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_numbers(name):
    torch.manual_seed(0)  # one weight in 2^24 is drawn as exactly 0, and the published rule does not count it
    build_model, shape, parameters, flops, macs = PUBLISHED[name]
    now = cost(traced(build_model(), *shape))
    assert (now.parameters, now.published_flops, now.macs) == (parameters, flops, macs)
    assert sum(row.params for row in now.rows) == parameters


@pytest.mark.parametrize(
    ("zeroed", "flops"), [((6, 12, 25, 6), 145675522), ((51, 102, 204, 51), 41031298)], ids=["10 %", "80 %"]
)
def test_published_flops_skip_zeroed_filters(zeroed, flops):
    torch.manual_seed(0)  # see above
    model = ccnn(64, 128, 256, 64)
    with torch.no_grad():
        for block, n in zip(model.blocks, zeroed, strict=True):
            block[1].weight[:n] = 0
    now = cost(traced(model, 4, 9, 9))
    assert now.published_flops == flops
    assert now.macs == 79960064  # zeros are multiplied too


def test_eegnet_by_hand():
    network = eegnet(32, 256)
    now = cost(network)
    macs = {row.layer: row.macs for row in now.rows if row.macs}
    assert macs == {
        "temporal": 8 * 64 * 32 * 256,
        "spatial": 16 * 32 * 256,
        "separable_depth": 16 * 16 * 64,
        "separable_point": 16 * 16 * 64,
        "dense": 128 * 3,
    }
    assert now.macs == 4358528
    assert now.sram_bytes == 4 * (32 * 256 + 8 * 32 * 256)
    assert cost(network, bits=8).sram_bytes == 32 * 256 + 8 * 32 * 256
    assert (now.peak, now.input_bytes, now.output_bytes) == ("conv2d", 4 * 32 * 256, 12)
    # without the window: the feature map and what the spatial filter makes of it
    assert now.activation_bytes == 4 * (8 * 32 * 256 + 16 * 256)


class Products(nn.Module):
    """Matrix products of every kind, grouped, dilated and transposed convolutions, 1-d to 3-d."""

    def __init__(self):
        super().__init__()
        self.one = nn.Conv1d(8, 12, 5, stride=2, padding=3, dilation=2, groups=4)
        self.up = nn.ConvTranspose1d(12, 6, 4, stride=3, groups=2, bias=False)
        self.three = nn.Conv3d(1, 2, (3, 2, 5), padding=(1, 0, 2))
        self.up2 = nn.ConvTranspose2d(6, 3, 3, padding=1)
        self.dense = nn.Linear(5, 7)
        self.weight = nn.Parameter(torch.randn(7, 9))

    def forward(self, x):
        y = self.up(self.one(x))  # (n, 6, L)
        y = self.up2(y.unsqueeze(-1))[..., 0]
        z = self.three(x.unsqueeze(1).unsqueeze(1).expand(-1, -1, 4, -1, -1)).mean((1, 2, 3))[:, :5]
        z = self.dense(z) @ self.weight
        y = torch.bmm(y, y.transpose(1, 2)).mean(1).sum(1)
        return torch.addmm(torch.zeros(9), z, torch.ones(9, 9)) + y.unsqueeze(1)


def test_macs_equal_half_of_pytorchs_own_count():
    torch.manual_seed(0)
    model, x = Products().eval(), torch.randn(1, 8, 64)
    with FlopCounterMode(display=False) as counter:
        model(x)
    assert 2 * cost(traced(model, 8, 64)).macs == counter.get_total_flops()


class Attention(nn.Module):
    def forward(self, x):
        q, k, v = x[:, :, :16].transpose(1, 2), x[:, :, 16:40].transpose(1, 2), x[:, :, 40:64].transpose(1, 2)
        y = nn.functional.scaled_dot_product_attention(q, k, torch.cat([v, v], -1))
        return torch.einsum("...td, ed, ...td -> ...e", y, torch.ones(5, 16), y)


def test_attention_and_einsum():
    network = traced(Attention(), 8, 64)
    macs = [macs_of(network, node) for node in network.nodes]
    # 16 queries, 24 keys of 8, values of 16; then (t, e, d), and (t, e, d) again
    assert [m for m in macs if m] == [16 * 24 * (8 + 16), 2 * 16 * 5 * 16]


@pytest.mark.parametrize(("kind", "batch_first"), [(nn.GRU, True), (nn.LSTM, False), (nn.RNN, True)])
def test_recurrent(kind, batch_first):
    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = kind(8, 6, num_layers=2, bidirectional=True, batch_first=batch_first)

        def forward(self, x):
            y = x.transpose(1, 2) if batch_first else x.permute(2, 0, 1)
            return self.rnn(y)[0].mean(1 if batch_first else 0)

    gates = {nn.GRU: 3, nn.LSTM: 4, nn.RNN: 1}[kind]
    expected = 5 * 2 * gates * 6 * ((8 + 6) + (12 + 6))
    assert cost(traced(Last(), 8, 5)).macs == expected


def test_flash_by_hand():
    model = nn.Sequential(
        nn.Conv1d(8, 5, 3, bias=False), nn.BatchNorm1d(5), nn.ReLU(), nn.ELU(), nn.AvgPool1d(6), nn.Flatten(),
        nn.Linear(5, 3),
    )  # fmt: skip
    network = traced(model, 8, 8)

    def rows(bits):
        return {row.kind: row.flash_bytes for row in cost(network, bits=bits).rows if row.flash_bytes}

    assert rows(32) == {"conv1d": 480, "batch_norm": 40, "linear": 60 + 12}
    assert rows(8) == {
        "conv1d": 120 + 60, "batch_norm": 5 + 60, "elu": 256, "avg_pool1d": 8, "linear": 15 + 36,
    }  # fmt: skip
    assert rows(4)["conv1d"] == 60 + 60
    assert rows(2)["linear"] == 4 + 36  # 30 bits
    assert rows(1)["linear"] == 2 + 36
    assert cost(network, bits=4).flash_bytes == sum(rows(4).values())


def test_a_shared_tensor_is_stored_once():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(8, 8)

        def forward(self, x):
            return self.layer(torch.relu(self.layer(x)))

    now = cost(traced(Twice(), 8))
    assert (now.flash_bytes, now.parameters, now.macs) == (4 * 72, 72, 128)
    assert [row.params for row in now.rows] == [72, 0, 0]


def test_bits():
    network = eegnet(8, 64)
    macs = cost(network).macs
    bops = {32: macs * 32 * 32, 8: macs * 64, 4: macs * 32, 1: macs * 8}
    assert {bits: cost(network, bits=bits).bops for bits in bops} == bops
    with pytest.raises(ValueError, match="bits=16 is not a known width; use one of 32, 8, 4, 2, 1"):
        cost(network, bits=16)


def test_forms_of_a_cost():
    network = eegnet(8, 64)
    now = cost(network, bits=8)
    table = now.table()
    assert table["macs"].sum() == now.macs
    assert list(table["node"]) == [node.name for node in network.nodes]
    assert json.loads(json.dumps(now.to_dict()))["sram_bytes"] == now.sram_bytes
    text = str(now).splitlines()
    assert len(text) == len(network.nodes) + 2
    assert f"{now.macs:,}" in text[-1]
    (peak,) = (line for line in text if "◀" in line)
    assert now.peak in network.node
    assert peak.split()[:2] == ["conv2d", "spatial"]  # 8 maps of 8×64 in, 16 of 64 out


class Branches(nn.Module):
    """Split, in-place candidates that must not be overwritten, a late reader of the input, views of views."""

    def forward(self, x):
        a, b = torch.split(x, [3, 5], dim=1)
        y = torch.cat([torch.relu(b), a], dim=1)
        z = y.reshape(-1, 4, 32).reshape(-1, 8, 16)
        w = torch.sigmoid(y) * z + y
        return (w.permute(0, 2, 1).tanh().permute(0, 2, 1) + x).exp().mean((1, 2)).unsqueeze(1)


def run_in_arena(network, x, blocks, *, writable_input=True):
    """Run a network with every result stored in one array at its planned offset; float32."""
    itemsize = x.element_size()
    plan = plan_memory(blocks)
    arena = np.full(plan.size // itemsize, np.nan, np.float32)
    home = block_of(network, writable_input=writable_input)

    def view(name, size):
        start = plan.offsets[home[name]] // itemsize
        return arena[start : start + size]

    def read(name):
        if name in network.tensors:
            return network.tensors[name]
        shape = network.shape_of(name)
        if shape and isinstance(shape[0], tuple):
            sizes = [int(np.prod(s)) for s in shape]
            parts = np.split(view(name, sum(sizes)).copy(), np.cumsum(sizes)[:-1])
            return tuple(torch.from_numpy(p).reshape(s) for p, s in zip(parts, shape, strict=True))
        return torch.from_numpy(view(name, int(np.prod(shape))).copy()).reshape(shape)

    def write(name, value):
        parts = value if isinstance(value, tuple | list) else (value,)
        flat = np.concatenate([p.contiguous().reshape(-1).numpy() for p in parts])
        view(name, flat.size)[:] = flat

    write(next(iter(network.inputs)), x)
    integers = {}
    for node in network.nodes:
        kwargs = {k: getattr(torch, v) if k == "dtype" else v for k, v in node.kwargs.items()}
        value = operation(node.op)(*map_refs(node.args, lambda n: integers[n] if n in integers else read(n)), **kwargs)
        if isinstance(value, int):
            integers[node.name] = value
        elif node.kind not in {"split", "split_with_sizes", "chunk"}:
            write(node.name, value)
        else:
            integers[node.name] = value
    return read(network.output)


NETWORKS = [
    "depth multiplier 2",
    "residual",
    "concat",
    "inception",
    "squeeze-excitation",
    "attention head",
    "GRU",
    "grid",
]


@pytest.mark.parametrize("name", NETWORKS)
def test_planned_memory_holds_every_result_as_long_as_it_is_read(name):
    model, example = build(name)
    network = trace(model, example)
    x = example[:1].float()
    with torch.no_grad():
        got = run_in_arena(network, x, activation_blocks(network))
    torch.testing.assert_close(got, network(x), rtol=1e-5, atol=1e-6)


def test_planned_memory_with_views_and_a_late_reader():
    network = traced(Branches(), 8, 16)
    x = torch.randn(1, 8, 16)
    for writable in (True, False):
        blocks = activation_blocks(network, writable_input=writable)
        got = run_in_arena(network, x, blocks, writable_input=writable)
        torch.testing.assert_close(got, network(x))


def test_the_memory_run_notices_a_lifetime_that_ends_early():
    model, example = build("residual")
    network = trace(model, example)
    x = example[:1].float()
    blocks = [Block(b.name, b.size, b.first, b.first) for b in activation_blocks(network)]
    with torch.no_grad():
        got = run_in_arena(network, x, blocks)
    assert not torch.allclose(got, network(x))


def test_in_place_only_where_the_operand_dies():
    network = traced(nn.Sequential(nn.Linear(16, 16), nn.ELU(), nn.Linear(16, 16)), 16)
    linear, elu, second = (node.name for node in network.nodes)
    home = block_of(network)
    assert home[elu] == home[linear]
    assert home[second] != home[linear]  # a product needs all of its input to the end
    assert cost(network).sram_bytes == 4 * 32

    class Skip(nn.Module):
        def forward(self, x):
            return torch.relu(x) + x

    network = traced(Skip(), 16)
    relu, add = (node.name for node in network.nodes)
    home = block_of(network)
    assert home[relu] == relu  # x is read again
    assert home[add] in {relu, next(iter(network.inputs))}
    fixed = block_of(network, writable_input=False)
    assert fixed[add] == relu


@pytest.mark.slow
def test_every_zoo_network_has_a_cost():
    for name in ZOO:
        model, example = build(name)
        now = cost(trace(model, example), bits=8)
        assert now.macs > 0
        assert max(row.live_bytes for row in now.rows) <= now.sram_bytes
        assert now.activation_bytes + now.input_bytes >= now.sram_bytes
