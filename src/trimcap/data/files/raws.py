"""Files that MNE reads: which they are, and one of them opened without its signal."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trimcap._errors import counted
from trimcap.data.files.edf.raw import beyond, keep_outside, mark_pauses, read_edf
from trimcap.data.files.epochs import are_epochs, read_epochs
from trimcap.data.files.errors import no_recording, refusal
from trimcap.data.files.limits import check_packed, reading_limits
from trimcap.data.files.recorders.known import recorder_of
from trimcap.data.files.recorders.take import raw_of
from trimcap.data.files.sizes import AGAIN, check_declared, check_size, named_in

if TYPE_CHECKING:
    import mne

#: endings of EEG files that a folder is searched for; a file named directly may have any that MNE knows
SUFFIXES = (
    ".edf", ".bdf", ".gdf", ".fif", ".fif.gz", ".vhdr", ".ahdr", ".set", ".cnt", ".mff", ".nxe", ".lay", ".cdt",
    ".dap", ".rs3", ".nedf", ".xdf", ".xdfz",
)  # fmt: skip
# MNE's names of FIF files that hold something else, and further parts of a split recording
_OTHER_FIF = re.compile(r"[-_](epo|ave|cov|fwd|inv|src|trans|ica|eve|proj|sol|noise)\.fif(\.gz)?$", re.IGNORECASE)
_EPOCHS = re.compile(r"[-_]epo\.fif(\.gz)?$", re.IGNORECASE)
_PART = re.compile(r"-[1-9][0-9]*(?=\.fif$)")
_EDF = (".edf", ".bdf")
# warnings of MNE that say nothing of the data
_NOISE = (
    "outside data range",
    "outside the data range",
    "naming conventions",
    "split the file",
    "easurement date",
    "meas date",
)
_SPLIT = re.compile(r"(?<=_split-)(?!0*1[_.])0*[1-9][0-9]*(?=[_.])")


def suffix_of(path: Path) -> str:
    """The ending of an EEG file in lower case, `.fif.gz` in one; "" for any other file."""
    name = path.name.lower()
    return next((s for s in sorted(SUFFIXES, key=len, reverse=True) if name.endswith(s) and name != s), "")


def list_raws(folder: Path) -> list[Path]:
    """All EEG files in a folder and its subfolders, S2 before S10, hidden ones left out.

    Files of epochs are taken only where nothing else is: they are made of the recordings.
    """
    there = [p for p in folder.rglob("*") if not _hidden(p.relative_to(folder))]
    found = [p for p in there if _is_raw(p)] or [p for p in there if _EPOCHS.search(p.name) and p.is_file()]
    return sorted(found, key=lambda p: natural(p.relative_to(folder).as_posix()))


def is_eeg(path: Path) -> bool:
    """Whether a file is named like EEG, or is text that a headset's program wrote."""
    return bool(suffix_of(path)) or recorder_of(path) is not None


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
        parts = sorted((p for p in path.parent.iterdir() if part.fullmatch(p.name)), key=lambda p: natural(p.name))
        return (*parts, *((events,) if (events := events_file(path)) else ()))
    return (events,) if kind == ".fif.gz" and (events := events_file(path)) else ()


def events_file(path: Path) -> Path | None:
    """The file of events that MNE's users keep beside a FIF recording: `x-eve.fif` of `x_raw.fif`."""
    whole = re.sub(r"\.fif(\.gz)?$", "", path.name, flags=re.IGNORECASE)
    short = re.sub(r"[-_](raw|eeg|meg)(_(sss|tsss))?$", "", whole, flags=re.IGNORECASE)
    names = (
        f"{stem}{mark}{end}" for stem in (whole, short) for mark in ("-eve", "_eve") for end in (".fif", ".fif.gz")
    )
    return next((path.with_name(name) for name in names if path.with_name(name).is_file()), None)


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

    Warns
    -----
    UserWarning : what MNE warns of, with the name of the file.
    """
    _check_there(path)
    check_packed(path)
    check_declared(path)
    with warnings.catch_warnings(record=True) as caught, reading_limits(path):
        warnings.simplefilter("always")
        try:
            raw = _read(path) if read is None else read()
            raw.get_channel_types()  # of a damaged header they are nothing
            if read is not None or path.suffix.lower() in _EDF:
                mark_pauses(raw, path)
        except Exception as error:  # MNE raises whatever its parser stumbled over
            raise ValueError(refusal(path, error)) from error
    check_size(path, raw)
    _relay(path, raw, caught)
    return raw


def samples(raw: mne.io.BaseRaw, path: Path, picks: Iterable[int], first: int, last: int) -> Any:
    """Volts of some channels, in the order of `picks`, from sample `first` up to, not including, `last`.

    ValueError: the file ends before or is damaged there.
    """
    rows = list(picks)
    order = sorted(set(rows))  # MNE may give them in the order of the file
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            values = raw.get_data(picks=order, start=first, stop=last, verbose="error")
        except Exception as error:  # MNE raises whatever its parser stumbled over
            raise ValueError(refusal(path, error)) from error
    if values.shape != (len(order), last - first):
        raise ValueError(f"{path} ends before its header says; {AGAIN}")
    return values[[order.index(row) for row in rows]]


def _read(path: Path) -> mne.io.BaseRaw:
    import mne

    if path.suffix.lower() in _EDF:
        return read_edf(path)
    if (recorder := recorder_of(path)) is not None:
        return raw_of(recorder[1](path), path)
    if other := no_recording(path):
        raise ValueError(other)
    if path.suffix.lower() == ".cnt" and _starts(path) in (b"RIFF", b"RF64"):
        return mne.io.read_raw_ant(path, preload=False, verbose="warning")  # ANT's, not Neuroscan's
    try:
        return mne.io.read_raw(path, preload=False, verbose="warning")
    except Exception as error:
        if not are_epochs(error):
            raise
        return read_epochs(path)


def _starts(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4)


def _relay(path: Path, raw: mne.io.BaseRaw, caught: Sequence[warnings.WarningMessage]) -> None:
    """Warn again with the file's name, and find the events that MNE left out."""
    texts = [str(one.message) for one in caught if issubclass(one.category, UserWarning | RuntimeWarning)]
    if any(text.startswith("Invalid tag") for text in texts):  # FIF; MNE takes what is before it
        raise ValueError(f"{path} is truncated or damaged ({texts[0]}); {AGAIN}")
    for text in dict.fromkeys(text.strip() for text in texts if not any(noise in text for noise in _NOISE)):
        warnings.warn(text if str(path) in text else f"{path}: {text}", stacklevel=3)
    late = _outside(path, raw) if any(" the data range" in text or " data range" in text for text in texts) else []
    if late:
        keep_outside(raw, late)
        warnings.warn(
            f"{path}: {counted(len(late), 'marker')} outside the signal, first {late[0][2]!r} at {late[0][0]:g} s; if "
            "there should be more signal, the file is truncated",
            stacklevel=3,
        )


def _outside(path: Path, raw: mne.io.BaseRaw) -> list[tuple[float, float, str]]:
    import mne

    markers = next((other for other in companions(path) if other.suffix == ".vmrk"), path)
    with warnings.catch_warnings(), mne.utils.use_log_level("error"):
        warnings.simplefilter("ignore")
        try:
            found = mne.read_annotations(markers)
        except Exception:  # it is told that some were left out
            return []
    end = raw.n_times / float(raw.info["sfreq"])
    rows = zip(found.onset, found.duration, found.description, strict=True)
    late = [(onset, length, str(text)) for onset, length, text in rows if beyond(onset, length, str(text), end)]
    cut = {(round(onset, 6), text) for onset, _, text in late}  # MNE shortens what ends late
    zero, notes = float(raw.first_time), raw.annotations
    same = [
        (round(float(t) - zero, 6), str(text)) in cut for t, text in zip(notes.onset, notes.description, strict=True)
    ]
    notes.delete([i for i, one in enumerate(same) if one])
    return late


def _is_raw(path: Path) -> bool:
    kind = suffix_of(path)
    if not kind or path.is_dir() != (kind == ".mff"):
        return not path.is_dir() and recorder_of(path) is not None
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
