"""`trimcap criteria`: every saliency against the true loss without a slice."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trimcap.cli.io import datasets, inputs, outputs
from trimcap.cli.io.answer import Answer, Misuse, one_of, typed
from trimcap.cli.io.scoring import Axes, axes_named, refuse_test, seen_windows
from trimcap.cli.io.show import table
from trimcap.cli.io.values import names_of

if TYPE_CHECKING:
    from trimcap.data.windows import Windows
    from trimcap.graph.network import Network
    from trimcap.prune.choose.compare import Comparison

NetworkFolder = Annotated[
    str | None, typer.Argument(metavar="NETWORK", help="Folder of a network; leave it out with --list.")
]
List = Annotated[bool, typer.Option("--list", help="Name, formula, source and needs of every saliency.")]
MaybeData = Annotated[str | None, typer.Option("--data", help=datasets.DATA_HELP)]
Subjects = Annotated[
    str | None,
    typer.Option("--subjects", help="Whose windows the saliencies see; default: those it was trained on, if known."),
]
Valid = Annotated[
    str | None,
    typer.Option(
        "--valid", help="Subjects for the oracle and the accuracies; default: those that the training was validated on."
    ),
]
Names = Annotated[
    str | None, typer.Option("--saliency", help="Only these, with commas between; also package.module:function.")
]
Sparsities = Annotated[str, typer.Option("--sparsity", help="Fractions removed for the accuracies, commas between.")]
Measure = Annotated[
    str, typer.Option("--measure", help="What the oracle measures: loss (its increase), absolute (change) or error.")
]
Count = Annotated[
    int | None, typer.Option("--windows", min=1, help="At most so many for saliencies and oracle; accuracies take all.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of drawing windows and of the random saliency.")]
Out = Annotated[Path | None, typer.Option("--out", help="Folder for criteria.md, .json, .png and correlations.csv.")]


def criteria(
    network: NetworkFolder = None,
    data: MaybeData = None,
    subjects: Subjects = None,
    valid: Valid = None,
    saliency: Names = None,
    axis: Axes = None,
    sparsity: Sparsities = "0.3,0.5",
    measure: Measure = "loss",
    windows: Count = None,
    seed: Seed = 0,
    out: Out = None,
    force: outputs.Force = False,
    only_list: List = False,
) -> Answer:
    """Compare every saliency with the oracle, the true loss without a slice; time it, and prune by it."""
    if only_list:
        return _list()
    if network is None or data is None:
        raise Misuse("give a network's folder and --data with windows, or --list")
    from trimcap.prune.choose.compare import compare
    from trimcap.prune.saliency.oracle import MEASURES

    original = inputs.load_network(network)
    names, fractions = _names(saliency), _fractions(sparsity)
    with typed():
        axes = axes_named(original, axis)
    one_of("measure", measure, MEASURES)
    options = {
        "data": data, "subjects": subjects, "valid": valid, "saliency": saliency, "axes": axis, "sparsity": sparsity,
        "measure": measure, "windows": windows, "seed": seed,
    }  # fmt: skip
    step = outputs.Step("criteria", options, network)
    if out is not None:
        outputs.claim(out, step, force=force)
    own, held = _windows(original, network, data, subjects, valid)
    found = compare(
        original,
        own,
        held,
        saliencies=names,
        axes=axes,
        sparsities=fractions,
        measure=measure,
        n_windows=windows,
        seed=seed,
        progress=_say if sys.stderr.isatty() else None,
    )
    return _answer(found, network, own, held, out, step)


def _list() -> Answer:
    from trimcap.study.report.criteria import listed

    rows = listed()
    return Answer({"saliencies": rows}, [table(tuple(rows[0]), [tuple(row.values()) for row in rows])])


def _names(text: str | None) -> list[str] | None:
    from trimcap.prune.saliency.table import find_saliency

    inputs.see_here()
    names = list(names_of(text)) if text is not None else None
    with typed():
        for name in names or ():
            find_saliency(name)
    return names


def _fractions(text: str) -> list[float]:
    try:
        values = [float(part) for part in names_of(text)]
    except ValueError:
        raise Misuse(f"cannot read --sparsity {text!r}; write fractions with commas between, such as 0.3,0.5") from None
    wrong = [value for value in values if not 0 < value < 1]
    if wrong:
        raise Misuse(f"sparsity is the fraction removed: 0 < sparsity < 1, got {wrong[0]:g}")
    return values


def _windows(
    network: Network, folder: str, data: str, subjects: str | None, valid: str | None
) -> tuple[Windows, Windows]:
    """What the saliencies see, and what the oracle sees."""
    takes: dict[str, Any] = {**inputs.taken_by(network), "name": f"'{folder}'"}
    named = names_of(valid) if valid else _validated_on(data, folder, subjects)
    held = datasets.fitted_to(datasets.read(data, subjects=named), **takes) if named else None
    if held is not None:
        refuse_test(held, folder, "oracle", "--valid")
    own = seen_windows(data, folder, subjects)
    if held is not None and subjects is None:
        shared = set(datasets.subjects_of(own)) & set(named)
        if shared:
            own = datasets.choose(own, tuple(sorted(shared)), leave_out=True)
    own = datasets.fitted_to(own, **takes)
    return own, own if held is None else held


def _validated_on(data: str, folder: str, subjects: str | None) -> tuple[str, ...]:
    """Subjects of the data on whom the network's training was validated, without those that saliencies were given."""
    known = set(outputs.seen_subjects(folder).get("early stopping", ())) - set(names_of(subjects or ""))
    return tuple(sorted(known & set(datasets.subjects_of(datasets.read(data))))) if known else ()


def _say(name: str) -> None:
    typer.echo(f"scoring by {name}", err=True)


def _answer(
    found: Comparison, folder: str, own: Windows, held: Windows, out: Path | None, step: outputs.Step
) -> Answer:
    from trimcap.study.report.criteria import as_dict, write_comparison

    rows = found.table()
    whose = (
        f"oracle and accuracies on {', '.join(datasets.subjects_of(held))}; saliencies saw "
        f"{', '.join(datasets.subjects_of(own))}"
    )
    lines: list[Any] = [
        table(tuple(rows.columns), [tuple(row) for row in rows.itertuples(index=False)]),
        f"{whose}; accuracy of the whole network {found.accuracy:.3f}",
        *([] if held is not own else ["note: the oracle saw the saliencies' windows; give others with --valid"]),
        *(f"note: {reason}" for reason in found.reasons.values()),
    ]
    facts = as_dict(found) | {"subjects": datasets.subjects_of(own), "valid": datasets.subjects_of(held)}
    if out is not None:
        saw = {"saliency": datasets.subjects_of(own), "oracle": datasets.subjects_of(held)}
        with outputs.writing(out, step, **saw):
            written = write_comparison(found, out, title=folder, whose=f"{whose[0].upper()}{whose[1:]}.")
        facts["files"] = [str(path) for path in written]
        lines.append(f"written: {', '.join(map(str, written))}")
    return Answer(facts, lines)
