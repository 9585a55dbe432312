"""Write EDF+ files of several rates and units, with pauses and any annotations: a writer of its own, 40 lines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np


def tal(onset: float, text: str = "", duration: str = "") -> bytes:
    """One entry of the annotations; without a text the time of a record."""
    return f"{onset:+g}".encode() + (f"\x15{duration}".encode() if duration else b"") + f"\x14{text}\x14\0".encode()


def write(
    path: Path,
    signals: dict[str, np.ndarray],
    *,
    starts: Sequence[float] | None = None,
    notes: Sequence[tuple[float, str, str]] = (),
    kind: str = "EDF+D",
    units: dict[str, str] | None = None,
    limits: dict[str, float] | None = None,
    patient: str = "X X X X",
) -> Path:
    """`signals`: name → counts of shape (records, samples in a record of 1 s), full scale ±`limits` (3000).

    `starts` of the records, s; None: no signal of annotations. `notes`: (onset, duration as written, text).
    """
    names = [*signals, *(["EDF Annotations"] if starts is not None else [])]
    records = len(next(iter(signals.values())))
    width = 120
    unit, limit = dict.fromkeys(signals, "uV") | (units or {}), dict.fromkeys(signals, 3000.0) | (limits or {})
    entries = [tal(start) for start in starts or ()]
    for onset, duration, text in notes:
        entries[-1 if onset >= max(starts or [0]) else 0] += tal(onset, text, duration)
    rows = [
        [f"{name:<16}" for name in names],
        [f"{'':<80}"] * len(names),
        [f"{unit.get(name, ''):<8}" for name in names],
        [f"{-limit.get(name, 1):<8g}" for name in names],
        [f"{limit.get(name, 1):<8g}" for name in names],
        [f"{-32768:<8}"] * len(names),
        [f"{32767:<8}"] * len(names),
        [f"{'':<80}"] * len(names),
        [f"{signals[name].shape[1] if name in signals else width:<8}" for name in names],
        [f"{'':<32}"] * len(names),
    ]
    head = f"{'0':<8}{patient:<80}{'Startdate X X X X':<80}01.01.2000.00.00{256 * (len(names) + 1):<8}{kind:<44}"
    head += f"{records:<8}{1:<8}{len(names):<4}" + "".join("".join(row) for row in rows)
    body = b""
    for r in range(records):
        body += b"".join(values[r].astype("<i2").tobytes() for values in signals.values())
        if starts is not None:
            body += entries[r].ljust(2 * width, b"\0")
    path.write_bytes(head.encode("latin-1") + body)
    return path


def noise(records: int, rate: int, *, seed: int = 0, scale: float = 200.0) -> np.ndarray:
    """Random counts, (records, rate)."""
    return np.random.default_rng(seed).normal(0, scale, (records, rate)).round()
