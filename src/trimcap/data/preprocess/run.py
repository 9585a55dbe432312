"""A chain at work: recordings in, windows out, one recording after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np

from trimcap._progress import bar
from trimcap.data.hearsay import NOTHING, Hearsay, metadata_of
from trimcap.data.marked import Stretch, marks_of, touched
from trimcap.data.places import identified
from trimcap.data.preprocess.assemble import Batch, Cutting, CutWindows, cut_recording
from trimcap.data.preprocess.effects import unit_after
from trimcap.data.preprocess.step import Step
from trimcap.data.preprocess.windows.artefacts import Reject, count_words, find_unusable, refuse_unusable
from trimcap.data.preprocess.windows.windowwise import SubtractBaseline
from trimcap.data.recording import Recording
from trimcap.data.rows.lazy import Block, pieces
from trimcap.data.windows import Windows


@dataclass(frozen=True, eq=False)
class Part:
    """What came of one recording (or of one subject).

    Parameters
    ----------
    windows : what was kept, or None
    total : windows before any was dropped
    dropped : reason → number
    hearsay : what the reader said of the recording
    """

    windows: Windows | None
    total: int
    dropped: Counter[str]
    hearsay: Hearsay = NOTHING


@dataclass(frozen=True, eq=False)
class Order:
    """The steps of a chain, sorted by what they are given."""

    before: tuple[Step, ...]
    cutting: CutWindows
    rejects: tuple[Reject, ...]
    after: tuple[Step, ...]
    subject: tuple[Step, ...]

    @staticmethod
    def of(steps: Sequence[Step]) -> Order:
        """Check the order of the steps and sort them."""
        cuts = [(at, step) for at, step in enumerate(steps) if isinstance(step, CutWindows)]
        if len(cuts) != 1:
            raise ValueError(
                f"a chain needs the step 'windows' once, between signal and window steps; it has {len(cuts)}"
            )
        at, cutting = cuts[0]
        _check_sides(steps, at)
        _check_baseline(cutting, steps[at + 1 :])
        rejects = tuple(step for step in steps if isinstance(step, Reject))
        late = steps[at + 1 + len(rejects) :]
        subject = next((i for i, step in enumerate(late) if step.level == "subject"), len(late))
        return Order(tuple(steps[:at]), cutting, rejects, tuple(late[:subject]), tuple(late[subject:]))

    @property
    def words(self) -> tuple[str, ...]:
        """What is done up to the rejection, for `Windows.steps`."""
        return tuple(step.words for step in (*self.before, self.cutting, *self.rejects))

    def cut_at(self, rate: float) -> Cutting:
        """Where the windows lie at a sampling rate; whether their baseline is averaged before the steps, or after."""
        late = any(isinstance(step, SubtractBaseline) and step.average == "feature" for step in self.after)
        return self.cutting.cutting(rate, averaged=not late)


def run(order: Order, recordings: Iterable[Recording], *, progress: bool = False) -> Iterator[Part]:
    """The parts of a data set as they are made; nothing of a part is kept."""
    parts = (_one(order, recording) for recording in _watched(recordings, progress))
    first: Windows | None = None
    for part in by_subject(order.subject, parts) if order.subject else parts:
        if part.windows is not None:
            _agree(part.windows, first)
            first = part.windows.take([]) if first is None else first
        yield part


def gather(parts: Iterable[Part]) -> Windows:
    """All parts as one; `steps` counts what was dropped, and says how ratings became classes.

    Raises
    ------
    ValueError : no recordings; nothing left; classes by different rules.
    """
    parts = list(parts)
    windows = [part.windows for part in parts if part.windows is not None]
    tail = summary(parts)
    first = windows[0]
    if len(windows) == 1:
        return replace(first, steps=(*first.steps, *tail))
    return replace(
        first,
        X=np.concatenate([w.X for w in windows]),
        y=np.concatenate([w.y for w in windows]),
        metadata=metadata_of(windows),
        steps=(*first.steps, *tail),
    )


def summary(parts: Sequence[Part]) -> tuple[str, ...]:
    """What the readers said and what was dropped, in words, or nothing; refuses an empty result."""
    if not parts:
        raise ValueError("no recordings for the chain; check the folder and the chosen subjects")
    total = sum(part.total for part in parts)
    dropped = sum((part.dropped for part in parts), Counter[str]())
    if all(part.windows is None for part in parts):
        raise ValueError(f"no window is left: {count_words(dropped, total)}; check the thresholds and the recordings")
    said = Hearsay.joined(part.hearsay for part in parts).words()
    return (*said, count_words(dropped, total)) if dropped else said


def contents(parts: Iterable[Part], counted: list[Part]) -> Iterator[Block]:
    """X of all parts, to be written; the parts go into `counted` without it."""
    for part in parts:
        if part.windows is not None:
            yield from pieces(part.windows.X)
            part = replace(part, windows=replace(part.windows, X=np.empty((len(part.windows), 0), np.float32)))
        counted.append(part)


def facts_of(windows: Windows, tail: tuple[str, ...]) -> dict[str, Any]:
    """What a file says of windows beside their rows, as JSON; `tail` is their `summary`."""
    return {
        "channels": list(windows.channels),
        "rate": windows.rate,
        "classes": list(windows.classes),
        "duration": windows.duration,
        "unit": windows.unit,
        "steps": [*windows.steps, *tail],
    }


def through(steps: Sequence[Step], windows: Windows, reference: Windows | None = None) -> Windows:
    """Windows through steps on windows; `reference` is what `reference_of` gives, for "subtract_baseline"."""
    for step in steps:
        windows = step.apply(windows, reference) if isinstance(step, SubtractBaseline) else _applied(step, windows)
    return windows


def reference_of(steps: Sequence[Step], baseline: Windows | None) -> Windows | None:
    """The windows of a baseline through the steps before "subtract_baseline"."""
    at = next((i for i, step in enumerate(steps) if isinstance(step, SubtractBaseline)), 0)
    return None if baseline is None else through(steps[:at], baseline)


def unmarked(order: Order, batch: Batch, marks: tuple[Stretch, ...]) -> tuple[Batch, Counter[str]]:
    """The windows that touch no stretch marked bad, and the number of those that do."""
    if not marks or order.cutting.marked == "keep":
        return batch, Counter()
    windows, baseline = batch.windows, batch.baseline
    hit = touched(marks, windows.metadata["start"], windows.duration)
    if baseline is not None:
        hit |= touched(marks, [0.0], order.cutting.baseline).any()
    return Batch(windows.take(~hit), baseline), Counter({"marked bad": int(hit.sum())} if hit.any() else {})


def usable(order: Order, batch: Batch) -> tuple[Batch, Counter[str]]:
    """Rejection, then what "on_bad" says; the number of windows that went for each reason."""
    dropped: Counter[str] = Counter()
    windows = batch.windows
    for step in order.rejects:
        keep, reasons = step.find(windows)
        windows, dropped = windows.take(keep), dropped + reasons
    keep, reasons = find_unusable(windows)
    if order.cutting.on_bad == "raise":
        refuse_unusable(windows, keep)
    windows, dropped = windows.take(keep), dropped + reasons
    if batch.baseline is not None and len(windows):
        good, _ = find_unusable(batch.baseline)
        if order.cutting.on_bad == "raise":
            refuse_unusable(batch.baseline, good, "baseline of window")
        if not good.all():
            dropped["bad baseline"] += len(windows)
            windows = windows.take([])
    return Batch(windows, batch.baseline), dropped


def by_subject(steps: Sequence[Step], parts: Iterable[Part]) -> Iterator[Part]:
    """Join the parts of each subject and pass them through `steps`; a subject's recordings must follow each other."""
    seen: set[str] = set()
    pending: list[Part] = []
    for subject, group in groupby(parts, key=lambda part: _subject(part)):
        pending = list(group)
        if subject is None:
            yield from pending
            continue
        if subject in seen:
            raise ValueError(
                f"the recordings of subject {subject} do not follow each other, but a z-score per subject needs all "
                "of them at once; sort the recordings by subject"
            )
        seen.add(subject)
        windows = replace(gather(pending), steps=_first(pending).steps)
        yield Part(
            through(steps, windows),
            sum(p.total for p in pending),
            sum((p.dropped for p in pending), Counter[str]()),
            Hearsay.joined(p.hearsay for p in pending),
        )


def _one(order: Order, recording: Recording) -> Part:
    _check_own_baseline(recording, order.cutting)
    said = Hearsay.of(recording)
    recording = identified(recording)  # before a step changes its content
    for step in order.before:
        recording = step.apply(recording)
        if not isinstance(recording, Recording):
            raise ValueError(
                f"step {step.name} gave a {type(recording).__name__}; before 'windows' it must give a Recording"
            )
        recording = replace(recording, unit=unit_after(step.effect, recording.unit, step.name))
    cutting = order.cut_at(recording.rate)
    batch = cut_recording(recording, cutting, order.words)
    total = len(batch.windows)
    if not total:
        if order.cutting.on_bad == "raise":
            raise ValueError(
                f"recording {recording.name} lasts {recording.duration:g} s, shorter than one window of "
                f"{cutting.n_times / cutting.rate:g} s from {cutting.first / cutting.rate:g} s on; choose shorter "
                "windows, leave it out, or set on_bad='drop' in the windows step"
            )
        return Part(None, 1, Counter({"recording too short": 1}), said)
    batch, marked = unmarked(order, batch, marks_of(recording))
    batch, dropped = usable(order, batch)
    dropped = marked + dropped
    if not len(batch.windows):
        return Part(None, total, dropped, said)
    windows = through(order.after, batch.windows, reference_of(order.after, batch.baseline))
    return Part(windows, total, dropped, said)


def _check_own_baseline(recording: Recording, cutting: CutWindows) -> None:
    """Refuse to take signal for baseline or baseline for signal, where the reader said what is there."""
    held = recording.info.get("baseline_seconds")
    cropped = recording.info.get("crop", (0.0,))
    if not isinstance(held, float) or (isinstance(cropped, tuple) and cropped[0] > 0):
        return
    if cutting.baseline and not held:
        raise ValueError(
            f"recording {recording.name}: the step 'windows' has a baseline of {cutting.baseline:g} s, but the "
            "reader left the baseline out; read with baseline='keep', where the reader has that"
        )
    first = cutting.baseline if cutting.start is None else cutting.start
    if first < held - 0.5 / recording.rate:  # the reader rounds to whole samples
        raise ValueError(
            f"recording {recording.name} begins with a baseline of {held:g} s, but windows would start at {first:g} s; "
            f"set baseline={held:g} (and subtract_baseline) or start={held:g} in the step 'windows', or read with "
            "baseline='drop'"
        )


def _applied(step: Step, windows: Windows) -> Windows:
    result = step.apply(windows)
    if not isinstance(result, Windows) or (step.per_window and len(result) != len(windows)):
        raise ValueError(f"step {step.name} must give as many windows as it gets ({len(windows)}), got {result!r}")
    if step.effect is None and result.unit != windows.unit:
        return result  # it has said its unit by itself
    return replace(result, unit=unit_after(step.effect, result.unit, step.name))


def _watched(recordings: Iterable[Recording], progress: bool) -> Iterator[Recording]:
    """The recordings, counted on a bar; refuses two of one name."""
    seen: set[str] = set()
    with bar(progress, len(recordings) if isinstance(recordings, Sized) else None) as advance:
        for recording in recordings:
            if recording.name in seen:
                raise ValueError(f"two recordings are named {recording.name}; subject/session/trial must be unique")
            if any(mark in part for part in (recording.subject, recording.session, recording.trial) for mark in "/@"):
                raise ValueError(f"recording {recording.name}: subject, session and trial must not contain '/' or '@'")
            seen.add(recording.name)
            yield recording
            advance(recording.name)


def _agree(windows: Windows, first: Windows | None) -> None:
    for what in ("rate", "channels", "classes", "shape", "unit"):
        if first is not None and getattr(windows, what) != getattr(first, what):
            raise ValueError(
                f"recording {windows.ids[0].partition('@')[0]} gives windows with {what} {getattr(windows, what)}, "
                f"those before have {getattr(first, what)}; make them equal (pick, resample) or leave it out"
            )


def _subject(part: Part) -> str | None:
    return None if part.windows is None else str(part.windows.metadata.subject.iloc[0])


def _first(parts: Sequence[Part]) -> Windows:
    return next(part.windows for part in parts if part.windows is not None)


def _check_sides(steps: Sequence[Step], at: int) -> None:
    for i, step in enumerate(steps):
        if i < at and step.level in ("window", "subject"):
            raise ValueError(f"step {step.name} works on windows; move it behind 'windows'")
        if i > at and step.level == "recording":
            raise ValueError(f"step {step.name} works on the continuous signal; move it before 'windows'")
        if isinstance(step, Reject) and not isinstance(steps[i - 1], CutWindows | Reject):
            raise ValueError("step reject must follow 'windows' directly: its thresholds are µV of the raw windows")


def _check_baseline(cutting: CutWindows, late: Sequence[Step]) -> None:
    uses = [i for i, step in enumerate(late) if isinstance(step, SubtractBaseline)]
    if uses and not cutting.baseline:
        raise ValueError("subtract_baseline needs a baseline; set baseline=… (s) in the step 'windows'")
    subject = next((i for i, step in enumerate(late) if step.level == "subject"), len(late))
    if len(uses) > 1 or any(i > subject for i in uses):
        raise ValueError("subtract_baseline may be used once, before subject_z_score")
    if cutting.baseline and not uses:
        raise ValueError("the step 'windows' has a baseline that no step uses; add subtract_baseline, or set start=…")
