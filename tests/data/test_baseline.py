from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from toy_windows import toy

from trimcap.data import band_power, cut, differential_entropy, read_eegmat, split, z_score_per_subject
from trimcap.data.baseline import linear_baseline, nearest_neighbours
from trimcap.data.synthetic import make_fingerprint, make_synthetic


def informative(shift=1.5):
    windows = toy()
    return windows.with_X(windows.X + shift * windows.y[:, None, None].astype(np.float32), step="class effect")


def accuracy(windows, protocol="leave_one_subject_out", **options):
    """Mean window accuracy over folds, and accuracy by vote over each recording."""
    hits, votes = [], []
    for fold in split(windows, protocol):
        p = linear_baseline(fold, **options)
        test = fold.test.open("evaluate", "score")
        hits.append(float((p.argmax(axis=1) == test.y).mean()))
        for trial in test.metadata.trial.unique():
            rows = (test.metadata.trial == trial).to_numpy()
            votes.append(p[rows].mean(axis=0).argmax() == test.y[rows][0])
    return float(np.mean(hits)), float(np.mean(votes))


def test_equals_logistic_regression_on_standardised_columns():
    fold = split(informative(), "leave_one_subject_out")[2]
    p = linear_baseline(fold, C=0.3)
    train = [fold.train, fold.valid]
    X = np.concatenate([t.X.reshape(len(t), -1) for t in train]).astype(float)
    y = np.concatenate([t.y for t in train])
    test = fold.test.open("evaluate").X.reshape(len(fold.test), -1)
    model = LogisticRegression(C=0.3).fit((X - X.mean(axis=0)) / X.std(axis=0), y)
    expected = model.predict_proba((test - X.mean(axis=0)) / X.std(axis=0))
    np.testing.assert_allclose(p, expected, atol=1e-3)
    np.testing.assert_allclose(p.sum(axis=1), 1)


def test_nearest_neighbours_are_those_by_hand():
    """Replica: distances in columns standardised by the training rows, five nearest, their share of each class."""
    fold = split(informative(0.5), "leave_one_subject_out")[1]
    p = nearest_neighbours(fold)
    train = [fold.train, fold.valid]
    X = np.concatenate([t.X.reshape(len(t), -1) for t in train]).astype(float)
    y = np.concatenate([t.y for t in train])
    test = fold.test.open("evaluate").X.reshape(len(fold.test), -1)
    z, t = ((v - X.mean(axis=0)) / X.std(axis=0) for v in (X, test))
    nearest = np.argsort(((t[:, None] - z[None]) ** 2).sum(axis=2), axis=1)[:, :5]
    expected = np.stack([(y[nearest] == c).mean(axis=1) for c in range(2)], axis=1)
    np.testing.assert_allclose(p, expected, atol=1e-12)
    assert {0.0, 1.0} != set(np.unique(p))
    notes = [(e.stage, e.note) for e in fold.ledger.entries][:3]
    assert notes == [("fit", "nearest neighbours")] * 2 + [("evaluate", "nearest neighbours")]


def test_more_neighbours_than_windows_are_all_windows():
    fold = split(informative(), "leave_one_subject_out")[0]
    p = nearest_neighbours(fold, k=10**6)
    y = np.concatenate([fold.train.y, fold.valid.y])
    np.testing.assert_allclose(p, np.tile([(y == 0).mean(), (y == 1).mean()], (len(p), 1)))


def test_uses_fit_and_evaluate_and_passes_the_audit():
    fold = split(informative(), "leave_one_subject_out")[0]
    linear_baseline(fold)
    assert [(e.stage, e.note) for e in fold.ledger.entries] == [
        ("fit", "linear baseline"),
        ("fit", "linear baseline"),
        ("evaluate", "linear baseline"),
    ]
    assert fold.audit().passed


def test_validation_groups_can_be_kept_out():
    fold = split(informative(), "leave_one_subject_out")[0]
    linear_baseline(fold, use_valid=False)
    assert [len(e.ids) for e in fold.ledger.entries] == [len(fold.train), len(fold.test)]


def test_finds_a_class_effect_and_nothing_where_there_is_none():
    assert accuracy(informative())[0] > 0.9
    assert abs(accuracy(toy(subjects=12))[0] - 0.5) < 0.12


def test_class_absent_from_training_gets_probability_zero():
    windows = informative()
    fold = split(replace(windows, classes=("class0", "never", "class2"), y=2 * windows.y), _without_class_check)[0]
    p = linear_baseline(fold)
    assert (p[:, 1] == 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1)


def _without_class_check(windows):
    from trimcap.data.folds import make_fold

    s = windows.metadata.subject.to_numpy()
    masks = (s > "s01", s == "s01", s == "s00")
    return [make_fold(*(windows.take(m) for m in masks), name="f", protocol="p", unit="subject")]


def test_synthetic_effect_is_found_across_subjects():
    windows = cut(make_synthetic(6, seed=0, seconds=8, trials_per_class=2), seconds=2)
    assert accuracy(z_score_per_subject(differential_entropy(windows)))[0] > 0.8


def test_fingerprint_without_class_information_is_chance_honestly_and_high_in_leaky_splits():
    windows = differential_entropy(cut(make_fingerprint(4, seed=0, trials=8), seconds=1))
    assert accuracy(windows, "leave_trials_out")[0] < 0.65
    assert accuracy(windows, "leaky_within_trial", C=10.0)[0] > 0.7


def test_importing_the_data_layer_is_light():
    code = (
        "import sys, trimcap.data; "
        "print([m for m in ('torch', 'mne', 'sklearn', 'matplotlib', 'scipy.signal') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.real
@pytest.mark.slow
def test_reference_accuracies_on_eegmat(eegmat_folder):
    """26 subjects, last minute of rest and first of arithmetic, 4-s windows: 0.822 / 0.904 and 0.712 / 0.750."""
    recordings = read_eegmat(eegmat_folder, seconds=60, download=False)
    power = band_power(cut(recordings, seconds=4))
    assert power.X.shape == (780, 19, 5)
    windows, vote = accuracy(z_score_per_subject(power))
    assert windows == pytest.approx(0.822, abs=0.01)
    assert vote == pytest.approx(0.904, abs=0.02)
    windows, vote = accuracy(power)
    assert windows == pytest.approx(0.712, abs=0.01)
    assert vote == pytest.approx(0.750, abs=0.02)
