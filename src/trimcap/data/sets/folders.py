"""Which files of a data set a folder holds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from trimcap._errors import unknown
from trimcap.data.source import choose_subjects

#: which subjects: all, how many of the first, or which by name or number
Subjects = Iterable[str | int] | str | int | None


@dataclass(frozen=True)
class Found:
    """Files of a data set.

    Parameters
    ----------
    what : the set
    folder : where they lie
    files : subject -> its files, in the order of sessions; subjects in the order of their numbers
    missing : published subjects without a file
    extra : names of files that belong to nothing, sorted
    """

    what: str
    folder: Path
    files: Mapping[str, tuple[Path, ...]]
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()

    def choose(self, subjects: Subjects) -> list[str]:
        """Names of the subjects asked for, in that order: all for None, of a number so many of the first.

        A subject in a list is called by its name or number: "s07", "07", "7" and 7 are one.

        ValueError: a subject without files, one asked for twice, none, or more than there are.
        """
        if subjects is None or isinstance(subjects, int):
            return choose_subjects(list(self.files), subjects, what=self.what)
        chosen = [self._name(subject) for subject in ([subjects] if isinstance(subjects, str) else subjects)]
        twice = sorted({name for name in chosen if chosen.count(name) > 1})
        if twice or not chosen:
            why = f"subjects named twice: {', '.join(twice)}" if twice else "no subjects asked for"
            raise ValueError(f"{self.what}: {why}")
        return chosen

    def only(self, subjects: Subjects) -> Found:
        """The files of some subjects, in the order asked for."""
        return replace(self, files={name: self.files[name] for name in self.choose(subjects)})

    def _name(self, subject: str | int) -> str:
        same = [name for name in self.files if name.lower() == str(subject).strip().lower()]
        same = same or [name for name in self.files if _number(name) == _number(str(subject))]
        if not same:
            if any(_number(name) == _number(str(subject)) for name in self.missing):
                raise ValueError(
                    f"{self.what}: subject {subject} has no file in {self.folder}; there are {', '.join(self.files)}"
                )
            raise ValueError(unknown(f"{self.what} subject", str(subject), self.files))
        return same[0]


def find(
    what: str, folder: Path | str, *, places: Sequence[str], pattern: str, name: str, published: Sequence[int],
    known: str = "", nested: bool = False, parts: int = 1,
) -> Found:  # fmt: skip
    """Files of a set, wherever its download put them.

    Parameters
    ----------
    what : the set, for messages
    folder : that of the files, or one above
    places : folders that the set's download makes, relative, tried in this order if `folder` has no file itself
    pattern : regular expression of a file's whole name, upper or lower case; the first group is the subject's number
    name : format of a subject's name, such as "s{:02d}"
    published : numbers of all subjects
    known : regular expression of further files that belong to the set
    nested : each file may lie in a folder of its own
    parts : how many files a subject may have

    Raises
    ------
    FileNotFoundError : no folder, or no such file in it.
    ValueError : more files of a subject than there can be.
    """
    root = Path(folder)
    if not root.is_dir():
        raise FileNotFoundError(f"{what}: {root} is no folder")
    regex = re.compile(pattern, re.IGNORECASE)
    for place in [root, *(part for p in places if (part := folder_in(root, p)) is not None)]:
        matches = [(m, path) for path in _listed(place, nested=nested) if (m := regex.fullmatch(path.name))]
        if matches:
            break
    else:
        listed = " or ".join([str(root), *places])
        raise FileNotFoundError(f"{what}: no files like {_readable(pattern)} in {listed}; pass the folder of the set")
    files: dict[int, list[Path]] = {}
    for match, path in sorted(matches, key=lambda pair: (int(pair[0][1]), pair[1].name)):
        files.setdefault(int(match[1]), []).append(path)
    many = next((paths for paths in files.values() if len(paths) > parts), None)
    if many:
        names = ", ".join(str(p.relative_to(place)) for p in many)
        raise ValueError(f"{what}: {names} are too many files of one subject; keep {parts}")
    _refuse_copies(matches, what)
    taken = {path for _, path in matches}
    other = re.compile(known, re.IGNORECASE)
    extra = [p.name for p in _listed(place, nested=nested) if p not in taken and not other.fullmatch(p.name)]
    return Found(
        what=what,
        folder=place,
        files={name.format(n): tuple(paths) for n, paths in files.items()},
        missing=tuple(name.format(n) for n in published if n not in files),
        extra=tuple(sorted(extra)),
    )


def first_found(looks: Sequence[Callable[[], Found]]) -> Found:
    """What the first of several looks finds; if none does, the last says what it missed."""
    for look in looks[:-1]:
        with suppress(FileNotFoundError):
            return look()
    return looks[-1]()


def _refuse_copies(matches: Sequence[tuple[re.Match[str], Path]], what: str) -> None:
    """Two files whose names mean the same (01_20131027.mat and 1_20131027.MAT) would pass for two sessions."""
    known: dict[str, str] = {}
    for _, path in matches:
        meaning = re.sub(r"[0-9]+", lambda digits: str(int(digits[0])), path.name.lower())
        other = known.setdefault(meaning, path.name)
        if other != path.name:
            raise ValueError(f"{what}: {other} and {path.name} are the same part of one subject; keep one")


def _listed(place: Path, *, nested: bool) -> list[Path]:
    here = sorted(place.iterdir(), key=lambda p: p.name)
    files = [path for path in here if path.is_file()]
    if nested:
        files += [path for part in here if part.is_dir() for path in sorted(part.iterdir()) if path.is_file()]
    return files


def file_in(folder: Path, name: str) -> Path | None:
    """The file of this name, whatever the case of the letters; the exact one if there are several."""
    if (folder / name).is_file():
        return folder / name
    same = sorted(p for p in folder.iterdir() if p.name.lower() == name.lower() and p.is_file())
    return same[0] if same else None


def folder_in(root: Path, place: str) -> Path | None:
    """`root/place`, whatever the case of the letters."""
    for part in Path(place).parts:
        if not root.is_dir():
            return None
        same = sorted(p for p in root.iterdir() if p.is_dir() and p.name.lower() == part.lower())
        if not same:
            return None
        root = same[0]
    return root


def _readable(pattern: str) -> str:
    return re.sub(r"\\|\[0-9\](\{[0-9,]+\})?|[()?:^$]", lambda m: "N" if "0-9" in m[0] else "", pattern)


def _number(name: str) -> int | None:
    digits = re.fullmatch(r"[a-z]{0,8}([0-9]{1,4})", name.strip(), re.IGNORECASE)
    return int(digits[1]) if digits else None
