"""Who is who: which files are of one person, by their headers, BIDS entities, folders or names."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from trimcap.data.files.edf.head import edf_fields
from trimcap.data.files.recorders.known import header_subject
from trimcap.data.foreign.matlab import mat_shapes, read_field, read_mat

#: what can tell who a file is of, in the order in which it is asked
WAYS = ("header", "bids", "folder", "file")
#: the name of a file up to its first underscore
_PREFIX = re.compile(r"^([^_]+)")
# names that are of persons: sub-01, S7, subject03, vp_12; not dates, runs or words
_PERSON = re.compile(
    r"(subject|subj|sub|participant|patient|proband|person|volunteer|user|vp|pp|s|p)[-_ ]?[0-9]+[a-z]?", re.IGNORECASE
)
# what headers say that name nobody
_NOBODY = frozenset(
    {
        "", "x", "xx", "xxx", "anon", "anonymous", "anonymized", "anonymised", "unknown", "unnamed", "none", "na",
        "n-a", "nan", "nn", "patient", "subject", "test", "default", "mne_anonymize", "0", "-",
    }
)  # fmt: skip
_SPLITTERS = str.maketrans("/@", "--")


@dataclass(frozen=True)
class Identity:
    """How the files of a set name their subjects.

    Parameters
    ----------
    way : one of `WAYS`
    doubt : why a person should say it instead; "" if all that is known agrees
    told : what each way says: way → its names, "" for files of which it says nothing
    """

    way: str
    doubt: str
    told: Mapping[str, tuple[str, ...]]


def identity(files: Sequence[Path], root: Path | None) -> Identity:
    """What names the subjects of some files: the first of `WAYS` that does so for all.

    The others are witnesses: they need not use the same names, but must draw the same lines between persons. A file
    name bears witness if it begins like a person's (`S07_rest`), not if it is a date.
    """
    told = {way: tuple(who(file, way, root) for file in files) for way in WAYS}
    way = next((way for way in WAYS[:-1] if all(told[way])), "file")
    if way == "file":
        some = {name: way for way in WAYS[:-1] for name in told[way] if name}
        why = "nothing but the file names tells who is who"
        if some:
            why = f"only some files say who they are of ({', '.join(sorted(some)[:4])}), the others only by their names"
        return Identity(way, f"{why} ({_some(told['file'])})", told)
    witnesses = {other: names for other, names in told.items() if other != way}
    witnesses["file"] = tuple(name if _PERSON.match(name) else "" for name in told["file"])
    against = [other for other, names in witnesses.items() if not _same_lines(told[way], names)]
    if not against:
        return Identity(way, "", told)
    said = "; ".join(f"{_WORDS[other]} name {_some(told[other])}" for other in (way, *against))
    return Identity(way, f"it is contradictory who is who: {said}", told)


def who(path: Path, way: str, root: Path | None) -> str:
    """The subject of a file as one of `WAYS` tells it, "" if it does not."""
    if way == "header":
        stamp = path.stat()
        return _header(path, stamp.st_mtime_ns, stamp.st_size)
    if way == "bids":
        found = re.search(r"(?:^|_)(sub-[^_.]+)", path.name)
        return found[1] if found else ""
    if way == "folder":
        inside = (
            path.relative_to(root)
            if root is not None and path.is_relative_to(root)
            else Path(path.parent.name, path.name)
        )
        return next((part for part in inside.parent.parts if _PERSON.fullmatch(part)), "")
    stem = re.sub(r"(\.fif)?\.[^.]*$", "", path.name, flags=re.IGNORECASE)
    found = _PREFIX.search(stem)
    return found[1] if found else stem


def common_root(files: Sequence[Path]) -> Path | None:
    """The folder that all files share, below which folders tell them apart."""
    return Path(os.path.commonpath([file.parent.absolute() for file in files])) if files else None


@lru_cache(maxsize=4096)
def _header(path: Path, _changed: int, _size: int) -> str:
    name = path.name.lower()
    try:
        if name.endswith((".edf", ".bdf")):
            return _first_word(edf_fields(path).patient)
        if name.endswith(".gdf"):
            with path.open("rb") as file:
                return _first_word(file.read(74)[8:].split(b"\0")[0].decode("latin-1"))
        if name.endswith((".fif", ".fif.gz")):
            return _of_fif(path)
        if name.endswith(".set"):
            return _somebody(_of_set(path))
        if name.endswith(".cnt"):
            return _of_cnt(path)
        if name.endswith(".csv"):
            return _somebody(header_subject(path))
    except Exception:  # reading the file says what is wrong with it
        return ""
    return ""


def _of_fif(path: Path) -> str:
    import mne

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        info = mne.io.read_info(path, verbose="error").get("subject_info") or {}
    names = " ".join(str(info[key]) for key in ("first_name", "last_name") if info.get(key))
    return next(
        (text for key in (info.get("his_id"), info.get("id"), names) if (text := _somebody(str(key or "")))), ""
    )


def _of_set(path: Path) -> str:
    """`EEG.subject` of EEGLAB, a field of one variable or, as newer versions save, a variable."""
    known = mat_shapes(path)
    value = read_mat(path, "subject") if "subject" in known else read_field(path, "EEG", "subject")
    if isinstance(value, np.ndarray):  # MATLAB 7.3 writes text as uint16, and the shape of empty text as uint64
        value = "".join(map(chr, value.reshape(-1).tolist())) if value.dtype == np.uint16 else ""
    return str(value)


def _of_cnt(path: Path) -> str:
    """`id` of Neuroscan's header (structure SETUP of Scan 4: 20 letters at byte 21), else `patient`, at byte 121."""
    with path.open("rb") as file:
        head = file.read(141)
    if not head.startswith(b"Version"):
        return ""
    found = (head[at : at + 20].split(b"\0")[0].decode("latin-1") for at in (21, 121))
    return next((name for text in found if (name := _somebody(text))), "")


def _first_word(patient: str) -> str:
    """The code of EDF+'s `code sex birthdate name`, or its name; of other headers the whole text."""
    parts = patient.split()
    if len(parts) >= 4 and parts[1].upper() in ("X", "M", "F"):
        return _somebody(parts[0]) or _somebody(parts[3])
    return _somebody(" ".join(parts))


def _somebody(text: str) -> str:
    """A name without what ids may not hold, "" if it is nobody's."""
    words = text.strip().translate(_SPLITTERS)
    return "" if all(word.lower() in _NOBODY for word in words.split()) else words


def _same_lines(names: Sequence[str], others: Sequence[str]) -> bool:
    """Whether two ways put the same files together, of those that both know."""
    pairs = {(a, b) for a, b in zip(names, others, strict=True) if a and b}
    return len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


_WORDS = {"header": "the headers", "bids": "the BIDS names", "folder": "the folders", "file": "the file names"}


def _some(names: Sequence[str]) -> str:
    each = sorted({name for name in names if name})
    return f"{len(each)}: {', '.join(each[:4])}{', …' if len(each) > 4 else ''}"


def choice(doubt: str) -> str:
    """What to do about a doubt."""
    ways = "subject='header', 'folder', 'file' or a regular expression whose group 1 is the name, such as '(S[0-9]+)'"
    return f"{doubt}; say by what: {ways}"
