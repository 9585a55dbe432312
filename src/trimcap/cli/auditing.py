"""`trimcap audit`: what the training and test rows of somebody else's split share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trimcap.cli import datasets
from trimcap.cli.answer import Answer, Misuse, typed
from trimcap.cli.show import table

if TYPE_CHECKING:
    from trimcap.data.split_audit import SplitAudit, SplitRows

Split = Annotated[
    Path,
    typer.Argument(metavar="SPLIT", help="A .json file of row numbers, with --data; or a folder of torcheeg tables."),
]
Data = Annotated[str | None, typer.Option("--data", help="What the row numbers count. " + datasets.DATA_HELP)]
Unit = Annotated[str, typer.Option("--unit", help="What the split keeps apart: subject, session, trial or stimulus.")]


def audit(split: Split, data: Data = None, unit: Unit = "subject") -> Answer:
    """Say what training and test rows of a split share, fold by fold; exit 1 if any fold leaks."""
    from trimcap._errors import unknown
    from trimcap.data.split_audit import UNITS, audit_split

    if unit not in UNITS:
        raise Misuse(unknown("unit", unit, UNITS))
    audits = [audit_split(fold, unit=unit) for fold in _folds(split, data)]
    leaking = [found.name for found in audits if not found.passed]
    facts = {"split": split, "unit": unit, "folds": [_facts(found) for found in audits], "leaking": leaking}
    rows = [(a.name, a.n_train, a.n_test, "passed" if a.passed else "LEAKS", _text(a)) for a in audits]
    shown = table(("fold", "train", "test", "verdict", "findings"), rows)
    count = f"{len(audits) - len(leaking)} of {len(audits)} folds keep every {unit} on one side and share no window"
    failed = f"{len(leaking)} of {len(audits)} folds leak: {', '.join(leaking)}" if leaking else ""
    return Answer(facts, [shown, count], failed)


def _folds(split: Path, data: str | None) -> Sequence[SplitRows]:
    from trimcap.data.split_audit import read_split

    if not split.exists():
        raise Misuse(f"no file or folder '{split}'")
    if split.is_dir() and data is not None:
        raise Misuse(f"'{split}' is a folder of tables that name their rows; --data is for a file of row numbers")
    if split.is_file() and data is None:
        raise Misuse(f"'{split}' holds row numbers; say of which windows: --data DATA")
    windows = None if data is None else datasets.read(data)
    with typed():
        folds = read_split(split, windows)
    if not folds:
        raise Misuse(f"'{split}' holds no folds: nothing to audit")
    return folds


def _facts(found: SplitAudit) -> dict[str, object]:
    findings = [{"severity": f.severity, "text": f.text} for f in found.findings]
    return {
        "name": found.name, "passed": found.passed, "train": found.n_train, "test": found.n_test, "findings": findings
    }  # fmt: skip


def _text(found: SplitAudit) -> str:
    return "\n".join(f"{f.severity}: {f.text}" for f in found.findings) or "nothing shared"
