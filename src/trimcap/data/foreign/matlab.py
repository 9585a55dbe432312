"""Numbers from MATLAB files, versions 5 and 7.3."""

from __future__ import annotations

import itertools
import math
import struct
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from trimcap.data.foreign import mat5

if TYPE_CHECKING:
    import h5py

#: the most that one variable (or one cell of `read_cells`) takes in memory, bytes; the arrays of a supported set take
#: up to 120 MB
LARGEST = 1 << 28
_HDF5 = b"\x89HDF\r\n\x1a\n"
_ADVICE = "Get the file again from its provider or leave the subject out"
# what SciPy's, HDF5's and our own parsing of arbitrary bytes ends in
_DAMAGE = (
    ValueError, OSError, RuntimeError, LookupError, TypeError, AttributeError, ArithmeticError, MemoryError,
    zlib.error, struct.error,
)  # fmt: skip
#: the types that MATLAB writes into version 7.3
_PLAIN = tuple(np.dtype(f"<{code}") for code in ("f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"))
_MOST_CHUNKS = 100_000
_T = TypeVar("_T")


def mat_shapes(path: Path | str) -> dict[str, tuple[int, ...]]:
    """Name and shape of every variable, without reading the contents.

    Parameters
    ----------
    path : a MATLAB file of version 5 (also called 6 and 7) or 7.3; the latter needs h5py

    Raises
    ------
    FileNotFoundError : no such file.
    ValueError : not a MATLAB file, truncated or damaged; names the file.
    ImportError : version 7.3 without h5py.
    """
    path = _existing(path)
    if _is_hdf5(path):
        return _guarded(path, lambda: _hdf5_shapes(path))
    return _guarded(path, lambda: {v.name: v.shape for v in _variables(path)})


def read_mat(path: Path | str, name: str, *, largest: int = LARGEST) -> Any:
    """One variable of a MATLAB file.

    Parameters
    ----------
    path : MATLAB version 5 or 7.3
    name : of the variable
    largest : refuse bigger arrays, bytes

    Returns
    -------
    An array of numbers in MATLAB's shape. From version 5 also text, a list for a cell array (column by column)
    and a dict for a struct.

    Raises
    ------
    FileNotFoundError, ValueError, ImportError : as `mat_shapes`; also a missing variable, an object, a size that
        the content does not fill, a checksum that does not fit.
    """
    path = _existing(path)
    if _is_hdf5(path):
        return _guarded(path, lambda: _hdf5_array(path, name, largest))
    return _guarded(path, lambda: _v5(path, name, largest))


def read_numbers(path: Path | str, name: str, *, largest: int = LARGEST) -> NDArray[Any]:
    """`read_mat` of a variable that must be an array of numbers."""
    value = read_mat(path, name, largest=largest)
    if not isinstance(value, np.ndarray):
        raise ValueError(f"{path}: variable {name} should be an array of numbers. {_ADVICE}")
    return value


def read_cells(path: Path | str, name: str, field: str, *, largest: int = LARGEST) -> Iterator[Any]:
    """The elements of the cell array `name.field`, one after the other, so that memory holds one (version 5 only).

    FileNotFoundError, ValueError: as `read_mat`.
    """
    path = _existing(path)
    if _is_hdf5(path):
        raise ValueError(f"{path} is of MATLAB version 7.3; save it with -v7, because {name} holds cells")
    with path.open("rb") as file:
        cells = mat5.read_cells(file, _guarded(path, lambda: _variable(path, name)), field, largest=largest)
        done = object()
        while (cell := _guarded(path, lambda: next(cells, done))) is not done:
            yield cell


def cell_count(path: Path | str, name: str, field: str) -> int:
    """How many elements the cell array `name.field` has (version 5 only)."""
    path = _existing(path)

    def count() -> int:
        with path.open("rb") as file:
            return mat5.cell_count(file, _variable(path, name), field)

    return _guarded(path, count)


def read_field(path: Path | str, name: str, field: str, *, largest: int = LARGEST) -> Any:
    """One field of the 1 × 1 struct `name`, as `read_mat` gives it."""
    path = _existing(path)
    if _is_hdf5(path):
        return _guarded(path, lambda: _hdf5_array(path, field, largest, struct=name))

    def field_() -> Any:
        with path.open("rb") as file:
            return mat5.read_field(file, _variable(path, name), field, largest=largest)

    return _guarded(path, field_)


def _guarded(path: Path, work: Callable[[], _T]) -> _T:
    """`work()`; whatever a damaged file makes of it becomes one clear error."""
    try:
        return work()
    except ImportError:
        raise
    except mat5.DamagedError as error:
        raise ValueError(f"{path}: {error}. {_ADVICE}") from None
    except _DAMAGE as error:
        raise ValueError(f"{path} is damaged ({type(error).__name__}: {error}). {_ADVICE}") from error


def _existing(path: Path | str) -> Path:
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    return path


def _is_hdf5(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(520)
    return head.startswith(_HDF5) or head[512:520] == _HDF5


def _variables(path: Path) -> list[mat5.Variable]:
    with path.open("rb") as file:
        found = mat5.variables(file, path.stat().st_size)
    names = [v.name for v in found]
    twice = sorted(n for n, count in Counter(names).items() if count > 1)
    if twice or not found:
        raise mat5.DamagedError(f"it has the variable {twice[0]!r} twice" if twice else "it holds no variables")
    return found


def _variable(path: Path, name: str) -> mat5.Variable:
    found = {v.name: v for v in _variables(path)}
    if name not in found:
        raise mat5.DamagedError(_absent(name, found))
    return found[name]


def _v5(path: Path, name: str, largest: int) -> Any:
    with path.open("rb") as file:
        return mat5.read(file, _variable(path, name), largest=largest)


def _hdf5_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    with _hdf5(path) as file:
        return {name: file[name].shape[::-1] for name in _local(file)}


def _hdf5_array(path: Path, name: str, largest: int, *, struct: str = "") -> NDArray[Any]:
    with _hdf5(path) as whole:
        import h5py  # is there: the file is open

        own = not struct or isinstance(whole.get(struct, getlink=True), h5py.HardLink)
        file = whole[struct] if struct and own else whole
        known = _local(file) if own and isinstance(file, h5py.Group) else []
        if name not in known:
            raise mat5.DamagedError(_absent(name, known))
        data = file[name]
        _check_hdf5(data, name, largest)
        return np.asarray(data[()]).T


def _check_hdf5(data: h5py.Dataset, name: str, largest: int) -> None:
    """Refuse what would fill memory, and what HDF5 would read as zeros or as other numbers without a word."""
    if data.dtype.kind not in "biuf" or data.dtype not in _PLAIN:
        raise mat5.DamagedError(f"variable {name} holds {data.dtype}, not numbers as MATLAB writes them")
    need = data.size * data.dtype.itemsize
    chunk = math.prod(data.chunks or (0,)) * data.dtype.itemsize
    if max(need, chunk) > largest:
        raise mat5.DamagedError(f"variable {name} of shape {data.shape[::-1]} is larger than {largest} bytes")
    if not (data.id.get_storage_size() == need if data.chunks is None else _all_chunks(data, chunk)):
        raise mat5.DamagedError(f"variable {name} lacks a part of its numbers")


def _all_chunks(data: h5py.Dataset, chunk: int) -> bool:
    """Whether every chunk is found where reading looks for it, each in a place of its own; else HDF5 reads zeros."""
    count = math.prod(-(-n // c) for n, c in zip(data.shape, data.chunks, strict=True))
    if count > _MOST_CHUNKS or data.id.get_num_chunks() != count:
        return False
    listed = [data.id.get_chunk_info(i) for i in range(count)]
    if any(info.filter_mask or info.size > 2 * chunk + 1024 for info in listed):
        return False
    for corner in itertools.product(*(range(0, n, c) for n, c in zip(data.shape, data.chunks, strict=True))):
        data.id.read_direct_chunk(corner)  # an error unless it is found as reading finds it
    return all(len({info[i] for info in listed}) == count for i in (0, 2))  # their corners and their bytes


def _local(file: h5py.File) -> list[str]:
    """Names of the datasets that lie in the file itself: links could lead to any file of the machine."""
    import h5py

    names = [n for n in file if isinstance(file.get(n, getlink=True), h5py.HardLink)]
    data = [n for n in names if isinstance(file[n], h5py.Dataset)]
    return [n for n in data if not file[n].is_virtual and not file[n].external]


def _hdf5(path: Path) -> h5py.File:
    try:
        import h5py
    except ImportError as error:
        raise ImportError(
            f"{path} is of MATLAB version 7.3, which needs h5py: pip install 'trimcap[zoo]'; or save it with -v7"
        ) from error
    return h5py.File(path, "r")


def _absent(name: str, known: Any) -> str:
    listed = ", ".join(list(known)[:8]) + (" …" if len(known) > 8 else "")
    return f"it has no variable {name}, only {listed or 'none'}"
