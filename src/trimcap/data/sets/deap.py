"""DEAP: 32 subjects, 40 music videos, 32 electrodes, four ratings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from trimcap.data.foreign.matlab import mat_shapes, read_numbers
from trimcap.data.foreign.pickles import read_pickle
from trimcap.data.recording import Recording
from trimcap.data.sets.folders import Found, Subjects, find, wanted_files
from trimcap.data.sets.layouts import DEAP as CHANNELS
from trimcap.data.sets.places import set_folder
from trimcap.data.sets.ratings import Rule, Side, rule
from trimcap.data.sets.trials import OnBad, Trial, check_on_bad, check_option, recordings, require, require_shape
from trimcap.data.source import Source, Wanted

RATE = 128.0
RATINGS = ("valence", "arousal", "dominance", "liking")
BASELINE = 384
_DATA, _LABELS = (40, 40, 8064), (40, 4)
Baseline = Literal["drop", "keep", "apart"]
Form = Literal["auto", "python", "matlab"]


def read_deap(
    folder: Path | str,
    *,
    subjects: Subjects = None,
    label: str = "valence",
    threshold: float = 5.0,
    side: Side = ">",
    baseline: Baseline = "drop",
    form: Form = "auto",
    on_bad: OnBad = "raise",
) -> list[Recording]:
    """Read DEAP's preprocessed signals: 40 trials of 60 s per subject, 32 electrodes, 128 Hz, µV.

    Parameters
    ----------
    folder : holds s01.dat … s32.dat or s01.mat … s32.mat, or the folder `data_preprocessed_python` or
        `data_preprocessed_matlab` with them
    subjects : which, as "s07", "07" or 7; default all that are there
    label : "valence", "arousal", "dominance" or "liking", rated from 1 to 9
    threshold, side : class 1 is rating `side` threshold; DEAP's authors split at 5
    baseline : the 3 s before each video: "drop" them, "keep" them at the signal's start, or put them "apart" into
        `info["baseline"]`, float32 (32, 384)
    form : "python" pickles or the "matlab" twin; "auto" takes the pickles where there are both
    on_bad : what to do with a trial in which a channel is constant or not finite: "raise", "drop" or "keep"

    Returns
    -------
    Recordings ordered by subject and trial; subject "s01", session "1", trial "01" … "40", which is also the video;
    classes ("low valence", "high valence"). `info`: file, ratings (all four), rule, stimulus, baseline_seconds.

    Raises
    ------
    FileNotFoundError : no such files.
    ValueError : unknown subject or option; a file that is damaged, of another shape or wants to run code; a rating
        outside 1 to 9. The message names the file.

    Warns
    -----
    UserWarning : trials without a rating (NaN) were left out.

    Notes
    -----
    Koelstra et al., DEAP: A Database for Emotion Analysis using Physiological Signals, IEEE Trans. Affective
    Computing 2012;3(1):18-31. The published preprocessing is a common average reference, 4-45 Hz, EOG removed.
    """
    groups = iter_deap(
        folder, subjects=subjects, label=label, threshold=threshold, side=side, baseline=baseline, form=form,
        on_bad=on_bad,
    )  # fmt: skip
    return [recording for group in groups for recording in group]


def iter_deap(
    folder: Path | str,
    *,
    subjects: Subjects = None,
    label: str = "valence",
    threshold: float = 5.0,
    side: Side = ">",
    baseline: Baseline = "drop",
    form: Form = "auto",
    on_bad: OnBad = "raise",
) -> Iterator[list[Recording]]:
    """`read_deap` one subject at a time, so that memory holds one file (about 0.3 GB)."""
    split = _rule(label, threshold, side, baseline, on_bad)
    found = find_deap(folder, form=form)
    names = found.choose(subjects)
    return (_subject(found.files[name][0], name, split, baseline, on_bad) for name in names)


def deap_source(
    path: Path | str | None,
    *,
    subjects: Wanted = None,
    label: str = "valence",
    threshold: float = 5.0,
    side: Side = ">",
    baseline: Baseline = "drop",
    form: Form = "auto",
    on_bad: OnBad = "raise",
) -> Source:
    """`read_deap` one file at a time, for caches and recipes; `subjects` may be how many of the first."""
    _rule(label, threshold, side, baseline, on_bad)
    found = find_deap(set_folder("deap", path), form=form)
    read = partial(
        read_deap_file, label=label, threshold=threshold, side=side, baseline=baseline, on_bad=on_bad
    )  # fmt: skip
    return Source("deap", wanted_files(found, subjects), read, parts=1)


def read_deap_file(
    path: Path, *, label: str, threshold: float, side: Side, baseline: Baseline, on_bad: OnBad
) -> list[Recording]:
    """The 40 trials of one file, sNN.dat or sNN.mat; options as in `read_deap`."""
    split = _rule(label, threshold, side, baseline, on_bad)
    return _subject(path, path.stem.lower(), split, baseline, on_bad)


def find_deap(folder: Path | str, *, form: Form = "auto") -> Found:
    """Files of DEAP in a folder."""
    check_option("form", form, ("auto", "python", "matlab"))
    if form == "auto":
        try:
            return find_deap(folder, form="python")
        except FileNotFoundError:
            return find_deap(folder, form="matlab")
    ending = {"python": "dat", "matlab": "mat"}[form]
    place = f"data_preprocessed_{form}"
    return find(
        "DEAP", folder, places=(place, f"DEAP/{place}"), pattern=rf"s([0-9]{{2}})\.{ending}", name="s{:02d}",
        published=range(1, 33), known=r"s[0-9]{2}\.(dat|mat)",
    )  # fmt: skip


def _rule(label: str, threshold: float, side: str, baseline: str, on_bad: str) -> Rule:
    check_option("baseline", baseline, ("drop", "keep", "apart"))
    check_on_bad(on_bad)
    return rule(label, threshold, side, known=RATINGS, lowest=1, highest=9, what="DEAP")


def _subject(path: Path, name: str, split: Rule, baseline: Baseline, on_bad: OnBad) -> list[Recording]:
    data, ratings = _arrays(path)
    trials = (_trial(data[t], ratings[t], f"{t + 1:02d}", path, split, baseline) for t in range(len(data)))
    return recordings(
        trials, path=path, subject=name, channels=CHANNELS, rate=RATE, classes=split.classes, on_bad=on_bad
    )


def _trial(data: NDArray[Any], ratings: NDArray[Any], name: str, path: Path, split: Rule, baseline: Baseline) -> Trial:
    values = {key: float(value) for key, value in zip(RATINGS, ratings, strict=True)}
    info: dict[str, object] = {"ratings": values, "rule": str(split), "stimulus": name}
    info["baseline_seconds"] = BASELINE / RATE if baseline == "keep" else 0.0
    if baseline == "apart":
        info["baseline"] = np.array(data[:32, :BASELINE], dtype=np.float32)
    return Trial(
        name=name,
        signal=data[:32, 0 if baseline == "keep" else BASELINE :],
        label=split.apply(values[split.label], f"{path}: trial {name}"),
        info=info,
    )


def _arrays(path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    arrays: Mapping[str, object]
    if path.suffix.lower() == ".mat":
        shapes = mat_shapes(path)
        for key, shape in (("data", _DATA), ("labels", _LABELS)):
            if key in shapes:
                require_shape(shapes[key], key, shape, str(path))
        arrays = {key: read_numbers(path, key) for key in ("data", "labels") if key in shapes}
    else:
        loaded = read_pickle(path)
        if not isinstance(loaded, dict):
            raise ValueError(f"{path} holds a {type(loaded).__name__}; expected a dict with data and labels")
        arrays = loaded
    return require(arrays, "data", _DATA, str(path)), require(arrays, "labels", _LABELS, str(path))
