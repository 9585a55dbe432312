"""The prune step with saliencies that look at data: which windows they see, and that the ledger says so."""

from __future__ import annotations

import pytest
from test_run import DENSE

from trimcap.graph.save import load
from trimcap.prune.plan import Plan
from trimcap.study.recipe.recipe import parse_recipe
from trimcap.study.run.run import run
from trimcap.study.steps import fitting

STEPS = """
[[steps]]
kind = "prune"
sparsity = 0.25
saliency = "taylor"
options = {of = "weights", n_windows = 5}
[[steps]]
kind = "prune"
sparsity = 0.5
saliency = "oracle"
options = {windows = "valid"}
[[steps]]
kind = "prune"
electrodes = 3
saliency = "fisher"
"""


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    folder = run(parse_recipe(DENSE + STEPS), tmp_path_factory.mktemp("r") / "r", only=[(0, 0)])
    return folder.trial(0, 0)


def test_training_windows_unless_validation_is_asked_for(trial):
    rows = {row["note"]: row for row in trial.read("trial")["ledger"] if row["stage"] == "saliency"}
    seen = {"fit": [], "early stopping": []}
    for row in trial.read("trial")["ledger"]:
        seen.get(row["stage"], []).append(row["sha256"])
    assert set(rows) == {"taylor", "oracle", "fisher"}
    assert rows["taylor"]["n"] == 5
    assert rows["oracle"]["sha256"] in seen["early stopping"]
    assert rows["fisher"]["sha256"] in seen["fit"]
    assert rows["fisher"]["sha256"] not in seen["early stopping"]


def test_the_networks_are_pruned_and_the_audit_passes(trial):
    small = load(trial.path / "networks" / "pruned-3")
    assert len(small.channels) == 3
    assert Plan.load(trial.path / "plans" / "pruned-2.json").note.startswith("oracle, sparsity 0.5")
    assert trial.read("trial")["audit"]["verdict"] == "passed"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"taylor"', '"taylr"', "unknown saliency 'taylr'; did you mean 'taylor'"),
        ('of = "weights"', 'fo = "weights"', "saliency 'taylor': unknown option 'fo'; did you mean 'form'"),
        ('windows = "valid"', 'windows = "test"', r"options.windows is 'test'.*must not be chosen on the test set"),
        ('saliency = "oracle"', 'saliency = "l1"', "saliency 'l1': unknown option 'windows'"),
    ],
)
def test_mistakes_are_named_before_training(tmp_path, monkeypatch, old, new, words):
    monkeypatch.setattr(fitting, "train", lambda *_, **__: pytest.fail("trained"))
    assert old in STEPS
    with pytest.raises(ValueError, match=words):
        run(parse_recipe(DENSE + STEPS.replace(old, new)), tmp_path / "r")
