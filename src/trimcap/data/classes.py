"""Classes from whatever another framework calls a target: names, codes or ratings."""

from __future__ import annotations

import math
import operator
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimcap._errors import unknown

#: class names in order; or target → class name, in the order of the classes
Classes = Sequence[str] | Mapping[Any, str]

_SIDES = {">": operator.gt, ">=": operator.ge}
_SHOWN = 3
#: what NumPy and pandas make of a missing value when they turn it into text, and an empty cell
_NO_TEXT = frozenset({"", "nan", "<na>"})


@dataclass(frozen=True, eq=False)
class Labels:
    """Class labels of the rows that have a target.

    Parameters
    ----------
    y : int64, index into `classes`, one per kept row
    rows : int64, which rows were kept
    classes : class names
    steps : for `Windows.steps`: the rule of ratings, and how many rows have no target
    """

    y: NDArray[np.int64]
    rows: NDArray[np.int64]
    classes: tuple[str, ...]
    steps: tuple[str, ...] = ()


def is_missing(text: str) -> bool:
    """Whether a text stands for no label: empty, or NaN that was turned into text."""
    return text.strip().lower() in _NO_TEXT


def to_classes(
    values: Iterable[Any],
    *,
    what: str,
    name: str = "label",
    classes: Classes | None = None,
    threshold: float | None = None,
    side: str | None = None,
) -> Labels:
    """Labels from targets: text, whole numbers, or ratings with a threshold.

    A target that is missing (None, NaN, or as text "" or "nan") is dropped and counted, never turned into a class.

    Parameters
    ----------
    values : one target per row
    what, name : of the data and of the target, for messages
    classes : class names in order (whole numbers count from 0), or target → class name; default: the targets that
        occur, numbers by value, text by letters
    threshold, side : class 1 is target `side` threshold, with `side` ">" or ">="; the classes are "low name" and
        "high name" unless `classes` names two

    Raises
    ------
    ValueError : no target at all; an infinite one, or one that is in no class; ratings without a threshold; a
        threshold without a side, or with all ratings on one side.

    Warns
    -----
    UserWarning : rows without a target were left out: how many.
    """
    given = [_plain(value, what, name) for value in values]
    rows = [row for row, value in enumerate(given) if value is not None]
    if not rows:
        raise ValueError(f"{what}: none of its {len(given)} rows has a {name}")
    if len(rows) < len(given):
        missing = len(given) - len(rows)
        warnings.warn(f"{what}: {missing} of {len(given)} rows have no {name} and are left out", stacklevel=3)
    kept = [given[row] for row in rows]
    split = threshold is not None or side is not None
    y, names = _split(kept, what, name, classes, threshold, side) if split else _sort(kept, what, name, classes)
    steps = (f"classes by {name} {side} {threshold:g}",) if split and threshold is not None else ()
    if len(rows) < len(given):
        steps = (*steps, f"{len(given) - len(rows)} of {len(given)} rows without a {name} left out")
    return Labels(np.asarray(y, dtype=np.int64), np.asarray(rows, dtype=np.int64), names, steps)


def _plain(value: Any, what: str, name: str) -> str | int | float | None:
    """A target as text or number, None if it is missing."""
    if hasattr(value, "item") and math.prod(np.shape(value)) == 1:  # NumPy's, or a tensor
        value = value.item()
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return None
    if isinstance(value, float):
        if math.isnan(value):
            return None
        if math.isinf(value):
            raise ValueError(
                f"{what}: a {name} is {value}, which is no rating and no class; correct it, or make it NaN"
            )
        return int(value) if value.is_integer() else value
    if isinstance(value, str):
        return None if is_missing(value) else value
    if isinstance(value, int):
        return int(value)
    raise ValueError(f"{what}: a {name} is a {type(value).__name__}; expected text or a number")


def _split(
    values: list[Any], what: str, name: str, classes: Classes | None, threshold: float | None, side: str | None
) -> tuple[list[int], tuple[str, ...]]:
    if threshold is None or side is None:
        raise ValueError(f"{what}: give threshold and side together, e.g. threshold=5, side='>'")
    if side not in _SIDES:
        raise ValueError(unknown("side", side, _SIDES))
    text = next((value for value in values if isinstance(value, str)), None)
    if text is not None:
        raise ValueError(
            f"{what}: {name} {text!r} is no number, so it is not {side} {threshold:g}; leave threshold out"
        )
    names = (f"low {name}", f"high {name}") if classes is None else tuple(map(str, classes))
    if len(names) != 2 or isinstance(classes, Mapping):
        raise ValueError(f"{what}: a threshold makes two classes; name two, lower one first, or leave classes out")
    y = [int(_SIDES[side](value, threshold)) for value in values]
    if len(set(y)) == 1:
        every = f"all ratings from {min(values):g} to {max(values):g}"
        raise ValueError(f"{what}: {name} {side} {threshold:g} puts {every} into one class")
    return y, names


def _sort(values: list[Any], what: str, name: str, classes: Classes | None) -> tuple[list[int], tuple[str, ...]]:
    ratings = sorted({value for value in values if isinstance(value, float)})
    if ratings:
        listed = ", ".join(f"{value:g}" for value in ratings[:_SHOWN])
        raise ValueError(
            f"{what}: {name} holds ratings ({listed}, …), not classes; say where to split them, e.g. threshold=5, "
            "side='>'"
        )
    found = sorted(set(values), key=lambda v: (isinstance(v, str), v if isinstance(v, str) else "", _number(v)))
    if classes is None:
        names = tuple(map(str, found))
        if len(set(names)) < len(names):
            raise ValueError(f"{what}: {name} holds the same classes as numbers and as text; write them in one way")
        index = {value: i for i, value in enumerate(found)}
    elif isinstance(classes, Mapping):
        names = tuple(dict.fromkeys(map(str, classes.values())))
        index = {_plain(key, what, name): names.index(str(value)) for key, value in classes.items()}
    else:
        names = tuple(map(str, classes))
        index = {value: i for i, value in enumerate(names)} | {i: i for i in range(len(names))}
    for value in found:
        if value not in index:
            raise ValueError(f"{what}: {unknown(name, str(value), map(str, index))}")
    return [index[value] for value in values], names


def _number(value: Any) -> int:
    return 0 if isinstance(value, str) else int(value)
