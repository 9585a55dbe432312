"""Windows in a Zarr group (version 2 or 3): arrays X, y and one per metadata column; the info is its attributes.

Chunks of text are decoded by numcodecs, which believes the number of items that a chunk names: a forged one can ask for
much memory. Numbers are checked before anything is read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimcap.data.arrays.layout import Layout, foreign, merged
from trimcap.data.rows.lazy import Index
from trimcap.data.rows.stored import runs

_HEADERS = frozenset({".zarray", ".zattrs", ".zgroup", ".zmetadata", "zarr.json"})
#: no recording is compressed better than this
_MOST_SQUEEZED = 1000


def is_zarr(path: Path) -> bool:
    """Whether a folder is a Zarr store."""
    return path.is_dir() and any((path / name).is_file() for name in (".zgroup", ".zarray", "zarr.json"))


def read_zarr(path: Path, given: Mapping[str, Any]) -> Layout:
    """The arrays of a group; X is read later."""
    with foreign(path, "Zarr", "zarr"):
        group = _group(path)
        # not the group's own list: its tasks go on complaining of one damaged member after it was refused
        names = sorted(child.name for child in path.iterdir() if is_zarr(child) and not (child / ".zgroup").exists())
        missing = [name for name in ("X", "y") if name not in names]
        if missing:
            raise ValueError(f"{path} has no array {' or '.join(missing)}; its arrays are {', '.join(names) or 'none'}")
        X = group["X"]
        _check_chunks(path, X)
        shape = tuple(int(size) for size in X.shape)
        columns = [name for name in names if name not in ("X", "y") and tuple(group[name].shape) == shape[:1]]
        table = {name: np.asarray(group[name][:]) for name in columns}
        labels, info = np.asarray(group["y"][:]), merged(dict(group.attrs), given, str(path))
    texts = {name: v if v.dtype.kind in "biuf" else list(map(str, v)) for name, v in table.items()}
    lines = pd.DataFrame(texts, index=range(shape[0] if shape else 0))
    return Layout(str(path), partial(_rows, path), shape, np.dtype(X.dtype), labels, lines, info)


def _rows(path: Path, index: Index) -> NDArray[Any]:
    with foreign(path, "Zarr", "zarr"):
        X = _group(path)["X"]
        if len(runs(index)) < 2:
            return np.asarray(X[slice(int(index[0]), int(index[-1]) + 1) if len(index) else slice(0)])
        rows, place = np.unique(index, return_inverse=True)
        return np.asarray(X.get_orthogonal_selection((rows,)))[place]


def _check_chunks(path: Path, array: Any) -> None:
    """A chunk that is not there would read as zeros; more chunks than files are a damaged or forged header."""
    sizes = getattr(array, "shards", None) or array.chunks
    expected = math.prod(math.ceil(n / size) for n, size in zip(array.shape, sizes, strict=True))
    files = [f.stat().st_size for f in (path / "X").rglob("*") if f.is_file() and f.name not in _HEADERS]
    if len(files) < expected or math.prod(array.shape) * array.dtype.itemsize > _MOST_SQUEEZED * sum(files):
        raise ValueError(
            f"{path}: X has shape {tuple(array.shape)} in {expected:,} chunks, but there are {len(files):,} chunks of "
            f"{sum(files):,} bytes; copy it again"
        )


def _group(path: Path) -> Any:
    import zarr

    return zarr.open_group(str(path), mode="r")
