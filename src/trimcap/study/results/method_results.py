"""What every method of `[compare]` came to at every sparsity: scores, tests and costs, one row each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import isfinite

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimcap.study.recipe.plan import plan_of, title_of
from trimcap.study.results.chance import not_above_chance
from trimcap.study.results.gathered import Gathered
from trimcap.study.results.statistics import Paired, compare, per_subject


@dataclass(frozen=True)
class Outcome:
    """One method at one sparsity.

    Parameters
    ----------
    first, last : names of its first stage (right after pruning) and of its last
    pair : the last stage against the trunk's last network, over subjects
    holm : p of non-inferiority, corrected for all outcomes of the run (Holm, 1979)
    against : the last stage against the reference method at the same sparsity; None for the reference itself
    unproven : whether the trunk's last network is not shown to have learned anything; nothing passes then
    """

    method: str
    sparsity: float | None
    first: str
    last: str
    pair: Paired
    holm: float
    against: Paired | None = None
    unproven: bool = False

    @property
    def title(self) -> str:
        """`LFP 80 %`."""
        return title_of(self.method, self.sparsity)

    @property
    def passes(self) -> bool:
        """Whether non-inferiority holds after correction."""
        return not self.unproven and self.holm < self.pair.alpha

    @property
    def passes_alone(self) -> bool:
        """Whether non-inferiority holds before correction."""
        return not self.unproven and self.pair.non_inferior


def trunk_of(run: Gathered) -> Gathered:
    """The run without the methods' stages."""
    own = {stage.name for stage in plan_of(run.recipe) if stage.method}
    return replace(
        run,
        results=run.results[~run.results.stage.isin(own)],
        subjects=run.subjects[~run.subjects.stage.isin(own)],
        confusion={stage: counts for stage, counts in run.confusion.items() if stage not in own},
        histories={stage: tables for stage, tables in run.histories.items() if stage not in own},
    )


def outcomes(run: Gathered) -> tuple[Outcome, ...]:
    """All methods at all sparsities of the recipe that the run has, in the recipe's order."""
    table = per_subject(run.subjects)
    base = trunk_of(run).final
    nothing = bool(not_above_chance(run, base))
    rows = [
        Outcome(method, sparsity, first, last, paired(table, last, base, run.recipe.report.margin), 0.0)
        for method, sparsity, first, last in _ends(run)
    ]
    corrected = holm([row.pair.inferiority_p for row in rows])
    reference = run.recipe.compare.reference if run.recipe.compare else None
    same = {row.sparsity: row.last for row in rows if row.method == reference}
    margin = run.recipe.report.margin
    return tuple(
        replace(
            row,
            holm=p,
            unproven=nothing,
            against=paired(table, row.last, same[row.sparsity], margin)
            if row.sparsity in same and row.method != reference
            else None,
        )
        for row, p in zip(rows, corrected, strict=True)
    )


def _ends(run: Gathered) -> Iterable[tuple[str, float | None, str, str]]:
    """Method, sparsity, first and last network of it."""
    present, found = set(run.stages), dict[tuple[str, float | None], list[str]]()
    for stage in plan_of(run.recipe):
        if stage.method and stage.name in present:
            found.setdefault((stage.method, stage.sparsity), []).append(stage.name)
    return [(method, sparsity, names[0], names[-1]) for (method, sparsity), names in found.items()]


def paired(table: pd.DataFrame, stage: str, reference: str, margin: float) -> Paired:
    """A stage against another, over the subjects that both have; `table` is `per_subject`."""
    both = table[[reference, stage]].dropna()
    return compare(both[stage], both[reference], margin=margin)


def holm(p: Sequence[float]) -> NDArray[np.float64]:
    """Step-down corrected p values: p̃₍ᵢ₎ = max over j ≤ i of min(1, (m − j + 1) p₍ⱼ₎), p₍₁₎ ≤ … ≤ p₍ₘ₎.

    Undefined values (NaN, of one subject) stay so and do not count.

    Source: Holm (1979), "A simple sequentially rejective multiple test procedure", Scand J Stat 6:65.

    >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    values = np.asarray(p, dtype=np.float64)
    known = np.flatnonzero(np.isfinite(values))
    order = known[np.argsort(values[known], kind="stable")]
    steps = np.minimum(1, values[order] * np.arange(len(order), 0, -1))
    corrected = np.full(len(values), np.nan)
    corrected[order] = np.maximum.accumulate(steps)
    return corrected


def smallest(run: Gathered, found: Sequence[Outcome]) -> Outcome | None:
    """Of those that pass, the one with the fewest parameters, then MACs."""
    cost = run.cost
    passing = [outcome for outcome in found if outcome.passes]
    return min(passing, key=lambda o: (cost.parameters[o.last], cost.macs[o.last]), default=None)


def fewer(before: float, after: float) -> str:
    """Share that was removed, in words; "–" if it is none.

    >>> fewer(100, 8), fewer(100, 100)
    ('92.0 %', '–')
    """
    share = 100 * (1 - after / before) if before and isfinite(before) and isfinite(after) else 0.0
    return f"{share:.1f} %" if share > 0.05 else "–"
