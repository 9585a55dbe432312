"""The prune step by sensitivity: on validation windows, recorded, and honest where nothing can go."""

from __future__ import annotations

import json

import numpy as np
import pytest
from test_run import DENSE

from trimcap.graph.save import load
from trimcap.prune.plan import Plan
from trimcap.study.recipe.recipe import parse_recipe
from trimcap.study.run.run import run

STEP = """
[[steps]]
kind = "prune"
saliency = "d_score"
"""


def trial_of(folder, goal):
    made = run(parse_recipe(DENSE + STEP + goal), folder / "r", only=[(0, 0)])
    return made.trial(0, 0)


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    return trial_of(tmp_path_factory.mktemp("drop"), "drop = 0.1")


def test_curves_ratios_and_plan_belong_together(trial):
    found = json.loads((trial.path / "plans" / "pruned-sensitivity.json").read_text())
    plan = Plan.load(trial.path / "plans" / "pruned.json")
    dense, small = (load(trial.path / "networks" / name) for name in ("dense", "pruned"))
    assert found["target"] == pytest.approx(found["baseline"] - 0.1)
    assert plan.keep
    for name, curve in found["axes"].items():
        passed = 0
        for n, value in zip(curve["removed"], curve["values"], strict=True):
            if not value >= found["target"]:
                break
            passed = n
        assert len(plan.keep.get(name, range(curve["size"]))) == dense.axes[name].size - passed
        if dense.axes[name].size - passed > 1:
            assert small.axes[name].size == dense.axes[name].size - passed


def test_validation_windows_are_seen_and_recorded(trial):
    ledger = trial.read("trial")["ledger"]
    rows = [row for row in ledger if row["stage"] == "sensitivity"]
    assert [row["note"] for row in rows] == ["d_score"]
    assert rows[0]["sha256"] in {row["sha256"] for row in ledger if row["stage"] == "early stopping"}
    assert rows[0]["sha256"] not in {row["sha256"] for row in ledger if row["stage"] == "evaluate"}
    assert trial.read("trial")["audit"]["verdict"] == "passed"


def test_nothing_is_removed_where_nothing_can_go(tmp_path):
    """A target above every curve leaves the network as it is, and says so."""
    trial = trial_of(tmp_path, "target = 1.0\noptions = {ties = 'average'}")
    dense, small = (load(trial.path / "networks" / name) for name in ("dense", "pruned"))
    found = json.loads((trial.path / "plans" / "pruned-sensitivity.json").read_text())
    assert not any(found["ratios"].values())
    assert all(np.array_equal(dense.tensors[name], small.tensors[name]) for name in dense.tensors)
    facts = trial.read("built/pruned")
    assert facts["sparsity_achieved"] == 0
    assert "nothing was removed" in facts["note"]


@pytest.mark.parametrize(
    ("goal", "words"),
    [
        ("target = 0.9\nsparsity = 0.5", "exactly one goal"),
        ("target = 0.9\ndrop = 0.1", "exactly one goal"),
        ("target = 90", "target"),
        ("drop = -0.1", "drop"),
        ('target = 0.9\nscope = "global"', "leave out scope"),
    ],
)
def test_mistakes_are_named(goal, words):
    with pytest.raises(ValueError, match=words):
        parse_recipe(DENSE + STEP + goal)


def test_goals_enter_the_hash():
    hashes = {parse_recipe(DENSE + STEP + goal).hash for goal in ("target = 0.8", "target = 0.9", "drop = 0.1")}
    assert len(hashes) == 3
