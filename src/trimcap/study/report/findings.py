"""The report's words: the result in a sentence, its verdict, its caveats."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from trimcap._errors import counted
from trimcap.data.splits.findings import CHECKS, UNKNOWN, UNSEEN
from trimcap.study.report.tables import leak_label
from trimcap.study.results.chance import AT, below_linear, not_above_chance
from trimcap.study.results.gathered import Gathered
from trimcap.study.results.makers import elsewhere_said
from trimcap.study.results.statistics import Paired, compare, compare_stages, per_subject, subjects_needed
from trimcap.study.results.store import BASELINES
from trimcap.study.results.words import Tile, count, listed, number, points, probability, size, times


def headline(run: Gathered, compared: Mapping[str, Paired]) -> str:
    """The whole result in one sentence; under random labels, or with nothing learned, it says first that it is none."""
    return result_label(run) + _headline(run, compared)


def result_label(run: Gathered) -> str:
    """What a headline begins with under random labels, or if the dense network is not above chance; else nothing."""
    if _random(run):
        return "RANDOM LABELS, a control: "
    return f"{_label(why)}, no result: " if (why := nothing_learned(run)) else ""


def _label(why: str) -> str:
    return "AT CHANCE" if why.startswith(AT) else "NOT SHOWN ABOVE CHANCE"


def nothing_learned(run: Gathered, stage: str | None = None) -> str:
    """That the network which others are compared with, by default the first, is not above chance; "" if it is."""
    why = not_above_chance(run, stage or run.networks[0]) if run.networks else ""
    return f"{why}. What is as good as it may be as bad: train it better before anything is pruned." if why else ""


def _random(run: Gathered) -> bool:
    return any(step.startswith("RANDOM labels") for step in run.header["data"]["steps"])


def _headline(run: Gathered, compared: Mapping[str, Paired]) -> str:
    if not {"dense", run.final} <= set(run.networks) or run.final == "dense":
        return f"{run.final} network: {_accuracy(run, run.final)}. Nothing was compressed."
    cost, pair = run.cost, compared.get(run.final)
    dense, final = cost.loc["dense"], cost.loc[run.final]
    name = "int8 C network" if run.final == "C" and "int8" in run.networks else f"{run.final} network"
    parts = [f"{name}: {_accuracy(run, run.final)} (dense {_mean(run, 'dense')}"]
    parts[0] += f", difference {points(pair.difference)} points)" if pair else ")"
    smaller = [
        f"{times(dense[key], final[key])} {words}"
        for key, words in (("flash", "less flash"), ("sram", "less SRAM"), ("macs", "fewer MACs"))
        if times(dense[key], final[key]) != "–"
    ]
    parts += [f"{', '.join(smaller)} than the rewritten dense network"] if smaller else []
    parts += [verified(run)] if verified(run) else []
    return "; ".join(parts) + "."


def verified(run: Gathered) -> str:
    """What the verification of all trials found, or nothing if none was made."""
    rows = run.results[run.results.get("verified", pd.Series("", index=run.results.index)).fillna("") != ""]
    if rows.empty:
        return ""
    said = list(dict.fromkeys(rows.verified))
    return f"{listed(said)} on {int(rows.verified_windows.sum()):,} windows in {len(rows)} artifacts"


def verdict(pair: Paired | None, *, nothing: str = "") -> str:
    """Whether "no accuracy loss" may be claimed, in words."""
    if pair is None:
        return ""
    if nothing:
        return nothing[0].upper() + nothing[1:]
    margin = f"{100 * pair.margin:g} points"
    if pair.n < 2:
        return "One subject: nothing can be said about other subjects."
    if pair.non_inferior:
        return (
            f"Not worse than the dense network by {margin} or more: the lower bound of the mean difference over "
            f"{pair.n} subjects is {points(pair.lower)} points ({_p(pair.inferiority_p)})."
        )
    return (
        f"Non-inferiority at {margin} is not shown: the lower bound of the mean difference over {pair.n} subjects is "
        f"{points(pair.lower)} points ({_p(pair.inferiority_p)}). This is no proof of a loss either."
    )


def tiles(run: Gathered, compared: Mapping[str, Paired]) -> tuple[Tile, ...]:
    """The numbers at the top."""
    pair = compared.get(run.final)
    found = [
        Tile(
            _mean(run, run.final),
            f"accuracy, {run.final}",
            f"dense {_mean(run, 'dense')}" if "dense" in run.networks else "",
            None if pair is None or nothing_learned(run) else pair.non_inferior,
        )
    ]
    if "dense" in run.networks and run.final != "dense":
        dense, final = run.cost.loc["dense"], run.cost.loc[run.final]
        for key, label in (("flash", "less flash"), ("sram", "less SRAM"), ("macs", "fewer MACs")):
            show = size if key != "macs" else count
            if times(dense[key], final[key]) != "–":
                found.append(Tile(times(dense[key], final[key]), label, f"{show(dense[key])} → {show(final[key])}"))
    audit = "FAILED" if run.verdict == "failed" else run.verdict
    what = f"audit of {listed(list(CHECKS))}"
    blind = "choices of people, and transforms fitted before, are not seen"
    found.append(Tile(audit, what, f"{len(run.trials)} trials; {blind}", run.verdict == "passed"))
    return tuple(found)


def caveats(run: Gathered) -> tuple[str, ...]:
    """What a reader must know before believing the numbers."""
    data, found = run.header["data"], _worthless(run)
    if any("transductive" in step for step in data["steps"]):
        found.append(
            "Transductive: features are z-scored per subject with that subject's own unlabelled windows. A headset "
            "would need such a calibration recording, balanced over the classes as here; no test label was used."
        )
    if run.recipe.data.source == "eegmat":
        found.append(
            "EEGMAT is rest against mental arithmetic: cognitive workload, not emotion. Rest always precedes "
            "arithmetic, and eye and muscle activity is a likely part of the signal."
        )
    if run.recipe.data.source == "synthetic":
        found.append("Synthetic signals: the numbers show that the pipeline works, not how a network does on people.")
    found += [_least(run)] if _least(run) else []
    if len(run.recipe.seeds) < 3:
        seeds = "One seed" if len(run.recipe.seeds) == 1 else "Two seeds"
        found.append(f"{seeds}: the spread over initial weights is not well known.")
    if len(run.trials) < run.n_planned:
        found.append(f"Unfinished: {len(run.trials)} of {run.n_planned} trials are in this report.")
    found += elsewhere_said(run)
    if run.verdict == "failed":
        found.append("The audit failed: test windows were known before the evaluation. Do not use these numbers.")
    elif run.verdict == UNKNOWN:
        found.append(
            "The audit can't pass: a network was trained outside, and nobody knows whether it saw test windows."
        )
    elif run.verdict == "passed":
        found.append(
            "No stage of this run, and no network or transform that it started from, saw test windows before the "
            "evaluation, and no test window was found to be a copy of a training window; epochs were chosen on "
            f"validation groups. {UNSEEN}"
        )
    return (*found, *run.recipe.report.notes)


def _worthless(run: Gathered) -> list[str]:
    """Why the numbers are no result at all, or a poor one."""
    found = []
    if run.leaky:
        found.append("LEAKY: windows of one trial are in train and test; the scores measure memory of trials.")
    if _random(run):
        found.append(
            "RANDOM labels: every trial has a label that means nothing. These numbers are a control: an honest "
            "protocol scores chance, and whatever is above it leaks."
        )
    elif why := nothing_learned(run):
        found.append(f"{_label(why)}. {why[0].upper()}{why[1:]}")
    elif run.networks and below_linear(run, run.networks[0]):
        found.append(f"Linear: {below_linear(run, run.networks[0])}")
    return found


def _least(run: Gathered) -> str:
    """The lowest mean accuracy that is above chance with these subjects."""
    table = per_subject(run.subjects)
    if not run.networks or BASELINES[0] not in table:
        return ""
    both = table[[BASELINES[0], run.networks[0]]].dropna()
    pair = compare(both[run.networks[0]], both[BASELINES[0]])
    if not pair.sd > 0:
        return ""
    least = float(both[BASELINES[0]].mean()) + pair.difference - pair.lower
    return (
        f"With {counted(pair.n, 'subject')} and this spread (standard deviation {number(100 * pair.sd, 1)} points) a "
        f"mean accuracy below {number(least)} can't be told from chance (one-sided t, 5 %)."
    )


def power_said(pair: Paired) -> str:
    """With which probability the margin can be shown at all, and how many subjects it would take."""
    if not pair.sd > 0:
        return ""
    needed = subjects_needed(pair.sd, pair.margin)
    return (
        f"With {counted(pair.n, 'subject')} and this spread of differences (standard deviation "
        f"{number(100 * pair.sd, 1)} points) a margin of {100 * pair.margin:g} points can be shown with probability "
        f"{number(pair.power, 2)} if there is no true difference"
        + (f"; a probability of 0.8 takes {counted(needed, 'subject')}." if needed else ".")
    )


def compared_with_dense(run: Gathered) -> dict[str, Paired]:
    """Networks against dense; empty if there is no dense stage."""
    if "dense" not in run.networks:
        return {}
    chosen = run.subjects[~run.subjects.stage.isin([BASELINES[0]])]
    return compare_stages(chosen, margin=run.recipe.report.margin)


def _mean(run: Gathered, stage: str) -> str:
    return number(float(per_subject(run.subjects)[stage].mean()))


def _accuracy(run: Gathered, stage: str) -> str:
    n = run.subjects[run.subjects.stage == stage].subject.nunique()
    return f"{leak_label(run).lower()}{_mean(run, stage)} window accuracy over {n} subjects"


def _p(value: float) -> str:
    text = probability(value)
    return f"p {text}" if text.startswith("<") else f"p = {text}"
