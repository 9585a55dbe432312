"""Who works on a trial: one process at a time, also when a holder was killed.

The system's own lock on a file: it ends with the process that holds it, however that ends. The file says who it is.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from trimcap._files import make_folder

NAME = ".lock"


@contextmanager
def held(folder: Path) -> Iterator[str]:
    """Try to hold the lock of a folder while the block runs; gives "" if it is held, else who holds it."""
    make_folder(folder)
    path = folder / NAME
    file = _locked(path)
    if file is None:
        yield _holder(path)
        return
    try:
        file.truncate(0)
        file.write(_me())
        file.flush()
        yield ""
    finally:
        with suppress(OSError):  # Windows keeps the name of an open file
            path.unlink(missing_ok=True)
        file.close()


def _locked(path: Path) -> IO[str] | None:
    """The open file with a lock on it; None if another process has it."""
    while True:
        file = path.open("a+", encoding="utf-8")
        try:
            _lock(file)
        except OSError:
            file.close()
            return None
        # its holder may have removed the name between our opening and locking it: then there is another file by now
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()


def _lock(file: IO[str]) -> None:
    if sys.platform == "win32":
        import msvcrt

        file.seek(1 << 30)  # far behind the text, which others read
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _me() -> str:
    start = datetime.now(UTC).isoformat(timespec="seconds")
    return json.dumps({"process": os.getpid(), "host": platform.node(), "since": start})


def _holder(path: Path) -> str:
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        return f"process {int(facts['process'])} on {str(facts['host'])[:80]} since {str(facts['since'])[:40]}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
