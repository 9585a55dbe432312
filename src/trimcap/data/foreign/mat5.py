"""MATLAB v5 files, read as a stream: nothing is set aside for a length before the bytes are there.

`scipy.io.loadmat` ends the process on cells that lie some 10⁴ deep in each other, makes objects of every empty cell
that a file declares, and holds a whole variable (DREAMER is one of 2 GB). Numbers, text, cells and structs are all that
data sets use; the rest (objects, functions, sparse) is refused.

Format: MathWorks, MAT-File Format, R2023b, chapter 1 (Level 5 MAT-Files).
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

HEADER = 128
_MATRIX, _COMPRESSED = 14, 15
_CELL, _STRUCT, _CHAR, _OPAQUE = 1, 2, 4, 17
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_NUMBERS = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
_TEXT = {1: "latin-1", 2: "latin-1", 16: "utf-8", 4: "utf-16", 17: "utf-16", 18: "utf-32"}
_COMPLEX = 0x0800
_DEEPEST, _MOST_DIMENSIONS, _MOST_CHILDREN, _LONGEST_NAME = 12, 8, 100_000, 4096
#: SEED's features have 180
_MOST_VARIABLES = 10_000
#: bytes that every array, cell and field counts at least, so that a million empty ones are not free
_PART = 2000
_CHUNK = 1 << 20


class DamagedError(Exception):
    """What is wrong with the file, without its name."""


@dataclass(frozen=True)
class Variable:
    """Where a variable lies: name, shape, whether its class is numeric, the file's bytes, byte order."""

    name: str
    shape: tuple[int, ...]
    numeric: bool
    start: int
    nbytes: int
    compressed: bool
    order: str


@dataclass(frozen=True)
class _Head:
    """What stands before a matrix's content."""

    kind: int
    flags: int
    shape: tuple[int, ...]
    name: str
    end: int

    @property
    def count(self) -> int:
        return math.prod(self.shape)


class Source:
    """The bytes of one variable, decompressed as they are asked for; `room` is what may still become arrays."""

    def __init__(self, file: BinaryIO, variable_start: int, nbytes: int, *, compressed: bool, order: str) -> None:
        file.seek(variable_start)
        self.file, self.left, self.order, self.position, self.room = file, nbytes, order, 0, 0
        self.inflate = zlib.decompressobj() if compressed else None

    def take(self, n: int, largest: int = _LONGEST_NAME) -> bytearray:
        """The next `n` bytes."""
        if n > largest:
            raise DamagedError(f"an element claims {n} bytes where at most {largest} can be")
        got = bytearray()
        while len(got) < n:
            part = self._more(n - len(got))
            if not part:
                raise DamagedError(f"it ends {n - len(got)} bytes too early")
            got += part
        self.position += n
        return got

    def use(self, n: int, what: str) -> None:
        """Count `n` bytes of memory before they are set aside."""
        if n > self.room:
            raise DamagedError(f"{what} claims {n} bytes where at most {self.room} can be")
        self.room -= n

    def skip(self, n: int) -> None:
        """Pass over `n` bytes."""
        if n < 0:
            raise DamagedError("a part is longer than what holds it")
        while n:
            n -= len(self.take(min(n, _CHUNK), _CHUNK))

    def close(self) -> None:
        """Check that the variable ends here, and the checksum of a compressed one."""
        if self._more(1) or (self.inflate is not None and not self.inflate.eof):
            raise DamagedError("a variable does not end where it should")

    def _more(self, n: int) -> bytes:
        if self.inflate is None:
            return self._raw(min(n, _CHUNK))
        while not self.inflate.eof:
            fed = self.inflate.unconsumed_tail or self._raw(1 << 16)
            part = self.inflate.decompress(fed, min(n, _CHUNK))
            if part:
                return part
            if not fed:
                return b""
        return b""

    def _raw(self, n: int) -> bytes:
        part = self.file.read(min(n, self.left))
        self.left -= len(part)
        return part


def byte_order(header: bytes) -> str:
    """'<' or '>' of a v5 file. DamagedError: it is none."""
    orders = {b"IM": "<", b"MI": ">"}
    order = orders.get(bytes(header[126:128]))
    if len(header) < HEADER or order is None or struct.unpack(order + "H", header[124:126])[0] != 0x0100:
        raise DamagedError("it is no MATLAB file of version 5 or 7.3")
    return order


def variables(file: BinaryIO, size: int) -> list[Variable]:
    """All variables, from the first bytes of each; the contents are not read."""
    file.seek(0)
    order = byte_order(file.read(HEADER))
    found: list[Variable] = []
    place = HEADER
    while place < size:
        file.seek(place)
        tag = file.read(8)
        if len(tag) < 8:
            raise DamagedError(f"it is cut off after {size} bytes, inside a tag")
        kind, nbytes = struct.unpack(order + "II", tag)
        if kind not in (_MATRIX, _COMPRESSED):
            raise DamagedError(f"byte {place} should begin a variable and begins something else ({kind})")
        if place + 8 + nbytes > size:
            raise DamagedError(f"it is cut off: a variable needs {place + 8 + nbytes} bytes and the file has {size}")
        start, length = (place + 8, nbytes) if kind == _COMPRESSED else (place, nbytes + 8)
        source = Source(file, start, length, compressed=kind == _COMPRESSED, order=order)
        head = _head(source)
        if len(found) > _MOST_VARIABLES:
            raise DamagedError(f"it has more than {_MOST_VARIABLES} variables")
        if head is not None:
            known = (head.name, head.shape, head.kind in _NUMBERS)
            found.append(Variable(*known, start, length, kind == _COMPRESSED, order))
        place += 8 + nbytes
    return found


def read(file: BinaryIO, variable: Variable, *, largest: int) -> Any:
    """A variable: array, text, a list for a cell array (column by column), a dict for a struct (a list of several).

    All its arrays together take at most `largest` bytes.
    """
    source = _open(file, variable)
    source.room = largest
    value = _matrix(source, 0)
    source.close()
    return value


def read_cells(file: BinaryIO, variable: Variable, field: str, *, largest: int) -> Iterator[Any]:
    """The elements of the cell array in a 1 × 1 struct's field, one after the other; the other fields are skipped.

    Each takes at most `largest` bytes.
    """
    source = _open(file, variable)
    for name, head in _fields(source, variable.name, field):
        if name != field:
            continue
        if head is None or head.kind != _CELL:
            raise DamagedError(f"{variable.name}.{field} is no cell array")
        for _ in range(_children(head, 1)):
            source.room = largest
            yield _matrix(source, 2)
        _at_end(source, head)
    source.close()


def cell_count(file: BinaryIO, variable: Variable, field: str) -> int:
    """How many elements the cell array in a struct's field has."""
    source = _open(file, variable)
    for name, head in _fields(source, variable.name, field):
        if name == field and head is not None and head.kind == _CELL:
            return _children(head, 1)
    raise DamagedError(f"{variable.name}.{field} is no cell array")


def read_field(file: BinaryIO, variable: Variable, field: str, *, largest: int) -> Any:
    """One field of a 1 × 1 struct; the fields before it are skipped and those behind it not looked at."""
    source = _open(file, variable)
    for name, head in _fields(source, variable.name, field):
        if name == field:
            source.room = largest
            return _content(source, head, 1)
    raise AssertionError(field)


def _fields(source: Source, name: str, wanted: str) -> Iterator[tuple[str, _Head | None]]:
    """Name and header of each field; what the caller leaves unread is skipped."""
    head = _head(source)
    names = _field_names(source) if head is not None and head.kind == _STRUCT and head.count == 1 else []
    if wanted not in names:
        raise DamagedError(f"{name} is no struct with the field {wanted}")
    for field in names:
        inner = _head(source)
        yield field, inner
        if inner is not None:
            source.skip(inner.end - source.position)


def _open(file: BinaryIO, variable: Variable) -> Source:
    return Source(file, variable.start, variable.nbytes, compressed=variable.compressed, order=variable.order)


def _tag(source: Source) -> tuple[int, int, bytes | None]:
    """Type and length of the next element, and its content if it is in the tag itself."""
    raw = source.take(8)
    kind, nbytes = struct.unpack(source.order + "II", raw)
    if kind >> 16:  # small element: length and type in one word, then up to four bytes
        kind, nbytes = kind & 0xFFFF, kind >> 16
        if nbytes > 4:
            raise DamagedError(f"a small element claims {nbytes} bytes")
        return kind, nbytes, bytes(raw[4 : 4 + nbytes])
    return kind, nbytes, None


def _element(source: Source, largest: int = _LONGEST_NAME) -> tuple[int, bytes | bytearray]:
    kind, nbytes, content = _tag(source)
    if content is not None:
        return kind, content
    taken = source.take(nbytes, largest)
    source.take(-nbytes % 8)
    return kind, taken


def _head(source: Source) -> _Head | None:
    """Header of the next matrix; None for an empty one without a header."""
    kind, nbytes, content = _tag(source)
    if kind != _MATRIX or content is not None:
        raise DamagedError("a matrix is expected and something else is there")
    end = source.position + nbytes
    if nbytes == 0:
        return None
    _, flags = _element(source)
    if len(flags) == 8 and flags[0 if source.order == "<" else 3] == _OPAQUE:  # an object of a newer kind, e.g. a table
        return _Head(_OPAQUE, 0, (), bytes(_element(source)[1]).decode("latin-1"), end)
    _, dims = _element(source)
    _, name = _element(source)
    if len(flags) != 8 or len(dims) % 4 or not 8 <= len(dims) <= 4 * _MOST_DIMENSIONS:
        raise DamagedError("the header of a variable is damaged")
    shape = struct.unpack(f"{source.order}{len(dims) // 4}i", dims)
    if min(shape) < 0:
        raise DamagedError(f"a variable has the shape {shape}")
    word = struct.unpack(source.order + "II", flags)[0]
    return _Head(word & 0xFF, word, shape, name.decode("latin-1"), end)


def _matrix(source: Source, depth: int) -> Any:
    if depth > _DEEPEST:
        raise DamagedError(f"variables lie more than {_DEEPEST} deep in each other")
    return _content(source, _head(source), depth)


def _content(source: Source, head: _Head | None, depth: int) -> Any:
    source.use(_PART, "a part")
    if head is None:
        return np.empty((0, 0))
    if head.kind in _NUMBERS:
        value: Any = _numbers(source, head)
    elif head.kind == _CHAR:
        value = _text(source)
    elif head.kind == _CELL:
        value = [_matrix(source, depth + 1) for _ in range(_children(head, 1))]
    elif head.kind == _STRUCT:
        names = _field_names(source)
        source.use(_PART * len(names), "a struct")
        rows = range(_children(head, len(names)))
        value = [{name: _matrix(source, depth + 1) for name in names} for _ in rows]
        value = value[0] if len(value) == 1 else value
    else:
        raise DamagedError(f"{head.name or 'a part'} is an object, a function or sparse (class {head.kind})")
    _at_end(source, head)
    return value


def _at_end(source: Source, head: _Head) -> None:
    if source.position != head.end:
        raise DamagedError(f"{head.name or 'a part'} ends at byte {source.position} and not at {head.end}")


def _children(head: _Head, each: int) -> int:
    # every child takes at least the 8 bytes of its tag
    if head.count * each > _MOST_CHILDREN or head.count * each * 8 > head.end:
        raise DamagedError(f"{head.name or 'a part'} claims to have {head.count} parts")
    return head.count


def _numbers(source: Source, head: _Head) -> Any:
    what = head.name or "a part"
    if head.flags & _COMPLEX:
        raise DamagedError(f"{what} is complex")
    kind, nbytes, content = _tag(source)
    stored = _STORED.get(kind)
    need = head.count * np.dtype(stored).itemsize if stored else -1
    if need != nbytes:
        raise DamagedError(f"{what} of shape {head.shape} has {nbytes} bytes, which do not fill it")
    wanted = np.dtype(_NUMBERS[head.kind])
    same = wanted == np.dtype(stored)
    source.use(nbytes if same else nbytes + head.count * wanted.itemsize, what)
    if content is None:
        content = bytes(0) if nbytes == 0 else source.take(nbytes, nbytes)  # type: ignore[assignment]
        source.take(-nbytes % 8)
    values = np.frombuffer(content or b"", dtype=f"{source.order}{stored}").reshape(head.shape, order="F")
    return values if same else _widened(values, wanted, what)


def _widened(values: NDArray[Any], wanted: np.dtype[Any], what: str) -> NDArray[Any]:
    """Numbers of the variable's class, from the smaller type that MATLAB stores whole numbers in."""
    with np.errstate(invalid="ignore", over="ignore"):
        wide = values.astype(wanted)
        if not np.can_cast(values.dtype, wanted, "safe") and not (wide.astype(values.dtype) == values).all():
            raise DamagedError(f"{what} is stored as {values.dtype}, which its class {wanted} can't hold")
    return wide


def _text(source: Source) -> str:
    kind, content = _element(source, _CHUNK)
    source.use(2 * len(content), "a text")
    coding = _TEXT.get(kind)
    if coding is None:
        raise DamagedError("a text is damaged")
    if coding in ("utf-16", "utf-32"):
        coding += "-le" if source.order == "<" else "-be"
    return bytes(content).decode(coding, errors="replace")


def _field_names(source: Source) -> list[str]:
    _, width = _element(source)
    _, names = _element(source, _CHUNK)
    length = struct.unpack(source.order + "i", width)[0] if len(width) == 4 else 0
    if length < 1 or len(names) % length:
        raise DamagedError("the field names of a struct are damaged")
    cut = [bytes(names[i : i + length]).split(b"\0")[0].decode("latin-1") for i in range(0, len(names), length)]
    if len(set(cut)) != len(cut):
        raise DamagedError("a struct has two fields of one name")
    return cut
