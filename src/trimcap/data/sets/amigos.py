"""AMIGOS: 40 subjects, 16 short and 4 long videos, 14 electrodes, self-assessed ratings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from trimcap.data.electrodes.headsets import HEADSETS
from trimcap.data.foreign.matlab import mat_shapes, read_mat
from trimcap.data.recording import Recording
from trimcap.data.sets.folders import Found, find
from trimcap.data.sets.ratings import Baseline, Rated, Scale
from trimcap.data.sets.record import Facts, PublishedSet
from trimcap.data.sets.trials import Trial, parted, recordings, require_shape

#: of an Emotiv EPOC, in the order of the files
CHANNELS = HEADSETS["epoc_14"].electrodes
RATE = 128.0
#: the columns of the self-assessment: five scales from 1 to 9, then seven emotions chosen (1) or not (0)
RATINGS = ("arousal", "valence", "dominance", "liking", "familiarity")
EMOTIONS = ("neutral", "disgust", "happiness", "surprise", "anger", "fear", "sadness")
BASELINE = 640
_TRIALS, _COLUMNS, _SIGNALS = 20, 12, 17
_VIDEOS = {"short": range(16), "long": range(16, 20), "all": range(20)}


@dataclass(frozen=True, kw_only=True)
class Options(Rated):
    """Those of `Rated` (arousal, valence, dominance, liking or familiarity, self-assessed from 1 to 9), and two more.

    Parameters
    ----------
    baseline : the 5 s before each video: "drop" them, "keep" them at the signal's start, or put them "apart" into
        `info["baseline"]`, float32 (14, 640)
    videos : "short" (trials 1-16, seen alone; the default), "long" (17-20, some of them seen in groups) or "all"
    """

    scale: ClassVar = Scale("AMIGOS", RATINGS, 1, 9)
    baseline: Baseline = "drop"
    videos: Literal["short", "long", "all"] = "short"


def find_amigos(folder: Path, _: Options) -> Found:
    """Files Data_Preprocessed_P01.mat …, together or each in a folder of its own."""
    return find(
        "AMIGOS", folder, places=("data_preprocessed", "AMIGOS/data_preprocessed", "AMIGOS"),
        pattern=r"Data_Preprocessed_P([0-9]{1,2})\.mat", name="P{:02d}", published=range(1, 41), nested=True,
    )  # fmt: skip


def read_file(path: Path, *, options: Options) -> list[Recording]:
    """The trials of one file; without those that it leaves empty or without a rating, which are counted."""
    return recordings(
        _trials(path, options), path=path, subject=f"P{int(path.stem[-2:].lstrip('Pp')):02d}", channels=CHANNELS,
        rate=RATE, classes=options.classes, on_bad=options.on_bad,
    )  # fmt: skip


def _trials(path: Path, options: Options) -> Iterator[Trial]:
    shapes = mat_shapes(path)
    for key in ("joined_data", "labels_selfassessment"):
        require_shape(shapes.get(key, ()), key, (1, _TRIALS), str(path))
    signals, ratings = (read_mat(path, key) for key in ("joined_data", "labels_selfassessment"))
    if not isinstance(signals, list) or not isinstance(ratings, list):
        raise ValueError(f"{path}: joined_data and labels_selfassessment should be cell arrays of {_TRIALS} trials")
    for t in _VIDEOS[options.videos]:
        yield _trial(signals[t], ratings[t], f"{t + 1:02d}", path, options)


def _trial(values: Any, rated: Any, name: str, path: Path, options: Options) -> Trial:
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
    signal, info = parted(values[:, : len(CHANNELS)].T, BASELINE, RATE, options.baseline)
    label = options.apply(scores[options.label], where)
    return Trial(name, signal, label, info={"ratings": scores, "rule": options.rule, "stimulus": name, **info})


#: Subject "P01", session "1", trial "01" … "20", the same videos for all subjects; µV. `info`: file, ratings (all
#: twelve), rule, stimulus, baseline_seconds. A file takes about 0.2 GB.
AMIGOS = PublishedSet(
    name="amigos",
    facts=Facts(
        title="Short and long videos, alone and in groups, with self-assessed ratings",
        licence="Academic use only, by signed agreement; no redistribution",
        size="1.5 GB (data_preprocessed)",
        access="Sign the end user licence agreement and apply on the homepage",
        homepage="http://www.eecs.qmul.ac.uk/mmv/datasets/amigos/",
        subjects=40,
        trials=20,
        rate=RATE,
        channels=CHANNELS,
        labels=RATINGS,
        citation="Miranda-Correa et al., IEEE Trans. Affective Computing 2021;12(2):479-493, "
        "doi:10.1109/TAFFC.2018.2884461",
    ),
    options=Options,
    find=find_amigos,
    read=read_file,
    parts=1,
    survey={"videos": "all", "on_bad": "drop"},
    note="counted are all 20 videos; the source amigos gives the 16 short ones (01-16) unless told otherwise, by "
    'videos="all" or videos="long"',
)
