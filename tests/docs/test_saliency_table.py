"""The table of saliencies is that of the code, and the costs that it shows are of all of them."""

from __future__ import annotations

import json
from dataclasses import replace

from write_saliency_table import BEGIN, COSTS, END, PAGE, page, table

from trimcap.prune import SALIENCIES, describe


def test_the_page_is_in_step_with_the_code():
    text = PAGE.read_text()
    assert text.count(BEGIN) == text.count(END) == 1
    assert page(text) == text, "docs/pruning.md is behind the code: run python tests/docs/write_saliency_table.py"


def test_every_saliency_was_measured():
    networks = json.loads(COSTS.read_text())["networks"]
    for title, found in networks.items():
        assert set(found) == set(SALIENCIES), (
            f"{title}: run python benchmarks/saliencies.py --write docs/saliencies.json"
        )


def test_the_table_follows_the_docstrings():
    rows = describe()
    costs = json.loads(COSTS.read_text())
    other = [replace(row, formula="|x_j|") if row.name == "l1" else row for row in rows]
    assert r"| `l1` | \|x\_j\| |" in table(other, costs)
    assert table(other, costs) != table(rows, costs)
