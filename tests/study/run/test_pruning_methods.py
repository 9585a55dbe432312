"""Recipes of every method and every arm: what is trained, kept, removed, and what it cost."""

from __future__ import annotations

import json

import pytest
import torch
from test_run import TINY

from trimcap.graph.price import price
from trimcap.graph.save import load
from trimcap.prune.after.compact import difference
from trimcap.prune.after.soft import silent_plan
from trimcap.prune.choose.keep import removed_count
from trimcap.study.recipe.recipe import parse_recipe
from trimcap.study.report.tables import cost_table
from trimcap.study.results.gathered import gather
from trimcap.study.run.run import run
from trimcap.train.masks import Masks

HEAD = TINY[: TINY.index("[[steps]]")].replace("seeds = [0]", "seeds = [3]")
RECOVER = '[[steps]]\nkind = "recover"\nepochs = 2\nbatch_size = 8\n'


def finished(tmp_path, steps, head=HEAD):
    folder = run(parse_recipe(head + steps), tmp_path / "r", only=[(0, 3)])
    return folder.trial(0, 3)


def facts(trial, stage):
    return trial.read(f"built/{stage}")


def network(trial, stage):
    return load(trial.path / "networks" / stage)


def test_masks_survive_recovery_and_are_stored_and_counted(tmp_path):
    trial = finished(
        tmp_path, '[[steps]]\nkind = "mask"\nsparsity = 0.7\n' + RECOVER + '[[steps]]\nkind = "re_estimate"\n'
    )
    masks = Masks.load(trial.path / "masks" / "masked.safetensors")
    assert masks.removed == removed_count(0.7, masks.n)
    for stage in ("masked", "recovered", "re-estimated"):
        small = network(trial, stage)
        assert all(not small.tensors[n][~m].any() for n, m in masks.kept.items())
        found = facts(trial, stage)
        assert found["nonzero"] <= masks.n - masks.removed
        assert found["compressed"] < found["flash"]
        assert "A device sees the dense bytes" in found["storage"]
    assert facts(trial, "masked")["flash"] == facts(trial, "dense")["flash"]
    rows = {row["stage"]: row for row in trial.read("trial")["rows"]}
    assert rows["masked"]["nonzero"] == facts(trial, "masked")["nonzero"]
    assert rows["dense"]["nonzero"] is None
    note = cost_table(gather(trial.path.parent.parent)).note
    assert f"masked: {facts(trial, 'masked')['nonzero']:,} weights are not zero" in note
    assert "A device sees the dense network" in note
    moved = [
        n
        for n in masks.kept
        if not torch.equal(network(trial, "recovered").tensors[n], network(trial, "masked").tensors[n])
    ]
    assert moved  # the others did train
    assert facts(trial, "re-estimated")["re_estimated_windows"] > 0


def test_masks_in_rounds_end_at_the_sparsity(tmp_path):
    steps = '[[steps]]\nkind = "mask"\nsparsity = 0.8\n'
    steps += 'schedule = {rounds = 3, spacing = "cubic", epochs = 1, batch_size = 8}\n'
    trial = finished(tmp_path, steps)
    masks = Masks.load(trial.path / "masks" / "masked.safetensors")
    assert masks.removed == removed_count(0.8, masks.n)
    dense = price(network(trial, "dense")).macs
    assert facts(trial, "masked")["trainings"] == [[1, dense], [1, dense]]
    assert facts(trial, "masked")["budget_macs"] == (3 + 1 + 1) * dense


def test_pruning_in_rounds_trains_between_them_and_counts_from_the_first(tmp_path):
    steps = (
        '[[steps]]\nkind = "prune"\nsparsity = 0.75\naxes = "conv"\nat_most = 0.75\n'
        "schedule = {rounds = 2, epochs = 1, batch_size = 8}\n"
    )
    trial = finished(tmp_path, steps)
    dense, small = network(trial, "dense"), network(trial, "pruned")
    left = {a.name: small.axes[a.name].size if a.name in small.axes.axes else 1 for a in dense.axes.hidden}
    assert left == {a.name: max(1, a.size - removed_count(0.75, a.size)) for a in dense.axes.hidden}
    found = facts(trial, "pruned")
    assert found["rounds"] == [0.5, 0.75]
    assert [epochs for epochs, _ in found["trainings"]] == [1]
    assert found["trainings"][0][1] < price(dense).macs  # the network of the first round was smaller already
    assert (trial.path / "history" / "pruned-round-1.csv").exists()


@pytest.mark.parametrize("borders", ["carry", "map", "keep"])
def test_soft_pruning_ends_with_the_function_that_was_trained(tmp_path, borders):
    steps = (
        '[[steps]]\nkind = "soft"\nsparsity = 0.5\naxes = "conv"\nepochs = 2\nbatch_size = 8\n'
        f'gradual = true\nborders = "{borders}"\n'
    )
    trial = finished(tmp_path, steps)
    found, small, dense = facts(trial, "soft-pruned"), network(trial, "soft-pruned"), network(trial, "dense")
    assert found["sparsity_achieved"] == 0.5
    assert [epochs for epochs, _ in found["trainings"]] == [1, 1]
    assert found["budget_macs"] == (3 + 2) * price(dense).macs
    if borders == "keep":
        assert small.n_parameters == dense.n_parameters
        assert sum(len(k) for k in silent_plan(small).keep.values()) < sum(a.size for a in dense.axes.hidden)
    else:
        assert found["compaction_error"] <= 1e-6
        assert found["trained_parameters"] == dense.n_parameters
        assert small.n_parameters < dense.n_parameters or found["left"]


def test_soft_pruning_with_a_period_ends_pruned_whatever_epoch_was_best(tmp_path):
    steps = '[[steps]]\nkind = "soft"\nsparsity = 0.5\naxes = "conv"\nepochs = 3\nperiod = 2\nbatch_size = 8\n'
    assert facts(finished(tmp_path, steps), "soft-pruned")["sparsity_achieved"] == 0.5


def test_slimming_and_a_threshold_over_all_scales(tmp_path):
    head = HEAD.replace("[train]\n", '[train]\nloss = "slimming(0.01)"\n')
    steps = (
        '[[steps]]\nkind = "prune"\nsaliency = "bn_scale"\naxes = "batch_norm"\nscope = "threshold"\nsparsity = 0.4\n'
    )
    plain = finished(tmp_path / "a", steps + 'constants = "map"\n', head)
    found = facts(plain, "pruned")
    assert found["compaction_error"] <= 1e-6
    before, after = (sum(row[key] for row in found["plan"]) for key in ("before", "after"))
    assert before - after == int(0.4 * before)
    dropped = finished(tmp_path / "b", steps, head)
    assert difference(network(dropped, "pruned"), network(plain, "pruned")) > 1e-6  # what "drop" forgets


ARMS = {
    "fine_tune": "",
    "scratch_epochs": "",
    "scratch_flops": "at_most_epochs = 8\n",
    "distil": "temperature = 2\n",
    "attention": "beta = 10\n",
    "random_twin": "",
    "small": "small = {F1 = 2, F2 = 2}\n",
}


@pytest.fixture(scope="module")
def arms(tmp_path_factory):
    found = {}
    for arm, more in ARMS.items():
        steps = '[[steps]]\nkind = "prune"\nsparsity = 0.5\n' + RECOVER + f'arm = "{arm}"\n' + more
        found[arm] = finished(tmp_path_factory.mktemp(arm), steps)
    return found


def test_arms_start_where_they_say(arms):
    pruned = network(arms["fine_tune"], "pruned")
    shapes = {n: t.shape for n, t in pruned.tensors.items()}
    ends = {arm: network(trial, "recovered") for arm, trial in arms.items()}
    for arm, end in ends.items():
        if arm != "small":
            assert {n: t.shape for n, t in end.tensors.items()} == shapes
    weights = [n for n in shapes if len(shapes[n]) == 4]
    for arm, end in ends.items():
        far = 9.0 if arm == "small" else max(float((end.tensors[n] - pruned.tensors[n]).abs().max()) for n in weights)
        assert (far < 0.05) == (arm in ("fine_tune", "distil", "attention"))
    for arm in ("distil", "attention"):  # and their losses do something
        assert any(not torch.equal(t, ends["fine_tune"].tensors[n]) for n, t in ends[arm].tensors.items())
    assert ends["small"].n_parameters < network(arms["small"], "dense").n_parameters


def test_budgets_are_equal_where_they_should_be(arms):
    found = {arm: facts(trial, "recovered") for arm, trial in arms.items()}
    dense = price(network(arms["fine_tune"], "dense")).macs
    small = price(network(arms["fine_tune"], "pruned")).macs
    for arm in ("fine_tune", "distil", "attention", "random_twin"):
        assert (found[arm]["epochs"], found[arm]["budget_epochs"]) == (2, 5)
        assert found[arm]["budget_macs"] == 3 * dense + 2 * small
    for arm in ("scratch_epochs", "small"):
        assert found[arm]["epochs"] == found[arm]["budget_epochs"] == 5
    assert found["scratch_epochs"]["budget_macs"] == 5 * small
    wanted = 3 * dense // small + 2
    assert found["scratch_flops"]["epochs_for_equal_budget"] == wanted
    assert found["scratch_flops"]["epochs"] == min(wanted, 8)
    rows = {row["stage"]: row for row in arms["fine_tune"].read("trial")["rows"]}
    assert rows["recovered"]["budget_macs"] == found["fine_tune"]["budget_macs"]
    assert rows["dense"]["budget_macs"] == 3 * dense


@pytest.mark.parametrize(
    ("steps", "stage"),
    [
        ('method = "LFP"\nsparsity = 0.3', "LFP"),
        ('method = "LFP"\nsparsity = 0.3\nindependent = true\ndrop_biases = true', "LFP"),
        ('method = "NSFP"\nsparsity = 0.3', "NSFP"),
        ('method = "UMWP"\nsparsity = 0.3', "UMWP"),
        ('method = "SFP"\nsparsity = 0.3', "SFP"),
    ],
)
def test_published_methods_with_their_slips(tmp_path, steps, stage):
    trial = finished(tmp_path, f'[[steps]]\nkind = "published"\n{steps}\n' + RECOVER)
    found = facts(trial, "pruned-as-published")
    assert found["published_counts"]["parameters"] < facts(trial, "dense")["parameters"]
    assert (trial.path / "masks" / "pruned-as-published.safetensors").exists() == (stage == "UMWP")
    assert json.dumps(found)


def test_a_stopped_trial_goes_on_with_its_masks(tmp_path, monkeypatch):
    from trimcap.study.steps import fitting

    recipe = parse_recipe(HEAD + '[[steps]]\nkind = "mask"\nsparsity = 0.5\n' + RECOVER)
    monkeypatch.setattr(fitting, "tuned", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(recipe, tmp_path / "r", only=[(0, 3)])
    monkeypatch.undo()
    trial = run(recipe, tmp_path / "r", only=[(0, 3)]).trial(0, 3)
    masks = Masks.load(trial.path / "masks" / "recovered.safetensors")
    assert masks.sparsity == pytest.approx(0.5, abs=0.01)
    assert all(not network(trial, "recovered").tensors[n][~m].any() for n, m in masks.kept.items())


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        (
            '[[steps]]\nkind = "mask"\nsparsity = 0.5\n[[steps]]\nkind = "prune"\nsparsity = 0.5',
            "'prune' cannot follow 'mask'",
        ),
        ('[[steps]]\nkind = "recover"\narm = "small"', "go together"),
        ('[[steps]]\nkind = "recover"\narm = "distil"\nloss = "slimming"', "has a loss of its own"),
        ('[[steps]]\nkind = "prune"\nmacs = 5\nschedule = {rounds = 2}', "goes up to a sparsity"),
        ('[[steps]]\nkind = "prune"\nelectrodes = 2\naxes = "conv"', "axes are given twice"),
        (
            '[[steps]]\nkind = "published"\nmethod = "SFP"\nsparsity = 0.5\nindependent = true',
            "is a slip of LFP, not of SFP",
        ),
        ('[[steps]]\nkind = "soft"\nsparsity = 1.0', "less than 1"),
        ('[[steps]]\nkind = "soft"\nsparsity = 0.5\ngradual = true\nepochs = 1', "gradual needs two periods"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_trained(steps, says):
    with pytest.raises(ValueError, match=says):
        parse_recipe(HEAD + steps)


def test_arms_that_lack_something_say_so(tmp_path):
    with pytest.raises(ValueError, match="put a 'prune' step before"):
        finished(tmp_path / "a", RECOVER + 'arm = "random_twin"\n')
    with pytest.raises(ValueError, match="don't prune electrodes before"):
        finished(tmp_path / "b", '[[steps]]\nkind = "prune"\nelectrodes = 3\n' + RECOVER + 'arm = "distil"\n')
