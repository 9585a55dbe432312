from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import special

from trimcap.study.statistics import bootstrap_interval, compare, compare_stages, per_subject, summary

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


def test_bootstrap_covers_the_mean_and_is_reproducible():
    low, high = bootstrap_interval(SMALL - DENSE, seed=3)
    assert low < (SMALL - DENSE).mean() < high
    assert (low, high) == bootstrap_interval(SMALL - DENSE, seed=3)
    assert (low, high) != bootstrap_interval(SMALL - DENSE, seed=4)


def test_bootstrap_replica_on_two_values():
    """With two values the mean is low, middle, high with 1/4, 1/2, 1/4; the 2.5 % point is the lower value."""
    assert bootstrap_interval([0.1, 0.3]) == (pytest.approx(0.1), pytest.approx(0.3))
    assert bootstrap_interval([0.1, 0.3], alpha=0.6) == (pytest.approx(0.2), pytest.approx(0.2))


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
    result = summary(table(), metrics=["accuracy"])
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
