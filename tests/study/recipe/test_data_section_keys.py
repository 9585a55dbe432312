"""[data]: keys and chains that can't be, and what of it enters the hash."""

import pytest
from data_recipes import CHAIN, DEAP, TINY, recipe

from trimcap.study.recipe.recipe import Recipe, parse_recipe


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("rate = 128", r"\[data\] rate can't be given with a chain.*\{name = \"resample\", rate = 128\}"),
        ('window = 2\nlayout = "grid"', r"window and layout can't be given with a chain"),
        ('normalise = "subject"', r"normalise can't be given with a chain.*subject_z_score"),
        ("cache = 3", r"\[data\] cache = 3"),
        ("options = 3", "options"),
    ],
)
def test_what_a_chain_says_is_not_said_twice(more: str, words: str) -> None:
    text = DEAP.replace('options = {label="arousal", threshold=5, side=">"}', "")
    with pytest.raises(ValueError, match=words):
        recipe(text.replace("[data]", f"[data]\n{more}"))
    for allowed in ('normalise = "none"', 'normalise = "train"'):
        recipe(text.replace("[data]", f"[data]\n{allowed}"))


@pytest.mark.parametrize(
    ("chain", "words"),
    [
        ('["windws"]', r"\[data\] chain: unknown step 'windws'; did you mean 'windows'"),
        ('["differential_entropy"]', "chain: a chain needs the step 'windows' once"),
        ('[{name="windows", second=1}]', "step windows: unknown option 'second'; did you mean 'seconds'"),
        ("[{seconds=1}]", "names no step"),
        ('[{name="windows", seconds="1"}]', "wrong type"),
        ('"windows"', "chain"),
        ("[]", "chain needs the step 'windows' once"),
        ("[3]", "chain"),
    ],
)
def test_impossible_chains_are_named_in_the_recipe(chain: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        recipe(DEAP.replace(CHAIN, chain))


def test_features_are_no_recordings() -> None:
    for source in ("npz", "seed-features"):
        with pytest.raises(ValueError, match=f"a chain works on recordings, but {source} holds windows already"):
            recipe(DEAP.replace('"deap"\npath', f'"{source}"\npath'))
    text = 'name = "x"\n[data]\nsource = "seed-features"\nfeatures = "band_power"\n'
    with pytest.raises(ValueError, match="seed-features are features already; leave out features"):
        parse_recipe(text)


def test_the_chain_enters_the_hash_and_the_cache_does_not() -> None:
    one = recipe(DEAP)
    for cache in ("true", "false", '"elsewhere"'):
        assert recipe(DEAP, cache=cache).hash == one.hash
    other = {recipe(DEAP.replace("seconds=1", "seconds=2", 1)).hash, recipe(DEAP.replace(', "grid"]', "]")).hash}
    assert len({one.hash, *other}) == 3


def test_recipes_travel_to_other_processes() -> None:
    for text in (
        DEAP,
        TINY,
        'name = "x"\n[data]\nsource = "deap"\n',
        'name = "x"\n',
        'name = "x"\n[data]\ncache = false\n',
    ):
        one = recipe(text)
        there = Recipe.model_validate_json(one.model_dump_json())
        assert there == one
        assert there.hash == one.hash
