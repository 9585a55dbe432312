"""The pictures in docs/architecture.md are those of the code."""

from __future__ import annotations

from write_architecture import PAGE, PATH, page


def test_the_pictures_are_those_of_the_code():
    text = PAGE.read_text()
    assert page(text) == text, "run python tests/docs/write_architecture.py"


def test_a_picture_that_is_not_true_is_noticed():
    text = PAGE.read_text()
    name = PATH[1][0].__name__
    assert page(text.replace(f"─ {name} ─▶", "─ something ─▶")) != text.replace(f"─ {name} ─▶", "─ something ─▶")
