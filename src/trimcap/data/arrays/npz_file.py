"""Windows in one `.npz` file, which is read at once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimcap.data.arrays.layout import INFO, Layout, merged
from trimcap.data.foreign.npz_arrays import npz_arrays
from trimcap.data.rows.lazy import Index
from trimcap.data.windows import COLUMNS

_EXTRA = "metadata_"


def read_archive(path: Path, given: Mapping[str, Any]) -> Layout:
    """The arrays of an `.npz` file, by `write_npz` or by hand.

    Raises
    ------
    FileNotFoundError : no such file.
    ValueError : no `.npz` file, damaged or pickled; X, y or subject is missing; columns of different lengths.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    arrays = npz_arrays(path)
    missing = [name for name in ("X", "y", "subject") if name not in arrays]
    if missing:
        raise ValueError(f"{path} lacks the arrays {', '.join(missing)}; it has {', '.join(arrays) or 'none'}")
    X = arrays["X"]
    table = {name.removeprefix(_EXTRA): arrays[name] for name in arrays if name in COLUMNS or name.startswith(_EXTRA)}
    n = len(X) if X.ndim else 0
    table = {name: values if values.ndim else np.repeat(values, n) for name, values in table.items()}
    wrong = [f"{name} has shape {values.shape}" for name, values in table.items() if values.shape != (n,)]
    if wrong:
        raise ValueError(f"{path}: {wrong[0]}; X has {n} rows, so expected ({n},)")
    return Layout(
        where=str(path),
        read=partial(_rows, X),
        shape=X.shape,
        dtype=X.dtype,
        labels=arrays["y"],
        table=pd.DataFrame({name: v if v.dtype.kind in "biuf" else v.tolist() for name, v in table.items()}),
        info=merged({name: arrays[name].tolist() for name in INFO if name in arrays}, given, str(path)),
    )


def _rows(X: NDArray[Any], index: Index) -> NDArray[Any]:
    return X[index]
