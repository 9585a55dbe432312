"""Files that MNE reads: which they are, and one of them opened without its signal."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trimcap.data.raw_sizes import AGAIN, check_size, named_in

if TYPE_CHECKING:
    import mne

#: endings of EEG files that a folder is searched for; a file named directly may have any that MNE knows
SUFFIXES = (
    ".edf", ".bdf", ".gdf", ".fif", ".fif.gz", ".vhdr", ".ahdr", ".set", ".cnt", ".mff", ".nxe", ".lay", ".cdt",
    ".dap", ".rs3", ".nedf",
)  # fmt: skip
# MNE's names of FIF files that hold something else, and further parts of a split recording
_OTHER_FIF = re.compile(r"[-_](epo|ave|cov|fwd|inv|src|trans|ica|eve|proj|sol|noise)\.fif(\.gz)?$", re.IGNORECASE)
_PART = re.compile(r"-[1-9][0-9]*(?=\.fif$)")
_SPLIT = re.compile(r"(?<=_split-)(?!0*1[_.])0*[1-9][0-9]*(?=[_.])")


def suffix_of(path: Path) -> str:
    """The ending of an EEG file in lower case, `.fif.gz` in one; "" for any other file."""
    name = path.name.lower()
    return next((s for s in sorted(SUFFIXES, key=len, reverse=True) if name.endswith(s) and name != s), "")


def list_raws(folder: Path) -> list[Path]:
    """All EEG files in a folder and its subfolders, S2 before S10, hidden ones left out."""
    found = [p for p in folder.rglob("*") if not _hidden(p.relative_to(folder)) and _is_raw(p)]
    return sorted(found, key=lambda p: natural(p.relative_to(folder).as_posix()))


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """A key that sorts numbers inside names by value, whatever the locale."""
    parts = re.split(r"([0-9]+)", text)
    return tuple((0, int(p), p) if p.isdecimal() and p.isascii() else (1, 0, p) for p in parts if p)


def companions(path: Path) -> tuple[Path, ...]:
    """The other files of a recording: `.eeg` and `.vmrk` of BrainVision, `.fdt` of EEGLAB, parts of a split FIF."""
    kind = suffix_of(path)
    if kind in (".vhdr", ".ahdr"):
        text = path.read_bytes()[:65536].decode("latin-1")
        named = [named_in(path, text, key) for key in ("DataFile", "MarkerFile")]
        return tuple(p for p in named if p is not None)
    if kind == ".set":
        return tuple(p for p in (path.with_suffix(".fdt"),) if p.is_file())
    if kind == ".fif":
        stem = re.escape(path.stem)
        part = re.compile(rf"{stem}-[1-9][0-9]*\.fif")
        return tuple(
            sorted((p for p in path.parent.iterdir() if part.fullmatch(p.name)), key=lambda p: natural(p.name))
        )
    return ()


def open_raw(path: Path, read: Callable[[], Any] | None = None) -> mne.io.BaseRaw:
    """A file as MNE sees it; its signal is read from the disk when it is asked for.

    Parameters
    ----------
    path : of the file
    read : opens it, if not `mne.io.read_raw`

    Raises
    ------
    FileNotFoundError : no such file, or one that belongs to it is missing.
    ValueError : empty, truncated or unreadable; says which file.
    """
    _check_there(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            raw = _read(path) if read is None else read()
            raw.get_channel_types()  # of a damaged header they are nothing
        except Exception as error:  # MNE raises whatever its parser stumbled over
            raise ValueError(_broken(path, error)) from error
    check_size(path, raw)
    return raw


def samples(raw: mne.io.BaseRaw, path: Path, picks: Iterable[int], first: int, last: int) -> Any:
    """Volts of some channels, in the order of `picks`, from sample `first` up to, not including, `last`.

    Raises
    ------
    ValueError : the file ends before or is damaged there.
    """
    rows = list(picks)
    order = sorted(set(rows))  # MNE may give them in the order of the file
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            values = raw.get_data(picks=order, start=first, stop=last, verbose="error")
        except Exception as error:  # MNE raises whatever its parser stumbled over
            raise ValueError(_broken(path, error)) from error
    if values.shape != (len(order), last - first):
        raise ValueError(f"{path} ends before its header says; {AGAIN}")
    return values[[order.index(row) for row in rows]]


def _read(path: Path) -> mne.io.BaseRaw:
    import mne

    try:
        return mne.io.read_raw(path, preload=False, verbose="error")
    except Exception as error:  # annotations of EDF should be UTF-8, but are what the recorder's computer wrote
        if "encoding='latin1'" not in str(error).replace('"', "'"):
            raise
        return mne.io.read_raw(path, preload=False, encoding="latin1", verbose="error")


def _is_raw(path: Path) -> bool:
    kind = suffix_of(path)
    if not kind or path.is_dir() != (kind == ".mff"):
        return False
    return not (kind.startswith(".fif") and _is_other_fif(path))


def _is_other_fif(path: Path) -> bool:
    name = path.name
    digits = _SPLIT.search(name)
    first = _SPLIT.sub("1".zfill(len(digits[0])), name) if digits else _PART.sub("", name)
    return bool(_OTHER_FIF.search(name)) or (first != name and path.with_name(first).is_file())


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _check_there(path: Path) -> None:
    if not path.exists():
        raise FileNotFoundError(f"no file '{path}'; check the path")
    if path.is_file() and path.stat().st_size == 0:
        raise ValueError(f"{path} is empty; {AGAIN}")
    for other in companions(path) if path.is_file() else ():
        if not other.exists():
            raise FileNotFoundError(
                f"{path} names '{other.name}', which is not beside it; BrainVision recordings are three files "
                "(.vhdr, .vmrk, .eeg) that must lie in one folder under their own names"
            )


def _broken(path: Path, error: Exception) -> str:
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    kind = suffix_of(path) or path.suffix or "EEG"
    if "HDF reader" in text:
        return f"{path} is a MATLAB 7.3 file; install what reads it (pip install pymatreader), or save it as version 7"
    if not (isinstance(error, _TELLING) or type(error) is Exception) or text.startswith(
        "Could not read file using any"
    ):
        text = f"{type(error).__name__}, so it is damaged or truncated"
    return f"{path} is not a readable {kind} file ({text}); {AGAIN}"


# errors whose text means something to who has the file
_TELLING = (ValueError, RuntimeError, ImportError)  # of a format that MNE does not read yet: a RuntimeError too
