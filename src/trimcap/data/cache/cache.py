"""Results of a chain on disk, found again by the content of what they were made of."""

from __future__ import annotations

import errno
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from trimcap import __version__
from trimcap._errors import unknown
from trimcap._files import make_folder
from trimcap.data.cache.entry import DamagedError, check_files, load_entry, read_manifest, write_entry
from trimcap.data.cache.folder import alive, aside_name, building_name, bytes_of, is_entry, own_folders, remove, sweep
from trimcap.data.cache.key import PARTS, Input, Read, changed, describe_reader, entry_key, hash_paths, hash_recording
from trimcap.data.cache.reading import read_items
from trimcap.data.cache.stamps import Hashed, forget, recall, remember
from trimcap.data.preprocess.chain import Chain
from trimcap.data.recording import Recording
from trimcap.data.rows.stored import flush_folder
from trimcap.data.windows import Windows

Check = Literal["quick", "full"]


@dataclass(frozen=True)
class Entry:
    """What `cache_info` tells of one folder of a cache.

    Parameters
    ----------
    key : name of the folder
    bytes : of all its files
    state : "good", "damaged: …", "being built" (within the last hour) or "left over" (of a process that was killed)
    created : UTC, ISO 8601; "" unless good
    shape : of X
    steps : what was done to the windows
    inputs : number of recordings or files
    """

    key: str
    bytes: int
    state: str
    created: str = ""
    shape: tuple[int, ...] = ()
    steps: tuple[str, ...] = ()
    inputs: int = 0


def cached(
    chain: Chain,
    inputs: Sequence[Recording] | Sequence[Path | str],
    *,
    folder: Path | str,
    read: Read | None = None,
    also: Sequence[Path | str] = (),
    parts: int = PARTS,
    subjects: int | None = None,
    check: Check = "quick",
    progress: bool = False,
) -> Windows:
    """The windows of `chain.apply`, from disk if they were made before from the same content.

    An entry is named by the sha256 of the chain (all options), of the reader, and of the bytes and names of
    all inputs; a change of any of them is another entry. It is written beside the entries and renamed when it
    is whole, so an interrupted build leaves nothing that would ever be read. Processes may build the same
    entry at once; the first to finish wins, all get the same windows.

    Parameters
    ----------
    chain : what is done
    inputs : recordings; or files and folders (all files in them count), to be read by `read` one by one
    folder : of the cache; made if missing
    read : path → recordings of this file; an importable function, or `functools.partial` of one with keywords
    also : further files that the reader uses, such as a table of labels
    parts : how many last parts of a file's path the reader looks at; files are called by them, so that a folder
        whose name does not count can be moved
    subjects : how many subjects the files hold together, if more than there are files; a bar counts them
    check : "quick": sizes, headers and rows are compared with the manifest, and a file whose size, inode and
        times of change are what they were when it was hashed is not hashed again; "full": every byte of X is
        compared and every input hashed
    progress : show a bar with the time that is left, on standard error

    Returns
    -------
    Windows whose X is mapped from the file: it takes no memory until it is read, and writing to it changes
    this process's copy only.

    Raises
    ------
    ValueError : as `chain.apply`; inputs that can be read once only; a file that changed during the build.
    OSError : the folder can't be written, or the disk is full; nothing is left behind.

    Warns
    -----
    UserWarning : an entry was damaged and is built again.
    """
    if check not in ("quick", "full"):
        raise ValueError(unknown("check", check, ["quick", "full"]))
    known = recall(Path(folder)) if check == "quick" else {}
    if parts < 1:
        raise ValueError(f"parts is {parts}; a file is called by its name at least, parts=1")
    sources = _sources(chain, inputs, read, also, known, parts, progress=progress)
    key = entry_key(chain, sources, read)
    place = Path(folder) / key
    try:
        windows = load_entry(place, key, full=check == "full")
        _remember(Path(folder), sources)
        return windows
    except FileNotFoundError:
        pass
    except DamagedError as error:
        warnings.warn(f"cache entry {place} is damaged: {error}; it is built again", stacklevel=2)
    recordings = _recordings(inputs, read, subjects, progress)
    facts = _facts(chain, key, sources, read)
    _build(chain, recordings, place, facts, sources, progress=progress and read is None, full=check == "full")
    _remember(Path(folder), sources)
    return _load_soon(place, key)


def cache_info(folder: Path | str, *, check: Check = "quick") -> list[Entry]:
    """All entries of a cache, newest first, with their state; files that are not of a cache are not listed."""
    entries = [_describe(path, full=check == "full") for path in own_folders(Path(folder))]
    return sorted(entries, key=lambda entry: entry.created, reverse=True)


def clear_cache(folder: Path | str, *, keys: Iterable[str] | None = None) -> int:
    """Delete entries, and what killed processes left an hour ago or more; gives the number of freed bytes.

    Parameters
    ----------
    folder : of the cache; anything that is not of a cache stays, and so does a build that is under way
    keys : of the entries to delete; None: all

    Raises
    ------
    ValueError : a key that is not there.
    """
    entries = {path.name: path for path in own_folders(Path(folder))}
    wanted = set(entries) if keys is None else set(keys)
    for key in wanted - set(entries):
        raise ValueError(unknown("cache entry", key, entries))
    if keys is None:
        forget(Path(folder))
    freed = 0
    for name in sorted(wanted):
        if not alive(entries[name]):
            freed += bytes_of(entries[name])
            remove(entries[name])
    if keys is None:
        sweep(Path(folder))
    return freed


def _sources(
    chain: Chain,
    inputs: Sequence[Any],
    read: Read | None,
    also: Sequence[Path | str],
    known: Mapping[str, Hashed],
    parts: int,
    *,
    progress: bool,
) -> list[Input]:
    if isinstance(inputs, str | Path) or not isinstance(inputs, Sequence):
        raise ValueError(
            f"cached needs a list of recordings or of paths, got a {type(inputs).__name__}: the inputs are gone "
            "through twice, to hash and to process them. For data larger than memory give the paths and read=…"
        )
    extra = hash_paths((Path(path) for path in also), known, parts)
    if read is not None:
        return [*hash_paths((Path(path) for path in inputs), known, parts, progress=progress), *extra]
    wrong = next((item for item in inputs if not isinstance(item, Recording)), None)
    if wrong is not None:
        raise ValueError(f"cached got a {type(wrong).__name__} among the recordings; paths need a reader, read=…")
    with_info = any(step.source for step in chain.steps)
    return [*(hash_recording(recording, with_info=with_info) for recording in inputs), *extra]


def _remember(folder: Path, sources: Sequence[Input]) -> None:
    hashes = [(source.file, source.hashed) for source in sources]
    files = [(file, hashed) for file, hashed in hashes if file is not None and hashed is not None]
    if files:
        remember(folder, files)


def _recordings(
    inputs: Sequence[Any], read: Read | None, subjects: int | None, progress: bool
) -> Sequence[Recording] | Iterator[Recording]:
    return inputs if read is None else read_items(inputs, read, progress=progress, subjects=subjects)


def _facts(chain: Chain, key: str, sources: Sequence[Input], read: Read | None) -> dict[str, Any]:
    return {
        "key": key,
        "trimcap": __version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "chain": chain.canonical,
        "chain_sha256": chain.hash,
        "read": None if read is None else describe_reader(read),
        "inputs": [[source.name, source.sha256] for source in sources],
    }


def _build(
    chain: Chain,
    recordings: Iterable[Recording],
    place: Path,
    facts: dict[str, Any],
    sources: Sequence[Input],
    *,
    progress: bool,
    full: bool,
) -> None:
    """Write the entry beside its place and rename it."""
    folder = make_folder(place.parent)
    sweep(folder)
    temporary = folder / building_name()
    temporary.mkdir()
    try:
        write_entry(temporary, chain.parts(recordings, progress=progress), facts)
        moved = changed(sources)
        if moved:
            raise ValueError(f"{moved[0]} changed while it was read; nothing was cached, run it again")
        _install(temporary, place, full=full)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise OSError(
            error.errno,
            f"no space left for the cache in '{folder}'; the unfinished entry was removed. Free space "
            "(clear_cache), or choose another folder",
        ) from error
    finally:
        remove(temporary)


def _install(temporary: Path, place: Path, *, full: bool) -> None:
    """Rename a whole entry to its place; what is there already stays, unless it is damaged."""
    for _ in range(10):
        try:
            temporary.rename(place)
        except OSError as error:
            # a file server may say that there is nothing to rename because its first answer was lost
            known = (errno.ENOTEMPTY, errno.EEXIST, errno.EACCES, errno.ENOTDIR, errno.ENOENT)
            if error.errno not in known or not place.exists():
                raise
        else:
            flush_folder(place.parent)
            return
        try:
            check_files(place, read_manifest(place, place.name), full=full)
        except (DamagedError, FileNotFoundError):
            if not temporary.exists():
                raise
            aside = place.parent / aside_name()
            try:
                place.rename(aside)
            except FileNotFoundError:  # another process was faster
                continue
            remove(aside)
        else:
            return


def _load_soon(place: Path, key: str) -> Windows:
    """Load what was just built; another process may be exchanging it for its own at this moment."""
    for _ in range(50):
        try:
            return load_entry(place, key)
        except (FileNotFoundError, DamagedError):
            time.sleep(0.02)
    return load_entry(place, key)


def _describe(path: Path, *, full: bool) -> Entry:
    size = bytes_of(path)
    if not is_entry(path.name):
        return Entry(path.name, size, "being built" if alive(path) else "left over")
    try:
        manifest = read_manifest(path, path.name)
        check_files(path, manifest, full=full)
    except (DamagedError, OSError) as error:
        return Entry(path.name, size, f"damaged: {error}")
    facts = manifest["windows"]
    return Entry(
        path.name,
        size,
        "good",
        created=manifest["created"],
        shape=tuple(facts["shape"]),
        steps=tuple(facts["steps"]),
        inputs=len(manifest["inputs"]),
    )
