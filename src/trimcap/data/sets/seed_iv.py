"""SEED-IV: 15 subjects in three sessions of 24 film clips, 62 electrodes, four emotions."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from trimcap.data.recording import Recording
from trimcap.data.sets.folders import Found, find, folder_in
from trimcap.data.sets.record import Facts, PublishedSet
from trimcap.data.sets.seed_files import ACCESS, CHANNELS, LICENCE, Options, holds_signals, raw_trials
from trimcap.data.sets.trials import recordings

RATE = 200.0
CLASSES = ("neutral", "sad", "fear", "happy")
SESSIONS = ("1", "2", "3")
#: classes of the 24 clips of each session
LABELS = {
    "1": (1, 2, 3, 0, 2, 0, 0, 1, 0, 1, 2, 1, 1, 1, 2, 3, 2, 2, 3, 3, 0, 3, 0, 3),
    "2": (2, 1, 3, 0, 0, 2, 0, 2, 3, 3, 2, 3, 2, 0, 1, 1, 2, 1, 0, 3, 0, 1, 3, 1),
    "3": (1, 2, 2, 1, 3, 3, 3, 1, 1, 2, 1, 0, 2, 3, 3, 0, 2, 3, 0, 0, 2, 0, 1, 0),
}


def find_seed_iv(root: Path, place: str = "eeg_raw_data") -> Found:
    """Files of SEED-IV in a folder; those of one subject in the order of the sessions' folders.

    FileNotFoundError: no folder 1, 2 or 3 with such files.
    ValueError: two files of a subject in one session.
    """
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


def read_file(path: Path, *, options: Options) -> list[Recording]:
    """The 24 trials of one file, subject_date.mat in the folder 1, 2 or 3 of its session."""
    session = path.parent.name
    return recordings(
        raw_trials(path, LABELS[session], session=session, stimulus=session + "-{:02d}"),
        path=path, subject=f"{int(path.stem.split('_')[0]):02d}", channels=CHANNELS, rate=RATE, classes=CLASSES,
        on_bad=options.on_bad,
    )  # fmt: skip


#: Subject "01" … "15"; session "1" … "3", the folder; trial "01" … "24"; µV. `info`: file, date, stimulus ("1-01":
#: every session has its own clips).
SEED_IV = PublishedSet(
    name="seed-iv",
    facts=Facts(
        title="Film clips: neutral, sad, fear, happy",
        licence=LICENCE,
        size="10 GB (eeg_raw_data)",
        access=ACCESS,
        homepage="https://bcmi.sjtu.edu.cn/home/seed/seed-iv.html",
        subjects=15,
        sessions=3,
        trials=24,
        rate=RATE,
        channels=CHANNELS,
        labels=("emotion (4)",),
        citation="Zheng et al., IEEE Trans. Cybernetics 2019;49(3):1110-1122, doi:10.1109/TCYB.2018.2797176",
    ),
    options=Options,
    find=lambda folder, _: find_seed_iv(folder),
    read=read_file,
    parts=2,
    holds=holds_signals,
)
