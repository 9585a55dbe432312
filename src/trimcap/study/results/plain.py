"""Facts as JSON and rows as CSV, and back."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from trimcap._csv import csv_text, read_csv
from trimcap._files import write_atomic

#: columns of text; all others are numbers
_WORDS = ("stage", "subject", "fold_name", "method", "verified", "sha256", "weakest_layer")


def to_plain(value: Any) -> Any:
    """JSON-able copy: NumPy scalars and arrays become numbers and lists, NaN and infinity None."""
    if isinstance(value, Mapping):
        return {str(k): to_plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return to_plain(value.tolist())
    if isinstance(value, list | tuple):
        return [to_plain(v) for v in value]
    if isinstance(value, np.generic):
        return to_plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def write_csv(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Rows as CSV, atomically; columns in order of first appearance."""
    write_atomic(path, as_csv(rows))


def read_table(text: str) -> pd.DataFrame:
    """Results or subjects from the text of their CSV: words stay words, an empty cell is a missing number."""
    numbers = {c: [""] for c in read_csv(io.StringIO(text), nrows=0).columns if c not in _WORDS}
    # a subject may be called "NA" or "007"
    words = {"stage": str, "subject": str}
    return read_csv(io.StringIO(text), dtype=words, keep_default_na=False, na_values=numbers)


def as_csv(rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows as CSV; columns in order of first appearance."""
    return csv_text(pd.DataFrame(list(rows)))
