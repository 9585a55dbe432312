"""Hashes of files that have not been touched since, so that gigabytes need not be read again."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from trimcap._files import sha256, write_json

_FILE = "hashes.json"
#: ns; a file that changed this shortly before it was hashed might change again within the clock's resolution
_SETTLED = 2_000_000_000

#: size, time of change of the content, number of the file, time of change of anything; the last two can't be set
Stamp = tuple[int, int, int, int]


@dataclass(frozen=True)
class Hashed:
    """The sha256 of a file, its stamp before it was read, and when that was (ns since 1970)."""

    sha256: str
    stamp: Stamp
    time: int


def stamp_of(file: Path) -> Stamp:
    """What changes when a file is written to."""
    status = file.stat()
    return status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns


def hash_file(file: Path, known: Mapping[str, Hashed]) -> Hashed:
    """The hash of a file, from `known` if its stamp is the same and had settled when it was hashed."""
    now, stamp = time.time_ns(), stamp_of(file)
    before = known.get(str(file.absolute()))
    if before is not None and before.stamp == stamp and max(stamp[1], stamp[3]) + _SETTLED < before.time:
        return before
    return Hashed(sha256(file), stamp, now)


def recall(folder: Path) -> dict[str, Hashed]:
    """The hashes that `remember` wrote, by absolute path; nothing if there are none or they can't be read."""
    if os.name != "posix":  # elsewhere the time of change can be set back
        return {}
    try:
        table = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        return {
            path: Hashed(str(digest), (int(a), int(b), int(c), int(d)), int(when))
            for path, (digest, (a, b, c, d), when) in table.items()
        }
    except (OSError, ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return {}


def remember(folder: Path, hashes: Iterable[tuple[Path, Hashed]]) -> None:
    """Keep hashes for `recall`; of two processes at once one may win, which costs a hash, not an error."""
    new = {str(path.absolute()): hashed for path, hashed in hashes}
    table = recall(folder)
    if all(table.get(path) == hashed for path, hashed in new.items()):
        return
    rows = {path: [hashed.sha256, list(hashed.stamp), hashed.time] for path, hashed in {**table, **new}.items()}
    with suppress(OSError):  # a cache that is only read
        write_json(folder / _FILE, rows)


def forget(folder: Path) -> None:
    """Delete what `remember` wrote."""
    (folder / _FILE).unlink(missing_ok=True)
