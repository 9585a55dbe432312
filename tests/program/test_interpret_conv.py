"""Convolutions of the interpreter against plain loops, for random geometry."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import clamp, conv, requant
from one_op import int8, one_op, run_int8

from trimcap.program.interpret import interpret
from trimcap.program.kinds.weighted import exact_parts
from trimcap.program.program import Value


@dataclass(frozen=True)
class Geometry:
    groups: int
    per_group: int
    out_per_group: int
    size: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: tuple[int, ...]

    @property
    def attrs(self):
        return {"stride": self.stride, "dilation": self.dilation, "padding": self.padding, "groups": self.groups}

    @property
    def out_size(self) -> tuple[int, ...]:
        rank = len(self.size)
        total = [n + a + b for n, a, b in zip(self.size, self.padding[:rank], self.padding[rank:], strict=True)]
        return tuple(
            (t - d * (k - 1) - 1) // s + 1
            for t, d, k, s in zip(total, self.dilation, self.kernel, self.stride, strict=True)
        )


@st.composite
def geometries(draw) -> Geometry:
    """Of an image or of a volume."""
    small, rank = st.integers(1, 3), draw(st.sampled_from((2, 2, 3)))
    kernel, stride, dilation = (tuple(draw(small) for _ in range(rank)) for _ in range(3))
    padding = tuple(draw(st.integers(0, 3)) for _ in range(2 * rank))
    around = zip(dilation, kernel, padding[:rank], padding[rank:], strict=True)
    least = [max(1, d * (k - 1) + 1 - a - b) for d, k, a, b in around]
    size = tuple(n + draw(st.integers(0, 4 if rank == 2 else 2)) for n in least)
    return Geometry(draw(small), draw(small), draw(small), size, kernel, stride, dilation, padding)


def integer_program(g: Geometry, rng, *, zeros=(3, -7), dtype="int8", limits=(-128, 127)):
    n_out = g.groups * g.out_per_group
    constants = {
        "weight": rng.integers(-127, 128, (n_out, g.per_group, *g.kernel)).astype(np.int8),
        "bias": rng.integers(-(10**5), 10**5, n_out).astype(np.int32),
        "multiplier": rng.integers(2**30, 2**31, n_out).astype(np.int32),
        "shift": rng.integers(36, 46, n_out).astype(np.int32),
    }
    x = int8("x", (g.groups * g.per_group, *g.size), 1.0, zeros[0])
    y = int8("y", (n_out, *g.out_size), 1.0, zeros[1], dtype)
    return one_op("conv", [x], y, constants=constants, low=limits[0], high=limits[1], **g.attrs), constants


def expected(g: Geometry, x, zeros, c, low, high):
    sums = conv(x, zeros[0], c["weight"], c["bias"], **g.attrs)
    result = np.empty(sums.shape, np.int64)
    for index, a in np.ndenumerate(sums):
        m, s = c["multiplier"][index[0]], c["shift"][index[0]]
        result[index] = clamp(zeros[1] + requant(a, m, s), low, high)
    return result


@settings(max_examples=60, deadline=None)
@given(geometries(), st.integers(-128, 127), st.integers(-128, 127), st.integers(0, 2**32 - 1))
def test_integer_conv_equals_plain_loops(g: Geometry, zero_x: int, zero_y: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    p, c = integer_program(g, rng, zeros=(zero_x, zero_y))
    x = rng.integers(-128, 128, (2, *p.values["x"].shape)).astype(np.int8)
    got = run_int8(p, x)
    assert got.dtype == np.int8
    for window, result in zip(x, got, strict=True):
        np.testing.assert_array_equal(result, expected(g, window, (zero_x, zero_y), c, -128, 127))


ONE = Geometry(2, 2, 3, (5, 7), (2, 3), (1, 2), (2, 1), (1, 0, 0, 2))


def test_int16_output_and_limits() -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(-128, 128, (4, 5, 7)).astype(np.int8)
    for dtype, limits in (("int16", (-32768, 32767)), ("int8", (-7, 40))):
        p, c = integer_program(ONE, rng, dtype=dtype, limits=limits)
        got = run_int8(p, x[None])
        assert str(got.dtype) == dtype
        np.testing.assert_array_equal(got[0], expected(ONE, x, (3, -7), c, *limits))


@pytest.mark.parametrize("role", ["weight", "bias", "multiplier", "shift"])
def test_a_perturbed_constant_differs(role: str) -> None:
    rng = np.random.default_rng(1)
    p, c = integer_program(ONE, rng, dtype="int16", limits=(-32768, 32767))
    x = rng.integers(-128, 128, (8, 4, 5, 7)).astype(np.int8)
    before = run_int8(p, x)
    c[role].flat[0] += {"weight": -1 if c[role].flat[0] > 0 else 1, "bias": 10**5, "multiplier": 2**20, "shift": 1}[
        role
    ]
    assert (run_int8(p, x) != before).any()


@settings(max_examples=40, deadline=None)
@given(geometries(), st.integers(0, 2**32 - 1))
def test_float_conv_equals_plain_loops(g: Geometry, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n_out = g.groups * g.out_per_group
    constants = {
        "weight": rng.standard_normal((n_out, g.per_group, *g.kernel)).astype(np.float32),
        "bias": rng.standard_normal(n_out).astype(np.float32),
    }
    values = Value("x", (g.groups * g.per_group, *g.size)), Value("y", (n_out, *g.out_size))
    p = one_op("conv", [values[0]], values[1], constants=constants, low=-0.5, high=None, **g.attrs)
    x = rng.standard_normal((2, *values[0].shape)).astype(np.float32)
    for window, result in zip(x, interpret(p, x), strict=True):
        sums = conv(window, 0.0, constants["weight"], constants["bias"], **g.attrs).astype(np.float64)
        np.testing.assert_allclose(result, np.maximum(sums, -0.5), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("n_in", "parts", "dtype"), [(500, 1, np.float32), (1500, 3, np.float32), (4096, 1, np.float64)]
)
def test_sums_beyond_2_to_24_stay_exact(n_in: int, parts: int, dtype: type) -> None:
    """127 · 255 · n_in needs up to 27 bits: one float32 sum would round."""
    weight = np.full((2, n_in), 127, np.int8)
    weight[1] = -127
    found = exact_parts(weight, 255)
    assert (len(found[0]), found[1]) == (parts, dtype)
    assert sum(weight[:, part].shape[1] for part in found[0]) == n_in
    constants = {
        "weight": weight,
        "bias": np.array([1, -1], np.int32),
        "multiplier": np.array([2**30 + 1, 2**30], np.int32),
        "shift": np.array([43, 42], np.int32),
    }
    p = one_op("linear", [int8("x", (n_in,), 1, -128)], int8("y", (2,), dtype="int16"), constants=constants)
    x = np.random.default_rng(0).integers(100, 128, (6, n_in)).astype(np.int8)
    sums = [1 + 127 * sum(q + 128 for q in row) for row in x.tolist()]
    assert run_int8(p, x)[:, 0].tolist() == [requant(a, 2**30 + 1, 43) for a in sums]
    assert run_int8(p, x)[:, 1].tolist() == [requant(-a, 2**30, 42) for a in sums]
    # the twin: a single float32 sum is wrong
    single = (x.astype(np.float32) + 128) @ weight[0].astype(np.float32) + 1
    assert n_in == 500 or single.astype(np.int64).tolist() != sums


def test_wide_convolution_in_parts() -> None:
    g = Geometry(1, 160, 2, (3, 4), (3, 3), (1, 1), (1, 1), (1, 1, 1, 1))
    rng = np.random.default_rng(2)
    p, c = integer_program(g, rng, zeros=(-128, 3), dtype="int16", limits=(-32768, 32767))
    assert len(exact_parts(c["weight"], 255)[0]) > 1
    assert exact_parts(c["weight"], 255, divisible=False)[1] is np.float64
    x = rng.integers(0, 128, (160, 3, 4)).astype(np.int8)
    np.testing.assert_array_equal(run_int8(p, x[None])[0], expected(g, x, (-128, 3), c, -32768, 32767))
