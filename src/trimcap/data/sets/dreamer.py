"""DREAMER: 23 subjects, 18 film clips, 14 electrodes, three ratings."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from trimcap.data.foreign.matlab import cell_count, read_cells, read_field
from trimcap.data.recording import Recording
from trimcap.data.sets.folders import Found, Subjects, file_in, folder_in, wanted_names
from trimcap.data.sets.layouts import EMOTIV as CHANNELS
from trimcap.data.sets.places import set_folder
from trimcap.data.sets.ratings import Rule, Side, rule
from trimcap.data.sets.trials import OnBad, Trial, check_on_bad, check_option, recordings, require, signal
from trimcap.data.source import Source, Wanted

RATE = 128.0
RATINGS = ("valence", "arousal", "dominance")
_TRIALS = 18
Baseline = Literal["drop", "keep", "apart"]
_BASELINES = ("drop", "keep", "apart")


def read_dreamer(
    folder: Path | str,
    *,
    subjects: Subjects = None,
    label: str = "valence",
    threshold: float = 3.0,
    side: Side = ">",
    baseline: Baseline = "drop",
    baseline_seconds: float | None = None,
    on_bad: OnBad = "raise",
) -> list[Recording]:
    """Read DREAMER: 18 trials of 65 to 393 s per subject, 14 electrodes of an Emotiv EPOC, 128 Hz, µV.

    The signals are raw, with an offset of about 4200 µV: without a band-pass before the windows, the onset of a
    window's own filters is most of its differential entropy.

    Parameters
    ----------
    folder : holds DREAMER.mat
    subjects : which, as "07", "7" or 7; default all that are in the file
    label : "valence", "arousal" or "dominance", rated from 1 to 5
    threshold, side : class 1 is rating `side` threshold
    baseline : the 61 s before each clip: "drop" them, "keep" them at the signal's start, or put them "apart" into
        `info["baseline"]`, float32 (14, n)
    baseline_seconds : how many s to keep of the end of that baseline, next to the clip; default all that the file has
    on_bad : what to do with a trial in which a channel is constant or not finite: "raise", "drop" or "keep"

    Returns
    -------
    Recordings in the order of the file; subject "01" … "23", session "1", trial "01" … "18", which is also the clip;
    classes ("low valence", "high valence"). `info`: file, ratings (all three), rule, stimulus, baseline_seconds, and
    age and sex where the file has them.

    Raises
    ------
    FileNotFoundError : no such file.
    ValueError : unknown subject or option; a damaged file or one of another layout, rate or electrodes; a rating
        outside 1 to 5. The message names the file.

    Notes
    -----
    Katsigiannis & Ramzan, DREAMER: A database for emotion recognition through EEG and ECG signals from wireless
    low-cost off-the-shelf devices, IEEE J. Biomedical and Health Informatics 2018;22(1):98-107.
    """
    groups = iter_dreamer(
        folder, subjects=subjects, label=label, threshold=threshold, side=side, baseline=baseline,
        baseline_seconds=baseline_seconds, on_bad=on_bad,
    )  # fmt: skip
    return [recording for group in groups for recording in group]


def iter_dreamer(
    folder: Path | str,
    *,
    subjects: Subjects = None,
    label: str = "valence",
    threshold: float = 3.0,
    side: Side = ">",
    baseline: Baseline = "drop",
    baseline_seconds: float | None = None,
    on_bad: OnBad = "raise",
) -> Iterator[list[Recording]]:
    """`read_dreamer` one subject at a time, in the order of the file, which is read as a stream."""
    split = _rule(label, threshold, side, on_bad)
    rest = _rest(baseline, baseline_seconds)
    found = find_dreamer(folder)
    names = set(found.choose(subjects))
    path = next(iter(found.files.values()))[0]
    _check_facts(path)
    return _subjects(path, names, split, rest, on_bad)


def dreamer_source(
    path: Path | str | None,
    *,
    subjects: Wanted = None,
    label: str = "valence",
    threshold: float = 3.0,
    side: Side = ">",
    baseline: Baseline = "drop",
    baseline_seconds: float | None = None,
    on_bad: OnBad = "raise",
) -> Source:
    """`read_dreamer` from its one file, which is read as a stream; `subjects` may be how many of the first."""
    _rule(label, threshold, side, on_bad)
    _rest(baseline, baseline_seconds)
    found = find_dreamer(set_folder("dreamer", path))
    names = None if subjects is None else wanted_names(found, subjects)
    read = partial(
        read_dreamer_file, subjects=names, label=label, threshold=threshold, side=side, baseline=baseline,
        baseline_seconds=baseline_seconds, on_bad=on_bad,
    )  # fmt: skip
    count = len(found.files if names is None else names)
    return Source("dreamer", next(iter(found.files.values())), read, parts=1, subjects=count)


def read_dreamer_file(
    path: Path,
    *,
    subjects: Sequence[str] | None,
    label: str,
    threshold: float,
    side: Side,
    baseline: Baseline,
    baseline_seconds: float | None,
    on_bad: OnBad,
) -> Iterator[Recording]:
    """The trials of DREAMER.mat, one subject in memory at a time; `subjects` by their full names, None: all."""
    split = _rule(label, threshold, side, on_bad)
    rest = _rest(baseline, baseline_seconds)
    _check_facts(path)
    names = {f"{n:02d}" for n in range(1, cell_count(path, "DREAMER", "Data") + 1)} if subjects is None else {*subjects}
    for group in _subjects(path, names, split, rest, on_bad):
        yield from group


def find_dreamer(folder: Path | str) -> Found:
    """DREAMER.mat, or the one in a folder, and the subjects it holds.

    Raises
    ------
    FileNotFoundError : no such file.
    ValueError : the file is damaged or another.
    """
    root = Path(folder)
    root = root.parent if root.is_file() and root.name.lower() == "dreamer.mat" else root
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


@dataclass(frozen=True)
class _Rest:
    """What becomes of a trial's baseline: all of it, or its last `samples`."""

    place: Baseline
    samples: int | None


def _rest(baseline: Baseline, seconds: float | None) -> _Rest:
    check_option("baseline", baseline, _BASELINES)
    if seconds is None:
        return _Rest(baseline, None)
    if baseline == "drop":
        raise ValueError(
            f"baseline_seconds={seconds} of a baseline that is dropped; read with baseline='keep' or 'apart'"
        )
    if not isinstance(seconds, int | float) or not 0.5 / RATE < seconds < math.inf:
        raise ValueError(f"baseline_seconds is {seconds!r}; it must be a number of seconds, more than 0")
    return _Rest(baseline, round(seconds * RATE))


def _rule(label: str, threshold: float, side: str, on_bad: str) -> Rule:
    check_on_bad(on_bad)
    return rule(label, threshold, side, known=RATINGS, lowest=1, highest=5, what="DREAMER")


def _subjects(path: Path, names: set[str], split: Rule, rest: _Rest, on_bad: OnBad) -> Iterator[list[Recording]]:
    for number, cell in enumerate(read_cells(path, "DREAMER", "Data"), start=1):
        name = f"{number:02d}"
        if name not in names:
            continue
        yield recordings(
            _trials(cell, path, name, split, rest),
            path=path, subject=name, channels=CHANNELS, rate=RATE, classes=split.classes, on_bad=on_bad,
        )  # fmt: skip


def _trials(cell: Any, path: Path, name: str, split: Rule, rest: _Rest) -> Iterator[Trial]:
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
        info: dict[str, object] = {"ratings": values, "rule": str(split), "stimulus": trial, **facts}
        label = split.apply(_whole(values[split.label], f"{where}: trial {trial}"), f"{where}: trial {trial}")
        yield _with_rest(Trial(trial, _transposed(stimuli[t]), label, info=info), baselines[t], rest, where)


def _with_rest(trial: Trial, baseline: Any, rest: _Rest, where: str) -> Trial:
    """The trial with its baseline (time × channels) where it is wanted."""
    info = {**trial.info, "baseline_seconds": 0.0}
    if rest.place == "drop":
        return replace(trial, info=info)
    before = signal(_transposed(baseline), CHANNELS, f"{where}: baseline {trial.name}")
    if rest.samples is not None:
        if before.shape[1] < rest.samples:
            raise ValueError(
                f"{where}: baseline {trial.name} lasts {before.shape[1] / RATE:g} s, shorter than "
                f"baseline_seconds={rest.samples / RATE:g}; keep less"
            )
        before = np.ascontiguousarray(before[:, -rest.samples :])
    if rest.place == "apart":
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
