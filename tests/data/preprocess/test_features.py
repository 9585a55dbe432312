from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import butter, lfilter, welch
from toy_windows import raw, toy

from trimcap.data.electrodes.montage import grid
from trimcap.data.preprocess.windows.features import (
    BANDS,
    DELTA,
    POWER_BANDS,
    band_power,
    differential_entropy,
    to_grid,
)


def eeg(n, n_channels, n_times, *, offset=0.0, seed=0):
    """Brown noise, tens of µV: slow activity 60 dB above the fast bands, as in EEG without a high-pass."""
    noise = np.random.default_rng(seed).standard_normal((n, n_channels, n_times))
    return (4 * noise.cumsum(axis=-1) + offset).astype(np.float32)


def entropy_by_recursion(X, rate, bands, order=5):
    """The formula, one window, channel and band at a time: ½·ln(2πe·σ²) of the filtered samples.

    Second-order sections one after the other; with one polynomial of degree 10, theta at 250 Hz is off by 1e-5.
    """
    out = np.empty((*X.shape[:2], len(bands)))
    for b, (low, high) in enumerate(bands.values()):
        sections = butter(order, [low / (rate / 2), high / (rate / 2)], btype="band", output="sos")
        for i in np.ndindex(X.shape[:2]):
            y = X[i].astype(np.float64)
            for section in sections:
                y = lfilter(section[:3], section[3:], y)
            out[(*i, b)] = 0.5 * np.log(2 * np.pi * np.e * np.mean((y - np.mean(y)) ** 2))
    return out


@pytest.mark.parametrize("offset", [0.0, 4200.0])
@pytest.mark.parametrize(
    ("n_times", "rate"),
    [(128, 128.0), (512, 128.0), (200, 200.0), (250, 250.0), (1000, 1000.0), (77, 128.0), (20, 128.0)],
)
def test_entropy_equals_the_recursion(n_times, rate, offset):
    X = eeg(5, 3, n_times, offset=offset)
    out = differential_entropy(raw(X, rate=rate))
    np.testing.assert_allclose(out.X, entropy_by_recursion(X, rate, BANDS), atol=1e-5, rtol=0)
    assert out.X.dtype == np.float32
    assert out.unit == "nat"


def test_entropy_equals_the_published_form_at_128_hz():
    """One filter polynomial per band, as torcheeg has it."""
    X = eeg(5, 3, 128)
    out = differential_entropy(raw(X)).X
    for b, edges in enumerate([(4, 8), (8, 14), (14, 31), (31, 49)]):
        y = lfilter(*butter(5, edges, btype="bandpass", fs=128), X.astype(np.float64))
        np.testing.assert_allclose(out[..., b], 0.5 * np.log(2 * np.pi * np.e * y.var(axis=-1)), atol=1e-5, rtol=0)


def test_entropy_does_not_depend_on_how_rows_are_grouped():
    X = eeg(700, 3, 40)  # more rows than one chunk
    whole = differential_entropy(raw(X)).X
    parts = [differential_entropy(raw(X[i : i + 1])).X for i in (0, 341, 342, 699)]
    np.testing.assert_allclose(whole[[0, 341, 342, 699]], np.concatenate(parts), rtol=1e-6)


def test_windows_start_from_zero_state():
    """The twin that must differ: filtering the recording as a whole carries the state over."""
    long = eeg(1, 2, 512)
    alone = differential_entropy(raw(long.reshape(2, 4, 128).transpose(1, 0, 2))).X
    numerator, denominator = butter(5, BANDS["alpha"], btype="band", fs=128)
    carried = lfilter(numerator, denominator, long.astype(np.float64)).reshape(2, 4, 128).var(axis=-1)
    assert np.abs(alone[1:, :, 1] - 0.5 * np.log(2 * np.pi * np.e * carried.T[1:])).max() > 0.01


def test_other_order_and_bands():
    X = eeg(2, 2, 512)
    bands = {**DELTA, "mu": (9, 11)}
    out = differential_entropy(raw(X), bands=bands, order=3)
    np.testing.assert_allclose(out.X, entropy_by_recursion(X, 128, bands, 3), atol=1e-5, rtol=0)
    assert "mu 9–11 Hz" in out.steps[-1]


@pytest.mark.parametrize("rate", [128.0, 200.0, 250.0, 512.0])
def test_band_edges_are_right_at_every_rate(rate):
    """A sine inside a band has the entropy of its variance a²/2 there and far less elsewhere."""
    t = np.arange(round(16 * rate)) / rate
    centres = [np.sqrt(low * high) for low, high in BANDS.values()]
    X = np.stack([10 * np.sin(2 * np.pi * f * t) for f in centres])[None]
    de = differential_entropy(raw(X, rate=rate)).X[0]
    expected = 0.5 * np.log(2 * np.pi * np.e * 50)
    np.testing.assert_allclose(np.diag(de), expected, atol=0.05)
    assert (de[~np.eye(4, dtype=bool)] < expected - 1).all()
    # 3 dB less at the edges themselves
    edges = np.stack([10 * np.sin(2 * np.pi * f * t) for f in BANDS["alpha"]])[None]
    at_edge = differential_entropy(raw(edges, rate=rate)).X[0, :, 1]
    np.testing.assert_allclose(at_edge, 0.5 * np.log(2 * np.pi * np.e * 25), atol=0.05)


def test_white_noise_has_the_entropy_of_its_share_of_the_spectrum():
    X = 10 * np.random.default_rng(0).standard_normal((20, 4, 4096))
    de = differential_entropy(raw(X)).X.mean(axis=(0, 1))
    # noise bandwidth of a Butterworth low-pass of order n is (π/2n)/sin(π/2n) of its cut-off
    factor = (np.pi / 10) / np.sin(np.pi / 10)
    widths = np.array([high - low for low, high in BANDS.values()]) * factor
    np.testing.assert_allclose(de, 0.5 * np.log(2 * np.pi * np.e * 100 * widths / 64), atol=0.03)


def test_doubling_the_amplitude_adds_ln_2():
    X = eeg(3, 2, 128)
    difference = differential_entropy(raw(2 * X)).X - differential_entropy(raw(X)).X
    np.testing.assert_allclose(difference, np.log(2), atol=1e-5)


@pytest.mark.parametrize("function", [differential_entropy, band_power])
def test_band_at_or_above_nyquist(function):
    with pytest.raises(ValueError, match=r"band high \(30–50 Hz\) must lie between 0 and 50 Hz, half the sampling"):
        function(raw(eeg(1, 1, 200), rate=100.0), bands={"low": (4, 8), "high": (30, 50)})


@pytest.mark.parametrize("band", [(0, 4), (8, 8), (14, 8)])
def test_impossible_band(band):
    with pytest.raises(ValueError, match="band odd"):
        differential_entropy(raw(eeg(1, 1, 200)), bands={"odd": band})


def test_no_band():
    with pytest.raises(ValueError, match="no frequency band"):
        differential_entropy(raw(eeg(1, 1, 200)), bands={})


@pytest.mark.parametrize("function", [differential_entropy, band_power])
@pytest.mark.parametrize("value", [0.0, 42.0, np.nan, np.inf])
def test_dead_channel_is_never_returned(function, value):
    X = eeg(4, 3, 256)
    X[2, 1] = value
    with pytest.raises(ValueError, match=r"window s/1/t@4.0000: channel E1 is constant or not finite.*1 of 4 windows"):
        function(raw(X))


@pytest.mark.parametrize("function", [differential_entropy, band_power])
def test_features_of_features_are_refused(function):
    with pytest.raises(ValueError, match="needs raw windows"):
        function(toy())


def test_band_power_is_the_integral_of_welchs_density():
    X = eeg(70, 2, 512)  # more windows than one chunk
    out = band_power(raw(X))
    for i, c in ((0, 0), (69, 1)):
        f, density = welch(X[i, c].astype(float), fs=128, window="hann", nperseg=256, noverlap=128, detrend="constant")
        expected = [np.log(density[(f >= lo) & (f < hi)].sum() * 0.5) for lo, hi in POWER_BANDS.values()]
        np.testing.assert_allclose(out.X[i, c], expected, rtol=1e-5)
    assert list(POWER_BANDS.values()) == [(1, 4), (4, 8), (8, 14), (14, 31), (31, 45)]


def test_band_power_of_a_sine_is_its_variance():
    t = np.arange(512) / 128
    power = band_power(raw(10 * np.sin(2 * np.pi * 10 * t)[None, None])).X
    assert power[0, 0, 2] == pytest.approx(np.log(50), abs=1e-3)


def test_band_between_two_frequencies():
    with pytest.raises(
        ValueError, match=r"band thin .* holds no frequency of a 0.5-s segment, whose resolution is 2 Hz"
    ):
        band_power(raw(eeg(1, 1, 64)), bands={"thin": (8.5, 9.5)})


def test_to_grid_puts_every_feature_at_its_electrode():
    windows = toy()
    lattice = grid(windows.channels)
    out = to_grid(windows, lattice)
    assert out.X.shape == (len(windows), 2, 9, 9)
    for c, (row, column) in enumerate(lattice.cells):
        np.testing.assert_array_equal(out.X[:, :, row, column], windows.X[:, c])
    assert (out.X[:, :, ~lattice.mask] == 0).all()
    assert out.unit == windows.unit


def test_to_grid_refuses_other_channels_and_shapes():
    windows = toy()
    with pytest.raises(ValueError, match="grid was made for the channels Fz, Pz, Cz"):
        to_grid(windows, grid(("Fz", "Pz", "Cz")))
    with pytest.raises(ValueError, match="needs features"):
        to_grid(to_grid(windows, grid(windows.channels)), grid(windows.channels))
