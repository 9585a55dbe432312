"""SEED: 15 subjects in three sessions, 15 film clips, 62 electrodes, three emotions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from trimcap.data.foreign.matlab import read_numbers
from trimcap.data.recording import Recording
from trimcap.data.sets.folders import Found, file_in, find
from trimcap.data.sets.record import Facts, PublishedSet
from trimcap.data.sets.seed_files import (
    ACCESS,
    CHANNELS,
    LICENCE,
    Options,
    check_lengths,
    holds_signals,
    raw_trials,
    refuse_session,
)
from trimcap.data.sets.trials import recordings, require_shape

RATE = 200.0
CLASSES = ("negative", "neutral", "positive")
#: classes of the 15 clips, the same in every session
LABELS = (2, 1, 0, 0, 1, 2, 0, 1, 2, 2, 1, 0, 1, 2, 0)
#: samples of the 15 clips at 200 Hz
LENGTHS = (
    47001, 46601, 41201, 47601, 37001, 39001, 47401, 43201, 53001, 47401, 47001, 46601, 47001, 47601, 41201,
)  # fmt: skip


def find_seed(folder: Path, what: str = "SEED", place: str = "Preprocessed_EEG") -> Found:
    """Files 1_20131027.mat … (subject_date), those of a subject by date; the features are called like the signals."""
    found = find(
        what, folder, places=(place, f"SEED/{place}", f"SEED_EEG/{place}"), pattern=r"([0-9]{1,2})_([0-9]{8})\.mat",
        name="{:02d}", published=range(1, 16), known=r"label\.mat|readme\.txt", parts=3,
    )  # fmt: skip
    dated = {s: tuple(sorted(paths, key=lambda p: p.stem.split("_")[1])) for s, paths in found.files.items()}
    return replace(found, files=dated)


def read_file(path: Path, *, options: Options, sessions: Mapping[str, str]) -> list[Recording]:
    """The 15 trials of one file, with the labels that lie beside it; `sessions`: name of a file → its session."""
    check_lengths(path, LENGTHS, RATE)
    return recordings(
        raw_trials(path, seed_labels(path.parent), session=sessions[path.name], stimulus="{:02d}"),
        path=path, subject=f"{int(path.stem.split('_')[0]):02d}", channels=CHANNELS, rate=RATE, classes=CLASSES,
        on_bad=options.on_bad,
    )  # fmt: skip


def seed_labels(folder: Path) -> tuple[int, ...]:
    """Classes of the 15 trials from `label.mat`; the published ones where the folder has no such file.

    ValueError: the file is damaged or holds something else than 15 times -1, 0 or 1.
    """
    path = file_in(folder, "label.mat")
    if path is None:
        return LABELS
    values = read_numbers(path, "label")
    require_shape((values.size,), "label", (15,), str(path))
    if not np.isin(values, (-1, 0, 1)).all():
        raise ValueError(f"{path}: labels must be -1, 0 or 1 and are {np.unique(values).tolist()}")
    return tuple(int(v) + 1 for v in values.ravel())


def _holds(found: Found) -> bool:
    refuse_session(found)
    return holds_signals(found)


def _sessions(found: Found) -> dict[str, dict[str, str]]:
    """The session of a file is the rank of its date among those of its subject."""
    ranked = (pair for files in found.files.values() for pair in enumerate(files, start=1))
    return {"sessions": {path.name: str(rank) for rank, path in ranked}}


#: Subject "01" … "15"; session "1" … "3", the rank of the date among the subject's files; trial "01" … "15" of about
#: 4 min, which is also the clip; µV. `info`: file, date, stimulus. A file takes about 0.2 GB, the whole set 7.6 GB.
SEED = PublishedSet(
    name="seed",
    facts=Facts(
        title="Film clips: negative, neutral, positive",
        licence=LICENCE,
        size="10 GB (Preprocessed_EEG)",
        access=ACCESS,
        homepage="https://bcmi.sjtu.edu.cn/home/seed/",
        subjects=15,
        sessions=3,
        trials=15,
        rate=RATE,
        channels=CHANNELS,
        labels=("emotion (3)",),
        citation="Zheng & Lu, IEEE Trans. Autonomous Mental Development 2015;7(3):162-175, "
        "doi:10.1109/TAMD.2015.2431497",
    ),
    options=Options,
    find=lambda folder, _: find_seed(folder),
    read=read_file,
    parts=1,
    also=lambda found: (labels,) if (labels := file_in(found.folder, "label.mat")) is not None else (),
    context=_sessions,
    holds=_holds,
)
