"""`trimcap controls`: does a protocol find something where there is nothing?"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trimcap.cli.io import datasets, inputs
from trimcap.cli.io.answer import Answer, Misuse, typed
from trimcap.cli.io.show import table
from trimcap.study.recipe.shipped import recipe_path, shipped

if TYPE_CHECKING:
    from trimcap.study.recipe.recipe import Recipe
    from trimcap.study.run.controls import Controls

What = Annotated[
    str,
    typer.Argument(metavar="RECIPE|DATA", help="A recipe, or data as for --data elsewhere: eegmat,subjects=8; w.npz."),
]
Protocol = Annotated[str | None, typer.Option("--protocol", help="Another protocol than the recipe's.")]
Folds = Annotated[int | None, typer.Option("--folds", min=2, help="Number of its folds.")]
Draws = Annotated[int, typer.Option("--draws", min=3, help="Draws of each control.")]
Balance = Annotated[
    str, typer.Option("--balance", help="Of the random labels: within every subject, over all recordings, or none.")
]
Network = Annotated[bool, typer.Option("--network", help="Train the recipe's network on the controls as well.")]
NetworkDraws = Annotated[int, typer.Option("--network-draws", min=3, help="Draws of each control for the network.")]
Jobs = Annotated[int | None, typer.Option("--jobs", min=1, help="Processes; default: all cores.")]
Out = Annotated[Path | None, typer.Option("--out", help="Folder for controls.html, .md, .tex, .json.")]


def controls(
    what: What,
    protocol: Protocol = None,
    folds: Folds = None,
    draws: Draws = 20,
    balance: Balance = "subject",
    network: Network = False,
    network_draws: NetworkDraws = 3,
    jobs: Jobs = None,
    out: Out = None,
) -> Answer:
    """Run a protocol where there is nothing to find, on random labels and fingerprints, beside splits that leak.

    Exit 1 if the protocol is above chance, or if no classifier shows the leak of a leaky split.
    """
    from typing import get_args

    from trimcap._errors import unknown
    from trimcap.data.splits.random_labels import Balance as Balances
    from trimcap.study.report.control_report import headline, write_controls
    from trimcap.study.run.controls import controls as run

    inputs.see_here()
    if balance not in get_args(Balances):
        raise Misuse(unknown("balance", balance, get_args(Balances)))
    if out is not None and out.exists() and not out.is_dir():
        raise Misuse(f"'{out}' is a file; give --out a folder")
    recipe = _with(_recipe(what), protocol, folds)
    found = run(
        recipe,
        draws=draws,
        balance=balance,  # type: ignore[arg-type]  # checked above
        network=network,
        network_draws=network_draws,
        jobs=jobs or len(os.sched_getaffinity(0)),
        folder=out,
        progress=True,
    )
    lines: list[object] = [_table(found), headline(found), *found.notes]
    facts = found.as_dict()
    if out is not None:
        page = write_controls(found, out)
        lines.append(f"written: {page}")
        facts |= {"report": page}
    return Answer(facts, lines, found.failed)


def _recipe(text: str) -> Recipe:
    from trimcap.study.recipe.recipe import load_recipe

    if text.endswith(".toml") or text in shipped():
        with typed():
            return load_recipe(recipe_path(text))
    return datasets.recipe_of(text)


def _with(recipe: Recipe, protocol: str | None, folds: int | None) -> Recipe:
    """The recipe under another protocol, or with another number of folds."""
    from trimcap.data.sources import check_source
    from trimcap.study.recipe.derived import derive
    from trimcap.study.run.folding import check_protocol

    other = None if protocol == recipe.protocol.name else protocol
    with typed():
        check_source(recipe.data.source, recipe.data.options)
        made = recipe if other is None and folds is None else derive(recipe, protocol=other, folds=folds)
        check_protocol(made.protocol)
    return made


def _table(found: Controls) -> object:
    rows = [
        (r.control, r.protocol if r.honest else f"LEAKY: {r.protocol}", r.classifier, r.accuracy,
         f"{r.low:.3f} … {r.high:.3f}", r.chance, r.verdict)
        for r in found.rows
    ]  # fmt: skip
    return table(("control", "protocol", "classifier", "accuracy", "95 % interval", "chance", "verdict"), rows)
