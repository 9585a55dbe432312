"""Which published data set lies in a folder, and in what state it is."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from trimcap.data.files.survey.copies import Sketch, sketch_of, told
from trimcap.data.foreign.matlab import mat_shapes
from trimcap.data.recording import Recording
from trimcap.data.sets.amigos import find_amigos, iter_amigos
from trimcap.data.sets.catalogue import DataSet, data_set
from trimcap.data.sets.dasps import find_dasps, iter_dasps
from trimcap.data.sets.deap import find_deap, iter_deap
from trimcap.data.sets.dreamer import find_dreamer, iter_dreamer
from trimcap.data.sets.eegmat import read_eegmat
from trimcap.data.sets.faced import find_faced, find_faced_features, iter_faced
from trimcap.data.sets.features.check import Progress, damaged_features
from trimcap.data.sets.features.seed import find_seed_features, find_seed_v_features
from trimcap.data.sets.folders import Found, find
from trimcap.data.sets.seed import find_seed, iter_seed
from trimcap.data.sets.seed_iv import find_seed_iv, iter_seed_iv
from trimcap.data.sets.seed_v import find_seed_v, iter_seed_v

#: recordings of every subject of which copies are found that are not to the bit
_SKETCHED = 2
#: what else there is to know of a set
_NOTES = {
    "amigos": "counted are all 20 videos; read_amigos and the source amigos give the 16 short ones (01-16) unless told "
    'otherwise, by videos="all" or videos="long"',
}


@dataclass(frozen=True)
class SetReport:
    """What is known about a folder after looking at it.

    Parameters
    ----------
    entry : which set, from the catalogue
    folder : where its files lie
    subjects : those with files
    missing : published subjects without files
    extra : names of files that belong to nothing
    damaged : subject, or "features of" it -> what is wrong, as the reader says it
    notes : trials that were left out and why
    features : reader of published features that lie there too -> their folder
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

    entry: DataSet
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


@dataclass(frozen=True)
class _Kind:
    name: str
    find: Callable[[Path], Found]
    read: Callable[[Path, str, str], Iterator[list[Recording]]]
    label: str


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
    found, features = _looks(root)
    names = sorted({*found, *(name for name, _ in features)})
    if not names:
        known = ", ".join(kind.name for kind in _KINDS)
        raise ValueError(f"{root} has the layout of no published set ({known}); other files: read them with MNE")
    if len(names) > 1:
        raise ValueError(f"{root} holds several sets: {', '.join(names)}. Pass the folder of one")
    files = next(iter([*found.values(), *features.values()]))
    report = SetReport(
        data_set(names[0]), files.folder, tuple(files.files), files.missing, files.extra,
        features={reader: f.folder for (_, reader), f in features.items()},
    )  # fmt: skip
    if (
        only is not None
        and (own := [name for name, paths in files.files.items() if only in paths])
        and len(files.files) > 1
    ):
        report, features = replace(report, subjects=tuple(own), missing=(), extra=(), features={}), {}
    if not read:
        return report
    if found:
        report = _checked(report, _kind(names[0]), root, progress)
    for (_, reader), f in features.items():
        bad = damaged_features(reader, root, f, progress)
        report = replace(report, damaged=report.damaged | {f"features of {s}": text for s, text in bad.items()})
    return report


def sets_in(root: Path) -> dict[str, Path]:
    """Published sets that lie in a folder, by their layouts -> where."""
    found, features = _looks(root)
    return {name: f.folder for (name, _), f in features.items()} | {name: f.folder for name, f in found.items()}


def _looks(root: Path) -> tuple[dict[str, Found], dict[tuple[str, str], Found]]:
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is no folder")
    features = {(name, reader): f for name, reader, look in _FEATURES if (f := _looked(look, root)) is not None}
    return {kind.name: f for kind in _KINDS if (f := _looked(kind.find, root)) is not None}, features


def _kind(name: str) -> _Kind:
    return next(kind for kind in _KINDS if kind.name == name)


def _looked(look: Callable[[Path], Found], root: Path) -> Found | None:
    try:
        return look(root)
    except FileNotFoundError:
        return None


def _checked(report: SetReport, kind: _Kind, root: Path, progress: Progress | None) -> SetReport:
    damaged: dict[str, str] = {}
    notes = [_NOTES[kind.name]] if kind.name in _NOTES else []
    facts: list[tuple[str, str, float, tuple[str, ...], float]] = []
    seen: list[tuple[str, str, Sketch]] = []
    balance: Counter[str] = Counter()
    rules: Counter[str] = Counter()
    # one file of all subjects is read once, not once for each
    stream = iter_dreamer(root, label=kind.label, on_bad="drop") if kind.name == "dreamer" else None
    for done, subject in enumerate(report.subjects):
        if progress is not None:
            progress(subject, done, len(report.subjects))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                group = next(stream) if stream is not None else _subject(kind, root, subject)
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
    damaged |= _end_of(stream)
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
        label=kind.label,
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


def _subject(kind: _Kind, root: Path, subject: str) -> list[Recording]:
    return [recording for group in kind.read(root, subject, kind.label) for recording in group]


def _find_eegmat(root: Path) -> Found:
    return find(
        "EEGMAT", root, places=("eegmat",), pattern=r"Subject([0-9]{2})_[12]\.edf", name="Subject{:02d}",
        published=range(36), known=r"subject-info\.csv|RECORDS|LICENSE\.txt|SHA256SUMS\.txt|ANNOTATORS", parts=2,
    )  # fmt: skip


def _read_eegmat(root: Path, subject: str, _: str) -> Iterator[list[Recording]]:
    yield read_eegmat(_find_eegmat(root).folder, subjects=subject, rate=None, download=False)


def _by_rating(read: Callable[..., Iterator[list[Recording]]]) -> Callable[[Path, str, str], Iterator[list[Recording]]]:
    return lambda root, subject, label: read(root, subjects=subject, label=label, on_bad="drop")


def _by_clip(read: Callable[..., Iterator[list[Recording]]]) -> Callable[[Path, str, str], Iterator[list[Recording]]]:
    return lambda root, subject, _: read(root, subjects=subject, on_bad="drop")


def _read_seed_v(root: Path, subject: str, _: str) -> Iterator[list[Recording]]:
    return iter_seed_v(root, subjects=subject, rate=None, on_bad="drop")


def _find_any_dasps(root: Path) -> Found:
    try:
        return find_dasps(root)
    except FileNotFoundError:
        return find_dasps(root, form="raw")


def _read_any_dasps(root: Path, subject: str, label: str) -> Iterator[list[Recording]]:
    form = (
        "preprocessed" if next(iter(_find_any_dasps(root).files.values()))[0].stem.endswith("preprocessed") else "raw"
    )
    return iter_dasps(
        root, subjects=subject, label=label, form="raw" if form == "raw" else "preprocessed", on_bad="drop"
    )


def _read_amigos(root: Path, subject: str, label: str) -> Iterator[list[Recording]]:
    return iter_amigos(root, subjects=subject, label=label, videos="all", on_bad="drop")


def _variables(path: Path) -> list[str]:
    """Names of what a MATLAB file holds; none of a damaged one."""
    try:
        return list(mat_shapes(path))
    except (ValueError, OSError):
        return []


def _sorted_out(look: Callable[[Path], Found], *, features: bool, trials: int = 0) -> Callable[[Path], Found]:
    """`look`, for sets whose features and signals have the same names: what a file holds decides.

    Trials above the number `trials` mean that it is a session of SEED-IV, whose files are called like those of SEED.
    """

    def looked(root: Path) -> Found:
        found = look(root)
        # all damaged: taken for signals, whose check says so
        names = next((names for paths in found.files.values() for path in paths if (names := _variables(path))), [])
        if trials and any((n := re.fullmatch(r".*_[A-Za-z]+([0-9]+)", name)) and int(n[1]) > trials for name in names):
            raise ValueError(
                f"{found.folder} is one session of SEED-IV: its files hold 24 trials, those of SEED {trials}. Pass the "
                "folder above, which holds the sessions 1, 2 and 3"
            )
        if any(re.fullmatch(r"(de|psd)_.*[0-9]+", name) for name in names) != features:
            raise FileNotFoundError(f"{found.folder} holds {'signals' if features else 'features'}")
        return found

    return looked


_KINDS = (
    _Kind("eegmat", _find_eegmat, _read_eegmat, "condition"),
    _Kind("deap", find_deap, _by_rating(iter_deap), "valence"),
    _Kind("seed", _sorted_out(find_seed, features=False, trials=15), _by_clip(iter_seed), "emotion"),
    _Kind("seed-iv", _sorted_out(find_seed_iv, features=False), _by_clip(iter_seed_iv), "emotion"),
    _Kind("seed-v", find_seed_v, _read_seed_v, "emotion"),
    _Kind("dreamer", find_dreamer, _by_rating(iter_dreamer), "valence"),
    _Kind("amigos", find_amigos, _read_amigos, "valence"),
    _Kind("faced", find_faced, _by_rating(iter_faced), "valence"),
    _Kind("dasps", _find_any_dasps, _read_any_dasps, "arousal"),
)

_IV_FEATURES = partial(find_seed_iv, place="eeg_feature_smooth")
_FEATURES: tuple[tuple[str, str, Callable[[Path], Found]], ...] = (
    ("seed", "read_seed_features", _sorted_out(find_seed_features, features=True, trials=15)),
    ("seed-iv", "read_seed_iv_features", _sorted_out(_IV_FEATURES, features=True)),
    ("seed-v", "read_seed_v_features", find_seed_v_features),
    ("faced", "read_faced_features", find_faced_features),
)
