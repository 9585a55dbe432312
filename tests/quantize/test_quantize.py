"""Integer programs against float ones: derived error bounds, structure, edge cases."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from small_nets import KINDS, program, windows
from torch import nn

from trimcap.graph.trace.trace import trace
from trimcap.program.interpret import dequantize, interpret, quantize_input
from trimcap.program.kinds.weighted import weight_scales
from trimcap.program.lower.lower import lower
from trimcap.program.program import Program
from trimcap.program.save import load_program, save_program
from trimcap.quantize.observe import observe
from trimcap.quantize.quantize import quantize
from trimcap.quantize.report import agreement
from zoo import ZOO, build

CANNOT = ("attention head", "GRU", "LSTM")


def on_grid(q: Program, X: np.ndarray) -> np.ndarray:
    """The windows that the integer program sees, in real units."""
    v = q.values[q.input]
    return (v.scale * (quantize_input(q, X).astype(float) - v.zero_point)).astype(np.float32)


@pytest.mark.parametrize("name", sorted(KINDS))
def test_each_kind_within_its_bound(name: str) -> None:
    """On inputs that are on the grid, an operation errs by half a step of its output and of its weights.

    The windows are a tenth smaller than the calibrated ones, so that nothing is clipped. tanh after a sum has slope
    ≤ 1, so it passes the error of the sum on.
    """
    model, shape = KINDS[name]
    net = program(model, *shape)
    x = windows(*shape)
    q = quantize(net, x, method="minmax")
    grid = on_grid(q, 0.9 * x)
    error = np.abs(dequantize(q, interpret(q, grid)) - interpret(net, grid)).max()
    bound = sum(0.5 * q.values[op.output].scale for op in q.ops if op.kind not in _COPIES) + 1e-6
    for op in net.ops:
        if op.kind in ("conv", "linear"):
            w = net.constant(op, "weight")
            step = np.abs(w).reshape(len(w), -1).max(1) / 127
            bound += float((0.5 * step).max() * np.abs(grid).max() * w[0].size)
    assert name in {op.kind for op in q.ops} | {"depthwise"}
    assert error <= bound


_COPIES = ("max_pool", "concat", "pad", "permute", "slice", "reshape")


@pytest.mark.parametrize("name", [k for k in sorted(KINDS) if k in _COPIES])
def test_copies_are_exact(name: str) -> None:
    model, shape = KINDS[name]
    net, x = program(model, *shape), windows(*shape)
    q = quantize(net, x)
    np.testing.assert_allclose(dequantize(q, interpret(q, x)), interpret(net, on_grid(q, x)), rtol=1e-6)


@pytest.mark.parametrize("name", sorted(set(ZOO) - set(CANNOT)))
def test_zoo_keeps_its_logits(name: str) -> None:
    model, example = build(name)
    net = lower(trace(model, example))
    x = windows(*example.shape[1:], n=64, spread=1.0)
    q = quantize(net, x[:32])
    assert q.integer
    assert {v.dtype for v in q.values.values()} <= {"int8", "int16"}
    assert q.values[q.output].dtype == "int16"
    result = agreement(net, q, x[32:])
    assert result.sqnr > 20
    assert result.agreement >= 0.85


def test_a_perturbed_program_differs() -> None:
    net = program(nn.Sequential(nn.Conv1d(6, 8, 5), nn.ReLU(), nn.Flatten(), nn.Linear(224, 3)), 6, 32)
    x = windows(6, 32)
    q = quantize(net, x)
    before = interpret(q, x)
    conv = next(op for op in q.ops if op.kind == "conv")
    for op, role in ((conv, "weight"), (q.ops[-1], "multiplier"), (conv, "bias")):
        name = op.constants[role]
        other = q.constants[name].copy()
        flat = other.reshape(-1)
        flat[0] = flat[0] - 2**24 if role == "multiplier" else flat[0] + (1 if role == "bias" else -9)
        if role == "bias":
            flat += 5000
        changed = replace(q, constants={**q.constants, name: other})
        assert (interpret(changed, x) != before).any()


def test_limits_are_fused_as_integers() -> None:
    net = program(nn.Sequential(nn.Conv1d(6, 8, 5), nn.ReLU6(), nn.Flatten(), nn.Linear(224, 3)), 6, 32)
    q = quantize(net, windows(6, 32), method="minmax")
    assert [op.kind for op in q.ops if op.kind != "reshape"] == ["conv", "linear"]
    conv = next(op for op in q.ops if op.kind == "conv")
    y = q.values[conv.output]
    assert y.zero_point == -128
    assert conv.attrs["low"] == -128
    assert conv.attrs["high"] == min(127, round(6 / y.scale) - 128)


def test_shared_grids() -> None:
    net = program(
        lambda x: torch.cat([10 * torch.tanh(x), torch.nn.functional.max_pool1d(x, 3, 1, 1)], 1).permute(0, 2, 1), 6, 32
    )
    q = quantize(net, windows(6, 32))
    shared = {v for op in q.ops if op.kind in _COPIES for v in (*op.inputs, op.output)}
    assert len({(q.values[v].scale, q.values[v].zero_point) for v in shared}) == 1


def test_logits_have_sixteen_bits_and_headroom() -> None:
    net = program(nn.Sequential(nn.Flatten(), nn.Linear(12, 4), nn.Unflatten(1, (2, 2))), 3, 4)
    x = windows(3, 4)
    q = quantize(net, x, method="minmax")
    raw = interpret(q, x)
    assert raw.dtype == np.int16
    assert raw.shape == (40, 2, 2)
    assert abs(np.abs(raw).max() - 16383) < 200
    # twice the calibrated range still fits
    assert np.abs(interpret(q, 1.5 * x)).max() < 32767


def test_output_that_others_read_stays_int8() -> None:
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(12, 3)

        def forward(self, x):
            y = self.a(x)
            return y + torch.sigmoid(y)

    q = quantize(program(Twice(), 12), windows(12))
    assert {v.dtype for v in q.values.values()} == {"int8"}


def test_dead_channels() -> None:
    model = nn.Sequential(nn.Conv1d(3, 4, 3), nn.Conv1d(4, 2, 2))
    net = program(model, 3, 16)
    weight, bias = (net.constants[net.ops[1].constants[r]].copy() for r in ("weight", "bias"))
    assert net.ops[1].kind == "conv"
    weight[1:3] = 0
    bias[1], bias[2] = 0.0, 7.5
    names = net.ops[1].constants
    net = replace(net, constants={**net.constants, names["weight"]: weight, names["bias"]: bias})
    x = windows(3, 16)
    q = quantize(net, x, method="minmax")
    inner = q.ops[1].output
    real = dequantize(q, interpret(q, x, trace=True)[q.ops[1].name], value=inner)
    assert (real[:, 1] == 0).all()
    assert np.abs(real[:, 2] - 7.5).max() <= 0.5 * q.values[inner].scale
    assert agreement(net, q, x).sqnr > 25


def test_weight_scales() -> None:
    w = np.array([[2.0, -4.0], [0.0, 0.0], [0.0, 0.0]])
    scales = weight_scales(w, np.array([1.0, 3.0, 0.0]), 0.5)
    assert scales[0] == 4 / 127
    assert scales[1] == pytest.approx(3 / (0.5 * 2**30))
    assert scales[2] == 1
    assert weight_scales(w, np.zeros(3), 0.5, bits=4)[0] == 4 / 7
    # a bias that would not fit int32 coarsens its channel
    assert 1e9 / (0.5 * weight_scales(w, np.full(3, 1e9), 0.5)[0]) <= 2**30 * (1 + 1e-12)


def test_fewer_weight_bits_lose_more() -> None:
    net = program(nn.Sequential(nn.Conv1d(6, 8, 5), nn.ReLU(), nn.Flatten(), nn.Linear(224, 3)), 6, 32)
    x = windows(6, 32)
    quality = [agreement(net, quantize(net, x, bits=b), x).sqnr for b in (2, 4, 8)]
    assert quality == sorted(quality)
    q4 = quantize(net, x, bits=4)
    assert np.abs(q4.constant(next(o for o in q4.ops if o.kind == "conv"), "weight")).max() == 7
    with pytest.raises(ValueError, match="bits is 9"):
        quantize(net, x, bits=9)


def test_too_wide_a_layer_is_refused() -> None:
    net = program(nn.Linear(140_000, 2), 140_000)
    name = net.ops[-1].constants["weight"]
    net = replace(net, constants={**net.constants, name: np.ones((2, 140_000), np.float32)})
    with pytest.raises(ValueError, match="beyond int32"):
        quantize(net, windows(140_000, n=8), method="minmax")


def test_ranges_of_another_program() -> None:
    a, b = program(nn.Linear(5, 2), 5), program(nn.Sequential(nn.Linear(5, 2), nn.Sigmoid()), 5)
    with pytest.raises(ValueError, match="ranges lack 1 values of program 'net', first 'sigmoid'"):
        quantize(b, observe(a, windows(5)))


def test_ledger_and_notes() -> None:
    class Ledger:
        def record(self, stage, data):
            self.entry = (stage, data)

    net, x, ledger = program(nn.Linear(5, 2), 5), windows(5, n=4), Ledger()
    q = quantize(net, x, ledger=ledger)
    assert ledger.entry[0] == "calibration"
    assert ledger.entry[1] is x
    assert "calibrated on 4 windows" in q.notes[-1]


def test_saved_integer_program_is_the_same(tmp_path) -> None:
    model, example = build("squeeze-excitation")
    net = lower(trace(model, example))
    x = windows(*example.shape[1:], spread=1.0)
    q = quantize(net, x)
    for name, p in (("float", net), ("int8", q)):
        loaded = load_program(save_program(p, tmp_path / name))
        np.testing.assert_array_equal(interpret(loaded, x), interpret(p, x))
        assert loaded.flash_bytes == p.flash_bytes
