"""What the header of an EDF or BDF file says, compared with the file.

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
_MOST_SIGNALS = 4096


@dataclass(frozen=True)
class EdfFields:
    """The header as it is written, one entry per signal.

    Parameters
    ----------
    patient : of the header, 80 letters
    kind : "EDF+C", "EDF+D", "BDF+C", "24BIT", … or ""
    offset : bytes of the header
    records, length : how many, -1 if the recording was not closed; s of each
    counts : samples of each signal in a record
    width : bytes of a sample
    columns : all fields of the signals, in the order of the format
    """

    patient: str
    kind: str
    offset: int
    records: int
    length: float
    counts: tuple[int, ...]
    width: int
    columns: tuple[tuple[bytes, ...], ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the signals."""
        return tuple(value.decode("latin-1").strip() for value in self.columns[0])

    @property
    def units(self) -> tuple[str, ...]:
        """Physical dimensions of the signals."""
        return tuple(value.decode("latin-1").strip() for value in self.columns[2])

    @property
    def record_bytes(self) -> int:
        """Length of a record."""
        return self.width * sum(self.counts)


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


def edf_fields(path: Path) -> EdfFields:
    """The header of an EDF or BDF file, whatever the length of the file.

    ValueError: damaged or cut off; says what is wrong, without the file's name.
    """
    with path.open("rb") as file:
        fixed = file.read(_FIXED)
        n = _whole(fixed[252:256], "number of signals")
        if not 1 <= n <= _MOST_SIGNALS:
            raise ValueError(f"the number of signals in its header is {n}")
        fields = file.read(n * sum(_WIDTHS))
    if len(fixed) < _FIXED or len(fields) < n * sum(_WIDTHS):
        raise ValueError("its header is cut off")
    columns = _columns(fields, n)
    counts = tuple(_whole(value, "number of samples") for value in columns[8])
    length = _number(fixed[244:252], "length of a record")
    if length < 0 or min(counts) < 0:
        raise ValueError(f"its header claims records of {length:g} s with {min(counts)} samples")
    return EdfFields(
        patient=fixed[8:88].decode("latin-1").strip(),
        kind=fixed[192:236].decode("latin-1").strip(),
        offset=_whole(fixed[184:192], "length of the header"),
        records=_whole(fixed[236:244], "number of records"),
        length=length,
        counts=counts,
        width=3 if fixed[:1] == b"\xff" else 2,
        columns=tuple(map(tuple, columns)),
    )


def edf_head(path: Path) -> EdfHead:
    """The header of an EDF file whose size is what its header needs.

    ValueError: damaged or truncated; says what is wrong, without the file's name.
    """
    size, head = path.stat().st_size, edf_fields(path)
    n = len(head.counts)
    if head.offset != _FIXED + n * sum(_WIDTHS):
        raise ValueError(f"its header does not have the length that {n} signals need")
    if head.length <= 0 or min(head.counts) < 1:
        raise ValueError(f"its header claims records of {head.length:g} s with {min(head.counts)} samples")
    need = head.offset + head.records * head.record_bytes
    if size != need:
        what = "truncated: it" if size < need else "damaged: it"
        raise ValueError(f"it is {what} has {size} bytes and its header needs {need}")
    pairs = zip(head.columns[5], head.columns[6], strict=True)
    digital = [(_whole(low, "digital range"), _whole(high, "digital range")) for low, high in pairs]
    rates = tuple(count / head.length for count in head.counts)
    return EdfHead(labels=head.labels, units=head.units, rates=rates, digital=tuple(digital))


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
