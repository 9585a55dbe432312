"""Events inside EEG files, and the trials around them."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trimcap._errors import unknown
from trimcap.data.files.edf.raw import outside_of
from trimcap.data.files.raws import events_file, samples, suffix_of
from trimcap.data.files.spans import Span
from trimcap.data.marked import is_bad_name

if TYPE_CHECKING:
    import mne

#: class → descriptions or codes of its events
Classes = Mapping[str, str | int | Sequence[str | int]]

_CODES = 0xFFFF  # of a BioSemi status channel; the bits above tell of the amplifier


@dataclass(frozen=True)
class Event:
    """Something that happened: s from the first sample, how long, what, and by which stimulus."""

    onset: float
    duration: float
    name: str
    stimulus: str = ""


def events_of(raw: mne.io.BaseRaw, path: Path, *, stim: str | None = None) -> list[Event]:
    """All events of a file in the order of time: its annotations and those of its file of events (`x-eve.fif`), by
    code; where it has neither, those of its trigger channel.

    Parameters
    ----------
    raw, path : the file
    stim : name of the trigger channel to take instead of annotations

    Raises
    ------
    ValueError : no such channel; unreadable.
    """
    annotated = annotations_of(raw)
    if stim is None:
        annotated = sorted([*annotated, *_companion(raw, path)], key=lambda event: event.onset)
    if stim is None and any(not is_bad(event) for event in annotated):
        return annotated
    triggers = [n for n, kind in zip(raw.ch_names, raw.get_channel_types(), strict=True) if kind == "stim"]
    if stim is not None and stim not in raw.ch_names:
        raise ValueError(f"{path}: {unknown('trigger channel', stim, triggers or raw.ch_names)}")
    if stim is None and not triggers:
        return annotated
    bad = [event for event in annotated if is_bad(event)]
    return sorted([*bad, *_triggers(raw, path, [stim] if stim else triggers[:1])], key=lambda e: e.onset)


def annotations_of(raw: mne.io.BaseRaw) -> list[Event]:
    """Annotations with their onsets counted from the first sample, in the order of time; also those outside it."""
    notes = raw.annotations
    shift = float(raw.first_time)
    rows = zip(notes.onset, notes.duration, notes.description, strict=True)
    found = [Event(float(onset) - shift, float(duration), str(text).strip()) for onset, duration, text in rows]
    found += [Event(onset, duration, text.strip()) for onset, duration, text in outside_of(raw)]
    return sorted(found, key=lambda event: event.onset)


def _companion(raw: mne.io.BaseRaw, path: Path) -> list[Event]:
    """Events of `x-eve.fif`, in samples of the acquisition, as `mne.find_events` counts them."""
    file = events_file(path) if suffix_of(path).startswith(".fif") else None
    if file is None:
        return []
    import mne

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            rows = mne.read_events(file, verbose="error")
        except Exception as error:  # MNE raises whatever its parser stumbled over
            raise ValueError(f"{file} holds no events of MNE ({error}); correct it or move it away") from error
    rate = float(raw.info["sfreq"])
    return [Event((int(at) - raw.first_samp) / rate, 0.0, str(int(code))) for at, _, code in rows]


def is_bad(event: Event) -> bool:
    """Whether an event marks a stretch not to be used, or an interruption."""
    return is_bad_name(event.name)


def counts(events: Sequence[Event]) -> dict[str, int]:
    """How often each event occurs, by name."""
    return dict(sorted(Counter(event.name for event in events).items()))


def event_spans(
    events: Sequence[Event],
    classes: Classes,
    path: Path,
    *,
    prefix: str,
    start: float = 0.0,
    stop: float | None = None,
    missing: str = "raise",
) -> list[Span]:
    """One trial around each event of `classes`, named after the file and numbered in time: `run1-001`.

    Parameters
    ----------
    events : of the file
    classes : class → descriptions or codes
    prefix : what names begin with
    start, stop : s from the event's onset; stop None: the event's own duration
    missing : "raise", or "allow" a file without an event of some class

    Raises
    ------
    ValueError : a class without events (lists those there are); an event without duration and no `stop`.
    """
    label_of = _labels(events, classes, path, missing)
    chosen = [event for event in events if event.name in label_of]
    still = next((event for event in chosen if stop is None and not event.duration > start), None)
    if still is not None:
        raise ValueError(
            f"{path}: event {still.name!r} at {still.onset:g} s lasts {still.duration:g} s, which makes no trial; "
            "give its end in seconds after the event (stop=4.0)"
        )
    bad = [event for event in events if is_bad(event) and event.name not in label_of]
    marked = tuple((event.onset, event.onset + max(event.duration, 0.0), event.name) for event in bad)
    spans = []
    for number, event in enumerate(chosen, 1):
        first, last = event.onset + start, event.onset + (event.duration if stop is None else stop)
        info: dict[str, object] = {"event": event.name, "start": first, "end": last}
        if event.stimulus:
            info["stimulus"] = event.stimulus
        spans.append(Span(f"{prefix}-{number:03d}", label_of[event.name], first, last, info=info, marked=marked))
    return spans


def names_of(wanted: str | int | Sequence[str | int]) -> tuple[str, ...]:
    """Descriptions of one class as text."""
    return (str(wanted),) if isinstance(wanted, str | int) else tuple(str(name) for name in wanted)


def check_around(
    classes: Classes | None, *, start: float, stop: float | None, missing: str, option: str = "missing_events"
) -> None:
    """Refuse classes without events or with one in common, and trials that end before they start."""
    if missing not in ("raise", "allow"):
        raise ValueError(unknown(option, missing, ("raise", "allow")))
    if classes is None:
        if start or stop is not None:
            raise ValueError("start= and stop= count from events; give events= too, or cut the recordings afterwards")
        return
    if stop is not None and not stop > start:
        raise ValueError(
            f"trials last from {start:g} s to {stop:g} s after their events; stop must be later than start"
        )
    if not classes or not all(names_of(wanted) for wanted in classes.values()):
        raise ValueError("events= names no event; write events={'left': '769', 'right': ['770', 'T2']}")
    many = Counter(name for wanted in classes.values() for name in names_of(wanted))
    twice = [name for name, n in many.items() if n > 1]
    if twice:
        raise ValueError(f"events= gives event {twice[0]!r} to two classes; give it to one")


def _labels(events: Sequence[Event], classes: Classes, path: Path, missing: str) -> dict[str, int]:
    """Description in the file → class."""
    present = counts(events)
    found: dict[str, int] = {}
    for label, wanted in enumerate(classes.values()):
        same = {text for name in names_of(wanted) for text in _same(name, present, path)}
        found.update(dict.fromkeys(same, label))
        if not same and missing == "raise":
            listed = ", ".join(f"{name!r} ({n})" for name, n in present.items()) or "none"
            raise ValueError(
                f"{path} has no event {' or '.join(map(repr, names_of(wanted)))}; its events are {listed}. Correct the "
                "name, or pass missing_events='allow' if a file may lack a class"
            )
    return found


def _same(name: str, present: Mapping[str, int], path: Path) -> list[str]:
    """`name` itself, or the one description that is it but for spaces or a type before it: S1 is `Stimulus/S  1`."""
    if name in present:
        return [name]
    bare = "".join(name.split())
    near = [text for text in present if bare in {"".join(text.split()), "".join(text.rsplit("/")[-1].split())}]
    if len(near) > 1:
        raise ValueError(f"{path}: event {name!r} can mean {' or '.join(map(repr, near))}; write which")
    return near


def _triggers(raw: mne.io.BaseRaw, path: Path, channels: Sequence[str]) -> list[Event]:
    """Every code that begins, also one that follows another without a return to zero.

    A code of one sample between two others, or at the edge of one, is lines that switch one after the other.
    """
    rate = float(raw.info["sfreq"])
    row = [raw.ch_names.index(channels[0])]
    codes = np.abs(np.rint(samples(raw, path, row, 0, raw.n_times)[0])).astype(np.int64)
    if path.suffix.lower() == ".bdf":
        codes &= _CODES
    starts = np.flatnonzero(np.diff(codes, prepend=codes[:1]))
    lasts = np.diff(starts, append=len(codes))
    before, after = codes[starts - 1], codes[np.minimum(starts + lasts, len(codes) - 1)]
    passing = (lasts == 1) & ((before != 0) | (after != 0)) & (codes[starts] != 0)
    held = (before != 0) & (codes[starts] != 0) & ~passing
    if passing.any():
        what = f"{int(passing.sum())} codes last one sample beside another, as when lines switch one after the other"
        warnings.warn(f"{path}: {channels[0]}: {what}; left out", stacklevel=4)
    if 2 * held.sum() > max((codes[starts] != 0).sum(), 1):
        what = "codes follow each other without a return to 0; two equal ones in a row, if there are any, are one"
        warnings.warn(f"{path}: {channels[0]}: {what}", stacklevel=4)
    kept = starts[(codes[starts] != 0) & ~passing]
    return [Event(float(at) / rate, 0.0, str(int(codes[at]))) for at in kept]
