"""Whether an EEG file is as long as its header says."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from trimcap.data.files.edf.head import edf_fields
from trimcap.data.files.limits import AGAIN as AGAIN

if TYPE_CHECKING:
    import mne

_WIDTHS = {"INT_16": 2, "UINT_16": 2, "INT_32": 4, "IEEE_FLOAT_32": 4}
_FEW = 4096
# in these a sample may take less than a byte
_COMPRESSED = (".set", ".gz", ".mff")


def check_size(path: Path, raw: mne.io.BaseRaw) -> None:
    """Refuse what MNE takes for a shorter recording, and a header that promises more than there is."""
    check = _CHECKS.get(path.suffix.lower())
    if check is not None:
        check(path)
    size = sum(Path(name).stat().st_size for name in {path, *raw.filenames} if name and Path(name).is_file())
    if size and not path.name.lower().endswith(_COMPRESSED) and raw.n_times > size:
        raise ValueError(f"{path} is truncated: {raw.n_times:,} samples promised, {size:,} bytes there; {AGAIN}")


def check_declared(path: Path) -> None:
    """Refuse a BrainVision header with more channels than its data have bytes: MNE makes a name for each."""
    if path.suffix.lower() not in (".vhdr", ".ahdr") or not path.is_file():
        return
    text = path.read_bytes().decode("latin-1")
    data, channels = named_in(path, text, "DataFile"), _number(text, "NumberOfChannels")
    if data is not None and data.is_file() and channels > max(data.stat().st_size, _FEW):
        raise ValueError(
            f"{path} is damaged: it declares {channels:,} channels, and {data.name} has {data.stat().st_size:,} bytes; "
            f"{AGAIN}"
        )


def named_in(path: Path, header: str, key: str) -> Path | None:
    """The file that a BrainVision header names, such as `DataFile=run1.eeg`."""
    found = re.search(rf"^{key}\s*=\s*(.+?)\s*$", header, re.MULTILINE)
    if found is None:
        return None
    name = found[1].encode("latin-1").decode("utf-8", "replace").replace("$b", path.stem)
    return path.parent / name


def _check_edf(path: Path) -> None:
    try:
        head = edf_fields(path)
    except ValueError as error:
        raise ValueError(f"{path}: its header is damaged ({error}); {AGAIN}") from error
    if (head.width == 3) != (path.suffix.lower() == ".bdf"):
        raise ValueError(
            f"{path} is not a readable {path.suffix} file: its header is of the other of EDF and BDF; rename it"
        )
    size = head.record_bytes
    there = (path.stat().st_size - head.offset) // size if size else 0
    if head.records not in (-1, there):  # -1: the recording was not closed
        what = "is truncated" if there < head.records else "is longer than its header says"
        raise ValueError(f"{path} {what}: {head.records} records promised, {there} there; {AGAIN}")


def _check_brainvision(path: Path) -> None:
    text = path.read_bytes().decode("latin-1")
    data = named_in(path, text, "DataFile")
    width = _WIDTHS.get(_fact(text, "BinaryFormat").upper(), 0) * _number(text, "NumberOfChannels")
    if data is None or not data.is_file() or _fact(text, "DataFormat").upper() != "BINARY" or not width:
        return
    size = data.stat().st_size
    promised = _number(text, "DataPoints")
    if size % width or promised * width > size:
        raise ValueError(
            f"{data} is truncated: its {size:,} bytes are no whole recording of {path.name} "
            f"({width} bytes a sample, {promised or 'unknown'} samples); {AGAIN}"
        )


def _fact(header: str, key: str) -> str:
    found = re.search(rf"^{key}\s*=\s*(\w+)", header, re.MULTILINE)
    return found[1] if found else ""


def _number(header: str, key: str) -> int:
    text = _fact(header, key)
    return int(text) if text.isdecimal() else 0


_CHECKS: Mapping[str, Callable[[Path], None]] = {
    ".edf": _check_edf, ".bdf": _check_edf, ".vhdr": _check_brainvision,
    ".ahdr": _check_brainvision,
}  # fmt: skip
