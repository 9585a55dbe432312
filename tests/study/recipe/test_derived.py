from dataclasses import replace

import pytest

from trimcap.study.recipe.derived import derive, with_fingerprint, with_random_labels
from trimcap.study.recipe.plan import plan_of
from trimcap.study.recipe.recipe import parse_recipe
from trimcap.study.run.prepare import prepare
from trimcap.study.run.twin import leaky_twin

TEXT = """
name = "x"
seeds = [3, 4]
[data]
source = "synthetic"
subjects = 3
rate = 64
seconds = 7
window = 2
step = 1
normalise = "none"
[data.options]
trials_per_class = 2
line_noise = 0
channels = ["F3", "C4", "O1"]
electrodes = ["O1"]
[protocol]
name = "k_fold_subjects"
folds = 3
valid = 0.4
seed = 9
[model]
options = {F1 = 2, kernel = 8}
[train]
epochs = 2
[[steps]]
kind = "prune"
sparsity = 0.5
"""
RECIPE = parse_recipe(TEXT)


def test_nothing_named_nothing_changed():
    assert derive(RECIPE) == RECIPE
    assert derive(RECIPE).hash == RECIPE.hash


def test_only_what_is_named_changes():
    made = derive(RECIPE, protocol="leaky_windows", folds=4, seeds=[3], dense=True)
    before, after = RECIPE.model_dump(), made.model_dump()
    assert {key for key in before if before[key] != after[key]} == {"protocol", "seeds", "steps"}
    assert (made.protocol.name, made.protocol.folds, made.protocol.valid, made.protocol.seed) == (
        "leaky_windows", 4, 0.4, 9,
    )  # fmt: skip
    assert (made.seeds, made.steps) == ((3,), ())
    assert parse_recipe(TEXT) == RECIPE


def test_it_is_checked_anew():
    with pytest.raises(ValueError, match="label_seed"):
        derive(RECIPE, data={"label_seed": -1})
    with pytest.raises(ValueError, match="windw"):
        derive(RECIPE, data={"windw": 1})


def test_random_labels_change_the_labels_only():
    made = with_random_labels(RECIPE, seed=5, balance="none")
    before, after = RECIPE.data.model_dump(), made.data.model_dump()
    assert {key for key in before if before[key] != after[key]} == {"labels", "label_seed", "label_balance"}


def test_fingerprint_has_the_size_of_the_data_and_other_signals_per_seed():
    own = prepare(RECIPE).windows
    made = [prepare(with_fingerprint(RECIPE, own, seed=s)).windows for s in (0, 1)]
    for windows in made:
        assert windows.X.shape == own.X.shape == (3 * 4 * 6, 3, 128)
        assert (windows.rate, windows.duration, windows.channels) == (own.rate, own.duration, own.channels)
        assert windows.classes == own.classes
        assert windows.metadata.start.tolist() == own.metadata.start.tolist()
    assert (made[0].X != made[1].X).any()


def test_fingerprint_is_no_longer_than_it_needs_to_be():
    long = derive(RECIPE, data={"seconds": 60, "options": {**RECIPE.data.options, "trials_per_class": 11}})
    windows = prepare(with_fingerprint(long, prepare(long).windows, seed=0)).windows
    assert len(windows) == 3 * 16 * 20


def test_electrodes_without_a_known_name_get_one():
    own = prepare(RECIPE).windows
    made = with_fingerprint(RECIPE, replace(own, channels=("E1", "E2", "E3")), seed=0)
    assert prepare(made).windows.channels == ("Fp1", "Fp2", "F7")
    many = tuple(f"E{i}" for i in range(20))
    with pytest.raises(ValueError, match=r"places of the 20 electrodes.*E0, E1, E2, … are unknown|E0, E1, E2"):
        with_fingerprint(RECIPE, replace(own, channels=many), seed=0)


def test_another_protocol_has_nothing_to_calibrate_on():
    recipe = parse_recipe('name = "few"\n[protocol]\nname = "few_shot"\n[[steps]]\nkind = "calibrate"\nepochs = 1\n')
    assert [step.kind for step in derive(recipe, data={"labels": "random"}).steps] == ["calibrate"]
    assert derive(recipe, protocol="leaky_windows").steps == ()


COMPARE = """
[compare]
reference = "random"
[[compare.methods]]
name = "LFP"
steps = [{kind = "prune", sparsity = 0.5}, {kind = "calibrate"}]
[[compare.methods]]
name = "random"
steps = [{kind = "calibrate"}]
"""


def test_the_dense_network_is_all_there_is():
    """Methods of `[compare]` are not run under shuffled windows, or on random labels."""
    recipe = parse_recipe(TEXT + COMPARE.replace(', {kind = "calibrate"}', "").replace("calibrate", "rewrite"))
    assert [stage.name for stage in plan_of(derive(recipe, dense=True))] == ["dense"]
    assert derive(recipe, data={"labels": "random"}).compare == recipe.compare
    assert leaky_twin(recipe, folds=3).compare is None


def test_methods_have_nothing_to_calibrate_on_either():
    recipe = parse_recipe('name = "few"\n[protocol]\nname = "few_shot"\n' + COMPARE)
    left = derive(recipe, protocol="leaky_windows").compare
    assert left is not None
    assert [(one.name, [step["kind"] for step in one.steps]) for one in left.methods] == [("LFP", ["prune"])]
    assert left.reference is None
