"""A recipe that says only what is different in it."""

from __future__ import annotations

import pytest

from trimcap.study.extends import full_text, merged
from trimcap.study.recipe import load_recipe, parse_recipe
from trimcap.study.shipped import shipped

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
    with pytest.raises(FileNotFoundError, match=r"nix\.toml', which 'd\.toml' extends\. Found there: a\.toml"):
        merged(tmp_path / "d.toml")
    with pytest.raises(ValueError, match=r"e\.toml is not valid TOML"):
        merged(tmp_path / "e.toml")
    with pytest.raises(ValueError, match=r"f\.toml: \[train\] unknown key 'epoch'; did you mean 'epochs'"):
        load_recipe(tmp_path / "f.toml")
