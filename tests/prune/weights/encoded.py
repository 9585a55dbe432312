"""Weights encoded for real, to be compared with the bytes that the formulas count."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimcap.graph.node import Shape
from trimcap.prune.weights.compressed import index_width, matrix_of, width_for

_VALUES: dict[int, np.dtype[Any]] = {32: np.dtype("<f4"), 8: np.dtype("i1")}
_INDICES: dict[int, np.dtype[Any]] = {8: np.dtype("u1"), 16: np.dtype("<u2"), 32: np.dtype("<u4")}


def encode_bitmap(weight: NDArray[Any]) -> bytes:
    """Bits of the non-zero weights, most significant first, then their values. float32 or int8."""
    flat = np.ascontiguousarray(weight).ravel()
    return bytes(np.packbits(flat != 0).tobytes() + flat[flat != 0].tobytes())


def decode_bitmap(content: bytes, shape: Shape, bits: int) -> NDArray[Any]:
    """What `encode_bitmap` was given."""
    n = prod(shape)
    head = -(-n // 8)
    stays = np.unpackbits(np.frombuffer(content[:head], np.uint8), count=n).astype(np.bool_)
    weight = np.zeros(n, _VALUES[bits])
    weight[stays] = np.frombuffer(content[head:], _VALUES[bits])
    return weight.reshape(shape)


def encode_csr(weight: NDArray[Any], *, index: int | None = None) -> bytes:
    """Row pointers, column indices, values of the non-zero weights; `index` sets the bits of a column."""
    matrix = np.ascontiguousarray(weight).reshape(matrix_of(weight.shape))
    width = index_width(matrix.shape[1], index)
    at_row, at_column = np.nonzero(matrix)
    pointers = np.concatenate([[0], np.cumsum(np.bincount(at_row, minlength=len(matrix)))])
    return (
        pointers.astype(_INDICES[width_for(len(at_row))]).tobytes()
        + at_column.astype(_INDICES[width]).tobytes()
        + matrix[at_row, at_column].tobytes()
    )


def decode_csr(content: bytes, shape: Shape, nonzero: int, bits: int, *, index: int | None = None) -> NDArray[Any]:
    """What `encode_csr` was given, which had `nonzero` weights that are not zero."""
    rows, columns = matrix_of(shape)
    kinds = (_INDICES[width_for(nonzero)], _INDICES[index_width(columns, index)], _VALUES[bits])
    parts, start = [], 0
    for count, kind in zip((rows + 1, nonzero, nonzero), kinds, strict=True):
        parts.append(np.frombuffer(content, kind, count, start))
        start += count * kind.itemsize
    pointers, at_column, values = parts
    matrix = np.zeros((rows, columns), _VALUES[bits])
    counts = np.diff(pointers.astype(np.int64)).tolist()
    matrix[np.repeat(np.arange(rows), counts), at_column] = values
    return matrix.reshape(shape)
