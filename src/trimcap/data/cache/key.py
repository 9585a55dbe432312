"""What a cache entry was made of: content hashes of recordings and files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from trimcap import __version__
from trimcap._canonical import canonical_json, plain
from trimcap._progress import bar
from trimcap.data.cache.stamps import Hashed, hash_file, stamp_of
from trimcap.data.hearsay import NOTHING, Hearsay
from trimcap.data.preprocess.chain import Chain
from trimcap.data.preprocess.steps import name_of, source_of
from trimcap.data.recording import Recording

#: raised whenever the files of an entry change their meaning
LAYOUT = 2
#: parts of a path that count as a file's name, as readers take sessions and subjects from its folders
PARTS = 3

Read = Callable[[Path], Iterable[Recording]]


@dataclass(frozen=True)
class Input:
    """One hashed recording or file.

    Parameters
    ----------
    name : of the recording, or the last parts of the file's path
    sha256 : of the content, with everything that can change the result
    file, hashed : path and state of the file when it was hashed; None for a recording in memory
    """

    name: str
    sha256: str
    file: Path | None = None
    hashed: Hashed | None = None


def entry_key(chain: Chain, sources: Sequence[Input], read: Read | None) -> str:
    """sha256 over layout, chain, reader, and name and content of all inputs in order."""
    value = {
        "layout": LAYOUT,
        "chain": chain.hash,
        "read": None if read is None else describe_reader(read),
        "inputs": [[source.name, source.sha256] for source in sources],
    }
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def hash_recording(recording: Recording, *, with_info: bool) -> Input:
    """Signal bytes, shape, rate, names and labels; `info` only where a function from outside may read it."""
    signal = np.ascontiguousarray(recording.signal)
    facts: dict[str, Any] = {
        "shape": list(signal.shape),
        "dtype": signal.dtype.str,
        "rate": float(recording.rate),
        "channels": list(recording.channels),
        "origin": [recording.subject, recording.session, recording.trial],
        "label": int(recording.label),
        "classes": list(recording.classes),
    }
    if recording.stimulus:  # becomes a column of the metadata
        facts["stimulus"] = recording.stimulus
    if recording.place is not None:  # becomes columns too
        facts["place"] = list(recording.place)
    said = Hearsay.of(recording)
    if said != NOTHING:  # is told in the steps
        facts["hearsay"] = [sorted(said.rules), sorted(said.left_out)]
    if with_info:
        # an object without a stable text gives another key each time: a rebuild, never a stale result
        facts["info"] = json.loads(json.dumps(dict(recording.info), default=_text, sort_keys=True))
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    digest.update(signal.reshape(-1).view(np.uint8).data)
    return Input(recording.name, digest.hexdigest())


def hash_paths(
    paths: Iterable[Path], known: Mapping[str, Hashed], parts: int = PARTS, *, progress: bool = False
) -> list[Input]:
    """Every file of `paths`; of a folder all files in it, sorted by name. `known` saves hashing untouched ones.

    A file is called by the last `parts` of its path.

    Raises
    ------
    FileNotFoundError : no such file or folder; a folder without files.
    """
    files = [file for path in paths for file in _files(Path(path))]
    hashed = []
    with bar(progress and bool(files), len(files)) as advance:
        for file in files:
            advance(f"compare {file.name}", 0)
            hashed.append(_hash_file(file, known, parts))
            advance(f"compare {file.name}")
    return hashed


def changed(sources: Iterable[Input]) -> list[Path]:
    """Files that are no longer what was hashed."""
    pairs = [(source.file, source.hashed) for source in sources]
    # not the last part of the stamp: new permissions are no new content
    return [
        f for f, h in pairs if f is not None and h is not None and not (f.is_file() and stamp_of(f)[:3] == h.stamp[:3])
    ]


def describe_reader(read: Read) -> dict[str, Any]:
    """Name, source and options of a reader: a function, or `functools.partial` of one with keywords.

    Raises
    ------
    ValueError : it can't be found by a name, or an option is no plain value.
    """
    function, options = read, {}
    if isinstance(read, partial):
        if read.args:
            raise ValueError(f"reader {read!r}: give its options by keyword, partial(read_x, option=…)")
        function, options = read.func, read.keywords
    name = name_of(function, "reader")
    # what our readers call lies in other files than their own
    version = {"trimcap": __version__} if name.startswith("trimcap.") else {}
    return {
        "name": name,
        **version,
        "source": source_of(function),
        "options": {
            key: canonical_json(plain(_fields(value), f"reader, option {key}")) for key, value in options.items()
        },
    }


def _fields(value: Any) -> Any:
    """The options of a published set are one value of a dataclass."""
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


def _text(value: object) -> str:
    """A text that is another one for another value; NumPy's own leaves out the middle of a long array."""
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        content = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        return f"{value.dtype.str} {value.shape} {content}"
    return repr(value)


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    files = sorted(_walk(path, set()))
    if not files:
        raise FileNotFoundError(f"{path}: no such file, or a folder without files; check the path")
    return files


def _walk(folder: Path, above: set[Path]) -> Iterator[Path]:
    """All files in a folder; linked folders as well, as a reader would follow them, but not in a circle."""
    here = folder.resolve()
    if not folder.is_dir() or here in above:
        return
    for path in folder.iterdir():
        if path.is_file():
            yield path
        elif path.is_dir():
            yield from _walk(path, above | {here})


def _hash_file(file: Path, known: Mapping[str, Hashed], parts: int) -> Input:
    hashed = hash_file(file, known)
    return Input("/".join(file.absolute().parts[-parts:]), hashed.sha256, file, hashed)
