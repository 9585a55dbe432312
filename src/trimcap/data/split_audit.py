"""Audit a split that somebody else made: what do its training and test rows share?

A split is a table of training rows and one of test rows with the columns subject, session, trial, start and optionally
stimulus and content (a hash of what the window holds). `split_of` makes them from row numbers of `Windows`,
`read_split` from a JSON file of row numbers or from a folder of torcheeg split tables.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimcap._errors import unknown
from trimcap.data.audit import Finding, Severity
from trimcap.data.windows import Windows

#: what a protocol may keep apart, and the columns that name one
UNITS: Mapping[str, tuple[str, ...]] = {
    "subject": ("subject",),
    "session": ("subject", "session"),
    "trial": ("subject", "session", "trial"),
    "stimulus": ("stimulus",),
}


@dataclass(frozen=True, eq=False)
class SplitRows:
    """Training and test rows of one fold.

    Parameters
    ----------
    name : of the fold
    train, test : tables with subject, session, trial, start (s); optionally stimulus, content
    duration : length of a window, s; None if unknown (then overlap can't be told from neighbourhood)
    steps : what was done to the windows before the split, in words
    """

    name: str
    train: pd.DataFrame
    test: pd.DataFrame
    duration: float | None = None
    steps: tuple[str, ...] = ()


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


def audit_split(split: SplitRows, *, unit: str = "subject") -> SplitAudit:
    """Say what leaks from training to test.

    Errors: the same window on both sides, windows that overlap in time, windows with the same content, a trial on
    both sides, and any group of the claimed `unit` on both sides. Notes: other groups that are shared, transductive
    or smoothing steps, and what could not be checked.

    Parameters
    ----------
    split : one fold
    unit : what the protocol claims to keep apart: "subject", "session", "trial" or "stimulus"
    """
    if unit not in UNITS:
        raise ValueError(unknown("unit", unit, UNITS))
    train, test = split.train, split.test
    findings = [
        *_same_windows(train, test),
        *_overlaps(train, test, split.duration),
        *_duplicates(train, test),
        *_shared_groups(train, test, unit),
        *_steps(split.steps, train, test),
    ]
    return SplitAudit(split.name, unit, len(train), len(test), tuple(findings))


def _finding(severity: Severity, text: str) -> Finding:
    return Finding(severity, "split", text)


def _keys(table: pd.DataFrame, columns: Sequence[str]) -> NDArray[np.str_]:
    parts = [table[c].astype(str).to_numpy() for c in columns]
    return np.asarray(["/".join(row) for row in zip(*parts, strict=True)], dtype=np.str_)


def _same_windows(train: pd.DataFrame, test: pd.DataFrame) -> Iterator[Finding]:
    columns = ("subject", "session", "trial", "start")
    shared = np.isin(_keys(test, columns), _keys(train, columns)).sum()
    if shared:
        yield _finding("error", f"{shared} of {len(test)} test windows are training windows too")


def _overlaps(train: pd.DataFrame, test: pd.DataFrame, duration: float | None) -> Iterator[Finding]:
    """Windows of one trial that start less than a window's length apart share samples."""
    if duration is None:
        yield _finding("note", "the length of a window is unknown: overlap in time was not checked")
        return
    starts = {key: np.sort(rows.start.to_numpy(float)) for key, rows in _by_trial(train)}
    count = 0
    for key, rows in _by_trial(test):
        others = starts.get(key)
        if others is not None:
            count += int(_nearest_gap(rows.start.to_numpy(float), others, duration).sum())
    if count:
        yield _finding("error", f"{count} of {len(test)} test windows overlap in time with a training window")


def _by_trial(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    for key, rows in table.groupby(_keys(table, UNITS["trial"])):
        yield str(key), rows


def _nearest_gap(starts: NDArray[Any], others: NDArray[Any], duration: float) -> NDArray[np.bool_]:
    place = np.searchsorted(others, starts)
    left = np.abs(starts - others[np.clip(place - 1, 0, len(others) - 1)])
    right = np.abs(starts - others[np.clip(place, 0, len(others) - 1)])
    gap = np.minimum(left, right)
    # equal starts are the same window, which is its own finding
    return np.asarray((gap < duration * (1 - 1e-9)) & (gap > 0))


def _duplicates(train: pd.DataFrame, test: pd.DataFrame) -> Iterator[Finding]:
    if "content" not in train or "content" not in test:
        yield _finding("note", "the windows' content is not at hand: copies under other names were not looked for")
        return
    columns = ("subject", "session", "trial", "start")
    named = np.isin(_keys(test, columns), _keys(train, columns))
    copies = int((np.isin(test.content.to_numpy(), train.content.to_numpy()) & ~named).sum())
    if copies:
        yield _finding("error", f"{copies} of {len(test)} test windows have the same content as a training window")


def _shared_groups(train: pd.DataFrame, test: pd.DataFrame, unit: str) -> Iterator[Finding]:
    for name, columns in UNITS.items():
        if any(c not in train or c not in test for c in columns):
            if name == unit:
                yield _finding(
                    "error", f"the claim is '{unit}'-disjoint, but the tables have no column '{columns[-1]}'"
                )
            continue
        groups = np.unique(_keys(test, columns))
        shared = groups[np.isin(groups, _keys(train, columns))]
        if len(shared):
            examples = ", ".join(shared[:3].tolist()) + (", …" if len(shared) > 3 else "")
            plural = {"stimulus": "stimuli"}.get(name, f"{name}s")
            text = f"{len(shared)} of {len(groups)} test {plural} are in training too ({examples})"
            # a trial on both sides leaks whatever is claimed: neighbouring windows are near-copies
            yield _finding("error" if name in (unit, "trial") else "note", text)


def _steps(steps: Sequence[str], train: pd.DataFrame, test: pd.DataFrame) -> Iterator[Finding]:
    for step in steps:
        if "transductive" in step:
            yield _finding("note", f"transductive: {step}")
        if "smooth" in step.lower() or "moving average" in step.lower() or "LDS" in step:
            shared = np.isin(_keys(test, UNITS["trial"]), _keys(train, UNITS["trial"])).any()
            severity: Severity = "error" if shared else "note"
            yield _finding(severity, f"smoothed over time ({step}): neighbouring windows share information")


# ---- where splits come from ----


def split_of(
    windows: Windows, train: Sequence[int] | NDArray[Any], test: Sequence[int] | NDArray[Any], *, name: str = "fold"
) -> SplitRows:
    """The rows of one fold, from row numbers (or boolean masks) of windows, with a hash of every window's content.

    Raises
    ------
    ValueError : a row number is outside the windows; a side is empty
    """
    table = windows.metadata.copy()
    table["content"] = [hashlib.sha256(np.ascontiguousarray(x).tobytes()).hexdigest() for x in windows.X]
    parts = {side: _chosen(table, rows, f"split '{name}': {side}") for side, rows in (("train", train), ("test", test))}
    return SplitRows(name, parts["train"], parts["test"], duration=windows.duration, steps=windows.steps)


def _chosen(table: pd.DataFrame, rows: Any, what: str) -> pd.DataFrame:
    index = np.asarray(rows)
    if len(index) and not np.issubdtype(index.dtype, np.integer) and index.dtype != bool:
        raise ValueError(
            f"{what} must hold row numbers or a boolean mask, got {index.dtype} values such as {index[0]!r}"
        )
    index = np.flatnonzero(index) if index.dtype == bool else index.astype(np.int64)
    if not len(index):
        raise ValueError(f"{what} is empty")
    outside = index[(index < 0) | (index >= len(table))]
    if len(outside):
        raise ValueError(
            f"{what} has the row number {outside[0]}, but there are {len(table)} windows (0…{len(table) - 1})"
        )
    return table.iloc[index].reset_index(drop=True)


def read_split(path: Path | str, windows: Windows | None = None) -> list[SplitRows]:
    """Folds of a split on disk.

    Parameters
    ----------
    path : a JSON file {"folds": [{"train": [row numbers], "test": […]}, …]}, which needs `windows`; or a folder of
        torcheeg tables (`train_fold_0.csv`, `test_fold_0.csv`, …, or one such pair per subject)
    windows : what the row numbers count

    Raises
    ------
    ValueError : neither of these; says what was found
    """
    path = Path(path)
    if path.is_dir():
        return _torcheeg(path)
    if windows is None:
        raise ValueError(f"{path} holds row numbers; say of which windows")
    try:
        folds = json.loads(path.read_text(encoding="utf-8"))["folds"]
        rows = [(str(f.get("name", f"fold {i + 1}")), f["train"], f["test"]) for i, f in enumerate(folds)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f'{path} is no split: expected {{"folds": [{{"train": [rows], "test": [rows]}}]}} ({error!r})'
        ) from error
    return [split_of(windows, train, test, name=name) for name, train, test in rows]


def _torcheeg(folder: Path) -> list[SplitRows]:
    tests = sorted(p for p in folder.glob("test*.csv") if (folder / p.name.replace("test", "train", 1)).exists())
    if not tests:
        found = ", ".join(sorted(p.name for p in folder.iterdir())[:5]) or "nothing"
        raise ValueError(f"{folder} holds no pairs train….csv / test….csv of torcheeg (found: {found})")
    return [
        SplitRows(
            p.stem.removeprefix("test_"), _table(folder / p.name.replace("test", "train", 1)), _table(p), _length(p)
        )
        for p in tests
    ]


def _table(path: Path) -> pd.DataFrame:
    """Columns of torcheeg as ours: subject_id, trial_id, start_at in samples."""
    raw = pd.read_csv(path)
    if "subject_id" not in raw or "trial_id" not in raw:
        raise ValueError(f"{path} lacks the columns subject_id and trial_id; it has {', '.join(raw.columns)}")
    session = next((raw[c] for c in ("session_id", "date") if c in raw), pd.Series("0", index=raw.index))
    start = raw["start_at"] if "start_at" in raw else pd.Series(range(len(raw)))
    table = pd.DataFrame({"subject": raw.subject_id, "session": session, "trial": raw.trial_id, "start": start})
    stimulus = next((raw[c] for c in ("stimulus_id", "video_id", "movie_id", "exp_id") if c in raw), None)
    return table if stimulus is None else table.assign(stimulus=stimulus)


def _length(path: Path) -> float | None:
    raw = pd.read_csv(path, nrows=1)
    return float((raw.end_at - raw.start_at).iloc[0]) if {"start_at", "end_at"} <= set(raw.columns) else None
