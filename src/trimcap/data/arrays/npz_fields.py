"""Single fields of a file of windows, refused unless they are what their name says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]

_MOST_CLASSES = _MOST_NAMES = 10_000


def numbers(arrays: Arrays, name: str) -> NDArray[np.float32]:
    """Real numbers as float32; what is beyond its range becomes infinite, which the caller refuses."""
    values = arrays[name]
    if values.dtype.kind not in "iuf" or values.ndim < 2 or not values.size:
        raise ValueError(f"{name} must hold real numbers, (n, …), and is {_of(values)}")
    with np.errstate(over="ignore", invalid="ignore"):
        return values.astype(np.float32, copy=False)


def labels(arrays: Arrays, name: str, n: int) -> NDArray[np.int64]:
    """Labels; a fraction, NaN or a number beyond any class is never cut to one."""
    values = arrays[name]
    if values.shape != (n,) or values.dtype.kind not in "iuf":
        raise ValueError(f"{name} must hold one whole number for each of the {n} windows of X and is {_of(values)}")
    if not ((values >= 0) & (values < _MOST_CLASSES)).all() or (values % 1).any():
        raise ValueError(f"{name} must hold whole numbers from 0 to {_MOST_CLASSES - 1}, the classes")
    return values.astype(np.int64)


def positive(arrays: Arrays, name: str) -> float:
    """One finite number above 0."""
    values = arrays[name]
    if values.size != 1 or values.dtype.kind not in "iuf" or not 0 < float(values.item()) < np.inf:
        raise ValueError(f"{name} must be one positive number and is {_of(values)}")
    return float(values.item())


def text(arrays: Arrays, name: str) -> str:
    """One text."""
    values = arrays[name]
    if values.size != 1 or values.dtype.kind not in "Uiu":
        raise ValueError(f"{name} must be one text and is {_of(values)}")
    return str(values.item())


def names(arrays: Arrays, name: str) -> list[str]:
    """A row of texts, or of whole numbers taken as texts."""
    values = arrays[name]
    empty = values.shape == (0,)  # a list without elements has no type
    if not empty and (values.ndim != 1 or values.dtype.kind not in "Uiu" or len(values) > _MOST_NAMES):
        raise ValueError(f"{name} must be a row of up to {_MOST_NAMES} names and is {_of(values)}")
    return [str(value) for value in values.tolist()]


def column(arrays: Arrays, name: str, n: int) -> NDArray[Any] | list[Any]:
    """One value per window: text as a list, numbers as they are."""
    values = arrays[name]
    if values.shape != (n,) or values.dtype.kind not in "biufU":
        raise ValueError(f"{name} must hold one text or number for each of the {n} windows of X and is {_of(values)}")
    return values.tolist() if values.dtype.kind == "U" else values


def starts(arrays: Arrays, name: str, n: int) -> NDArray[Any]:
    """Seconds, one per window."""
    values = arrays[name]
    if values.shape != (n,) or values.dtype.kind not in "iuf" or not np.isfinite(values).all():
        raise ValueError(f"{name} must hold finite seconds for each of the {n} windows of X and is {_of(values)}")
    return values


def groups(arrays: Arrays, name: str, n: int) -> str | list[str]:
    """One name for all windows, or one for each."""
    values = arrays[name]
    if values.dtype.kind in "Uiu" and values.ndim == 0:
        return str(values.item())
    if values.shape != (n,) or values.dtype.kind not in "Uiu":
        raise ValueError(f"{name} must be one name, or one for each of the {n} windows of X, and is {_of(values)}")
    return [str(value) for value in values.tolist()]


def _of(values: NDArray[Any]) -> str:
    return f"{values.dtype} of shape {values.shape}"
