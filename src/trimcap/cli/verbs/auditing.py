"""`trimcap audit`: what the training and test rows of somebody else's split share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trimcap._errors import counted
from trimcap.cli.io import datasets
from trimcap.cli.io.answer import Answer, Misuse, typed
from trimcap.cli.io.show import table

if TYPE_CHECKING:
    from trimcap.data.split_files.audit import SplitAudit
    from trimcap.data.splits.sides import SplitRows

Split = Annotated[
    Path,
    typer.Argument(
        metavar="SPLIT",
        help="A .json file of row numbers or of `trimcap split`, with --data; or a folder of torcheeg tables.",
    ),
]
Data = Annotated[str | None, typer.Option("--data", help="What the rows or names are of. " + datasets.DATA_HELP)]
Unit = Annotated[
    str | None,
    typer.Option(
        "--unit",
        help="What the split keeps apart: subject, session, trial, stimulus or subject+stimulus; default what it says "
        "itself, else subject.",
    ),
]
Stimulus = Annotated[
    str | None,
    typer.Option("--stimulus", help="Column that names the stimulus, e.g. trial, or trial_id in torcheeg tables."),
]


def audit(split: Split, data: Data = None, unit: Unit = None, stimulus: Stimulus = None) -> Answer:
    """Say what training and test rows of a split share, fold by fold; exit 1 if any fold leaks."""
    from trimcap.data.split_files.audit import audit_split
    from trimcap.data.splits.findings import CHECKS, UNSEEN
    from trimcap.data.units import levels_of, plural

    if unit is not None:
        with typed():
            levels_of(unit)
    audits = [audit_split(fold, unit=unit) for fold in _folds(split, data, stimulus)]
    leaking = [found.name for found in audits if not found.passed]
    units = list(dict.fromkeys(found.unit for found in audits))
    facts = {
        "split": split, "unit": units[0], "folds": [_facts(found) for found in audits], "leaking": leaking,
        "unseen": UNSEEN,
    }  # fmt: skip
    rows = [(a.name, a.n_train, a.n_test, "passed" if a.passed else "LEAKS", _text(a)) for a in audits]
    shown = table(("fold", "train", "test", "verdict", "findings"), rows)
    counts = []
    for name in units:  # the calibration sets of a split promise less than its folds
        own = [found for found in audits if found.unit == name]
        kept = f"every {name}" if name == "subject" else f"all {plural(name)}"
        passed = sum(found.passed for found in own)
        keep, share = ("keeps", "shares") if len(own) == 1 else ("keep", "share")
        counts.append(f"{passed} of {counted(len(own), 'fold')} {keep} {kept} on one side and {share} no window")
    leak = "leaks" if len(audits) == 1 else "leak"
    words = f"checked: {CHECKS['content']}; a split has no record of access and no network. {UNSEEN}"
    failed = f"{len(leaking)} of {counted(len(audits), 'fold')} {leak}: {', '.join(leaking)}" if leaking else ""
    return Answer(facts, [shown, *counts, words], failed)


def _folds(split: Path, data: str | None, stimulus: str | None) -> Sequence[SplitRows]:
    from trimcap.data.split_files.rows import read_split

    if not split.exists():
        raise Misuse(f"no file or folder '{split}'")
    if split.suffix in (".npz", ".toml") or datasets.holds_windows(split):
        what = "a recipe" if split.suffix == ".toml" else "windows"
        raise Misuse(
            f"'{split}' is {what}, no split, so it does not say which windows are on which side. Give a split, and "
            f"the data after it: trimcap split {split} --out split.json, then trimcap audit split.json --data {split}"
        )
    if split.is_dir() and data is not None:
        raise Misuse(
            f"'{split}' is a folder of tables that name their rows; --data is for a file of row numbers or names"
        )
    if split.is_file() and data is None:
        raise Misuse(f"'{split}' holds row numbers or names; say of which windows: --data DATA")
    windows = None if data is None else datasets.read(data)
    with typed():
        folds = read_split(split, windows, stimulus=stimulus)
    if not folds:
        raise Misuse(f"'{split}' holds no folds: nothing to audit")
    return folds


def _facts(found: SplitAudit) -> dict[str, object]:
    findings = [{"severity": f.severity, "text": f.text} for f in found.findings]
    return {
        "name": found.name,
        "unit": found.unit,
        "passed": found.passed,
        "train": found.n_train,
        "test": found.n_test,
        "findings": findings,
    }


def _text(found: SplitAudit) -> str:
    return "\n".join(f"{f.severity}: {f.text}" for f in found.findings) or "nothing shared"
