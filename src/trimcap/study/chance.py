"""Whether a network has learned anything at all: without that, no comparison with it means something."""

from __future__ import annotations

from trimcap._errors import counted
from trimcap.study.gathered import Gathered
from trimcap.study.layout import number
from trimcap.study.statistics import above, per_subject
from trimcap.study.store import BASELINES

_MAJORITY, _LINEAR = BASELINES[0], BASELINES[1]


def at_chance(run: Gathered, stage: str) -> str:
    """Why a network counts as one that has learned nothing; "" if it is above the majority class (`above`)."""
    table = per_subject(run.subjects)
    if not {_MAJORITY, stage} <= set(table):
        return ""
    both = table[[_MAJORITY, stage]].dropna()
    if both.empty or above(both[stage], both[_MAJORITY]):
        return ""
    return (
        f"{stage} is not shown to be above chance: {number(float(both[stage].mean()))} window accuracy, majority class "
        f"{number(float(both[_MAJORITY].mean()))}; {counted(len(both), 'subject')}"
    )


def below_linear(run: Gathered, stage: str) -> str:
    """That the linear baseline is better on average than a network; "" if it is not."""
    table = per_subject(run.subjects)
    if not {_LINEAR, stage} <= set(table):
        return ""
    ours, linear = float(table[stage].mean()), float(table[_LINEAR].mean())
    if ours >= linear:
        return ""
    return f"{stage} ({number(ours)}) is below the linear baseline ({number(linear)}), which costs next to nothing."
