"""The folders of a cache: whole entries, builds under way, and what killed processes left."""

from __future__ import annotations

import re
import shutil
import time
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

_ENTRY = re.compile(r"[0-9a-f]{64}")
_BUILDING, _ASIDE = ".building-", ".damaged-"
_OWN = re.compile(r"\.(building|damaged)-[0-9a-f]+")

#: s; a build writes after every recording, and no recording takes so long
_PATIENCE = 3600


def is_entry(name: str) -> bool:
    """Whether a folder of this name is an entry, whole or damaged."""
    return _ENTRY.fullmatch(name) is not None


def building_name() -> str:
    """A new name for a build."""
    return f"{_BUILDING}{token_hex(8)}"


def aside_name() -> str:
    """A new name for a damaged entry that is about to be deleted."""
    return f"{_ASIDE}{token_hex(8)}"


def own_folders(folder: Path) -> list[Path]:
    """Folders that belong to a cache."""
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path for path in paths if path.is_dir() and (is_entry(path.name) or _OWN.fullmatch(path.name))]


def bytes_of(folder: Path) -> int:
    """Of all files in a folder."""
    total = 0
    for file in folder.rglob("*"):
        try:
            total += file.stat().st_size if file.is_file() else 0
        except FileNotFoundError:  # removed meanwhile
            continue
    return total


def remove(folder: Path) -> None:
    """Delete a folder and what is in it, or what of it can be deleted; also a file that is in a folder's place."""
    if folder.is_file() or folder.is_symlink():
        with suppress(OSError):
            folder.unlink()
    shutil.rmtree(folder, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Delete what killed processes left: builds, damaged entries that were put aside, half a table of hashes."""
    for path in own_folders(folder):
        if not is_entry(path.name) and not alive(path):
            remove(path)
    # that of a process which lives is lost with them, which costs it a hash
    for path in folder.glob(".hashes.json.*"):
        remove(path)


def alive(path: Path) -> bool:
    """Whether a process may still be writing this folder: it did within the last hour."""
    return path.name.startswith(_BUILDING) and time.time() - _last_change(path) < _PATIENCE


def _last_change(folder: Path) -> float:
    try:
        return max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
    except FileNotFoundError:  # removed meanwhile
        return 0.0
