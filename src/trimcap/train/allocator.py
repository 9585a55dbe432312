"""The C library's allocator, set for training: freed activations stay with the process."""

from __future__ import annotations

import ctypes
import platform
from functools import cache

# option numbers of glibc's malloc.h
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4


@cache
def tune_allocator() -> bool:
    """Keep freed memory in the process: mallopt(M_MMAP_MAX = 0), no trimming, heap grown in steps of 64 MiB.

    By default glibc takes every big tensor from the kernel by mmap and gives it back when it is freed, so that each
    training step touches fresh pages: the page faults cost half the time of an EEG network whose weights are few
    and whose activations are many. Numbers do not change. The setting holds for the whole process, from the first
    call on; the price is that the process keeps the most memory it ever needed.

    Returns
    -------
    True where it was set; False where the C library is not glibc and nothing was done.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    options = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_TOP_PAD, 64 * 2**20))
    accepted = [mallopt(option, value) == 1 for option, value in options]
    return all(accepted)
