"""Costs against published numbers, PyTorch's own counter, hand counts, and the artifact that is written."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from trimcap._errors import PlanError
from trimcap.export.artifact import check_artifact, export
from trimcap.graph.price import macs_of, price
from trimcap.graph.rewrite.rewrite import rewrite, unproven
from trimcap.graph.trace.trace import trace
from trimcap.models.ccnn import CCNN
from trimcap.models.eegnet import EEGNet
from trimcap.program.cost import cost, deployed_cost
from trimcap.prune.choose.keep import keep_within
from trimcap.prune.saliency.by_weights import l1
from trimcap.prune.shrink import shrink
from trimcap.quantize.network import quantize_network
from trimcap.reproduce.counting import published_flops
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
    network = traced(build_model(), *shape)
    assert (network.n_parameters, published_flops(network), price(network).macs) == (parameters, flops, macs)
    now = cost(network)
    assert now.parameters == sum(row.params for row in now.rows) == parameters
    assert now.macs >= macs  # a norm that is not folded multiplies too


@pytest.mark.parametrize(
    ("zeroed", "flops"), [((6, 12, 25, 6), 145675522), ((51, 102, 204, 51), 41031298)], ids=["10 %", "80 %"]
)
def test_published_flops_skip_zeroed_filters(zeroed, flops):
    torch.manual_seed(0)  # see above
    model = ccnn(64, 128, 256, 64)
    with torch.no_grad():
        for block, n in zip(model.blocks, zeroed, strict=True):
            block[1].weight[:n] = 0
    network = traced(model, 4, 9, 9)
    assert published_flops(network) == flops
    assert price(network).macs == 79960064  # zeros are multiplied too


def test_eegnet_by_hand():
    network = eegnet(32, 256)
    now = cost(network)
    macs = {row.layer: row.macs for row in now.rows if row.macs}
    assert macs == {
        "temporal": 8 * 64 * 32 * 256,
        "temporal_norm": 8 * 32 * 256,
        "spatial": 16 * 32 * 256,
        "spatial_norm": 16 * 256,
        "separable_depth": 16 * 16 * 64,
        "separable_point": 16 * 16 * 64,
        "separable_norm": 16 * 64,
        "dense": 128 * 3,
    }
    assert price(network).macs == 4358528 == now.macs - 8 * 32 * 256 - 16 * 256 - 16 * 64
    maps = 8 * 32 * 256  # before and after the norm, which is not folded
    assert now.sram_bytes == 4 * 2 * maps + 12
    assert cost(network, bits=8).sram_bytes == 2 * maps + 4 * 256 + 2 * 3  # a row of sums; sixteen bits for each logit
    assert (now.peak, now.input_bytes, now.output_bytes) == ("batch_norm", 4 * 32 * 256, 12)
    assert (now.scratch_bytes, now.unknown) == (4 * (256 + 63), "")  # the padded row under one output row
    rewritten = deployed_cost(network, bits=8)  # the spatial filter first: window and its maps, a row of sums
    assert rewritten.sram_bytes == 32 * 256 + 16 * 256 + 4 * 256 + 2 * 3
    assert rewritten.macs == 16 * 32 * 256 + 16 * 64 * 256 + 2 * 16 * 16 * 64 + 128 * 3


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
    assert 2 * price(traced(model, 8, 64)).macs == counter.get_total_flops()


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
    now = cost(traced(Last(), 8, 5))
    assert now.macs == expected
    first = next(row.kind for row in now.rows if row.macs) if batch_first else "permute"
    assert (now.flash_bytes, now.sram_bytes, now.unknown) == (None, None, f"{first} has no C")
    assert f"flash and SRAM unknown: {first} has no C" in str(now)
    (held,) = (row.params for row in now.rows if row.macs)
    assert held == now.parameters == sum(row.params for row in now.rows)


def test_flash_by_hand():
    model = nn.Sequential(
        nn.Conv1d(8, 5, 3, bias=False), nn.BatchNorm1d(5), nn.ReLU(), nn.ELU(), nn.AvgPool1d(6), nn.Flatten(),
        nn.Linear(5, 3),
    )  # fmt: skip
    network = traced(model, 8, 8)

    def rows(bits):
        return [row.flash_bytes for row in cost(network, bits=bits).rows if row.flash_bytes]

    # the norm is a convolution of one tap; each has a bias, and in integers a multiplier and a shift for each output
    assert rows(32) == [480 + 20, 20 + 20, 60 + 12]
    assert rows(8) == [120 + 60, 5 + 60, 256, 8, 15 + 36]
    assert rows(2) == rows(8)  # the C stores a byte
    assert cost(network, bits=8).flash_bytes == sum(rows(8))
    folded = deployed_cost(network)
    assert folded.flash_bytes == sum(rows(8)) - (5 + 60)
    assert folded.parameters == network.n_parameters


def test_a_shared_tensor_is_stored_once():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(8, 8)

        def forward(self, x):
            return self.layer(torch.relu(self.layer(x)))

    now = cost(traced(Twice(), 8))
    assert (now.parameters, now.macs) == (72, 128)
    assert [row.params for row in now.rows] == [72, 0]


def test_bits():
    network = eegnet(8, 64)
    macs = cost(network).macs
    bops = {32: macs * 32 * 32, 8: macs * 64, 4: macs * 32, 2: macs * 16}
    assert {bits: cost(network, bits=bits).bops for bits in bops} == bops
    with pytest.raises(ValueError, match="bits=16 is not a known width; use 32, or 8 to 2"):
        cost(network, bits=16)


def test_forms_of_a_cost():
    network = eegnet(8, 64)
    now = cost(network, bits=8)
    table = now.table()
    assert table["macs"].sum() == now.macs
    assert table["layer"].iloc[0] == "temporal"
    assert json.loads(json.dumps(now.to_dict()))["sram_bytes"] == now.sram_bytes
    text = str(now).splitlines()
    assert len(text) == len(now.rows) + 2
    assert f"{now.macs:,}" in text[-1]
    (peak,) = (line for line in text if "◀" in line)
    assert now.peak in set(table["name"])
    assert max(row.live_bytes for row in now.rows) <= now.sram_bytes
    assert peak.split()[0] == "conv"


def test_a_rewritten_network_is_counted_the_same_by_all():
    network = rewrite(eegnet(8, 64)).network
    assert deployed_cost(network) == cost(network, bits=8)
    whole = deployed_cost(eegnet(8, 64))
    assert whole == replace(deployed_cost(network), parameters=whole.parameters)


def test_counting_without_proof_counts_the_same():
    for name in ("depth multiplier 2", "shallow", "residual", "concat"):
        network = trace(*build(name))
        found = cost(unproven(network))
        assert replace(found, parameters=network.n_parameters) == deployed_cost(network, bits=32), name


def artifact_cost(network, folder):
    X = np.random.default_rng(0).standard_normal((8, *network.input_shape)).astype(np.float32)
    program = quantize_network(network, X).program
    found = check_artifact(export(program, folder, golden=X)).manifest["cost"]
    return found["arena_bytes"] + program.values[program.output].nbytes, found["flash_bytes"], found["macs"]


@pytest.mark.parametrize("name", ["depth multiplier 2", "shallow", "squeeze-excitation"])
def test_cost_is_that_of_the_artifact(name, tmp_path):
    torch.manual_seed(0)
    network = trace(*build(name))
    found = deployed_cost(network)
    assert (found.sram_bytes, found.flash_bytes, found.macs) == artifact_cost(network, tmp_path / "net")


def test_a_budget_on_sram_holds_in_c(tmp_path):
    network = eegnet(16, 128)
    budget = int(deployed_cost(network).sram_bytes * 0.8)
    plan = keep_within(network, l1(network), sram=budget)
    assert artifact_cost(shrink(network, plan), tmp_path / "net")[0] <= budget
    # twin: a count that knows no scratch promises too much here
    hopeful = keep_within(network, l1(network), sram=budget, measure=without_scratch)
    assert artifact_cost(shrink(network, hopeful), tmp_path / "hopeful")[0] > budget


def without_scratch(network):
    found = deployed_cost(network)
    return replace(found, sram_bytes=found.sram_bytes - found.scratch_bytes)


def test_what_has_no_c_has_a_budget_of_macs_only():
    class Rnn(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.head = nn.GRU(4, 6, batch_first=True), nn.Linear(6, 2)

        def forward(self, x):
            return self.head(self.rnn(x.transpose(1, 2))[0][:, -1])

    recurrent = traced(Rnn(), 4, 16)
    macs = price(recurrent).macs
    assert deployed_cost(recurrent).macs == macs
    with pytest.raises(PlanError, match=r"sram of .* unknown: gru has no C; give a budget of macs"):
        keep_within(recurrent, l1(recurrent), sram=100, macs=10)
    plan = keep_within(recurrent, l1(recurrent), macs=macs * 3 // 4)
    assert price(shrink(recurrent, plan)).macs <= macs * 3 // 4


@pytest.mark.slow
def test_every_zoo_network_has_a_cost():
    for name in ZOO:
        now = cost(trace(*build(name)), bits=8)
        assert now.macs > 0
        assert now.unknown or max(row.live_bytes for row in now.rows) <= now.sram_bytes
