"""What a verb answers, how it is shown, and what the process exits with."""

from __future__ import annotations

import inspect
import json
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import wraps
from typing import Annotated, Any, get_type_hints

import typer

from trimcap._errors import noted, unknown

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, and nothing else, on standard output.")]
Debug = Annotated[bool, typer.Option("--debug", envvar="TRIMCAP_DEBUG", help="Show the traceback of an error.")]


class Misuse(Exception):
    """What was typed can't be meant: an unknown name, a missing file, an illegal value. Exit code 2."""


@dataclass(frozen=True)
class Answer:
    """The result of a verb.

    Parameters
    ----------
    facts : what `--json` prints
    lines : what is printed otherwise: text and rich tables
    failed : why a check failed ("" if none did); it goes to standard error and makes the exit code 1
    """

    facts: Mapping[str, Any]
    lines: Sequence[Any] = ()
    failed: str = ""


@contextmanager
def typed() -> Iterator[None]:
    """Errors inside are about what was typed, not about data or networks: exit code 2 instead of 1."""
    try:
        yield
    except (ValueError, FileNotFoundError, NotADirectoryError) as error:
        raise Misuse(str(error)) from error


def one_of(kind: str, value: str, known: Collection[str]) -> None:
    """Refuse a value that is none of the known ones; names the nearest."""
    if value not in known:
        raise Misuse(unknown(kind, value, known))


def verb(function: Callable[..., Answer], *, interrupted: str = "") -> Callable[..., None]:
    """A command from a function that returns an `Answer`; adds `--json` and `--debug`.

    Whatever libraries print while the function runs goes to standard error. Errors become one message there.

    Parameters
    ----------
    interrupted : what to say when it is interrupted, if the function has nothing to add to the interruption itself
    """

    @wraps(function)
    def command(*, as_json: bool, debug: bool, **options: Any) -> None:
        try:
            with redirect_stdout(sys.stderr), terminable(), spoken():
                answer = function(**options)
        except KeyboardInterrupt as error:
            typer.echo(" ".join(["\ninterrupted.", *getattr(error, "__notes__", [interrupted])]).rstrip(), err=True)
            raise typer.Exit(INTERRUPTED) from None
        except Exception as error:
            if debug:
                traceback.print_exc()
            raise typer.Exit(_complain(error)) from None
        _print(answer, as_json=as_json)
        if answer.failed:
            typer.echo(f"failed: {answer.failed}", err=True)
            raise typer.Exit(FAILED)

    _declare(command, function)
    return command


@contextmanager
def spoken(worded: Callable[[str], str] = str) -> Iterator[None]:
    """Warnings inside are lines on standard error, each once; `worded` is what is said for the text of one."""
    with warnings.catch_warnings():
        if not sys.warnoptions:  # of who runs Python with -W
            warnings.simplefilter("always", UserWarning)
        warnings.showwarning = noted(worded)
        yield


@contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM (`kill`, the time limit of a cluster, a shutdown) ends the work inside as Ctrl-C does."""

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _declare(command: Callable[..., None], function: Callable[..., Answer]) -> None:
    """Give `command` the parameters of `function` and the two that every verb has, for typer to read."""
    hints = get_type_hints(function, include_extras=True)
    hints.pop("return")
    own = [
        p.replace(annotation=hints[p.name], kind=inspect.Parameter.KEYWORD_ONLY)
        for p in inspect.signature(function).parameters.values()
    ]
    for name, hint in (("as_json", Json), ("debug", Debug)):
        own.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=hint))
        hints[name] = hint
    del command.__wrapped__  # type: ignore[attr-defined]
    command.__annotations__ = hints
    command.__signature__ = inspect.Signature(own)  # type: ignore[attr-defined]


_EXPECTED = (Misuse, ValueError, OSError, RuntimeError, ImportError)


def _complain(error: Exception) -> int:
    """Print one message and return the exit code."""
    text = "\n".join([str(error) or type(error).__name__, *getattr(error, "__notes__", ())])
    if not isinstance(error, _EXPECTED):
        text = f"unexpected {type(error).__name__}: {text}. Run again with --debug to see where, and please report it"
    typer.echo(f"error: {text}", err=True)
    return USAGE if isinstance(error, Misuse) else FAILED


def _print(answer: Answer, *, as_json: bool) -> None:
    if as_json:
        from trimcap.study.results.plain import to_plain

        typer.echo(json.dumps(to_plain(answer.facts), indent=1, ensure_ascii=False, allow_nan=False))
        return
    from rich.console import Console

    # into a pipe or a file nothing is cut off
    width = None if sys.stdout.isatty() else 200
    console = Console(width=width, markup=False, highlight=False, no_color=bool(os.environ.get("NO_COLOR")))
    for line in answer.lines:
        console.print(line, soft_wrap=isinstance(line, str))
