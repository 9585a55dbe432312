"""Templates become pages, and figures files: what all kinds of reports share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from trimcap._files import write_atomic
from trimcap.study.results.words import Drawing

#: what Markdown might take for more than text; emphasis by _ and tags by < only where they could begin or end
_MARKS = re.compile(r"[\\`*\[\]|$~]|<(?=[A-Za-z/!?])|(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])")


def render(template: str, facts: Mapping[str, object], *, html: bool) -> str:
    """A template of this package with its facts filled in.

    Parameters
    ----------
    html : escape what is HTML in the facts
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("trimcap.study"),
        autoescape=html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"plain": markdown_text, "fenced": fenced}
    return environment.get_template(template).render(**facts)


def save_figure(figure: Drawing, path: Path) -> list[Path]:
    """Write a figure as PATH.png and PATH.svg; returns both."""
    png, svg = path.parent / f"{path.name}.png", path.parent / f"{path.name}.svg"
    return [write_atomic(png, figure.png), write_atomic(svg, figure.svg)]


def write_pages(folder: Path, name: str, facts: Mapping[str, object]) -> Path:
    """Write NAME.md and NAME.html, which say the same; returns the latter's path."""
    write_atomic(folder / f"{name}.md", render("report.md.j2", facts, html=False))
    return write_atomic(folder / f"{name}.html", render("report.html.j2", facts, html=True))


def markdown_text(text: str) -> str:
    r"""Any text as one line of Markdown that shows it.

    >>> print(markdown_text("d_z of s_1_ |*x*| <b> < 1"))
    d_z of s_1\_ \|\*x\*\| \<b> < 1
    """
    return _MARKS.sub(r"\\\g<0>", " ".join(text.split()))


def fenced(source: str) -> str:
    """Source text between fences that it can't end."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", source)), default=0))
    return f"{fence}toml\n{source}\n{fence}"
