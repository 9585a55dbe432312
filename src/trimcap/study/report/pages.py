"""Templates become pages."""

from __future__ import annotations

import re
from collections.abc import Mapping

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
