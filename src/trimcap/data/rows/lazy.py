"""Arrays whose rows are read when they are asked for, so that windows may be larger than memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, cast

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import DTypeLike, NDArray

Block = NDArray[np.float32]
Index = NDArray[np.int64]

#: a selection of rows up to this size is read at once, bytes
AT_ONCE = 64 * 2**20
#: what is read in one piece when all rows are needed, bytes
_PIECE = 32 * 2**20


class LazyArray(NDArrayOperatorsMixin):
    """A float32 array (n, …) that is not in memory.

    Indexing reads the rows it names: `X[7]`, `X[10:20]`, `X[[5, 3]]`, `X[:100, 2]` are NumPy arrays. `shape`, `dtype`,
    `len(X)` and `select` read nothing. Everything else that arrays can do, `np.asarray(X)`, `X.mean()` or `X - 1`,
    works but first reads all rows into memory; go through `pieces(X)` instead.

    Parameters
    ----------
    read : row numbers (k,) int64, in any order → float32 array (k, …); a function of a module, or
        `functools.partial` of one, so that the array can be sent to other processes
    shape : (n, …)
    rows : the array consists of these rows of what is read; None for all
    """

    dtype = np.dtype(np.float32)

    def __init__(self, read: Callable[[Index], Block], shape: tuple[int, ...], *, rows: Index | None = None) -> None:
        self._read, self._rows = read, rows
        self._total = shape[0]
        self.shape = shape if rows is None else (len(rows), *shape[1:])

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"LazyArray({'×'.join(map(str, self.shape))} float32, {self.nbytes / 1e6:.1f} MB, not in memory)"

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """Bytes it would take in memory."""
        return self.size * 4

    def select(self, rows: Index) -> LazyArray:
        """The given rows, in that order, without reading them."""
        index = np.arange(len(self))[rows]
        return LazyArray(
            self._read, (self._total, *self.shape[1:]), rows=index if self._rows is None else self._rows[index]
        )

    def __getitem__(self, key: Any) -> Any:
        first, *rest = key or (Ellipsis,) if isinstance(key, tuple) else (key,)
        if first is None or first is Ellipsis:
            return np.asarray(self)[key]
        if isinstance(first, int | np.integer):
            return self._gather(np.arange(len(self))[[int(first)]])[0][tuple(rest)]
        if not rest:
            index = np.arange(len(self))[first]
            return self._gather(index.reshape(-1)).reshape(*index.shape, *self.shape[1:])
        if not isinstance(first, slice):
            return np.asarray(self)[key]
        index = np.arange(len(self))[first]
        parts = [self._gather(part)[(slice(None), *rest)] for part in self._split(index)]
        return np.concatenate(parts) if parts else np.empty((0, *self.shape[1:]), np.float32)[(slice(None), *rest)]

    def __iter__(self) -> Iterator[Block]:
        return (row for piece in pieces(cast("Block", self)) for row in piece)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("an array that is not in memory can't be had without a copy")
        return self._gather(np.arange(len(self))).astype(dtype or self.dtype, copy=False)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        loaded = (np.asarray(value) if isinstance(value, LazyArray) else value for value in inputs)
        return getattr(ufunc, method)(*loaded, **options)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(np.ndarray, name):
            raise AttributeError(f"'LazyArray' has no {name!r}")
        return getattr(np.asarray(self), name)

    def _gather(self, index: Index) -> Block:
        parts = self._split(index)
        if len(parts) <= 1:
            return self._fetch(index)
        out = np.empty((len(index), *self.shape[1:]), dtype=np.float32)
        done = 0
        for part in parts:
            out[done : done + len(part)] = self._fetch(part)
            done += len(part)
        return out

    def _fetch(self, index: Index) -> Block:
        block = self._read(index if self._rows is None else self._rows[index])
        return np.ascontiguousarray(block, dtype=np.float32)

    def _split(self, index: Index) -> list[Index]:
        rows = rows_in(_PIECE, cast("Block", self))
        return [index[first : first + rows] for first in range(0, len(index), rows)]


def as_lazy(X: object) -> LazyArray | None:
    """`X` itself if it is lazy, else None."""
    return X if isinstance(X, LazyArray) else None


def lazy(X: NDArray[np.float32]) -> NDArray[np.float32]:
    """`X` such that selecting rows copies nothing; the result shares its memory or its file."""
    return X if as_lazy(X) is not None else _array(partial(_rows, X), X.shape)


def lazy_array(read: Callable[[Index], Block], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """A `LazyArray` with the type of the arrays that it stands for."""
    return _array(read, shape)


def select(X: NDArray[np.float32], rows: Index) -> NDArray[np.float32]:
    """Rows of `X`: a copy; but a lazy array if `X` is one or lies in a file, and the copy would exceed `AT_ONCE`."""
    if len(rows) * row_bytes(X) <= AT_ONCE or not (as_lazy(X) is not None or in_file(X)):
        return X[rows]
    return cast("NDArray[np.float32]", cast("LazyArray", lazy(X)).select(rows))


def outside(X: NDArray[np.float32]) -> LazyArray | None:
    """`X` as a lazy array if it is one or lies in a file, and is larger than `AT_ONCE`; else None."""
    large = len(X) * row_bytes(X) > AT_ONCE and (as_lazy(X) is not None or in_file(X))
    return as_lazy(lazy(X)) if large else None


def pick(X: NDArray[np.float32], columns: list[int]) -> NDArray[np.float32]:
    """`X[:, columns]`, contiguous; lazy if `X` is."""
    if as_lazy(X) is None:
        return np.ascontiguousarray(X[:, columns])
    return _array(partial(_picked, X, columns), (len(X), len(columns), *X.shape[2:]))


def contiguous(X: NDArray[Any]) -> NDArray[np.float32]:
    """`X` as float32 in C order; a lazy array is so already."""
    return X if as_lazy(X) is not None else np.ascontiguousarray(X, dtype=np.float32)


def pieces(X: NDArray[np.float32], *, rows: int | None = None) -> Iterator[NDArray[np.float32]]:
    """All of `X` in order, so many rows at a time (default: 32 MiB of them): views, or what is read of a lazy array."""
    step = rows_in(_PIECE, X) if rows is None else rows
    return (X[first : first + step] for first in range(0, len(X), step))


def in_file(X: object) -> bool:
    """Whether an array in memory is a mapped file, or a view of one."""
    while isinstance(X, np.ndarray):
        if isinstance(X, np.memmap):
            return True
        X = X.base
    return False


def row_bytes(X: NDArray[np.float32]) -> int:
    """Bytes of one row."""
    return int(np.prod(X.shape[1:], dtype=np.int64)) * 4


def rows_in(size: int, X: NDArray[np.float32]) -> int:
    """How many rows fit into `size` bytes, at least one."""
    return max(1, size // max(1, row_bytes(X)))


def _array(read: Callable[[Index], Block], shape: tuple[int, ...]) -> NDArray[np.float32]:
    return cast("NDArray[np.float32]", LazyArray(read, shape))


def _rows(X: NDArray[np.float32], index: Index) -> Block:
    return X[index]


def _picked(X: NDArray[np.float32], columns: list[int], index: Index) -> Block:
    return X[index][:, columns]
