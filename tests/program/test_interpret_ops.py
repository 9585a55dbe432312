"""Every other operation of the interpreter against plain loops."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import clamp, requant
from one_op import int8, one_op, run_int8

from trimcap.program.interpret import interpret
from trimcap.program.program import Value

RNG = np.random.default_rng(0)


def windows(*shape: int) -> np.ndarray:
    return RNG.integers(-128, 128, (2, *shape)).astype(np.int8)


def ratio(m: int, s: int) -> dict[str, np.ndarray]:
    return {"multiplier": np.array([m], np.int32), "shift": np.array([s], np.int32)}


def test_linear_on_the_last_dimension() -> None:
    c = {
        "weight": RNG.integers(-127, 128, (3, 5)).astype(np.int8),
        "bias": RNG.integers(-999, 999, 3).astype(np.int32),
        "multiplier": RNG.integers(2**30, 2**31, 3).astype(np.int32),
        "shift": np.array([38, 39, 40], np.int32),
    }
    p = one_op("linear", [int8("x", (2, 5), 1, 9)], int8("y", (2, 3), 1, -4), constants=c, low=-4, high=127)
    x = windows(2, 5)
    got = run_int8(p, x)
    for n, row, o in product(range(2), range(2), range(3)):
        a = int(c["bias"][o]) + sum(int(w) * (int(q) - 9) for w, q in zip(c["weight"][o], x[n, row], strict=True))
        assert got[n, row, o] == clamp(-4 + requant(a, c["multiplier"][o], c["shift"][o]), -4, 127)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(0, 2), st.integers(-128, 127))
def test_pools(kernel: int, step: int, rows: int, pad: int, zero: int) -> None:
    height, width = 3 + kernel, 4
    stride, window = (step, 1), (kernel, min(rows, 2))
    padding = (pad % kernel, 0, 0, pad % window[1])
    out = ((height + padding[0] - kernel) // step + 1, width + padding[3] - window[1] + 1)
    x = windows(2, height, width)
    attrs = {"kernel": window, "stride": stride, "padding": padding}
    values = int8("x", (2, height, width), 1, zero), int8("y", (2, *out), 1, zero)
    largest = run_int8(one_op("max_pool", [values[0]], values[1], **attrs), x)
    y = int8("y", (2, *out), 1, 5)
    p = one_op("avg_pool", [values[0]], y, constants=ratio(2**30 + 12345, 33), **attrs, divisor=window[0] * window[1])
    average = run_int8(p, x)
    by_count = [(2**30 + 999 * count, 31 + count % 5) for count in range(1, window[0] * window[1] + 1)]
    factors = dict(zip(("multiplier", "shift"), np.array(by_count, np.int32).T, strict=True))
    inside = run_int8(one_op("avg_pool", [values[0]], y, constants=factors, **attrs, divisor=0), x)
    for n, c, r, k in product(range(2), range(2), range(out[0]), range(out[1])):
        seen = [
            int(x[n, c, i, j])
            for i in range(r * step - padding[0], r * step - padding[0] + kernel)
            for j in range(k, k + window[1])
            if 0 <= i < height and 0 <= j < width
        ]
        assert largest[n, c, r, k] == max(seen, default=-128)
        a = sum(q - zero for q in seen)
        assert average[n, c, r, k] == clamp(5 + requant(a, 2**30 + 12345, 33), -128, 127)
        assert inside[n, c, r, k] == clamp(5 + requant(a, *by_count[len(seen) - 1]), -128, 127)


def test_mean_over_the_middle() -> None:
    x = windows(2, 3, 4)
    p = one_op("mean", [int8("x", (2, 3, 4), 1, 7)], int8("y", (2, 4), 1, 1), constants=ratio(2**30, 31),
               outer=2, reduce=3, inner=4)  # fmt: skip
    got = run_int8(p, x)
    for n, a, b in product(range(2), range(2), range(4)):
        total = sum(int(x[n, a, i, b]) - 7 for i in range(3))
        assert got[n, a, b] == clamp(1 + requant(total, 2**30, 31), -128, 127)


@pytest.mark.parametrize("kind", ["add", "mul"])
def test_add_and_mul_with_broadcasting(kind: str) -> None:
    a, b = windows(3, 4), windows(3)
    values = [int8("x", (3, 4), 1, -3), int8("z", (3,), 1, 6)]
    strides = {"strides_a": (4, 1), "strides_b": (1, 0)}
    m = {"multipliers": np.array([2**30 + 7, 2**29 + 3], np.int32), "shift": np.array([31], np.int32)}
    constants = m if kind == "add" else ratio(2**30 + 99, 37)
    limits = {"low": -20, "high": 90} if kind == "add" else {}
    # the second input is the program's input too: only run_op is used
    p = _two_inputs(kind, values, int8("y", (3, 4), 1, 2), constants, {**strides, **limits})
    got = run_int8(p, a, b)
    for n, i, j in product(range(2), range(3), range(4)):
        u, v = int(a[n, i, j]) + 3, int(b[n, i]) - 6
        if kind == "add":
            total = Fraction(u * (2**30 + 7) + v * (2**29 + 3), 2**31) + Fraction(1, 2)
            want = clamp(2 + floor(total), -20, 90)
        else:
            want = clamp(2 + requant(u * v, 2**30 + 99, 37), -128, 127)
        assert got[n, i, j] == want


def _two_inputs(kind, values, output, constants, attrs):
    from trimcap.program.program import Op, Program

    roles = {role: role for role in constants}
    op = Op("op", kind, ("x", "z"), "y", attrs, roles)
    return Program("two", (op,), {v.name: v for v in (*values, output)}, constants, "x", "y")


def test_table() -> None:
    table = RNG.permutation(np.arange(-128, 128)).astype(np.int8)
    p = one_op("table", [int8("x", (6,))], int8("y", (6,)), constants={"table": table})
    x = np.array([[-128, -1, 0, 1, 64, 127]], np.int8)
    assert run_int8(p, x)[0].tolist() == [int(table[q + 128]) for q in x[0].tolist()]


def test_copies() -> None:
    x = windows(2, 3, 4)
    v = int8("x", (2, 3, 4), 1, 5)
    permuted = run_int8(one_op("permute", [v], int8("y", (4, 2, 3), 1, 5), order=(2, 0, 1)), x)
    sliced = run_int8(one_op("slice", [v], int8("y", (2, 3, 2), 1, 5), dim=2, start=1, step=2), x)
    padded = run_int8(one_op("pad", [v], int8("y", (2, 4, 7), 1, 5), padding=(1, 0, 0, 3)), x)
    joined = run_int8(one_op("concat", [v, v], int8("y", (2, 6, 4), 1, 5), dim=1), x, x)
    flat = run_int8(one_op("reshape", [v], int8("y", (24,), 1, 5)), x)
    for n, i, j, k in np.ndindex(x.shape):
        q = x[n, i, j, k]
        assert permuted[n, k, i, j] == padded[n, i, j + 1, k] == joined[n, i, j, k] == joined[n, i, j + 3, k] == q
        assert flat[n, 12 * i + 4 * j + k] == q
    assert (padded[:, :, 0] == 5).all()
    assert (padded[:, :, :, 4:] == 5).all()
    np.testing.assert_array_equal(sliced, x[:, :, :, [1, 3]])


def test_float_pool_mean_add_mul() -> None:
    x = RNG.standard_normal((3, 2, 4, 6)).astype(np.float32)
    v = Value("x", (2, 4, 6))
    pooled = interpret(
        one_op("avg_pool", [v], Value("y", (2, 2, 2)), kernel=(2, 3), stride=(2, 3), padding=(0, 0, 0, 0), divisor=6), x
    )
    np.testing.assert_allclose(pooled, x.reshape(3, 2, 2, 2, 2, 3).mean((3, 5)), rtol=1e-6, atol=1e-7)
    mean = interpret(one_op("mean", [v], Value("y", (2,)), outer=2, reduce=24, inner=1), x)
    np.testing.assert_allclose(mean, x.mean((2, 3)), rtol=1e-5, atol=1e-7)
    own = {"strides_a": (24, 6, 1), "strides_b": (24, 6, 1)}
    np.testing.assert_array_equal(interpret(one_op("add", [v, v], Value("y", (2, 4, 6)), **own), x), x + x)
    np.testing.assert_array_equal(interpret(one_op("mul", [v, v], Value("y", (2, 4, 6)), **own), x), x * x)


def test_batch_size_does_not_matter() -> None:
    x = RNG.standard_normal((7, 2, 4, 6)).astype(np.float32)
    p = one_op("mean", [Value("x", (2, 4, 6))], Value("y", (2,)), outer=2, reduce=24, inner=1)
    np.testing.assert_array_equal(interpret(p, x, batch=3), interpret(p, x))
    assert interpret(p, x[:0]).shape == (0, 2)
    np.testing.assert_array_equal(interpret(p, x, trace=True, batch=2)["op"], interpret(p, x))


def test_a_map_is_refused_in_integers() -> None:
    with pytest.raises(ValueError, match="must be a table"):
        one_op("map", [int8("x", (2,))], int8("y", (2,)), function="relu", parameters=())
