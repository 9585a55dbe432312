"""FACED: 123 subjects, 28 film clips, 30 electrodes, nine emotions."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from trimcap.data.foreign.pickles import read_pickle
from trimcap.data.recording import Recording
from trimcap.data.sets.features.windows import Part, stack
from trimcap.data.sets.folders import Found, Subjects, find, wanted_files
from trimcap.data.sets.layouts import FACED as CHANNELS
from trimcap.data.sets.places import set_folder
from trimcap.data.sets.seed_files import finite
from trimcap.data.sets.trials import OnBad, Trial, check_on_bad, check_option, recordings, require
from trimcap.data.source import Source, Wanted
from trimcap.data.windows import Windows

RATE = 250.0
VALENCE = ("negative", "neutral", "positive")
EMOTIONS = ("anger", "disgust", "fear", "sadness", "neutral", "amusement", "inspiration", "joy", "tenderness")
#: how many clips in a row have each class
_VALENCE_RUNS = (12, 4, 12)
_EMOTION_RUNS = (3, 3, 3, 3, 4, 3, 3, 3, 3)
Label = Literal["valence", "emotion"]
Feature = Literal["DE", "PSD"]


def read_faced(
    folder: Path | str, *, subjects: Subjects = None, label: Label = "valence", on_bad: OnBad = "raise"
) -> list[Recording]:
    """Read FACED's preprocessed signals: 28 trials of 30 s per subject, 30 electrodes, 250 Hz, µV.

    A2 and A1 are dropped. A public loader warns that the second cohort, after about sub060, wore another placement
    of the electrodes; compare the cohorts before mixing them.

    Parameters
    ----------
    folder : holds sub000.pkl … sub122.pkl, or the folder `Processed_data` with them
    subjects : which, as "sub007", "007" or 7; default all that are there
    label : "valence" (negative, neutral, positive) or "emotion" (nine) of the clip; subjects' ratings are not used
    on_bad : what to do with a trial in which a channel is constant or not finite: "raise", "drop" or "keep"

    Returns
    -------
    Recordings ordered by subject and trial; subject "sub000", session "1", trial "01" … "28", which is also the clip.
    `info`: file, stimulus, emotion.

    Raises
    ------
    FileNotFoundError : no such files.
    ValueError : unknown subject or label; a file that is damaged, of another shape or wants to run code. The message
        names the file.

    Notes
    -----
    Chen et al., A large finer-grained affective computing EEG dataset, Scientific Data 2023;10:740.
    """
    groups = iter_faced(folder, subjects=subjects, label=label, on_bad=on_bad)
    return [recording for group in groups for recording in group]


def iter_faced(
    folder: Path | str, *, subjects: Subjects = None, label: Label = "valence", on_bad: OnBad = "raise"
) -> Iterator[list[Recording]]:
    """`read_faced` one subject at a time (about 0.1 GB)."""
    classes, labels = _labels(label)
    check_on_bad(on_bad)
    found = find_faced(folder)
    names = found.choose(subjects)
    return (_subject(found.files[name][0], name, classes, labels, on_bad) for name in names)


def faced_source(
    path: Path | str | None, *, subjects: Wanted = None, label: Label = "valence", on_bad: OnBad = "raise"
) -> Source:
    """`read_faced` one file at a time; `subjects` may be how many of the first."""
    _labels(label)
    check_on_bad(on_bad)
    found = find_faced(set_folder("faced", path))
    return Source("faced", wanted_files(found, subjects), partial(read_faced_file, label=label, on_bad=on_bad), parts=1)


def read_faced_file(path: Path, *, label: Label, on_bad: OnBad) -> list[Recording]:
    """The 28 trials of one file, subNNN.pkl; options as in `read_faced`."""
    classes, labels = _labels(label)
    return _subject(path, path.stem.lower(), classes, labels, on_bad)


def read_faced_features(
    folder: Path | str, *, feature: Feature = "DE", subjects: Subjects = None, label: Label = "valence"
) -> Windows:
    """Read FACED's published features of 1-s windows without overlap, five bands.

    Parameters
    ----------
    folder : holds sub000.pkl.pkl …, or the folder `EEG_Features/DE` or `EEG_Features/PSD` with them
    feature : "DE" (differential entropy) or "PSD"
    subjects, label : as `read_faced`

    Returns
    -------
    Windows with X of shape (n, 30, 5), float32, unit "nat" (DE) or "power" (PSD); 30 per trial; subject, session and
    trial as `read_faced`.

    Raises
    ------
    FileNotFoundError, ValueError : as `read_faced`; also NaN or infinity.
    """
    check_option("FACED feature", feature, ("DE", "PSD"))
    classes, labels = _labels(label)
    found = find_faced_features(folder, feature)

    def parts() -> Iterator[Part]:
        for name in found.choose(subjects):
            values = _array(found.files[name][0], (28, 32, 30, 5))
            for clip in range(28):
                windows = finite(
                    values[clip, : len(CHANNELS)].transpose(1, 0, 2), f"{found.files[name][0]}: clip {clip + 1}"
                )
                yield Part(windows, name, "1", f"{clip + 1:02d}", labels[clip])

    return stack(
        parts(), channels=CHANNELS, rate=RATE, classes=classes, duration=1.0,
        unit="nat" if feature == "DE" else "power", step=f"{feature} as published with FACED",
    )  # fmt: skip


def find_faced(folder: Path | str) -> Found:
    """Files of FACED's signals in a folder."""
    return find(
        "FACED", folder, places=("Processed_data", "FACED/Processed_data"), pattern=r"sub([0-9]{3})\.pkl",
        name="sub{:03d}", published=range(123),
    )  # fmt: skip


def find_faced_features(folder: Path | str, feature: Feature = "DE") -> Found:
    """Files of FACED's features in a folder."""
    return find(
        "FACED features", folder, places=(feature, f"EEG_Features/{feature}", f"FACED/EEG_Features/{feature}"),
        pattern=r"sub([0-9]{3})\.pkl\.pkl", name="sub{:03d}", published=range(123),
    )  # fmt: skip


def _labels(label: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    check_option("FACED label", label, ("valence", "emotion"))
    classes, runs = (VALENCE, _VALENCE_RUNS) if label == "valence" else (EMOTIONS, _EMOTION_RUNS)
    return classes, tuple(np.repeat(np.arange(len(runs)), runs).tolist())


def _subject(
    path: Path, name: str, classes: tuple[str, ...], labels: tuple[int, ...], on_bad: OnBad
) -> list[Recording]:
    data = _array(path, (28, 32, 7500))
    _, emotions = _labels("emotion")
    trials = (
        Trial(
            f"{clip + 1:02d}", data[clip, : len(CHANNELS)], labels[clip],
            info={"stimulus": f"{clip + 1:02d}", "emotion": EMOTIONS[emotions[clip]]},
        )
        for clip in range(28)
    )  # fmt: skip
    return recordings(trials, path=path, subject=name, channels=CHANNELS, rate=RATE, classes=classes, on_bad=on_bad)


def _array(path: Path, shape: tuple[int, ...]) -> NDArray[Any]:
    return require({"array": read_pickle(path)}, "array", shape, str(path))
