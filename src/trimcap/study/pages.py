"""Templates become pages."""

from __future__ import annotations

from collections.abc import Mapping


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
    environment.filters["cell"] = lambda text: text.replace("|", "\\|").replace("\n", " ")
    return environment.get_template(template).render(**facts)
