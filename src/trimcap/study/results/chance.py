"""Whether a network has learned anything at all: without that, no comparison with it means something."""

from __future__ import annotations

from trimcap._errors import counted
from trimcap.study.results.gathered import Gathered
from trimcap.study.results.statistics import above, compare, mean_interval, per_subject
from trimcap.study.results.store import BASELINES
from trimcap.study.results.words import number, points, probability

_MAJORITY, _LINEAR = BASELINES[0], BASELINES[1]
AT, NOT_ABOVE = "at chance", "not shown above chance"


def not_above_chance(run: Gathered, stage: str) -> str:
    """Why a network counts as one that has learned nothing; "" if it is above the majority class (`above`).

    It begins with `AT` only if the interval of the difference over subjects holds 0, else with `NOT_ABOVE`.
    """
    table = per_subject(run.subjects)
    if not {_MAJORITY, stage} <= set(table):
        return ""
    both = table[[_MAJORITY, stage]].dropna()
    if both.empty or above(both[stage], both[_MAJORITY]):
        return ""
    low, high = mean_interval(both[stage] - both[_MAJORITY])
    return (
        f"{AT if low <= 0 <= high else NOT_ABOVE}: {stage} has {number(float(both[stage].mean()))} window accuracy, "
        f"the majority class {number(float(both[_MAJORITY].mean()))}; {counted(len(both), 'subject')}"
    )


def below_linear(run: Gathered, stage: str) -> str:
    """That the linear baseline is better on average than a network, with its p; "" if it is not."""
    table = per_subject(run.subjects)
    if not {_LINEAR, stage} <= set(table):
        return ""
    both = table[[_LINEAR, stage]].dropna()
    ours, linear = float(both[stage].mean()), float(both[_LINEAR].mean())
    if both.empty or ours >= linear:
        return ""
    pair = compare(both[stage], both[_LINEAR])
    return (
        f"{stage} ({number(ours)}) is below the linear baseline ({number(linear)}), which gets the same input and "
        f"costs next to nothing: {points(pair.difference)} points, p = {probability(pair.t_p)}."
    )
