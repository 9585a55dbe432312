"""A chain at work: recordings in, windows out, one recording after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Protocol

import numpy as np

from trimcap._progress import bar
from trimcap.data.hearsay import NOTHING, Hearsay, metadata_of
from trimcap.data.marked import Stretch, marks_of, touched
from trimcap.data.places import identified
from trimcap.data.preprocess.assemble import Batch, cut_recording, plan_cutting
from trimcap.data.preprocess.effects import unit_after
from trimcap.data.preprocess.steps import Kind
from trimcap.data.preprocess.windows.artefacts import count_words, find_artefacts, find_unusable, refuse_unusable
from trimcap.data.recording import Recording
from trimcap.data.windows import Windows


class Declared(Protocol):
    """What a plan needs to know of a step."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def options(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def kind(self) -> Kind: ...  # noqa: D102
    @property
    def words(self) -> str: ...  # noqa: D102


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
class Plan:
    """The steps of a chain, sorted by what they are given."""

    before: tuple[Declared, ...]
    cutting: Declared
    rejects: tuple[Declared, ...]
    after: tuple[Declared, ...]
    subject: tuple[Declared, ...]

    @staticmethod
    def of(steps: Sequence[Declared]) -> Plan:
        """Check the order of the steps and sort them."""
        cuts = [i for i, step in enumerate(steps) if step.kind.level == "windows"]
        if len(cuts) != 1:
            raise ValueError(
                f"a chain needs the step 'windows' once, between signal and window steps; it has {len(cuts)}"
            )
        at = cuts[0]
        _check_sides(steps, at)
        _check_baseline(steps[at:])
        late = list(steps[at + 1 :])
        rejects = next((i for i, step in enumerate(late) if step.name != "reject"), len(late))
        subject = next((i for i, step in enumerate(late) if step.kind.level == "subject"), len(late))
        return Plan(
            before=tuple(steps[:at]),
            cutting=steps[at],
            rejects=tuple(late[:rejects]),
            after=tuple(late[rejects:subject]),
            subject=tuple(late[max(subject, rejects) :]),
        )

    @property
    def words(self) -> tuple[str, ...]:
        """What is done up to the rejection, for `Windows.steps`."""
        return tuple(step.words for step in (*self.before, self.cutting, *self.rejects))

    @property
    def options(self) -> dict[str, Any]:
        """Options of the windows step that say where the windows lie."""
        return {key: value for key, value in self.cutting.options.items() if key not in ("on_bad", "marked")}

    @property
    def averaged(self) -> bool:
        """Whether the baseline is averaged before the steps on windows, not after them."""
        return all(step.options["average"] == "waveform" for step in self.after if step.name == "subtract_baseline")

    @property
    def on_bad(self) -> str:
        """What to do with unusable windows: "raise" or "drop"."""
        return str(self.cutting.options["on_bad"])


def run(plan: Plan, recordings: Iterable[Recording], *, progress: bool = False) -> Iterator[Part]:
    """The parts of a data set as they are made; nothing of a part is kept."""
    parts = (_one(plan, recording) for recording in _watched(recordings, progress))
    first: Windows | None = None
    for part in by_subject(plan.subject, parts) if plan.subject else parts:
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


def through(steps: Sequence[Declared], windows: Windows, reference: Windows | None = None) -> Windows:
    """Windows through steps on windows; `reference` is what `reference_of` gives, for "subtract_baseline"."""
    for step in steps:
        if step.name == "subtract_baseline":
            windows = step.kind.function(windows, baseline=reference, **step.options)
        else:
            windows = _applied(step, step.kind.function, windows, step.options)
    return windows


def reference_of(steps: Sequence[Declared], baseline: Windows | None) -> Windows | None:
    """The windows of a baseline through the steps before "subtract_baseline"."""
    at = next((i for i, step in enumerate(steps) if step.name == "subtract_baseline"), 0)
    return None if baseline is None else through(steps[:at], baseline)


def unmarked(plan: Plan, batch: Batch, marks: tuple[Stretch, ...]) -> tuple[Batch, Counter[str]]:
    """The windows that touch no stretch marked bad, and the number of those that do."""
    if not marks or plan.cutting.options["marked"] == "keep":
        return batch, Counter()
    windows, baseline = batch.windows, batch.baseline
    hit = touched(marks, windows.metadata["start"], windows.duration)
    if baseline is not None:
        hit |= touched(marks, [0.0], float(plan.options["baseline"])).any()
    return Batch(windows.take(~hit), baseline), Counter({"marked bad": int(hit.sum())} if hit.any() else {})


def usable(plan: Plan, batch: Batch) -> tuple[Batch, Counter[str]]:
    """Rejection, then what "on_bad" says; the number of windows that went for each reason."""
    dropped: Counter[str] = Counter()
    windows = batch.windows
    for step in plan.rejects:
        keep, reasons = find_artefacts(windows, **step.options)
        windows, dropped = windows.take(keep), dropped + reasons
    keep, reasons = find_unusable(windows)
    if plan.on_bad == "raise":
        refuse_unusable(windows, keep)
    windows, dropped = windows.take(keep), dropped + reasons
    if batch.baseline is not None and len(windows):
        good, _ = find_unusable(batch.baseline)
        if plan.on_bad == "raise":
            refuse_unusable(batch.baseline, good, "baseline of window")
        if not good.all():
            dropped["bad baseline"] += len(windows)
            windows = windows.take([])
    return Batch(windows, batch.baseline), dropped


def by_subject(steps: Sequence[Declared], parts: Iterable[Part]) -> Iterator[Part]:
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


def _one(plan: Plan, recording: Recording) -> Part:
    _check_own_baseline(recording, plan.options)
    said = Hearsay.of(recording)
    recording = identified(recording)  # before a step changes its content
    for step in plan.before:
        recording = step.kind.function(recording, **step.options)
        if not isinstance(recording, Recording):
            raise ValueError(
                f"step {step.name} gave a {type(recording).__name__}; before 'windows' it must give a Recording"
            )
        recording = replace(recording, unit=unit_after(step.kind.effect, recording.unit, step.name))
    cutting = plan_cutting(recording.rate, averaged=plan.averaged, **plan.options)
    batch = cut_recording(recording, cutting, plan.words)
    total = len(batch.windows)
    if not total:
        if plan.on_bad == "raise":
            raise ValueError(
                f"recording {recording.name} lasts {recording.duration:g} s, shorter than one window of "
                f"{cutting.n_times / cutting.rate:g} s from {cutting.first / cutting.rate:g} s on; choose shorter "
                "windows, leave it out, or set on_bad='drop' in the windows step"
            )
        return Part(None, 1, Counter({"recording too short": 1}), said)
    batch, marked = unmarked(plan, batch, marks_of(recording))
    batch, dropped = usable(plan, batch)
    dropped = marked + dropped
    if not len(batch.windows):
        return Part(None, total, dropped, said)
    windows = through(plan.after, batch.windows, reference_of(plan.after, batch.baseline))
    return Part(windows, total, dropped, said)


def _check_own_baseline(recording: Recording, options: Mapping[str, Any]) -> None:
    """Refuse to take signal for baseline or baseline for signal, where the reader said what is there."""
    held = recording.info.get("baseline_seconds")
    cropped = recording.info.get("crop", (0.0,))
    if not isinstance(held, float) or (isinstance(cropped, tuple) and cropped[0] > 0):
        return
    if options["baseline"] and not held:
        raise ValueError(
            f"recording {recording.name}: the step 'windows' has a baseline of {options['baseline']:g} s, but the "
            "reader left the baseline out; read with baseline='keep', where the reader has that"
        )
    first = options["baseline"] if options["start"] is None else options["start"]
    if first < held - 0.5 / recording.rate:  # the reader rounds to whole samples
        raise ValueError(
            f"recording {recording.name} begins with a baseline of {held:g} s, but windows would start at {first:g} s; "
            f"set baseline={held:g} (and subtract_baseline) or start={held:g} in the step 'windows', or read with "
            "baseline='drop'"
        )


def _applied(step: Declared, function: Callable[..., Any], windows: Windows, options: Mapping[str, Any]) -> Windows:
    result = function(windows, **options)
    if not isinstance(result, Windows) or (step.kind.per_window and len(result) != len(windows)):
        raise ValueError(f"step {step.name} must give as many windows as it gets ({len(windows)}), got {result!r}")
    if step.kind.effect is None and result.unit != windows.unit:
        return result  # it has said its unit by itself
    return replace(result, unit=unit_after(step.kind.effect, result.unit, step.name))


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


def _check_sides(steps: Sequence[Declared], at: int) -> None:
    for i, step in enumerate(steps):
        level = step.kind.level
        if i < at and level in ("window", "subject"):
            raise ValueError(f"step {step.name} works on windows; move it behind 'windows'")
        if i > at and level == "recording":
            raise ValueError(f"step {step.name} works on the continuous signal; move it before 'windows'")
        if step.name == "reject" and steps[i - 1].name not in ("windows", "reject"):
            raise ValueError("step reject must follow 'windows' directly: its thresholds are µV of the raw windows")


def _check_baseline(steps: Sequence[Declared]) -> None:
    uses = [i for i, step in enumerate(steps) if step.name == "subtract_baseline"]
    if uses and not steps[0].options["baseline"]:
        raise ValueError("subtract_baseline needs a baseline; set baseline=… (s) in the step 'windows'")
    subject = next((i for i, step in enumerate(steps) if step.kind.level == "subject"), len(steps))
    if len(uses) > 1 or any(i > subject for i in uses):
        raise ValueError("subtract_baseline may be used once, before subject_z_score")
    if steps[0].options["baseline"] and not uses:
        raise ValueError("the step 'windows' has a baseline that no step uses; add subtract_baseline, or set start=…")
