from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import butter, sosfilt
from toy_windows import raw

from trimcap.data.preprocess.windows.band_energy import EnergyPlan, band_energies, plan_energies
from trimcap.data.preprocess.windows.bandpass import band_variances
from trimcap.data.preprocess.windows.features import BANDS, band_power, differential_entropy, log_variance
from trimcap.data.rows.lazy import lazy

EDGES = ((4.0, 8.0), (8.0, 14.0), (14.0, 31.0), (31.0, 49.0))


def rows(n, n_times, *, seed=0):
    """Random walks on offsets of millivolts."""
    rng = np.random.default_rng(seed)
    walks = 4 * rng.standard_normal((n, n_times)).cumsum(axis=1)
    return (walks + rng.uniform(-5000, 5000, (n, 1))).astype(np.float32)


def filtered(x, rate, edges, order=5):
    """SciPy's recursion from zero state, (n_rows, n_bands, n_times)."""
    sections = [butter(order, band, btype="bandpass", fs=rate, output="sos") for band in edges]
    return np.stack([sosfilt(s, x.astype(np.float64), axis=1) for s in sections], axis=1)


@pytest.mark.parametrize("rate", [128.0, 200.0])
@pytest.mark.parametrize("n_times", [2, 3, 20, 77, 127, 128, 200, 1024])
@pytest.mark.parametrize("order", [1, 5, 8])
def test_energies_are_those_of_the_recursion(rate, n_times, order):
    x = rows(5, n_times)
    y = filtered(x, rate, EDGES, order)
    energies, whole = band_energies(x, plan_energies(n_times, rate, EDGES, order))
    expected = ((y - y.mean(axis=2, keepdims=True)) ** 2).sum(axis=2)
    np.testing.assert_allclose(whole, (x.astype(np.float64) ** 2).sum(axis=1), rtol=1e-12)
    assert (np.abs(energies - expected) <= 1e-14 * whole[:, None]).all()


def test_what_follows_the_row_must_be_taken_off():
    """The twins that must differ: the energy of the whole response, and energy about zero instead of the mean."""
    x = rows(5, 128)
    plan = plan_energies(128, 128.0, EDGES, 5)
    energies, _ = band_energies(x, plan)
    with_rest, _ = band_energies(x, EnergyPlan(128, plan.n_fft, 0 * plan.tails, plan.weights))
    assert (with_rest > 1.1 * energies).all()
    about_zero = (filtered(x, 128.0, EDGES) ** 2).sum(axis=2)
    assert (np.abs(about_zero / energies - 1) > 1e-6).any()


@pytest.mark.parametrize(
    ("rate", "n_times", "edges"),
    [
        (128.0, 128, EDGES),
        (200.0, 200, ((1.0, 4.0), *EDGES)),
        (250.0, 1000, EDGES),
        (1000.0, 1000, ((1.0, 4.0), *EDGES)),
        (2000.0, 2000, ((0.5, 1.0), (31.0, 49.0))),  # the first filter is too narrow for the transform
        (2000.0, 500, ((1e-4, 2e-4),)),  # rounded to float64 this one does not decay
        (128.0, 1, EDGES),
    ],
)
@pytest.mark.parametrize("kind", ["walk", "blink", "pop", "sine"])
def test_variances_are_right_to_1e_6_whatever_the_signal(rate, n_times, edges, kind):
    """Also where a band holds next to nothing of the signal."""
    t = np.arange(n_times)
    white = np.random.default_rng(1).standard_normal((8, n_times))
    x = {
        "walk": rows(8, n_times),
        "blink": 1e4 * np.exp(-0.5 * ((t - n_times / 2) / (n_times / 12)) ** 2) + 0.01 * white,
        "pop": 1e4 * (t == n_times - 1) + 0.01 * white,
        "sine": 1e3 * np.sin(2 * np.pi * 2 * t / rate) + 0.1 * white,
    }[kind].astype(np.float32)
    variances = band_variances(x, rate=rate, edges=edges, order=5)
    np.testing.assert_allclose(variances, filtered(x, rate, edges).var(axis=2), rtol=1e-6, atol=0)


def test_the_transform_alone_would_be_wrong_for_a_blink():
    """The twin that must fail: without the recursion for faint bands."""
    t = np.arange(128)
    x = (1e4 * np.exp(-0.5 * ((t - 64) / 10) ** 2) + 0.01 * np.random.default_rng(0).standard_normal((8, 128))).astype(
        "f"
    )
    energies, _ = band_energies(x, plan_energies(128, 128.0, EDGES, 5))
    assert np.abs(energies / 128 / filtered(x, 128.0, EDGES).var(axis=2) - 1).max() > 1e-5


def test_a_filter_without_end_has_no_plan():
    assert plan_energies(500, 2000.0, ((4.0, 8.0), (1e-4, 2e-4)), 5) is None


def test_rows_do_not_touch_each_other():
    x = rows(700, 128)
    alone = np.concatenate([band_variances(x[i : i + 1], rate=128.0, edges=EDGES, order=5) for i in (0, 5, 267, 699)])
    x[[3, 400], [7, 50]] = np.nan, np.inf
    x[500] = 0
    out = band_variances(x, rate=128.0, edges=EDGES, order=5)
    np.testing.assert_allclose(out[[0, 5, 267, 699]], alone, rtol=1e-12)
    assert np.isnan(out[[3, 400]]).all()
    assert (out[500] == 0).all()


@pytest.mark.parametrize("feature", [differential_entropy, band_power, lambda w: log_variance(w, bands=BANDS)])
def test_features_of_windows_that_are_not_in_memory(feature):
    windows = raw(rows(60, 256).reshape(20, 3, 256))
    out = feature(windows)
    outside = raw(windows.X)
    object.__setattr__(outside, "X", lazy(windows.X))
    np.testing.assert_array_equal(feature(outside).X, out.X)


@pytest.mark.parametrize("feature", [differential_entropy, band_power, lambda w: log_variance(w, bands=BANDS)])
@pytest.mark.parametrize("value", [0.1, 4200.1, np.nan])
def test_a_channel_that_rounding_keeps_from_being_flat(feature, value):
    X = rows(60, 256).reshape(20, 3, 256)
    X[7, 2] = value
    with pytest.raises(ValueError, match=r"window s/1/t@14.0000: channel E2 is constant or not finite.*1 of 20"):
        feature(raw(X))


def test_live_channel_with_two_equal_samples():
    X = rows(60, 256).reshape(20, 3, 256)
    X[:, 1, 128] = X[:, 1, 0]
    assert np.isfinite(differential_entropy(raw(X)).X).all()
