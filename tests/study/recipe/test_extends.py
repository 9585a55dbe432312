"""A recipe that says only what is different in it."""

from __future__ import annotations

import pytest

from trimcap.study.recipe.extends import full_text, merged
from trimcap.study.recipe.recipe import load_recipe, parse_recipe
from trimcap.study.recipe.shipped import shipped

BASE = """
name = "base"
seeds = [0, 1]
[data]
source = "synthetic"
subjects = 4
[data.options]
seed = 3
line_noise = 0
[train]
epochs = 7
[[steps]]
kind = "rewrite"
"""


def write(folder, **texts):
    for name, text in texts.items():
        (folder / f"{name}.toml").write_text(text)
    return folder


def test_tables_are_merged_and_everything_else_replaced(tmp_path):
    own = 'name = "own"\nextends = "base.toml"\nseeds = [5]\n[data.options]\nseed = 4\n'
    own += '[[steps]]\nkind = "prune"\nsparsity = 0.5\n'
    write(tmp_path, base=BASE, own=own)
    found = load_recipe(tmp_path / "own.toml")
    written_out = BASE.replace("[0, 1]", "[5]").replace("seed = 3", "seed = 4").replace('"base"', '"own"')
    written_out = written_out.replace('kind = "rewrite"', 'kind = "prune"\nsparsity = 0.5')
    assert found == parse_recipe(written_out)
    assert found.hash == parse_recipe(written_out).hash != load_recipe(tmp_path / "base.toml").hash
    assert (found.train.epochs, found.data.options) == (7, {"seed": 4, "line_noise": 0})


def test_it_goes_on_over_several_files_and_finds_shipped_recipes(tmp_path):
    write(tmp_path, base=BASE, middle='extends = "base.toml"\n[train]\nepochs = 8\n',
          own='name = "own"\nextends = "middle.toml"\n[train]\nbatch_size = 3\n',
          mine='name = "mine"\nextends = "demo"\nseeds = [9]\n')  # fmt: skip
    found = load_recipe(tmp_path / "own.toml")
    assert (found.train.epochs, found.train.batch_size, found.data.subjects) == (8, 3, 4)
    mine, demo = load_recipe(tmp_path / "mine.toml"), load_recipe(shipped()["demo"])
    assert mine.seeds == (9,)
    assert mine.model_dump(exclude={"seeds", "name"}) == demo.model_dump(exclude={"seeds", "name"})


def test_the_text_holds_all_that_was_said(tmp_path):
    write(tmp_path, base=BASE, own='name = "own"\nextends = "base.toml"\n')
    text = full_text(tmp_path / "own.toml")
    assert text.startswith('name = "own"\n')
    assert "# ---- base.toml ----" in text
    assert "# epochs = 7" in text
    assert full_text(tmp_path / "base.toml") == BASE


def test_what_is_wrong_is_said(tmp_path):
    write(tmp_path, a='extends = "b.toml"', b='extends = "a.toml"', c="extends = 3", d='extends = "nix.toml"', e="x =",
          f='name = "f"\nextends = "base.toml"\n[train]\nepoch = 3\n', base=BASE)  # fmt: skip
    with pytest.raises(ValueError, match=r"in a circle: a\.toml → b\.toml → a\.toml"):
        merged(tmp_path / "a.toml")
    with pytest.raises(ValueError, match=r"c\.toml: extends = 3: it is the name of one recipe"):
        merged(tmp_path / "c.toml")
    with pytest.raises(FileNotFoundError, match=r"nix\.toml', which 'd\.toml' extends.* Beside it: a\.toml"):
        merged(tmp_path / "d.toml")
    with pytest.raises(ValueError, match=r"e\.toml is not valid TOML"):
        merged(tmp_path / "e.toml")
    with pytest.raises(ValueError, match=r"f\.toml: \[train\] unknown key 'epoch'; did you mean 'epochs'"):
        load_recipe(tmp_path / "f.toml")


def test_a_misspelt_shipped_recipe_is_named(tmp_path):
    write(tmp_path, a='extends = "ijcnn-eegmat-tsceptio"\n', b='extends = "aa.toml"\n', c='extends = "zzqqkkvv"\n')
    with pytest.raises(FileNotFoundError) as caught:
        merged(tmp_path / "a.toml")
    assert "which 'a.toml' extends; did you mean 'ijcnn-eegmat-tsception'? Beside it: b.toml" in str(caught.value)
    assert "trimcap's own: " in str(caught.value)
    assert all(name in str(caught.value) for name in shipped())
    with pytest.raises(FileNotFoundError, match=r"did you mean 'a\.toml'"):
        merged(tmp_path / "b.toml")
    with pytest.raises(FileNotFoundError, match=r"which 'c\.toml' extends\. Beside it: a\.toml"):
        merged(tmp_path / "c.toml")


METHODS = """
[compare]
sparsities = [0.5]
reference = "random"
[[compare.methods]]
name = "random"
steps = [{kind = "prune", saliency = "random"}]
"""
MINE = """
name = "mine"
extends = "middle.toml"
[[compare.methods]]
name = "LFP"
steps = [{kind = "prune"}]
"""


def test_an_inherited_reference_says_where_it_is_from_and_hides_nothing(tmp_path):
    write(tmp_path, base=BASE + METHODS, middle='extends = "base.toml"\n', mine=MINE)
    where = (
        "mine.toml: [compare] reference = 'random', inherited from 'base.toml', is no method; methods: LFP. Name one"
    )
    with pytest.raises(ValueError, match="inherited") as caught:
        load_recipe(tmp_path / "mine.toml")
    (line,) = str(caught.value).splitlines()
    assert line.startswith(where)
    assert line.endswith('or write reference = "dense" in [compare]')
    wrong = MINE.replace('"prune"', '"prun"').replace("[[comp", "seeds = [1, 1]\n[train]\nepoch = 3\n[[comp")
    write(tmp_path, mine=wrong)
    with pytest.raises(ValueError, match="inherited") as caught:
        load_recipe(tmp_path / "mine.toml")
    first, *rest = str(caught.value).splitlines()
    assert first == line
    assert [r.partition("; did")[0] for r in rest] == [
        "mine.toml: [train] unknown key 'epoch'",
        "mine.toml: [compare] method 'LFP', step 1: unknown kind 'prun'",
    ]
    for own in ('reference = "dense"', 'reference = "LFP"'):
        write(tmp_path, mine=MINE.replace("[[comp", f"[compare]\n{own}\n[[comp"))
        assert load_recipe(tmp_path / "mine.toml").compare.reference in (None, "LFP")
