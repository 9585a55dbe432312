"""Windows of one recording, cut at once or as the samples come, with the baseline before them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from trimcap._errors import unknown
from trimcap.data.marked import OnMarked, check_on_marked
from trimcap.data.places import place_of
from trimcap.data.preprocess.effects import Effect
from trimcap.data.preprocess.online import Block
from trimcap.data.preprocess.step import Step
from trimcap.data.recording import Recording
from trimcap.data.windows import Windows

OnBad = Literal["raise", "drop"]


@dataclass(frozen=True)
class Cutting:
    """Where the windows of a recording lie, in samples.

    Parameters
    ----------
    rate : Hz
    n_times : of a window
    stride : from one start to the next
    first : start of the first window
    chunks : windows that the baseline at the start of the recording consists of; 0: no baseline
    averaged : they are averaged sample by sample to one; else each of them is kept
    """

    rate: float
    n_times: int
    stride: int
    first: int
    chunks: int
    averaged: bool = True

    def starts(self, first: int, n: int) -> NDArray[np.float64]:
        """Seconds from the start of the recording, of `n` windows from number `first` on."""
        return np.asarray((self.first + np.arange(first, first + n) * self.stride) / self.rate)


@dataclass(frozen=True, eq=False)
class Batch:
    """Windows of one recording and what they are compared with: the windows of its baseline, or None."""

    windows: Windows
    baseline: Windows | None


@dataclass(frozen=True, kw_only=True, eq=False)
class CutWindows(Step):
    """Cut a recording into windows.

    Parameters
    ----------
    seconds : length of a window
    step : from one start to the next, s; default `seconds`
    start : of the first window, s from the start of the recording; default: after the baseline
    baseline : length of the baseline at the start of the recording, s; a whole number of windows, for the step
        "subtract_baseline", which says how they are averaged
    on_bad : what to do with a window in which a channel is constant (within 0.001) or not finite, with a
        recording that is too short, and with one whose baseline is bad: "raise" an error, or "drop" and count
        them. An average reference and resampling hide a lost electrode: look at the recordings first, or
        `reject` with `flat`
    marked : what to do with a window that touches a stretch which the recording's annotations mark as bad (`BAD_…`) or
        as interrupted: "drop" and count it, as MNE does, or "keep" it
    """

    name = "windows"
    level = "windows"
    effect = Effect(numbers=False)

    seconds: float
    step: float | None = None
    start: float | None = None
    baseline: float = 0.0
    on_bad: OnBad = "raise"
    marked: OnMarked = "drop"

    def check(self) -> None:  # noqa: D102
        check_on_marked(self.marked)
        if self.on_bad not in ("raise", "drop"):
            raise ValueError(unknown("on_bad", self.on_bad, ["raise", "drop"]))
        for name, value in (("seconds", self.seconds), ("step", self.every)):
            if not value > 0:
                raise ValueError(f"windows: {name} is {value}; it must be positive")
        if not self.baseline >= 0 or not (self.start is None or self.baseline <= self.start):
            raise ValueError(
                f"windows: start={self.start} and baseline={self.baseline} must be 0 ≤ baseline ≤ start, in s"
            )

    @property
    def every(self) -> float:
        """From one start to the next, s."""
        return self.seconds if self.step is None else self.step

    @property
    def words(self) -> str:  # noqa: D102
        text = f"cut into {self.seconds:g}-s windows every {self.every:g} s"
        text += f" from {self.start:g} s on" if self.start else ""
        return text + (f"; the first {self.baseline:g} s are the baseline" if self.baseline else "")

    def cutting(self, rate: float, *, averaged: bool = True) -> Cutting:
        """The options as whole samples at `rate`; `averaged` as of `Cutting`."""
        n_times, stride = round(self.seconds * rate), round(self.every * rate)
        for name, value, samples in (("seconds", self.seconds, n_times), ("step", self.every, stride)):
            if samples < 1:
                raise ValueError(f"windows: {name}={value} is less than one sample at {rate:g} Hz; it must be longer")
        chunks, rest = divmod(round(self.baseline * rate), n_times)
        if self.baseline and (rest or not chunks):
            raise ValueError(
                f"windows: a baseline of {self.baseline:g} s is no whole number of {self.seconds:g}-s windows, so it "
                f"can't be compared with them; take a baseline of {max(chunks, 1) * n_times / rate:g} s"
            )
        first = chunks * n_times if self.start is None else round(self.start * rate)
        return Cutting(rate, n_times, stride, first, chunks, averaged)

    def apply(self, given: Recording, /) -> Windows:  # noqa: D102
        return cut_recording(given, self.cutting(given.rate), [self.words]).windows


def cut_recording(recording: Recording, cutting: Cutting, steps: Sequence[str]) -> Batch:
    """All whole windows of a recording, which may be none."""
    n_times, signal = cutting.n_times, recording.signal
    length = signal.shape[1] - cutting.first
    n = (length - n_times) // cutting.stride + 1 if length >= n_times else 0
    X = np.empty((n, len(recording.channels), n_times), dtype=np.float32)
    if n:
        X[:] = sliding_window_view(signal[:, cutting.first :], n_times, axis=1)[:, :: cutting.stride].transpose(1, 0, 2)
    head = signal[:, : cutting.chunks * n_times]
    baseline = _baseline(head, cutting) if cutting.chunks and head.shape[1] == cutting.chunks * n_times else None
    return make_batch(X, cutting.starts(0, n), baseline, recording, cutting, steps)


def make_batch(
    X: NDArray[np.float32],
    starts: NDArray[np.float64],
    baseline: NDArray[np.float32] | None,
    of: Recording,
    cutting: Cutting,
    steps: Sequence[str],
) -> Batch:
    """Windows and those of the baseline, both (n, n_channels, n_times), with their origin."""
    names = {"subject": of.subject, "session": of.session, "trial": of.trial}
    shown = {"stimulus": of.stimulus} if of.stimulus else {}
    name, onset = place_of(of)
    windows = Windows(
        X=X,
        y=np.full(len(X), of.label, dtype=np.int64),
        metadata=pd.DataFrame(
            {**names, "start": starts, **shown, "recording": name, "onset": onset + starts}, index=range(len(X))
        ),
        channels=of.channels,
        rate=cutting.rate,
        classes=of.classes,
        duration=cutting.n_times / cutting.rate,
        unit=of.unit,
        steps=tuple(steps),
    )
    if baseline is None:
        return Batch(windows, None)
    seconds = np.arange(len(baseline)) * windows.duration
    where = {"recording": name, "onset": onset + seconds}
    rows = pd.DataFrame({**names, "start": seconds, **shown, **where}, index=range(len(baseline)))
    labels = np.full(len(baseline), of.label, dtype=np.int64)
    return Batch(windows, replace(windows, X=baseline, y=labels, metadata=rows))


def assembler(
    n_channels: int, cutting: Cutting
) -> Callable[[Block], tuple[NDArray[np.float32], int, NDArray[np.float32] | None]]:
    """A function that takes samples as they come and gives the windows that they complete.

    Returns
    -------
    function: block (n_channels, n) → windows (k, n_channels, n_times), the number of the first of them in the
    recording, and the windows of the baseline once it is over.
    """
    waiting = np.empty((n_channels, 0), dtype=np.float32)
    origin = made = 0  # index of the first waiting sample; windows given out
    head: Block | None = np.empty((n_channels, 0), dtype=np.float32) if cutting.chunks else None
    baseline: NDArray[np.float32] | None = None

    def take_head(block: Block) -> None:
        nonlocal head, baseline
        if head is None:
            return
        need = cutting.chunks * cutting.n_times
        head = np.concatenate([head, block[:, : need - head.shape[1]]], axis=1)
        if head.shape[1] == need:
            baseline, head = _baseline(head, cutting), None

    def push(block: Block) -> tuple[NDArray[np.float32], int, NDArray[np.float32] | None]:
        nonlocal waiting, origin, made
        take_head(block)
        waiting = np.concatenate([waiting, block], axis=1)
        next_start = cutting.first + made * cutting.stride - origin
        n = max(0, (waiting.shape[1] - next_start - cutting.n_times) // cutting.stride + 1)
        X = np.empty((n, n_channels, cutting.n_times), dtype=np.float32)
        for row in range(n):
            begin = next_start + row * cutting.stride
            X[row] = waiting[:, begin : begin + cutting.n_times]
        number, made = made, made + n
        forget = min(next_start + n * cutting.stride, waiting.shape[1])
        waiting, origin = waiting[:, forget:].copy(), origin + forget
        return X, number, baseline

    return push


def _baseline(head: Block, cutting: Cutting) -> NDArray[np.float32]:
    """The chunks of the baseline, or their average in the time domain, from (n_channels, chunks · n_times)."""
    chunks = np.ascontiguousarray(head).reshape(len(head), cutting.chunks, cutting.n_times)
    if cutting.averaged:
        chunks = chunks.mean(axis=1, keepdims=True, dtype=np.float64)
    return np.ascontiguousarray(chunks.transpose(1, 0, 2), dtype=np.float32)
