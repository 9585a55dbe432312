"""What single removed weights are worth in bytes: dense, bitmap or CSR, encoded for real.

The exporters write dense weights and dense loops, so that a device sees the dense bytes (`Storage.on_device`). The
compressed ones say what a file, or a device with a sparse kernel, would need. For n weights as a matrix of rows
(dimension 0) and columns (all others), z of them non-zero, at b bits:

- dense: ⌈n·b/8⌉
- bitmap: ⌈n/8⌉ + ⌈z·b/8⌉, one bit per weight and the non-zero ones in order
- CSR: ⌈z·b/8⌉ + z·i/8 + (rows + 1)·p/8 with column indices of i and row pointers of p bits, 8, 16 or 32: the fewest
  that hold columns − 1 and z

Sizes of tensors are constants of the code that reads them and are counted nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimcap.graph.network import Network, need_network
from trimcap.graph.node import Shape
from trimcap.prune.weights.unstructured import weights_of

WIDTHS = (8, 16, 32)
_VALUES: dict[int, np.dtype[Any]] = {32: np.dtype("<f4"), 8: np.dtype("i1")}
_INDICES: dict[int, np.dtype[Any]] = {8: np.dtype("u1"), 16: np.dtype("<u2"), 32: np.dtype("<u4")}


@dataclass(frozen=True)
class TensorStorage:
    """Bytes of one tensor in three forms."""

    tensor: str
    shape: Shape
    nonzero: int
    dense: int
    bitmap: int
    csr: int

    @property
    def compressed(self) -> int:
        """The smallest of the three."""
        return min(self.dense, self.bitmap, self.csr)


@dataclass(frozen=True)
class Storage:
    """Bytes of all weights of a network, and which of them a device sees.

    Parameters
    ----------
    rows : one per tensor
    bits : of a value
    """

    rows: tuple[TensorStorage, ...]
    bits: int

    @property
    def dense(self) -> int:
        """Bytes with every zero written out."""
        return sum(row.dense for row in self.rows)

    @property
    def compressed(self) -> int:
        """Bytes with every tensor in its smallest form."""
        return sum(row.compressed for row in self.rows)

    @property
    def nonzero(self) -> int:
        """Weights that are not zero."""
        return sum(row.nonzero for row in self.rows)

    @property
    def on_device(self) -> int:
        """What a device sees today: the dense bytes, as no exporter writes a sparse kernel."""
        return self.dense

    def __str__(self) -> str:
        return (
            f"{self.nonzero:,} of {sum(prod(row.shape) for row in self.rows):,} weights are not zero: {self.dense:,} B "
            f"dense, {self.compressed:,} B compressed at {self.bits} bits. A device sees the dense bytes: the exported "
            "code has no sparse kernel"
        )


def storage(network: Network, *, bits: int = 32, layers: Iterable[str] = ("conv", "linear", "recurrent")) -> Storage:
    """Bytes of the weights of a network, dense and compressed.

    Parameters
    ----------
    bits : of a value, 32 or 8; zeros are exact zeros of the float network
    layers : kinds of layers whose weights are counted, keys of `trimcap.graph.ops.table.LAYERS`

    Returns
    -------
    Storage : bytes per tensor, and their sums

    Raises
    ------
    ValueError : another number of bits.

    Shared parameters: `trimcap.prune`.
    """
    need_network(network, "storage")
    rows = []
    for name in weights_of(network, layers):
        weight = network.tensors[name].detach().cpu().numpy()
        zeros = int(weight.size - np.count_nonzero(weight))
        rows.append(_row(name, weight.shape, weight.size - zeros, bits))
    return Storage(tuple(rows), bits)


def _row(name: str, shape: Shape, nonzero: int, bits: int) -> TensorStorage:
    _value(bits)
    sizes = (dense_bytes(shape, bits), bitmap_bytes(shape, nonzero, bits), csr_bytes(shape, nonzero, bits))
    return TensorStorage(name, tuple(shape), nonzero, *sizes)


def dense_bytes(shape: Shape, bits: int) -> int:
    """⌈n·b/8⌉

    Parameters
    ----------
    shape : of the weight
    bits : of a value, 32 or 8

    Returns
    -------
    bytes
    """
    return -(-prod(shape) * bits // 8)


def bitmap_bytes(shape: Shape, nonzero: int, bits: int) -> int:
    """⌈n/8⌉ + ⌈z·b/8⌉

    Parameters
    ----------
    shape : of the weight
    nonzero : weights that are not zero
    bits : of a value, 32 or 8

    Returns
    -------
    bytes
    """
    return -(-prod(shape) // 8) + -(-nonzero * bits // 8)


def csr_bytes(shape: Shape, nonzero: int, bits: int, *, index: int | None = None) -> int:
    """⌈z·b/8⌉ + z·i/8 + (rows + 1)·p/8; `index` sets i.

    Parameters
    ----------
    shape : of the weight; dimension 0 is rows, the others are columns
    nonzero : weights that are not zero
    bits : of a value, 32 or 8
    index : bits of a column index, 8, 16 or 32; default: the fewest

    Returns
    -------
    bytes

    Raises
    ------
    ValueError : an index that cannot hold the columns.
    """
    rows, columns = _matrix(shape)
    index = _index(columns, index)
    return -(-nonzero * bits // 8) + nonzero * index // 8 + (rows + 1) * width_for(nonzero) // 8


def width_for(largest: int) -> int:
    """The fewest bits of `WIDTHS` that hold 0 … `largest`.

    Parameters
    ----------
    largest : number to be held

    Returns
    -------
    8, 16 or 32
    """
    return next(bits for bits in WIDTHS if largest < 2**bits)


def encode_bitmap(weight: NDArray[Any]) -> bytes:
    """Bits of the non-zero weights, most significant first, then their values. float32 or int8.

    Parameters
    ----------
    weight : float32 or int8, any shape

    Returns
    -------
    bytes, `bitmap_bytes` of them
    """
    flat = _typed(weight).ravel()
    return bytes(np.packbits(flat != 0).tobytes() + flat[flat != 0].tobytes())


def decode_bitmap(content: bytes, shape: Shape, bits: int) -> NDArray[Any]:
    """What `encode_bitmap` was given.

    Parameters
    ----------
    content : of `encode_bitmap`
    shape : of the weight
    bits : of a value, 32 or 8

    Returns
    -------
    float32 or int8, of that shape
    """
    n = prod(shape)
    head = -(-n // 8)
    stays = np.unpackbits(np.frombuffer(content[:head], np.uint8), count=n).astype(np.bool_)
    weight = np.zeros(n, _value(bits))
    weight[stays] = np.frombuffer(content[head:], _value(bits))
    return weight.reshape(shape)


def encode_csr(weight: NDArray[Any], *, index: int | None = None) -> bytes:
    """Row pointers, column indices, values of the non-zero weights. float32 or int8; `index` sets the bits of a column.

    Parameters
    ----------
    weight : float32 or int8, any shape
    index : bits of a column index, 8, 16 or 32; default: the fewest

    Returns
    -------
    bytes, `csr_bytes` of them

    Raises
    ------
    ValueError : an index that cannot hold the columns; another type of values.
    """
    matrix = _typed(weight).reshape(_matrix(weight.shape))
    width = _index(matrix.shape[1], index)
    at_row, at_column = np.nonzero(matrix)
    pointers = np.concatenate([[0], np.cumsum(np.bincount(at_row, minlength=len(matrix)))])
    return (
        pointers.astype(_INDICES[width_for(len(at_row))]).tobytes()
        + at_column.astype(_INDICES[width]).tobytes()
        + matrix[at_row, at_column].tobytes()
    )


def decode_csr(content: bytes, shape: Shape, nonzero: int, bits: int, *, index: int | None = None) -> NDArray[Any]:
    """What `encode_csr` was given, which had `nonzero` weights that are not zero.

    Parameters
    ----------
    content : of `encode_csr`
    shape : of the weight; dimension 0 is rows, the others are columns
    nonzero : weights that are not zero
    bits : of a value, 32 or 8
    index : as for `encode_csr`

    Returns
    -------
    float32 or int8, of that shape
    """
    rows, columns = _matrix(shape)
    kinds = (_INDICES[width_for(nonzero)], _INDICES[_index(columns, index)], _value(bits))
    parts, start = [], 0
    for count, kind in zip((rows + 1, nonzero, nonzero), kinds, strict=True):
        parts.append(np.frombuffer(content, kind, count, start))
        start += count * kind.itemsize
    pointers, at_column, values = parts
    matrix = np.zeros((rows, columns), _value(bits))
    counts = np.diff(pointers.astype(np.int64)).tolist()
    matrix[np.repeat(np.arange(rows), counts), at_column] = values
    return matrix.reshape(shape)


def _matrix(shape: Shape) -> tuple[int, int]:
    return shape[0], prod(shape[1:])


def _index(columns: int, index: int | None) -> int:
    least = width_for(columns - 1)
    if index is None:
        return least
    if index not in WIDTHS or index < least:
        raise ValueError(f"column indices of {index} bits cannot hold {columns} columns; use {least} or more")
    return index


def _value(bits: int) -> np.dtype[Any]:
    if bits not in _VALUES:
        raise ValueError(f"bits={bits}: values are stored as float32 (32) or int8 (8)")
    return _VALUES[bits]


def _typed(weight: NDArray[Any]) -> NDArray[Any]:
    if weight.dtype not in _VALUES.values():
        raise ValueError(f"weights of type {weight.dtype} cannot be encoded; give float32 or int8")
    return np.ascontiguousarray(weight)
