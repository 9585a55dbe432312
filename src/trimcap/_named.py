"""Functions and classes by name, and the options that one takes: resolved and refused here alone, with one text."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any, TypeVar

from trimcap._errors import unknown

F = TypeVar("F", bound=Callable[..., Any])
_TAKES = "__takes__"


def named(kind: str, name: str, known: Mapping[str, Any]) -> Any:
    """The function or class called `name`.

    Parameters
    ----------
    kind : what the name stands for, for the message ("model", "loss", …)
    name : a key of `known`, or "package.module:name" of anybody's
    known : short name → the function, or its "package.module:name", imported when asked for

    Raises
    ------
    ValueError : no such short name (says the nearest), module, or object in the module; or it can't be called.
    """
    if name not in known and ":" not in name:
        raise ValueError(f'{unknown(kind, name, known)}; or write "package.module:name" for your own')
    found = known.get(name, name)
    if isinstance(found, str):
        found = _imported(f"{kind} {name!r}", found)
    if not callable(found):
        raise ValueError(f"{kind} {name!r} is a {type(found).__name__}, not a function")
    return found


def _imported(title: str, name: str) -> Any:
    module, _, path = name.partition(":")
    try:
        found: Any = import_module(module)
    except (ImportError, ValueError, TypeError) as error:  # the latter two of no name, or one like "..mine"
        raise ValueError(f"{title}: cannot import '{module}' ({error}). Install it or set PYTHONPATH") from error
    for part in path.split("."):
        if not hasattr(found, part):
            near = get_close_matches(part, dir(found), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"{title}: module '{module}' has no {path!r}{hint}")
        found = getattr(found, part)
    return found


def first_parameter(function: Callable[..., Any]) -> str:
    """The name of the parameter that a caller fills by place: the windows, the recording, the network."""
    return next(iter(inspect.signature(function).parameters), "")


def takes(options: type) -> Callable[[F], F]:
    """A decorator: the function's `**options` are the fields of a dataclass, which says and checks them once."""

    def mark(function: F) -> F:
        setattr(function, _TAKES, options)
        return function

    return mark


def check_options(
    title: str,
    function: Callable[..., Any],
    options: Iterable[str],
    *,
    given: Collection[str] = (),
    partial: bool = False,
) -> dict[str, Any]:
    """Refuse options that a function does not have, and the lack of those that it needs.

    Where it takes `**options` for a dataclass that holds them, they are its fields: of a function that `takes` it, or
    of a method whose object has it as its attribute `options`.

    Parameters
    ----------
    title : who has the options, for the message ("source deap", "step windows")
    options : names of the keyword arguments that it is to be called with
    given : names of parameters that the caller fills by itself: no options
    partial : other options may follow, so none is missing yet

    Returns
    -------
    The defaults of all its options, by name.

    Raises
    ------
    ValueError : names the option and the nearest one, or what is missing.
    """
    parameters = list(inspect.signature(function).parameters.values())
    more = (
        getattr(function.__self__, "options", None) if inspect.ismethod(function) else getattr(function, _TAKES, None)
    )
    if isinstance(more, type):
        parameters = [p for p in parameters if p.kind is not p.VAR_KEYWORD]
        parameters += inspect.signature(more).parameters.values()
    kinds = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    legal = {p.name: p.default for p in parameters if p.kind in kinds and p.name not in given}
    options = list(options)
    if not any(p.kind is p.VAR_KEYWORD for p in parameters):
        wrong = next((option for option in options if option not in legal), None)
        if wrong is not None:
            raise ValueError(f"{title}: {unknown('option', wrong, legal)}" if legal else f"{title} has no options")
    defaults = {name: default for name, default in legal.items() if default is not inspect.Parameter.empty}
    missing = [name for name in legal if name not in defaults and name not in options]
    if missing and not partial:
        raise ValueError(f"{title} needs the option {' and '.join(missing)}")
    return defaults
