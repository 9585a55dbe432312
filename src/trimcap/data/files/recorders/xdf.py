"""XDF files of LabStreamingLayer, read by pyxdf (extra `lsl`)."""

from __future__ import annotations

import gzip
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from trimcap.data.electrodes.names import tidy
from trimcap.data.files.recorders.take import Take
from trimcap.data.files.recorders.timeline import by_time, measured_rate
from trimcap.data.files.sizes import AGAIN

_UNITS = {
    "v": 1e6, "volt": 1e6, "volts": 1e6, "mv": 1e3, "millivolt": 1e3, "millivolts": 1e3, "uv": 1.0, "µv": 1.0,
    "μv": 1.0, "microvolt": 1.0, "microvolts": 1.0, "nv": 1e-3, "": 1.0,
}  # fmt: skip
#: tags of chunks, and the longest header of a stream that is looked at, bytes
_HEADER, _SAMPLES, _LONGEST = 2, 3, 64 << 20
_OTHER_KINDS = ("aux", "acc", "trigger", "trg", "misc", "eog", "ecg", "emg", "gyro", "battery", "counter", "stim")


def read_xdf(path: Path) -> Take:
    """The EEG stream of a file, and all its marker streams on the same clock.

    ImportError: pyxdf is not installed.
    ValueError: no EEG stream, or several; an unknown unit; damaged; names the file and its streams.
    """
    try:
        import pyxdf
    except ImportError as error:
        raise ImportError(f"{path} is XDF; install what reads it: pip install 'trimcap[lsl]' (pyxdf)") from error
    with path.open("rb") as file:
        start = file.read(4)
    if start != b"XDF:" and start[:2] != b"\x1f\x8b":
        raise ValueError(f"{path} does not begin as XDF does; {AGAIN}")
    if why := _too_large(path, packed=start != b"XDF:"):
        raise ValueError(f"{path} is damaged: {why}; {AGAIN}")
    with _heard() as said:
        streams, _ = pyxdf.load_xdf(str(path), verbose=False)
    if damage := [text for text, wrong in said if wrong]:
        raise ValueError(f"{path} is damaged or truncated: {damage[0]}; {AGAIN}")
    eeg = [stream for stream in streams if _fact(stream, "type").lower() == "eeg" and len(stream["time_stamps"])]
    if len(eeg) != 1:
        have = ", ".join(f"{_fact(s, 'name')} ({_fact(s, 'type')}, {len(s['time_stamps'])} samples)" for s in streams)
        what = "no EEG stream with samples" if not eeg else f"{len(eeg)} EEG streams"
        raise ValueError(f"{path} has {what} among {have or 'none'}; record one EEG stream per file, or split it")
    stream = eeg[0]
    values = np.asarray(stream["time_series"], dtype=np.float64)
    stamps = np.asarray(stream["time_stamps"], dtype=np.float64)
    told = float(_fact(stream, "nominal_srate") or 0)
    rate = told if told > 0 else measured_rate(stamps)
    labels, kinds, units = _channels(stream, values.shape[1])
    rows = [i for i, kind in enumerate(kinds) if not any(kind.startswith(k) for k in _OTHER_KINDS)]
    if any(tidy(labels[i]) for i in rows):  # what is no electrode beside electrodes is none
        rows = [i for i in rows if tidy(labels[i]) is not None]
    for unit in {units[i] for i in rows} - set(_UNITS):
        raise ValueError(f"{path}: channels of stream {_fact(stream, 'name')} are in {unit!r}, which is no unit of EEG")
    grid, notes = by_time(stamps, rate)
    notes += [text for text, _ in said]
    if not any(units):
        notes.append("the stream names no unit; its numbers are taken for µV")
    marks = [
        (float(at) - float(stamps[0]), 0.0, str(row[0]) if len(row) else "")
        for other in streams
        if other is not stream and _is_marks(other)
        for at, row in zip(other["time_stamps"], other["time_series"], strict=True)
    ]
    others = [_fact(s, "name") for s in streams if s is not stream and not _is_marks(s)]
    dropped = (*(labels[i] for i in range(len(labels)) if i not in rows), *others)
    signal = values.T[rows] * np.asarray([_UNITS[units[i]] for i in rows])[:, None]
    return Take(signal, tuple(labels[i] for i in rows), grid, tuple(sorted(marks)), dropped, tuple(notes))


def _too_large(path: Path, *, packed: bool) -> str:
    """Why a chunk holds fewer bytes than the samples that it declares: pyxdf sets aside what is declared."""
    counts: dict[bytes, int] = {}
    with path.open("rb") as plain:
        file: IO[bytes] = gzip.GzipFile(fileobj=plain) if packed else plain  # type: ignore[assignment]
        file.read(4)
        while (length := _varlen(file)) is not None:
            start = file.tell()
            tag, stream = int.from_bytes(file.read(2), "little"), file.read(4)
            if tag == _HEADER and length <= _LONGEST:
                found = re.search(rb"<channel_count>\s*([0-9]+)", file.read(max(length - 6, 0)))
                counts[stream] = int(found[1][:19]) if found else 0
            elif tag == _SAMPLES and (declared := _varlen(file) or 0) * (1 + counts.get(stream, 0)) > length:
                return f"it declares {declared:,} samples of {counts.get(stream, 0):,} channels in {length:,} bytes"
            file.seek(start + length)
    return ""


def _varlen(file: IO[bytes]) -> int | None:
    """A number that begins with how many bytes it takes; None at the end, and of what is none."""
    size = file.read(1)
    if size not in (b"\x01", b"\x04", b"\x08"):
        return None
    return int.from_bytes(file.read(size[0]), "little") & (2**62 - 1)


def _is_marks(stream: Mapping[str, Any]) -> bool:
    return (
        _fact(stream, "type").lower() in ("markers", "marker", "events") or _fact(stream, "channel_format") == "string"
    )


def _fact(stream: Mapping[str, Any], name: str) -> str:
    found = stream["info"].get(name) or [""]
    return str(found[0] or "").strip()


def _channels(stream: Mapping[str, Any], n: int) -> tuple[list[str], list[str], list[str]]:
    """Labels, types and units of the channels, as far as the stream describes them."""
    try:
        described = [dict(one) for one in stream["info"]["desc"][0]["channels"][0]["channel"]]
    except (KeyError, IndexError, TypeError):
        described = []
    if len(described) != n:
        described = [{} for _ in range(n)]

    def all_of(key: str) -> list[str]:
        return [str((one.get(key) or [""])[0] or "").strip() for one in described]

    labels = [label or f"Channel {i + 1}" for i, label in enumerate(all_of("label"))]
    return labels, [kind.lower() for kind in all_of("type")], [unit.lower() for unit in all_of("unit")]


@contextmanager
def _heard() -> Iterator[list[tuple[str, bool]]]:
    """What pyxdf warns of, and whether it is damage, past which it reads on."""
    said: list[tuple[str, bool]] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno >= logging.WARNING:
                text = " ".join(record.getMessage().split())
                said.append((text, record.levelno >= logging.ERROR or "zero-length" in text))

    logger, ear = logging.getLogger("pyxdf.pyxdf"), Ear()
    before = logger.level, logger.propagate
    logger.addHandler(ear)
    logger.propagate = False
    try:
        yield said
    finally:
        logger.removeHandler(ear)
        logger.setLevel(before[0])
        logger.propagate = before[1]
