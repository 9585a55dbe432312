"""DASPS: 23 subjects, six anxiety-provoking situations, 14 electrodes, two ratings."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from trimcap.data.foreign.matlab import mat_shapes, read_numbers
from trimcap.data.recording import Recording
from trimcap.data.sets.folders import Found, Subjects, file_in, find, wanted_files
from trimcap.data.sets.layouts import EMOTIV as CHANNELS
from trimcap.data.sets.places import set_folder
from trimcap.data.sets.ratings import Rule, Side, rule
from trimcap.data.sets.trials import OnBad, Trial, check_on_bad, check_option, recordings, require, require_shape
from trimcap.data.source import Source, Wanted

RATE = 128.0
RATINGS = ("valence", "arousal")
_DATA, _LABELS = (14, 1920, 12), (12, 2)
_PHASES = ("recitation", "recall")
Form = Literal["raw", "preprocessed"]


def read_dasps(
    folder: Path | str,
    *,
    subjects: Subjects = None,
    label: str = "arousal",
    threshold: float = 5.0,
    side: Side = ">",
    form: Form = "preprocessed",
    on_bad: OnBad = "raise",
) -> list[Recording]:
    """Read DASPS: 12 trials of 15 s per subject, 14 electrodes of an Emotiv EPOC, 128 Hz, µV.

    The layout is taken from public loaders and descriptions, not from the files themselves: MATLAB 7.3 (h5py), `data`
    of 14 × 1920 × 12 and `labels` of 12 × 2 (valence, arousal). Preprocessed files hold only `data`; the labels are
    then read from the raw file of the subject, beside them or in the folder of the raw ones.

    Trials 1 and 2 are the first situation, first recited by the psychotherapist, then recalled by the subject, and so
    on; the two share one rating, so never split a situation (`info["situation"]`) between training and test. Neither
    phase is a rest.

    Parameters
    ----------
    folder : holds S01.mat … S23.mat (raw) or S01preprocessed.mat … (preprocessed), or the folder `Raw data.mat` or
        `Preprocessed data .mat` with them
    subjects : which, as "S07", "07" or 7; default all that are there
    label : "valence" or "arousal", self-assessed from 0 to 9
    threshold, side : class 1 is rating `side` threshold
    form : "raw", or "preprocessed" by the authors (band-pass, artefacts removed)
    on_bad : what to do with a trial in which a channel is constant or not finite: "raise", "drop" or "keep"

    Returns
    -------
    Recordings ordered by subject and trial; subject "S01", session "1", trial "01" … "12"; classes ("low arousal",
    "high arousal"). `info`: file, ratings, rule, situation and stimulus ("1" … "6"), phase, and hamilton (the
    therapist's scores) where the file has them.

    Raises
    ------
    FileNotFoundError : no such files.
    ImportError : h5py is not installed.
    ValueError : unknown subject or option; a file that is damaged or of another shape; a rating off the scale. The
        message names the file.

    Notes
    -----
    Baghdadi et al., DASPS: A database for anxious states based on a psychological stimulation, arXiv:1901.02942.
    """
    groups = iter_dasps(
        folder, subjects=subjects, label=label, threshold=threshold, side=side, form=form, on_bad=on_bad
    )
    return [recording for group in groups for recording in group]


def iter_dasps(
    folder: Path | str,
    *,
    subjects: Subjects = None,
    label: str = "arousal",
    threshold: float = 5.0,
    side: Side = ">",
    form: Form = "preprocessed",
    on_bad: OnBad = "raise",
) -> Iterator[list[Recording]]:
    """`read_dasps` one subject at a time."""
    split = _rule(label, threshold, side, on_bad)
    found = find_dasps(folder, form=form)
    names = found.choose(subjects)
    return (_subject(found.files[name][0], split, on_bad) for name in names)


def dasps_source(
    path: Path | str | None,
    *,
    subjects: Wanted = None,
    label: str = "arousal",
    threshold: float = 5.0,
    side: Side = ">",
    form: Form = "preprocessed",
    on_bad: OnBad = "raise",
) -> Source:
    """`read_dasps` one file at a time; `subjects` may be how many of the first."""
    _rule(label, threshold, side, on_bad)
    found = find_dasps(set_folder("dasps", path), form=form)
    read = partial(read_dasps_file, label=label, threshold=threshold, side=side, on_bad=on_bad)
    files = wanted_files(found, subjects)
    also = tuple(other for file in files if (other := raw_beside(file)) is not None)
    return Source("dasps", files, read, also, parts=1)


def read_dasps_file(path: Path, *, label: str, threshold: float, side: Side, on_bad: OnBad) -> list[Recording]:
    """The 12 trials of one file, SNN.mat or SNNpreprocessed.mat; options as in `read_dasps`."""
    return _subject(path, _rule(label, threshold, side, on_bad), on_bad)


def raw_beside(path: Path) -> Path | None:
    """The raw file of a preprocessed one, which has its labels: beside it, or in `Raw data.mat` beside its folder."""
    name = f"{path.stem[:3]}.mat"
    if path.name.lower() == name.lower():
        return None
    folders = [path.parent, *(path.parent.parent / f"Raw data{gap}mat" for gap in (".", " .", " "))]
    folders += [path.parent.parent / "Raw data", path.parent.parent]
    return next((found for folder in folders if folder.is_dir() and (found := file_in(folder, name)) is not None), None)


def find_dasps(folder: Path | str, *, form: Form = "preprocessed") -> Found:
    """Files of DASPS in a folder."""
    check_option("form", form, ("raw", "preprocessed"))
    title, ending = ("Raw data", "") if form == "raw" else ("Preprocessed data", "preprocessed")
    places = [f"{prefix}{title}{gap}mat" for prefix in ("", "DASPS_Database/", "DASPS/") for gap in (".", " .", " ")]
    return find(
        "DASPS", folder, places=places, pattern=rf"S([0-9]{{2}}){ending}\.mat", name="S{:02d}", published=range(1, 24),
        known=r"S[0-9]{2}(preprocessed)?\.mat",
    )  # fmt: skip


def _rule(label: str, threshold: float, side: str, on_bad: str) -> Rule:
    check_on_bad(on_bad)
    return rule(label, threshold, side, known=RATINGS, lowest=0, highest=9, what="DASPS")


def _subject(path: Path, split: Rule, on_bad: OnBad) -> list[Recording]:
    return recordings(
        _trials(path, split), path=path, subject=path.stem[:3].upper(), channels=CHANNELS, rate=RATE,
        classes=split.classes, on_bad=on_bad,
    )  # fmt: skip


def _labels_of_raw(path: Path) -> NDArray[Any]:
    other = raw_beside(path)
    if other is None:
        raise ValueError(
            f"{path} has no labels, as published: they are in the raw file {path.stem[:3]}.mat, which is neither "
            "beside it nor in a folder 'Raw data.mat' beside its own; put it there"
        )
    shapes = mat_shapes(other)
    if "labels" in shapes:
        require_shape(shapes["labels"], "labels", _LABELS, str(other))
    found: dict[str, object] = {"labels": read_numbers(other, "labels")} if "labels" in shapes else {}
    return require(found, "labels", _LABELS, str(other))


def _trials(path: Path, split: Rule) -> Iterator[Trial]:
    shapes = mat_shapes(path)
    for key, shape in (("data", _DATA), ("labels", _LABELS)):
        if key in shapes:
            require_shape(shapes[key], key, shape, str(path))
    arrays: dict[str, object] = {key: read_numbers(path, key) for key in ("data", "labels") if key in shapes}
    data = require(arrays, "data", _DATA, str(path))
    labels = require(arrays, "labels", _LABELS, str(path)) if "labels" in arrays else _labels_of_raw(path)
    facts: dict[str, object] = {}
    if 0 < np.prod(shapes.get("hamilton", (0,))) <= 64:
        facts["hamilton"] = tuple(read_numbers(path, "hamilton").ravel().astype(float).tolist())
    for t in range(_DATA[2]):
        name, situation = f"{t + 1:02d}", str(t // 2 + 1)
        ratings = {key: float(value) for key, value in zip(RATINGS, labels[t], strict=True)}
        info = {"ratings": ratings, "rule": str(split), "situation": situation, "stimulus": situation, **facts}
        info["phase"] = _PHASES[t % 2]
        label = split.apply(ratings[split.label], f"{path}: trial {name}")
        yield Trial(name, data[:, :, t], label, info=info)
