"""`trimcap split`: folds as a file that others can use on the same windows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trimcap._errors import counted
from trimcap.cli.io import datasets
from trimcap.cli.io.answer import Answer, Misuse, typed
from trimcap.cli.io.show import table
from trimcap.cli.io.values import pairs_of

if TYPE_CHECKING:
    from trimcap.data.splits.folds import Fold

Data = Annotated[str, typer.Argument(metavar="DATA", help=datasets.DATA_HELP)]
Protocol = Annotated[str, typer.Option("--protocol", help="A protocol by name, or package.module:function.")]
Out = Annotated[Path, typer.Option("--out", help="The .json file to write.")]
Folds = Annotated[int | None, typer.Option("--folds", min=2, help="Number of folds, where the protocol has one.")]
Valid = Annotated[float, typer.Option("--valid", help="Fraction of the training groups that validate.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of the split.")]
Option = Annotated[
    list[str] | None,
    typer.Option("--option", help="Further options of the protocol, e.g. shots=3, order=random, stimulus=trial."),
]
Force = Annotated[bool, typer.Option("--force", help="Replace an existing file.")]


def split(
    data: Data, protocol: Protocol, out: Out, folds: Folds = None, valid: Valid = 0.2, seed: Seed = 0,
    option: Option = None, force: Force = False,
) -> Answer:  # fmt: skip
    """Write the folds of a protocol as a file with hashes; use it as a recipe's protocol.file, check it with audit."""
    from trimcap.data.split_files.file import load_splits, write_splits
    from trimcap.data.splits.protocols.named import protocol_function
    from trimcap.data.splits.protocols.named import split as fold_by

    options: dict[str, Any] = {"valid": valid, "seed": seed, **pairs_of(option or [], option="--option")}
    if folds is not None:
        options["n_folds"] = folds
    if out.is_dir():
        raise Misuse(f"'{out}' is a folder; give --out a file, e.g. {out / 'splits.json'}")
    if out.exists() and not force:  # a recipe may name it, and would go on with other folds without a word
        raise Misuse(f"'{out}' exists; choose another --out, or pass --force to replace it")
    with typed():
        protocol_function(protocol, options)
    made = fold_by(datasets.read(data), protocol, **options)
    write_splits(made, out, options={"name": protocol, **options})
    facts = {
        "splits": out,
        "sha256": load_splits(out)["sha256"],
        "protocol": made[0].protocol,
        "unit": made[0].unit,
        "leaky": made[0].leaky,
        "folds": [_row(fold) for fold in made],
    }
    return Answer(facts, _lines(made, out))


def _row(fold: Fold) -> dict[str, Any]:
    own = {} if fold.calibration_set is None else {"calibration": len(fold.calibration_set)}
    sizes = {"train": len(fold.train_set), "valid": len(fold.valid_set), **own, "test": len(fold.test)}
    return {"name": fold.name, **sizes, "unused": fold.unused}


def _lines(folds: Sequence[Fold], out: Path) -> list[Any]:
    rows = [_row(fold) for fold in folds]
    shown = table(tuple(rows[0]), [tuple(row.values()) for row in rows], title=folds[0].protocol)
    return [shown, f"{counted(len(folds), 'fold')}: {out}", f'next: [protocol] file = "{out}" in a recipe']
