"""What the two sides of a split share whatever their windows are called: samples, copies, normalisation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimcap.data.copies.find import KINDS, Copies, find_copies
from trimcap.data.places import spans
from trimcap.data.splits.findings import Finding, Severity
from trimcap.data.splits.normalised import standardised
from trimcap.data.splits.sides import Content, SplitRows
from trimcap.data.units import LEVELS, keys_of
from trimcap.data.windows import Windows

#: words of steps after which windows hold something of their neighbours in time
_SMOOTHING = ("smooth", "moving average", "movingave", "lds", "kalman")
_ORIGIN = ("subject", "session", "trial", "start")


def content_findings(split: SplitRows) -> tuple[Finding, ...]:
    """What training and test rows share whatever they are called: samples, copies, normalisation; for `Fold.audit` too.

    Windows that are the same by name are not among them.
    """
    return (
        *_overlaps(split.train, split.test, split.duration),
        *_duplicates(split),
        *_steps(split.steps, split.train, split.test),
        *_normalised(split),
    )


def finding(severity: Severity, text: str) -> Finding:
    """A finding of the check of content."""
    return Finding(severity, "split", text, "content")


def named_alike(train: pd.DataFrame, test: pd.DataFrame) -> NDArray[np.bool_]:
    """Which test windows are training windows by name: origin and start, or the name itself where no start is known."""
    if test.start.notna().all() and train.start.notna().all():
        return np.asarray(np.isin(keys_of(test, _ORIGIN), keys_of(train, _ORIGIN)))
    if "window" in test and "window" in train:
        columns = (*_ORIGIN[:3], "window")
        return np.asarray(np.isin(keys_of(test, columns), keys_of(train, columns)))
    return np.zeros(len(test), dtype=bool)


def _overlaps(train: pd.DataFrame, test: pd.DataFrame, duration: float | None) -> Iterator[Finding]:
    """Windows of one recording or trial that share samples: one starts before the other has stopped."""
    both = pd.concat([train, test], ignore_index=True)
    lengths = (
        both["stop"].to_numpy(float) - both.start.to_numpy(float) if "stop" in both else np.full(len(both), np.nan)
    )
    if duration is not None:
        lengths = np.where(np.isnan(lengths), duration, lengths)
    places = spans(both, 0.0)
    bounds = np.stack([places.start, places.start + lengths], axis=1)
    if np.isnan(bounds).any():
        yield finding("note", "where windows start or how long they are is unknown: overlap in time was not checked")
        return
    n = len(train)
    known, named = dict(_by_group(places.group[:n])), named_alike(train, test)
    count = sum(
        int(_touching(bounds[rows + n], bounds[known[key]], named[rows]).sum())
        for key, rows in _by_group(places.group[n:])
        if key in known
    )
    if count:
        yield finding("error", f"{count} of {len(test)} test windows overlap in time with a training window")


def _by_group(groups: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    order = np.argsort(groups, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(groups[order])) + 1):
        if len(rows):
            yield int(groups[rows[0]]), rows


def _touching(spans: NDArray[np.float64], others: NDArray[np.float64], named: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which spans share more than rounding with another; of those `named` alike, equal ones are their own finding."""
    slack = 1e-9 * (spans[:, 1] - spans[:, 0])
    by_start, by_stop = np.sort(others[:, 0]), np.sort(others[:, 1])
    # of all others, those that begin before this stops, less those that stop before this begins
    begun = np.searchsorted(by_start, spans[:, 1] - slack, side="left")
    over = np.searchsorted(by_stop, spans[:, 0] + slack, side="right")
    same = np.where(named, _count_equal(spans, others), 0)
    return np.asarray(begun - over - same > 0)


def _count_equal(spans: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.int64]:
    pairs, counts = np.unique(others, axis=0, return_counts=True)
    known = {(a, b): int(n) for (a, b), n in zip(pairs.tolist(), counts.tolist(), strict=True)}
    return np.asarray([known.get((a, b), 0) for a, b in spans.tolist()], dtype=np.int64)


def _duplicates(split: SplitRows) -> Iterator[Finding]:
    if split.content is None:
        yield finding("note", "the windows' content is not at hand: copies under other names were not looked for")
        return
    yield from copies_between(split.content)


def copies_between(content: Content, *, second: str = "test") -> Iterator[Finding]:
    """Windows of the second side that are copies of training windows, and copies on either side."""
    windows, train, test = content.windows, content.train, content.test
    copies = find_copies(windows)
    for kind, pairs in copies.across(train, test).items():
        if len(pairs):
            example = " = ".join(windows.ids[pairs[0]].tolist())
            text = f"{len(pairs)} of {len(test)} {second} windows {KINDS[kind]} a training window ({example})"
            yield finding("error", text)
    for side, rows in (("training ", train), (f"{second} ", test)):
        yield from _inside(windows.ids, copies, side, rows)
    yield from (finding("note", gap) for gap in copies.gaps)


def copies_within(windows: Windows) -> list[str]:
    """Windows of one set that are copies of earlier ones, in words."""
    found = _inside(windows.ids, find_copies(windows), "", np.arange(len(windows)))
    return [f"{f.text}. Leave copies out, or the audit fails a split that has them on two sides" for f in found]


def _inside(ids: NDArray[np.str_], copies: Copies, side: str, rows: NDArray[np.int64]) -> Iterator[Finding]:
    """Copies that are on one side: no leak, but they count twice."""
    for kind, repeated in copies.inside(rows).items():
        if len(repeated):
            names = list(dict.fromkeys(name.rpartition("@")[0] for name in ids[repeated].tolist()))
            listed = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
            text = (
                f"{len(repeated)} of {len(rows)} {side}windows {KINDS[kind]} another one ({listed}): they count twice"
            )
            yield finding("warning", text)


def _steps(steps: Sequence[str], train: pd.DataFrame, test: pd.DataFrame) -> Iterator[Finding]:
    for step in steps:
        if "transductive" in step:
            yield finding("note", f"{step}: uses test inputs, never labels")
        if any(word in step.lower().split() or (len(word) > 4 and word in step.lower()) for word in _SMOOTHING):
            shared = np.isin(keys_of(test, LEVELS["trial"]), keys_of(train, LEVELS["trial"])).any()
            severity: Severity = "error" if shared else "note"
            yield finding(severity, f"smoothed over time ({step}): neighbouring windows share information")


def _normalised(split: SplitRows) -> Iterator[Finding]:
    """What the content itself says about normalisation, unless the steps have said it already."""
    if split.content is None or any("transductive" in step for step in split.steps):
        return
    for across, text in standardised(split.content):
        yield finding("error" if across else "warning", text)
