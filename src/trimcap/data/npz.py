"""Windows in a NumPy `.npz` file, without pickles."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimcap._files import write_atomic
from trimcap.data.readers import from_arrays
from trimcap.data.windows import COLUMNS, Windows

_REQUIRED = ("X", "y", "channels", "rate", "subject")
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
        arrays[column if column in COLUMNS else f"{_EXTRA}{column}"] = _plain(windows.metadata[column])
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return write_atomic(path, buffer.getvalue())


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
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    arrays = _load(path)
    missing = [key for key in _REQUIRED if key not in arrays]
    if missing:
        raise ValueError(f"{path} lacks the arrays {', '.join(missing)}; it has {', '.join(arrays) or 'none'}")
    try:
        return _windows(arrays)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _load(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("it is a single .npy array")
            return {key: archive[key] for key in archive.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        why = "it holds pickled objects, which could run code" if "allow_pickle" in str(error) else str(error)
        raise ValueError(f"{path} can't be read as .npz ({why}); write it again with write_npz or np.savez") from error


def _windows(arrays: Mapping[str, NDArray[Any]]) -> Windows:
    if "steps" not in arrays:
        return from_arrays(
            arrays["X"],
            arrays["y"],
            channels=arrays["channels"].tolist(),
            rate=float(arrays["rate"]),
            **{key: _names(arrays[key]) for key in ("subject", "session", "trial", "classes") if key in arrays},
            start=arrays.get("start"),
        )
    return _own(arrays)


def _own(arrays: Mapping[str, NDArray[Any]]) -> Windows:
    """A file of `write_npz`: any layout of features, already checked when it was made."""
    missing = [key for key in (*COLUMNS, "classes", "duration", "unit") if key not in arrays]
    if missing:
        raise ValueError(f"the arrays {', '.join(missing)} are missing")
    if not np.isfinite(arrays["X"]).all():
        raise ValueError("X holds NaN or infinity")
    columns = {key: arrays[key] for key in COLUMNS}
    columns |= {key.removeprefix(_EXTRA): arrays[key] for key in arrays if key.startswith(_EXTRA)}
    return Windows(
        X=arrays["X"].astype(np.float32, copy=False),
        y=arrays["y"].astype(np.int64, copy=False),
        metadata=pd.DataFrame(
            {key: value.tolist() if value.dtype.kind == "U" else value for key, value in columns.items()}
        ),
        channels=tuple(arrays["channels"].tolist()),
        rate=float(arrays["rate"]),
        classes=tuple(arrays["classes"].tolist()),
        duration=float(arrays["duration"]),
        unit=str(arrays["unit"]),
        steps=tuple(arrays["steps"].tolist()),
    )


def _names(array: NDArray[Any]) -> Any:
    return str(array) if array.ndim == 0 else [str(v) for v in array]


def _plain(column: pd.Series[Any]) -> NDArray[Any]:
    values = column.to_numpy()
    if values.dtype.kind in "biuf":
        return values
    if not all(isinstance(v, str) for v in values):
        raise ValueError(f"metadata column {column.name!r} holds Python objects; turn it into text or numbers first")
    return np.asarray(values.tolist(), dtype=np.str_)
