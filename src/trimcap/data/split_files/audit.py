"""Audit a split that somebody else made: what do its training and test rows share?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from trimcap.data.splits.findings import Finding
from trimcap.data.splits.shared import content_findings, finding, named_alike
from trimcap.data.splits.sides import SplitRows
from trimcap.data.units import LEVELS, keys_of, levels_of, plural


@dataclass(frozen=True)
class SplitAudit:
    """What one fold shares; `passed` if nothing leaks for the unit that is claimed."""

    name: str
    unit: str
    n_train: int
    n_test: int
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """No finding of severity "error"."""
        return not any(f.severity == "error" for f in self.findings)


def audit_split(split: SplitRows, *, unit: str | None = None) -> SplitAudit:
    """Say what leaks from training to test.

    Errors: the same window on both sides, windows that overlap in time, copies whatever their names (see
    `find_copies`), a trial on both sides, any group of the claimed `unit` on both sides, and content that was
    standardised with training and test windows together. Warnings: copies on one side, content that was standardised
    with the test subjects' own windows. Notes: other groups that are shared, transductive or smoothing steps, and what
    could not be checked.

    Parameters
    ----------
    split : one fold
    unit : what the protocol claims to keep apart: "subject", "session", "trial", "stimulus" or "subject+stimulus";
        default what the split says itself, else "subject"
    """
    unit = unit or split.unit or "subject"
    levels_of(unit)
    groups = _shared_groups(split.train, split.test, unit, tables=split.content is None)
    findings = (*_same_windows(split.train, split.test), *groups, *content_findings(split))
    return SplitAudit(split.name, unit, len(split.train), len(split.test), findings)


def _same_windows(train: pd.DataFrame, test: pd.DataFrame) -> Iterator[Finding]:
    shared = int(named_alike(train, test).sum())
    if shared:
        yield finding("error", f"{shared} of {len(test)} test windows are training windows too")


def _shared_groups(train: pd.DataFrame, test: pd.DataFrame, unit: str, *, tables: bool) -> Iterator[Finding]:
    claimed = levels_of(unit)
    for name, columns in LEVELS.items():
        missing = [c for c in columns if c not in train or c not in test]
        if missing:
            if name in claimed:
                yield finding("error", f"the claim is '{unit}'-disjoint, but the tables have no column '{missing[0]}'")
            elif tables:
                yield finding("note", f"the tables do not name the {name}: whether any is shared was not checked")
            continue
        groups = np.unique(keys_of(test, columns))
        shared = groups[np.isin(groups, keys_of(train, columns))]
        if len(shared):
            examples = ", ".join(shared[:3].tolist()) + (", …" if len(shared) > 3 else "")
            text = f"{len(shared)} of {len(groups)} test {plural(name)} are in training too ({examples})"
            # a trial on both sides leaks whatever is claimed: neighbouring windows are near-copies
            yield finding("error" if name in (*claimed, "trial") else "note", text)
