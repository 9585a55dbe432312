"""Which published data set lies in a folder, and in what state it is."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from trimcap.data.files.survey.copies import Sketch, sketch_of, told
from trimcap.data.recording import Recording
from trimcap.data.sets.folders import Found
from trimcap.data.sets.record import PublishedFeatures, PublishedSet
from trimcap.data.sets.table import data_sets, features

#: recordings of every subject of which copies are found that are not to the bit
_SKETCHED = 2

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class SetReport:
    """What is known about a folder after looking at it.

    Parameters
    ----------
    entry : which set
    folder : where its files lie
    subjects : those with files
    missing : published subjects without files
    extra : names of files that belong to nothing
    damaged : subject, or "features of" it -> what is wrong, as the reader says it
    notes : trials that were left out and why
    features : published features that lie there too -> their folder
    read : whether recordings were read; without that all below is empty
    sessions, trials : names, over all subjects
    recordings : how many were read
    rates : Hz
    channels : electrodes
    seconds : shortest and longest recording
    label : what `balance` counts
    balance : class -> recordings
    rule : how ratings became those classes, e.g. "valence > 5"; "" where classes are not from ratings
    """

    entry: PublishedSet[Any]
    folder: Path
    subjects: tuple[str, ...]
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    damaged: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    features: dict[str, Path] = field(default_factory=dict)
    read: bool = False
    sessions: tuple[str, ...] = ()
    trials: tuple[str, ...] = ()
    recordings: int = 0
    rates: tuple[float, ...] = ()
    channels: tuple[str, ...] = ()
    seconds: tuple[float, float] = (0.0, 0.0)
    label: str = ""
    balance: dict[str, int] = field(default_factory=dict)
    rule: str = ""

    @property
    def complete(self) -> bool:
        """All published subjects are there and nothing that was read is damaged."""
        return not self.missing and not self.damaged


def recognise(
    path: Path | str, *, read: bool = True, only: Path | None = None, progress: Progress | None = None
) -> SetReport:
    """Tell which published set a folder holds, by its layout, and check every file.

    Parameters
    ----------
    path : the folder of a set, of its files, or one above
    read : read every file (one subject in memory at a time); False only looks at names
    only : a file of the set; nothing but its subject is looked at
    progress : called with the subject, how many are done and how many there are

    Returns
    -------
    SetReport; a damaged file is in it and does not stop the others. Ratings are counted by the readers' default rule.

    Raises
    ------
    FileNotFoundError : no such folder.
    ValueError : no published set, or several, lie there; says which layouts are known. A file that alone holds all
        subjects (DREAMER.mat) is damaged at its start.
    """
    root = Path(path)
    found, smooth = _looks(root)
    entries = {entry.name: entry for entry, _ in [*found, *((one.of, files) for one, files in smooth)]}
    if not entries:
        known = ", ".join(entry.name for entry in data_sets())
        raise ValueError(f"{root} has the layout of no published set ({known}); other files: read them with MNE")
    if len(entries) > 1:
        raise ValueError(f"{root} holds several sets: {', '.join(sorted(entries))}. Pass the folder of one")
    (entry,) = entries.values()
    files = [*found, *smooth][0][1]
    report = SetReport(
        entry, files.folder, tuple(files.files), files.missing, files.extra,
        features={one.name: f.folder for one, f in smooth},
    )  # fmt: skip
    own = [name for name, paths in files.files.items() if only in paths]
    if own and len(files.files) > 1:
        report, smooth = replace(report, subjects=tuple(own), missing=(), extra=(), features={}), []
    if not read:
        return report
    if found:
        report = _checked(report, files, progress)
    for one, f in smooth:
        bad = _damaged(one, root, f, progress)
        report = replace(report, damaged=report.damaged | {f"features of {s}": text for s, text in bad.items()})
    return report


def sets_in(root: Path) -> dict[str, Path]:
    """Published sets that lie in a folder, by their layouts -> where."""
    found, smooth = _looks(root)
    return {one.of.name: f.folder for one, f in smooth} | {entry.name: f.folder for entry, f in found}


_Sets = list[tuple[PublishedSet[Any], Found]]
_Features = list[tuple[PublishedFeatures[Any], Found]]


def _looks(root: Path) -> tuple[_Sets, _Features]:
    """Sets and features whose files are there."""
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is no folder")
    found: _Sets = [(entry, f) for entry in data_sets() if (f := _looked(entry, root, _survey(entry))) is not None]
    return found, [(one, f) for one in features() if (f := _looked(one, root, one.options())) is not None]


def _looked(entry: PublishedSet[Any] | PublishedFeatures[Any], root: Path, options: object) -> Found | None:
    try:
        found = entry.find(root, options)
    except FileNotFoundError:
        return None
    return found if entry.holds(found) else None


def _survey(entry: PublishedSet[Any]) -> Any:
    return entry.options(**entry.survey)


def _checked(report: SetReport, files: Found, progress: Progress | None) -> SetReport:
    entry = report.entry
    damaged: dict[str, str] = {}
    notes = [entry.note] if entry.note else []
    facts: list[tuple[str, str, float, tuple[str, ...], float]] = []
    seen: list[tuple[str, str, Sketch]] = []
    balance: Counter[str] = Counter()
    rules: Counter[str] = Counter()
    # one file of all subjects is read once, not once for each
    whole = None if entry.by_subject is None else entry.by_subject(next(iter(files.files.values()))[0], _survey(entry))
    for done, subject in enumerate(report.subjects):
        if progress is not None:
            progress(subject, done, len(report.subjects))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                one = entry.source(report.folder, subjects=[subject], **entry.survey) if whole is None else next(whole)
                group = list(one)
            except StopIteration:
                damaged[subject] = "not reached: the file is damaged before"
                continue
            except (ValueError, OSError) as error:  # also a file that may not be read
                damaged[subject] = str(error)
                continue
        notes += [str(w.message) for w in caught]
        facts += [(r.session, r.trial, r.rate, r.channels, r.duration) for r in group]
        # of whole subjects that are there twice, the first recordings tell
        seen += [(r.name, r.subject, sketch_of(r, whole=i < _SKETCHED)) for i, r in enumerate(group)]
        balance.update(dict.fromkeys(group[0].classes, 0) if group else {})
        balance.update(r.classes[r.label] for r in group)
        rules.update(str(r.info["rule"]) for r in group if r.info.get("rule"))
    damaged |= _end_of(whole)
    notes += told(*zip(*seen, strict=True)) if seen else []
    durations = [fact[4] for fact in facts]
    return replace(
        report, damaged=damaged, notes=tuple(notes), read=True,
        sessions=tuple(sorted({fact[0] for fact in facts})),
        trials=tuple(sorted({fact[1] for fact in facts})),
        recordings=len(facts),
        rates=tuple(sorted({fact[2] for fact in facts})),
        channels=facts[0][3] if facts else (),
        seconds=(min(durations), max(durations)) if durations else (0.0, 0.0),
        label=str(getattr(entry.options(), "label", entry.counted)),
        balance=dict(balance),
        rule=", ".join(rules),
    )  # fmt: skip


def _end_of(stream: Iterator[list[Recording]] | None) -> dict[str, str]:
    """What is found at the end of a file of all subjects, such as a checksum that does not fit."""
    try:
        for _ in stream or ():
            pass
    except (ValueError, OSError) as error:
        return {"all subjects": str(error)}
    return {}


def _damaged(one: PublishedFeatures[Any], root: Path, found: Found, progress: Progress | None) -> dict[str, str]:
    """Subject → what is wrong with its files, as their reader says it."""
    damaged: dict[str, str] = {}
    for done, subject in enumerate(found.files):
        if progress is not None:
            progress(subject, done, len(found.files))
        try:
            for options in one.kinds(root, found, subject):
                one.windows(root, subjects=[subject], **options)
        except (ValueError, OSError) as error:
            damaged[subject] = str(error)
    return damaged
