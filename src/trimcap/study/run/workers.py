"""Work for several processes, and lines that say how far it has come."""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from trimcap._errors import noted

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

Item = TypeVar("Item")
Result = TypeVar("Result")
Tell = Callable[[str], None]


def in_processes(n: int, function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """What `function`, of a module, makes of each item, in order of completion; `n` processes of one thread each.

    Spawned workers; each ends by itself when this process is gone, so that nobody writes into a resumed run. An
    interruption ends them at once.

    Raises
    ------
    RuntimeError : a worker was ended from outside. And whatever `function` raises.
    """
    if n < 1:
        raise ValueError(f"jobs is {n}; it must be at least 1")
    from concurrent.futures import ProcessPoolExecutor, as_completed
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import active_children, get_context

    before = set(active_children())
    with one_thread(), ProcessPoolExecutor(n, mp_context=get_context("spawn"), initializer=_follow_parent) as pool:
        futures = [pool.submit(function, item) for item in items]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool as error:
            raise RuntimeError(
                f"one of {n} worker processes was ended from outside, perhaps because memory ran out. What is finished "
                "is kept: run the same command again, with fewer --jobs if memory is short"
            ) from error
        except BaseException as error:
            pool.shutdown(wait=False, cancel_futures=True)
            if isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit):
                for worker in set(active_children()) - before:
                    worker.terminate()
            raise


@contextmanager
def one_thread() -> Iterator[None]:
    """Processes that start inside use one thread each: numerical libraries read these variables once, at import."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def printer(progress: bool | Tell) -> Tell:
    """The function that is told lines: the given one, one that prints to standard error, or one that does nothing."""
    if callable(progress):
        return progress
    if not progress:
        return lambda _: None
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    return lambda line: console.print(line, markup=False, soft_wrap=True)


def duration(seconds: float) -> str:
    """Seconds as text.

    >>> duration(59.6), duration(3720)
    ('1 min 0 s', '1 h 2 min')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _follow_parent() -> None:
    warnings.showwarning = noted()
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
