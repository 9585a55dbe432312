"""Text that a spreadsheet would run."""

from __future__ import annotations

import csv
import io

import pandas as pd
import pytest

from trimcap._csv import csv_text, read_csv

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("x")', "''=1", "'=1", "'-", "-"]
HARMLESS = ["plain", "'quoted'", "", "a=b", " =1", "S-1", "µ"]


def test_no_cell_and_no_head_begins_as_a_formula():
    table = pd.DataFrame({"=cmd": FORMULAS, "number": range(len(FORMULAS))})
    rows = list(csv.reader(io.StringIO(csv_text(table), newline="")))
    assert len(rows) == len(FORMULAS) + 1
    assert all(not cell.startswith(("=", "+", "-", "@", "\t", "\r")) for row in rows for cell in row)


def test_numbers_and_harmless_text_stay():
    table = pd.DataFrame({"text": HARMLESS, "number": [-1.5, -2, 0, 1, 2, 3, 4]})
    assert csv_text(table) == table.to_csv(index=False)


@pytest.mark.parametrize("column", ["name", "=name"])
def test_what_is_read_is_what_was_written(column, tmp_path):
    table = pd.DataFrame({column: FORMULAS + HARMLESS, "x": [-1.0] * len(FORMULAS + HARMLESS)})
    path = tmp_path / "t.csv"
    path.write_text(csv_text(table), newline="")
    pd.testing.assert_frame_equal(read_csv(path, keep_default_na=False), table, check_dtype=False)
