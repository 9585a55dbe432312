"""Windows in a NumPy `.npz` file, without pickles."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimcap._files import replacing
from trimcap.data.arrays import npz_fields
from trimcap.data.arrays.layout import INFO, Layout, merged, plain_column
from trimcap.data.foreign.npz import npz_arrays
from trimcap.data.libraries.objects import from_arrays
from trimcap.data.rows.finite import not_finite
from trimcap.data.rows.lazy import pieces
from trimcap.data.windows import COLUMNS, Windows

_REQUIRED = ("X", "y", "channels", "rate", "subject")
_GROUPS = ("subject", "session", "trial")
_EXTRA = "metadata_"


def write_npz(windows: Windows, path: Path | str) -> Path:
    """Write windows to a `.npz` file that `read_npz` gives back bit for bit.

    The file holds plain arrays: X, y, channels, rate, classes, duration, unit, steps, one array per metadata
    column (subject, session, trial, start; further columns as `metadata_NAME`). It appears whole or not at
    all.

    Raises
    ------
    ValueError : a metadata column of Python objects.
    OSError : the folder can't be written.
    """
    arrays: dict[str, NDArray[Any]] = {
        "X": windows.X,
        "y": windows.y,
        "channels": np.asarray(windows.channels, dtype=np.str_),
        "rate": np.asarray(windows.rate),
        "classes": np.asarray(windows.classes, dtype=np.str_),
        "duration": np.asarray(windows.duration),
        "unit": np.asarray(windows.unit),
        "steps": np.asarray(windows.steps, dtype=np.str_),
    }
    for column in windows.metadata.columns:
        arrays[column if column in COLUMNS else f"{_EXTRA}{column}"] = plain_column(windows.metadata[column])
    with replacing(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                _write(entry, array)
    return Path(path)


def read_npz(path: Path | str) -> Windows:
    """Read windows from a `.npz` file, by `write_npz` or by hand.

    Parameters
    ----------
    path : a file with the arrays X (n, n_channels, n_times) in µV, y (n,), channels, rate (Hz) and subject;
        if present also session, trial, start (s) and classes, as in `from_arrays`. A file of `write_npz` may
        hold features of any layout. Pickled objects are refused.

    Raises
    ------
    FileNotFoundError : no such file.
    ValueError : not an `.npz` file, truncated, pickled, an array missing, or its content refused by
        `from_arrays`.
    """
    path = Path(path)
    arrays = _arrays(path, _REQUIRED)
    try:
        return _windows(arrays)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def read_archive(path: Path, given: Mapping[str, Any]) -> Layout:
    """The arrays of an `.npz` file, by `write_npz` or by hand.

    Raises
    ------
    FileNotFoundError : no such file.
    ValueError : no `.npz` file, damaged or pickled; X, y or subject is missing; columns of different lengths.
    """
    arrays = _arrays(path, ("X", "y", "subject"))
    X = arrays["X"]
    table = {name.removeprefix(_EXTRA): arrays[name] for name in arrays if name in COLUMNS or name.startswith(_EXTRA)}
    n = len(X) if X.ndim else 0
    table = {name: values if values.ndim else np.repeat(values, n) for name, values in table.items()}
    wrong = [f"{name} has shape {values.shape}" for name, values in table.items() if values.shape != (n,)]
    if wrong:
        raise ValueError(f"{path}: {wrong[0]}; X has {n} rows, so expected ({n},)")
    return Layout(
        where=str(path),
        read=X.__getitem__,
        shape=X.shape,
        dtype=X.dtype,
        labels=arrays["y"],
        table=pd.DataFrame({name: v if v.dtype.kind in "biuf" else v.tolist() for name, v in table.items()}),
        info=merged({name: arrays[name].tolist() for name in INFO if name in arrays}, given, str(path)),
    )


def _arrays(path: Path, needed: Sequence[str]) -> npz_fields.Arrays:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    arrays = npz_arrays(path)
    missing = [key for key in needed if key not in arrays]
    if missing:
        raise ValueError(f"{path} lacks the arrays {', '.join(missing)}; it has {', '.join(arrays) or 'none'}")
    return arrays


def _windows(arrays: npz_fields.Arrays) -> Windows:
    X, rate, channels = npz_fields.numbers(arrays, "X"), npz_fields.positive(arrays, "rate"), arrays["channels"]
    y = npz_fields.labels(arrays, "y", len(X))
    if X.ndim == 3 and channels.shape != X.shape[1:2]:
        raise ValueError(f"X has shape {X.shape} and channels {channels.shape}; expected one name per channel")
    if "steps" in arrays:
        return _own(arrays, X, y, rate)
    given: dict[str, Any] = {key: npz_fields.groups(arrays, key, len(X)) for key in _GROUPS if key in arrays}
    return from_arrays(
        X, y, channels=npz_fields.names(arrays, "channels"), rate=rate, **given,
        classes=npz_fields.names(arrays, "classes") if "classes" in arrays else None,
        start=npz_fields.starts(arrays, "start", len(X)) if "start" in arrays else None,
    )  # fmt: skip


def _own(arrays: npz_fields.Arrays, X: NDArray[np.float32], y: NDArray[np.int64], rate: float) -> Windows:
    """A file of `write_npz`: any layout of features, already checked when it was made."""
    missing = [key for key in (*COLUMNS, "classes", "duration", "unit") if key not in arrays]
    if missing:
        raise ValueError(f"the arrays {', '.join(missing)} are missing")
    names = npz_fields.names(arrays, "channels")
    if found := not_finite(pieces(X), names if X.ndim == 3 else ()):
        raise ValueError(found)
    npz_fields.starts(arrays, "start", len(X))
    own = [*COLUMNS, *(f"{_EXTRA}{name}" for name in _extra_names(arrays))]
    return Windows(
        X=X,
        y=y,
        metadata=pd.DataFrame({key.removeprefix(_EXTRA): npz_fields.column(arrays, key, len(X)) for key in own}),
        channels=tuple(names),
        rate=rate,
        classes=tuple(npz_fields.names(arrays, "classes")),
        duration=npz_fields.positive(arrays, "duration"),
        unit=npz_fields.text(arrays, "unit"),
        steps=tuple(npz_fields.names(arrays, "steps")),
    )


def _extra_names(arrays: npz_fields.Arrays) -> list[str]:
    names = [key.removeprefix(_EXTRA) for key in arrays if key.startswith(_EXTRA)]
    twice = [name for name in names if name in COLUMNS]
    if twice:
        raise ValueError(f"{_EXTRA}{twice[0]} names a column that is there already")
    return names


def _write(entry: IO[bytes], array: Any) -> None:
    """As np.save, but an array that is not in memory goes through it in pieces."""
    header = {"descr": np.lib.format.dtype_to_descr(array.dtype), "fortran_order": False, "shape": array.shape}
    np.lib.format.write_array_header_1_0(entry, header)
    for piece in pieces(array) if array.ndim else (array,):
        entry.write(np.ascontiguousarray(piece).reshape(-1).view(np.uint8).data)
