"""Pickles of NumPy arrays, read without running anything that they name.

A pickle is a program. Here none of its calls reaches NumPy or the standard library: the four globals that a
pickled array needs (`numpy.ndarray`, `numpy.dtype`, `_reconstruct`, `_codecs.encode`) are replaced by stand-ins
that only note their arguments, and every other global is refused. NumPy's own `__setstate__` is avoided as
well, because a forged dtype state can make it read arbitrary memory.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

#: the largest pickle that is read, bytes; a DEAP subject has 103 MB, or 155 MB as Python 3 writes protocol 2
LARGEST = 200_000_000
#: an array takes about 30; so few keys of a dict can't be made to collide for long
_MOST_OPCODES = 50_000
_LARGEST_NUMBER = 1 << 64
_LONGEST_MESSAGE = 200
_DEEPEST = 16
_DTYPE = re.compile(r"[<>=|]?(?:b1|[iu][1248]|f[248]|c8|c16)")
# What a pickle of arrays and plain containers may consist of. Left out on purpose: extension codes (they skip
# the check of globals), persistent ids, out-of-band buffers, and every way to build an object but REDUCE.
_REFUSED = frozenset(
    {"EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID", "NEXT_BUFFER", "READONLY_BUFFER", "INST", "OBJ", "NEWOBJ"}
    | {"NEWOBJ_EX", "EMPTY_SET", "ADDITEMS", "FROZENSET", "DUP"}
)
_PUT, _GET = frozenset({"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"}), frozenset({"GET", "BINGET", "LONG_BINGET"})
_ADVICE = "Get the published file again, or save its arrays with numpy.save(…, allow_pickle=False)"


def read_pickle(path: Path | str, *, largest: int = LARGEST) -> Any:
    """What a pickle holds: plain containers, numbers, text and numeric NumPy arrays.

    Parameters
    ----------
    path : a pickle of protocol 0 to 5; text of Python 2 is taken as Latin-1
    largest : refuse bigger files, bytes

    Returns
    -------
    dict, list, tuple, str, bytes, int, float, bool, None and NumPy arrays of numbers; the arrays may be
    read-only.

    Raises
    ------
    FileNotFoundError : no such file.
    ValueError : the pickle names anything but an array, is damaged or too big. Nothing it names was run. The
        message names the file and the global.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    size = path.stat().st_size
    if size > largest:
        raise ValueError(f"{path} has {size} bytes, more than the {largest} that a file of this kind may have")
    with path.open("rb") as file:
        return _load(file, size, str(path))


def loads(content: bytes, what: str) -> Any:
    """`read_pickle` of bytes in memory; `what` names them in messages."""
    return _load(io.BytesIO(content), len(content), what)


class _Bounded:
    """A file that is never asked for more bytes than it has left, whatever length the pickle declares.

    It has no `readinto`, so the unpickler can't set aside a declared length before the bytes are there.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file, self.size = file, size

    def read(self, n: int) -> bytes:
        return self.file.read(min(n, self.size - self.file.tell()))

    def readline(self) -> bytes:
        return self.file.readline(self.size)

    def tell(self) -> int:
        return self.file.tell()


def _load(file: BinaryIO, size: int, what: str) -> Any:
    try:
        _scan(_Bounded(file, size))
        file.seek(0)
        return _plain(_Unpickler(_Bounded(file, size), size).load())
    except _RefusedError as error:
        raise ValueError(f"{what}: {error}. {_ADVICE}") from None
    except Exception as error:  # a damaged pickle fails in any way the machine of opcodes can
        why = f"{type(error).__name__}: {str(error)[:_LONGEST_MESSAGE]}"
        raise ValueError(f"{what} is not a whole pickle ({why}). {_ADVICE}") from error


class _RefusedError(Exception):
    """The pickle is whole but holds what is not wanted."""


def _scan(file: _Bounded) -> None:
    """Walk over the opcodes without executing them: refuse what no array needs and what would fill memory."""
    tuples: set[int] = set()  # memo numbers of tuples
    before, memos = "", 0
    for count, (opcode, argument, _) in enumerate(pickletools.genops(file), start=1):  # type: ignore[arg-type]
        _check_opcode(opcode.name, argument, count)
        if opcode.name in _PUT:
            if "TUPLE" in before:
                tuples.add(memos if opcode.name == "MEMOIZE" else int(str(argument)))
            memos += 1
        # tuples of tuples that share their parts take for ever to hash when they become the key of a dict
        if opcode.name in _GET and int(str(argument)) in tuples:
            raise _RefusedError("the pickle uses one tuple twice, which arrays do not need")
        before = opcode.name


def _check_opcode(name: str, argument: object, count: int) -> None:
    if name in _REFUSED:
        raise _RefusedError(f"the pickle uses {name}, which arrays do not need; nothing was run")
    if name == "GLOBAL":
        _check_global(*str(argument).split(" ", 1))
    # whole numbers of any length collide as keys, and take for ever to multiply
    if isinstance(argument, int) and abs(argument) >= _LARGEST_NUMBER:
        raise _RefusedError("the pickle holds a whole number of more than 64 bits")
    # a memo number far beyond the number of objects makes the unpickler set aside memory for all in between
    if name in _PUT and isinstance(argument, int) and argument > count:
        raise _RefusedError(f"the pickle gives its {count}th step the memo number {argument}")
    if count > _MOST_OPCODES:
        raise _RefusedError(f"the pickle has more than {_MOST_OPCODES} steps")


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: _Bounded, size: int) -> None:
        super().__init__(file, encoding="latin1")
        self.left = size

    def find_class(self, module: str, name: str) -> Any:
        found = _check_global(module, name)
        if found is _ENCODE:
            return _Call(self._encode)
        return _Call(self._array) if found is _RECONSTRUCT else found

    def _array(self, kind: object, *_: object) -> _Array:
        if kind is not _NDARRAY:
            raise _RefusedError("an array is of a subclass")
        return _Array(self._encode)

    def _encode(self, text: object, coding: object = "latin1") -> bytes:
        """Text to bytes, in all no more than the file has: one long text may be used a thousand times."""
        content = _encode(text, coding)
        self.left -= len(content)
        if self.left < 0:
            raise _RefusedError("the pickle turns into more bytes than it has")
        return content


class _Call:
    """A stand-in that a pickle may call but not change."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[..., object]) -> None:
        self.function = function

    def __call__(self, *arguments: object) -> object:
        return self.function(*arguments)

    def __setstate__(self, state: object) -> None:
        raise _RefusedError("the pickle changes a function")


class _Dtype:
    """Stand-in for `numpy.dtype`: a code such as `f8`, and a byte order from the state."""

    def __init__(self, code: object, *_: object) -> None:
        code = code.decode("latin1") if isinstance(code, bytes) else code
        if not isinstance(code, str) or not _DTYPE.fullmatch(code):
            # never the text of anything else: lists that share their parts have one without end
            what = repr(code[:40]) if isinstance(code, str) else type(code).__name__
            raise _RefusedError(f"an array has the type {what}; only numbers are read")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, tuple) or len(state) < 5 or any(part is not None for part in state[2:5]):
            raise _RefusedError("an array has a structured type; only numbers are read")
        order = state[1].decode("latin1") if isinstance(state[1], bytes) else state[1]
        if order == ">":
            self.dtype = self.dtype.newbyteorder(">")
        elif order == "<":
            self.dtype = self.dtype.newbyteorder("<")


class _Array:
    """Stand-in for the array that `_reconstruct` makes; its state is the content."""

    __slots__ = ("array", "encode")

    def __init__(self, encode: Callable[[str], bytes]) -> None:
        self.array: NDArray[Any] | None = None
        self.encode = encode

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, tuple) or len(state) not in (4, 5):
            raise _RefusedError("an array has no content")
        shape, dtype, fortran, raw = state[-4:]
        if not isinstance(dtype, _Dtype) or not isinstance(raw, bytes | str):
            raise _RefusedError("an array does not hold plain numbers")
        content = self.encode(raw) if isinstance(raw, str) else raw
        self.array = _array(shape, dtype.dtype, content, fortran=bool(fortran))


def _array(shape: Any, dtype: np.dtype[Any], content: bytes, *, fortran: bool) -> NDArray[Any]:
    if not isinstance(shape, tuple) or len(shape) > 8 or not all(type(n) is int and n >= 0 for n in shape):
        raise _RefusedError("the shape of an array is no tuple of up to eight whole numbers from 0")
    need = math.prod(shape) * dtype.itemsize
    if need != len(content):
        raise _RefusedError(f"an array of shape {shape} and type {dtype} needs {need} bytes and has {len(content)}")
    return np.frombuffer(content, dtype=dtype).reshape(shape, order="F" if fortran else "C")


def _ndarray(*_: object) -> object:
    raise _RefusedError("numpy.ndarray is called, which no pickled array does")


def _encode(text: object, coding: object = "latin1") -> bytes:
    if not isinstance(text, str) or coding not in ("latin1", "latin-1", "iso-8859-1"):
        raise _RefusedError("_codecs.encode is called for something else than Latin-1 text")
    return text.encode("latin1")


_NDARRAY = _Call(_ndarray)
# what the unpickler puts its own methods in place of
_ENCODE, _RECONSTRUCT = _Call(_encode), _Call(_ndarray)
_ALLOWED = {
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): _Call(_Dtype),
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,  # files written by NumPy 1
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,  # and by NumPy 2
    ("_codecs", "encode"): _ENCODE,
}


def _check_global(module: str, name: str) -> _Call:
    if (module, name) not in _ALLOWED:
        raise _RefusedError(
            f"the pickle names {module}.{name}, which is no NumPy array and could run code; it was not loaded and "
            "nothing was run"
        )
    return _ALLOWED[module, name]


def _plain(value: Any) -> Any:
    """The stand-ins replaced by their arrays, through all containers."""
    done: dict[int, Any] = {}

    def walk(item: Any, depth: int) -> Any:
        if isinstance(item, _Array) and item.array is not None:
            return item.array
        if isinstance(item, list | tuple | dict):
            if depth > _DEEPEST:
                raise _RefusedError(f"containers lie more than {_DEEPEST} deep")
            if id(item) not in done:
                done[id(item)] = _copied(item, lambda part: walk(part, depth + 1))
            return done[id(item)]
        if item is None or isinstance(item, str | bytes | int | float):
            return item
        raise _RefusedError(f"the pickle holds a {type(item).__name__.lstrip('_').lower()}, not data")

    return walk(value, 0)


def _copied(item: Any, walk: Callable[[Any], Any]) -> Any:
    if isinstance(item, dict):
        return {walk(key): walk(part) for key, part in item.items()}
    return type(item)(walk(part) for part in item)
