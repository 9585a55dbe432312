"""Rows of train, valid and test, as the split protocols need them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trimcap._errors import unknown
from trimcap.data.files.identity import choice
from trimcap.data.hearsay import DOUBT
from trimcap.data.splits.folds import Fold, make_fold
from trimcap.data.splits.sealed import Subset
from trimcap.data.units import Groups, column, plural
from trimcap.data.windows import Windows

MissingClasses = Literal["raise", "allow"]
Rows = NDArray[np.int64]

#: draws of validation groups until train and valid both hold every class
_DRAWS = 50


@dataclass(frozen=True, eq=False)
class Cut:
    """Rows of one fold before train and valid are divided.

    Parameters
    ----------
    name : of the fold
    test : rows that are tested
    rest : rows for train and valid; None for all others
    calibration : rows of test subjects for the stage "calibrate"
    """

    name: str
    test: Rows
    rest: Rows | None = None
    calibration: Rows | None = None


def sort_rows(windows: Windows) -> Windows:
    """Rows ordered by subject, session, trial, start: folds do not depend on the order of files."""
    ids, counts = np.unique(windows.ids, return_counts=True)
    if (counts > 1).any():
        raise ValueError(f"window {ids[counts.argmax()]} occurs {counts.max()} times; ids must be unique")
    _check_names(windows)
    start = windows.metadata.start.to_numpy(dtype=float)
    order = np.lexsort((start, *(column(windows, c) for c in ("trial", "session", "subject"))))
    return windows if (order == np.arange(len(order))).all() else windows.take(order)


def _check_names(windows: Windows) -> None:
    """Refuse names that would make ids mean several things: two trials could pass for one, or one for two."""
    for what in ("subject", "session", "trial"):
        for name in np.unique(column(windows, what)).tolist():
            if "/" in name or "@" in name:
                raise ValueError(
                    f"the {what} {name!r} has a '/' or '@', which part the names in the id of a window "
                    "(subject/session/trial@start); write another character in the metadata"
                )


def grouped_tests(windows: Windows, groups: Groups, n_folds: int, seed: int, kind: str) -> dict[str, Rows]:
    """Test rows per fold: whole groups, stratified by class."""
    from sklearn.model_selection import StratifiedGroupKFold

    need_folds(len(np.unique(groups)), n_folds, plural(kind))
    for label in np.unique(windows.y):
        having = len(np.unique(groups[windows.y == label]))
        if having < n_folds:
            raise ValueError(
                f"class {windows.classes[label]!r} occurs in {having} of {len(np.unique(groups))} {plural(kind)} only, "
                f"so it would be absent from some of the {n_folds} folds; "
                + (f"use n_folds={having} or fewer" if having > 1 else f"load more {plural(kind)} that have it")
            )
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    return numbered(test for _, test in splitter.split(groups, windows.y, groups))


def one_by_one(groups: Groups, kind: str) -> dict[str, Rows]:
    """Test rows per group: each is held out once."""
    return {f"{kind} {name}": np.flatnonzero(groups == name) for name in np.unique(groups).tolist()}


def numbered(tests: Iterable[Rows]) -> dict[str, Rows]:
    """Test rows by name: fold 1 of n, fold 2 of n, …"""
    tests = list(tests)
    return {f"fold {k} of {len(tests)}": test for k, test in enumerate(tests, start=1)}


def cut_folds(
    windows: Windows,
    cuts: Mapping[str, Rows] | Iterable[Cut],
    groups: Groups | Sequence[Groups],
    *,
    protocol: str,
    unit: str,
    valid: float,
    seed: int,
    missing_classes: MissingClasses,
    leaky: bool = False,
    valid_unit: str | None = None,
    calibration_unit: str = "trial",
) -> list[Fold]:
    """Folds from test rows; what is left is divided by whole `groups` into train and valid.

    Parameters
    ----------
    cuts : name → test rows, or rows of several parts
    groups : one name per row; with several of them, validation keeps all apart, and rows in between are unused
    """
    _check_input(windows, missing_classes)
    if isinstance(cuts, Mapping):
        cuts = [Cut(name, test) for name, test in cuts.items()]
    levels = [groups] if isinstance(groups, np.ndarray) else list(groups)
    folds = []
    for number, cut in enumerate(cuts):
        own = np.empty(0, np.int64) if cut.calibration is None else cut.calibration
        taken = np.union1d(cut.test, own)
        rest = np.setdiff1d(np.arange(len(windows)), taken) if cut.rest is None else np.sort(cut.rest)
        dice = [_Dice.of(windows.y[rest], level[rest], valid, missing_classes == "raise", cut.name) for level in levels]
        train, held = _cut_valid(windows.y, dice, rest, np.random.default_rng([seed, number]))
        rows = {"train": train, "valid": held, "test": np.sort(cut.test)}
        if cut.calibration is not None:
            rows["calibration"] = np.sort(own)
        for part, members in rows.items():
            if part == "train" or missing_classes == "raise":
                check_classes(windows, members, f"fold {cut.name!r} ({protocol})", part)
        subsets = {part: Subset(windows, members) for part, members in rows.items()}
        folds.append(
            make_fold(
                subsets["train"],
                subsets["valid"],
                subsets["test"],
                calibration=subsets.get("calibration"),
                name=cut.name,
                protocol=protocol,
                unit=unit,
                seed=seed,
                leaky=leaky,
                valid_unit=valid_unit,
                calibration_unit=calibration_unit,
                unused=len(windows) - sum(map(len, rows.values())),
            )
        )
    return folds


def _check_input(windows: Windows, missing_classes: str) -> None:
    if missing_classes not in ("raise", "allow"):
        raise ValueError(unknown("missing_classes", missing_classes, ["raise", "allow"]))
    if len(windows) and len(np.unique(windows.y)) < 2:
        raise ValueError(
            f"all {len(windows)} windows are of class {windows.classes[windows.y[0]]!r}, so there is nothing to tell "
            "apart; load recordings of another class"
        )


def subjects_of(windows: Windows, protocol: str, *, instead: str) -> Groups:
    """The column of subjects, for a protocol that keeps them apart.

    Raises
    ------
    ValueError : fewer than three; the windows say that it is not certain who is who.
    """
    doubts = [step.removeprefix(DOUBT) for step in windows.steps if step.startswith(DOUBT)]
    if doubts:
        raise ValueError(f"{protocol} keeps persons apart, but {choice(doubts[0])} (when the files are read)")
    subjects = column(windows, "subject")
    need_groups(subjects, 3, "subject", protocol, instead=instead)
    return subjects


def need_groups(groups: Groups, least: int, kind: str, protocol: str, *, instead: str = "") -> None:
    """Raise if there are fewer than `least` groups; `instead` names a protocol that would do."""
    names = np.unique(groups)
    if len(names) < least:
        other = f", or measure generalisation to new trials with the protocol {instead!r}" if instead else ""
        raise ValueError(
            f"{protocol} needs at least {least} {plural(kind)}, but the windows hold {len(names)} "
            f"({', '.join(names[:3])}); load more {plural(kind)}{other}"
        )


def need_folds(n: int, n_folds: int, what: str) -> None:
    """Raise if `n` things can't be dealt into `n_folds` folds."""
    if not 2 <= n_folds <= n:
        legal = f"choose 2 to {n} or load more data" if n >= 2 else "load more data"
        raise ValueError(f"n_folds={n_folds} is impossible with {n} {what}; {legal}")


def _cut_valid(y: NDArray[np.int64], dice: Sequence[_Dice], rest: Rows, rng: np.random.Generator) -> tuple[Rows, Rows]:
    """Divide the rows `rest` into train and valid by whole groups of every level."""
    n_classes = len(np.unique(y[rest]))
    for _ in range(_DRAWS):
        drawn = np.stack([d.roll(rng) for d in dice])
        train, held = rest[~drawn.any(axis=0)], rest[drawn.all(axis=0)]
        if len(np.unique(y[train])) == len(np.unique(y[held])) == n_classes:
            break
    return train, held


@dataclass(frozen=True, eq=False)
class _Dice:
    """Draws validation groups: `labels` of the groups, `member` says which group a row is in."""

    labels: NDArray[np.int64]
    member: Rows
    n: int

    @staticmethod
    def of(y: NDArray[np.int64], groups: Groups, valid: float, every_class: bool, fold: str) -> _Dice:
        if not 0 < valid < 1:
            raise ValueError(f"valid={valid} must be a fraction between 0 and 1 of the training groups")
        names, first, member = np.unique(groups, return_index=True, return_inverse=True)
        labels = y[first]
        pure = bool((labels[member] == y).all())
        # groups of one class each: a class without a group would have no accuracy
        least = len(np.unique(labels)) if pure and every_class else 1
        n = max(least, round(valid * len(names)))
        if n >= len(names):
            advice = f"lower valid={valid} or use" if n > least else "one per class is the least; use"
            raise ValueError(
                f"fold {fold!r}: validation would take all {len(names)} training groups; {advice} more folds or more "
                "data"
            )
        return _Dice(labels if pure else np.zeros_like(labels), member, n)

    def roll(self, rng: np.random.Generator) -> NDArray[np.bool_]:
        return np.isin(self.member, _draw(self.labels, self.n, rng))


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


def check_classes(windows: Windows, rows: Rows, fold: str, part: str) -> None:
    """Raise if a class has no row in a part of a fold."""
    absent = sorted(set(range(len(windows.classes))) - set(windows.y[rows].tolist()))
    if absent:
        also = "" if part == "train" else ", or allow it with missing_classes='allow'"
        raise ValueError(
            f"{fold}: class {windows.classes[absent[0]]!r} is absent from {part}, so its accuracy cannot be "
            f"measured; use fewer folds, another seed or a larger `valid`{also}"
        )
