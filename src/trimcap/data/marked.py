"""Stretches of a recording that somebody marked as bad, and the windows that touch them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trimcap._errors import unknown
from trimcap.data.recording import Recording

#: what to do with windows that touch a stretch marked bad
OnMarked = Literal["drop", "keep"]
#: first second, the one after the last, and how it is marked; a place where the recording was interrupted has no length
Stretch = tuple[float, float, str]
#: where they stand in `Recording.info`
KEY = "marked_bad"
# descriptions of stretches that must not be used, and of places where the recording was interrupted (MNE, EEGLAB,
# BrainVision)
_BAD = ("bad", "edge", "boundary", "new segment")


def is_bad_name(name: str) -> bool:
    """Whether a description marks a stretch not to be used, or an interruption.

    As in MNE these begin with "bad", in any case; those of interruptions with edge, boundary or new segment.
    """
    return name.strip().lower().startswith(_BAD)


def between(marks: Iterable[Stretch], start: float, stop: float) -> tuple[Stretch, ...]:
    """The stretches that a trial from `start` to `stop`, s, shares time with, counted from its start."""
    found = ((a - start, b - start, name) for a, b, name in marks)
    return tuple(mark for mark in found if touched([mark], [0.0], stop - start).any())


def annotated(raw: Any) -> tuple[Stretch, ...]:
    """The stretches that the annotations of an MNE Raw mark as bad, counted from its first sample."""
    notes, shift = raw.annotations, float(raw.first_time)
    rows = zip(notes.onset, notes.duration, notes.description, strict=True)
    found = ((float(onset) - shift, max(float(length), 0.0), str(text).strip()) for onset, length, text in rows)
    return tuple((onset, onset + length, text) for onset, length, text in found if is_bad_name(text))


def marked_in(raw: Any) -> dict[str, tuple[Stretch, ...]]:
    """What `Recording.info` says of the annotations of an MNE Raw: nothing, if none is bad."""
    found = annotated(raw)
    return {KEY: found} if found else {}


def touched(marks: Iterable[Stretch], starts: ArrayLike, duration: float) -> NDArray[np.bool_]:
    """Which windows, from `starts` on and `duration` long, s, share time with a stretch marked bad."""
    first = np.asarray(starts, dtype=np.float64)
    last = first + duration
    hit = np.zeros(first.shape, dtype=bool)
    tiny = 1e-6  # s: a stretch that ends where a window begins does not touch it
    for begin, end, _ in marks:
        hit |= (begin < last - tiny) & (end > first + tiny) if end > begin else (first + tiny < begin) & (begin < last)
    return hit


def marks_of(recording: Recording) -> tuple[Stretch, ...]:
    """The stretches of a recording that its reader found marked bad."""
    found = recording.info.get(KEY, ())
    return found if isinstance(found, tuple) else ()


def moved(info: Mapping[str, object], seconds: float) -> dict[str, object]:
    """The facts about a recording whose first `seconds` were cut off."""
    found = info.get(KEY, ())
    if not isinstance(found, tuple) or not found:
        return dict(info)
    return {**info, KEY: tuple((a - seconds, b - seconds, name) for a, b, name in found)}


def check_on_marked(value: str) -> None:
    """Refuse what is no `OnMarked`."""
    if value not in ("drop", "keep"):
        raise ValueError(unknown("marked", value, ["drop", "keep"]))
