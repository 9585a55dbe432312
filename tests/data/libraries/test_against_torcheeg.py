"""The same numbers as torcheeg's transforms, where the definitions agree; how they differ, where they do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import peer
import pytest
from scipy.signal import butter
from toy_windows import raw

from trimcap.data.electrodes.montage import grid
from trimcap.data.preprocess.chain import Chain
from trimcap.data.preprocess.steps import make_step
from trimcap.data.preprocess.windows.features import BANDS, band_power, differential_entropy, log_variance, to_grid
from trimcap.data.preprocess.windows.windowwise import subtract_baseline, window_z_score
from trimcap.data.recording import Recording


@pytest.fixture(scope="module")
def torcheeg():
    return peer.transforms()


def eeg(n=2, n_channels=4, n_times=128, *, kind="brown", seed=0):
    rng = np.random.default_rng(seed)
    white = rng.standard_normal((n, n_channels, n_times))
    X = {
        "white": 10 * white,
        "brown": 4 * white.cumsum(axis=-1),
        "offset": 4 * white.cumsum(axis=-1) + 4200,
        "offsets": 20 * white + rng.uniform(-5000, 5000, (n, n_channels, 1)),
        "quiet": 0.01 * white,
        "quiet on an offset": 0.5 * white + 4200,
        "sine": 30 * np.sin(2 * np.pi * 10 * np.arange(n_times) / 128) + 0.1 * white,
    }[kind]
    return X.astype(np.float32)


def each(transform, X):
    return np.stack([transform(eeg=window)["eeg"] for window in X])


KINDS = ["white", "brown", "offset", "offsets", "quiet", "quiet on an offset", "sine"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("rate", "n_times"), [(128, 128), (128, 512), (128, 256), (200, 200), (200, 800), (250, 250)])
def test_differential_entropy(torcheeg, kind, rate, n_times):
    X = eeg(n_times=n_times, kind=kind)
    theirs = each(torcheeg.BandDifferentialEntropy(sampling_rate=rate), X)
    ours = differential_entropy(raw(X, rate=float(rate))).X
    # one polynomial of degree 10, their form of the theta filter, is itself off by 1e-5 at 250 Hz
    np.testing.assert_allclose(ours, theirs * np.log(2), rtol=0, atol=1e-5 if rate < 250 else 5e-5)
    assert np.abs(ours - theirs).max() > 0.1  # the twin that must differ: theirs are bits, ours nat


def test_differential_entropy_of_other_bands_and_orders(torcheeg):
    X = eeg(n_times=512)
    for order in (2, 3, 4):
        bands = {"delta": (1, 4), "mu": (9, 12), "all": (2, 45)}
        theirs = each(torcheeg.BandDifferentialEntropy(sampling_rate=128, order=order, band_dict=bands), X)
        ours = differential_entropy(raw(X), bands=bands, order=order).X
        np.testing.assert_allclose(ours, theirs * np.log(2), rtol=0, atol=1e-5)


def test_where_they_differ_theirs_is_rounded(torcheeg):
    """Delta at 200 Hz: one polynomial of degree 10 against sections in extended precision."""
    X = eeg(n_times=200)
    bands = {"delta": (1, 4)}
    theirs = each(torcheeg.BandDifferentialEntropy(sampling_rate=200, band_dict=bands), X) * np.log(2)
    ours = differential_entropy(raw(X, rate=200.0), bands=bands).X
    y = X.astype(np.longdouble)
    for b0, b1, b2, _, a1, a2 in butter(5, (1, 4), btype="bandpass", fs=200, output="sos").astype(np.longdouble):
        x, y = y, np.empty_like(y)
        first = second = np.zeros(x.shape[:2], dtype=np.longdouble)
        for t in range(x.shape[2]):
            y[..., t] = b0 * x[..., t] + first
            first = b1 * x[..., t] - a1 * y[..., t] + second
            second = b2 * x[..., t] - a2 * y[..., t]
    exact = 0.5 * np.log(2 * np.pi * np.e * y.var(axis=2, keepdims=True))
    np.testing.assert_allclose(ours, exact.astype(np.float64), rtol=0, atol=1e-6)
    assert np.abs(theirs - exact).max() > 1e-4


def test_log_variance_is_that_of_their_band_signals(torcheeg):
    X = eeg(n_times=256)
    signals = each(torcheeg.BandSignal(sampling_rate=128), X)  # (n, bands, channels, times)
    theirs = np.log(signals.var(axis=-1)).transpose(0, 2, 1)
    np.testing.assert_allclose(log_variance(raw(X), bands=BANDS).X, theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("per", "axis"), [("window", None), ("channel", 1)])
def test_z_score_of_windows(torcheeg, per, axis):
    X = eeg()
    theirs = each(torcheeg.MeanStdNormalize(axis=axis), X.astype(np.float64))
    np.testing.assert_allclose(window_z_score(raw(X), per=per).X, theirs, rtol=1e-5, atol=1e-6)


def test_removal_of_a_baseline(torcheeg):
    X, other = eeg(), eeg(n=1, seed=1)
    theirs = np.stack([torcheeg.BaselineRemoval()(eeg=window, baseline=other[0])["eeg"] for window in X])
    np.testing.assert_array_equal(subtract_baseline(raw(X), baseline=raw(other)).X, theirs)


@pytest.mark.parametrize("data_set", ["deap", "dreamer", "seed"])
def test_electrode_grid(torcheeg, data_set):
    where = peer.locations(data_set)
    windows = replace(raw(eeg(n_channels=len(where))), channels=tuple(where))
    features = windows.with_X(windows.X[..., :4], step="any four numbers")
    theirs = each(torcheeg.ToGrid(where), features.X)
    np.testing.assert_array_equal(to_grid(features, grid(tuple(where))).X, theirs)


def test_their_chain_for_deap(torcheeg):
    """A trial as their reader of DEAP cuts it: 3 s of baseline, averaged, then 1-s chunks; DE(X) − DE(B) on a grid."""
    where = peer.locations("deap")
    rng = np.random.default_rng(0)
    signal = (4 * rng.standard_normal((32, 8 * 128)).cumsum(axis=1)).astype(np.float32)
    baseline = signal[:, :384].reshape(32, 3, 128).mean(axis=1)
    entropy, remove = torcheeg.BandDifferentialEntropy(apply_to_baseline=True), torcheeg.BaselineRemoval()
    theirs = []
    for first in range(384, 1024, 128):
        both = entropy(eeg=signal[:, first : first + 128], baseline=baseline)
        theirs.append(torcheeg.ToGrid(where)(**remove(**both))["eeg"])
    steps = [make_step("windows", seconds=1, baseline=3)]
    steps += [make_step("differential_entropy"), make_step("subtract_baseline"), make_step("grid")]
    recording = Recording(signal, 128.0, tuple(where), "1", "1", "1", 0, ("low", "high"))
    ours = Chain(tuple(steps)).apply([recording])
    np.testing.assert_allclose(ours.X, np.stack(theirs) * np.log(2), rtol=0, atol=1e-5)


def test_their_power_spectral_density_is_another_quantity(torcheeg):
    """Theirs: a mean, not an integral, one bin low, symmetric window, offset not removed, no unit, no logarithm."""
    X = eeg(kind="offset").astype(np.float64)
    theirs = each(torcheeg.BandPowerSpectralDensity(sampling_rate=128), X)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(128) / 127)
    squares = np.abs(np.fft.fft(X * hann)) ** 2
    by_hand = [squares[..., low - 1 : high].mean(axis=-1) for low, high in BANDS.values()]
    np.testing.assert_allclose(theirs, np.stack(by_hand, axis=-1), rtol=1e-9)
    # what the two have in common is the scale, in bands far from the offset: 8/3 for the window, 2 for both sides
    X = eeg(kind="white", n=400).astype(np.float64)
    theirs = each(torcheeg.BandPowerSpectralDensity(sampling_rate=128), X)
    widths = np.array([high - low for low, high in BANDS.values()])
    integral = theirs.mean(axis=(0, 1)) * widths * 2 * (8 / 3) / 128**2
    ours = np.exp(band_power(raw(X), bands=BANDS).X.astype(np.float64)).mean(axis=(0, 1))
    np.testing.assert_allclose(ours, integral, rtol=0.03)
