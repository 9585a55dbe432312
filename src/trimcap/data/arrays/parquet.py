"""Windows in a Parquet file: one row per window, X a column of lists."""

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

from trimcap.data.arrays.layout import Layout, foreign, info_from, merged, read_info
from trimcap.data.rows.lazy import Index
from trimcap.data.rows.stored import stamp_of

#: key of the schema's metadata that holds the info, as JSON
_KEY = b"trimcap"
_X = "X"
_LABELS = ("y", "label")
#: bytes of X in a row group beyond which reading one row would take too much memory
_LARGEST_GROUP = 256 * 2**20


@dataclass(frozen=True)
class ParquetRows:
    """A function that reads rows of the column X; a row group is decoded at once and kept for a while.

    Parameters
    ----------
    path : of the file
    starts : number of the first row of each row group, and the number of all rows
    shape : of X
    stamp : size and time of the last change of the file, when it was opened
    """

    path: Path
    starts: tuple[int, ...]
    shape: tuple[int, ...]
    stamp: tuple[int, int]

    def __call__(self, index: Index) -> NDArray[Any]:
        """The rows, in the order of `index`.

        Raises
        ------
        ValueError : the file changed since it was opened, or is damaged.
        """
        if stamp_of(self.path) != self.stamp:
            raise ValueError(f"{self.path} changed while it was in use; open it again")
        groups = np.searchsorted(self.starts, index, side="right") - 1
        out: NDArray[Any] | None = None
        for group in np.unique(groups).tolist():
            here = np.flatnonzero(groups == group)
            rows = _group(self, group)[index[here] - self.starts[group]]
            out = np.empty((len(index), *self.shape[1:]), dtype=rows.dtype) if out is None else out
            out[here] = rows
        return np.empty((0, *self.shape[1:]), dtype=np.float32) if out is None else out


def read_parquet(path: Path, given: Mapping[str, Any]) -> Layout:
    """The arrays of a Parquet file; X is read later.

    Raises
    ------
    FileNotFoundError : no such file.
    ValueError : the file is damaged, or has no column X of lists of numbers; names it.
    """
    with _opened(path) as file:
        schema, total = file.schema_arrow, file.metadata.num_rows
        if _X not in schema.names:
            raise ValueError(
                f"{path} has no column X of windows (columns: {', '.join(schema.names[:8])} …); of a table with "
                "one column per electrode, give each recording to from_arrays, or to Recording and cut"
            )
        info = merged(_info_of(path, schema.metadata or {}), given, str(path))
        groups = [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]
        starts = tuple(int(n) for n in np.concatenate([[0], np.cumsum(groups)]))
        _check_size(path, file.metadata)
        sizes, dtype = _item(path, schema.field(_X).type, file, total)
        table = file.read(columns=[name for name in schema.names if name != _X]).to_pandas()
    column = next((name for name in _LABELS if name in table), None)
    if column is None:
        raise ValueError(f"{path} has no column y or label")
    labels = table.pop(column).to_numpy()
    shape = (total, *_folded(path, sizes, info))
    return Layout(str(path), ParquetRows(path, starts, shape, stamp_of(path)), shape, dtype, labels, table, info)


def read_columns(path: Path) -> pd.DataFrame:
    """A Parquet file of metadata."""
    with _opened(path) as file:
        _check_size(path, file.metadata)
        table: pd.DataFrame = file.read().to_pandas()
    return table


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A `pyarrow.parquet.ParquetFile`."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    with foreign(path, "Parquet", "pyarrow"):
        from pyarrow import parquet

        with parquet.ParquetFile(path, page_checksum_verification=True) as file:
            yield file


def _info_of(path: Path, metadata: Mapping[bytes, bytes]) -> dict[str, Any]:
    """The info in the schema's metadata under "trimcap", or in a JSON file of the same name beside the file."""
    if _KEY not in metadata:
        return read_info(path.with_suffix(".json"))
    return info_from(metadata[_KEY], f"{path}: what the schema's metadata hold under 'trimcap'")


@lru_cache(maxsize=2)
def _group(rows: ParquetRows, group: int) -> NDArray[Any]:
    """X of one row group."""
    with _opened(rows.path) as file:
        column = file.read_row_group(group, columns=[_X]).column(0).combine_chunks()
    flat, sizes = _flattened(rows.path, column)
    n = rows.starts[group + 1] - rows.starts[group]
    if math.prod((n, *sizes)) != math.prod((n, *rows.shape[1:])):
        raise ValueError(f"{rows.path}: windows of row group {group} have {sizes} numbers, others {rows.shape[1:]}")
    return flat.reshape(n, *rows.shape[1:])


def _flattened(path: Path, column: Any) -> tuple[NDArray[Any], tuple[int, ...]]:
    """All numbers of a column of (nested) lists, and the lengths of the lists, which must be equal."""
    import pyarrow as pa

    column = column.chunk(0) if isinstance(column, pa.ChunkedArray) and column.num_chunks == 1 else column
    sizes: list[int] = []
    while (
        pa.types.is_list(column.type) or pa.types.is_large_list(column.type) or pa.types.is_fixed_size_list(column.type)
    ):
        n, values = len(column), column.flatten()
        lengths = column.value_lengths().to_numpy(zero_copy_only=False) if n else np.zeros(1)
        if column.null_count or (lengths != lengths[0]).any():
            raise ValueError(f"{path}: X holds windows of different lengths, or none; all must have the same")
        sizes.append(int(lengths[0]))
        column = values
    if column.null_count:
        raise ValueError(f"{path}: X holds missing numbers")
    return column.to_numpy(zero_copy_only=False), tuple(sizes)


def _item(path: Path, kind: Any, file: Any, total: int) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Lengths of the lists of one window, and the type of its numbers."""
    import pyarrow as pa

    inner = kind
    while pa.types.is_nested(inner) and inner.num_fields == 1:
        inner = inner.field(0).type
    if inner is kind or not (pa.types.is_integer(inner) or pa.types.is_floating(inner)):
        raise ValueError(f"{path}: column X is of type {kind}; expected lists of numbers")
    if not total:
        raise ValueError(f"{path} holds no windows")
    batch = next(file.iter_batches(batch_size=1, columns=[_X]))
    flat, sizes = _flattened(path, batch.column(0))
    return sizes, flat.dtype


def _folded(path: Path, sizes: tuple[int, ...], info: Mapping[str, Any]) -> tuple[int, ...]:
    """Shape of a window: flat lists are rows of channels."""
    n = len(info.get("channels") or ())
    if len(sizes) > 1 or not n:
        return sizes
    if sizes[0] % n:
        raise ValueError(f"{path}: {sizes[0]} numbers per window are no {n} channels of equal length")
    return n, sizes[0] // n


def _check_size(path: Path, metadata: Any) -> None:
    """Refuse files that would unpack to more than they can honestly hold."""
    size = path.stat().st_size
    if metadata.num_rows > size:
        raise ValueError(f"{path} promises {metadata.num_rows:,} rows in {size:,} bytes; it is damaged")
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        if group.total_byte_size > _LARGEST_GROUP:
            raise ValueError(
                f"{path}: row group {number} unpacks to {group.total_byte_size / 2**20:.0f} MiB, too much to read for "
                "one window; write the file with fewer rows per group: "
                "pyarrow.parquet.write_table(…, row_group_size=1000)"
            )
