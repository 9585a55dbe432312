"""Tables of methods side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trimcap.study.recipe.plan import title_of
from trimcap.study.report.tables import accuracy_table, leak_label
from trimcap.study.results.gathered import Gathered
from trimcap.study.results.method_results import Outcome, fewer, holm, paired, trunk_of
from trimcap.study.results.statistics import Paired, per_subject
from trimcap.study.results.store import BASELINES
from trimcap.study.results.words import Table, interval, number, points, probability, size, spread


def pivot_table(run: Gathered, found: Sequence[Outcome]) -> Table:
    """Accuracy by method and sparsity, with a mark at those that pass."""
    table = per_subject(run.subjects)
    sparsities = list(dict.fromkeys(o.sparsity for o in found))
    cells = {(o.method, o.sparsity): o for o in found}
    rows = []
    for method in dict.fromkeys(o.method for o in found):
        row = [method]
        for sparsity in sparsities:
            outcome = cells.get((method, sparsity))
            row.append("–" if outcome is None else _score(table[outcome.last].to_numpy(), outcome))
        rows.append(tuple(row))
    beside = [(name, _score(table[name].to_numpy())) for name in (*_beside(run), trunk_of(run).final)]
    rows += [(name, *[score] * len(sparsities)) for name, score in beside]
    margin = 100 * run.recipe.report.margin
    return Table(
        leak_label(run) + "Window accuracy on the sealed test sets: mean ± standard deviation over subjects, after "
        "averaging each subject over seeds.",
        ("method", *("once" if s is None else title_of("", s).strip() for s in sparsities)),
        tuple(rows),
        note=f"✓: not worse than {trunk_of(run).final} by {margin:g} points or more, corrected for all "
        "tests of this table (Holm); (✓): before correction only.",
    )


def _beside(run: Gathered) -> list[str]:
    """The baselines that a method has to be compared with."""
    return [name for name in BASELINES[1:] if name in run.stages]


def scores_table(run: Gathered, found: Sequence[Outcome]) -> Table:
    """All scores of every network, of the one they come from, and of the baselines."""
    base = trunk_of(run).final
    return accuracy_table(run, {name: name for name in (*_beside(run), base)} | {o.last: o.title for o in found})


def _score(values: np.ndarray, outcome: Outcome | None = None) -> str:
    passes, alone = (outcome.passes, outcome.passes_alone) if outcome else (False, False)
    mark = " ✓" if passes else " (✓)" if alone else ""
    return spread(float(np.nanmean(values)), float(np.nanstd(values, ddof=1)) if len(values) > 1 else None) + mark


def outcome_table(run: Gathered, found: Sequence[Outcome]) -> Table:
    """Every network: scores before and after recovery, the test against the trunk, and what is left of it."""
    table, cost = per_subject(run.subjects), run.cost
    base = trunk_of(run).final
    rows = []
    for name in _beside(run):
        pair = paired(table, name, base, run.recipe.report.margin)
        rows.append((name, "–", number(float(table[name].mean())), *_tested(pair, None), "–", "–", "–", "–"))
    rows += [
        (
            o.title,
            "–" if o.first == o.last else number(float(table[o.first].mean())),
            number(float(table[o.last].mean())),
            *_tested(o.pair, float(o.holm)),
            fewer(cost.parameters[base], cost.parameters[o.last]),
            fewer(cost.macs[base], cost.macs[o.last]),
            size(cost.flash[o.last]),
            _compressed(run, o.last),
        )
        for o in found
    ]
    return Table(
        leak_label(run) + f"Every network against {base}, paired over subjects.",
        ("method", "before recovery", "accuracy", "difference", "95 % interval", "lower bound", "non-inferiority p",
         "p, Holm", "power", "fewer parameters", "fewer MACs", "flash, dense", "compressed"),
        tuple(rows),
        note="Differences in points. Interval: two-sided 95 %, lower bound: one-sided 95 %, both paired t. "
        "Power: probability of a bound above the margin, before correction, with these subjects and this spread if "
        "there is no true difference. Single weights are set to zero: parameters "
        "and MACs stay, and a device sees the dense bytes, as no exporter has a sparse kernel; compressed is what a "
        "bitmap or CSR file would take.",
    )  # fmt: skip


def _tested(pair: Paired, holm: float | None) -> tuple[str, ...]:
    """Difference, interval, bound, p, corrected p and power."""
    return (
        points(pair.difference),
        interval(pair.interval),
        points(pair.lower),
        probability(pair.inferiority_p),
        probability(holm),
        number(pair.power, 2),
    )


def _compressed(run: Gathered, stage: str) -> str:
    if "compressed" not in run.results:
        return "–"
    return size(float(run.results[run.results.stage == stage].compressed.mean()))


def budget_table(run: Gathered, found: Sequence[Outcome]) -> Table | None:
    """What the training of every network cost, from the first weights on."""
    if "budget_epochs" not in run.results:
        return None
    trunk, rows = trunk_of(run).final, []
    for title, stage in ((trunk, trunk), *((o.title, o.last) for o in found)):
        own = run.results[run.results.stage == stage]
        epochs, macs = float(own.budget_epochs.mean()), float(own.budget_macs.mean())
        rows.append((title, number(epochs, 1), number(macs / 1e6, 1), number(float(own.seconds.mean()), 1)))
    return Table(
        "What each network was trained with, from its first weights on: mean over folds and seeds.",
        ("network", "epochs", "million MACs per training window", "seconds of the last step"),
        tuple(rows),
        note="Epochs that ran, also those after the best one. Forward passes only: a backward pass costs about twice "
        "as much for all alike. A network from scratch does not pay for the dense one; a teacher's "
        "passes are not counted.",
    )


def against_table(run: Gathered, found: Sequence[Outcome]) -> Table | None:
    """Every method against the reference method at the same sparsity."""
    compared = [o for o in found if o.against is not None]
    if not compared or run.recipe.compare is None:
        return None
    corrected = [float(p) for p in holm([o.against.t_p for o in compared if o.against is not None])]
    pairs: list[tuple[str, Paired, float | None]] = [
        (o.title, o.against, p) for o, p in zip(compared, corrected, strict=True) if o.against is not None
    ]
    name, table = run.recipe.compare.reference, per_subject(run.subjects)
    for own in (o for o in found if o.method == name):
        at = "" if own.sparsity is None else f", against {own.title}"
        pairs += [(f"{b}{at}", paired(table, b, own.last, run.recipe.report.margin), None) for b in _beside(run)]
    rows = []
    for title, pair, corrected_p in pairs:
        rows.append(
            (
                title,
                points(pair.difference),
                interval(pair.interval),
                probability(pair.wilcoxon_p),
                probability(pair.t_p),
                probability(corrected_p),
                number(pair.effect, 2, sign=True),
            )
        )
    return Table(
        leak_label(run) + f"Accuracy minus that of {name} at the same sparsity, in points, paired over subjects.",
        ("method", "difference", "95 % interval", "Wilcoxon p", "paired t p", "t p, Holm", "d_z"),
        tuple(rows),
        note="Interval: two-sided 95 %, paired t. Folds share training subjects: they are not fully independent.",
    )
