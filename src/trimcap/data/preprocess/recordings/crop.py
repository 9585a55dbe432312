"""Cut a stretch out of a recording."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from trimcap.data.marked import moved
from trimcap.data.places import place_of
from trimcap.data.preprocess.effects import Effect
from trimcap.data.preprocess.online import Block, Online
from trimcap.data.preprocess.step import SignalStep
from trimcap.data.recording import Recording


def crop(recording: Recording, start: float | None = None, stop: float | None = None) -> Recording:
    """The stretch from `start` to `stop`, in samples ⌊start · rate⌉ up to, not including, ⌊stop · rate⌉.

    Parameters
    ----------
    recording : what to cut
    start, stop : s from the beginning; negative: from the end; None: the beginning, the end

    Returns
    -------
    Recording whose time starts at zero again; `info["crop"]` holds (start, stop) in s of the original.

    Raises
    ------
    ValueError : the stretch is empty or reaches outside the recording; names the recording and its length.

    Examples
    --------
    `crop(rest, -60)` is the last minute, `crop(task, 0, 60)` the first.
    """
    n_times = recording.signal.shape[1]
    first = 0 if start is None else _sample(start, recording)
    last = n_times if stop is None else _sample(stop, recording)
    if not 0 <= first < last <= n_times:
        raise ValueError(
            f"recording {recording.name} lasts {recording.duration:g} s; the stretch from {start} s to "
            f"{stop} s is empty or reaches outside. Choose a shorter stretch or leave this recording out"
        )
    name, onset = place_of(recording)
    stretch = (first / recording.rate, last / recording.rate)
    place = (name, onset + stretch[0])
    info = {**moved(recording.info, stretch[0]), "crop": stretch}
    return replace(recording, signal=np.ascontiguousarray(recording.signal[:, first:last]), info=info, place=place)


@dataclass(frozen=True, kw_only=True, eq=False)
class KeepFirst(SignalStep):
    """The first `seconds` of a recording; all of one that is not longer."""

    name = "keep_first"
    effect = Effect(numbers=False)

    seconds: float

    def check(self) -> None:
        if not self.seconds > 0:
            raise ValueError(f"keep_first: seconds is {self.seconds}; it must be positive")

    @property
    def words(self) -> str:
        return f"the first {self.seconds:g} s of every recording, all of shorter ones"

    def apply(self, given: Recording, /) -> Recording:
        return crop(given, 0.0, self.seconds) if given.duration > self.seconds else given

    def online(self, rate: float, channels: tuple[str, ...], /) -> Online:
        """Samples after the stretch are taken and forgotten."""
        left = round(self.seconds * rate)
        if not left:
            raise ValueError(f"keep_first: {self.seconds:g} s are less than one sample at {rate:g} Hz; keep more")

        def push(block: Block) -> Block:
            nonlocal left
            kept = np.asarray(block[:, :left], dtype=np.float32)
            left -= kept.shape[1]
            return kept

        return Online(push, rate, channels)


def _sample(second: float, recording: Recording) -> int:
    sample = round(second * recording.rate)
    return sample + recording.signal.shape[1] if second < 0 else sample
