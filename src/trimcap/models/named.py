"""Functions and classes by name: a short name of ours, or "package.module:name" of anybody's."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from trimcap._errors import unknown


def named(kind: str, name: str, known: Mapping[str, Any]) -> Any:
    """The object called `name`: from `known`, or imported when written "package.module:name".

    Parameters
    ----------
    kind : what the name stands for, for the message ("model", "loss", …)
    name : a key of `known`, or "package.module:name"

    Raises
    ------
    ValueError : no such short name, module, or object in the module.
    """
    if ":" not in name:
        if name not in known:
            raise ValueError(f'{unknown(kind, name, known)}; or write "package.module:name" for your own')
        return known[name]
    module, _, attribute = name.partition(":")
    try:
        found: Any = import_module(module)
    except ImportError as error:
        raise ValueError(
            f"{kind} {name!r}: cannot import '{module}' ({error}). Install it or set PYTHONPATH"
        ) from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            near = get_close_matches(part, dir(found), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"{kind} {name!r}: module '{module}' has no {attribute!r}{hint}")
        found = getattr(found, part)
    return found
