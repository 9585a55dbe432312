"""DREAMER: 23 subjects, 18 film clips, 14 electrodes, three ratings."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from trimcap.data.electrodes.headsets import HEADSETS
from trimcap.data.foreign.matlab import cell_count, read_cells, read_field
from trimcap.data.recording import Recording
from trimcap.data.sets.folders import Found, file_in, folder_in
from trimcap.data.sets.ratings import Baseline, Rated, Scale
from trimcap.data.sets.record import Facts, PublishedSet
from trimcap.data.sets.trials import Trial, recordings, require, signal

#: of an Emotiv EPOC, in the order of the file
CHANNELS = HEADSETS["epoc_14"].electrodes
RATE = 128.0
RATINGS = ("valence", "arousal", "dominance")
_TRIALS = 18


@dataclass(frozen=True, kw_only=True)
class Options(Rated):
    """Those of `Rated` (valence, arousal or dominance, rated from 1 to 5), and two more.

    Parameters
    ----------
    baseline : the 61 s before each clip: "drop" them, "keep" them at the signal's start, or put them "apart" into
        `info["baseline"]`, float32 (14, n)
    baseline_seconds : how many s to keep of the end of that baseline, next to the clip; default all that the file has
    """

    scale: ClassVar = Scale("DREAMER", RATINGS, 1, 5)
    threshold: float = 3.0
    baseline: Baseline = "drop"
    baseline_seconds: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        seconds = self.baseline_seconds
        if seconds is None:
            return
        if self.baseline == "drop":
            raise ValueError(
                f"baseline_seconds={seconds} of a baseline that is dropped; read with baseline='keep' or 'apart'"
            )
        if not isinstance(seconds, int | float) or not 0.5 / RATE < seconds < math.inf:
            raise ValueError(f"baseline_seconds is {seconds!r}; it must be a number of seconds, more than 0")


def find_dreamer(folder: Path, _: Options) -> Found:
    """DREAMER.mat, or the one in a folder, and the subjects it holds."""
    root = folder.parent if folder.is_file() and folder.name.lower() == "dreamer.mat" else folder
    for place in (root, folder_in(root, "DREAMER")):
        path = None if place is None or not place.is_dir() else file_in(place, "DREAMER.mat")
        if path is not None:
            count = cell_count(path, "DREAMER", "Data")
            return Found(
                what="DREAMER",
                folder=path.parent,
                files={f"{n:02d}": (path,) for n in range(1, count + 1)},
                missing=tuple(f"{n:02d}" for n in range(count + 1, 24)),
                extra=tuple(sorted(p.name for p in path.parent.iterdir() if p.is_file() and p != path)),
            )
    raise FileNotFoundError(f"DREAMER: no DREAMER.mat in {root}; pass the folder that holds it")


def read_file(path: Path, *, options: Options, subjects: Sequence[str]) -> Iterator[Recording]:
    """The trials of some subjects, one subject in memory at a time."""
    for group in by_subject(path, options, subjects):
        yield from group


def by_subject(path: Path, options: Options, only: Sequence[str] | None = None) -> Iterator[list[Recording]]:
    """Recordings of one subject after the other, in the order of the file, which is read as a stream."""
    _check_facts(path)
    for number, cell in enumerate(read_cells(path, "DREAMER", "Data"), start=1):
        name = f"{number:02d}"
        if only is None or name in only:
            yield recordings(
                _trials(cell, path, name, options), path=path, subject=name, channels=CHANNELS, rate=RATE,
                classes=options.classes, on_bad=options.on_bad,
            )  # fmt: skip


def _trials(cell: Any, path: Path, name: str, options: Options) -> Iterator[Trial]:
    where = f"{path}: subject {name}"
    eeg = cell.get("EEG") if isinstance(cell, dict) else None
    if not isinstance(eeg, dict):
        raise ValueError(f"{where} is no struct with EEG; is it the published DREAMER.mat?")
    scores = {key: require(cell, f"Score{key.title()}", (_TRIALS, 1), where).ravel() for key in RATINGS}
    stimuli, baselines = (_cells(eeg, key, where) for key in ("stimuli", "baseline"))
    facts = {
        key: str(cell[other]) for key, other in (("age", "Age"), ("sex", "Gender")) if isinstance(cell.get(other), str)
    }
    for t in range(_TRIALS):
        trial = f"{t + 1:02d}"
        values = {key: float(scores[key][t]) for key in RATINGS}
        info: dict[str, object] = {"ratings": values, "rule": options.rule, "stimulus": trial, **facts}
        label = options.apply(_whole(values[options.label], f"{where}: trial {trial}"), f"{where}: trial {trial}")
        yield _with_rest(Trial(trial, _transposed(stimuli[t]), label, info=info), baselines[t], options, where)


def _with_rest(trial: Trial, baseline: Any, options: Options, where: str) -> Trial:
    """The trial with its baseline (time × channels) where it is wanted."""
    info = {**trial.info, "baseline_seconds": 0.0}
    if options.baseline == "drop":
        return replace(trial, info=info)
    before = signal(_transposed(baseline), CHANNELS, f"{where}: baseline {trial.name}")
    if options.baseline_seconds is not None:
        samples = round(options.baseline_seconds * RATE)
        if before.shape[1] < samples:
            raise ValueError(
                f"{where}: baseline {trial.name} lasts {before.shape[1] / RATE:g} s, shorter than "
                f"baseline_seconds={samples / RATE:g}; keep less"
            )
        before = np.ascontiguousarray(before[:, -samples:])
    if options.baseline == "apart":
        return replace(trial, info={**info, "baseline": before})
    both = [before, signal(trial.signal, CHANNELS, f"{where}: trial {trial.name}")]
    info["baseline_seconds"] = before.shape[1] / RATE
    return replace(trial, signal=np.concatenate(both, axis=1), info=info)


def _whole(rating: float, where: str) -> float:
    if math.isfinite(rating) and rating != round(rating):
        raise ValueError(f"{where} is rated {rating:g}; DREAMER has whole numbers from 1 to 5. Is the file damaged?")
    return rating


def _cells(eeg: Mapping[str, Any], key: str, where: str) -> list[Any]:
    cells = eeg.get(key)
    if not isinstance(cells, list) or len(cells) != _TRIALS or not all(isinstance(c, np.ndarray) for c in cells):
        raise ValueError(
            f"{where}: EEG.{key} should be a cell array of {_TRIALS} signals, time × {len(CHANNELS)} channels"
        )
    return cells


def _transposed(values: Any) -> Any:
    return values.T if values.ndim == 2 else values


def _check_facts(path: Path) -> None:
    """The file's own rate and electrodes, where it states them, must be those that are assumed."""
    for field, expected in (("EEG_SamplingRate", [RATE]), ("EEG_Electrodes", list(CHANNELS))):
        try:
            value = read_field(path, "DREAMER", field)
        except ValueError as error:
            if f"no struct with the field {field}" in str(error):
                continue
            raise
        found = value.ravel().tolist() if isinstance(value, np.ndarray) else list(value)
        if found != expected:
            raise ValueError(f"{path}: {field} is {found}; DREAMER has {expected}. Is it another file?")


#: Subject "01" … "23" in the order of the file, session "1", trial "01" … "18" of 65 to 393 s, which is also the clip;
#: µV. `info`: file, ratings (all three), rule, stimulus, baseline_seconds, and age and sex where the file has them. The
#: signals are raw, with an offset of about 4200 µV: without a band-pass before the windows, the onset of a window's own
#: filters is most of its differential entropy.
DREAMER = PublishedSet(
    name="dreamer",
    facts=Facts(
        title="Film clips with ratings of valence, arousal and dominance",
        licence="Academic use only, by agreement; no redistribution",
        size="0.5 GB",
        access="Ask for access on Zenodo with a purpose and an institution",
        homepage="https://zenodo.org/record/546113",
        subjects=23,
        trials=_TRIALS,
        rate=RATE,
        channels=CHANNELS,
        labels=RATINGS,
        citation="Katsigiannis & Ramzan, IEEE J. Biomedical and Health Informatics 2018;22(1):98-107, "
        "doi:10.1109/JBHI.2017.2688239",
    ),
    options=Options,
    find=find_dreamer,
    read=read_file,
    parts=1,
    context=lambda found: {"subjects": tuple(found.files)},
    by_subject=by_subject,
)
