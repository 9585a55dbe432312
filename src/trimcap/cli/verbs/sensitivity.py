"""`trimcap sensitivity`: what every axis alone may lose, and a plan for a target."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trimcap.cli.io import datasets, inputs, outputs
from trimcap.cli.io.answer import Answer, Misuse, one_of, typed
from trimcap.cli.io.scoring import AtLeast, Axes, MultipleOf, Options, Saliency, Scoring, Seed, refuse_test
from trimcap.cli.io.show import table
from trimcap.cli.io.values import names_of

if TYPE_CHECKING:
    from trimcap.data.windows import Windows
    from trimcap.graph.network import Network
    from trimcap.prune.choose.sensitivity import Sensitivity
    from trimcap.prune.plan import Plan
    from trimcap.prune.saliency.scores import Scores

Subjects = Annotated[
    str | None,
    typer.Option(
        "--subjects", help="On whose windows it is measured; default: those that chose the epoch in training, if known."
    ),
]
Target = Annotated[float | None, typer.Option("--target", help="Least accuracy (or largest loss) of every axis alone.")]
Drop = Annotated[float | None, typer.Option("--drop", help="Instead: how much worse than the whole network.")]
Metric = Annotated[str, typer.Option("--metric", help="accuracy, balanced_accuracy or loss.")]
Mode = Annotated[str, typer.Option("--mode", help="one_shot, or cumulative: ranked anew after every step.")]
Steps = Annotated[int, typer.Option("--steps", min=1, help="19: 5, 10, … 95 %; 9: 10, 20, … 90 %.")]
Look = Annotated[str, typer.Option("--look", help="Colours of the curves: trimcap, or d_score as in that paper.")]
Filters = Annotated[bool, typer.Option("--filters/--no-filters", help="Figures of filters and feature maps too.")]
Out = Annotated[
    Path | None, typer.Option("--out", help="Folder for sensitivity.json, .csv, figures, and plan.json of a target.")
]
_SHOWN = (10, 30, 50, 70, 90)


@dataclass(frozen=True)
class _Goal:
    """The plan for a target: ratios of the axes, and the metric with all of them pruned at once."""

    target: float
    ratios: dict[str, float]
    plan: Plan | None
    together: float | None
    why_not: str = ""


def sensitivity(
    network: inputs.NetworkFolder,
    data: datasets.Data,
    subjects: Subjects = None,
    saliency: Saliency = "l1",
    option: Options = None,
    target: Target = None,
    drop: Drop = None,
    metric: Metric = "accuracy",
    mode: Mode = "one_shot",
    steps: Steps = 19,
    axis: Axes = None,
    at_least: AtLeast = 1,
    multiple_of: MultipleOf = 1,
    seed: Seed = 0,
    look: Look = "trimcap",
    filters: Filters = True,
    out: Out = None,
    force: outputs.Force = False,
) -> Answer:
    """Measure what every axis alone loses at 5 … 95 %, without training, and plan for a target."""
    from trimcap.prune.choose.sensitivity import sensitivity as measure

    _check(target, drop, metric, mode, look)
    original = inputs.load_network(network)
    by = Scoring(saliency, option, axis, data if _looks(saliency) else None, seed=seed)
    score, seen = by.scorer(original, network)
    windows, why = _windows(original, network, data, subjects)
    options = {
        "saliency": saliency, "option": option, "data": data, "subjects": subjects, "target": target, "drop": drop,
        "metric": metric, "mode": mode, "steps": steps, "axes": axis, "at_least": at_least, "multiple_of": multiple_of,
        "seed": seed, "look": look, "filters": filters,
    }  # fmt: skip
    step = outputs.Step("sensitivity", options, network)
    if out is not None:
        outputs.claim(out, step, force=force)
    scores = score(original, None)
    with _bar(len(windows)) as progress:
        found = measure(
            original, scores, windows, steps=steps, mode=mode, metric=metric, progress=progress,
            rescore=(lambda small, axes: score(small, axes)) if mode == "cumulative" else None,
        )  # fmt: skip
    counts = {"at_least": at_least, "multiple_of": multiple_of}
    goal = _goal(original, scores, found, windows, target, drop, counts)
    answer = _answer(found, windows, why, goal)
    if out is None:
        return answer
    from trimcap.study.report.sensitivity_report import write_filters, write_sensitivity

    plan = goal.plan if goal else None
    saw = {"sensitivity": datasets.subjects_of(windows), "saliency": datasets.subjects_of(seen) if seen else []}
    with outputs.writing(out, step, **saw):
        written = write_sensitivity(found, out, plan=plan, target=goal.target if goal else None, look=look)
        written += write_filters(original, scores, plan, windows, out) if filters else []
    facts = {**answer.facts, "files": [str(path) for path in written]}
    return Answer(facts, [*answer.lines, *_saved(out, network, plan)], failed=answer.failed)


def _check(target: float | None, drop: float | None, metric: str, mode: str, look: str) -> None:
    for kind, value, known in (
        ("metric", metric, ("accuracy", "balanced_accuracy", "loss")),
        ("mode", mode, ("one_shot", "cumulative")),
        ("look", look, ("trimcap", "d_score")),
    ):
        one_of(kind, value, known)
    if target is not None and drop is not None:
        raise Misuse("give --target or --drop, not both")
    if metric != "loss" and target is not None and not 0 < target <= 1:
        raise Misuse(f"--target is a fraction for {metric}: 0 < target ≤ 1, got {target:g}; 90 % is 0.9")
    if (drop is not None and drop < 0) or (metric == "loss" and target is not None and target < 0):
        raise Misuse("--drop, and a --target of the loss, are 0 or more")


def _looks(saliency: str) -> bool:
    from trimcap.prune.saliency.table import needs_windows

    inputs.see_here()
    with typed():
        return needs_windows(saliency)


def _windows(network: Network, folder: str, data: str, subjects: str | None) -> tuple[Windows, str]:
    """What it is measured on, and a note where these are no validation windows."""
    windows = datasets.read(data, subjects=names_of(subjects) if subjects else None)
    seen, here = outputs.seen_subjects(folder), set(datasets.subjects_of(windows))
    valid = sorted(here & set(seen.get("early stopping", ())))
    if subjects is None and valid:
        windows = datasets.choose(windows, tuple(valid))
    elif subjects is None and here & set(seen.get("fit", ())):
        windows = datasets.choose(windows, tuple(sorted(here & set(seen["fit"]))))
    refuse_test(windows, folder, "sensitivity", "--subjects")
    both = sorted(set(datasets.subjects_of(windows)) & set(seen.get("fit", ())))
    why = (
        f"the network was trained on windows of {', '.join(both)}: curves are too good; see --subjects" if both else ""
    )
    return datasets.fitted_to(windows, **inputs.taken_by(network), name=f"'{folder}'"), why


def _bar(total: int) -> Any:
    """A progress bar on a terminal."""
    if not sys.stderr.isatty():
        return nullcontext()
    from contextlib import contextmanager

    from trimcap._progress import bar

    @contextmanager
    def moving() -> Any:
        with bar(True, total) as advance:
            last = [0]

            def progress(done: int, _: int) -> None:
                advance("sensitivity", done - last[0])
                last[0] = done

            yield progress

    return moving()


def _goal(
    network: Network,
    scores: Scores,
    found: Sensitivity,
    windows: Windows,
    target: float | None,
    drop: float | None,
    counts: dict[str, int],
) -> _Goal | None:
    """The plan for a target, or why there is none."""
    from trimcap._errors import PlanError
    from trimcap.prune.choose.ratios import goal_of, plan_from, ratios_for
    from trimcap.prune.choose.sensitivity import metric_of
    from trimcap.prune.shrink import shrink

    if target is None and drop is None:
        return None
    at = goal_of(found, target=target, drop=drop)
    ratios = ratios_for(found, target=at)
    try:
        plan = plan_from(network, scores, ratios, **counts)
    except PlanError as error:
        whole = f"the whole network's {found.metric} is {found.baseline:.3f}"
        return _Goal(at, ratios, None, None, f"no axis can lose a slice at {found.metric} {at:.3g}: {error} ({whole})")
    small = shrink(network, plan)
    own = datasets.fitted_to(windows, **inputs.taken_by(small), name="the pruned network")
    return _Goal(at, ratios, plan, metric_of(small, own, metric=found.metric))


def _answer(found: Sensitivity, windows: Windows, why: str, goal: _Goal | None) -> Answer:
    subjects = datasets.subjects_of(windows)
    facts: dict[str, Any] = found.as_dict() | {"subjects": subjects}
    heads = ["axis", "slices", *(f"{percent} %" for percent in _SHOWN)]
    rows: list[list[Any]] = [[name, c.size, *_at(c, found.baseline)] for name, c in found.curves.items()]
    if goal is not None:
        heads += ["ratio", "keeps"]
        for row, (name, curve) in zip(rows, found.curves.items(), strict=True):
            kept = goal.plan.keep.get(name) if goal.plan else None
            row += [f"{100 * goal.ratios[name]:g} %", curve.size if kept is None else len(kept)]
        facts |= {"target": goal.target, "ratios": goal.ratios, "together": goal.together}
        facts["plan"] = goal.plan.table() if goal.plan else None
    title = f"{found.metric} without so much of one axis, by {found.saliency}; whole network {found.baseline:.3f}"
    lines: list[Any] = [table(heads, rows, title=title), f"on {len(windows)} windows of {', '.join(subjects)}"]
    if goal is not None and goal.together is not None:
        lines.append(
            f"target {goal.target:.3g} for every axis alone; all of them at once, without recovery: {goal.together:.3f}"
        )
    lines += [f"note: {note}" for note in (why, _at_chance(found, windows)) if note]
    return Answer(facts, lines, failed=goal.why_not if goal else "")


def _at_chance(found: Sensitivity, windows: Windows) -> str:
    """That the whole network is no better than an answer that is always the same; "" if it is, or for the loss."""
    if found.metric == "loss":
        return ""
    shares = [float((windows.y == label).mean()) for label in range(len(windows.classes))]
    chance = max(shares) if found.metric == "accuracy" else 1 / sum(share > 0 for share in shares)
    if found.baseline > chance:
        return ""
    return (
        f"the whole network's {found.metric} is {found.baseline:.3f}, and one answer for all windows has {chance:.3f}: "
        "what a network that has learned nothing may lose says nothing; train it first"
    )


def _at(curve: Any, baseline: float) -> list[float]:
    """The metric at the percentages of the table: of the last step that removes no more than that."""
    values = []
    for percent in _SHOWN:
        n = curve.size * percent // 100
        steps = [v for removed, v in zip(curve.removed, curve.values, strict=True) if removed <= n]
        values.append(steps[-1] if steps else baseline)
    return values


def _saved(out: Path, network: str, plan: Plan | None) -> Sequence[str]:
    lines = [f"written: {out}"]
    if plan is not None:
        lines.append(f"prune it: trimcap prune {network} --plan {out / 'plan.json'} --out …")
    return lines
