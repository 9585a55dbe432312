"""No row of docs/coverage.json gets worse, and none is silently wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from coverage_networks import LONG, NETWORKS, QUICK
from coverage_rows import RANKS, Row, row, worse

KNOWN = json.loads((Path(__file__).parents[2] / "docs" / "coverage.json").read_text())


def marked(name: str) -> object:
    if name in QUICK:
        return name
    return pytest.param(name, marks=pytest.mark.long if name in LONG else pytest.mark.slow)


@pytest.mark.parametrize("name", [marked(name) for name in NETWORKS])
@pytest.mark.filterwarnings("ignore")
def test_no_row_gets_worse(name):
    new = row(name)
    assert worse(KNOWN[name], new) == ""
    if new.result == "exact":
        assert new.error <= 1e-12
        assert new.wrong > 1e-6  # keeping other slices shows: the comparison is not empty
        assert new.parameters_after < new.parameters


def test_every_network_has_a_row():
    assert list(KNOWN) == list(NETWORKS)


def test_braindecode_is_covered():
    rows = [r for name, r in KNOWN.items() if name.startswith("braindecode")]
    assert sum(r["result"] == "exact" for r in rows) >= 50
    assert not [r["model"] for r in rows if r["result"] == "not exact"]


def test_a_worse_row_is_seen():
    old = KNOWN["braindecode EEGNet"]
    same = Row(**old)
    assert worse(old, same) == ""
    assert all(worse(old, Row(**{**old, "result": result})) for result in RANKS if result != "exact")
    assert worse(old, Row(**{**old, "pruned": old["pruned"] - 1}))
    assert worse(old, Row(**{**old, "parameters_after": 2 * old["parameters_after"]}))
