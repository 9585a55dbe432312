"""The report's words and tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from trimcap.study.gathered import COSTS, Gathered
from trimcap.study.layout import Table, Tile, listed, number, probability, size, spread, times
from trimcap.study.statistics import METRICS, Paired, compare_stages, per_subject, summary
from trimcap.study.store import BASELINES

_HEADS = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "f1": "F1 (macro)",
    "kappa": "κ",
    "auroc": "AUROC",
}


def leak_label(run: Gathered) -> str:
    """What every table's caption starts with."""
    return "LEAKY protocol, for comparison only. " if run.leaky else ""


def headline(run: Gathered, compared: Mapping[str, Paired]) -> str:
    """The whole result in one sentence."""
    if not {"dense", run.final} <= set(run.networks) or run.final == "dense":
        return f"{run.final} network: {_accuracy(run, run.final)}. Nothing was compressed."
    cost, pair = run.cost, compared.get(run.final)
    dense, final = cost.loc["dense"], cost.loc[run.final]
    name = "int8 C network" if run.final == "C" and "int8" in run.networks else f"{run.final} network"
    parts = [f"{name}: {_accuracy(run, run.final)} (dense {_mean(run, 'dense')}"]
    parts[0] += f", difference {_points(pair.difference)} points)" if pair else ")"
    smaller = [
        f"{times(dense[key], final[key])} {words}"
        for key, words in (("flash", "less flash"), ("sram", "less SRAM"), ("macs", "fewer MACs"))
        if times(dense[key], final[key]) != "–"
    ]
    parts += [", ".join(smaller)] if smaller else []
    parts += [verified(run)] if verified(run) else []
    return "; ".join(parts) + "."


def verified(run: Gathered) -> str:
    """What the verification of all trials found, or nothing if none was made."""
    rows = run.results[run.results.get("verified", pd.Series("", index=run.results.index)).fillna("") != ""]
    if rows.empty:
        return ""
    said = list(dict.fromkeys(rows.verified))
    return f"{listed(said)} on {int(rows.verified_windows.sum()):,} windows in {len(rows)} artifacts"


def verdict(pair: Paired | None) -> str:
    """Whether "no accuracy loss" may be claimed, in words."""
    if pair is None:
        return ""
    margin = f"{100 * pair.margin:g} points"
    if pair.n < 2:
        return "One subject: nothing can be said about other subjects."
    if pair.non_inferior:
        return (
            f"Not worse than the dense network by {margin} or more: the lower bound of the mean difference over "
            f"{pair.n} subjects is {_points(pair.lower)} points ({_p(pair.inferiority_p)})."
        )
    return (
        f"Non-inferiority at {margin} is not shown: the lower bound of the mean difference over {pair.n} subjects is "
        f"{_points(pair.lower)} points ({_p(pair.inferiority_p)}). This is no proof of a loss either."
    )


def tiles(run: Gathered, compared: Mapping[str, Paired]) -> tuple[Tile, ...]:
    """The numbers at the top."""
    pair = compared.get(run.final)
    found = [
        Tile(
            _mean(run, run.final),
            f"accuracy, {run.final}",
            f"dense {_mean(run, 'dense')}" if "dense" in run.networks else "",
            None if pair is None else pair.non_inferior,
        )
    ]
    if "dense" in run.networks and run.final != "dense":
        dense, final = run.cost.loc["dense"], run.cost.loc[run.final]
        for key, label in (("flash", "flash"), ("sram", "SRAM"), ("macs", "MACs")):
            show = size if key != "macs" else _count
            if times(dense[key], final[key]) != "–":
                found.append(
                    Tile(times(dense[key], final[key]), f"less {label}", f"{show(dense[key])} → {show(final[key])}")
                )
    audit = {"passed": "passed", "failed": "FAILED", "LEAKY": "LEAKY"}[run.verdict]
    found.append(Tile(audit, "audit", f"{len(run.trials)} trials", run.verdict == "passed"))
    return tuple(found)


def accuracy_table(run: Gathered) -> Table:
    """Mean ± sd over subjects of every metric, by stage."""
    table = summary(run.subjects)
    rows = [
        (str(stage), *(spread(row[(m, "mean")], row[(m, "sd")]) for m in METRICS), f"{int(row[('n', '')])}")
        for stage, row in table.iterrows()
    ]
    return Table(
        leak_label(run) + "Window-level scores on the sealed test sets: mean ± standard deviation over subjects, "
        "after averaging each subject over seeds.",
        ("stage", *_HEADS.values(), "subjects"),
        tuple(rows),
        note="A score that is undefined for a subject (–) is left out of its mean.",
    )


def subject_table(run: Gathered) -> Table:
    """Accuracy of every subject at every stage."""
    table = per_subject(run.subjects)
    rows = [
        (str(subject), *(number(v) for v in row))
        for subject, row in zip(table.index, table.to_numpy().tolist(), strict=True)
    ]
    return Table(
        leak_label(run) + "Window accuracy of every test subject, averaged over seeds.",
        ("subject", *map(str, table.columns)),
        tuple(rows),
    )


def cost_table(run: Gathered) -> Table:
    """Cost of every stage, and how many times smaller than dense."""
    cost = run.cost
    base = cost.loc["dense"] if "dense" in cost.index else cost.iloc[0]
    rows = []
    for stage, row in cost.iterrows():
        cells = []
        for key in COSTS:
            text = size(row[key]) if key in ("flash", "sram") else _count(row[key])
            ratio = times(base[key], row[key])
            cells.append(text if ratio in ("–", "1.0×") else f"{text} ({ratio})")
        rows.append((str(stage), *cells, _sparsity(run, str(stage))))
    return Table(
        leak_label(run) + "Cost by stage; in brackets how many times less than dense.",
        ("stage", "parameters", "MACs", "flash", "peak SRAM", "sparsity requested → achieved"),
        tuple(rows),
        note="1 MAC = 2 FLOPs; KiB = 1024 B. Flash counts constants, SRAM the arena of the memory plan; both are the "
        "mean over folds and seeds. Float stages count 4 bytes per value, int8 stages 1.",
    )


def comparison_table(run: Gathered, compared: Mapping[str, Paired]) -> Table:
    """Every stage against dense, paired over subjects."""
    rows = []
    for stage, p in compared.items():
        low, high = p.interval
        rows.append(
            (
                stage,
                _points(p.difference),
                f"{_points(low)} … {_points(high)}",
                probability(p.wilcoxon_p),
                probability(p.t_p),
                number(p.effect, 2, sign=True),
                _points(p.lower),
                probability(p.inferiority_p),
                ("yes" if p.non_inferior else "not shown"),
            )
        )
    margin = 100 * run.recipe.report.margin
    return Table(
        leak_label(run) + "Accuracy minus that of the dense network, in points, paired over subjects.",
        ("stage", "difference", "95 % interval", "Wilcoxon p", "paired t p", "d_z", "lower bound", "non-inferiority p",
         f"within {margin:g} points"),
        tuple(rows),
        note="Interval: bootstrap over subjects (10,000 draws, seed 0). Lower bound: one-sided 95 %, paired t. "
        "p values are not corrected for the number of stages. Folds share training subjects, so subjects are not fully "
        "independent.",
    )  # fmt: skip


def audit_table(run: Gathered) -> Table:
    """Which stage saw which windows, in every trial."""
    rows = [
        (
            f"{trial['fold']} · {trial['seed']}",
            row["stage"] + (f" ({row['note']})" if row["note"] else ""),
            f"{row['n']:,}",
            f"{row['test']:,}",
            row["sha256"][:12],
        )
        for trial in run.trials
        for row in trial["audit"]["rows"]
    ]
    return Table(
        leak_label(run) + "Windows that every stage saw. Only “evaluate” may see test windows.",
        ("fold · seed", "stage", "windows", "of them test", "SHA-256 of ids"),
        tuple(rows),
    )


def verdict_table(run: Gathered) -> Table:
    """The audit's verdict on every trial, with findings."""
    rows = [
        (
            f"{t['fold']} · {t['seed']}",
            t["fold_name"],
            t["audit"]["verdict"],
            "; ".join(f["text"] for f in t["audit"]["findings"] if f["severity"] != "note") or "–",
        )
        for t in run.trials
    ]
    return Table(leak_label(run) + "Verdict by trial.", ("fold · seed", "held out", "verdict", "findings"), tuple(rows))


def caveats(run: Gathered) -> tuple[str, ...]:
    """What a reader must know before believing the numbers."""
    data, found = run.header["data"], []
    if run.leaky:
        found.append("LEAKY: windows of one trial are in train and test; the scores measure memory of trials.")
    if any("transductive" in step for step in data["steps"]):
        found.append(
            "Transductive: features are z-scored per subject with that subject's own unlabelled windows. A headset "
            "would need such a calibration recording, balanced over the classes as here; no test label was used."
        )
    if run.recipe.data.source == "eegmat":
        found.append(
            "EEGMAT is rest against mental arithmetic: cognitive workload, not emotion. Rest always precedes "
            "arithmetic, and eye and muscle activity is a likely part of the signal. Spread by chance alone reaches "
            "about 0.63 with 26 subjects."
        )
    if run.recipe.data.source == "synthetic":
        found.append("Synthetic signals: the numbers show that the pipeline works, not how a network does on people.")
    if len(run.recipe.seeds) < 3:
        found.append(f"{len(run.recipe.seeds)} seed(s): the spread over initial weights is not well known.")
    if len(run.trials) < run.n_planned:
        found.append(f"Unfinished: {len(run.trials)} of {run.n_planned} trials are in this report.")
    found.append("Nothing was chosen on test windows; early stopping used validation groups from the training side.")
    return (*found, *run.recipe.report.notes)


def facts_table(run: Gathered) -> Table:
    """Data, protocol, versions, seeds and hashes."""
    data, protocol = run.header["data"], run.header["protocol"]
    size_of = f"{data['windows']:,} windows of {data['duration']:g} s, {len(data['subjects'])} subjects"
    signal = f"{len(data['channels'])} electrodes, {data['rate']:g} Hz, {data['unit']}"
    rows = [
        ("data", f"{run.recipe.data.source}: {size_of}, {signal}"),
        ("classes", listed(data["classes"])),
        ("steps", "; ".join(data["steps"]) or "–"),
        ("protocol", protocol["text"]),
        ("folds × seeds", f"{protocol['folds']} × {len(run.recipe.seeds)} (seeds {listed(run.recipe.seeds)})"),
        ("data SHA-256", data["sha256"]),
        ("recipe SHA-256", run.header["hash"]),
        *((name, version) for name, version in run.header["versions"].items()),
    ]
    return Table("What was run.", ("what", "value"), tuple(rows))


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


def _points(fraction: float) -> str:
    return number(100 * fraction, 1, sign=True)


def _p(value: float) -> str:
    text = probability(value)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def _count(value: Any) -> str:
    return number(float(value), 0)


def _sparsity(run: Gathered, stage: str) -> str:
    if "sparsity_requested" not in run.results:
        return "–"
    rows = run.results[run.results.stage == stage]
    wanted, got = rows.sparsity_requested.mean(), rows.sparsity_achieved.mean()
    if number(float(got)) == "–":
        return "–"
    asked = f"{100 * wanted:.0f} %" if number(float(wanted)) != "–" else "budget"
    return f"{asked} → {100 * got:.0f} %"
