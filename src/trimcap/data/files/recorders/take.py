"""What a headset's program recorded, and MNE's object of it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trimcap._errors import counted
from trimcap.data.files.recorders.timeline import Grid, only

if TYPE_CHECKING:
    import mne


@dataclass(frozen=True, eq=False)
class Take:
    """Samples as they are in the file, and where they belong.

    Parameters
    ----------
    signal : (n_channels, n_rows) µV
    channels : names in the file
    grid : place of each row in time
    marks : (s from the first sample, duration, what)
    dropped : columns or streams that are no EEG
    notes : what the reader had to put right
    """

    signal: NDArray[np.float64]
    channels: tuple[str, ...]
    grid: Grid
    marks: tuple[tuple[float, float, str], ...] = ()
    dropped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def raw_of(take: Take, path: Path) -> mne.io.BaseRaw:
    """An MNE object in volts: gaps are bridged by straight lines and annotated `BAD lost: …`.

    Raises
    ------
    ValueError : fewer than two samples; two channels of one name.

    Warns
    -----
    UserWarning : lost samples, what was put right, and what of the file is not read.
    """
    import mne

    take = _measured(take)
    if take.signal.shape[1] < 2 or not len(take.signal):
        raise ValueError(f"{path} holds {take.signal.shape[1]} samples, no signal")
    twice = sorted({name for name in take.channels if take.channels.count(name) > 1})
    if twice:
        raise ValueError(f"{path} has two channels {', '.join(twice)}; rename or delete one of them in the file")
    grid = take.grid
    full = np.empty((len(take.signal), grid.n))
    at = np.arange(grid.n)
    for row, values in enumerate(take.signal):
        full[row] = np.interp(at, grid.places, values) if grid.gaps else values
    info = mne.create_info(list(take.channels), grid.rate, "eeg", verbose="error")
    raw = mne.io.RawArray(full * 1e-6, info, verbose="error")
    lost = [(first / grid.rate, count / grid.rate, f"BAD lost: {count} samples") for first, count in grid.gaps]
    inside = [mark for mark in (*take.marks, *lost) if 0 <= mark[0] < grid.n / grid.rate]
    if inside:
        raw.set_annotations(mne.Annotations(*zip(*inside, strict=True)), verbose="error")
    outside = [mark for mark in take.marks if mark not in inside]
    if outside:
        raw.info["temp"] = {"outside": outside}
    for text in (*take.notes, *_said(take, outside)):
        warnings.warn(f"{path}: {text}", stacklevel=4)
    return raw


def _measured(take: Take) -> Take:
    """Without channels that have no number at all, and without rows in which another one has none."""
    there = np.isfinite(take.signal)
    alive = np.asarray(there.any(axis=1))
    empty = tuple(name for name, ok in zip(take.channels, alive, strict=True) if not ok)
    rows = np.asarray(there[alive].all(axis=0))
    if alive.all() and rows.all():
        return take
    channels = tuple(name for name in take.channels if name not in empty)
    grid = take.grid if rows.all() else only(take.grid, rows)
    return replace(
        take, signal=take.signal[alive][:, rows], channels=channels, grid=grid, dropped=(*empty, *take.dropped)
    )


def _said(take: Take, outside: Sequence[tuple[float, float, str]]) -> list[str]:
    notes = []
    if take.grid.gaps:
        lost = sum(count for _, count in take.grid.gaps)
        where = counted(len(take.grid.gaps), "place")
        notes.append(f"{counted(lost, 'sample')} lost, in {where}; trials over them count as bad")
    if outside:
        notes.append(
            f"{counted(len(outside), 'marker')} outside the signal, first {outside[0][2]!r} at {outside[0][0]:g} s"
        )
    if take.dropped:
        some = ", ".join(take.dropped[:6]) + (f" and {len(take.dropped) - 6} more" if len(take.dropped) > 6 else "")
        notes.append(f"not EEG, so not read: {some}")
    return notes
