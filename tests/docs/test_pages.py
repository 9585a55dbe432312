"""The pages about pruning tell the truth: their Python runs, their commands and recipes are understood."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import mne
import numpy as np
import pytest
from pages import Block, blocks, commands, parse_command, recipes, run_python

from stubs import framework
from trimcap.data.electrodes.headsets import fit_headset
from trimcap.data.sets.eegmat import CHANNELS
from trimcap.study.recipe.recipe import load_recipe, parse_recipe

DOCS = Path(__file__).parents[2] / "docs"
HOW_TO = sorted((DOCS / "how-to").glob("*.md"))
PAGES = [DOCS / "pruning.md", DOCS / "dscore.md", DOCS / "statistics.md", *HOW_TO]
#: their Python goes on from a network and a fold of one's own
UNFINISHED = [DOCS / "electrodes.md"]
SLOW = ("budgets", "dscore", "published-quirks", "recovery", "schedules")
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=[pytest.mark.slow] if page.stem in SLOW else []) for page in PAGES],
    ids=lambda page: page.stem,
)
def test_python_runs_and_prints_what_the_page_says(page, tmp_path, monkeypatch):
    if "braindecode" in page.read_text():
        framework("braindecode", "models")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    try:
        with warnings.catch_warnings():
            if page.stem == "braindecode":  # its models warn when they are built
                warnings.simplefilter("ignore")
            assert run_python(page, tmp_path) == []
    finally:
        for name in {file.stem for file in tmp_path.glob("*.py")} & (set(sys.modules) - before):
            del sys.modules[name]


@pytest.mark.parametrize("page", [*PAGES, *UNFINISHED], ids=lambda page: page.stem)
def test_commands_are_understood(page):
    for arguments in commands(page):
        parse_command(arguments)


@each_page
def test_recipes_are_understood(page, tmp_path):
    for text in recipes(page):
        (tmp_path / page.name).write_text(text)
        load_recipe(tmp_path / page.name)  # one may extend a shipped one


def test_epochs_are_joined_as_the_page_says(tmp_path, monkeypatch):
    """The other Python of the page needs data sets that have to be asked for."""
    info = mne.create_info(["Fz", "Cz", "Pz"], 100.0, "eeg")
    for number in range(3):
        data = np.random.default_rng(number).normal(0, 1e-5, (8, 3, 200))
        events = np.array([[200 * i, 0, 1 + i % 2] for i in range(8)])
        made = mne.EpochsArray(data, info, events, event_id={"left": 1, "right": 2}, verbose="error")
        made.save(tmp_path / f"S0{number + 1}-epo.fif", verbose="error")
    section = (DOCS / "data.md").read_text().split("### Epochs of several subjects")[1].split("\n### ")[0]
    (tmp_path / "page.md").write_text(section)
    monkeypatch.chdir(tmp_path)
    assert run_python(tmp_path / "page.md", tmp_path) == []
    assert len(blocks(section, "python")) == 1


def test_stand_ins_of_a_headset_are_those_that_the_page_names():
    seats = fit_headset("muse_4", CHANNELS).seats
    text = " ".join((DOCS / "electrodes.md").read_text().split())
    assert f"on the 19 electrodes of EEGMAT *Muse 4: {', '.join(map(str, seats))}*" in text


def test_every_page_is_linked():
    text = (DOCS / "pruning.md").read_text()
    missing = [page.name for page in HOW_TO if f"(how-to/{page.name})" not in text]
    assert not missing


PAGE = """
```python
print(1 + 1)
```

```
{}
```

```sh
trimcap prune net --out small --sparsity 0.5   # half
```
"""


def test_what_is_wrong_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(PAGE.format(2))
    assert run_python(page, tmp_path) == []
    assert commands(page) == [["prune", "net", "--out", "small", "--sparsity", "0.5"]]
    page.write_text(PAGE.format(3))
    assert run_python(page, tmp_path) == ["page.md, line 3: prints\n2\n"]
    page.write_text("```python\n1 / 0\n```")
    with pytest.raises(ZeroDivisionError):
        run_python(page, tmp_path)
    for wrong in (["prne"], ["prune", "net", "--out", "small", "--sparsty", "1"], ["prune", "--sparsity", "x"]):
        with pytest.raises(Exception, match=r"No such command|No such option|valid number"):  # typer's own click
            parse_command(wrong)
    with pytest.raises(ValueError, match="kind"):
        parse_recipe('name = "page"\n[[steps]]\nkind = "prne"')


def test_blocks():
    text = "```python\na\n```\n\ntext\n\n```\nno output\n```\n```toml\nb\n```\n"
    assert blocks(text, "python") == [Block("python", "a\n", 2)]
    assert blocks(text, "toml") == [Block("toml", "b\n", 11)]
