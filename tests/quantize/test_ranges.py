"""The quantizer's formula and the range estimators."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimcap.quantize.ranges import (
    Ranges,
    estimator,
    fake_quantize,
    grid,
    minmax_range,
    mse_range,
    percentile_range,
)

RNG = np.random.default_rng(0)
ends = st.floats(0, 1e4, allow_subnormal=False).filter(lambda v: v == 0 or v > 1e-6)


@given(ends, ends, st.integers(2, 8))
def test_grid_holds_zero_and_the_range(a: float, b: float, bits: int) -> None:
    low, high = -a, b
    scale, zero = grid(low, high, bits=bits)
    q_min, q_max = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    assert q_min <= zero <= q_max
    assert np.float32(scale) == scale
    # the grid covers the range up to half a step at either end
    assert scale * (q_min - zero) <= low + scale * (0.5 + 1e-5)
    assert scale * (q_max - zero) >= high - scale * (0.5 + 1e-5)


def test_paper_notation_on_the_unsigned_grid() -> None:
    """x_q = s(clamp(round(x/s) + z, 0, 2^b − 1) − z), s = (max − min)/(2^b − 1), z = round(−min/s)."""
    low, high, bits = -1.3, 4.1, 4
    x = RNG.uniform(-3, 6, 2000)
    s = float(np.float32((high - low) / 15))
    z = round(-low / s)
    want = [s * (min(max(round(v / s) + z, 0), 15) - z) for v in x.tolist()]
    np.testing.assert_allclose(fake_quantize(x, low, high, bits=bits), want, rtol=0, atol=1e-12)


def test_zero_is_exact_and_error_is_half_a_step() -> None:
    for low, high in ((-3.0, 5.0), (0.0, 7.0), (-2.0, 0.0)):
        scale, _ = grid(low, high)
        assert fake_quantize(np.zeros(1), low, high)[0] == 0
        x = np.linspace(low, high, 5001)
        error = np.abs(fake_quantize(x, low, high) - x)
        # zero is moved onto the grid, so one end may lose up to half a step more
        assert error.max() <= scale * (1 + 1e-6)
        assert error[100:-100].max() <= scale * (0.5 + 1e-6)


def test_no_width() -> None:
    assert grid(0.0, 0.0) == (1.0, -128)
    assert fake_quantize(np.zeros(3), 0.0, 0.0).tolist() == [0, 0, 0]


def test_percentile_drops_outliers_and_minmax_keeps_them() -> None:
    x = RNG.standard_normal(20000)
    x[0] = 1000.0
    assert minmax_range(x, x.min(), x.max()) == (x.min(), 1000.0)
    low, high = percentile_range(x, x.min(), x.max(), percent=99)
    assert low == pytest.approx(np.percentile(x, 0.5))
    assert high == pytest.approx(np.percentile(x, 99.5))
    assert percentile_range(x, x.min(), x.max(), percent=100) == (x.min(), 1000.0)


def test_mse_is_best_on_its_grid() -> None:
    x = RNG.standard_t(3, 20000)

    def error(low, high):
        return ((x - fake_quantize(x, low, high, bits=4)) ** 2).sum()

    low, high = mse_range(x, x.min(), x.max(), bits=4)
    best = error(low, high)
    assert best < 0.5 * error(x.min(), x.max())
    for f in np.arange(2, 101, 2) / 100:
        assert best <= error(f * x.min(), f * x.max()) * (1 + 1e-12)
        assert best <= error(low, f * x.max()) * (1 + 1e-12)
    assert low <= 0 <= high


def test_mse_of_one_sided_values() -> None:
    x = np.abs(RNG.standard_normal(5000))
    low, high = mse_range(x, x.min(), x.max())
    assert low == 0
    assert 0.5 * x.max() < high <= x.max()


def test_names() -> None:
    assert estimator("percentile", percent=99.5)[0] == "percentile 99.5"
    assert estimator(minmax_range) == ("minmax_range", minmax_range)
    with pytest.raises(ValueError, match="unknown range method 'min-max'; did you mean 'minmax'"):
        estimator("min-max")
    with pytest.raises(ValueError, match="percent is 0"):
        estimator("percentile", percent=0)


def test_json_round_trip() -> None:
    ranges = Ranges({"x": (-1.25, 0.1), "y": (0.0, 1 / 3)}, "mse", 12, ("few",))
    assert Ranges.from_json(json.loads(json.dumps(ranges.to_json()))) == ranges
