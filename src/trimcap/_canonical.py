"""Values that mean the same as the same JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np


def plain(value: Any, where: str) -> Any:
    """An immutable copy of a value that JSON can hold exactly."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{where} is {value}; it must be a finite number")
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise ValueError(f"{where}: the keys of a mapping must be text")
        return MappingProxyType({key: plain(item, where) for key, item in value.items()})
    if isinstance(value, list | tuple | np.ndarray):
        return tuple(plain(item, where) for item in value)
    raise ValueError(f"{where} is a {type(value).__name__}; only numbers, text, lists and mappings can be hashed")


def canonical_json(value: Any) -> Any:
    """Mappings as lists of pairs: the order of bands is the order of features, so it must count."""
    if isinstance(value, Mapping):
        return {"pairs": [[key, canonical_json(item)] for key, item in value.items()]}
    return [canonical_json(item) for item in value] if isinstance(value, tuple) else value


def thaw(value: Any) -> Any:
    """A value of `plain` as dicts and tuples."""
    if isinstance(value, Mapping):
        return {key: thaw(item) for key, item in value.items()}
    return tuple(thaw(item) for item in value) if isinstance(value, tuple) else value
