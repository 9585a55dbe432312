"""`trimcap prune`: saliency, plan, shrink."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trimcap.cli.io import datasets, inputs, outputs
from trimcap.cli.io.answer import Answer, Misuse, typed
from trimcap.cli.io.show import EXPORTED, cost_change, cost_facts, share, table
from trimcap.cli.io.values import names_of, pairs_of
from trimcap.cli.verbs.masking import unmasked

if TYPE_CHECKING:
    from trimcap.data.windows import Windows
    from trimcap.graph.network import Network
    from trimcap.prune.plan import Plan
    from trimcap.prune.saliency.scores import Scores

Sparsity = Annotated[float | None, typer.Option("--sparsity", help="Fraction removed, 0 ≤ s < 1.")]
_NAME = "l1, d_score, taylor, … (`trimcap criteria --list`), or package.module:function."
Saliency = Annotated[str, typer.Option("--saliency", help=_NAME)]
MaybeSaliency = Annotated[str | None, typer.Option("--saliency", help=f"{_NAME} Default l1.")]
Options = Annotated[
    list[str] | None, typer.Option("--option", metavar="KEY=VALUE", help="Option of the saliency, of=weights; repeat.")
]
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
Axes = Annotated[
    list[str] | None,
    typer.Option(
        "--axis", metavar="NAME", help="This axis only, or all of conv, linear, recurrent or batch_norm layers; repeat."
    ),
]
AtLeast = Annotated[int, typer.Option("--at-least", min=1, help="Slices that every axis keeps.")]
MultipleOf = Annotated[int, typer.Option("--multiple-of", min=1, help="Round kept counts up to a multiple of this.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of a random saliency, and of drawing windows.")]


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
    from trimcap._files import sha256
    from trimcap.graph.save import save
    from trimcap.program.cost import deployed_cost
    from trimcap.prune.plan import Plan
    from trimcap.prune.shrink import shrink

    budgets = _budgets(flash, sram, macs)
    _check_goals(sparsity, budgets, electrodes, plan_file, scope, bits)
    original = unmasked(network)
    if plan_file is not None:
        _check_unused(
            {"--saliency": saliency, "--axis": axis, "--option": option, "--data": data, "--subjects": subjects}
        )
    by: str | None = None
    seen: Windows | None = None
    counts = {"scope": scope, "at_least": at_least, "multiple_of": multiple_of}
    saw: dict[str, list[str]] = {}
    options: dict[str, Any] = {"sparsity": sparsity, **budgets, "electrodes": electrodes, "axes": axis, **counts}
    options |= {"bits": bits, "data": data, "subjects": subjects, "option": option, "seed": seed}
    if plan_file is None:
        by = saliency or "l1"
        score, seen = scorer(original, network, by, axis, option, data, subjects, seed)
        saw = {"saliency": datasets.subjects_of(seen) if seen else []}
        step = outputs.Step("prune", options | {"saliency": by}, network)
        outputs.claim(out, step, force=force)
        plan = _plan(original, score, electrodes, sparsity, budgets, bits, counts)
    else:
        plan = Plan.load(plan_file)
        saw = {stage: outputs.seen_subjects(plan_file.parent).get(stage, []) for stage in ("saliency", "sensitivity")}
        step = outputs.Step("prune", options | {"plan": plan_file, "plan_sha256": sha256(plan_file)}, network)
        outputs.claim(out, step, force=force, sources=[plan_file.parent])
    small = shrink(original, plan)
    small = replace(small, seen=small.seen.plus("saliency", seen))
    with outputs.writing(out, step, **saw):
        save(small, out)
        plan.save(out / "plan.json")
    before, after = (deployed_cost(network, bits=bits) for network in (original, small))
    facts = {
        "out": out,
        "axes": plan.table(),
        "note": plan.note,
        "electrodes": list(small.channels),
        "saliency": {"name": by, "subjects": saw.get("saliency", [])},
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
    from trimcap._errors import unknown
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
    if scope not in SCOPES:
        raise Misuse(unknown("scope", scope, SCOPES))
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


Scorer = Callable[["Network", list[str] | None], "Scores"]


def scorer(
    network: Network,
    folder: str,
    saliency: str,
    axes: list[str] | None,
    option: list[str] | None,
    data: str | None,
    subjects: str | None,
    seed: int,
) -> tuple[Scorer, Windows | None]:
    """A function from a network and axes to scores, and the windows it looks at; the names are checked here."""
    from trimcap.prune.saliency import table as ours

    inputs.see_here()
    options = pairs_of(option or (), option="--option")
    with typed():
        ours.find_saliency(saliency, options)
        axes = axes_named(network, axes)
    looks = ours.needs_windows(saliency)
    if looks and data is None:
        raise Misuse(f"saliency {saliency!r} looks at data; give its windows with --data")
    if data is not None and not looks:
        raise Misuse(f"saliency {saliency!r} does not look at data; leave out --data, or take another")
    windows = None if data is None else seen_windows(data, folder, subjects)

    def score(of: Network, only: list[str] | None) -> Scores:
        own = None if windows is None else datasets.fitted_to(windows, **inputs.taken_by(of), name=f"'{folder}'")
        return ours.score(of, saliency, windows=own, axes=only or axes, seed=seed, **options)

    return score, windows


def axes_named(network: Network, names: list[str] | None) -> list[str] | None:
    """The axes that were typed: by name, or all of a kind of layer (conv, linear, recurrent, batch_norm).

    Raises
    ------
    PlanError : an axis is unknown or frozen, or the network has none of that kind.
    """
    from trimcap._errors import PlanError
    from trimcap.prune.choose.axes_of import KINDS, axes_of
    from trimcap.prune.plan import prunable_axis

    if not names:
        return None
    found: list[str] = []
    for name in names:
        if name in KINDS and name not in network.axes.axes:
            of_kind = axes_of(network, name)
            if not of_kind:
                raise PlanError(f"no axis of {network.origin} that can be pruned is made by a layer of kind '{name}'")
            found += of_kind
        else:
            found.append(prunable_axis(network, name).name)
    return list(dict.fromkeys(found))


def seen_windows(data: str, folder: str, subjects: str | None) -> Windows:
    """The windows of DATA of the named subjects, else of those that a network was trained on, where its folder says.

    Raises
    ------
    AuditError : they are of subjects that were left out for a test.
    """
    windows = datasets.read(data, subjects=names_of(subjects) if subjects else None)
    trained = set(outputs.seen_subjects(folder).get("fit", ())) & set(datasets.subjects_of(windows))
    windows = datasets.choose(windows, tuple(sorted(trained))) if trained and subjects is None else windows
    refuse_test(windows, folder, "saliency", "--subjects")
    return windows


def refuse_test(windows: Windows, folder: str, stage: str, option: str) -> None:
    """Refuse subjects that the network's training left out for a test.

    Raises
    ------
    AuditError : names them, and the option that names others.
    """
    from trimcap._errors import AuditError

    test = sorted(outputs.held_out(folder) & set(datasets.subjects_of(windows)))
    if test:
        raise AuditError(
            f"audit failed: stage '{stage}' would see windows of {', '.join(test)}, left out for a test when "
            f"'{folder}' was trained; what is removed must not be chosen on the test set: name others with {option}"
        )


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
