"""Files that hold the same recording under several names, subjects or rates."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trimcap.data.copies.shifted import shifted_pairs
from trimcap.data.files.raws import samples
from trimcap.data.places import Places, content_id
from trimcap.data.recording import Recording

if TYPE_CHECKING:
    import mne

#: Hz and s of what is compared of every file, how many electrodes, and the windows it is cut into, s
_RATE, _SECONDS, _ELECTRODES, _WINDOW = 64.0, 60.0, 16, 4.0
_STRETCHES = 8


@dataclass(frozen=True, eq=False)
class Sketch:
    """What tells whether two files hold the same recording.

    Parameters
    ----------
    content : of `_file_id`
    channels : the first electrodes by name
    signal : of these, the first minute at 64 Hz, float32 (n_channels, n_times), in the unit of the file
    """

    content: str
    channels: tuple[str, ...]
    signal: NDArray[np.float32]


def sketch(raw: mne.io.BaseRaw, file: Path, channels: Sequence[str]) -> Sketch:
    """A sketch of a file; reads a minute of it, and eight seconds."""
    names = tuple(sorted(channels)[:_ELECTRODES])
    rate = float(raw.info["sfreq"])
    values = samples(raw, file, [raw.ch_names.index(n) for n in names], 0, min(raw.n_times, round(_SECONDS * rate)))
    rows = [raw.ch_names.index(name) for name in channels]
    return Sketch(_file_id(raw, file, rows), names, _signal(values, rate))


def _file_id(raw: mne.io.BaseRaw, path: Path, rows: list[int]) -> str:
    """`content_id` of eight stretches of a file, one second each: its name and its header may lie."""
    second = max(1, min(round(float(raw.info["sfreq"])), raw.n_times))
    firsts = np.linspace(0, raw.n_times - second, _STRETCHES).round().astype(int).tolist()
    parts = [samples(raw, path, rows, first, first + second) for first in firsts]
    return content_id(np.concatenate(parts, axis=1), raw.n_times, path.name)


def sketch_of(recording: Recording, *, whole: bool) -> Sketch:
    """A sketch of a recording that was read; with `whole` also of what tells copies that are not to the bit."""
    order = sorted(range(len(recording.channels)), key=lambda row: recording.channels[row])[:_ELECTRODES]
    names = tuple(recording.channels[row] for row in order) if whole else ()
    values = recording.signal[order, : round(_SECONDS * recording.rate)] if whole else recording.signal[:0, :0]
    content = hashlib.sha256(np.ascontiguousarray(recording.signal).data).hexdigest()
    return Sketch(content, names, _signal(values, recording.rate))


def _signal(values: NDArray[Any], rate: float) -> NDArray[np.float32]:
    """Rows at 64 Hz."""
    width = max(1, int(rate // _RATE))
    n = values.shape[1] // width
    means = values[:, : n * width].reshape(len(values), n, width).mean(axis=2)
    old, new = (np.arange(n) + 0.5) * width / rate, np.arange(int(values.shape[1] / rate * _RATE)) / _RATE
    signal = np.stack([np.interp(new, old, row) for row in means]) if n else np.empty((len(values), 0))
    return signal.astype(np.float32)


def told(files: Sequence[str], subjects: Sequence[str], sketches: Sequence[Sketch]) -> list[str]:
    """Recordings that are there twice, in words; `files` are what to call them."""
    notes = []
    for a, b, exact in same_recordings(sketches):
        how = "to the bit" if exact else "but for its start, scale, reference or rate"
        whose = f"subjects {subjects[a]} and {subjects[b]}: " if subjects[a] != subjects[b] else ""
        notes.append(
            f"the same recording twice, {how}: {files[a]} and {files[b]}; {whose}leave one of them out, or the "
            "audit fails a split that has them on two sides"
        )
    return notes


def same_recordings(sketches: Sequence[Sketch]) -> list[tuple[int, int, bool]]:
    """Pairs of files that hold the same recording, each with the first of its kind; and whether to the bit.

    Those that begin within half a minute of each other are found, of another scale, reference or rate too.
    """
    first: dict[str, int] = {}
    found = {(first.setdefault(one.content, i), i): True for i, one in enumerate(sketches)}
    found = {pair: exact for pair, exact in found.items() if pair[0] != pair[1]}
    for names in dict.fromkeys(one.channels for one in sketches if one.channels):
        own = [i for i, one in enumerate(sketches) if one.channels == names and first[one.content] == i]
        for a, b in _alike([sketches[i].signal for i in own]):
            found.setdefault((own[a], own[b]), False)
    return [(a, b, exact) for (a, b), exact in sorted(found.items())]


def _alike(signals: Sequence[NDArray[np.float32]]) -> list[tuple[int, int]]:
    length = int(_WINDOW * _RATE)
    counts = [signal.shape[1] // length for signal in signals]
    if sum(counts) < 2:
        return []
    X = np.concatenate([
        signal[:, : n * length].reshape(len(signal), n, length).transpose(1, 0, 2)
        for signal, n in zip(signals, counts, strict=True)
    ])  # fmt: skip
    whose = np.repeat(np.arange(len(signals)), counts)
    start = np.concatenate([np.arange(n) * _WINDOW for n in counts])
    pairs = whose[shifted_pairs(X, _RATE, Places(whose, start, _WINDOW))]
    each, times = np.unique(np.sort(pairs, axis=1), axis=0, return_counts=True)
    return [(a, b) for (a, b), n in zip(each.tolist(), times.tolist(), strict=True) if a != b and n > 1]
