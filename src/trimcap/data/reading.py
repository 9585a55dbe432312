"""Recordings of many files, one file after the other, and where windows of them are kept."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from trimcap.data.progress import bar
from trimcap.data.recording import Recording


def read_items(
    items: Sequence[Path | str], read: Callable[[Path], Iterable[Recording]], *, progress: bool = False
) -> Iterator[Recording]:
    """The recordings of all items; a bar counts the items and shows the time that is left."""
    with bar(progress, len(items)) as advance:
        for item in items:
            path = Path(item)
            for recording in read(path):
                advance(f"{path.name} {recording.subject}", 0)
                yield recording
            advance(path.name)


def user_cache() -> Path:
    """Where windows are cached when nobody names a folder: `$TRIMCAP_CACHE`, else the user's cache of the system."""
    named = os.environ.get("TRIMCAP_CACHE")
    if named:
        return Path(named)
    import pooch

    return Path(pooch.os_cache("trimcap")) / "windows"
