"""When, where and with which versions a piece of work was made."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path

_PACKAGES = ("trimcap", "torch", "numpy", "scipy", "scikit-learn", "mne", "pandas")


@cache
def versions() -> dict[str, str]:
    """Versions of Python, the machine and the packages that decide numbers."""
    found = {"python": platform.python_version(), "machine": f"{platform.system()} {platform.machine()}"}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def provenance() -> dict[str, str]:
    """What belongs to a piece of work: versions, processor, threads, host, and the time (UTC)."""
    return {
        **versions(),
        "processor": _processor(),
        "threads": os.environ.get("OMP_NUM_THREADS", ""),
        "host": platform.node(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


@cache
def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
