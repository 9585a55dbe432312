"""Layer norm, softmax and products of two activations: against plain integers, against float, at their limits."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import clamp, layer_norm, requant, softmax
from one_op import int8, one_op, run_int8
from torch import nn

from trimcap.graph.trace.trace import trace
from trimcap.program.interpret import dequantize, interpret, quantize_input
from trimcap.program.kinds.norms import (
    exponent_table,
    fraction_of,
    inverse_root,
    normalised_integers,
    probability_integers,
)
from trimcap.program.kinds.table import KINDS as OPERATIONS
from trimcap.program.lower.lower import lower
from trimcap.quantize.quantize import quantize
from trimcap.quantize.report import sqnr

#: 2^30 is the largest sum of a layer norm and of a softmax: it becomes 2^8
RATIO = {"multiplier": np.array([2**30 + 12345], np.int32), "shift": np.array([52], np.int32)}


def rows_of(n: int, seed: int) -> np.ndarray:
    """Random rows and hard ones: constant, at both ends, one huge value, one step."""
    rng = np.random.default_rng(seed)
    rows = [rng.integers(-128, 128, n), rng.integers(-2, 3, n), np.full(n, -128), np.full(n, 127)]
    rows += [np.where(np.arange(n) % 2, -128, 127), np.where(np.arange(n) == n // 2, 127, -128)]
    return np.array([*rows, np.where(np.arange(n) == 0, 1, 0)]).astype(np.int8)


def norm_program(outer: int, n: int, gain, offset, *, epsilon: int, zero: int = 3):
    constants = {"gain": np.asarray(gain, np.int16), "offset": np.asarray(offset, np.int32), **RATIO}
    x, y = int8("x", (outer, n), 1.0, zero), int8("y", (outer, n), 1.0, -7)
    return one_op("layer_norm", [x], y, constants=constants, outer=outer, reduce=n, epsilon=epsilon,
                  fraction=fraction_of(n))  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.sampled_from([1, 7, 10**4, 10**9, 2**60]), st.integers(-128, 127), st.integers(0, 10**6))
def test_layer_norm_equals_plain_integers(n: int, epsilon: int, zero: int, seed: int) -> None:
    q, rng = rows_of(n, seed), np.random.default_rng(seed)
    gain, offset = rng.integers(-32767, 32768, n), rng.integers(-(2**30), 2**30, n)
    got = run_int8(norm_program(len(q), n, gain, offset, epsilon=epsilon, zero=zero), q[None])[0]
    for row, result in zip(q, got, strict=True):
        terms = layer_norm(row, epsilon, fraction_of(n))
        assert max(map(abs, terms)) <= 2**15
        sums = [t * int(g) + int(o) for t, g, o in zip(terms, gain, offset, strict=True)]
        assert result.tolist() == [clamp(-7 + requant(a, 2**30 + 12345, 52), -128, 127) for a in sums]


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.sampled_from([1e-6, 0.01, 0.1, 3.0]), st.integers(0, 10**6))
def test_softmax_equals_plain_integers(n: int, scale: float, seed: int) -> None:
    q, table = rows_of(n, seed), exponent_table(scale)
    values = int8("x", (len(q), n), scale, 3), int8("y", (len(q), n), 1 / 255, -128)
    constants = {"exponents": table, **RATIO}
    across = one_op("softmax", [values[0]], values[1], constants=constants, outer=len(q), reduce=n, inner=1)
    for row, result in zip(q, run_int8(across, q[None])[0], strict=True):
        terms = softmax(row, table)
        assert sum(terms) <= 2**30
        assert result.tolist() == [clamp(-128 + requant(a, 2**30 + 12345, 52), -128, 127) for a in terms]
    turned = int8("x", (n, len(q)), scale, 3), int8("y", (n, len(q)), 1 / 255, -128)
    down = one_op("softmax", [turned[0]], turned[1], constants=constants, outer=1, reduce=n, inner=len(q))
    np.testing.assert_array_equal(run_int8(down, q.T[None])[0].T, run_int8(across, q[None])[0])


def test_matmul_equals_plain_integers() -> None:
    rng = np.random.default_rng(0)
    a, c = rng.integers(-128, 128, (2, 3, 4)).astype(np.int8), rng.integers(-128, 128, (2, 5, 4)).astype(np.int8)
    x, z, y = int8("x", (2, 3, 4), 1, -9), int8("z", (2, 5, 4), 1, 20), int8("y", (2, 3, 5), 1, 4)
    from trimcap.program.program import Op, Program

    attrs = {"batch": 2, "rows": 3, "depth": 4, "columns": 5, "steps_a": (12, 4, 1), "steps_b": (20, 1, 4)}
    ratio = {**RATIO, "shift": np.array([40], np.int32)}
    op = Op("op", "matmul", ("x", "z"), "y", attrs, {role: role for role in ratio})
    p = Program("two", (op,), {v.name: v for v in (x, z, y)}, ratio, "x", "y")
    got = run_int8(p, a[None], c[None])[0]
    for g, r, k in product(range(2), range(3), range(5)):
        total = sum((int(a[g, r, d]) + 9) * (int(c[g, k, d]) - 20) for d in range(4))
        assert got[g, r, k] == clamp(4 + requant(total, 2**30 + 12345, 40), -128, 127)
    assert OPERATIONS[p.ops[0].kind].bound(p, op) == 4 * 136 * 148


def test_the_inverse_root_is_within_its_bound() -> None:
    d = np.unique(
        np.concatenate([np.arange(1, 3000), 2 ** np.arange(62), 2 ** np.arange(1, 62) - 1, 3 * 4 ** np.arange(29)])
    )
    root, e = inverse_root(d.astype(np.int64))
    assert root.min() >= 2**15
    assert root.max() < 2**16
    error = root * 2.0 ** (-31.0 - e) * np.sqrt(d.astype(np.float64)) - 1
    assert error.max() < 1e-9
    assert error.min() > -(2.0**-14)


@pytest.mark.parametrize("n", [1, 2, 3, 255, 256, 257, 16384, 2**16])
def test_the_longest_and_shortest_rows_stay_within_their_integers(n: int) -> None:
    """|t| ≤ 2^15, and every sum fits: the largest gain and offset are accepted by the proof."""
    for row in rows_of(n, 0):
        assert np.abs(normalised_integers(row, 1, fraction_of(n))).max() <= 2**15
        u = probability_integers(row, exponent_table(1e-9), 0)
        assert 0 <= u.min() <= u.max() <= 2**30
    p = norm_program(1, n, [32767], [2**30], epsilon=1)
    assert OPERATIONS[p.ops[0].kind].bound(p, p.ops[0]) == (32767 << 15) + 2**30 < 2**31


def test_longer_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="65,537 numbers; 1 to 65,536"):
        norm_program(1, 2**16 + 1, [1], [0], epsilon=1)
    with pytest.raises(ValueError, match="epsilon must be in"):
        norm_program(1, 8, [1], [0], epsilon=0)
    with pytest.raises(ValueError, match="beyond int32"):
        norm_program(1, 8, [-32768], [2**31 - 1], epsilon=1)
    with pytest.raises(ValueError, match="256 numbers"):
        one_op("softmax", [int8("x", (4,))], int8("y", (4,)), outer=1, reduce=4, inner=1,
               constants={"exponents": np.zeros(256, np.int16), **RATIO})  # fmt: skip


@pytest.mark.parametrize(
    ("broken", "kind"), [("fraction", "layer_norm"), ("exponents", "softmax"), ("gain", "layer_norm")]
)
def test_a_perturbed_constant_differs(broken: str, kind: str) -> None:
    """The twin: what the replica is compared with does change with each constant."""
    q = rows_of(16, 1)
    if kind == "softmax":
        before = probability_integers(q, exponent_table(0.05), 1)
        assert (probability_integers(q, exponent_table(0.0501), 1) != before).any()
        return
    gain = np.full(16, 20000)
    before = run_int8(norm_program(len(q), 16, gain, [0], epsilon=5), q[None])
    if broken == "gain":
        after = run_int8(norm_program(len(q), 16, gain + 200, [0], epsilon=5), q[None])
    else:
        terms = normalised_integers(q, 5, fraction_of(16) - 1)
        assert (terms != normalised_integers(q, 5, fraction_of(16))).any()
        after = run_int8(norm_program(len(q), 16, gain, [0], epsilon=50_000), q[None])
    assert (after != before).any()


class Normed(nn.Module):
    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


LAYER = nn.LayerNorm(48)
with torch.no_grad():
    LAYER.weight.uniform_(0.5, 1.5, generator=torch.Generator().manual_seed(0))
    LAYER.bias.normal_(generator=torch.Generator().manual_seed(1))
KINDS = {
    "layer norm": LAYER,
    "softmax": lambda x: torch.softmax(x, -1) * 1.0,
    "softmax of few": lambda x: torch.softmax(x[:, :, :3], 1) * 1.0,
    "product": lambda x: x @ x.transpose(1, 2) / 7,
}
INPUTS = {
    "random": lambda rng: rng.standard_normal((24, 6, 48)),
    "constant rows": lambda rng: np.where(rng.random((24, 6, 1)) < 0.3, 0.7, rng.standard_normal((24, 6, 48))),
    "one huge value": lambda rng: rng.standard_normal((24, 6, 48)) + 8.0 * (np.arange(48) == 5),
    "offset": lambda rng: rng.standard_normal((24, 6, 48)) + 3.0,
}


@pytest.mark.parametrize("data", INPUTS)
@pytest.mark.parametrize("kind", KINDS)
def test_integers_against_float(kind: str, data: str) -> None:
    """The operation alone loses no more than rounding its output does: its input is taken as quantized."""
    x = INPUTS[data](np.random.default_rng(0)).astype(np.float32)
    program = lower(trace(Normed(KINDS[kind]).eval(), torch.from_numpy(x[:3])))
    integers = quantize(program, x, method="minmax")
    seen = dequantize(integers, quantize_input(integers, x), value=integers.input)
    wanted = interpret(program, seen)
    got = dequantize(integers, interpret(integers, x))
    step = integers.values[integers.output].scale
    ideal = 10 * np.log10((wanted.astype(np.float64) ** 2).mean() / (step**2 / 12))
    assert sqnr(wanted, got) > min(ideal - 1.5, 100), (sqnr(wanted, got), ideal)
    assert sqnr(wanted, got + 2 * step) < ideal - 6  # the measure sees two steps


def test_float_against_torch_far_from_zero() -> None:
    x = torch.randn(4, 6, 48, generator=torch.Generator().manual_seed(0)) * 1e-2 + 50
    program = lower(trace(LAYER.eval(), x))
    want = LAYER.double()(x.double()).detach().numpy()
    LAYER.float()
    assert np.abs(interpret(program, x.numpy()) - want).max() < 1e-5 * np.abs(want).max()
