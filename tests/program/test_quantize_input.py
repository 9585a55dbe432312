"""The input quantizer: float32 arithmetic, saturation, NaN."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from one_op import int8, one_op

from trimcap.program.interpret import dequantize, input_factors, interpret, quantize_input


def program(scale: float, zero: int, n: int = 1):
    return one_op("reshape", [int8("x", (n,), scale, zero)], int8("y", (n, 1), scale, zero))


@given(
    st.floats(-10000, 10000, width=32),
    st.floats(2.0**-10, 1024, width=32),
    st.integers(-128, 127),
)
def test_nearest_integer_with_halves_away_from_zero(x: float, scale: float, zero: int) -> None:
    got = int(quantize_input(program(scale, zero), np.array([[x]], np.float32))[0, 0])
    exact = Fraction(x) / Fraction(scale)
    # float32 rounding of 1/scale, of the product and of the sum: four units in the last place of 255.5
    slack = Fraction(4 * 2**-24) * (abs(exact) + 1)
    nearest = {int(abs(v) + Fraction(1, 2)) * (1 if v >= 0 else -1) for v in (exact - slack, exact + slack)}
    assert got in {max(-128, min(127, n + zero)) for n in nearest}


def test_special_inputs() -> None:
    p = program(0.5, -3, 7)
    x = np.array([[np.nan, np.inf, -np.inf, 1e38, -1e38, 0.25, -0.25]], np.float32)
    assert quantize_input(p, x)[0].tolist() == [-3, 127, -128, 127, -128, -2, -4]


def test_product_is_float32_not_float64() -> None:
    p = program(float(np.float32(0.1)), 0)
    factor = input_factors(p)[0]
    assert factor.dtype == np.float32
    assert factor == np.float32(1) / np.float32(0.1)
    # a value whose float32 product is ½ exactly although the float64 one is below
    xs = np.nextafter(np.float32(0.05), np.float32(0)) + np.arange(-3, 4, dtype=np.float32) * np.float32(2**-28)
    single = [int(np.trunc(np.float32(x * factor) + np.float32(0.5))) for x in xs.astype(np.float32)]
    assert quantize_input(p, xs[:, None].astype(np.float32))[:, 0].tolist() == single


def test_round_trip_within_half_a_step() -> None:
    p = program(0.37, 11, 200)
    x = np.random.default_rng(0).uniform(-40, 40, (3, 200)).astype(np.float32)
    back = dequantize(p, interpret(p, x))[..., 0]
    assert np.abs(back - x).max() <= 0.37 / 2 * (1 + 1e-5)


def test_wrong_shape_names_both() -> None:
    with pytest.raises(ValueError, match=r"takes windows of shape \(7,\).*got \(2, 6\)"):
        quantize_input(program(1.0, 0, 7), np.zeros((2, 6), np.float32))
