"""Grids made from montages."""

from __future__ import annotations

import numpy as np
import pytest

from trimcap.data.electrodes.montage import Grid, grid
from trimcap.data.electrodes.names import TEN_TWENTY

# Published layouts, front row first, '-' = no electrode.
DEAP = """
-   -   -   FP1 -   FP2 -   -   -
-   -   -   AF3 -   AF4 -   -   -
F7  -   F3  -   FZ  -   F4  -   F8
-   FC5 -   FC1 -   FC2 -   FC6 -
T7  -   C3  -   CZ  -   C4  -   T8
-   CP5 -   CP1 -   CP2 -   CP6 -
P7  -   P3  -   PZ  -   P4  -   P8
-   -   -   PO3 -   PO4 -   -   -
-   -   -   O1  OZ  O2  -   -   -
"""
SEED = """
-   -   -   FP1 FPZ FP2 -   -   -
-   -   -   AF3 -   AF4 -   -   -
F7  F5  F3  F1  FZ  F2  F4  F6  F8
FT7 FC5 FC3 FC1 FCZ FC2 FC4 FC6 FT8
T7  C5  C3  C1  CZ  C2  C4  C6  T8
TP7 CP5 CP3 CP1 CPZ CP2 CP4 CP6 TP8
P7  P5  P3  P1  PZ  P2  P4  P6  P8
-   PO7 PO5 PO3 POZ PO4 PO6 PO8 -
-   -   CB1 O1  OZ  O2  CB2 -   -
"""
EEGMAT = """
-   -   -   Fp1 -   Fp2 -   -   -
-   -   -   -   -   -   -   -   -
F7  -   F3  -   Fz  -   F4  -   F8
-   -   -   -   -   -   -   -   -
T3  -   C3  -   Cz  -   C4  -   T4
-   -   -   -   -   -   -   -   -
T5  -   P3  -   Pz  -   P4  -   T6
-   -   -   -   -   -   -   -   -
-   -   -   O1  -   O2  -   -   -
"""
DREAMER = """
-   -   -   -   -   -   -   -   -
-   -   -   AF3 -   AF4 -   -   -
F7  -   F3  -   -   -   F4  -   F8
-   FC5 -   -   -   -   -   FC6 -
T7  -   -   -   -   -   -   -   T8
-   -   -   -   -   -   -   -   -
P7  -   -   -   -   -   -   -   P8
-   -   -   -   -   -   -   -   -
-   -   -   O1  -   O2  -   -   -
"""
FACED = """
-   -   -   FP1 -   FP2 -   -   -
F7  -   F3  -   FZ  -   F4  -   F8
-   FC5 -   FC1 -   FC2 -   FC6 -
T7  -   C3  -   CZ  -   C4  -   T8
-   CP5 -   CP1 -   CP2 -   CP6 -
P7  -   P3  -   PZ  -   P4  -   P8
-   -   -   PO3 -   PO4 -   -   -
-   -   -   O1  OZ  O2  -   -   -
"""


def table(text: str) -> list[list[str]]:
    return [line.split() for line in text.strip().splitlines()]


def laid_out(made: Grid) -> list[list[str]]:
    rows = [["-"] * made.columns for _ in range(made.rows)]
    for name, (row, column) in zip(made.channels, made.cells, strict=True):
        rows[row][column] = name
    return rows


@pytest.mark.parametrize(("text", "n"), [(DEAP, 32), (SEED, 62), (EEGMAT, 19), (DREAMER, 14), (FACED, 30)])
def test_published_grids_are_reproduced(text: str, n: int) -> None:
    wanted = table(text)
    channels = sorted(c for row in wanted for c in row if c != "-")  # any order of channels
    assert len(channels) == n
    assert laid_out(grid(channels, rows=len(wanted), columns=9)) == wanted


def test_the_default_is_nine_by_nine_with_int64_cells() -> None:
    made = grid(TEN_TWENTY)
    assert (made.rows, made.columns, made.cells.shape, made.cells.dtype) == (9, 9, (19, 2), np.int64)
    assert made.mask.sum() == 19


def test_small_grid_leaves_out_empty_lines() -> None:
    assert laid_out(grid(TEN_TWENTY, rows=5, columns=7)) == table("""
        -  -  Fp1 -  Fp2 -  -
        F7 F3 -   Fz -   F4 F8
        T7 C3 -   Cz -   C4 T8
        P7 P3 -   Pz -   P4 P8
        -  -  O1  -  O2  -  -
    """)


def test_outer_sites_need_the_larger_grid() -> None:
    cap = [*(c for row in table(SEED) for c in row if c not in ("-", "CB1", "CB2")), "P9", "P10", "Iz"]
    with pytest.raises(ValueError, match=r"P9, P10, Iz lie outside a 9 × 9 grid; drop them or use rows=10, columns=11"):
        grid(cap)
    made = grid(cap, rows=10, columns=11)
    assert laid_out(made)[9][5] == "Iz"
    assert laid_out(made)[6][0] == "P9"
    assert laid_out(made)[6][10] == "P10"


def test_scatter_and_gather_are_inverse_and_zero_elsewhere() -> None:
    made = grid(TEN_TWENTY)
    values = np.random.default_rng(0).normal(size=(3, 4, 19)).astype(np.float32)
    laid = made.scatter(values)
    assert laid.shape == (3, 4, 9, 9)
    assert laid.dtype == np.float32
    assert np.all(laid[..., ~made.mask] == 0)
    np.testing.assert_array_equal(made.gather(laid), values)
    assert laid[1, 2, 0, 3] == values[1, 2, TEN_TWENTY.index("Fp1")]
    assert laid[1, 2, 8, 5] == values[1, 2, TEN_TWENTY.index("O2")]


def test_wrong_shapes_are_refused() -> None:
    made = grid(TEN_TWENTY)
    with pytest.raises(ValueError, match=r"shape \(2, 18\) do not fit a grid of 19 electrodes"):
        made.scatter(np.zeros((2, 18)))
    with pytest.raises(ValueError, match=r"shape \(8, 9\) does not end in the grid's 9 × 9"):
        made.gather(np.zeros((8, 9)))


def test_bad_montages_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="unknown electrode 'ECG'"):
        grid(["Cz", "ECG"])
    with pytest.raises(ValueError, match="A1, AFF5h have no cell"):
        grid(["Cz", "A1", "AFF5h"])
    with pytest.raises(ValueError, match="PO3 and PO1 both fall into row 7, column 3"):
        grid(["PO3", "PO1"])
    with pytest.raises(ValueError, match="'T3', 'T7' name the same electrode"):
        grid(["T3", "T7"])
    with pytest.raises(ValueError, match="at least one electrode"):
        grid([])


@pytest.mark.parametrize(("rows", "columns"), [(0, 9), (12, 9), (9, 8), (9, 13), (9, -1)])
def test_impossible_sizes_are_refused(rows: int, columns: int) -> None:
    with pytest.raises(ValueError, match="rows must be 1 to 11, columns odd"):
        grid(TEN_TWENTY, rows=rows, columns=columns)
