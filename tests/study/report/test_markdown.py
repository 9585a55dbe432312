"""Markdown and pictures that show names as they are."""

from __future__ import annotations

import re

import pytest

from trimcap.study.report.figures.draw import drawing, new_figure, style
from trimcap.study.report.pages import fenced, markdown_text, render
from trimcap.study.results.words import Section, Table, number

HOSTILE = (
    "a|b", "<script>alert(1)</script>", "[x](javascript:alert(1))", "![](http://x/y.png)", "*b*", "_i_", "`c`",
    "$x$ and $$y$$", "~~s~~", "line\n# head", "\\|", "d_z", "p < 0.05",
)  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_marks_are_escaped_and_nothing_is_lost(name):
    text = markdown_text(name)
    assert "\n" not in text
    bare = re.sub(r"\\(.)", "", text)  # what is left when every escaped character is gone
    assert not re.search(r"[|*`\[\]$~]|<[a-z/!]|^_|_$", bare)
    assert re.sub(r"\\(.)", r"\1", text) == " ".join(name.split())


def test_a_table_keeps_its_columns():
    table = Table(HOSTILE[9], HOSTILE[:2], tuple((name, name) for name in HOSTILE))
    facts = {"title": HOSTILE[1], "headline": HOSTILE[2], "verdict": HOSTILE[9], "leak": ""}
    page = render("report.md.j2", {**facts, "sections": (Section("s", HOSTILE[9], tables=(table,)),)}, html=False)
    rows = [re.sub(r"\\.", "", line) for line in page.splitlines() if line.startswith("|")]
    assert {row.count("|") for row in rows} == {3}
    assert sum(line.startswith("#") for line in page.splitlines()) == 2


@pytest.mark.parametrize("source", ["plain", "```\n# head\n```", "``````"])
def test_a_recipe_stays_between_its_fences(source):
    first, *_, last = fenced(source).splitlines()
    assert first == f"{last}toml"
    assert set(last) == {"`"}
    assert last not in source.splitlines()


@pytest.mark.parametrize("name", [*HOSTILE, r"$\frac{1}$", "$", r"$\input{x}$ $"], ids=range(len(HOSTILE) + 3))
def test_any_name_can_be_drawn(name):
    with style():
        figure = new_figure(8, 6)
        axes = figure.add_subplot()
        axes.plot([0, 1], label=f"method {name}")
        axes.set_title(name)
        axes.set_xticks([0, 1], [name, name])
        axes.legend()
        assert drawing("f", figure, name).png


def test_sums_in_another_order_are_the_same_text():
    low, high = 0.5375 - 1e-15, 0.5375 + 1e-15
    assert f"{low:.3f}" != f"{high:.3f}"
    assert number(low) == number(high)
