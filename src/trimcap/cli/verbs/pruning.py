"""`trimcap prune`: saliency, plan, shrink."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trimcap.cli.io import datasets, inputs, outputs
from trimcap.cli.io.answer import Answer, Misuse, one_of, typed
from trimcap.cli.io.masks import unmasked
from trimcap.cli.io.scoring import AtLeast, Axes, MaybeSaliency, MultipleOf, Options, Scorer, Scoring, Seed
from trimcap.cli.io.show import EXPORTED, cost_change, cost_facts, share, table
from trimcap.cli.io.values import names_of

if TYPE_CHECKING:
    from trimcap.data.windows import Windows
    from trimcap.graph.network import Network
    from trimcap.prune.plan import Plan

Sparsity = Annotated[float | None, typer.Option("--sparsity", help="Fraction removed, 0 ≤ s < 1.")]
MaybeData = Annotated[
    str | None, typer.Option("--data", help="Windows for a saliency that looks at data. " + datasets.DATA_HELP)
]
Subjects = Annotated[
    str | None,
    typer.Option("--subjects", help="Only their windows; default: those that the network was trained on, if known."),
]
Scope = Annotated[
    str,
    typer.Option(
        "--scope", help="axis: that share of every axis; global: of all together; threshold: with scores as they are."
    ),
]
Flash = Annotated[str | None, typer.Option("--flash", help="Budget, such as 64KiB.")]
Sram = Annotated[str | None, typer.Option("--sram", help="Budget of working memory, such as 16KiB.")]
Macs = Annotated[int | None, typer.Option("--macs", min=1, help="Budget of multiply-accumulates for one window.")]
Bits = Annotated[int, typer.Option("--bits", help="Bits that budgets and costs are counted at: 32, or 8 to 2.")]
Electrodes = Annotated[
    str | None, typer.Option("--electrodes", help="Keep these (Fp1,Fp2,…), or the best N by saliency.")
]
PlanFile = Annotated[
    Path | None, typer.Option("--plan", help="A plan.json that says what stays, such as `trimcap sensitivity` writes.")
]


def prune(
    network: inputs.NetworkFolder,
    out: outputs.Out,
    sparsity: Sparsity = None,
    saliency: MaybeSaliency = None,
    option: Options = None,
    data: MaybeData = None,
    subjects: Subjects = None,
    scope: Scope = "axis",
    flash: Flash = None,
    sram: Sram = None,
    macs: Macs = None,
    bits: Bits = 8,
    electrodes: Electrodes = None,
    plan_file: PlanFile = None,
    axis: Axes = None,
    at_least: AtLeast = 1,
    multiple_of: MultipleOf = 1,
    seed: Seed = 0,
    force: outputs.Force = False,
) -> Answer:
    """Remove filters, neurons or electrodes: by sparsity, to fit a budget, by name, or as a plan says."""
    budgets = _budgets(flash, sram, macs)
    _check_goals(sparsity, budgets, electrodes, plan_file, scope, bits)
    original = unmasked(network)
    counts = {"scope": scope, "at_least": at_least, "multiple_of": multiple_of}
    options: dict[str, Any] = {"sparsity": sparsity, **budgets, "electrodes": electrodes, "axes": axis, **counts}
    options |= {"bits": bits, "data": data, "subjects": subjects, "option": option, "seed": seed}
    if plan_file is not None:
        _check_unused(
            {"--saliency": saliency, "--axis": axis, "--option": option, "--data": data, "--subjects": subjects}
        )
        chosen = _from_file(plan_file, outputs.Step("prune", options, network), out, force)
    else:
        by = Scoring(saliency or "l1", option, axis, data, subjects, seed)
        score, seen = by.scorer(original, network)
        step = outputs.Step("prune", options | {"saliency": by.saliency}, network)
        outputs.claim(out, step, force=force)
        plan = _plan(original, score, electrodes, sparsity, budgets, bits, counts)
        saw = {"saliency": datasets.subjects_of(seen) if seen else []}
        chosen = _Chosen(plan, step, saw, by.saliency, seen)
    return _pruned(original, chosen, out, bits)


@dataclass(frozen=True)
class _Chosen:
    """A plan, the step that it belongs to, whose windows chose it, and by which saliency if it is made here."""

    plan: Plan
    step: outputs.Step
    saw: dict[str, list[str]]
    by: str | None = None
    seen: Windows | None = None


def _from_file(path: Path, step: outputs.Step, out: Path, force: bool) -> _Chosen:
    from trimcap._files import sha256
    from trimcap.prune.plan import Plan

    plan = Plan.load(path)
    saw = {stage: outputs.seen_subjects(path.parent).get(stage, []) for stage in ("saliency", "sensitivity")}
    step = replace(step, options={**step.options, "plan": path, "plan_sha256": sha256(path)})
    outputs.claim(out, step, force=force, sources=[path.parent])
    return _Chosen(plan, step, saw)


def _pruned(original: Network, chosen: _Chosen, out: Path, bits: int) -> Answer:
    """Remove what the plan says, write the network and the plan, and say what it cost and costs."""
    from trimcap.graph.save import save
    from trimcap.program.cost import deployed_cost
    from trimcap.prune.shrink import shrink

    plan = chosen.plan
    small = shrink(original, plan)
    small = replace(small, seen=small.seen.plus("saliency", chosen.seen))
    with outputs.writing(out, chosen.step, **chosen.saw):
        save(small, out)
        plan.save(out / "plan.json")
    before, after = (deployed_cost(network, bits=bits) for network in (original, small))
    facts = {
        "out": out,
        "axes": plan.table(),
        "note": plan.note,
        "electrodes": list(small.channels),
        "saliency": {"name": chosen.by, "subjects": chosen.saw.get("saliency", [])},
        "before": cost_facts(before),
        "after": cost_facts(after),
        "counted": EXPORTED,
    }
    rows = [(r["axis"], r["before"], r["after"], share(r["requested"]), share(r["achieved"])) for r in plan.table()]
    axes = table(("axis", "before", "after", "requested", "achieved"), rows, title=f"sparsity ({plan.note})")
    saved = f"saved in {out}, plan in {out / 'plan.json'}; fine-tune it with `trimcap train {out} …`"
    return Answer(facts, [axes, cost_change(before, after), saved])


def _budgets(flash: str | None, sram: str | None, macs: int | None) -> dict[str, Any]:
    from trimcap.prune.choose.keep import size

    with typed():
        given = {"flash": size(flash), "sram": size(sram), "macs": macs}
    return {name: value for name, value in given.items() if value is not None}


def _check_goals(
    sparsity: float | None,
    budgets: dict[str, Any],
    electrodes: str | None,
    plan_file: Path | None,
    scope: str,
    bits: int,
) -> None:
    from trimcap.program.cost import BITS
    from trimcap.prune.choose.keep import SCOPES

    if sparsity is not None and not 0 <= sparsity < 1:
        raise Misuse(f"sparsity is the fraction removed: 0 ≤ sparsity < 1, got {sparsity:g}")
    if sparsity is not None and budgets:
        raise Misuse("give --sparsity or budgets (--flash, --sram, --macs), not both")
    goals = sparsity is not None or bool(budgets) or electrodes is not None
    if plan_file is not None:
        _check_plan_file(plan_file, goals)
    elif not goals:
        raise Misuse("say what to reach: --sparsity 0.5, a budget (--flash, --sram, --macs), --electrodes, or --plan")
    one_of("scope", scope, SCOPES)
    if bits not in BITS:
        raise Misuse(f"--bits {bits} is not a known width; use 32, or 8 to 2")


def _check_plan_file(path: Path, goals: bool) -> None:
    if goals:
        raise Misuse("--plan says already what stays; leave out --sparsity, the budgets and --electrodes")
    if not path.is_file():
        raise Misuse(f"no file '{path}'; `trimcap sensitivity … --target … --out FOLDER` writes FOLDER/plan.json")


def _check_unused(options: dict[str, Any]) -> None:
    """Refuse options of a saliency beside a plan."""
    given = [name for name, value in options.items() if value]
    if given:
        raise Misuse(f"--plan says already what stays, and no saliency is asked; leave out {', '.join(given)}")


def _plan(
    network: Network,
    score: Scorer,
    electrodes: str | None,
    sparsity: float | None,
    budgets: dict[str, Any],
    bits: int,
    counts: dict[str, Any],
) -> Plan:
    """Electrodes first; filters are then chosen on what is left, so that budgets count the smaller input."""
    from trimcap.prune.choose.keep import keep_top, keep_within
    from trimcap.prune.resize import resize

    first: Plan | None = None
    rest = network
    if electrodes is not None:
        first = _electrodes(network, electrodes, score)
        rest = resize(network, first)
    if sparsity is None and not budgets:
        assert first is not None
        return first
    scores = score(rest, None)
    if sparsity is not None:
        plan = keep_top(rest, scores, sparsity, **counts)
    else:
        plan = keep_within(rest, scores, bits=bits, **budgets, **counts)
    return first.merged(plan) if first else plan


def _electrodes(network: Network, text: str, score: Scorer) -> Plan:
    from trimcap.prune.choose.keep import keep_electrodes

    with typed():
        if text.strip().isdigit():
            return keep_electrodes(network, int(text), scores=score(network, ["electrodes"]))
        return keep_electrodes(network, names_of(text))
