from itertools import chain

import numpy as np
import pytest
from scipy import stats

from trimcap.study.report.control_report import headline
from trimcap.study.results.control_verdicts import Scored, judged, without_power
from trimcap.study.run.controls import Controls

RNG = np.random.default_rng(0)


def scored(values, *, control="random labels", protocol="loso", honest=True, classifier="knn", chance=0.5):
    return [Scored(control, protocol, honest, classifier, i, float(v), chance) for i, v in enumerate(values)]


def one(values, **options):
    (row,) = judged(scored(values, **options))
    return row


def test_interval_and_p_are_those_of_the_t_distribution():
    """Replica: formulas written out, and scipy's own interval."""
    a = RNG.normal(0.52, 0.05, 12)
    row = one(a)
    half = stats.t.ppf(0.975, 11) * np.sqrt(((a - a.mean()) ** 2).sum() / 11) / np.sqrt(12)
    assert (row.low, row.high) == pytest.approx((a.mean() - half, a.mean() + half))
    assert (row.low, row.high) == pytest.approx(stats.t.interval(0.95, 11, a.mean(), stats.sem(a)))
    t = (a.mean() - 0.5) / (a.std(ddof=1) / np.sqrt(12))
    assert row.p == pytest.approx(stats.t.sf(t, 11))
    assert (row.lowest, row.highest, row.draws) == (a.min(), a.max(), 12)


def test_chance_is_that_of_each_draw():
    a, c = [0.70, 0.62, 0.81, 0.66], [0.69, 0.61, 0.80, 0.65]
    rows = [Scored("x", "loso", True, "knn", i, v, w) for i, (v, w) in enumerate(zip(a, c, strict=True))]
    (row,) = judged(rows)
    assert row.p < 1e-6  # each is 0.01 above its own, though the draws differ by far more
    assert row.verdict == "ABOVE CHANCE"
    assert row.chance == pytest.approx(np.mean(c))


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([0.60, 0.62, 0.61, 0.63], "ABOVE CHANCE"),
        ([0.45, 0.55, 0.52, 0.49], "at chance"),
        ([0.40, 0.38, 0.39, 0.37], "below chance"),
        ([0.5, 0.5, 0.5], "at chance"),
        ([0.48, 0.46, 0.44, 0.43, 0.47], "below chance"),
        ([0.6, 0.6, 0.6], "ABOVE CHANCE"),
        ([0.4, 0.4, 0.4], "below chance"),
    ],
)
def test_honest_verdicts(values, verdict):
    assert one(values).verdict == verdict


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([0.90, 0.92, 0.91], "leaks, as it should"),
        ([0.624, 0.626, 0.6251], "leaks, as it should"),
        ([0.624, 0.626, 0.6240], "leaks a little"),
        ([0.45, 0.55, 0.52], "no power"),
        ([0.30, 0.95, 0.90], "no power"),
    ],
)
def test_leaky_verdicts(values, verdict):
    assert one(values, honest=False).verdict == verdict


def test_the_level_is_divided_by_the_number_of_honest_rows_only():
    a = np.array([0.51, 0.56, 0.53, 0.58, 0.52])
    p = one(a).p
    assert 0.05 / 2 > p > 0.05 / 12
    honest = [scored(RNG.normal(0.5, 0.03, 5), classifier=f"c{i}") for i in range(11)]
    leaky = [scored(RNG.normal(0.9, 0.01, 5), classifier=f"c{i}", honest=False) for i in range(11)]
    assert judged([*scored(a), *chain.from_iterable(leaky)])[0].verdict == "ABOVE CHANCE"
    assert judged([*scored(a), *chain.from_iterable(honest)])[0].verdict == "not shown above chance"


def test_false_alarms_are_as_rare_as_promised():
    """Four honest rows of fair coins, 400 times: some row is called above chance in at most 5 %, and sometimes."""
    alarms = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        rows = judged(s for i in range(4) for s in scored(rng.normal(0.5, 0.05, 20), classifier=f"c{i}"))
        alarms += any(r.verdict == "ABOVE CHANCE" for r in rows)
    assert 2 <= alarms <= 400 * 0.05 + 2 * np.sqrt(400 * 0.05 * 0.95)


def test_order_of_completion_changes_nothing():
    scores = [*scored(RNG.normal(0.5, 0.05, 6)), *scored(RNG.normal(0.9, 0.02, 6), honest=False, protocol="leaky")]
    shuffled = [scores[i] for i in RNG.permutation(len(scores))]
    assert {r.protocol: r for r in judged(scores)} == {r.protocol: r for r in judged(shuffled)}


def test_a_control_needs_one_classifier_that_shows_the_leak():
    def rows(knn, linear):
        return judged(
            [
                *scored([0.50, 0.52, 0.48]),
                *scored(knn, honest=False, protocol="leaky_windows"),
                *scored(linear, honest=False, protocol="leaky_windows", classifier="linear"),
            ]
        )

    assert without_power(rows([0.90, 0.91, 0.92], [0.5, 0.55, 0.45])) == []
    (text,) = without_power(rows([0.55, 0.56, 0.57], [0.5, 0.55, 0.45]))
    assert text.startswith("the control by random labels has no power: under leaky_windows")


@pytest.mark.parametrize(
    ("means", "said"), [((0.5, 0.5), "stays at"), ((0.5, 0.4), "is at or below"), ((0.4, 0.4), "is below")]
)
def test_the_headline_says_what_the_rows_say(means, said):
    spread = np.array([-0.02, -0.01, 0.0, 0.01, 0.02])
    scores = [s for i, m in enumerate(means) for s in scored(m + spread, classifier=f"c{i}")]
    rows = judged([*scores, *scored(0.9 + spread, honest=False, protocol="leaky")])
    assert {r.verdict for r in rows if r.honest} == {"at chance" if m == 0.5 else "below chance" for m in means}
    text = headline(Controls("x", "loso", "subject", rows))
    assert text.startswith(f"Passed: without information loso {said} chance (")
