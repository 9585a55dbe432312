"""AMIGOS: 40 subjects, 16 short and 4 long videos, 14 electrodes, self-assessed ratings."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from trimcap.data.foreign.matlab import mat_shapes, read_mat
from trimcap.data.recording import Recording
from trimcap.data.sets.folders import Found, Subjects, find, wanted_files
from trimcap.data.sets.layouts import EMOTIV as CHANNELS
from trimcap.data.sets.places import set_folder
from trimcap.data.sets.ratings import Rule, Side, rule
from trimcap.data.sets.trials import OnBad, Trial, check_on_bad, check_option, recordings, require_shape
from trimcap.data.source import Source, Wanted

RATE = 128.0
#: the columns of the self-assessment: five scales from 1 to 9, then seven emotions chosen (1) or not (0)
RATINGS = ("arousal", "valence", "dominance", "liking", "familiarity")
EMOTIONS = ("neutral", "disgust", "happiness", "surprise", "anger", "fear", "sadness")
BASELINE = 640
_TRIALS, _COLUMNS, _SIGNALS = 20, 12, 17
Baseline = Literal["drop", "keep", "apart"]
Videos = Literal["short", "long", "all"]
_VIDEOS = {"short": range(16), "long": range(16, 20), "all": range(20)}


def read_amigos(
    folder: Path | str,
    *,
    subjects: Subjects = None,
    label: str = "valence",
    threshold: float = 5.0,
    side: Side = ">",
    baseline: Baseline = "drop",
    videos: Videos = "short",
    on_bad: OnBad = "raise",
) -> list[Recording]:
    """Read AMIGOS' preprocessed signals: 16 short and 4 long videos, 14 electrodes of an Emotiv EPOC, 128 Hz, µV.

    Trials that the file leaves empty (the long videos of some subjects) and trials without a rating are left out and
    counted.

    Parameters
    ----------
    folder : holds Data_Preprocessed_P01.mat …, in it or each in a folder of its own, or the folder
        `data_preprocessed` with them
    subjects : which, as "P07", "07" or 7; default all that are there
    label : "arousal", "valence", "dominance", "liking" or "familiarity", self-assessed from 1 to 9
    threshold, side : class 1 is rating `side` threshold
    baseline : the 5 s before each video: "drop" them, "keep" them at the signal's start, or put them "apart" into
        `info["baseline"]`, float32 (14, 640)
    videos : "short" (trials 1-16, seen alone; the default), "long" (17-20, some of them seen in groups) or "all"; the
        catalogue and `recognise` count all 20
    on_bad : what to do with a trial in which a channel is constant or not finite (there are some): "raise", "drop" or
        "keep"

    Returns
    -------
    Recordings ordered by subject and trial; subject "P01", session "1", trial "01" … "20"; classes ("low valence",
    "high valence"). `info`: file, ratings (all twelve), rule, stimulus (the same for a trial of all subjects),
    baseline_seconds.

    Raises
    ------
    FileNotFoundError : no such files.
    ValueError : unknown subject or option; a file that is damaged or of another layout; a rating outside 1 to 9. The
        message names the file.

    Warns
    -----
    UserWarning : trials were left out; says which and why.

    Notes
    -----
    Miranda-Correa et al., AMIGOS: A dataset for affect, personality and mood research on individuals and groups, IEEE
    Trans. Affective Computing 2021;12(2):479-493.
    """
    groups = iter_amigos(
        folder, subjects=subjects, label=label, threshold=threshold, side=side, baseline=baseline, videos=videos,
        on_bad=on_bad,
    )  # fmt: skip
    return [recording for group in groups for recording in group]


def iter_amigos(
    folder: Path | str,
    *,
    subjects: Subjects = None,
    label: str = "valence",
    threshold: float = 5.0,
    side: Side = ">",
    baseline: Baseline = "drop",
    videos: Videos = "short",
    on_bad: OnBad = "raise",
) -> Iterator[list[Recording]]:
    """`read_amigos` one subject at a time (about 0.2 GB)."""
    split = _rule(label, threshold, side, baseline, videos, on_bad)
    found = find_amigos(folder)
    names = found.choose(subjects)
    return (_subject(found.files[name][0], split, baseline, videos, on_bad) for name in names)


def amigos_source(
    path: Path | str | None,
    *,
    subjects: Wanted = None,
    label: str = "valence",
    threshold: float = 5.0,
    side: Side = ">",
    baseline: Baseline = "drop",
    videos: Videos = "short",
    on_bad: OnBad = "raise",
) -> Source:
    """`read_amigos` one file at a time; `subjects` may be how many of the first."""
    _rule(label, threshold, side, baseline, videos, on_bad)
    found = find_amigos(set_folder("amigos", path))
    read = partial(
        read_amigos_file, label=label, threshold=threshold, side=side, baseline=baseline, videos=videos, on_bad=on_bad
    )
    return Source("amigos", wanted_files(found, subjects), read, parts=1)


def read_amigos_file(
    path: Path, *, label: str, threshold: float, side: Side, baseline: Baseline, videos: Videos, on_bad: OnBad
) -> list[Recording]:
    """The trials of one file, Data_Preprocessed_PNN.mat; options as in `read_amigos`."""
    return _subject(path, _rule(label, threshold, side, baseline, videos, on_bad), baseline, videos, on_bad)


def find_amigos(folder: Path | str) -> Found:
    """Files of AMIGOS in a folder."""
    return find(
        "AMIGOS", folder, places=("data_preprocessed", "AMIGOS/data_preprocessed", "AMIGOS"),
        pattern=r"Data_Preprocessed_P([0-9]{1,2})\.mat", name="P{:02d}", published=range(1, 41), nested=True,
    )  # fmt: skip


def _rule(label: str, threshold: float, side: str, baseline: str, videos: str, on_bad: str) -> Rule:
    check_option("baseline", baseline, ("drop", "keep", "apart"))
    check_option("videos", videos, tuple(_VIDEOS))
    check_on_bad(on_bad)
    return rule(label, threshold, side, known=RATINGS, lowest=1, highest=9, what="AMIGOS")


def _subject(path: Path, split: Rule, baseline: Baseline, videos: Videos, on_bad: OnBad) -> list[Recording]:
    return recordings(
        _trials(path, split, baseline, _VIDEOS[videos]),
        path=path, subject=f"P{int(path.stem[-2:].lstrip('Pp')):02d}", channels=CHANNELS, rate=RATE,
        classes=split.classes, on_bad=on_bad,
    )  # fmt: skip


def _trials(path: Path, split: Rule, baseline: Baseline, videos: range) -> Iterator[Trial]:
    shapes = mat_shapes(path)
    for key in ("joined_data", "labels_selfassessment"):
        require_shape(shapes.get(key, ()), key, (1, _TRIALS), str(path))
    signals, ratings = (read_mat(path, key) for key in ("joined_data", "labels_selfassessment"))
    if not isinstance(signals, list) or not isinstance(ratings, list):
        raise ValueError(f"{path}: joined_data and labels_selfassessment should be cell arrays of {_TRIALS} trials")
    for t in videos:
        yield _trial(signals[t], ratings[t], f"{t + 1:02d}", path, split, baseline)


def _trial(values: Any, rated: Any, name: str, path: Path, split: Rule, baseline: Baseline) -> Trial:
    where = f"{path}: trial {name}"
    if not isinstance(values, np.ndarray) or not isinstance(rated, np.ndarray):
        raise ValueError(f"{where} is no array of numbers; expected time × {_SIGNALS} signals and {_COLUMNS} ratings")
    if values.size == 0 or rated.size == 0:
        return Trial(name, values, None, why="the file has no signal" if values.size == 0 else "the file has no rating")
    require_shape(values.shape, "joined_data", (None, _SIGNALS), where)
    require_shape((rated.size,), "labels_selfassessment", (_COLUMNS,), where)
    if len(values) <= BASELINE:
        raise ValueError(f"{where} has {len(values)} samples, no more than its baseline of {BASELINE}")
    scores = dict(zip((*RATINGS, *EMOTIONS), rated.ravel().astype(float).tolist(), strict=True))
    info: dict[str, object] = {"ratings": scores, "rule": str(split), "stimulus": name}
    info["baseline_seconds"] = BASELINE / RATE if baseline == "keep" else 0.0
    eeg = values[:, : len(CHANNELS)].T
    if baseline == "apart":
        info["baseline"] = np.array(eeg[:, :BASELINE], dtype=np.float32)
    label = split.apply(scores[split.label], where)
    return Trial(name, eeg[:, 0 if baseline == "keep" else BASELINE :], label, info=info)
