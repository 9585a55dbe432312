"""Every kind of step is whole: its module, its line in the table, its words, and a test and a page that use it."""

from __future__ import annotations

import inspect
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

import pytest

from trimcap.study.recipe.plan import plan_of
from trimcap.study.recipe.recipe import parse_recipe
from trimcap.study.steps import rewrite, table
from trimcap.study.steps.kind import Effect, Kind, Need
from trimcap.study.steps.section import Section
from trimcap.study.steps.table import KINDS, check_order

ROOT = Path(__file__).parents[3]
STEPS = Path(inspect.getfile(table)).parent
#: modules beside those of the kinds
SHARED = {"__init__", "fitting", "kind", "section", "slices", "table", "task"}


def texts(*folders: str) -> str:
    """All that is written in some folders, but this file."""
    files = (p for f in folders for p in (ROOT / f).rglob("*") if p.suffix in (".md", ".py", ".toml"))
    return "\n".join(p.read_text() for p in files if p != Path(__file__))


@pytest.fixture(scope="module")
def used() -> str:
    return texts("tests", "recipes")


@pytest.fixture(scope="module")
def said() -> str:
    return texts("docs")


def lacking(kind: Kind, used: str, said: str) -> list[str]:
    """What a kind of step still needs, in words."""
    text = kind.options.__doc__ or ""
    mute = [name for name in kind.options.__annotations__ if name != "kind" and name not in text]
    titles = [other.title for other in KINDS.values() if other.name != kind.name]
    known = {*kind.changes, *kind.ends} <= set(get_args(Effect)) and set(kind.needs) <= set(get_args(Need))
    whole = {
        "a line in steps/table.py": kind.name in KINDS,
        f"a module steps/{kind.name}.py": (STEPS / f"{kind.name}.py").is_file(),
        f"words about its options {mute}": bool(text) and (not mute or "ee `trimcap." in text),
        "a name of its own for its stages": bool(kind.title) and kind.title not in titles,
        "make(task, name, step, state)": len(inspect.signature(kind.make).parameters) == 4,
        "effects and needs that are known": known,
        "restore, as it leaves no float network": "weights" in kind.changes or kind.restore is not None,
        "the options that `removes` names": set(kind.removes) <= set(kind.options.model_fields),
        "a test or recipe that uses it": f'kind = "{kind.name}"' in used,
        "a page of docs/ that uses it": f'kind = "{kind.name}"' in said,
    }
    return [what for what, there in whole.items() if not there]


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_a_kind_lacks_nothing(kind, used, said):
    assert lacking(kind, used, said) == []


def test_every_module_of_the_folder_is_a_kind_or_shared():
    assert {path.stem for path in STEPS.glob("*.py")} == {*KINDS, *SHARED}


class Half(Section):
    """Something."""

    kind: Literal["unfinished"]
    width: int = 1


def test_a_kind_that_is_half_there_is_told_all_that_it_lacks(used, said):
    half = Kind(Half, "pruned", lambda task, name: (task, {}), changes=("integer",), removes=("sparsity",))  # type: ignore[arg-type]
    assert lacking(half, used, said) == [
        "a line in steps/table.py",
        "a module steps/unfinished.py",
        "words about its options ['width']",
        "a name of its own for its stages",
        "make(task, name, step, state)",
        "effects and needs that are known",
        "restore, as it leaves no float network",
        "the options that `removes` names",
        "a test or recipe that uses it",
        "a page of docs/ that uses it",
    ]
    assert lacking(replace(rewrite.KIND, title="int8"), used, said) == ["a name of its own for its stages"]


def test_orders():
    check_order(["rewrite", "prune", "mask", "recover", "re_estimate", "calibrate", "quantize", "export"])
    check_order(["calibrate", "rewrite", "export", "verify", "verify"])
    for kinds, words in (
        (["calibrate", "recover"], "'recover' cannot follow 'calibrate'"),
        (["calibrate", "calibrate"], "'calibrate' cannot follow 'calibrate'"),
        (["mask", "rewrite"], "'rewrite' cannot follow 'mask'"),
        (["quantize", "rewrite"], "'rewrite' cannot follow 'quantize'"),
        (["quantize", "quantize"], "'quantize' cannot follow 'quantize'"),
        (["export", "quantize"], "'quantize' cannot follow 'export'"),
        (["export", "export"], "'export' cannot follow 'export'"),
        (["verify", "export"], "'verify' needs an 'export'"),
    ):
        with pytest.raises(ValueError, match=words):
            check_order(kinds)


def test_stages_know_their_kinds():
    stages = plan_of(
        parse_recipe(
            'name = "x"\n[[steps]]\nkind = "quantize"\n[[steps]]\nkind = "export"\n[[steps]]\nkind = "verify"\n'
        )
    )
    assert [(s.name, s.is_network, s.changes) for s in stages] == [
        ("dense", True, ()), ("int8", True, ("integers",)), ("C", True, ("artifact",)), ("verified", False, ()),
    ]  # fmt: skip
