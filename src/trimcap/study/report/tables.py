"""The report's tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from trimcap.data.baselines.classifiers import COVARIANCE, EVOKED, LINEAR, NEIGHBOURS
from trimcap.data.splits.findings import CHECKS, UNSEEN
from trimcap.study.results.gathered import COSTS, Gathered
from trimcap.study.results.makers import made_rows
from trimcap.study.results.statistics import Paired, metrics_of, per_subject, summary
from trimcap.study.results.words import Table, count, interval, listed, number, points, probability, size, spread, times

if TYPE_CHECKING:
    import pandas as pd


def leak_label(run: Gathered) -> str:
    """What every table's caption starts with."""
    return "LEAKY protocol, for comparison only. " if run.leaky else ""


def accuracy_table(run: Gathered, stages: Mapping[str, str] | None = None) -> Table:
    """Mean ± sd over subjects of every metric, by stage; `stages` gives other names for those that are shown."""
    names = {stage: stage for stage in run.stages} if stages is None else stages
    table, metrics = summary(run.subjects[run.subjects.stage.isin(list(names))]), metrics_of(run.subjects)
    rows = [
        (names[str(stage)], *(spread(row[(m, "mean")], row[(m, "sd")]) for m in metrics), f"{int(row[('n', '')])}")
        for stage, row in table.iterrows()
    ]
    return Table(
        leak_label(run) + "Window-level scores on the sealed test sets: mean ± standard deviation over subjects, "
        "after averaging each subject over seeds.",
        ("stage", *(metric.head for metric in metrics.values()), "subjects"),
        tuple(rows),
        note="A score that is undefined for a subject (–) is left out of its mean. Trials: accuracy of whole trials, "
        "by the most frequent answer and by the mean probability of their windows.",
    )


def baselines_said(run: Gathered) -> tuple[str, ...]:
    """What the baselines of the run are, and what was chosen for them."""
    return tuple(
        f"{name[0].upper()}{name[1:]}: {_BASELINES[name]}{_fitted(run, name)}."
        for name in _BASELINES
        if name in run.stages
    )


_REGRESSION = "L2-penalised logistic regression, C chosen by log-loss over groups of training subjects"
_BASELINES = {
    LINEAR: f"{_REGRESSION}, on all values of exactly the window that the network gets, standardised",
    NEIGHBOURS: "the share of each class among the nearest training windows, Euclidean, in the same values",
    COVARIANCE: f"{_REGRESSION}, on the log-covariance of the electrodes in the tangent space at the training mean "
    "(Barachant et al., 2012)",
    EVOKED: f"{_REGRESSION}, on amplitudes averaged over 50 ms at every electrode (Blankertz et al., 2011)",
}


def _fitted(run: Gathered, name: str) -> str:
    """Columns, C, k and training windows of a baseline, over folds."""
    own, said = run.results[run.results.stage == name], []
    for key, text in (
        ("columns", "{} columns"),
        ("C", "C = {}"),
        ("k", "k = {}"),
        ("train_windows", "{} training windows"),
    ):
        values = own[key].dropna() if key in own else ()
        if len(values):
            ends = dict.fromkeys(f"{value:,g}" for value in (min(values), max(values)))
            said.append(text.format(" … ".join(ends)))
    bands = run.recipe.baselines.bands if name == COVARIANCE else ()
    said += [f"in the bands {listed([f'{low:g}–{high:g} Hz' for low, high in bands])}"] if bands else []
    return f"; {', '.join(said)} (training and validation rows of a fold)" if said else ""


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
    """Cost of every stage, and how many times smaller than the rewritten dense network."""
    cost, first = run.cost, run.networks[0]
    base, plain = cost.iloc[0], run.plain_cost
    rows = [(f"{first}, not rewritten", *_costs(plain, plain), "–")] if not plain.equals(base[plain.index]) else []
    rows += [(str(stage), *_costs(row, base), _sparsity(run, str(stage))) for stage, row in cost.iterrows()]
    return Table(
        leak_label(run) + f"Cost by stage; in brackets how many times less than {first}, rewritten.",
        ("stage", "parameters", "MACs", "flash", "peak SRAM", "sparsity requested → achieved"),
        tuple(rows),
        note="Of the C that would be written of a stage, after exact rewriting, which changes no result. 1 MAC = 2 "
        "FLOPs; KiB = 1024 B. Flash: constants, without code. SRAM: state of a call with input window and scratch, and "
        "the output, without stack; – where an operation has no C. Both are the mean over folds and seeds. Float "
        "stages count 4 bytes per value, int8 stages 1." + _stored(run),
    )


def _costs(row: pd.Series[float], base: pd.Series[float]) -> list[str]:
    cells = []
    for key in COSTS:
        text = size(row[key]) if key in ("flash", "sram") else count(row[key])
        ratio = times(base[key], row[key])
        cells.append(text if ratio in ("–", "1.0×") else f"{text} ({ratio})")
    return cells


def comparison_table(run: Gathered, compared: Mapping[str, Paired]) -> Table:
    """Every stage against dense, paired over subjects."""
    rows = []
    for stage, p in compared.items():
        rows.append(
            (
                stage,
                points(p.difference),
                interval(p.interval),
                probability(p.wilcoxon_p),
                probability(p.t_p),
                number(p.effect, 2, sign=True),
                points(p.lower),
                probability(p.inferiority_p),
                ("yes" if p.non_inferior else "not shown"),
                number(p.power, 2),
            )
        )
    margin = 100 * run.recipe.report.margin
    return Table(
        leak_label(run) + "Accuracy minus that of the dense network, in points, paired over subjects.",
        ("stage", "difference", "95 % interval", "Wilcoxon p", "paired t p", "d_z", "lower bound", "non-inferiority p",
         f"within {margin:g} points", "power"),
        tuple(rows),
        note="Interval: two-sided 95 %, lower bound: one-sided 95 %, both paired t over subjects. Power: probability "
        "that the margin can be shown with these subjects and this spread if there is no true difference. "
        "p values are not corrected for the number of stages. Folds share training subjects, so subjects are not fully "
        "independent.",
    )  # fmt: skip


def audit_table(run: Gathered) -> Table:
    """Which stage saw which windows, in every trial; entries of one stage that saw the same ones are one row."""
    rows = []
    for trial in run.trials:
        alike: dict[tuple[str, str], list[Any]] = {}
        for row in trial["audit"]["rows"]:
            alike.setdefault((row["stage"], row["sha256"]), []).append(row)
        for (stage, sha256), same in alike.items():
            notes = list(dict.fromkeys(row["note"] for row in same if row["note"]))
            what = f" ({listed(notes, most=3)})" if notes else ""
            n, test = same[0]["n"], same[0]["test"]
            rows.append(
                (f"{trial['fold']} · {trial['seed']}", stage + what, str(len(same)), f"{n:,}", f"{test:,}", sha256[:12])
            )
    return Table(
        leak_label(run) + "Windows that every stage saw. Only “evaluate” may see test windows.",
        ("fold · seed", "stage", "times", "windows", "of them test", "SHA-256 of ids"),
        tuple(rows),
    )


def verdict_table(run: Gathered) -> Table:
    """The audit's verdict on every trial, with findings."""
    rows = [
        (
            f"{t['fold']} · {t['seed']}",
            listed(list(dict.fromkeys(s["subject"] for s in t["subjects"])), most=10),
            t["audit"]["verdict"],
            *(t["audit"]["checks"][check] for check in CHECKS),
            "; ".join(f["text"] for f in t["audit"]["findings"] if f["severity"] != "note") or "–",
        )
        for t in run.trials
    ]
    return Table(
        leak_label(run) + "Verdict by trial.",
        ("fold · seed", "test subjects", "verdict", *CHECKS, "findings"),
        tuple(rows),
        note="; ".join(f"{check}: {what}" for check, what in CHECKS.items()) + f". {UNSEEN}",
    )


def choice_table(run: Gathered) -> Table | None:
    """What every fold chose on its inner folds; None if nothing was to be chosen."""
    chosen = [t for t in run.trials if t.get("choice")]
    if not chosen:
        return None
    keys = list(chosen[0]["choice"]["chosen"])
    rows = []
    for t in chosen:
        found = t["choice"]
        scores = {str(row["values"]): row["accuracy"] for row in found["compared"]}
        best = scores[str(found["chosen"])]
        rows.append(
            (
                f"{t['fold']} · {t['seed']}",
                t["fold_name"],
                *(str(found["chosen"][key]) for key in keys),
                number(best),
                f"{number(min(scores.values()))} … {number(max(scores.values()))}",
            )
        )
    return Table(
        leak_label(run) + "What every fold chose on inner folds of its training and validation windows.",
        ("fold · seed", "fold", *keys, "inner accuracy", "of all choices"),
        tuple(rows),
        note="The test set of a fold is in none of its inner folds. The inner accuracy of the best of several choices "
        "is too high by nature; it is no estimate of anything.",
    )


def facts_table(run: Gathered) -> Table:
    """Data, protocol, versions, seeds and hashes."""
    data, protocol = run.header["data"], run.header["protocol"]
    size_of = f"{data['windows']:,} windows of {data['duration']:g} s, {len(data['subjects'])} subjects"
    signal = f"{len(data['channels'])} electrodes, {data['rate']:g} Hz, {data['unit']}"
    rows = [
        ("data", f"{run.recipe.data.source}: {size_of}, {signal}"),
        *_source(run.recipe.data.source),
        ("classes", listed(data["classes"])),
        ("steps", "; ".join(data["steps"]) or "–"),
        ("protocol", protocol["text"]),
        *_split_rows(protocol),
        ("folds × seeds", f"{protocol['folds']} × {len(run.recipe.seeds)} (seeds {listed(run.recipe.seeds)})"),
        ("data SHA-256", data["sha256"]),
        ("recipe SHA-256", run.header["hash"]),
        *made_rows(run),
        *_machines(run),
    ]
    return Table("What was run.", ("what", "value"), tuple(rows))


def _machines(run: Gathered) -> list[tuple[str, str]]:
    """Processors, kernels and threads of the trials; where there are several, of how many."""
    found: dict[tuple[tuple[str, str], ...], int] = {}
    for trial in run.trials:
        own = tuple(trial.get("machine", {}).items())
        found[own] = found.get(own, 0) + 1
    counted = f" ({{}} of {len(run.trials)} trials)" if len(found) > 1 else ""
    return [(key, value + counted.format(n)) for own, n in found.items() for key, value in own]


def _split_rows(protocol: Mapping[str, object]) -> list[tuple[str, str]]:
    """Where folds came from, and how many windows they leave out."""
    unused = protocol.get("unused")
    most = max(unused) if isinstance(unused, list) and unused else 0
    rows = [("split file", f"{protocol['file']}, SHA-256 {protocol['file_sha256']}")] if "file" in protocol else []
    return [*rows, ("windows in no part of a fold", f"up to {most:,}")] if most else rows


def _source(name: str) -> list[tuple[str, str]]:
    """Attribution that the licence of the recordings asks for."""
    if name != "eegmat":
        return []
    from trimcap.data.sets.eegmat_files import pinned

    facts = pinned()
    return [("source of data", f"{facts['source']}; {facts['licence']}. {'; '.join(facts['attribution'])}")]


def _stored(run: Gathered) -> str:
    """What single removed weights are worth, if there are some."""
    if "compressed" not in run.results:
        return ""
    means = run.results.groupby("stage", sort=False)[["nonzero", "compressed"]].mean().dropna()
    lines = [
        f" {stage}: {row.nonzero:,.0f} weights are not zero, compressed (bitmap or CSR) {size(row.compressed)}."
        for stage, row in means.iterrows()
    ]
    seen = " A device sees the dense network of the table: the exported code has no sparse kernel."
    return "".join(lines) + seen if lines else ""


def _sparsity(run: Gathered, stage: str) -> str:
    if "sparsity_requested" not in run.results:
        return "–"
    rows = run.results[run.results.stage == stage]
    wanted, got = rows.sparsity_requested.mean(), rows.sparsity_achieved.mean()
    if number(float(got)) == "–":
        return "–"
    asked = f"{100 * wanted:.0f} %" if number(float(wanted)) != "–" else "budget"
    return f"{asked} → {100 * got:.0f} %"
