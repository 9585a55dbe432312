"""Split folders of torcheeg 1.1: CSV tables of windows, one for training and one for test per fold."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

_SESSIONS = ("session_id", "date")
_STIMULI = ("stimulus_id", "stimulus", "video_id", "movie_id", "exp_id")
_NAMES = ("subject_id", "trial_id", "clip_id", *_SESSIONS, *_STIMULI)


@dataclass(frozen=True, eq=False)
class Tables:
    """One fold of a folder; `length` of the windows in the unit of `start` (samples), None if unknown or not one."""

    name: str
    train: pd.DataFrame
    test: pd.DataFrame
    length: float | None
    unit: str


def read_tables(folder: Path, *, stimulus: str | None = None) -> list[Tables]:
    """Every pair of tables in a split folder, in the order of folds.

    `KFold`, `KFoldGroupbyTrial`, `KFoldCrossTrial` and `KFoldCrossSubject` write train_fold_0.csv and test_fold_0.csv;
    `LeaveOneSubjectOut` train_subject_s01.csv; the classes per subject train_subject_s01_fold_0.csv, whose unit can
    only be the trial; `train_test_split…` train.csv. `start_at` and `end_at` count samples.

    Parameters
    ----------
    stimulus : column that names the stimulus; default one of stimulus_id, video_id, movie_id, exp_id if there is one

    Raises
    ------
    ValueError : no pairs; a table that can't be read or lacks its columns.
    """
    tests = sorted((p for p in folder.glob("test*.csv") if _partner(p).is_file()), key=lambda p: _natural(p.stem))
    if not tests:
        found = ", ".join(sorted(p.name for p in folder.iterdir())[:5]) or "nothing"
        raise ValueError(f"{folder} holds no pairs train….csv / test….csv of torcheeg (found: {found})")
    made = []
    for path in tests:
        name = path.stem.removeprefix("test").removeprefix("_") or "split"
        train, test = _table(_partner(path), stimulus), _table(path, stimulus)
        unit = "trial" if re.fullmatch(r"subject_.*_fold_\d+", name) else ""
        made.append(Tables(name, train, test, _length(train, test), unit))
    return made


def _partner(test: Path) -> Path:
    return test.with_name(test.name.replace("test", "train", 1))


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.findall(r"\d+|\D+", name)]


def _table(path: Path, stimulus: str | None) -> pd.DataFrame:
    """Columns of torcheeg as ours; names are text, so that subject 01 stays 01 in every table."""
    text = dict.fromkeys((*_NAMES, *([stimulus] if stimulus else [])), str)
    try:
        raw = pd.read_csv(path, dtype=text, keep_default_na=False, low_memory=False)
    except (ValueError, OSError) as error:
        raise ValueError(f"{path} can't be read as a table ({error})") from error
    missing = [c for c in ("subject_id", "trial_id", *([stimulus] if stimulus else [])) if c not in raw]
    if missing:
        raise ValueError(f"{path} lacks the column {missing[0]}; it has {', '.join(map(str, raw.columns))}")
    if not len(raw):
        raise ValueError(f"{path} has no rows")
    session = next((raw[c] for c in _SESSIONS if c in raw), pd.Series("0", index=raw.index))
    table = pd.DataFrame({"subject": raw.subject_id, "session": session, "trial": raw.trial_id})
    for ours, theirs in (("start", "start_at"), ("stop", "end_at")):
        table[ours] = _samples(raw[theirs], path, theirs) if theirs in raw else float("nan")
    if "clip_id" in raw:
        table["window"] = raw.clip_id
    shown = stimulus or next((c for c in _STIMULI if c in raw), None)
    return table if shown is None else table.assign(stimulus=raw[shown])


def _samples(values: pd.Series[Any], path: Path, name: str) -> pd.Series[Any]:
    try:
        return values.astype(float)
    except ValueError as error:
        raise ValueError(f"{path}: the column {name} must hold sample numbers ({error})") from error


def _length(*sides: pd.DataFrame) -> float | None:
    """The length that all windows share."""
    lengths = pd.concat([side.stop - side.start for side in sides]).unique()
    return float(lengths[0]) if len(lengths) == 1 and lengths[0] == lengths[0] else None
