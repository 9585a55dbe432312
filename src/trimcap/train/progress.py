"""A progress bar with the time that is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(show: bool, *, total: int, done: int = 0) -> Iterator[Callable[[int, str], None]]:
    """A function `(steps_done, text)` that moves a bar on standard error; it does nothing unless `show`."""
    if not show:
        yield lambda _steps, _text: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("fit", total=total, completed=done)
        yield lambda steps, text: bar.update(task, advance=steps, description=text)
