"""Montages: names, positions, regions and two-dimensional grids of electrodes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimcap.data.electrodes.names import TEN_TWENTY, canonical, canonical_names, positions, unknown_electrodes
from trimcap.data.electrodes.regions import REGIONS, Region, region

__all__ = [
    "REGIONS", "TEN_TWENTY", "Grid", "Region", "canonical", "canonical_names", "grid", "positions", "region",
    "unknown_electrodes",
]  # fmt: skip

# The eleven coronal lines of the 10-10 system, nasion to inion. T, FT and TP end the lines of C, FC and CP.
_LINES = ("N", "Fp", "AF", "F", "FC", "C", "CP", "P", "PO", "O", "I")
_SAME_LINE = {"FT": "FC", "T": "C", "TP": "CP", "CB": "O"}
_NAME = re.compile(r"^(N|Fp|AF|FT|FC|F|TP|T|CP|CB|C|PO|P|O|I)(z|10|[1-9])$")
_MOST_COLUMNS = 11


@dataclass(frozen=True, eq=False)
class Grid:
    """Electrodes laid out in two dimensions, front row first, left column first.

    Parameters
    ----------
    channels : electrode names
    rows, columns : size of the grid
    cells : int64 array, shape (n_channels, 2); row and column of every electrode, each cell used once
    """

    channels: tuple[str, ...]
    rows: int
    columns: int
    cells: NDArray[np.int64] = field(repr=False)

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Bool array, shape (rows, columns): where an electrode is."""
        return self.scatter(np.ones(len(self.channels), dtype=bool))

    def scatter(self, values: NDArray[Any]) -> NDArray[Any]:
        """Lay values out: shape (…, n_channels) to (…, rows, columns), zero where there is no electrode."""
        values = np.asarray(values)
        if values.ndim == 0 or values.shape[-1] != len(self.channels):
            raise ValueError(
                f"values of shape {values.shape} do not fit a grid of {len(self.channels)} electrodes; "
                "the last dimension must be the electrodes"
            )
        laid = np.zeros((*values.shape[:-1], self.rows, self.columns), dtype=values.dtype)
        laid[..., self.cells[:, 0], self.cells[:, 1]] = values
        return laid

    def gather(self, laid: NDArray[Any]) -> NDArray[Any]:
        """Take the electrodes' values back: shape (…, rows, columns) to (…, n_channels)."""
        laid = np.asarray(laid)
        if laid.shape[-2:] != (self.rows, self.columns):
            raise ValueError(f"array of shape {laid.shape} does not end in the grid's {self.rows} × {self.columns}")
        return laid[..., self.cells[:, 0], self.cells[:, 1]]


def grid(channels: Sequence[str], *, rows: int = 9, columns: int = 9) -> Grid:
    """Lay electrodes out on a grid by their 10-10 names.

    A name's letters give the row (Fp, AF, F, FC/FT, C/T, CP/TP, P, PO, O), its number the column: the midline
    is the middle column, odd numbers n go (n + 1) / 2 columns to the left, even ones n / 2 to the right; on
    the narrower AF and PO lines numbers from 3 on go one column less. This yields the 9 × 9 grids that the
    literature uses for DEAP and SEED (torcheeg's location lists).

    The full layout has 11 × 11 cells, with Nz in front, Iz behind and the 9/10 sites outside. A smaller grid
    leaves out lines without electrodes: first nasion and inion, then front first; columns in left-right
    pairs, outside first.

    Parameters
    ----------
    channels : electrode names, as `canonical` takes them
    rows : 1 to 11
    columns : odd, 1 to 11, so that the midline stays in the middle

    Raises
    ------
    ValueError : unknown electrodes; electrodes that are off the grid or share a cell; all are named.
    """
    if not 1 <= rows <= len(_LINES) or columns not in range(1, _MOST_COLUMNS + 1, 2):
        raise ValueError(f"no grid of {rows} × {columns}: rows must be 1 to 11, columns odd and 1 to 11")
    names = canonical_names(channels)
    if not names:
        raise ValueError("a grid needs at least one electrode; channels is empty")
    places = _places(names)
    row_of = _keep_rows({row for row, _ in places}, rows)
    column_of = _keep_columns({column for _, column in places}, columns)
    off = [c for c, (r, k) in zip(channels, places, strict=True) if r not in row_of or k not in column_of]
    if off:
        need = f"rows={max(rows, _rows_needed(places))}, columns={max(columns, _columns_needed(places))}"
        raise ValueError(f"electrodes {', '.join(off)} lie outside a {rows} × {columns} grid; drop them or use {need}")
    cells = np.array([(row_of[r], column_of[k]) for r, k in places], dtype=np.int64)
    _refuse_shared(channels, cells)
    return Grid(tuple(channels), rows, columns, cells)


def _places(names: tuple[str, ...]) -> list[tuple[int, int]]:
    """Line and column (midline = 0, left negative) of every name."""
    matches = [_NAME.match(name) for name in names]
    bad = [name for name, match in zip(names, matches, strict=True) if match is None]
    if bad:
        raise ValueError(
            f"electrodes {', '.join(bad)} have no cell on a grid: only 10-10 sites do. Drop them or use `positions`"
        )
    return [_place(match[1], match[2]) for match in matches if match]


def _place(letters: str, number: str) -> tuple[int, int]:
    line = _LINES.index(_SAME_LINE.get(letters, letters))
    if number == "z":
        return line, 0
    n = int(number)
    steps = (n + 1) // 2
    if letters in ("AF", "PO") and steps > 1:
        steps -= 1
    if letters == "CB":  # beside O1 and O2
        steps += 1
    return line, -steps if n % 2 else steps


def _keep_rows(used: set[int], rows: int) -> dict[int, int]:
    """Line -> row of the grid, after the lines that are left out."""
    order = [0, len(_LINES) - 1, *range(1, len(_LINES) - 1)]
    empty = [line for line in order if line not in used]
    drop = [*empty, *(line for line in order if line in used)][: len(_LINES) - rows]
    kept = [line for line in range(len(_LINES)) if line not in drop]
    return {line: row for row, line in enumerate(kept)}


def _keep_columns(used: set[int], columns: int) -> dict[int, int]:
    """Signed column -> column of the grid, after the pairs that are left out."""
    distances = {abs(column) for column in used}
    outside_first = range(_MOST_COLUMNS // 2, 0, -1)
    order = sorted(outside_first, key=lambda d: d in distances)
    drop = order[: (_MOST_COLUMNS - columns) // 2]
    half = [d for d in range(1, _MOST_COLUMNS // 2 + 1) if d not in drop]
    kept = [*(-d for d in reversed(half)), 0, *half]
    return {column: place for place, column in enumerate(kept)}


def _rows_needed(places: list[tuple[int, int]]) -> int:
    return len({row for row, _ in places})


def _columns_needed(places: list[tuple[int, int]]) -> int:
    return 2 * len({abs(column) for _, column in places} - {0}) + 1


def _refuse_shared(channels: Sequence[str], cells: NDArray[np.int64]) -> None:
    owner: dict[tuple[int, int], str] = {}
    for name, (row, column) in zip(channels, cells.tolist(), strict=True):
        if (row, column) in owner:
            raise ValueError(
                f"electrodes {owner[row, column]} and {name} both fall into row {row}, column {column} of "
                "the grid; drop one of them"
            )
        owner[row, column] = name
