"""SEED-IV: 15 subjects in three sessions of 24 film clips, 62 electrodes, four emotions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from trimcap.data.recording import Recording
from trimcap.data.sets.folders import Found, Subjects, find, folder_in, wanted_files
from trimcap.data.sets.layouts import SEED as CHANNELS
from trimcap.data.sets.places import set_folder
from trimcap.data.sets.seed_files import raw_trials
from trimcap.data.sets.trials import OnBad, check_on_bad, recordings
from trimcap.data.source import Source, Wanted

RATE = 200.0
CLASSES = ("neutral", "sad", "fear", "happy")
SESSIONS = ("1", "2", "3")
#: classes of the 24 clips of each session
LABELS = {
    "1": (1, 2, 3, 0, 2, 0, 0, 1, 0, 1, 2, 1, 1, 1, 2, 3, 2, 2, 3, 3, 0, 3, 0, 3),
    "2": (2, 1, 3, 0, 0, 2, 0, 2, 3, 3, 2, 3, 2, 0, 1, 1, 2, 1, 0, 3, 0, 1, 3, 1),
    "3": (1, 2, 2, 1, 3, 3, 3, 1, 1, 2, 1, 0, 2, 3, 3, 0, 2, 3, 0, 0, 2, 0, 1, 0),
}


def read_seed_iv(folder: Path | str, *, subjects: Subjects = None, on_bad: OnBad = "raise") -> list[Recording]:
    """Read SEED-IV's signals: 24 trials per session, 62 electrodes, 200 Hz, µV.

    Parameters
    ----------
    folder : holds the folders 1, 2 and 3 with 1_20160518.mat … (subject_date), or `eeg_raw_data` with them
    subjects : which, as "07", "7" or 7; default all that are there
    on_bad : what to do with a trial in which a channel is constant or not finite: "raise", "drop" or "keep"

    Returns
    -------
    Recordings ordered by subject, session and trial; subject "01" … "15"; session "1" … "3", the folder; trial
    "01" … "24"; classes ("neutral", "sad", "fear", "happy"). `info`: file, date, stimulus ("1-01": every session has
    its own clips).

    Raises
    ------
    FileNotFoundError : no such files.
    ValueError : unknown subject; two files of a subject in a session; a file that is damaged or does not hold trials
        1 to 24. The message names the file.

    Notes
    -----
    Zheng et al., EmotionMeter: A multimodal framework for recognizing human emotions, IEEE Trans. Cybernetics
    2019;49(3):1110-1122.
    """
    return [r for group in iter_seed_iv(folder, subjects=subjects, on_bad=on_bad) for r in group]


def iter_seed_iv(
    folder: Path | str, *, subjects: Subjects = None, on_bad: OnBad = "raise"
) -> Iterator[list[Recording]]:
    """`read_seed_iv` one subject at a time."""
    check_on_bad(on_bad)
    found = find_seed_iv(folder)
    names = found.choose(subjects)
    return ([r for path in found.files[name] for r in _session(path, name, on_bad)] for name in names)


def seed_iv_source(path: Path | str | None, *, subjects: Wanted = None, on_bad: OnBad = "raise") -> Source:
    """`read_seed_iv` one session's file at a time; `subjects` may be how many of the first."""
    check_on_bad(on_bad)
    found = find_seed_iv(set_folder("seed-iv", path))
    return Source("seed-iv", wanted_files(found, subjects), partial(read_seed_iv_file, on_bad=on_bad), parts=2)


def read_seed_iv_file(path: Path, *, on_bad: OnBad) -> list[Recording]:
    """The 24 trials of one file, subject_date.mat in the folder 1, 2 or 3 of its session."""
    return _session(path, f"{int(path.stem.split('_')[0]):02d}", on_bad)


def find_seed_iv(folder: Path | str, *, place: str = "eeg_raw_data") -> Found:
    """Files of SEED-IV in a folder; those of one subject in the order of the sessions' folders.

    Raises
    ------
    FileNotFoundError : no folder 1, 2 or 3 with such files.
    ValueError : two files of a subject in one session.
    """
    root = Path(folder)
    parts = []
    for session in SESSIONS:
        places = (session, f"{place}/{session}", f"SEED_IV/{place}/{session}", f"SEED-IV/{place}/{session}")
        try:
            parts.append(_find_session(root, places))
        except FileNotFoundError:
            continue
    if not parts:
        raise FileNotFoundError(f"SEED-IV: {root} has no folders 1, 2, 3 with files like 1_20160518.mat in {place}")
    merged: dict[str, tuple[Path, ...]] = {}
    for part in parts:
        for name, paths in part.files.items():
            merged[name] = (*merged.get(name, ()), *paths)
    return replace(
        parts[0],
        folder=parts[0].folder.parent,
        files={name: merged[name] for name in sorted(merged)},
        missing=tuple(f"{n:02d}" for n in range(1, 16) if f"{n:02d}" not in merged),
        extra=tuple(f"{part.folder.name}/{name}" for part in parts for name in part.extra),
    )


def _find_session(root: Path, places: tuple[str, ...]) -> Found:
    # the folder itself must not match: a session is known by its folder alone
    for place in places:
        inside = folder_in(root, place)
        if inside is None:
            continue
        with suppress(FileNotFoundError):  # a folder 1 with something else
            return find(
                "SEED-IV", inside, places=(), pattern=r"([0-9]{1,2})_([0-9]{8})\.mat", name="{:02d}",
                published=range(1, 16),
            )  # fmt: skip
    raise FileNotFoundError(root)


def _session(path: Path, name: str, on_bad: OnBad) -> list[Recording]:
    session = path.parent.name
    return recordings(
        raw_trials(path, LABELS[session], session=session, stimulus=session + "-{:02d}"),
        path=path, subject=name, channels=CHANNELS, rate=RATE, classes=CLASSES, on_bad=on_bad,
    )  # fmt: skip
