"""What a recording is and where in it a trial lies, whatever it is called: two columns of the windows' metadata.

`recording` names what was recorded, by content; `onset` is the start of a window in it, s. Windows of one recording
whose onsets are closer than a window share samples, also where they are of several trials.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimcap.data.recording import Recording
from trimcap.data.windows import Windows


def identified(recording: Recording) -> Recording:
    """The recording with its place, which goes along when its content changes."""
    return recording if recording.place is not None else replace(recording, place=place_of(recording))


def place_of(recording: Recording) -> tuple[str, float]:
    """Name of what was recorded and s of the first sample in it: by content, from 0, unless the reader said it."""
    return recording.place or (content_id(recording.signal, recording.rate, recording.name), 0.0)


def content_id(signal: NDArray[Any], rate: float, name: str) -> str:
    """A name by the content, "r" and 16 hexadecimal digits; what holds nothing is told by `name`."""
    values = np.ascontiguousarray(signal)
    digest = hashlib.blake2b(f"{values.shape} {rate:g}".encode(), digest_size=8)
    digest.update(values.reshape(-1).view(np.uint8).data)
    if not values.size or not np.nanmax(np.ptp(values, axis=-1), initial=0.0) > 0:
        digest.update(name.encode())
    return f"r{digest.hexdigest()}"  # never a number, so that a table does not take it for one


def together(recordings: Sequence[Recording]) -> str:
    """`content_id` of several stretches of one file."""
    ids = "".join(content_id(r.signal, r.rate, r.name) for r in recordings)
    return f"r{hashlib.blake2b(ids.encode(), digest_size=8).hexdigest()}"


@dataclass(frozen=True, eq=False)
class Places:
    """Where windows lie, so that what they share by name is not called a copy.

    Parameters
    ----------
    group : number of the recording or trial, shape (n,)
    start : s in it, shape (n,)
    duration : of a window, s
    """

    group: NDArray[np.int64]
    start: NDArray[np.float64]
    duration: float

    def overlap(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which windows of two lists share samples by their names."""
        near = np.abs(self.start[a] - self.start[b]) < self.duration * (1 - 1e-9)
        return np.asarray((self.group[a] == self.group[b]) & near)


_places: WeakKeyDictionary[Windows, Places] = WeakKeyDictionary()


def places_of(windows: Windows) -> Places:
    """Where windows lie: in their subject's recording where that is known, else in their trial."""
    if windows not in _places:
        _places[windows] = spans(windows.metadata, windows.duration, apart=True)
    return _places[windows]


def spans(table: pd.DataFrame, duration: float, *, apart: bool = False) -> Places:
    """`places_of`, from the metadata alone; with `apart` a recording of two subjects counts as two."""
    columns = [table[name].astype(str).to_numpy(dtype=object) for name in ("subject", "session", "trial")]
    names = columns[0] + "/" + columns[1] + "/" + columns[2]
    start = table.start.to_numpy(dtype=np.float64)
    if "recording" in table and "onset" in table:
        onset = table.onset.to_numpy(dtype=np.float64)
        recording = table.recording.fillna("").astype(str).to_numpy(dtype=object)
        known = (recording != "") & np.isfinite(onset)
        names, start = (
            np.where(known, (columns[0] + " " if apart else "") + "recording " + recording, names),
            np.where(known, onset, start),
        )
    return Places(np.unique(names.astype(str), return_inverse=True)[1].astype(np.int64), start, duration)


def sharing(places: Places, these: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of `others` have samples in common with one of `these`; rows of what `places` lists."""
    if not len(these) or not len(others):
        return np.zeros(len(others), dtype=bool)
    finite = np.where(np.isfinite(places.start), places.start, 0.0)
    line = places.group * (np.ptp(finite) + 3 * places.duration + 1) + finite - finite.min()
    known = np.sort(line[these])
    at = np.searchsorted(known, line[others])
    left = np.abs(known[np.maximum(at - 1, 0)] - line[others])
    right = np.abs(known[np.minimum(at, len(known) - 1)] - line[others])
    return np.asarray(np.minimum(left, right) < places.duration * (1 - 1e-6))
