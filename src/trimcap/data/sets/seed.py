"""SEED: 15 subjects in three sessions, 15 film clips, 62 electrodes, three emotions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from trimcap.data.foreign.matlab import read_numbers
from trimcap.data.recording import Recording
from trimcap.data.sets.folders import Found, Subjects, file_in, find, wanted_names
from trimcap.data.sets.layouts import SEED as CHANNELS
from trimcap.data.sets.places import set_folder
from trimcap.data.sets.seed_files import check_lengths, raw_trials
from trimcap.data.sets.trials import OnBad, check_on_bad, recordings, require_shape
from trimcap.data.source import Source, Wanted

RATE = 200.0
CLASSES = ("negative", "neutral", "positive")
#: classes of the 15 clips, the same in every session
LABELS = (2, 1, 0, 0, 1, 2, 0, 1, 2, 2, 1, 0, 1, 2, 0)
#: samples of the 15 clips at 200 Hz
LENGTHS = (
    47001, 46601, 41201, 47601, 37001, 39001, 47401, 43201, 53001, 47401, 47001, 46601, 47001, 47601, 41201,
)  # fmt: skip
_FILE = r"([0-9]{1,2})_([0-9]{8})\.mat"
_KNOWN = r"label\.mat|readme\.txt"


def read_seed(folder: Path | str, *, subjects: Subjects = None, on_bad: OnBad = "raise") -> list[Recording]:
    """Read SEED's preprocessed signals: 15 trials of about 4 min per session, 62 electrodes, 200 Hz, µV.

    The whole set has about 7.6 GB in memory; `iter_seed` holds one subject at a time.

    Parameters
    ----------
    folder : holds 1_20131027.mat … (subject_date) and label.mat, or the folder `Preprocessed_EEG` with them
    subjects : which, as "07", "7" or 7; default all that are there
    on_bad : what to do with a trial in which a channel is constant or not finite: "raise", "drop" or "keep"

    Returns
    -------
    Recordings ordered by subject, session and trial; subject "01" … "15"; session "1" … "3", the rank of the date
    among the subject's files (`info["date"]` has the date); trial "01" … "15", which is also the clip; classes
    ("negative", "neutral", "positive"). `info`: file, date, stimulus.

    Raises
    ------
    FileNotFoundError : no such files.
    ValueError : unknown subject; a file that is damaged or does not hold trials 1 to 15; labels other than -1, 0, 1.
        The message names the file.

    Notes
    -----
    Zheng & Lu, Investigating critical frequency bands and channels for EEG-based emotion recognition with deep
    neural networks, IEEE Trans. Autonomous Mental Development 2015;7(3):162-175.
    """
    return [r for group in iter_seed(folder, subjects=subjects, on_bad=on_bad) for r in group]


def iter_seed(folder: Path | str, *, subjects: Subjects = None, on_bad: OnBad = "raise") -> Iterator[list[Recording]]:
    """`read_seed` one subject at a time (about 0.5 GB)."""
    check_on_bad(on_bad)
    found = find_seed(folder)
    names = found.choose(subjects)
    labels = seed_labels(found.folder)
    return (_subject(found.files[name], name, labels, on_bad) for name in names)


def seed_source(path: Path | str | None, *, subjects: Wanted = None, on_bad: OnBad = "raise") -> Source:
    """`read_seed` one session's file at a time (about 0.2 GB); `subjects` may be how many of the first."""
    check_on_bad(on_bad)
    found = find_seed(set_folder("seed", path))
    chosen = [_ranked(found.files[name]) for name in wanted_names(found, subjects)]
    sessions = {path.name: session for ranked in chosen for session, path in ranked.items()}
    labels = file_in(found.folder, "label.mat")
    return Source(
        "seed",
        tuple(path for ranked in chosen for path in ranked.values()),
        partial(read_seed_file, sessions=sessions, on_bad=on_bad),
        also=() if labels is None else (labels,),
        parts=1,
    )


def read_seed_file(path: Path, *, sessions: Mapping[str, str], on_bad: OnBad) -> list[Recording]:
    """The 15 trials of one file, subject_date.mat, with the labels that lie beside it.

    Parameters
    ----------
    sessions : name of a file → its session, the rank of its date among the subject's files
    """
    subject = f"{int(path.stem.split('_')[0]):02d}"
    return _session(path, subject, sessions[path.name], seed_labels(path.parent), on_bad)


def find_seed(folder: Path | str) -> Found:
    """Files of SEED's signals in a folder."""
    return find(
        "SEED", folder, places=("Preprocessed_EEG", "SEED/Preprocessed_EEG", "SEED_EEG/Preprocessed_EEG"),
        pattern=_FILE, name="{:02d}", published=range(1, 16), known=_KNOWN, parts=3,
    )  # fmt: skip


def seed_labels(folder: Path) -> tuple[int, ...]:
    """Classes of the 15 trials from `label.mat`; the published ones where the folder has no such file.

    Raises
    ------
    ValueError : the file is damaged or holds something else than 15 times -1, 0 or 1.
    """
    path = file_in(folder, "label.mat")
    if path is None:
        return LABELS
    values = read_numbers(path, "label")
    require_shape((values.size,), "label", (15,), str(path))
    if not np.isin(values, (-1, 0, 1)).all():
        raise ValueError(f"{path}: labels must be -1, 0 or 1 and are {np.unique(values).tolist()}")
    return tuple(int(v) + 1 for v in values.ravel())


def _subject(paths: tuple[Path, ...], name: str, labels: tuple[int, ...], on_bad: OnBad) -> list[Recording]:
    return [r for session, path in _ranked(paths).items() for r in _session(path, name, session, labels, on_bad)]


def _ranked(paths: tuple[Path, ...]) -> dict[str, Path]:
    """Session → file of one subject, by date."""
    return {str(n): path for n, path in enumerate(sorted(paths, key=lambda p: p.stem.split("_")[1]), start=1)}


def _session(path: Path, name: str, session: str, labels: tuple[int, ...], on_bad: OnBad) -> list[Recording]:
    check_lengths(path, LENGTHS, RATE)
    return recordings(
        raw_trials(path, labels, session=session, stimulus="{:02d}"),
        path=path, subject=name, channels=CHANNELS, rate=RATE, classes=CLASSES, on_bad=on_bad,
    )  # fmt: skip
