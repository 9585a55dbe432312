from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, special, stats

from trimcap.study.results.statistics import (
    compare,
    compare_stages,
    mean_interval,
    per_subject,
    power,
    subjects_needed,
    summary,
)

RNG = np.random.default_rng(5)
DENSE = RNG.uniform(0.6, 0.95, 14)
SMALL = DENSE + RNG.normal(-0.004, 0.02, 14)


def t_tail(t: float, df: int) -> float:
    """P(T ≥ t) from the incomplete beta function, not from a t distribution."""
    half = 0.5 * special.betainc(df / 2, 0.5, df / (df + t * t))
    return half if t >= 0 else 1 - half


def test_replica_of_t_and_non_inferiority():
    found = compare(SMALL, DENSE, margin=0.02)
    d = SMALL - DENSE
    n = len(d)
    error = np.sqrt(((d - d.mean()) ** 2).sum() / (n - 1) / n)
    assert found.t_p == pytest.approx(2 * t_tail(abs(d.mean() / error), n - 1), rel=1e-9)
    assert found.inferiority_p == pytest.approx(t_tail((d.mean() + 0.02) / error, n - 1), rel=1e-9)
    # the bound is where the one-sided test has p = 0.05
    assert t_tail((d.mean() - found.lower) / error, n - 1) == pytest.approx(0.05, rel=1e-9)
    assert found.effect == pytest.approx(d.mean() / (error * np.sqrt(n)))


def test_replica_of_wilcoxon_by_enumeration():
    d = np.array([0.03, -0.01, 0.05, 0.02, -0.04, 0.06, 0.07])
    ranks = np.argsort(np.argsort(abs(d))) + 1
    observed = ranks[d > 0].sum()
    sums = np.array([(np.array(signs) * ranks).sum() for signs in product([0, 1], repeat=len(d))])
    two_sided = 2 * min((sums >= observed).mean(), (sums <= observed).mean())
    assert compare(0.5 + d, np.full(7, 0.5)).wilcoxon_p == pytest.approx(two_sided)


@pytest.mark.parametrize("shift", [-0.05, -0.03, -0.021, -0.015, -0.01, 0.0, 0.01])
def test_bound_and_p_agree(shift):
    found = compare(DENSE + shift + 0.5 * (SMALL - DENSE), DENSE, margin=0.02)
    assert found.non_inferior == (found.inferiority_p < found.alpha)


def test_verdict_depends_on_margin_and_on_spread():
    assert compare(SMALL, DENSE, margin=0.05).non_inferior
    assert not compare(SMALL, DENSE, margin=0.001).non_inferior
    noisy = DENSE + 40 * (SMALL - DENSE - (SMALL - DENSE).mean())
    assert compare(noisy, DENSE, margin=0.02).difference == pytest.approx(0, abs=1e-9)
    assert not compare(noisy, DENSE, margin=0.02).non_inferior


def test_replica_of_the_interval():
    """Its ends are where the two-sided test has p = 0.05."""
    d = SMALL - DENSE
    low, high = mean_interval(d)
    error = d.std(ddof=1) / np.sqrt(len(d))
    assert t_tail((d.mean() - low) / error, len(d) - 1) == pytest.approx(0.025, rel=1e-9)
    assert t_tail((high - d.mean()) / error, len(d) - 1) == pytest.approx(0.025, rel=1e-9)
    assert compare(SMALL, DENSE).interval == pytest.approx((low, high))
    assert np.isnan(mean_interval([0.5])).all()
    assert mean_interval([0.25, 0.25, 0.25]) == (0.25, 0.25)


def coverage(draw, n, *, repeats=20_000):
    """Share of t intervals of `n` values that hold their mean, which is 0."""
    values = draw(np.random.default_rng(n), (repeats, n))
    half = stats.t.ppf(0.975, n - 1) * values.std(axis=1, ddof=1) / np.sqrt(n)
    assert mean_interval(values[0]) == pytest.approx((values[0].mean() - half[0], values[0].mean() + half[0]))
    return (abs(values.mean(axis=1)) <= half).mean()


@pytest.mark.parametrize("n", [5, 8, 12, 26, 50])
def test_coverage_of_normal_differences(n):
    assert 0.93 <= coverage(lambda rng, shape: rng.normal(0, 0.05, shape), n) <= 0.97


@pytest.mark.parametrize(("n", "stated"), [(5, 0.88), (8, 0.90), (26, 0.92), (50, 0.93)])
def test_coverage_of_skewed_differences_is_what_the_docs_say(n, stated):
    """Exponential, skewness 2."""
    assert coverage(lambda rng, shape: rng.exponential(0.05, shape) - 0.05, n) == pytest.approx(stated, abs=0.01)


def test_the_one_sided_bound_lies_inside_the_interval():
    rng = np.random.default_rng(0)
    for n in (2, 3, 5, 26):
        for values in rng.standard_exponential((10, n)) ** 3:
            found = compare(values, np.zeros(n))
            assert found.interval[0] <= found.lower <= found.difference <= found.interval[1]


def test_false_claims_at_the_margin_are_as_rare_as_promised():
    """26 subjects × 3 seeds, truly worse by the margin: subjects and seeds differ, and so does every subject's run."""
    rng, repeats = np.random.default_rng(2), 20_000
    d = -0.02 + rng.normal(0, 0.04, (repeats, 26, 1)) + rng.normal(0, 0.03, (repeats, 26, 3))
    d = d.mean(axis=2)
    lower = d.mean(axis=1) - stats.t.ppf(0.95, 25) * d.std(axis=1, ddof=1) / np.sqrt(26)
    assert compare(d[0], np.zeros(26)).lower == pytest.approx(lower[0])
    assert 0.04 <= (lower > -0.02).mean() <= 0.06


def test_replica_of_power():
    """The noncentral t as a mixture: given the sd that was drawn, the mean is normal."""
    n, sd, margin = 26, 0.05, 0.02
    critical = stats.t.ppf(0.95, n - 1)

    def shown(u):  # u = drawn variance · (n − 1) / sd²
        bound = -margin + critical * sd * np.sqrt(u / (n - 1) / n)
        return stats.norm.sf(bound / (sd / np.sqrt(n))) * stats.chi2.pdf(u, n - 1)

    assert power(sd, n, margin) == pytest.approx(integrate.quad(shown, 0, 200)[0], rel=1e-6)
    found = compare(SMALL, DENSE)
    assert found.power == pytest.approx(power((SMALL - DENSE).std(ddof=1), 14, 0.02))


def test_power_is_how_often_the_margin_is_shown():
    d = np.random.default_rng(4).normal(0, 0.03, (20_000, 12))
    lower = d.mean(axis=1) - stats.t.ppf(0.95, 11) * d.std(axis=1, ddof=1) / np.sqrt(12)
    assert (lower > -0.02).mean() == pytest.approx(power(0.03, 12, 0.02), abs=0.01)
    assert power(0.03, 12, 0.02, difference=-0.02) == pytest.approx(0.05)


def test_power_at_the_ends_and_the_subjects_it_takes():
    assert power(0.0, 5, 0.02) == 1
    assert power(1e-6, 5, 0.02) == 1
    assert np.isnan(power(np.nan, 1, 0.02))
    needed = subjects_needed(0.05, 0.02)
    assert power(0.05, needed, 0.02) >= 0.8 > power(0.05, needed - 1, 0.02)
    assert subjects_needed(10.0, 0.001) is None


def test_equal_scores():
    found = compare(DENSE, DENSE.copy())
    assert (found.difference, found.t_p, found.wilcoxon_p, found.effect) == (0, 1, 1, 0)
    assert found.non_inferior
    worse = compare(DENSE - 0.25, DENSE)
    assert worse.t_p == 0
    assert worse.inferiority_p == 1
    assert not worse.non_inferior


def test_one_subject_proves_nothing():
    found = compare([0.9], [0.8])
    assert np.isnan([found.lower, found.inferiority_p, found.t_p, *found.interval]).all()
    assert not found.non_inferior


@pytest.mark.parametrize(
    ("a", "b", "margin", "words"),
    [
        ([0.5, 0.6], [0.5], 0.02, "one value per subject"),
        ([], [], 0.02, "one value per subject"),
        ([0.5, np.nan], [0.5, 0.5], 0.02, "NaN"),
        ([0.5, 0.6], [0.5, 0.5], 0.0, "margin is 0"),
    ],
)
def test_bad_input(a, b, margin, words):
    with pytest.raises(ValueError, match=words):
        compare(a, b, margin=margin)


def table() -> pd.DataFrame:
    rows = [
        {"fold": 0, "seed": seed, "stage": stage, "subject": s, "accuracy": base + 0.1 * seed + 0.01 * i}
        for stage, base in (("dense", 0.6), ("C", 0.5))
        for seed in (0, 1)
        for i, s in enumerate("abc")
    ]
    return pd.DataFrame(rows)


def test_seeds_are_averaged_before_subjects():
    found = per_subject(table())
    assert list(found.columns) == ["dense", "C"]
    assert found.dense.tolist() == pytest.approx([0.65, 0.66, 0.67])
    result = summary(table())
    assert result.loc["dense", ("accuracy", "sd")] == pytest.approx(0.01)
    assert result.loc["C", ("accuracy", "mean")] == pytest.approx(0.56)
    assert result.loc["C", ("n", "")] == 3


def test_stages_against_dense():
    found = compare_stages(table(), margin=0.02)
    assert list(found) == ["C"]
    assert found["C"].n == 3
    assert found["C"].difference == pytest.approx(-0.1)
    with pytest.raises(ValueError, match="no stage 'int8'"):
        compare_stages(table(), reference="int8")
