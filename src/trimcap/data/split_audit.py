"""Audit a split that somebody else made: what do its training and test rows share?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimcap.data.audit import Finding, Severity
from trimcap.data.split_content import near_copies, standardised
from trimcap.data.split_rows import SplitRows, read_split, split_of
from trimcap.data.units import LEVELS, UNITS, levels_of, plural

__all__ = ["UNITS", "SplitAudit", "SplitRows", "audit_split", "read_split", "split_of"]

#: words of steps after which windows hold something of their neighbours in time
_SMOOTHING = ("smooth", "moving average", "movingave", "lds", "kalman")
_ORIGIN = ("subject", "session", "trial", "start")


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

    Errors: the same window on both sides, windows that overlap in time, windows with the same content (also up to
    scale and offset), a trial on both sides, and any group of the claimed `unit` on both sides. Warnings: content that
    was standardised with training and test windows together. Notes: other groups that are shared, transductive or
    smoothing steps, and what could not be checked.

    Parameters
    ----------
    split : one fold
    unit : what the protocol claims to keep apart: "subject", "session", "trial", "stimulus" or "subject+stimulus";
        default what the split says itself, else "subject"
    """
    unit = unit or split.unit or "subject"
    levels_of(unit)
    train, test = split.train, split.test
    findings = [
        *_same_windows(train, test),
        *_overlaps(train, test, split.duration),
        *_duplicates(split),
        *_shared_groups(train, test, unit, tables=split.content is None),
        *_steps(split.steps, train, test),
        *_normalised(split),
    ]
    return SplitAudit(split.name, unit, len(train), len(test), tuple(findings))


def _finding(severity: Severity, text: str) -> Finding:
    return Finding(severity, "split", text)


def _keys(table: pd.DataFrame, columns: Sequence[str]) -> NDArray[np.str_]:
    parts = [table[c].astype(str).to_numpy() for c in columns]
    return np.asarray(["/".join(row) for row in zip(*parts, strict=True)], dtype=np.str_)


def _named_alike(train: pd.DataFrame, test: pd.DataFrame) -> NDArray[np.bool_]:
    """Which test windows are training windows by name: origin and start, or the name itself where no start is known."""
    if test.start.notna().all() and train.start.notna().all():
        return np.asarray(np.isin(_keys(test, _ORIGIN), _keys(train, _ORIGIN)))
    if "window" in test and "window" in train:
        columns = (*_ORIGIN[:3], "window")
        return np.asarray(np.isin(_keys(test, columns), _keys(train, columns)))
    return np.zeros(len(test), dtype=bool)


def _same_windows(train: pd.DataFrame, test: pd.DataFrame) -> Iterator[Finding]:
    shared = int(_named_alike(train, test).sum())
    if shared:
        yield _finding("error", f"{shared} of {len(test)} test windows are training windows too")


def _overlaps(train: pd.DataFrame, test: pd.DataFrame, duration: float | None) -> Iterator[Finding]:
    """Windows of one trial that share samples: one starts before the other has stopped."""
    spans = [_spans(table, duration) for table in (train, test)]
    if any(np.isnan(span).any() for span in spans):
        yield _finding("note", "where windows start or how long they are is unknown: overlap in time was not checked")
        return
    by_trial = {key: spans[0][rows] for key, rows in _by_trial(train)}
    count = sum(int(_touching(spans[1][rows], by_trial[key]).sum()) for key, rows in _by_trial(test) if key in by_trial)
    if count:
        yield _finding("error", f"{count} of {len(test)} test windows overlap in time with a training window")


def _spans(table: pd.DataFrame, duration: float | None) -> NDArray[np.float64]:
    """Start and stop of every window, shape (n, 2)."""
    start = table.start.to_numpy(float)
    stop = table.stop.to_numpy(float) if "stop" in table else np.full(len(table), np.nan)
    if duration is not None:
        stop = np.where(np.isnan(stop), start + duration, stop)
    return np.stack([start, stop], axis=1)


def _by_trial(table: pd.DataFrame) -> Iterator[tuple[str, NDArray[np.int64]]]:
    for key, rows in pd.Series(np.arange(len(table))).groupby(_keys(table, LEVELS["trial"])):
        yield str(key), rows.to_numpy()


def _touching(spans: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which spans share more than rounding with another that is not the same; equal ones are their own finding."""
    slack = 1e-9 * (spans[:, 1] - spans[:, 0])
    by_start, by_stop = np.sort(others[:, 0]), np.sort(others[:, 1])
    # of all others, those that begin before this stops, less those that stop before this begins
    begun = np.searchsorted(by_start, spans[:, 1] - slack, side="left")
    over = np.searchsorted(by_stop, spans[:, 0] + slack, side="right")
    same = _count_equal(spans, others)
    return np.asarray(begun - over - same > 0)


def _count_equal(spans: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.int64]:
    pairs, counts = np.unique(others, axis=0, return_counts=True)
    known = {(a, b): int(n) for (a, b), n in zip(pairs.tolist(), counts.tolist(), strict=True)}
    return np.asarray([known.get((a, b), 0) for a, b in spans.tolist()], dtype=np.int64)


def _duplicates(split: SplitRows) -> Iterator[Finding]:
    train, test = split.train, split.test
    if "content" not in train or "content" not in test:
        yield _finding("note", "the windows' content is not at hand: copies under other names were not looked for")
        return
    named = _named_alike(train, test)
    exact = np.isin(test.content.to_numpy(), train.content.to_numpy())
    copies = int((exact & ~named).sum())
    if copies:
        yield _finding("error", f"{copies} of {len(test)} test windows have the same content as a training window")
    if split.content is not None:
        near = int((near_copies(split.content) & ~exact & ~named).sum())
        if near:
            text = f"{near} of {len(test)} test windows are copies of a training window up to scale and offset"
            yield _finding("error", text)


def _shared_groups(train: pd.DataFrame, test: pd.DataFrame, unit: str, *, tables: bool) -> Iterator[Finding]:
    claimed = levels_of(unit)
    for name, columns in LEVELS.items():
        missing = [c for c in columns if c not in train or c not in test]
        if missing:
            if name in claimed:
                yield _finding("error", f"the claim is '{unit}'-disjoint, but the tables have no column '{missing[0]}'")
            elif tables:
                yield _finding("note", f"the tables do not name the {name}: whether any is shared was not checked")
            continue
        groups = np.unique(_keys(test, columns))
        shared = groups[np.isin(groups, _keys(train, columns))]
        if len(shared):
            examples = ", ".join(shared[:3].tolist()) + (", …" if len(shared) > 3 else "")
            text = f"{len(shared)} of {len(groups)} test {plural(name)} are in training too ({examples})"
            # a trial on both sides leaks whatever is claimed: neighbouring windows are near-copies
            yield _finding("error" if name in (*claimed, "trial") else "note", text)


def _steps(steps: Sequence[str], train: pd.DataFrame, test: pd.DataFrame) -> Iterator[Finding]:
    for step in steps:
        if "transductive" in step:
            yield _finding("note", f"transductive: {step}")
        if any(word in step.lower().split() or (len(word) > 4 and word in step.lower()) for word in _SMOOTHING):
            shared = np.isin(_keys(test, LEVELS["trial"]), _keys(train, LEVELS["trial"])).any()
            severity: Severity = "error" if shared else "note"
            yield _finding(severity, f"smoothed over time ({step}): neighbouring windows share information")


def _normalised(split: SplitRows) -> Iterator[Finding]:
    """What the content itself says about normalisation, unless the steps have said it already."""
    if split.content is None or any("transductive" in step for step in split.steps):
        return
    for text in standardised(split.content):
        yield _finding("warning", text)
