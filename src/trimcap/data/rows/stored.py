"""Rows of a `.npy` file, read one by one, and written some at a time."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from trimcap.data.rows.lazy import Index

#: no array of windows has more
_MOST_DIMENSIONS = 8
#: bytes before the numbers of a file of `write_npy`, whatever their shape
HEADER = 192


@dataclass(frozen=True)
class StoredRows:
    """A function that reads rows (k, …) of an array in a file.

    The file is not mapped: what was read leaves this process's memory again, and a file that is cut off meanwhile is
    an error, not a crash.

    Parameters
    ----------
    path : of the file
    offset : of the first number, bytes
    shape : of the whole array
    kind : type of the numbers, as in `numpy.dtype.str`
    stamp : size and time of the last change of the file, when it was opened
    """

    path: Path
    offset: int
    shape: tuple[int, ...]
    kind: str
    stamp: tuple[int, int]

    def __call__(self, index: Index) -> NDArray[Any]:
        """The rows, in the order of `index`.

        Raises
        ------
        ValueError : the file is no longer what was opened. OSError : it can't be read.
        """
        rows = np.empty((len(index), *self.shape[1:]), dtype=self.kind)
        target = rows.reshape(-1).view(np.uint8).data
        size = math.prod(self.shape[1:]) * rows.itemsize
        with self.path.open("rb", buffering=0) as file:
            if stamp_of(self.path) != self.stamp:
                raise ValueError(f"{self.path} changed while it was in use; open it again")
            for first, last in runs(index):
                file.seek(self.offset + int(index[first]) * size)
                _read_into(file, target[first * size : last * size], self.path)
        return rows


def open_npy(path: Path | str) -> StoredRows:
    """The array in a `.npy` file; only its header is read.

    Raises
    ------
    FileNotFoundError : no such file.
    ValueError : no `.npy` file; pickled; Fortran order; the header promises more or less than the file holds.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            shape, fortran, dtype = read_header(file)
            offset = file.tell()
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file") from None
    except OSError:
        raise
    except Exception as error:  # NumPy parses the header as Python and fails in any way that can
        raise ValueError(f"{path} can't be read as .npy ({error}); write it again with np.save") from error
    if fortran and len(shape) > 1:
        raise ValueError(f"{path} is in Fortran order, so its rows are scattered; save np.ascontiguousarray(X)")
    there, promised = path.stat().st_size - offset, math.prod(shape) * dtype.itemsize
    if there != promised:
        what = "truncated" if there < promised else "damaged"
        raise ValueError(
            f"{path} is {what}: its header promises {promised:,} bytes for an array of shape {shape}, the file has "
            f"{there:,}; copy it again"
        )
    return StoredRows(path, offset, shape, dtype.str, stamp_of(path))


def digest_of(stored: StoredRows) -> str:
    """SHA-256 of the numbers in the file, as 64 hexadecimal digits."""
    with stored.path.open("rb") as file:
        file.seek(stored.offset)
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_npy(path: Path | str) -> NDArray[Any]:
    """A small array, such as labels, whole; errors as for `open_npy`."""
    stored = open_npy(path)
    return np.fromfile(stored.path, dtype=stored.kind, offset=stored.offset).reshape(stored.shape)


def read_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, Fortran order and type of the `.npy` array that `file` stands at, which is then read up to its numbers.

    Raises
    ------
    ValueError : no such header, or an array of Python objects, records or text.
    """
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"format {version} of .npy is not for numbers")
    reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = reader(file)
    if dtype.hasobject:
        raise ValueError("it holds pickled objects, which could run code")
    if not 0 < len(shape) <= _MOST_DIMENSIONS or any(n < 0 for n in shape):
        raise ValueError(f"its header has the shape {shape}")
    return tuple(int(n) for n in shape), fortran, dtype


@dataclass(frozen=True)
class Written:
    """What `write_npy` wrote: shape of the array, the header's bytes, and the sha256 of its numbers."""

    shape: tuple[int, ...]
    header: bytes
    digest: str


def write_npy(path: Path, blocks: Iterable[NDArray[np.float32]]) -> Written:
    """Rows, some at a time, as one float32 array; none of them is kept, and how many there are is written last."""
    digest, n, shape = hashlib.sha256(), 0, tuple[int, ...]()
    with path.open("wb") as file:
        file.write(bytes(HEADER))
        for block in blocks:
            data = np.ascontiguousarray(block, dtype="<f4").reshape(-1).view(np.uint8).data
            file.write(data)
            digest.update(data)
            n, shape = n + len(block), block.shape[1:]
        header = _npy_header((n, *shape))
        file.seek(0)
        file.write(header)
        flush(file)
    return Written((n, *shape), header, digest.hexdigest())


def flush(file: IO[Any]) -> None:
    """Make what was written survive a power cut."""
    file.flush()
    os.fsync(file.fileno())


def flush_folder(folder: Path) -> None:
    """Make names in a folder survive a power cut, where the system can."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _npy_header(shape: tuple[int, ...]) -> bytes:
    """Header of NumPy's format 1.0, padded to `HEADER` bytes."""
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode("latin1")
    if len(text) > HEADER - 11:
        raise ValueError(f"windows of shape {shape[1:]} have too many dimensions for a file")
    return b"\x93NUMPY\x01\x00" + (HEADER - 10).to_bytes(2, "little") + text.ljust(HEADER - 11) + b"\n"


def runs(index: Index) -> list[tuple[int, int]]:
    """First and last + 1 of each stretch of rows that follow each other."""
    if not len(index):
        return []
    cuts = np.flatnonzero(np.diff(index) != 1) + 1
    edges = [0, *cuts.tolist(), len(index)]
    return list(pairwise(edges))


def _read_into(file: IO[bytes], target: memoryview, path: Path) -> None:
    done = 0
    while done < len(target):
        count = file.readinto(target[done:])  # type: ignore[attr-defined]
        if not count:
            raise ValueError(f"{path} was cut off while it was in use; copy it again")
        done += count


def stamp_of(path: Path) -> tuple[int, int]:
    """Size and time of the last change of a file, which tell that it is still what it was."""
    state = path.stat()
    return state.st_size, state.st_mtime_ns
