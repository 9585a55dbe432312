"""A progress bar with the time that is left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Advance(Protocol):
    """Moves a bar."""

    def __call__(self, name: str, by: int = 1, /) -> None:
        """Show `name` and go on by `by` items."""


@contextmanager
def bar(show: bool, total: int | None, *, done: int = 0) -> Iterator[Advance]:
    """A function that moves a bar on standard error and names what is done; it does nothing unless `show`.

    `done` of `total` items, if known, were done before.
    """
    if not show:
        yield lambda _name, _by=1: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(TextColumn("{task.description}"), *columns, console=Console(stderr=True), transient=True) as lines:
        task = lines.add_task("", total=total, completed=done)
        yield lambda name, by=1: lines.update(task, advance=by, description=name)
