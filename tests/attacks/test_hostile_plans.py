"""Plans may be edited; one that no network can follow is refused when it is read."""

from __future__ import annotations

import json

import pytest

from trimcap._errors import PlanError
from trimcap.prune.plan import Plan


@pytest.mark.parametrize(
    "change",
    [
        {"keep": {"a": [2, 0]}},
        {"keep": {"a": [0, 0]}},
        {"keep": {"a": [-1]}},
        {"keep": {"a": [4]}},
        {"keep": {"a": [True]}},
        {"keep": {"a": "0"}},
        {"sizes": {"a": 0}},
        {"sizes": {"a": -4}},
        {"sizes": {}},
        {"requested": {"a": "x"}},
        {"requested": {"a": True}},
    ],
)
def test_what_cannot_be_followed_is_refused(tmp_path, change):
    good = {"keep": {"a": [0, 2]}, "sizes": {"a": 4}, "requested": {"a": 0.5}, "note": ""}
    (tmp_path / "p").write_text(json.dumps(good))
    assert Plan.load(tmp_path / "p").keep == {"a": (0, 2)}
    (tmp_path / "p").write_text(json.dumps(good | change))
    with pytest.raises(PlanError, match="is not a plan"):
        Plan.load(tmp_path / "p")


def test_a_plan_that_nests_without_end_is_refused(tmp_path):
    (tmp_path / "p").write_text("[" * 100_000)
    with pytest.raises(PlanError, match="it is not JSON"):
        Plan.load(tmp_path / "p")
