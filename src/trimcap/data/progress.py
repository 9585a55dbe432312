"""A progress bar with the time that is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def bar(show: bool, total: int | None) -> Iterator[Callable[[str], None]]:
    """A function that moves a bar on standard error by one and names what is done; it does nothing unless `show`."""
    if not show:
        yield lambda _name: None
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
        task = lines.add_task("preprocess", total=total)
        yield lambda name: lines.update(task, advance=1, description=name)
