"""Rows of train, valid and test, as the split protocols need them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trimcap._errors import unknown
from trimcap.data.folds import Fold, Subset, make_fold
from trimcap.data.windows import Windows

MissingClasses = Literal["raise", "allow"]
Rows = NDArray[np.int64]
Groups = NDArray[np.str_]

#: draws of validation groups until train and valid both hold every class
_DRAWS = 50


def sort_rows(windows: Windows) -> Windows:
    """Rows ordered by subject, session, trial, start: folds do not depend on the order of files."""
    ids, counts = np.unique(windows.ids, return_counts=True)
    if (counts > 1).any():
        raise ValueError(f"window {ids[counts.argmax()]} occurs {counts.max()} times; ids must be unique")
    start = windows.metadata.start.to_numpy(dtype=float)
    order = np.lexsort((start, *(column(windows, c) for c in ("trial", "session", "subject"))))
    return windows if (order == np.arange(len(order))).all() else windows.take(order)


def column(windows: Windows, name: str) -> Groups:
    """A column of the metadata as strings."""
    return np.asarray(windows.metadata[name].astype(str).tolist(), dtype=np.str_)


def keys(windows: Windows, *columns: str) -> Groups:
    """Columns of the metadata joined by "/", one key per row."""
    return np.asarray(["/".join(parts) for parts in zip(*(column(windows, c) for c in columns), strict=True)])


def grouped_tests(windows: Windows, groups: Groups, n_folds: int, seed: int, kind: str) -> dict[str, Rows]:
    """Test rows per fold: whole groups, stratified by class."""
    from sklearn.model_selection import StratifiedGroupKFold

    need_folds(len(np.unique(groups)), n_folds, f"{kind}s")
    for label in np.unique(windows.y):
        having = len(np.unique(groups[windows.y == label]))
        if having < n_folds:
            raise ValueError(
                f"class {windows.classes[label]!r} occurs in {having} of {len(np.unique(groups))} {kind}s only, so it "
                f"would be absent from some of the {n_folds} folds; "
                + (f"use n_folds={having} or fewer" if having > 1 else f"load more {kind}s that have it")
            )
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    return numbered(test for _, test in splitter.split(groups, windows.y, groups))


def numbered(tests: Iterable[Rows]) -> dict[str, Rows]:
    """Test rows by name: fold 1 of n, fold 2 of n, …"""
    tests = list(tests)
    return {f"fold {k} of {len(tests)}": test for k, test in enumerate(tests, start=1)}


def cut_folds(
    windows: Windows,
    tests: Mapping[str, Rows],
    groups: Groups,
    *,
    protocol: str,
    unit: str,
    valid: float,
    seed: int,
    missing_classes: MissingClasses,
    leaky: bool = False,
) -> list[Fold]:
    """Folds from test rows; what is left is divided by whole `groups` into train and valid."""
    if missing_classes not in ("raise", "allow"):
        raise ValueError(unknown("missing_classes", missing_classes, ["raise", "allow"]))
    if len(windows) and len(np.unique(windows.y)) < 2:
        raise ValueError(
            f"all {len(windows)} windows are of class {windows.classes[windows.y[0]]!r}, so there is nothing to tell "
            "apart; load recordings of another class"
        )
    folds = []
    for number, (name, test) in enumerate(tests.items()):
        rest = np.setdiff1d(np.arange(len(windows)), test)
        train, held = _cut_valid(windows.y, groups, rest, valid, np.random.default_rng([seed, number]), name)
        rows = {"train": train, "valid": held, "test": np.sort(test)}
        for part, members in rows.items():
            if part == "train" or missing_classes == "raise":
                _check_classes(windows, members, f"fold {name!r} ({protocol})", part)
        subsets = [Subset(windows, members) for members in rows.values()]
        folds.append(make_fold(*subsets, name=name, protocol=protocol, unit=unit, seed=seed, leaky=leaky))
    return folds


def need_groups(groups: Groups, least: int, kind: str, protocol: str, *, instead: str = "") -> None:
    """Raise if there are fewer than `least` groups; `instead` names a protocol that would do."""
    names = np.unique(groups)
    if len(names) < least:
        other = f", or measure generalisation to new trials with the protocol {instead!r}" if instead else ""
        raise ValueError(
            f"{protocol} needs at least {least} {kind}s, but the windows hold {len(names)} "
            f"({', '.join(names[:3])}); load more {kind}s{other}"
        )


def need_folds(n: int, n_folds: int, what: str) -> None:
    """Raise if `n` things can't be dealt into `n_folds` folds."""
    if not 2 <= n_folds <= n:
        legal = f"choose 2 to {n} or load more data" if n >= 2 else "load more data"
        raise ValueError(f"n_folds={n_folds} is impossible with {n} {what}; {legal}")


def _cut_valid(
    y: NDArray[np.int64], groups: Groups, rest: Rows, valid: float, rng: np.random.Generator, fold: str
) -> tuple[Rows, Rows]:
    """Divide the rows `rest` into train and valid by whole groups."""
    if not 0 < valid < 1:
        raise ValueError(f"valid={valid} must be a fraction between 0 and 1 of the training groups")
    names, first, member = np.unique(groups[rest], return_index=True, return_inverse=True)
    n_valid = max(1, round(valid * len(names)))
    if n_valid >= len(names):
        raise ValueError(
            f"fold {fold!r}: validation would take all {len(names)} training groups; lower valid={valid} or use "
            "more folds or more data"
        )
    labels = y[rest][first]
    pure = bool((labels[member] == y[rest]).all())
    n_classes = len(np.unique(y[rest]))
    for _ in range(_DRAWS):
        in_valid = np.isin(member, _draw(labels if pure else np.zeros_like(labels), n_valid, rng))
        train, held = rest[~in_valid], rest[in_valid]
        if len(np.unique(y[train])) == len(np.unique(y[held])) == n_classes:
            break
    return train, held


def _draw(labels: NDArray[np.int64], n: int, rng: np.random.Generator) -> Rows:
    """Draw `n` of the groups, stratified by the groups' labels where the counts allow it."""
    from sklearn.model_selection import train_test_split

    classes, counts = np.unique(labels, return_counts=True)
    possible = len(classes) > 1 and counts.min() >= 2 and min(n, len(labels) - n) >= len(classes)
    seed = int(rng.integers(2**31))
    index = np.arange(len(labels))
    stratify = labels if possible else None
    chosen: Rows = train_test_split(index, test_size=n, random_state=seed, stratify=stratify)[1]
    return chosen


def _check_classes(windows: Windows, rows: Rows, fold: str, part: str) -> None:
    absent = sorted(set(range(len(windows.classes))) - set(windows.y[rows].tolist()))
    if absent:
        also = "" if part == "train" else ", or allow it with missing_classes='allow'"
        raise ValueError(
            f"{fold}: class {windows.classes[absent[0]]!r} is absent from {part}, so its accuracy cannot be "
            f"measured; use fewer folds, another seed or a larger `valid`{also}"
        )
