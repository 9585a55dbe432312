"""From the scores of many draws to a verdict per protocol and classifier."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from math import nan, sqrt
from typing import Any

import numpy as np

AT_CHANCE, NOT_ABOVE, BELOW, ABOVE = "at chance", "not shown above chance", "below chance", "ABOVE CHANCE"
LEAKS, A_LITTLE, NO_POWER = "leaks, as it should", "leaks a little", "no power"
#: one-sided level of the tests, divided by the number of honest rows (Bonferroni)
LEVEL = 0.05
#: how much of the way from chance to 1 a leaky split must go before a control can be said to show leaks
GAIN = 0.25


@dataclass(frozen=True)
class Scored:
    """One draw: a classifier's accuracy over all test windows, and the share of the most frequent class in them."""

    control: str
    protocol: str
    honest: bool
    classifier: str
    draw: int
    accuracy: float
    chance: float


@dataclass(frozen=True)
class Row:
    """A classifier under a protocol, over all draws of a control.

    Parameters
    ----------
    honest : the protocol does not say that it leaks
    draws : n
    accuracy, low, high : mean over draws, with its 95 % interval
    lowest, highest : of the draws
    chance : mean over draws of the share of the most frequent class
    p : one-sided, of "not above chance"
    """

    control: str
    protocol: str
    honest: bool
    classifier: str
    draws: int
    accuracy: float
    low: float
    high: float
    lowest: float
    highest: float
    chance: float
    p: float
    verdict: str

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def judged(scores: Iterable[Scored]) -> tuple[Row, ...]:
    """One row per control, protocol and classifier, in order of first appearance.

    The unit is the draw: within one, windows, folds and subjects share labels and training windows, but draws are
    independent of each other given the recordings. With accuracy a_i and chance c_i of draw i of n:

    - interval: mean(a) ± t_{0.975, n−1} · sd(a)/√n;
    - p: one-sided t-test of d_i = a_i − c_i against 0, P(T ≥ mean(d) / (sd(d)/√n));
    - honest, of m honest rows: "ABOVE CHANCE" if p < 0.05/m, "below chance" if 1 − p < 0.05/m, else "at chance"
      where the interval holds mean(c), else "not shown above chance";
    - leaky: "no power" if p ≥ 0.05, else "leaks, as it should" if mean(d) ≥ ¼ · (1 − mean(c)), else "leaks a little".
    """
    groups: dict[tuple[str, str, bool, str], list[Scored]] = {}
    for s in sorted(scores, key=lambda s: s.draw):
        groups.setdefault((s.control, s.protocol, s.honest, s.classifier), []).append(s)
    n_honest = sum(honest for _, _, honest, _ in groups)
    return tuple(_row(members, n_honest) for members in groups.values())


def without_power(rows: Sequence[Row]) -> list[str]:
    """Controls and leaky protocols under which no classifier shows the leak: what they say of honest ones is void."""
    pairs = dict.fromkeys((r.control, r.protocol) for r in rows if not r.honest)
    return [
        f"the control by {control} has no power: under {protocol} no classifier is far above chance"
        for control, protocol in pairs
        if not any(r.verdict == LEAKS for r in rows if (r.control, r.protocol) == (control, protocol))
    ]


def _row(members: Sequence[Scored], n_honest: int) -> Row:
    from scipy import stats

    first, n = members[0], len(members)
    a = np.array([s.accuracy for s in members])
    c = np.array([s.chance for s in members])
    half = float(stats.t.ppf(0.975, n - 1)) * float(a.std(ddof=1)) / sqrt(n) if n > 1 else nan
    p, inside = _above(a - c), abs(float((a - c).mean())) <= half
    gain = float((a - c).mean()) / (1 - float(c.mean()))
    return Row(
        control=first.control,
        protocol=first.protocol,
        honest=first.honest,
        classifier=first.classifier,
        draws=n,
        accuracy=float(a.mean()),
        low=float(a.mean()) - half,
        high=float(a.mean()) + half,
        lowest=float(a.min()),
        highest=float(a.max()),
        chance=float(c.mean()),
        p=p,
        verdict=_honest(p, LEVEL / n_honest, inside=inside) if first.honest else _leaky(p, gain),
    )


def _honest(p: float, level: float, *, inside: bool) -> str:
    if p < level or 1 - p < level:
        return ABOVE if p < level else BELOW
    return AT_CHANCE if inside else NOT_ABOVE


def _leaky(p: float, gain: float) -> str:
    return NO_POWER if p >= LEVEL else LEAKS if gain >= GAIN else A_LITTLE


def _above(d: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    """P of "the mean is not above 0"; differences that are all equal leave no doubt."""
    from scipy import stats

    if len(d) < 2:
        return nan
    if np.ptp(d) < 1e-12:
        return 0.0 if d[0] > 0 else 1.0 if d[0] < 0 else 0.5
    return float(stats.ttest_1samp(d, 0.0, alternative="greater").pvalue)
