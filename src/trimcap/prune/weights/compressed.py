"""What single removed weights are worth in bytes: dense, bitmap or CSR.

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

import numpy as np

from trimcap.graph.network import Network, need_network
from trimcap.graph.node import Shape
from trimcap.prune.weights.unstructured import weights_of

WIDTHS = (8, 16, 32)


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
    if bits not in (8, 32):
        raise ValueError(f"bits={bits}: values are stored as float32 (32) or int8 (8)")
    sizes = (dense_bytes(shape, bits), bitmap_bytes(shape, nonzero, bits), csr_bytes(shape, nonzero, bits))
    return TensorStorage(name, tuple(shape), nonzero, *sizes)


def dense_bytes(shape: Shape, bits: int) -> int:
    """⌈n·b/8⌉"""
    return -(-prod(shape) * bits // 8)


def bitmap_bytes(shape: Shape, nonzero: int, bits: int) -> int:
    """⌈n/8⌉ + ⌈z·b/8⌉"""
    return -(-prod(shape) // 8) + -(-nonzero * bits // 8)


def csr_bytes(shape: Shape, nonzero: int, bits: int, *, index: int | None = None) -> int:
    """⌈z·b/8⌉ + z·i/8 + (rows + 1)·p/8; `index` sets i, the bits of a column index (default: the fewest).

    Raises
    ------
    ValueError : an index that cannot hold the columns.
    """
    rows, columns = matrix_of(shape)
    index = index_width(columns, index)
    return -(-nonzero * bits // 8) + nonzero * index // 8 + (rows + 1) * width_for(nonzero) // 8


def width_for(largest: int) -> int:
    """The fewest bits of `WIDTHS` that hold 0 … `largest`."""
    return next(bits for bits in WIDTHS if largest < 2**bits)


def matrix_of(shape: Shape) -> tuple[int, int]:
    """Rows and columns."""
    return shape[0], prod(shape[1:])


def index_width(columns: int, index: int | None) -> int:
    """Bits of a column index: those asked for, or the fewest."""
    least = width_for(columns - 1)
    if index is None:
        return least
    if index not in WIDTHS or index < least:
        raise ValueError(f"column indices of {index} bits cannot hold {columns} columns; use {least} or more")
    return index
