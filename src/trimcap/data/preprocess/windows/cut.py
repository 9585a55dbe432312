"""Recordings become windows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from trimcap._errors import unknown
from trimcap.data.hearsay import Hearsay
from trimcap.data.marked import OnMarked, check_on_marked, marks_of, touched
from trimcap.data.places import place_of
from trimcap.data.recording import Recording
from trimcap.data.windows import Windows

OnBad = Literal["raise", "drop"]


def cut(
    recordings: Iterable[Recording],
    *,
    seconds: float,
    step: float | None = None,
    on_bad: OnBad = "raise",
    marked: OnMarked = "drop",
) -> Windows:
    """Cut every recording into windows that start at 0, `step`, 2·`step`, … seconds.

    A rest at the end that is shorter than a window is left out.

    Parameters
    ----------
    recordings : continuous EEG in µV; rate, channels and classes must agree
    seconds : length of a window, s; rounded to whole samples
    step : distance between two starts, s; default `seconds`, so that windows do not overlap
    on_bad : what to do with a window in which a channel is constant or not finite:
        "raise" an error, or "drop" the window and count it in `steps`
    marked : what to do with a window that touches a stretch which the recording's annotations mark as bad (`BAD_…`) or
        as interrupted: "drop" it and count it in `steps`, as MNE does, or "keep" it

    Returns
    -------
    Windows with X of shape (n, n_channels, n_times), float32, µV; rows in the order of `recordings`, then
    in time. Their metadata have the columns of `trimcap.data.places`, and stimulus if a recording's `info` names one.

    Raises
    ------
    ValueError : no recordings; recordings disagree or have the same name; a window longer than a recording;
        a bad channel (`on_bad="raise"`); nothing left (`on_bad="drop"`). Names the recording.
    """
    recordings = list(recordings)
    if on_bad not in ("raise", "drop"):
        raise ValueError(unknown("on_bad", on_bad, ["raise", "drop"]))
    check_on_marked(marked)
    _check_agreement(recordings)
    rate = recordings[0].rate
    n_times = _samples(seconds, rate, "seconds")
    stride = n_times if step is None else _samples(step, rate, "step")
    counts = [_count(r, n_times, stride) for r in recordings]

    X = np.empty((sum(counts), len(recordings[0].channels), n_times), dtype=np.float32)
    keep = np.ones(len(X), dtype=bool)
    usable = keep.copy()
    first = 0
    for recording, n in zip(recordings, counts, strict=True):
        rows = slice(first, first + n)
        views = sliding_window_view(recording.signal, n_times, axis=1)[:, ::stride]
        X[rows] = views.transpose(1, 0, 2)
        if marked == "drop":
            usable[rows] = ~touched(marks_of(recording), np.arange(n) * stride / rate, n_times / rate)
        keep[rows] = _good(X[rows], recording, stride, n_times, on_bad, usable[rows])
        first += n
    windows = Windows(
        X=X,
        y=np.repeat(np.asarray([r.label for r in recordings], dtype=np.int64), counts),
        metadata=_metadata(recordings, counts, stride / rate),
        channels=recordings[0].channels,
        rate=rate,
        classes=recordings[0].classes,
        duration=n_times / rate,
        unit=recordings[0].unit,
        steps=(
            _describe(n_times / rate, stride / rate, int((usable & ~keep).sum()), int((~usable).sum())),
            *Hearsay.joined(Hearsay.of(r) for r in recordings).words(),
        ),
    )
    keep &= usable
    if not keep.any():
        raise ValueError(
            f"all {len(keep)} windows have a constant or non-finite channel or touch a stretch marked bad; check the "
            "recordings (marked='keep' keeps the latter)"
        )
    return windows if keep.all() else windows.take(keep)


def _samples(seconds: float, rate: float, option: str) -> int:
    n = round(seconds * rate) if np.isfinite(seconds) else 0
    if n < 1:
        raise ValueError(f"{option}={seconds} is less than one sample at {rate:g} Hz; it must be positive")
    return n


def _check_agreement(recordings: Sequence[Recording]) -> None:
    if not recordings:
        raise ValueError("no recordings to cut; check the folder and the chosen subjects")
    for what in ("rate", "channels", "classes", "unit"):
        values = [getattr(r, what) for r in recordings]
        usual, votes = Counter(values).most_common(1)[0]
        for recording, value in zip(recordings, values, strict=True):
            if value != usual:
                raise ValueError(
                    f"recording {recording.name} has {what} {value}, but {votes} of {len(values)} recordings "
                    f"have {usual}; resample, pick the same channels, or leave this recording out"
                )
    name, times = Counter(r.name for r in recordings).most_common(1)[0]
    if times > 1:
        raise ValueError(f"{times} recordings are named {name}; subject/session/trial must be unique")
    _check_names(recordings)


def _check_names(recordings: Sequence[Recording]) -> None:
    for r in recordings:
        if any(mark in part for part in (r.subject, r.session, r.trial) for mark in "/@"):
            raise ValueError(f"recording {r.name}: subject, session and trial must not contain '/' or '@'")


def _count(recording: Recording, n_times: int, stride: int) -> int:
    length = int(recording.signal.shape[1])
    if length < n_times:
        raise ValueError(
            f"recording {recording.name} lasts {recording.duration:g} s, shorter than one window of "
            f"{n_times / recording.rate:g} s; choose shorter windows or leave this recording out"
        )
    return int((length - n_times) // stride + 1)


def _good(
    X: NDArray[np.float32],
    recording: Recording,
    stride: int,
    n_times: int,
    on_bad: OnBad,
    usable: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Which windows have no constant and no non-finite channel; X is (n, n_channels, n_times). Others go anyway."""
    low, high = X.min(axis=2), X.max(axis=2)
    finite = np.isfinite(low) & np.isfinite(high)
    bad = np.asarray((~finite | (low == high)) & usable[:, None], dtype=bool)
    if on_bad == "raise" and bad.any():
        row, channel = np.argwhere(bad)[0]
        start = row * stride / recording.rate
        raise ValueError(
            f"recording {recording.name}: channel {recording.channels[channel]} "
            f"{'is constant' if finite[row, channel] else 'has NaN or infinite values'} in the window "
            f"{start:g}–{start + n_times / recording.rate:g} s ({int(bad.any(axis=1).sum())} of {len(X)} "
            "windows of this recording are affected); repair or leave out the channel or recording, or set "
            "on_bad='drop'"
        )
    return np.asarray(~bad.any(axis=1))


def _metadata(recordings: Sequence[Recording], counts: Sequence[int], step: float) -> pd.DataFrame:
    def column(part: str) -> NDArray[np.object_]:
        return np.repeat(np.asarray([getattr(r, part) for r in recordings], dtype=object), counts)

    starts = np.concatenate([np.arange(n) * step for n in counts])
    names = {part: column(part) for part in ("subject", "session", "trial")}
    shown = {"stimulus": column("stimulus")} if any(r.stimulus for r in recordings) else {}
    places = [place_of(r) for r in recordings]
    where = {
        "recording": np.repeat(np.asarray([name for name, _ in places], dtype=object), counts),
        "onset": starts + np.repeat([onset for _, onset in places], counts),
    }
    return pd.DataFrame({**names, "start": starts, **shown, **where})


def _describe(length: float, step: float, dropped: int, marked: int) -> str:
    text = f"cut into {length:g}-s windows every {step:g} s"
    text += f"; {marked} windows in stretches marked bad dropped" if marked else ""
    return text + (f"; {dropped} windows with a constant or non-finite channel dropped" if dropped else "")
