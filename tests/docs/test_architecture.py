"""The pictures in docs/architecture.md are those of the code."""

from __future__ import annotations

import re

from write_architecture import PAGE, PATH, ROOT, SOURCE, page


def test_the_pictures_are_those_of_the_code():
    text = PAGE.read_text()
    assert page(text) == text, "run python tests/docs/write_architecture.py"


def test_a_picture_that_is_not_true_is_noticed():
    text = PAGE.read_text()
    name = PATH[1][0].__name__
    assert page(text.replace(f"─ {name} ─▶", "─ something ─▶")) != text.replace(f"─ {name} ─▶", "─ something ─▶")


def test_files_that_the_page_names_exist():
    named = set(re.findall(r"`([\w/]+/\w+\.py)`", PAGE.read_text()))
    assert len(named) > 10
    assert [name for name in sorted(named) if not (SOURCE / name).exists() and not (ROOT / name).exists()] == []
