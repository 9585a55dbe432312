"""Labels of arrays on disk: numbers or names, some of them missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimcap._errors import unknown
from trimcap.data.classes import is_missing

#: index into the classes, their names, and which rows have a label
Labels = tuple[NDArray[np.int64], tuple[str, ...], NDArray[np.bool_]]


def labels_of(labels: NDArray[Any], names: Sequence[Any] | None) -> Labels:
    """Index into the classes, their names, and which rows have a label.

    Parameters
    ----------
    labels : numbers, of which NaN is none; or names, of which "", "nan" and None are none
    names : class names; None: the numbers, or the different names in the order of the alphabet

    Raises
    ------
    ValueError : a label that is no class; names the row.
    """
    classes = None if names is None else tuple(map(str, names))
    if labels.dtype.kind not in "biuf":
        return _named(labels, classes)
    known = ~np.isnan(labels) if labels.dtype.kind == "f" else np.ones(len(labels), dtype=bool)
    if not known.any():
        raise ValueError("no row has a label")
    y = np.zeros(len(labels), dtype=np.int64)
    y[known] = _whole(labels, known, classes)
    if classes is None and y.max() > len(labels):
        raise ValueError(f"a label is {y.max()}, although there are only {len(labels)} rows; give the class names")
    return y, classes or tuple(str(c) for c in range(int(y.max()) + 1)), known


def _whole(labels: NDArray[Any], known: NDArray[np.bool_], classes: tuple[str, ...] | None) -> NDArray[np.int64]:
    values = labels[known].astype(np.float64)
    most = len(classes) if classes else 2**31
    wrong = np.flatnonzero((values != np.round(values)) | (values < 0) | (values >= most))
    if len(wrong):
        row = int(np.flatnonzero(known)[wrong[0]])
        legal = "integers from 0; np.unique(y, return_inverse=True) makes them"
        if classes:
            legal = f"integers from 0 to {len(classes) - 1}, as the classes are {', '.join(classes)}"
        raise ValueError(f"the label of row {row} is {labels[row]}, but labels must be {legal}")
    return values.astype(np.int64)


def _named(labels: NDArray[Any], classes: tuple[str, ...] | None) -> Labels:
    missing = np.asarray(pd.isna(labels)) | np.asarray([is_missing(str(v)) for v in labels], dtype=bool)
    names = np.asarray(["" if gone else str(v) for v, gone in zip(labels, missing, strict=True)], dtype=object)
    if missing.all():
        raise ValueError("no row has a label")
    classes = tuple(sorted(set(names[~missing].tolist()))) if classes is None else classes
    index = {name: number for number, name in enumerate(classes)}
    wrong = next((row for row, name in enumerate(names) if not missing[row] and name not in index), None)
    if wrong is not None:
        raise ValueError(f"row {wrong}: {unknown('class', names[wrong], classes)}")
    return np.asarray([index.get(name, 0) for name in names], dtype=np.int64), classes, ~missing
