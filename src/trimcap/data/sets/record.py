"""What a published data set is: facts, options, where its files lie and how one of them is read.

Everything else follows from a record: reading by name, the list of sets, what `recognise` finds in a folder.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar, get_args, get_origin, get_type_hints

from trimcap._errors import unknown
from trimcap._named import check_options
from trimcap.data.recording import Recording
from trimcap.data.sets.folders import Found, Subjects
from trimcap.data.source import Source
from trimcap.data.windows import Windows

Options = TypeVar("Options")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of a published data set.

    Parameters
    ----------
    title : what it is
    licence : what may be done with it
    size : of the part that is read, about
    access : how to get it
    homepage : where
    subjects, sessions, trials : how many subjects, sessions of each and trials of each session
    rate : of the files, Hz
    channels : electrodes, in the order of the files
    labels : what can be predicted
    citation : to be cited with every use
    download : whether reading fetches it
    """

    title: str
    licence: str
    size: str
    access: str
    homepage: str
    subjects: int
    sessions: int = 1
    trials: int
    rate: float
    channels: tuple[str, ...]
    labels: tuple[str, ...]
    citation: str
    download: bool = False


@dataclass(frozen=True, kw_only=True)
class PublishedSet(Generic[Options]):
    """A published data set of recordings.

    Parameters
    ----------
    name : what it is called
    facts : about it
    options : dataclass of what a user may choose, each with its default; refuses what is impossible when it is made
    find : (folder, options) → its files there; FileNotFoundError if there are none
    read : (file, *, options, and what `context` gives) → its recordings, one subject after the other
    parts : how many last parts of a file's path `read` looks at
    also : further files that `read` uses, of those that are found
    context : what `read` must know of the other files
    fetch : (folder or None, subjects, options) → files, of a set that is downloaded; its folder may be missing
    by_subject : (file, options) → recordings of one subject after the other, of a set in one file
    holds : whether files with the names of the set are those of the set
    survey : options with which `recognise` reads it: everything, and no trial stops it
    counted : what the classes are that it counts, of a set without the option `label`
    note : what else there is to know of that count
    """

    name: str
    facts: Facts
    options: Callable[..., Options]
    find: Callable[[Path, Options], Found]
    read: Callable[..., Iterable[Recording]]
    parts: int = 1
    also: Callable[[Found], Iterable[Path]] = lambda _: ()
    context: Callable[[Found], Mapping[str, Any]] = lambda _: {}
    fetch: Callable[[Path | str | None, Subjects, Options], Found] | None = None
    by_subject: Callable[[Path, Options], Iterator[list[Recording]]] | None = None
    holds: Callable[[Found], bool] = lambda _: True
    survey: Mapping[str, Any] = field(default_factory=lambda: {"on_bad": "drop"})
    counted: str = "emotion"
    note: str = ""

    def files(self, folder: Path | str, **options: Any) -> Found:
        """Its files in a folder."""
        return self.find(Path(folder), self.options(**options))

    def source(self, path: Path | str | None = None, *, subjects: Subjects = None, **options: Any) -> Source:
        """Its files, of which nothing has been read; see `open_source`."""
        check_options(f"source {self.name}", self.options, options)
        chosen = self.options(**options)
        if self.fetch is not None:
            found = self.fetch(path, subjects, chosen)
        else:
            found = self.find(set_folder(self.name, self.facts, path), chosen).only(subjects)
        items = tuple(dict.fromkeys(file for files in found.files.values() for file in files))
        read = partial(self.read, options=chosen, **self.context(found))
        many = len(found.files) if len(found.files) > len(items) else None
        return Source(self.name, items, read, tuple(self.also(found)), parts=self.parts, subjects=many)


@dataclass(frozen=True, kw_only=True)
class PublishedFeatures(Generic[Options]):
    """Features that were published with a set, as windows.

    Parameters
    ----------
    name : what they are called
    of : the set
    options, find, holds : as those of a set
    read : (files, options) → the windows of all their subjects
    kinds : (folder, files, subject) → the options for each kind of features that there is of a subject
    """

    name: str
    of: PublishedSet[Any]
    options: Callable[..., Options]
    find: Callable[[Path, Options], Found]
    read: Callable[[Found, Options], Windows]
    kinds: Callable[[Path, Found, str], Iterable[Mapping[str, Any]]] = lambda *_: ({},)
    holds: Callable[[Found], bool] = lambda _: True

    def windows(self, path: Path | str | None = None, *, subjects: Subjects = None, **options: Any) -> Windows:
        """All of them, or those of some subjects; see `open_windows`."""
        check_options(f"source {self.name}", self.options, options)
        chosen = self.options(**options)
        return self.read(self.find(set_folder(self.of.name, self.of.facts, path), chosen).only(subjects), chosen)


def check_choices(options: Any) -> None:
    """Refuse a value of a dataclass that its `Literal` does not list."""
    hints = get_type_hints(type(options))
    for one in fields(options):
        value, hint = getattr(options, one.name), hints[one.name]
        if get_origin(hint) is Literal and value not in get_args(hint):
            raise ValueError(unknown(one.name, str(value), get_args(hint)))


def set_folder(name: str, facts: Facts, path: Path | str | None) -> Path:
    """`path`; without one `$TRIMCAP_DATA/<name>`, if it is there.

    FileNotFoundError: neither; says how to get the set.
    """
    if path is not None:
        return Path(path)
    root = os.environ.get("TRIMCAP_DATA")
    place = Path(root) / name if root else None
    if place is not None and place.is_dir():
        return place
    where = f"{place} is no folder either" if place is not None else "TRIMCAP_DATA is not set either"
    raise FileNotFoundError(
        f"{name}: no path was given, and {where}; give the folder of its files. To get them: {facts.access} "
        f"({facts.homepage})"
    )
