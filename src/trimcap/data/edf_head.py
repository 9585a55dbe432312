"""What the header of an EDF file says, compared with the file.

MNE takes a header at its word: a changed number of samples shifts all channels behind it, a changed unit makes
microvolts of volts.

Format: Kemp et al. (1992), "A simple format for exchange of digitized polygraphic recordings".
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

#: label, transducer, unit, physical minimum and maximum, digital minimum and maximum, filters, samples, reserved
_WIDTHS = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)
_FIXED = 256


@dataclass(frozen=True)
class EdfHead:
    """One entry per signal, and what holds for all.

    Parameters
    ----------
    labels, units : of the signals
    rates : Hz
    digital : smallest and largest count of each signal
    """

    labels: tuple[str, ...]
    units: tuple[str, ...]
    rates: tuple[float, ...]
    digital: tuple[tuple[int, int], ...]


def edf_head(path: Path) -> EdfHead:
    """The header of an EDF file whose size is what its header needs.

    Raises
    ------
    ValueError : damaged or truncated; says what is wrong, without the file's name.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        fixed = file.read(_FIXED)
        n = _whole(fixed[252:256], "number of signals")
        fields = file.read(n * sum(_WIDTHS))
    if len(fixed) < _FIXED or n < 1 or len(fields) < n * sum(_WIDTHS):
        raise ValueError("its header is cut off")
    if _whole(fixed[184:192], "length of the header") != _FIXED + len(fields):
        raise ValueError(f"its header does not have the length that {n} signals need")
    columns = _columns(fields, n)
    records, length = _whole(fixed[236:244], "number of records"), _number(fixed[244:252], "length of a record")
    samples = [_whole(value, "number of samples") for value in columns[8]]
    if length <= 0 or min(samples) < 1:
        raise ValueError(f"its header claims records of {length:g} s with {min(samples)} samples")
    need = _FIXED + len(fields) + 2 * records * sum(samples)
    if size != need:
        what = "truncated: it" if size < need else "damaged: it"
        raise ValueError(f"it is {what} has {size} bytes and its header needs {need}")
    digital = [tuple(_whole(value, "digital range") for value in pair) for pair in zip(*columns[5:7], strict=True)]
    return EdfHead(
        labels=tuple(value.decode("latin-1").strip(" ") for value in columns[0]),
        units=tuple(value.decode("latin-1").strip(" ") for value in columns[2]),
        rates=tuple(count / length for count in samples),
        digital=tuple((low, high) for low, high in digital),
    )


def _columns(fields: bytes, n: int) -> list[list[bytes]]:
    columns, at = [], 0
    for width in _WIDTHS:
        columns.append([fields[at + i * width : at + (i + 1) * width] for i in range(n)])
        at += n * width
    return columns


def _whole(text: bytes, what: str) -> int:
    value = _number(text, what)
    if not value.is_integer():
        raise ValueError(f"the {what} in its header is {value:g}")
    return int(value)


def _number(text: bytes, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) < 1e9:
        raise ValueError(f"the {what} in its header is {text[:16]!r}")
    return value
