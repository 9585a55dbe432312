"""Limits on reading files that others wrote: a small file does not keep a process for minutes, or fill its memory."""

from __future__ import annotations

import gzip
import os
import signal
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

AGAIN = "copy or download it again, or leave it out"
#: s for any header, and for each megabyte of a file: some headers lie all over it. Headers take 0.01 to 0.3 s
SECONDS, PER_MEGABYTE = 20.0, 1.0
#: EEG does not shrink below a twentieth; constant channels do, so there is room
_RATIO, _FREE = 100, 256 << 20
#: bytes that a process may grow by while a header is read, and for each byte of the file: some hold signals packed
_MEMORY, _PER_BYTE = 1 << 30, 20
#: s between two looks at time and memory
_TICK = 0.02
_PART = 1 << 20
_MAT5, _COMPRESSED = b"MATLAB 5.0", 15


@contextmanager
def reading_limits(path: Path) -> Iterator[None]:
    """End the reading of a header inside that takes far longer, or more memory, than any of a file of that size.

    In the main thread of systems that have alarms; memory where `/proc` tells it. Elsewhere there is no limit. What one
    call of C sets aside at once is seen after it: sizes that a file declares are compared with the file before.

    ValueError: it took too long or too much; names the file.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return
    size = path.stat().st_size if path.is_file() else 0
    limit, memory = SECONDS + PER_MEGABYTE * size / 1e6, _MEMORY + _PER_BYTE * size
    start, had = time.monotonic(), _resident()

    def look(*_: object) -> None:
        if time.monotonic() - start > limit:
            raise _TookTooMuchError(f"reading its header takes more than {limit:.0f} s")
        if _resident() - had > memory:
            raise _TookTooMuchError(f"reading its header takes more than {memory >> 20:,} MiB of memory")

    before = signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, _TICK, _TICK)
    try:
        yield
        look()
    except _TookTooMuchError as error:
        raise ValueError(
            f"{path}: {error}, for {size:,} bytes; it is damaged, or declares what it does not hold: {AGAIN}"
        ) from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class _TookTooMuchError(BaseException):
    """Passes the handlers of parsers that try on after any Exception."""


def _resident() -> int:
    """Bytes of memory that this process holds, 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError, AttributeError):
        return 0


def check_packed(path: Path) -> None:
    """Refuse a packed file, also EEGLAB's, that would unpack to a hundred times its size and more than 256 MiB."""
    name = path.name.lower()
    if name.endswith((".gz", ".xdfz")):
        check_gzip(path)
    elif name.endswith(".set") and path.is_file():
        _check_mat5(path)


def _check_mat5(path: Path) -> None:
    """Unpack the variables of a MATLAB file of version 5 without keeping them: SciPy unpacks whatever they grow to."""
    allowed, total = _allowed(path), 0
    with path.open("rb") as file:
        head = file.read(128)
        order: Literal["big", "little"] = "big" if head[126:] == b"MI" else "little"
        while head.startswith(_MAT5) and len(tag := file.read(8)) == 8:
            kind, left = (int.from_bytes(part, order) for part in (tag[:4], tag[4:]))
            if kind != _COMPRESSED:
                file.seek(left, 1)
                continue
            unpack = zlib.decompressobj()
            while left > 0 and (part := file.read(min(left, _PART))):
                left -= len(part)
                try:
                    while part:
                        total += len(unpack.decompress(part, _PART))
                        _check_total(path, total, allowed)
                        part = unpack.unconsumed_tail
                except zlib.error:
                    return  # what reads it says so


def _allowed(path: Path) -> int:
    return max(_FREE, _RATIO * path.stat().st_size)


def _check_total(path: Path, size: int, allowed: int) -> None:
    if size > allowed:
        raise ValueError(f"{path} unpacks to more than {allowed:,} bytes; unpack it yourself if that is right")


def check_gzip(path: Path) -> None:
    """Refuse a compressed file whose checksum is wrong, or that would unpack to a hundred times its size."""
    allowed, size = _allowed(path), 0
    try:
        with gzip.open(path) as file:
            while part := file.read(1 << 20):
                size += len(part)
                _check_total(path, size, allowed)
    except (OSError, EOFError, zlib.error) as error:
        foreign = str(error).startswith("Not a gzipped file")
        what = "is not a readable gzip file" if foreign else "is truncated or damaged"
        raise ValueError(f"{path} {what} ({error}); {AGAIN}") from error
