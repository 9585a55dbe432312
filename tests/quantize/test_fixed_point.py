"""Multiplier and shift against exact rationals."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimcap.program.fixed_point import fixed_point, shared_shift
from trimcap.program.program import requantize

below = st.floats(2.0**-32, 2.0**29)
normal = st.floats(2.0**-32, 2.0**30, exclude_max=True)


@given(normal)
def test_thirty_one_bits(ratio: float) -> None:
    m, s = fixed_point(ratio)
    assert 2**30 <= m < 2**31
    assert 1 <= s <= 62
    assert abs(Fraction(m, 2**s) - Fraction(ratio)) <= Fraction(ratio) / 2**31


@given(normal, st.integers(-(2**31) + 1, 2**31 - 1))
def test_result_is_the_rounded_product(ratio: float, a: int) -> None:
    m, s = fixed_point(ratio)
    exact = Fraction(ratio) * a
    error = abs(int(requantize(np.array([a]), m, s)[0]) - exact)
    assert error <= Fraction(1, 2) + abs(exact) / 2**31


@given(st.floats(2.0**-100, 2.0**-32, exclude_max=True))
def test_tiny_ratios_move_nothing(ratio: float) -> None:
    m, s = fixed_point(ratio)
    assert s == 62
    assert int(requantize(np.array([2**31 - 1]), m, s)[0]) == 0


@pytest.mark.parametrize("ratio", [2.0**30, 1e12, 2.0**30 * (1 - 2**-40)])
def test_huge_ratios_saturate(ratio: float) -> None:
    m, s = fixed_point(ratio)
    assert (m, s) == (2**31 - 1, 1)
    assert int(requantize(np.array([1]), m, s)[0]) > 32767
    assert int(requantize(np.array([-1]), m, s)[0]) < -32768
    assert int(requantize(np.array([0]), m, s)[0]) == 0


def test_just_below_a_power_of_two() -> None:
    assert fixed_point(1.0) == (2**30, 30)
    assert fixed_point(np.nextafter(1.0, 0)) == (2**30, 30)
    assert fixed_point(0.0) == (0, 1)


@pytest.mark.parametrize("ratio", [-1.0, float("nan"), float("inf")])
def test_impossible_ratios(ratio: float) -> None:
    with pytest.raises(ValueError, match="finite and ≥ 0"):
        fixed_point(ratio)


@given(below, below)
def test_shared_shift(a: float, b: float) -> None:
    m_a, m_b, s = shared_shift(a, b)
    half = Fraction(1, 2 ** (s + 1))
    for m, ratio in ((m_a, a), (m_b, b)):
        assert 0 <= m < 2**31
        assert abs(Fraction(m, 2**s) - Fraction(ratio)) <= half
