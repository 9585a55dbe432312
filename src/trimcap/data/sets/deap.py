"""DEAP: 32 subjects, 40 music videos, 32 electrodes, four ratings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

from numpy.typing import NDArray

from trimcap.data.foreign.pickles import read_pickle
from trimcap.data.recording import Recording
from trimcap.data.sets.folders import Found, find, first_found
from trimcap.data.sets.ratings import Baseline, Rated, Scale
from trimcap.data.sets.record import Facts, PublishedSet
from trimcap.data.sets.trials import Trial, mat_arrays, parted, recordings, require

#: the electrodes in the order of the files, which have eight other signals after them
CHANNELS = (
    "Fp1", "AF3", "F3", "F7", "FC5", "FC1", "C3", "T7", "CP5", "CP1", "P3", "P7",
    "PO3", "O1", "Oz", "Pz", "Fp2", "AF4", "Fz", "F4", "F8", "FC6", "FC2", "Cz",
    "C4", "T8", "CP6", "CP2", "P4", "P8", "PO4", "O2",
)  # fmt: skip
RATE = 128.0
RATINGS = ("valence", "arousal", "dominance", "liking")
BASELINE = 384
_SHAPES = {"data": (40, 40, 8064), "labels": (40, 4)}


@dataclass(frozen=True, kw_only=True)
class Options(Rated):
    """Those of `Rated` (valence, arousal, dominance or liking from 1 to 9; DEAP's authors split at 5), and two more.

    Parameters
    ----------
    baseline : the 3 s before each video: "drop" them, "keep" them at the signal's start, or put them "apart" into
        `info["baseline"]`, float32 (32, 384)
    form : "python" pickles or the "matlab" twin; "auto" takes the pickles where there are both
    """

    scale: ClassVar = Scale("DEAP", RATINGS, 1, 9)
    baseline: Baseline = "drop"
    form: Literal["auto", "python", "matlab"] = "auto"


def find_deap(folder: Path, options: Options) -> Found:
    """Files s01.dat … s32.dat, or s01.mat … s32.mat."""
    forms = ("python", "matlab") if options.form == "auto" else (options.form,)
    return first_found([partial(_find, folder, form) for form in forms])


def _find(folder: Path, form: str) -> Found:
    place, ending = f"data_preprocessed_{form}", {"python": "dat", "matlab": "mat"}[form]
    return find(
        "DEAP", folder, places=(place, f"DEAP/{place}"), pattern=rf"s([0-9]{{2}})\.{ending}", name="s{:02d}",
        published=range(1, 33), known=r"s[0-9]{2}\.(dat|mat)",
    )  # fmt: skip


def read_file(path: Path, *, options: Options) -> list[Recording]:
    """The 40 trials of one file."""
    loaded = mat_arrays(path, _SHAPES) if path.suffix.lower() == ".mat" else read_pickle(path)
    if not isinstance(loaded, dict):
        raise ValueError(f"{path} holds a {type(loaded).__name__}; expected a dict with data and labels")
    return recordings(
        _trials(loaded, path, options), path=path, subject=path.stem.lower(), channels=CHANNELS, rate=RATE,
        classes=options.classes, on_bad=options.on_bad,
    )  # fmt: skip


def _trials(arrays: Mapping[str, object], path: Path, options: Options) -> Iterator[Trial]:
    data: NDArray[Any]
    data, ratings = (require(arrays, name, shape, str(path)) for name, shape in _SHAPES.items())
    for t in range(len(data)):
        name = f"{t + 1:02d}"
        values = {key: float(value) for key, value in zip(RATINGS, ratings[t], strict=True)}
        signal, info = parted(data[t, : len(CHANNELS)], BASELINE, RATE, options.baseline)
        label = options.apply(values[options.label], f"{path}: trial {name}")
        yield Trial(name, signal, label, info={"ratings": values, "rule": options.rule, "stimulus": name, **info})


#: Subject "s01", session "1", trial "01" … "40", which is also the video; 60 s in µV. `info`: file, ratings (all
#: four), rule, stimulus, baseline_seconds. The published preprocessing is a common average reference, 4-45 Hz, EOG
#: removed. A file takes about 0.3 GB.
DEAP = PublishedSet(
    name="deap",
    facts=Facts(
        title="Music videos with ratings of valence, arousal, dominance and liking",
        licence="Academic use only, by signed agreement; no redistribution",
        size="3.3 GB (preprocessed, Python)",
        access="Sign the end user licence agreement and apply on the homepage; take data_preprocessed_python.zip",
        homepage="https://www.eecs.qmul.ac.uk/mmv/datasets/deap/",
        subjects=32,
        trials=40,
        rate=RATE,
        channels=CHANNELS,
        labels=RATINGS,
        citation="Koelstra et al., IEEE Trans. Affective Computing 2012;3(1):18-31, doi:10.1109/T-AFFC.2011.15",
    ),
    options=Options,
    find=find_deap,
    read=read_file,
    parts=1,
)
