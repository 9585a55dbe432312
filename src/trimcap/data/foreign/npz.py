"""The arrays of an `.npz` file, their sizes compared before anything is set aside for them.

`numpy.load` sets aside what a header declares, and unpacks a member whatever it grows to; a file of a few kilobytes
can ask for all memory.
"""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

#: EEG shrinks to a half at best, maps of electrodes to a tenth; a bomb to a thousandth
_LARGEST_RATIO, _ALWAYS = 100, 1 << 28
_CHUNK = 1 << 20
#: bytes of the record at the end of an archive
_END = 22
_LONGEST_MESSAGE = 200


def npz_arrays(path: Path, *, largest: int | None = None) -> dict[str, NDArray[Any]]:
    """All arrays of numbers and text in an `.npz` file.

    Parameters
    ----------
    path : as `numpy.savez` and `numpy.savez_compressed` write it
    largest : what they may have together, bytes; default: 256 MiB, or a hundred times the size of the file

    Raises
    ------
    ValueError : no `.npz` file; truncated or damaged; Python objects; more than `largest`. Names the file.
    """
    try:
        with path.open("rb") as file:
            if file.read(6) == b"\x93NUMPY":
                raise ValueError("it is a single .npy array")
            with zipfile.ZipFile(file) as archive:
                _check_count(file, len(archive.infolist()))
                return _members(archive, largest or max(_ALWAYS, _LARGEST_RATIO * path.stat().st_size))
    except Exception as error:  # a damaged archive fails in any way zipfile and NumPy can
        why = str(error)[:_LONGEST_MESSAGE] or type(error).__name__
        raise ValueError(
            f"{path} can't be read as .npz ({why}); get it again, or write it again with write_npz or np.savez"
        ) from error


def npz_bytes(path: Path, *names: str, largest: int) -> list[bytes]:
    """What lies in an `.npz` file as one string of bytes each, such as the pickles of SEED-V.

    ValueError: as `npz_arrays`; no such array, or not one string. Names the file.
    """
    arrays = npz_arrays(path, largest=largest)
    for name in names:
        if name not in arrays:
            raise ValueError(f"{path} holds no array {name}; it has {', '.join(arrays) or 'none'}")
        if arrays[name].dtype.kind != "S" or arrays[name].size != 1:
            found = f"{arrays[name].dtype} of shape {arrays[name].shape}"
            raise ValueError(f"{path}: {name} should be one string of bytes and is {found}")
    return [arrays[name].tobytes() for name in names]  # not item(), which drops zeros at the end


def _check_count(file: IO[bytes], found: int) -> None:
    """The end of the archive says how many members it has; a damaged list of them may hide some."""
    file.seek(-_END, 2)
    end = file.read()
    count = int.from_bytes(end[10:12], "little")
    if not end.startswith(b"PK\x05\x06") or count not in (found, 0xFFFF):
        raise ValueError(f"its list of arrays is damaged: {found} of {count} are found")


def _members(archive: zipfile.ZipFile, largest: int) -> dict[str, NDArray[Any]]:
    entries = archive.infolist()
    # a name with a flipped bit would be a column that is silently gone: names have no checksum of their own
    other = [entry.filename for entry in entries if not entry.filename.endswith(".npy")]
    if other:
        raise ValueError(f"it holds {other[0][:80]!r}, which is no array")
    total = sum(entry.file_size for entry in entries)
    if total > largest:
        raise ValueError(f"it unpacks to {total} bytes, more than the {largest} that it may have")
    arrays: dict[str, NDArray[Any]] = {}
    for entry in entries:
        name = entry.filename.removesuffix(".npy")
        if name in arrays:
            raise ValueError(f"the array {name} is there twice")
        with archive.open(entry) as file:
            arrays[name] = _array(file, entry.file_size, name)
    return arrays


def _array(file: IO[bytes], size: int, name: str) -> NDArray[Any]:
    version = np.lib.format.read_magic(file)
    # version 3 is version 2 for names of columns, which plain arrays do not have
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if read is None:
        raise ValueError(f"{name} is of .npy version {version}")
    shape, fortran, dtype = read(file)
    if dtype.hasobject:
        raise ValueError("it holds pickled objects, which could run code")
    if dtype.kind not in "biufcSU":
        raise ValueError(f"{name} is of type {dtype}")
    need, left = math.prod(shape) * dtype.itemsize, size - file.tell()
    if min(shape, default=0) < 0 or need != left:
        raise ValueError(f"{name} of shape {shape} and type {dtype} needs {need} bytes and has {left}")
    array = np.empty(shape, dtype=dtype, order="F" if fortran else "C")
    _fill(file, array.reshape(-1, order="A").view(np.uint8) if need else np.empty(0, np.uint8))
    return array


def _fill(file: IO[bytes], target: NDArray[np.uint8]) -> None:
    """Read to the end, where the archive compares its checksum."""
    at = 0
    while part := file.read(_CHUNK):
        target[at : at + len(part)] = np.frombuffer(part, dtype=np.uint8)
        at += len(part)
    if at != len(target):
        raise ValueError(f"it ends {len(target) - at} bytes too early")
