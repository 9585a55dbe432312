"""Recordings of many files, one file after the other, and where windows of them are kept."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from trimcap._progress import bar
from trimcap.data.recording import Recording


def read_items(
    items: Sequence[Path | str],
    read: Callable[[Path], Iterable[Recording]],
    *,
    progress: bool = False,
    subjects: int | None = None,
) -> Iterator[Recording]:
    """The recordings of all items; a bar counts the items, or their `subjects`, and shows the time that is left."""
    with bar(progress, subjects or len(items)) as advance:
        for item in items:
            path = Path(item)
            before: str | None = None
            for recording in read(path):
                another = subjects is not None and before not in (None, recording.subject)
                advance(f"{path.name} {recording.subject}", int(another))
                before = recording.subject
                yield recording
            advance(path.name)


def user_cache() -> Path:
    """Where windows are cached when nobody names a folder: `$TRIMCAP_CACHE`, else the user's cache of the system."""
    named = os.environ.get("TRIMCAP_CACHE")
    if named:
        return Path(named)
    import pooch

    return Path(pooch.os_cache("trimcap")) / "windows"
