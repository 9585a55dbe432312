"""Is the smaller network as good? Paired over subjects, because windows of one subject are not independent."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, nan, sqrt

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from trimcap.train.metrics import METRICS, TRIAL_METRICS, Metric

Interval = tuple[float, float]

#: differences that agree to this are the same number; their spread is rounding, not variation
_EQUAL = 1e-9


@dataclass(frozen=True)
class Paired:
    """A network against a reference, subject by subject; differences are network − reference.

    Parameters
    ----------
    n : subjects
    difference, sd : mean and standard deviation (n − 1) of the differences
    interval : two-sided t interval of the mean difference
    wilcoxon_p, t_p : two-sided p of the signed-rank test and of the paired t-test
    effect : d_z = mean / sd of the differences
    margin : how much worse still counts as "not worse"
    lower : one-sided lower confidence bound of the mean difference
    inferiority_p : p of "the network is worse by the margin or more"
    """

    n: int
    difference: float
    sd: float
    interval: Interval
    wilcoxon_p: float
    t_p: float
    effect: float
    margin: float
    lower: float
    inferiority_p: float
    alpha: float

    @property
    def non_inferior(self) -> bool:
        """Whether the lower bound stays above −margin."""
        return self.lower > -self.margin

    @property
    def power(self) -> float:
        """Probability that `non_inferior` comes out with this n and sd if there is no true difference, see `power`."""
        return power(self.sd, self.n, self.margin, alpha=self.alpha)


def compare(network: ArrayLike, reference: ArrayLike, *, margin: float = 0.02, alpha: float = 0.05) -> Paired:
    """Paired comparison of two score vectors, one value per subject.

    With dᵢ = networkᵢ − referenceᵢ, mean d̄, standard deviation s (n − 1) and n subjects:

    - interval: d̄ ± t₁₋α/₂,ₙ₋₁ · s/√n, which holds the one-sided bound below for every α;
    - paired t: t = d̄ / (s/√n), two-sided, n − 1 degrees of freedom; signed-rank: Wilcoxon (1945), ties dropped;
    - non-inferiority: H₀ d̄ ≤ −margin, t = (d̄ + margin) / (s/√n), p = P(T ≥ t);
      lower bound d̄ − t₁₋α,ₙ₋₁ · s/√n, so that p < α exactly when the bound is above −margin.

    Parameters
    ----------
    network, reference : shape (n_subjects,), the same subjects in the same order, averaged over seeds first
    margin : in the unit of the scores, > 0
    alpha : level of the tests; the interval has coverage 1 − α

    Raises
    ------
    ValueError : lengths differ, a value is not finite, or margin ≤ 0.

    Source: Walker & Nowacki (2011), "Understanding equivalence and noninferiority testing", J Gen Intern Med 26:192.
    """
    d = _differences(network, reference)
    if not margin > 0:
        raise ValueError(f"margin is {margin}; it must be above 0, e.g. 0.02 for two points of accuracy")
    mean, n = float(d.mean()), len(d)
    lower, p = _non_inferiority(d, margin, alpha)
    return Paired(
        n=n,
        difference=mean,
        sd=_standard_error(d) * sqrt(n),
        interval=mean_interval(d, alpha=alpha),
        wilcoxon_p=_wilcoxon(d),
        t_p=_t_test(d),
        effect=_effect(d),
        margin=margin,
        lower=lower,
        inferiority_p=p,
        alpha=alpha,
    )


def above(network: ArrayLike, reference: ArrayLike, *, alpha: float = 0.05) -> bool:
    """Whether a network is better than a reference: the one-sided bound of the mean difference is above 0 (paired t).

    With one subject there is no bound; then whether it is better at all.
    """
    d = _differences(network, reference)
    return bool(d.mean() > 0) if len(d) < 2 else _non_inferiority(d, 0.0, alpha)[0] > 0


def mean_interval(values: ArrayLike, *, alpha: float = 0.05) -> Interval:
    """Two-sided t interval of the mean: mean ± t₁₋α/₂,ₙ₋₁ · s/√n; NaN for fewer than two values.

    Exact for normal values. What skewed ones and networks that subjects share do to it is measured in
    `docs/statistics.md`; a percentile bootstrap covers too little with few subjects (0.84 instead of 0.95 with 5).

    Parameters
    ----------
    values : shape (n_subjects,)

    Source: Student (1908), "The probable error of a mean", Biometrika 6:1.
    """
    from scipy import stats

    v = np.asarray(values, dtype=np.float64)
    if len(v) < 2:
        return nan, nan
    half = float(stats.t.ppf(1 - alpha / 2, len(v) - 1)) * _standard_error(v)
    return float(v.mean()) - half, float(v.mean()) + half


def power(sd: float, n: int, margin: float, *, difference: float = 0.0, alpha: float = 0.05) -> float:
    """Probability that non-inferiority at `margin` is shown: P(T′ₙ₋₁,δ > t₁₋α,ₙ₋₁), δ = (difference + margin)·√n/sd.

    T′ has a noncentral t distribution. The same with `margin` = 0 is the power of showing a true `difference` above 0.

    Parameters
    ----------
    sd : standard deviation of the differences over subjects; NaN (one subject) gives NaN
    n : subjects
    difference : the true mean difference

    Source: Julious (2004), "Sample sizes for clinical trials with normal data", Stat Med 23:1921, section 4.
    """
    from scipy import stats

    if n < 2 or not np.isfinite(sd):
        return nan
    if sd == 0:
        return 1.0 if difference > -margin else 0.0
    delta = (difference + margin) * sqrt(n) / sd
    critical = float(stats.t.ppf(1 - alpha, n - 1))
    if delta > critical + 30:  # where the noncentral t loses its digits, there is no doubt
        return 1.0
    return float(stats.nct.sf(critical, n - 1, delta))


def subjects_needed(sd: float, margin: float, *, wanted: float = 0.8, most: int = 100_000) -> int | None:
    """The fewest subjects with which `power` reaches `wanted` at no true difference; None above `most`."""
    if power(sd, most, margin) < wanted:
        return None
    low, high = 1, most
    while high - low > 1:  # power grows with n
        middle = (low + high) // 2
        low, high = (low, middle) if power(sd, middle, margin) >= wanted else (middle, high)
    return high


def per_subject(subjects: pd.DataFrame, metric: str = "accuracy") -> pd.DataFrame:
    """Rows = subjects, columns = stages in order of appearance; the mean over seeds (and folds) of `metric`.

    A subject for whom a stage is missing in some fold or seed is left out of nothing silently: its cell is NaN.
    """
    table = subjects.pivot_table(
        index="subject", columns="stage", values=metric, aggfunc="mean", sort=False, dropna=False
    )
    return table[list(dict.fromkeys(subjects.stage))].sort_index()


def metrics_of(subjects: pd.DataFrame) -> dict[str, Metric]:
    """The metrics of tables: of windows those that a run has (an earlier one may lack some), and all of trials."""
    return {name: one for name, one in METRICS.items() if name in subjects} | TRIAL_METRICS


def summary(subjects: pd.DataFrame) -> pd.DataFrame:
    """Mean and standard deviation over subjects (n − 1), of the means over seeds.

    Returns
    -------
    DataFrame, index = stage, columns (metric, "mean"), (metric, "sd"), ("n", "") = subjects; sd is NaN for one
    subject. A metric that is undefined for a subject, such as AUROC with one class, is left out for that subject.
    """
    columns = {}
    for metric in metrics_of(subjects):
        if metric not in subjects:
            subjects = subjects.assign(**{metric: nan})
        table = per_subject(subjects, metric)
        columns[(metric, "mean")] = table.mean()
        columns[(metric, "sd")] = table.std(ddof=1)
    result = pd.DataFrame(columns)
    result[("n", "")] = subjects.groupby("stage", sort=False).subject.nunique()
    return result.loc[list(dict.fromkeys(subjects.stage))]


def compare_stages(
    subjects: pd.DataFrame, *, reference: str = "dense", metric: str = "accuracy", margin: float = 0.02
) -> dict[str, Paired]:
    """Every other stage against `reference`, over the subjects that both have."""
    table = per_subject(subjects, metric)
    if reference not in table:
        raise ValueError(f"no stage {reference!r} to compare with; stages: {', '.join(map(str, table.columns))}")
    found = {}
    for stage in table.columns:
        both = table[[reference, stage]].dropna() if stage != reference else table.iloc[:0]
        if len(both):
            found[str(stage)] = compare(both[stage], both[reference], margin=margin)
    return found


def _differences(network: ArrayLike, reference: ArrayLike) -> NDArray[np.float64]:
    a, b = np.asarray(network, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if a.ndim != 1 or a.shape != b.shape or not len(a):
        raise ValueError(f"scores of shapes {a.shape} and {b.shape}; both need one value per subject, in one order")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("scores contain NaN or infinity; leave out subjects without a score in both")
    # accuracies are ratios of small integers: ones that are equal must give exactly 0
    return np.round(a - b, 12)


def _standard_error(d: NDArray[np.float64]) -> float:
    if len(d) < 2:
        return nan
    return float(d.std(ddof=1)) / sqrt(len(d)) if np.ptp(d) > _EQUAL else 0.0


def _non_inferiority(d: NDArray[np.float64], margin: float, alpha: float) -> tuple[float, float]:
    from scipy import stats

    mean, error = float(d.mean()), _standard_error(d)
    if len(d) < 2:
        return nan, nan
    if error == 0:
        return mean, 0.0 if mean > -margin else 1.0
    lower = mean - float(stats.t.ppf(1 - alpha, len(d) - 1)) * error
    return lower, float(stats.t.sf((mean + margin) / error, len(d) - 1))


def _t_test(d: NDArray[np.float64]) -> float:
    from scipy import stats

    error = _standard_error(d)
    if len(d) < 2:
        return nan
    if error == 0:
        return 1.0 if d[0] == 0 else 0.0
    return float(stats.ttest_1samp(d, 0.0).pvalue)


def _wilcoxon(d: NDArray[np.float64]) -> float:
    from scipy import stats

    if not d.any():
        return 1.0
    return float(stats.wilcoxon(d, zero_method="wilcox").pvalue)


def _effect(d: NDArray[np.float64]) -> float:
    if len(d) < 2:
        return nan
    mean, sd = float(d.mean()), _standard_error(d) * sqrt(len(d))
    return mean / sd if sd else (0.0 if mean == 0 else inf if mean > 0 else -inf)
