"""DASPS: 23 subjects, six anxiety-provoking situations, 14 electrodes, two ratings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from trimcap.data.electrodes.headsets import HEADSETS
from trimcap.data.foreign.matlab import mat_shapes, read_numbers
from trimcap.data.recording import Recording
from trimcap.data.sets.folders import Found, file_in, find, first_found
from trimcap.data.sets.ratings import Rated, Scale
from trimcap.data.sets.record import Facts, PublishedSet
from trimcap.data.sets.trials import Trial, mat_arrays, recordings, require

#: of an Emotiv EPOC, in the order of the files
CHANNELS = HEADSETS["epoc_14"].electrodes
RATE = 128.0
RATINGS = ("valence", "arousal")
_SHAPES = {"data": (14, 1920, 12), "labels": (12, 2)}
_PHASES = ("recitation", "recall")
_TITLES = {"preprocessed": "Preprocessed data", "raw": "Raw data"}


@dataclass(frozen=True, kw_only=True)
class Options(Rated):
    """Those of `Rated` (valence or arousal, self-assessed from 0 to 9), and one more.

    Parameters
    ----------
    form : "raw", "preprocessed" by the authors (band-pass, artefacts removed), or "auto", the latter where it is
    """

    scale: ClassVar = Scale("DASPS", RATINGS, 0, 9)
    label: str = "arousal"
    form: Literal["preprocessed", "raw", "auto"] = "preprocessed"


def find_dasps(folder: Path, options: Options) -> Found:
    """Files S01.mat … S23.mat (raw) or S01preprocessed.mat …; the published folders end in ".mat" or " .mat"."""
    forms = tuple(_TITLES) if options.form == "auto" else (options.form,)
    return first_found([partial(_find, folder, form) for form in forms])


def _find(folder: Path, form: str) -> Found:
    names = [f"{_TITLES[form]}{gap}mat" for gap in (".", " .", " ")]
    ending = "preprocessed" if form == "preprocessed" else ""
    return find(
        "DASPS", folder, places=[above + name for above in ("", "DASPS_Database/", "DASPS/") for name in names],
        pattern=rf"S([0-9]{{2}}){ending}\.mat", name="S{:02d}", published=range(1, 24),
        known=r"S[0-9]{2}(preprocessed)?\.mat",
    )  # fmt: skip


def read_file(path: Path, *, options: Options) -> list[Recording]:
    """The 12 trials of one file; a preprocessed one has no labels, they are read from the raw one of the subject."""
    return recordings(
        _trials(path, options), path=path, subject=path.stem[:3].upper(), channels=CHANNELS, rate=RATE,
        classes=options.classes, on_bad=options.on_bad,
    )  # fmt: skip


def _raw_of(path: Path) -> Path | None:
    """The raw file of a preprocessed one, which has its labels: beside it, or in `Raw data.mat` beside its folder."""
    name = f"{path.stem[:3]}.mat"
    if path.name.lower() == name.lower():
        return None
    folders = [path.parent, *(path.parent.parent / f"Raw data{gap}mat" for gap in (".", " .", " "))]
    folders += [path.parent.parent / "Raw data", path.parent.parent]
    return next((found for folder in folders if folder.is_dir() and (found := file_in(folder, name)) is not None), None)


def _raw_files(found: Found) -> Iterable[Path]:
    return (raw for files in found.files.values() for file in files if (raw := _raw_of(file)) is not None)


def _labels_elsewhere(path: Path) -> dict[str, object]:
    other = _raw_of(path)
    if other is None:
        raise ValueError(
            f"{path} has no labels, as published: they are in the raw file {path.stem[:3]}.mat, which is neither "
            "beside it nor in a folder 'Raw data.mat' beside its own; put it there"
        )
    return {
        "labels": require(mat_arrays(other, {"labels": _SHAPES["labels"]}), "labels", _SHAPES["labels"], str(other))
    }


def _trials(path: Path, options: Options) -> Iterator[Trial]:
    arrays = mat_arrays(path, _SHAPES)
    arrays = arrays if "labels" in arrays or "data" not in arrays else arrays | _labels_elsewhere(path)
    data, labels = (require(arrays, name, shape, str(path)) for name, shape in _SHAPES.items())
    facts: dict[str, object] = {}
    if 0 < np.prod(mat_shapes(path).get("hamilton", (0,))) <= 64:
        facts["hamilton"] = tuple(read_numbers(path, "hamilton").ravel().astype(float).tolist())
    for t in range(data.shape[2]):
        name, situation = f"{t + 1:02d}", str(t // 2 + 1)
        ratings = {key: float(value) for key, value in zip(RATINGS, labels[t], strict=True)}
        info = {"ratings": ratings, "rule": options.rule, "situation": situation, "stimulus": situation, **facts}
        label = options.apply(ratings[options.label], f"{path}: trial {name}")
        yield Trial(name, data[:, :, t], label, info={**info, "phase": _PHASES[t % 2]})


#: Subject "S01", session "1", trial "01" … "12" of 15 s, µV. `info`: file, ratings, rule, situation and stimulus ("1" …
#: "6"), phase, and hamilton (the therapist's scores) where the file has them. Trials 1 and 2 are the first situation,
#: first recited by the psychotherapist, then recalled by the subject, and so on; the two share one rating, so never
#: split a situation between training and test. Neither phase is a rest. The layout is taken from public loaders and
#: descriptions, not from the files themselves: MATLAB 7.3 (h5py), `data` of 14 × 1920 × 12 and `labels` of 12 × 2.
DASPS = PublishedSet(
    name="dasps",
    facts=Facts(
        title="Anxiety provoked by a psychotherapist, with ratings of valence and arousal",
        licence="As stated on IEEE DataPort (open access); check before redistributing",
        size="0.1 GB",
        access="Register on IEEE DataPort",
        homepage="https://ieee-dataport.org/open-access/dasps-database",
        subjects=23,
        trials=12,
        rate=RATE,
        channels=CHANNELS,
        labels=RATINGS,
        citation="Baghdadi et al., arXiv:1901.02942",
    ),
    options=Options,
    find=find_dasps,
    read=read_file,
    parts=1,
    also=_raw_files,
    survey={"form": "auto", "on_bad": "drop"},
)
