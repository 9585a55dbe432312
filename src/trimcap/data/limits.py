"""Limits on reading files that others wrote: a small file does not keep a process for minutes, or fill its memory."""

from __future__ import annotations

import gzip
import signal
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

AGAIN = "copy or download it again, or leave it out"
#: s for any header, and for each megabyte of a file: some headers lie all over it. Headers take 0.01 to 0.3 s
SECONDS, PER_MEGABYTE = 20.0, 1.0
#: EEG does not shrink below a twentieth; constant channels do, so there is room
_RATIO, _FREE = 1000, 64 << 20


@contextmanager
def time_limit(path: Path) -> Iterator[None]:
    """End the reading of a header inside that takes far longer than any of a file of that size.

    In the main thread of systems that have alarms; elsewhere there is no limit.

    Raises
    ------
    ValueError : it took too long; names the file.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return
    size = path.stat().st_size if path.is_file() else 0
    limit = SECONDS + PER_MEGABYTE * size / 1e6

    def end(*_: object) -> None:
        raise _TookTooLongError(f"reading its header takes more than {limit:.0f} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, limit)
    try:
        yield
    except _TookTooLongError as error:
        raise ValueError(
            f"{path}: {error}, for {size:,} bytes; it is damaged, or declares what it does not hold: {AGAIN}"
        ) from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class _TookTooLongError(BaseException):
    """Passes the handlers of parsers that try on after any Exception."""


def check_gzip(path: Path) -> None:
    """Refuse a compressed file whose checksum is wrong, or that would unpack to a thousand times its size.

    Raises
    ------
    ValueError : truncated, damaged, or too large.
    """
    allowed, size = _FREE + _RATIO * path.stat().st_size, 0
    try:
        with gzip.open(path) as file:
            while part := file.read(1 << 20):
                size += len(part)
                if size > allowed:
                    raise ValueError(
                        f"{path} unpacks to more than {allowed:,} bytes; unpack it yourself if that is right"
                    )
    except (OSError, EOFError, zlib.error) as error:
        foreign = str(error).startswith("Not a gzipped file")
        what = "is not a readable gzip file" if foreign else "is truncated or damaged"
        raise ValueError(f"{path} {what} ({error}); {AGAIN}") from error
