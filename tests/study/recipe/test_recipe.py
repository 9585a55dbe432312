from pathlib import Path

import pytest
from pydantic import ValidationError

from trimcap.study.recipe.recipe import load_recipe, parse_recipe

RECIPES = Path(__file__).parents[3] / "recipes"

DEMO = """
name = "demo"
seeds = [0, 1]
[data]
source = "synthetic"
subjects = 6
window = 2
[data.options]
seed = 3
[protocol]
folds = 3
[train]
epochs = 5
[[steps]]
kind = "rewrite"
[[steps]]
kind = "prune"
sparsity = 0.5
[[steps]]
kind = "recover"
[[steps]]
kind = "quantize"
[[steps]]
kind = "export"
[[steps]]
kind = "verify"
[report]
margin = 0.03
"""


def complain(text: str) -> str:
    with pytest.raises(ValueError, match=r"demo\.toml: ") as caught:
        parse_recipe(text, where="demo.toml")
    return str(caught.value)


def test_values_and_defaults():
    recipe = parse_recipe(DEMO)
    assert recipe.seeds == (0, 1)
    assert recipe.data.window == 2.0
    assert recipe.data.rate == 128.0
    assert [s.kind for s in recipe.steps] == ["rewrite", "prune", "recover", "quantize", "export", "verify"]
    with pytest.raises(ValidationError):
        recipe.name = "x"


def test_hash_is_pinned():
    """If this value changes, users can no longer resume their old runs: say so in the changelog."""
    assert parse_recipe(DEMO).hash == "103585626662adf38c1f4988e03ea2f0228eace98673ec8e121a0fdb0bad9921"


def test_hash_ignores_spelling_name_and_report_but_no_number():
    one = parse_recipe(DEMO)
    respelt = DEMO.replace("window = 2", "window = 2.0 # s").replace("0.03", "0.05").replace('"demo"', '"other"')
    assert parse_recipe(respelt).hash == one.hash
    explicit = DEMO.replace("[train]", '[train]\nbatch_size = 64\nloss = "cross_entropy"')
    explicit = explicit.replace('kind = "prune"', 'kind = "prune"\nsaliency = "l1"\noptions = {}')
    assert explicit.count("options = {}") == 1
    assert parse_recipe(explicit).hash == one.hash
    for old, new in (("epochs = 5", "epochs = 6"), ("seeds = [0, 1]", "seeds = [0, 2]"), ("0.5", "0.25")):
        assert parse_recipe(DEMO.replace(old, new)).hash != one.hash


def test_unknown_key_names_the_nearest():
    message = complain(DEMO.replace("epochs = 5", "epoch = 5"))
    assert message == (
        "demo.toml: [train] unknown key 'epoch'; did you mean 'epochs'? "
        "Known: batch_size, class_weights, epochs, learning_rate, loss, monitor, optimizer, patience, "
        "schedule, weight_decay"
    )


def test_unknown_key_in_a_step_says_which_step():
    message = complain(DEMO.replace("sparsity", "sparsty"))
    assert "[[steps]] number 2 (prune) unknown key 'sparsty'; did you mean 'sparsity'?" in message


def test_unknown_table_and_kind():
    assert "unknown key 'trian'; did you mean 'train'?" in complain(DEMO.replace("[train]", "[trian]"))
    message = complain(DEMO.replace('"prune"', '"prunes"'))
    assert "[[steps]] number 2 unknown kind 'prunes'; did you mean 'prune'?" in message
    assert "number 7 lacks the key 'kind'" in complain(DEMO.replace("[report]", "[[steps]]\nbits=8\n[report]"))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("epochs = 5", 'epochs = "5"', ["[train] epochs = '5'", "integer"]),
        ("epochs = 5", "epochs = 0", ["[train] epochs = 0", "greater than or equal to 1"]),
        ("epochs = 5", "epochs = true", ["[train] epochs = True", "integer"]),
        ("sparsity = 0.5", "sparsity = 1.0", ["(prune) sparsity = 1.0", "less than 1"]),
        ("sparsity = 0.5", "sparsity = -0.1", ["(prune) sparsity = -0.1", "greater than or equal to 0"]),
        ("sparsity = 0.5", "", ["(prune) give exactly one goal", "none was given"]),
        ("sparsity = 0.5", "sparsity = 0.5\nelectrodes = 4", ["several were given"]),
        ("subjects = 6", 'features = "entropy"', ["[data] features", "did you mean 'differential_entropy'?"]),
        ("subjects = 6", 'layout = "grid"', ["[data] layout", "differential_entropy"]),
        ("seeds = [0, 1]", "seeds = [1, 1]", ["not distinct"]),
        ("seeds = [0, 1]", "seeds = []", ["seeds", "at least 1"]),
        ('name = "demo"', "", ["lacks the key 'name'"]),
        ('kind = "export"', 'kind = "rewrite"', ["'rewrite' cannot follow 'quantize'"]),
        ('kind = "export"', 'kind = "verify"', ["'verify' needs an 'export' before it"]),
        ("window = 2", "window = ", ["not valid TOML", "line 7"]),
    ],
)
def test_wrong_values_say_where(old, new, words):
    text = DEMO.replace(old, new)
    assert text != DEMO
    with pytest.raises(ValueError, match=r"demo\.toml") as caught:
        parse_recipe(text, where="demo.toml")
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_a_value_that_fits_no_member_of_a_union_has_one_reason():
    with pytest.raises(ValueError, match="subjects = -2") as error:
        parse_recipe('name = "x"\n[data]\nsource = "synthetic"\nsubjects = -2\n')
    assert str(error.value) == "recipe: [data] subjects = -2: input should be greater than or equal to 1"


def test_several_problems_are_all_named():
    message = complain(DEMO.replace("epochs = 5", "epoch = 5").replace("folds = 3", "fold = 3"))
    assert len(message.splitlines()) == 2


def test_missing_file_names_what_is_there(tmp_path):
    (tmp_path / "a.toml").write_text(DEMO)
    assert load_recipe(tmp_path / "a.toml").name == "demo"
    with pytest.raises(FileNotFoundError, match=r"no recipe .*b.toml.*Found there: a.toml"):
        load_recipe(tmp_path / "b.toml")


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda p: p.stem)
def test_shipped_recipes_are_valid_and_go_the_whole_way_or_compare_methods(path):
    recipe = load_recipe(path)
    assert recipe.name == path.stem
    kinds = [step.kind for step in recipe.steps]
    if recipe.compare is not None:
        assert (len(recipe.compare.methods) > 1) == (recipe.compare.reference is not None)
    else:
        assert kinds == ["rewrite", "prune", "recover", "quantize", "export", "verify"]
    assert "emotion" not in recipe.report.title.lower()


def test_recipes_are_found():
    assert {p.stem for p in RECIPES.glob("*.toml")} >= {"demo", "eegmat-ccnn", "eegmat-eegnet"}


def test_random_labels_enter_the_hash_and_recorded_ones_do_not():
    one = parse_recipe(DEMO)
    assert parse_recipe(DEMO.replace("[data]", '[data]\nlabels = "recorded"')).hash == one.hash
    random = DEMO.replace("[data]", '[data]\nlabels = "random"')
    hashes = {parse_recipe(random.replace("[data]", f"[data]\nlabel_seed = {s}")).hash for s in range(3)}
    assert len(hashes | {one.hash}) == 4


def test_leaky_twin_is_a_switch_or_seeds_and_not_in_the_hash():
    base = DEMO[: DEMO.index("[report]")] if "[report]" in DEMO else DEMO
    first = parse_recipe(base).seeds[0]
    for text, value in (("true", True), ("false", False), (f"[{first}]", (first,))):
        recipe = parse_recipe(f"{base}\n[report]\nleaky_twin = {text}\n")
        assert recipe.report.leaky_twin == value
        assert recipe.hash == parse_recipe(base).hash
    for wrong in ('"yes"', "[]", "[999]"):
        with pytest.raises(ValueError, match="leaky_twin"):
            parse_recipe(f"{base}\n[report]\nleaky_twin = {wrong}\n")
