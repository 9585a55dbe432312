from __future__ import annotations

import numpy as np
import pytest
from toy_windows import raw, toy

from trimcap.data.electrodes.montage import grid as lay_out
from trimcap.data.preprocess.windows.features import BANDS, differential_entropy, log_variance
from trimcap.data.preprocess.windows.windowwise import frames, subtract_baseline, window_z_score


def some(n=5, n_channels=3, n_times=128):
    noise = np.random.default_rng(0).standard_normal((n, n_channels, n_times))
    return raw(4 * noise.cumsum(axis=2))


def scalp():
    from dataclasses import replace

    return replace(some(), channels=("Fz", "O1", "T8"))


def test_log_variance():
    windows = some()
    out = log_variance(windows)
    np.testing.assert_allclose(out.X[..., 0], np.log(windows.X.astype(float).var(axis=2)), rtol=1e-6)
    assert out.shape == (3, 1)


def test_log_variance_of_bands_is_twice_the_entropy_but_for_a_constant():
    windows = some()
    out = log_variance(windows, bands=BANDS)
    np.testing.assert_allclose(out.X, 2 * differential_entropy(windows).X - np.log(2 * np.pi * np.e), atol=2e-6)
    assert np.abs(out.X - log_variance(windows, bands=BANDS, order=2).X).max() > 0.01


def test_log_variance_refuses():
    windows = some()
    windows.X[1, 2] = 3
    with pytest.raises(ValueError, match=r"window s/1/t@1.0000: channel E2 is constant"):
        log_variance(windows)
    with pytest.raises(ValueError, match="must lie between 0 and 64 Hz"):
        log_variance(some(), bands={"x": (1, 64)})
    with pytest.raises(ValueError, match="no frequency band"):
        log_variance(some(), bands={})
    with pytest.raises(ValueError, match="needs raw windows"):
        log_variance(toy())


@pytest.mark.parametrize("every", [1, 5])
def test_frames_put_each_moment_on_the_scalp(every):
    windows = scalp()
    out = frames(windows, every=every)
    cells = lay_out(windows.channels).cells
    assert out.shape == (128 // every, 9, 9)
    for c, (row, column) in enumerate(cells):
        for f in (0, 3, 128 // every - 1):
            expected = windows.X[:, c, f * every : (f + 1) * every].astype(float).mean(axis=1)
            np.testing.assert_allclose(out.X[:, f, row, column], expected, rtol=1e-5)
    assert (out.X != 0).any(axis=(0, 1)).sum() == 3


@pytest.mark.parametrize("every", [0, 129, 1.5])
def test_impossible_frames(every):
    with pytest.raises(ValueError, match="every is"):
        frames(scalp(), every=every)


@pytest.mark.parametrize(("per", "axes"), [("window", (1, 2)), ("channel", 2)])
def test_window_z_score(per, axes):
    windows = some()
    out = window_z_score(windows, per=per)
    np.testing.assert_allclose(out.X.mean(axis=axes), 0, atol=1e-5)
    np.testing.assert_allclose(out.X.std(axis=axes), 1, atol=1e-5)
    alone = window_z_score(windows.take([3]), per=per)
    np.testing.assert_array_equal(alone.X[0], out.X[3])


def test_window_z_score_refuses():
    windows = some()
    windows.X[2] = 1
    with pytest.raises(ValueError, match=r"window s/1/t@2.0000: constant"):
        window_z_score(windows)
    with pytest.raises(ValueError, match="'window' or 'channel'"):
        window_z_score(some(), per="subject")


def test_subtract_baseline():
    windows = some()
    out = subtract_baseline(windows, baseline=windows.take([0]))
    np.testing.assert_array_equal(out.X, windows.X - windows.X[:1])
    with pytest.raises(ValueError, match="the baseline has shape"):
        subtract_baseline(windows, baseline=windows)


def test_subtract_the_mean_of_what_the_windows_of_a_baseline_became():
    windows = log_variance(some())
    out = subtract_baseline(windows.take([3, 4]), baseline=windows.take([0, 1, 2]), average="feature")
    mean = windows.X[:3].astype(float).mean(axis=0)
    np.testing.assert_allclose(out.X, windows.X[3:] - mean, atol=1e-6)
    assert out.steps[-1] == "mean over the baseline's windows subtracted"
    one = subtract_baseline(windows, baseline=windows.take([1]), average="feature")
    np.testing.assert_array_equal(one.X, subtract_baseline(windows, baseline=windows.take([1])).X)
    for bad in (some(), windows.take([])):
        with pytest.raises(ValueError, match="the baseline has shape"):
            subtract_baseline(windows, baseline=bad, average="feature")
