from __future__ import annotations

import numpy as np
import pytest
from toy_windows import raw, toy

from trimcap.data.electrodes.montage import grid
from trimcap.data.ledger import Ledger
from trimcap.data.preprocess.windows.features import to_grid
from trimcap.data.preprocess.windows.scaling import fit_scaler, subject_z_score


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_raw_windows_are_scaled_per_channel():
    X = noise(50, 3, 128) * np.array([1, 5, 100])[:, None] + np.array([0, -3, 4200])[:, None]
    windows = raw(X)
    scaler = fit_scaler(windows)
    assert scaler.per == "channel"
    assert scaler.mean.shape == scaler.std.shape == (3, 1)
    np.testing.assert_allclose(scaler.mean[:, 0], windows.X.astype(float).mean(axis=(0, 2)), rtol=1e-9)
    np.testing.assert_allclose(scaler.std[:, 0], windows.X.astype(float).std(axis=(0, 2)), rtol=1e-9)
    out = scaler.apply(windows)
    np.testing.assert_allclose(out.X, (windows.X - scaler.mean) / scaler.std, atol=1e-6)
    assert out.unit == "z"
    assert out.X.dtype == np.float32


def test_features_are_scaled_one_by_one():
    windows = toy(subjects=300)  # more rows than one chunk
    scaler = fit_scaler(windows)
    assert scaler.per == "feature"
    assert scaler.mean.shape == (3, 2)
    z = scaler.apply(windows).X.astype(float)
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(z.std(axis=0), 1, atol=1e-6)


def test_only_training_rows_count():
    """Other rows shift the statistics, so a scaler fitted on all rows is another one."""
    windows = toy()
    train = windows.take(windows.metadata.subject.to_numpy() != "s00")
    scaler = fit_scaler(train)
    np.testing.assert_allclose(scaler.mean, train.X.mean(axis=0), atol=1e-6)
    assert np.abs(scaler.mean - fit_scaler(windows).mean).max() > 1e-3


def test_empty_cells_stay_zero():
    windows = toy()
    lattice = grid(windows.channels)
    laid = to_grid(windows, lattice)
    scaler = fit_scaler(laid)
    assert (scaler.std[:, ~lattice.mask] == 1).all()
    z = scaler.apply(laid).X
    assert (z[:, :, ~lattice.mask] == 0).all()
    np.testing.assert_allclose(lattice.gather(z).transpose(0, 2, 1), fit_scaler(windows).apply(windows).X, atol=1e-6)


def test_constant_feature_with_an_offset_becomes_exactly_zero():
    windows = toy()
    X = windows.X.copy()
    X[:, 1, 1] = 0.1
    constant = windows.with_X(X, step="one constant feature")
    assert (fit_scaler(constant).apply(constant).X[:, 1, 1] == 0).all()


def test_channel_that_is_constant_in_training_is_named():
    X = noise(5, 3, 128)
    X[:, 2] = 7
    with pytest.raises(ValueError, match="channel E2 is constant in all 5 training windows"):
        fit_scaler(raw(X))


def test_nan_is_refused():
    X = noise(5, 3, 128)
    X[3, 1, 7] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        fit_scaler(raw(X))


def test_no_rows_and_unknown_per():
    with pytest.raises(ValueError, match="at least one training window"):
        fit_scaler(toy().take(np.array([], dtype=int)))
    with pytest.raises(ValueError, match="did you mean 'channel'"):
        fit_scaler(toy(), per="chanel")  # type: ignore[arg-type]


def test_other_shape_is_refused():
    scaler = fit_scaler(toy())
    with pytest.raises(ValueError, match=r"statistics of shape \(3, 2\).*shape \(3, 128\)"):
        scaler.apply(raw(noise(2, 3, 128)))


def test_a_raw_scaler_fits_windows_of_another_length():
    scaler = fit_scaler(raw(noise(4, 3, 128)))
    assert scaler.apply(raw(noise(4, 3, 256))).X.shape == (4, 3, 256)


def test_scaling_is_recorded():
    ledger = Ledger()
    windows = toy()
    fit_scaler(windows, ledger=ledger)
    (entry,) = ledger.entries
    assert (entry.stage, set(entry.ids)) == ("scale", set(windows.ids))


def test_subject_z_score_uses_each_subjects_own_statistics():
    windows = toy()
    subject = windows.metadata.subject.to_numpy()
    shifted = windows.with_X(windows.X + 10 * (subject == "s03")[:, None, None], step="one subject shifted")
    z = subject_z_score(shifted)
    for s in np.unique(subject):
        own = windows.X[subject == s].astype(float)
        np.testing.assert_allclose(z.X[subject == s], (own - own.mean(axis=0)) / own.std(axis=0), atol=1e-5)
    assert "transductive" in z.steps[-1]
    assert z.unit == "z"


def test_z_score_does_not_depend_on_labels_or_other_subjects():
    windows = toy()
    subject = windows.metadata.subject.to_numpy()
    alone = subject_z_score(windows.take(subject == "s02"))
    np.testing.assert_array_equal(alone.X, subject_z_score(windows).X[subject == "s02"])
