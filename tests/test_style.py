"""The rules of CONTRIBUTING.md that a machine can hold."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
FORBIDDEN_CLASS = re.compile(r"(Manager|Handler|Helper|Base|Trainer|Factory)$")
# the folder that the checkout happens to lie in must not be written down anywhere
HERE = re.escape(f"{ROOT}/") if len(ROOT.parts) > 2 else "(?!)"  # "/trimcap/" alone would be any mention
WORKPLACE = re.compile(HERE + r"|NotImplementedError|\bTODO\b|\bFIXME\b")


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT / "src")))
def test_module(path):
    text = path.read_text()
    lines = len(text.splitlines())
    assert lines <= 400, f"{lines} lines; split the module"
    assert path.stem not in {"utils", "helpers", "misc", "common"}
    assert not WORKPLACE.search(text), WORKPLACE.search(text)
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "a module says what it is for"
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            assert not FORBIDDEN_CLASS.search(node.name), node.name


def test_most_modules_are_small():
    lengths = sorted(len(p.read_text().splitlines()) for p in SOURCES)
    assert lengths[len(lengths) * 8 // 10] <= 250
    assert lengths[len(lengths) // 2] < 130


def test_rooms_are_small():
    rooms = Counter(path.parent.relative_to(ROOT) for path in SOURCES if path.name != "__init__.py")
    assert {str(room): n for room, n in rooms.items() if n > 17} == {}


def test_the_rules_can_fail():
    assert FORBIDDEN_CLASS.search("PlanManager")
    assert WORKPLACE.search("raise NotImplementedError")
    assert len(ROOT.parts) <= 2 or WORKPLACE.search(f"see {ROOT}/notes.txt")
    assert not FORBIDDEN_CLASS.search("Plan")


@pytest.mark.parametrize("page", sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]), ids=lambda p: p.name)
def test_relative_links_resolve(page):
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        if not re.match(r"[a-z]+:", target):
            assert (page.parent / target).exists(), f"{page.name} links to {target}, which does not exist"
