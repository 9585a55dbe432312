"""Metrics: each from its definition, and none of them undefined in silence."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from trimcap.study.results.statistics import metrics_of, summary
from trimcap.train import evaluate, per_subject, per_trial
from trimcap.train.metrics import METRICS, TRIAL_METRICS, Metric


def case(k, n=60, seed=0):
    rng = np.random.default_rng(seed)
    y = np.concatenate([np.arange(k), rng.integers(0, k, n - k)])
    p = rng.dirichlet(np.ones(k), n) + 0.4 * np.eye(k)[y] * rng.random((n, 1))
    return y, p / p.sum(1, keepdims=True)


@pytest.mark.parametrize("k", [2, 3, 4])
def test_definitions(k):
    y, p = case(k)
    guess, n = p.argmax(1), len(y)
    matrix = np.array([[((y == i) & (guess == j)).sum() for j in range(k)] for i in range(k)])
    recall = matrix.diagonal() / matrix.sum(1)
    precision = matrix.diagonal() / matrix.sum(0)
    agreement, chance = matrix.trace() / n, (matrix.sum(0) * matrix.sum(1)).sum() / n**2

    def area(c):
        pairs = itertools.product(p[y == c, c], p[y != c, c])
        return np.mean([float(a > b) + 0.5 * (a == b) for a, b in pairs])

    m = evaluate(y, p, list("abcd")[:k])
    assert np.array_equal(m.confusion, matrix)
    assert m.n == n
    assert m.accuracy == pytest.approx(agreement)
    assert m.balanced_accuracy == pytest.approx(recall.mean())
    assert m.f1 == pytest.approx((2 * precision * recall / (precision + recall)).mean())
    assert m.kappa == pytest.approx((agreement - chance) / (1 - chance))
    assert m.auroc == pytest.approx(np.mean([area(c) for c in range(k)]))


def test_all_right_and_all_wrong():
    right = evaluate([0, 1, 0, 1], np.eye(2)[[0, 1, 0, 1]], ("a", "b"))
    assert (right.accuracy, right.balanced_accuracy, right.f1, right.kappa, right.auroc) == (1, 1, 1, 1, 1)
    wrong = evaluate([0, 1, 0, 1], np.eye(2)[[1, 0, 1, 0]], ("a", "b"))
    assert (wrong.accuracy, wrong.balanced_accuracy, wrong.f1, wrong.kappa, wrong.auroc) == (0, 0, 0, -1, 0)


def test_absent_classes_make_no_warning_and_no_number():
    """Warnings are errors in these tests."""
    p = np.array([[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.2, 0.1, 0.7]])
    m = evaluate([0, 0, 1, 1], p, ("a", "b", "c"))
    assert m.auroc is None
    assert m.balanced_accuracy == pytest.approx((1 + 0.5) / 2)
    assert m.f1 == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert m.confusion.tolist() == [[2, 0, 0], [0, 1, 1], [0, 0, 0]]
    one = evaluate([0, 0], [[0.9, 0.1], [0.8, 0.2]], ("a", "b"))
    assert (one.accuracy, one.balanced_accuracy, one.f1, one.kappa, one.auroc) == (1, 1, 1, None, None)
    other = evaluate([0, 0], [[0.1, 0.9], [0.2, 0.8]], ("a", "b"))
    assert (other.accuracy, other.f1, other.kappa, other.auroc) == (0, 0, 0, None)


def test_rows_are_scaled():
    y, p = case(3)
    assert evaluate(y, 7 * p, "abc").row() == pytest.approx(evaluate(y, p, "abc").row())


def test_per_subject(make_windows):
    w = make_windows(30)
    p = np.random.default_rng(0).dirichlet([1, 1], 30)
    table = per_subject(w, p)
    assert table.subject.tolist() == ["s0", "s1", "s2"]
    assert list(table.columns) == [
        "subject",
        "n",
        "accuracy",
        "balanced_accuracy",
        "f1",
        "kappa",
        "auroc",
        "trials",
        *TRIAL_METRICS,
    ]
    for subject, row in table.set_index("subject").iterrows():
        of = (w.metadata.subject == subject).to_numpy()
        expected = evaluate(w.y[of], p[of], w.classes).row()
        assert row[list(expected)].to_dict() == pytest.approx(expected)
    assert np.average(table.accuracy, weights=table.n) == pytest.approx(evaluate(w.y, p, w.classes).accuracy)


def test_per_subject_with_one_class_each(make_windows):
    w = make_windows(30)
    w = replace(w, y=(w.metadata.subject == "s1").to_numpy().astype(np.int64))
    table = per_subject(w, np.full((30, 2), 0.5))
    assert table.auroc.isna().all()
    assert table.accuracy.tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("y", "p", "message"),
    [
        ([0, 1], [[0.5, 0.5]], r"expected probabilities of shape \(2, 2\), got \(1, 2\)"),
        ([0, 1], [[0.5, 0.3, 0.2]] * 2, r"expected probabilities of shape \(2, 2\), got \(2, 3\)"),
        ([0, 1], [[0.5, 0.5], [np.nan, 0.5]], r"row 1 is not a set of probabilities: \[nan 0\.5\]; give softmax"),
        ([0, 1], [[-0.5, 0.5], [0.5, 0.5]], "row 0 is not a set of probabilities"),
        ([], np.zeros((0, 2)), "there are no windows"),
    ],
)
def test_messages(y, p, message):
    with pytest.raises(ValueError, match=message):
        evaluate(np.asarray(y, dtype=int), p, ("a", "b"))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([1, 2, 1], r"whole numbers from 0 to 1, .* it holds 1, 2\. Of codes of events"),
        ([-1, 0, 1], "it holds -1, 0, 1"),
        ([0.5, 1, 0], r"it holds 0\.0, 0\.5, 1\.0"),
        ([np.nan, 1, 0], "it holds .*nan"),
        (["a", "b", "a"], r"it holds a, b\. Of codes of events or names, np\.unique"),
        ([[1, 0], [0, 1], [1, 0]], r"y has shape \(3, 2\); give one label per window \(one-hot: y\.argmax"),
    ],
)
def test_labels_are_indices_of_classes(y, message):
    with pytest.raises(ValueError, match=message):
        evaluate(y, [[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]], ("a", "b"))


def test_labels_of_other_types_mean_the_same():
    p = [[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]]
    rows = [evaluate(np.array([0, 1, 0]).astype(kind), p, ("a", "b")).row() for kind in ("i8", "u1", "f4", "?")]
    assert rows[0]["accuracy"] == 2 / 3
    assert all(row == rows[0] for row in rows)


def test_per_subject_rows(make_windows):
    with pytest.raises(ValueError, match="30 windows but 29 rows"):
        per_subject(make_windows(30), np.ones((29, 2)))


def trials_of(make_windows, trial, y):
    w = make_windows(len(y))
    metadata = w.metadata.assign(subject="s", session="1", trial=trial)
    return replace(w, metadata=metadata, y=np.asarray(y))


def test_trials_by_hand(make_windows):
    """a: two of three windows right, but a sure mistake; b: a tie, the right one is surer; c: wrong altogether."""
    w = trials_of(make_windows, ["a", "b", "a", "b", "a", "c"], [0, 1, 0, 1, 0, 1])
    p = np.array([[0.6, 0.4], [0.4, 0.6], [0.6, 0.4], [0.55, 0.45], [0.01, 0.99], [0.7, 0.3]])
    assert per_trial(w, p) == {"trials": 3, "trial_vote": pytest.approx(2 / 3), "trial_mean": pytest.approx(1 / 3)}
    (row,) = per_subject(w, p).to_dict("records")
    assert (row["trials"], row["trial_vote"], row["trial_mean"]) == pytest.approx((3, 2 / 3, 1 / 3))


def test_order_of_rows_does_not_matter_and_trials_of_one_window_are_windows(make_windows):
    rng = np.random.default_rng(1)
    y, trial = rng.integers(0, 2, 12), np.array([f"t{i}" for i in range(12)])
    p = rng.dirichlet([1, 1], 12)
    found = per_trial(trials_of(make_windows, trial, y), p)
    assert found["trial_vote"] == found["trial_mean"] == evaluate(y, p, ("a", "b")).accuracy
    order = rng.permutation(12)
    halves = np.array([f"t{i // 4}" for i in range(12)])
    y = np.repeat([0, 1, 1], 4)
    one, other = (per_trial(trials_of(make_windows, halves[o], y[o]), p[o]) for o in (np.arange(12), order))
    assert one == other


def test_a_label_that_changes_within_a_trial_has_no_score_per_trial(make_windows):
    w = trials_of(make_windows, ["a", "a"], [0, 1])
    assert per_trial(w, [[0.5, 0.5], [0.5, 0.5]]) == {"trials": None, "trial_vote": None, "trial_mean": None}


def test_a_metric_is_one_entry(monkeypatch):
    """It is measured, summed up over subjects, and shown, with an arrow if less is better."""

    def log_loss(y, p):
        return float(-np.log(p[np.arange(len(y)), y]).mean())

    monkeypatch.setitem(METRICS, "log_loss", Metric(log_loss, "log loss", higher=False))
    p = np.array([[0.5, 0.5], [0.25, 0.75]])
    assert evaluate([0, 1], p, ("a", "b")).log_loss == pytest.approx(-np.log([0.5, 0.75]).mean())
    table = pd.DataFrame({"subject": ["s", "t"], "stage": "dense", "log_loss": [0.2, 0.4]})
    assert list(metrics_of(table)) == ["log_loss", *TRIAL_METRICS]
    assert [metric.head for metric in metrics_of(table).values()] == ["log loss ↓", "trials, vote", "trials, mean p"]
    assert summary(table)[("log_loss", "mean")].loc["dense"] == pytest.approx(0.3)
    with pytest.raises(AttributeError, match="no score 'brier'"):
        _ = evaluate([0, 1], p, ("a", "b")).brier
