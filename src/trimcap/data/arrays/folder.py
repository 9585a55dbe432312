"""Windows as a folder: X.npy, y.npy, metadata.csv (or .parquet) and info.json."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from trimcap._csv import read_csv
from trimcap.data.arrays.layout import Layout, merged, read_info
from trimcap.data.arrays.parquet import read_columns
from trimcap.data.rows.stored import StoredRows, digest_of, open_npy, read_npy

#: columns that stay text, whatever they look like
_TEXT = ("subject", "session", "trial", "stimulus", "recording", "label")


def read_folder(folder: Path, given: Mapping[str, Any]) -> Layout:
    """The arrays of a folder; of X only the header is read.

    Raises
    ------
    FileNotFoundError : a file is missing. ValueError : a file is damaged; names it.
    """
    stored = open_npy(folder / "X.npy")
    table = read_table(folder)
    if (folder / "y.npy").exists():
        labels = read_npy(folder / "y.npy")
    elif "label" in table:
        labels = table.pop("label").to_numpy(dtype=object)
    else:
        raise FileNotFoundError(f"{folder} holds neither y.npy nor a column label in its metadata")
    return Layout(
        where=str(folder),
        read=stored,
        shape=stored.shape,
        dtype=np.dtype(stored.kind),
        labels=labels,
        table=table,
        info=merged(read_info(folder / "info.json"), given, str(folder)),
    )


def check_numbers(layout: Layout) -> None:
    """Compare X.npy with its sha256 in info.json, if both are there.

    Raises
    ------
    ValueError : they differ.
    """
    if isinstance(layout.read, StoredRows) and layout.info.get("sha256", digest := digest_of(layout.read)) != digest:
        raise ValueError(
            f"{layout.read.path} does not hold the numbers that were written (sha256 differs); copy it again"
        )


def read_table(folder: Path) -> pd.DataFrame:
    """The metadata of a folder.

    Raises
    ------
    FileNotFoundError : there are none. ValueError : they can't be read.
    """
    if (folder / "metadata.parquet").exists():
        return read_columns(folder / "metadata.parquet")
    path = folder / "metadata.csv"
    if not path.exists():
        raise FileNotFoundError(
            f"{folder} lacks metadata.csv (or .parquet) with the columns subject, session, trial, start"
        )
    try:
        text = read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (ValueError, OSError) as error:  # pandas' errors of parsing and UnicodeDecodeError are ValueErrors
        raise ValueError(f"{path} can't be read as CSV in UTF-8 ({error})") from error
    return pd.DataFrame({name: text[name] if name in _TEXT else _numbers(text[name]) for name in text.columns})


def _numbers(column: pd.Series[Any]) -> pd.Series[Any]:
    """A column of text as numbers, if all of it is; an empty cell is no number."""
    numbers = pd.to_numeric(column, errors="coerce")
    return column if numbers.isna().any() else numbers
