"""Fixed-point requantization against exact rationals."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from naive import requant

from trimcap.program.program import requantize

sums = st.integers(-(2**31), 2**31 - 1)
multipliers = st.integers(0, 2**31 - 1)
shifts = st.integers(1, 62)


@given(sums, multipliers, shifts)
def test_requantize_is_the_rational_formula(a: int, m: int, s: int) -> None:
    assert int(requantize(np.array([a]), m, s)[0]) == requant(a, m, s)


def test_extremes_do_not_overflow_int64() -> None:
    for a in (-(2**31), 2**31 - 1):
        assert int(requantize(np.array([a]), 2**31 - 1, 62)[0]) == requant(a, 2**31 - 1, 62)


def test_halves_go_up() -> None:
    # ½, 1½, −½, −1½ at shift 1
    assert requantize(np.array([1, 3, -1, -3]), 1, 1).tolist() == [1, 2, 0, -1]


def test_a_multiplier_off_by_two_differs() -> None:
    a = np.array([2**31 - 1])
    assert requantize(a, 2**30, 31)[0] != requantize(a, 2**30 + 2, 31)[0]
