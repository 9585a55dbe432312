"""Windows in a Zarr group (version 2 or 3): arrays X, y and one per metadata column.

Chunks of text are decoded by numcodecs, which believes the number of items that a chunk names: a forged one can ask for
much memory. Numbers are checked before anything is read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimcap.data.arrays.layout import Layout, merged
from trimcap.data.rows.lazy import Index
from trimcap.data.rows.stored import runs

_HEADERS = frozenset({".zarray", ".zattrs", ".zgroup", ".zmetadata", "zarr.json"})

#: no recording is compressed better than this
_MOST_SQUEEZED = 1000


def is_zarr(path: Path) -> bool:
    """Whether a folder is a Zarr store."""
    return path.is_dir() and any((path / name).is_file() for name in (".zgroup", ".zarray", "zarr.json"))


@dataclass(frozen=True)
class ZarrRows:
    """A function that reads rows of the array X of a group."""

    path: Path

    def __call__(self, index: Index) -> NDArray[Any]:
        """The rows, in the order of `index`.

        Raises
        ------
        ValueError : a chunk is damaged or gone.
        """
        with _named(self.path):
            array = _array(self.path)
            if not len(index):
                return np.empty((0, *array.shape[1:]), dtype=array.dtype)
            if len(runs(index)) == 1:
                return np.asarray(array[int(index[0]) : int(index[-1]) + 1])
            rows, place = np.unique(index, return_inverse=True)
            return np.asarray(array.get_orthogonal_selection((rows,)))[place]


def read_zarr(path: Path, given: Mapping[str, Any]) -> Layout:
    """The arrays of a group; X is read later. Columns and info may also be attributes of the group.

    Raises
    ------
    ImportError : zarr is missing.
    ValueError : no group with X and y; chunks are missing; names the place.
    """
    with _named(path):
        group = _zarr().open_group(str(path), mode="r")
        # not the group's own list: its tasks go on complaining of one damaged member after it was refused
        names = sorted(child.name for child in path.iterdir() if is_zarr(child) and not (child / ".zgroup").exists())
        attributes = dict(group.attrs)
        missing = [name for name in ("X", "y") if name not in names]
        if missing:
            raise ValueError(f"{path} has no array {' or '.join(missing)}; its arrays are {', '.join(names) or 'none'}")
        X = group["X"]
        _check_chunks(path, X)
        n = int(X.shape[0])
        columns = [name for name in names if name not in ("X", "y") and tuple(group[name].shape) == (n,)]
        if tuple(group["y"].shape) != (n,):
            raise ValueError(f"{path}: y has shape {tuple(group['y'].shape)}; X has {n} rows, so expected ({n},)")
        table = {name: np.asarray(group[name][:]) for name in columns}
        labels = np.asarray(group["y"][:])
    for name in [name for name, value in attributes.items() if isinstance(value, list) and len(value) == n]:
        if name not in ("channels", "classes", "steps"):
            table[name] = np.asarray(attributes.pop(name))
    return Layout(
        where=str(path),
        read=ZarrRows(path),
        shape=tuple(int(size) for size in X.shape),
        dtype=np.dtype(X.dtype),
        labels=labels,
        table=pd.DataFrame({name: _texts(values) for name, values in table.items()}, index=range(n)),
        info=merged(attributes, given, str(path)),
    )


def _check_chunks(path: Path, array: Any) -> None:
    """A chunk that is not there would read as zeros; more chunks than files are a damaged or forged header."""
    sizes = getattr(array, "shards", None) or array.chunks
    expected = math.prod(math.ceil(n / size) for n, size in zip(array.shape, sizes, strict=True))
    files = [f.stat().st_size for f in (path / "X").rglob("*") if f.is_file() and f.name not in _HEADERS]
    promised = math.prod(array.shape) * array.dtype.itemsize
    if len(files) < expected or promised > _MOST_SQUEEZED * sum(files):
        raise ValueError(
            f"{path}: X has shape {tuple(array.shape)} in {expected:,} chunks, but there are {len(files):,} chunks of "
            f"{sum(files):,} bytes; copy it again"
        )


def _texts(values: NDArray[Any]) -> Any:
    return values if values.dtype.kind in "biuf" else [str(value) for value in values]


@lru_cache(maxsize=8)
def _array(path: Path) -> Any:
    return _zarr().open_group(str(path), mode="r")["X"]


def _zarr() -> Any:
    try:
        import zarr
    except ImportError as error:
        raise ImportError("Zarr groups need zarr: pip install 'trimcap[arrays]'") from error
    return zarr


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Errors of zarr and its codecs become a ValueError that names the place."""
    try:
        yield
    except (ImportError, FileNotFoundError):
        raise
    except Exception as error:  # codecs raise whatever they like on damaged chunks
        text = str(error)
        raise ValueError(text if text.startswith(str(path)) else f"{path} can't be read as Zarr ({text})") from error
