"""Which EEG files a path means, and what their names tell."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from trimcap.data.files.identity import WAYS, who
from trimcap.data.files.raws import SUFFIXES, list_raws, suffix_of

#: where a file name tells no session
SESSION = "1"


def stem_of(path: Path) -> str:
    """The name of a file without its ending; `.fif.gz` is one."""
    kind = suffix_of(path)
    return path.name[: -len(kind)] if kind else path.stem


def files_at(path: Path) -> tuple[Path | None, list[Path]]:
    """The folder that is searched, if `path` is one, and its EEG files; else the file itself.

    FileNotFoundError: no such file or folder, or no EEG file in it.
    """
    if not path.exists():
        raise FileNotFoundError(f"no file or folder '{path}'; check the path")
    if path.is_file() or suffix_of(path) == ".mff":
        return None, [path]
    files = list_raws(path)
    if not files:
        raise FileNotFoundError(f"'{path}' holds no EEG files ({', '.join(SUFFIXES)}); pass another folder")
    return path, files


def without(files: Sequence[Path], patterns: str | Sequence[str], root: Path | None) -> list[Path]:
    """The files that no pattern fits, by their paths below `root` or their names.

    ValueError: a pattern that fits none, or all left out.
    """
    wanted = [patterns] if isinstance(patterns, str) else list(patterns)
    names = [
        (f.relative_to(root).as_posix() if root and f.is_relative_to(root) else f.as_posix(), f.name) for f in files
    ]
    for pattern in wanted:
        if not any(fnmatch.fnmatchcase(name, pattern) for both in names for name in both):
            raise ValueError(
                f"leave_out {pattern!r} fits none of {len(files)} files, such as '{names[0][0]}'; correct it"
            )
    kept = [
        file
        for file, both in zip(files, names, strict=True)
        if not any(fnmatch.fnmatchcase(name, pattern) for pattern in wanted for name in both)
    ]
    if files and not kept:
        raise ValueError(f"leave_out leaves none of {len(files)} files")
    return kept


def named_files(names: Sequence[Path | str]) -> list[Path]:
    """Files that are named one by one. FileNotFoundError: one is not there. ValueError: none, or one twice."""
    files = [Path(name) for name in names]
    if not files:
        raise ValueError("files= names no file")
    for file in files:
        if not file.exists():
            raise FileNotFoundError(f"no file '{file}'; check the path")
        if files.count(file) > 1:
            raise ValueError(f"file '{file}' is named twice")
    return files


def name_by(pattern: str | None, path: Path, root: Path | None, *, what: str) -> str:
    """A file's subject or session: group 1 of `pattern` in its name without ending, else in its path below `root`.

    The pattern of a subject may also be one of `WAYS`; None is "file", and of a session "1".

    ValueError: no regular expression with a group, or it is not found.
    """
    if pattern is None and what == "session":
        return SESSION
    if pattern is None or (what == "subject" and pattern in WAYS):
        found_name = who(path, pattern or "file", root)
        if not found_name:
            raise ValueError(f"{path}: subject={pattern!r}, but it names nobody; choose another of {', '.join(WAYS)}")
        check_name(found_name, what, f"'{path}'")
        return found_name
    inside = path.relative_to(root) if root is not None and path.is_relative_to(root) else path
    try:
        found = re.search(pattern, stem_of(path)) or re.search(pattern, inside.as_posix())
        name = found[1] if found else None
    except (re.error, IndexError) as error:
        raise ValueError(
            f"{what} {pattern!r} is no regular expression with a group: {error}; write for example '(S[0-9]+)'"
        ) from error
    if not name:
        raise ValueError(
            f"{what} {pattern!r} finds nothing in '{inside.as_posix()}'; correct it, or leave the file out"
        )
    check_name(name, what, f"'{inside.as_posix()}'")
    return str(name)


def check_name(name: str, what: str, where: str) -> None:
    """Refuse a subject, session or trial whose name can't be part of `subject/session/trial@start`."""
    if "/" in name or "@" in name:
        raise ValueError(f"{where}: {what} {name!r} has a / or @ in it, which names may not; change it")


def class_by_name(path: Path, patterns: Mapping[str, str], root: Path | None) -> int:
    """Number of the first class whose pattern fits a file's name, or its path where the pattern has a "/".

    ValueError: none fits.
    """
    inside = path.relative_to(root) if root is not None and path.is_relative_to(root) else path
    for label, pattern in enumerate(patterns.values()):
        text = inside.as_posix() if "/" in pattern else path.name
        if fnmatch.fnmatchcase(text, pattern):
            return label
    raise ValueError(f"no class fits '{inside.as_posix()}'; the patterns are {', '.join(patterns.values())}")
