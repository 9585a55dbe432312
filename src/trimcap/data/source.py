"""Recordings on disk that nobody has read yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from trimcap._errors import unknown
from trimcap.data.recording import Recording

#: which subjects: names, how many of the first, or all
Wanted = int | Sequence[str] | None


@dataclass(frozen=True)
class Source:
    """Files or folders, and the function that turns one of them into recordings.

    A source is cheap: making one looks at names only. Iterating reads one item after the other and lets it go, so
    memory holds one item. `cached(chain, source.items, read=source.read, also=source.also, …)` makes windows of it
    that are found again.

    Parameters
    ----------
    name : what it is, for messages, e.g. "deap"
    items : files or folders, read in this order; usually one subject or one session each
    read : item → its recordings; a function of a module, or `functools.partial` of one with plain keywords, so that a
        cache can name it and another process can find it
    also : further files that `read` uses, such as a table of labels; they count for caches
    parts : how many last parts of a file's path `read` looks at: 1, its name; 2, also its folder, … Caches call a file
        by them, so that a set can be moved
    subjects : how many subjects the items hold together, if it is known and more than the items; a bar counts them
    """

    name: str
    items: tuple[Path, ...]
    read: Callable[[Path], Iterable[Recording]]
    also: tuple[Path, ...] = ()
    parts: int = 3
    subjects: int | None = None

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Recording]:
        for item in self.items:
            yield from self.read(item)


def choose_subjects(names: Sequence[str], wanted: Wanted, *, what: str) -> list[str]:
    """Names of the subjects asked for, in that order: all, the first n, or those named.

    Raises
    ------
    ValueError : more than there are; an unknown name (says the nearest).
    """
    if wanted is None:
        return list(names)
    if isinstance(wanted, int):
        if not 1 <= wanted <= len(names):
            raise ValueError(f"{what}: {wanted} subjects asked for, but there are {len(names)}: {', '.join(names)}")
        return list(names[:wanted])
    for name in wanted:
        if name not in names:
            raise ValueError(unknown(f"{what} subject", name, names))
    return list(wanted)
