from __future__ import annotations

import numpy as np
import pytest
from toy_windows import toy

from trimcap.data.splits.random_labels import random_labels


def by_trial(windows):
    """Trial → the set of its labels."""
    names = windows.metadata.subject.astype(str) + "/" + windows.metadata.trial.astype(str)
    return {name: set(windows.y[(names == name).to_numpy()].tolist()) for name in sorted(set(names))}


def test_one_label_per_trial_and_the_signals_stay():
    windows = toy(subjects=5)
    made = random_labels(windows, seed=3)
    assert all(len(labels) == 1 for labels in by_trial(made).values())
    assert made.X is windows.X
    assert (made.ids == windows.ids).all()
    assert made.steps[-1] == "RANDOM labels, one per trial, balanced within every subject, seed 3"


def counts(windows, n_classes=2):
    """Subject → trials of each class."""
    table: dict[str, np.ndarray] = {}
    for name, labels in by_trial(windows).items():
        table.setdefault(name.split("/")[0], np.zeros(n_classes, dtype=int))[labels.pop()] += 1
    return table


def test_balanced_within_every_subject_as_far_as_the_number_of_trials_allows():
    windows = toy(subjects=6)
    for seed in range(20):
        for found in counts(random_labels(windows, seed=seed)).values():
            assert found.max() - found.min() <= 1


def test_the_twins_are_not_balanced_within_a_subject():
    windows = toy(subjects=6)
    for balance in ("recordings", "none"):
        worst = [
            max(c.max() - c.min() for c in counts(random_labels(windows, seed=s, balance=balance)).values())
            for s in range(20)
        ]
        assert max(worst) > 1, balance


def test_balanced_over_recordings():
    windows = toy(subjects=6)
    for seed in range(10):
        total = sum(counts(random_labels(windows, seed=seed, balance="recordings")).values())
        assert total.max() - total.min() <= 1


def test_every_trial_gets_every_label_equally_often():
    """The share of label 1 over draws is a half for every trial, within 4 standard errors."""
    windows = toy(subjects=4)
    for balance in ("subject", "recordings", "none"):
        draws = np.array([random_labels(windows, seed=s, balance=balance).y for s in range(400)])
        assert np.abs(draws.mean(axis=0) - 0.5).max() < 4 * 0.5 / 20
        assert draws.std(axis=0).min() > 0.4


def test_same_seed_same_labels_in_any_order_of_rows():
    windows = toy()
    order = np.random.default_rng(0).permutation(len(windows))
    shuffled = random_labels(windows.take(order), seed=1)
    assert (shuffled.y == random_labels(windows, seed=1).y[order]).all()
    assert (random_labels(windows, seed=1).y != random_labels(windows, seed=2).y).any()


def test_labels_say_nothing_of_the_recorded_ones():
    windows = toy(subjects=10)
    agree = [float((random_labels(windows, seed=s).y == windows.y).mean()) for s in range(200)]
    assert abs(np.mean(agree) - 0.5) < 4 * np.std(agree) / np.sqrt(len(agree))


def test_bad_options():
    with pytest.raises(ValueError, match="unknown balance 'subjects'; did you mean 'subject'"):
        random_labels(toy(), seed=0, balance="subjects")  # type: ignore[arg-type]
