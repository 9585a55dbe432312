"""Files that are whole or absent: written beside the target, then renamed."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any


def write_atomic(path: Path | str, content: bytes | str) -> Path:
    """Write `content` to `path` so that a reader sees the old file or the new one, never a part.

    Raises
    ------
    OSError : the folder can't be written; the message names it.
    """
    with replacing(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)
    return Path(path)


@contextmanager
def replacing(path: Path | str) -> Iterator[IO[bytes]]:
    """A file to write into, which becomes `path` when the block ends, and is deleted when an error ends it.

    Raises
    ------
    OSError : the folder can't be written; the message names it.
    """
    path = Path(path)
    make_folder(path.parent)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file, full_disk(path):
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o666 & ~_umask())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


#: what `tempfile` adds to the name of a file or folder that is to become another
_LEFT = re.compile(r"\..+\.[a-z0-9_]{8}")


def remove_leftovers(folder: Path, *, older: float = 0) -> None:
    """Delete what killed processes left of files they were writing, if untouched for `older` seconds."""
    now = time.time()
    for path in [p for p in folder.rglob(".*") if _LEFT.fullmatch(p.name)]:
        with suppress(OSError):
            if now - path.lstat().st_mtime >= older:
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)


@contextmanager
def full_disk(path: Path | str) -> Iterator[None]:
    """An error about a full disk or quota inside says which file could not be written, and what to do."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise OSError(
            error.errno,
            f"no space left for '{path}'; what was there before is whole. Free space on that disk (or raise its "
            "quota), or choose another output folder, and run the same command again",
        ) from error


def write_json(path: Path | str, value: Any) -> Path:
    """Write `value` as indented JSON, atomically; NaN is refused."""
    return write_atomic(path, json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def make_folder(folder: Path | str) -> Path:
    """Create `folder` (and parents) and check that files can be written into it."""
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(
            f"cannot write into folder '{folder}': {error.strerror or error}. "
            "Choose another output folder or change its permissions."
        ) from error
    return folder


def sha256(path: Path | str) -> str:
    """SHA-256 of a file's bytes as 64 hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
