"""What a recording is and where in it a trial lies, whatever it is called: two columns of the windows' metadata.

`recording` names what was recorded, by content; `onset` is the start of a window in it, s. Windows of one recording
whose onsets are closer than a window share samples, also where they are of several trials.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trimcap.data.copies.shifted import Places
from trimcap.data.recording import Recording

if TYPE_CHECKING:
    import mne

_STRETCHES = 8


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


def file_id(raw: mne.io.BaseRaw, path: Path, rows: list[int]) -> str:
    """`content_id` of eight stretches of a file, one second each: its name and its header may lie."""
    from trimcap.data.files.raws import samples

    second = max(1, min(round(float(raw.info["sfreq"])), raw.n_times))
    firsts = np.linspace(0, raw.n_times - second, _STRETCHES).round().astype(int).tolist()
    parts = [samples(raw, path, rows, first, first + second) for first in firsts]
    return content_id(np.concatenate(parts, axis=1), raw.n_times, path.name)


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
