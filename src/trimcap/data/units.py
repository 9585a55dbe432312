"""What a protocol keeps apart: subjects, sessions, trials, stimuli."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimcap._errors import unknown
from trimcap.data.windows import Windows

Groups = NDArray[np.str_]

#: levels at which windows are grouped, and the columns of the metadata that name a group
LEVELS: Mapping[str, tuple[str, ...]] = {
    "subject": ("subject",),
    "session": ("subject", "session"),
    "trial": ("subject", "session", "trial"),
    "stimulus": ("stimulus",),
}

#: what a protocol may keep apart, and the levels no group of which may be on two sides
UNITS: Mapping[str, tuple[str, ...]] = {
    **{level: (level,) for level in LEVELS},
    "subject+stimulus": ("subject", "stimulus"),
}

PLURALS: Mapping[str, str] = {"stimulus": "stimuli", "subject+stimulus": "subjects and stimuli"}


def levels_of(unit: str) -> tuple[str, ...]:
    """The levels of a unit, e.g. subject and stimulus for "subject+stimulus".

    Raises
    ------
    ValueError : unknown unit; names the nearest.
    """
    if unit not in UNITS:
        raise ValueError(unknown("unit", unit, UNITS))
    return UNITS[unit]


def plural(unit: str) -> str:
    """`subjects`, `stimuli`, …"""
    return PLURALS.get(unit, f"{unit}s")


def group_of(window_id: str, level: str, stimuli: Mapping[str, str] | None = None) -> str:
    """The subject, session, trial or stimulus of a window id, e.g. `s1/0` for "session".

    Parameters
    ----------
    window_id : `subject/session/trial@start`
    level : a key of `LEVELS`
    stimuli : trial (`subject/session/trial`) → stimulus, for the level "stimulus"

    >>> group_of("s1/0/rest@4.0000", "session")
    's1/0'
    """
    trial = window_id.rpartition("@")[0]
    parts = trial.split("/")
    if len(parts) != 3:
        raise ValueError(f"window id {window_id!r} is not of the form subject/session/trial@start")
    if level != "stimulus":
        return "/".join(parts[: len(LEVELS[level])])
    found = (stimuli or {}).get(trial)
    if found is None:
        raise ValueError(f"the stimulus of trial {trial} is unknown, so it can't be said what shares it")
    return found


def keys_of(table: pd.DataFrame, columns: Sequence[str]) -> Groups:
    """Columns of metadata as text, joined by "/": one key per row."""
    parts = [table[name].astype(str).tolist() for name in columns]
    return np.asarray(["/".join(row) for row in zip(*parts, strict=True)], dtype=np.str_)


def keys(windows: Windows, *columns: str) -> Groups:
    """`keys_of` the windows' metadata."""
    return keys_of(windows.metadata, columns)


def column(windows: Windows, name: str) -> Groups:
    """A column of the metadata as text."""
    return keys_of(windows.metadata, [name])
