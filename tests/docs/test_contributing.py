"""Every page of docs/contributing adds what it promises, in at most three files, to a copy of the source."""

from __future__ import annotations

from pathlib import Path

import pytest
from contributions import apply, copy_of_source, prove

PAGES = sorted((Path(__file__).parents[2] / "docs" / "contributing").glob("*.md"))
PAGES = [page for page in PAGES if page.name != "README.md"]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_page_adds_one(page, tmp_path):
    text = page.read_text()
    folder = copy_of_source(tmp_path)
    assert prove(text, folder), "the proof passes before anything was added"
    files = apply(text, folder)
    assert 1 <= len(files) <= 3, files
    assert prove(text, folder) == []


def test_a_page_that_no_longer_fits_the_code_fails(tmp_path):
    (tmp_path / "a.py").write_text("x = 1\ny = 2\n")
    page = "```diff\na.py\n x = 1\n+z = 3\n```\n"
    assert apply(page, tmp_path) == ["a.py"]
    assert (tmp_path / "a.py").read_text() == "x = 1\nz = 3\ny = 2\n"
    with pytest.raises(ValueError, match="found 0 times, not once"):
        apply(page.replace("x = 1", "x = 5"), tmp_path)
    with pytest.raises(ValueError, match="begins with a space"):
        apply(page.replace(" x = 1", "x = 1"), tmp_path)
