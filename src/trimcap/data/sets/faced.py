"""FACED: 123 subjects, 28 film clips, 30 electrodes, nine emotions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from trimcap.data.foreign.pickles import read_pickle
from trimcap.data.recording import Recording
from trimcap.data.sets.folders import Found, find
from trimcap.data.sets.record import Facts, PublishedSet, check_choices
from trimcap.data.sets.trials import OnBad, Trial, recordings, require

#: the electrodes in the order of the files, which have the ears A2 and A1 after them
CHANNELS = (
    "Fp1", "Fp2", "Fz", "F3", "F4", "F7", "F8", "FC1", "FC2", "FC5", "FC6", "Cz",
    "C3", "C4", "T7", "T8", "CP1", "CP2", "CP5", "CP6", "Pz", "P3", "P4", "P7",
    "P8", "PO3", "PO4", "Oz", "O1", "O2",
)  # fmt: skip
RATE = 250.0
VALENCE = ("negative", "neutral", "positive")
EMOTIONS = ("anger", "disgust", "fear", "sadness", "neutral", "amusement", "inspiration", "joy", "tenderness")
#: how many clips in a row have each class
_RUNS = {VALENCE: (12, 4, 12), EMOTIONS: (3, 3, 3, 3, 4, 3, 3, 3, 3)}
Label = Literal["valence", "emotion"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """What may be chosen.

    Parameters
    ----------
    label : "valence" (negative, neutral, positive) or "emotion" (nine) of the clip; subjects' ratings are not used
    on_bad : as in `Rated`
    """

    label: Label = "valence"
    on_bad: OnBad = "raise"

    def __post_init__(self) -> None:
        check_choices(self)


def classes_of(label: Label) -> tuple[tuple[str, ...], list[int]]:
    """Classes, and that of every clip."""
    classes = VALENCE if label == "valence" else EMOTIONS
    return classes, np.repeat(np.arange(len(classes)), _RUNS[classes]).tolist()


def find_faced(folder: Path, _: Options) -> Found:
    """Files sub000.pkl … sub122.pkl."""
    return find(
        "FACED", folder, places=("Processed_data", "FACED/Processed_data"), pattern=r"sub([0-9]{3})\.pkl",
        name="sub{:03d}", published=range(123),
    )  # fmt: skip


def read_file(path: Path, *, options: Options) -> list[Recording]:
    """The 28 trials of one file."""
    data = require({"array": read_pickle(path)}, "array", (28, 32, 7500), str(path))
    classes, labels = classes_of(options.label)
    _, emotions = classes_of("emotion")
    trials = []
    for clip, values in enumerate(data):
        name = f"{clip + 1:02d}"
        info = {"stimulus": name, "emotion": EMOTIONS[emotions[clip]]}
        trials.append(Trial(name, values[: len(CHANNELS)], labels[clip], info=info))
    return recordings(
        trials, path=path, subject=path.stem.lower(), channels=CHANNELS, rate=RATE, classes=classes,
        on_bad=options.on_bad,
    )  # fmt: skip


#: Subject "sub000", session "1", trial "01" … "28" of 30 s, which is also the clip; µV. `info`: file, stimulus,
#: emotion. A public loader warns that the second cohort, after about sub060, wore another placement of the electrodes;
#: compare the cohorts before mixing them. A file takes about 0.1 GB.
FACED = PublishedSet(
    name="faced",
    facts=Facts(
        title="Film clips: nine emotions, three valences",
        licence="By application to the authors; see the homepage",
        size="6.6 GB (Processed_data)",
        access="Register on Synapse and apply on the homepage; take Processed_data",
        homepage="https://www.synapse.org/#!Synapse:syn50614194",
        subjects=123,
        trials=28,
        rate=RATE,
        channels=CHANNELS,
        labels=("valence", "emotion"),
        citation="Chen et al., Scientific Data 2023;10:740, doi:10.1038/s41597-023-02650-w",
    ),
    options=Options,
    find=find_faced,
    read=read_file,
    parts=1,
)
