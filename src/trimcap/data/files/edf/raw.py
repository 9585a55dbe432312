"""EDF and BDF files as MNE reads them, with what it gets wrong put right: rates, pauses and annotations."""

from __future__ import annotations

import warnings
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trimcap._errors import counted
from trimcap.data.electrodes.names import tidy
from trimcap.data.files.channels import kind_by_name
from trimcap.data.files.edf.head import EdfFields, edf_fields
from trimcap.data.files.edf.notes import SIGNALS, edf_notes, in_signal, is_plus, pauses
from trimcap.data.files.sizes import AGAIN

if TYPE_CHECKING:
    import mne

_SLACK = 5e-3  # s; durations are rounded in files


def other_rates(path: Path) -> list[str]:
    """Signals whose rate is not that of the EEG: MNE would bring all to the highest of them.

    The rate of the EEG is that of most electrodes, or where no signal has an electrode's name of most signals that are
    not told to be something else.

    Warns
    -----
    UserWarning : electrodes or triggers are among them.
    """
    head = edf_fields(path)
    rows = [i for i, name in enumerate(head.labels) if name not in SIGNALS]
    eeg = [i for i in rows if tidy(head.labels[i]) is not None]
    eeg = eeg or [i for i in rows if kind_by_name(head.labels[i]) is None] or rows
    if not eeg:
        return []
    usual = Counter(head.counts[i] for i in eeg).most_common(1)[0][0]
    others = [i for i in rows if head.counts[i] != usual]
    told = [i for i in others if i in eeg or kind_by_name(head.labels[i]) == "stim"]
    if told:
        listed = ", ".join(f"{head.labels[i]} ({_rate(head, i):g} Hz)" for i in told)
        usual_rate = _rate(head, next(i for i in eeg if head.counts[i] == usual))
        warnings.warn(f"{path}: {listed} left out; the rate of the EEG is {usual_rate:g} Hz", stacklevel=3)
    return [head.labels[i] for i in others]


def read_edf(path: Path) -> mne.io.BaseRaw:
    """The file with the signals of the EEG's rate only, and all its annotations."""
    import mne

    read = mne.io.read_raw_bdf if path.suffix.lower() == ".bdf" else mne.io.read_raw_edf
    # MNE's own reading of annotations stumbles over another encoding, and is not used
    try:
        others = other_rates(path)
    except ValueError as error:
        kind = path.suffix.lower()
        raise ValueError(f"{path} is not a readable {kind} file: its header is damaged ({error}); {AGAIN}") from error
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*annotation")
        raw = read(path, exclude=others, preload=False, encoding="latin1", verbose="warning")
    if is_plus(edf_fields(path)):
        _annotate(raw, path)
    return raw


def mark_pauses(raw: Any, path: Path) -> None:
    """Add an annotation where the signal goes on after a pause: no trial may reach over it."""
    stops = pauses(path)
    if stops:
        at, gaps = zip(*stops, strict=True)
        raw.annotations.append(at, [0.0] * len(at), [f"BAD boundary: a pause of {gap:g} s" for gap in gaps])


def _annotate(raw: Any, path: Path) -> None:
    import mne

    notes, stops = edf_notes(path), pauses(path)
    end = raw.n_times / float(raw.info["sfreq"])
    zero = notes.starts[0] if notes.starts else 0.0
    inside: list[tuple[float, float, str]] = []
    outside: list[tuple[float, float, str]] = []
    for note in notes.notes:
        if note.wrong:
            warnings.warn(
                f"{path}: annotation {note.text!r} at {note.onset:g} s: {note.wrong}; taken for 0", stacklevel=4
            )
        onset, lost = in_signal(note.onset - zero, stops)
        text, _, channel = note.text.partition("@@")
        row = (onset, note.duration or 0.0, text if channel in raw.ch_names else note.text)
        if lost:
            row = (onset, 0.0, f"BAD in a pause: {row[2]}")
        (outside if beyond(*row, end) else inside).append(row)
    columns = list(zip(*inside, strict=True)) or [(), (), ()]
    raw.set_annotations(mne.Annotations(*columns), emit_warning=False, verbose="error")
    if outside:
        listed = ", ".join(f"{text!r} at {onset:g} s" for onset, _, text in outside[:3])
        warnings.warn(f"{path}: {counted(len(outside), 'annotation')} outside the signal: {listed}", stacklevel=4)
    keep_outside(raw, outside)


def beyond(onset: float, duration: float, text: str, end: float) -> bool:
    """Whether something happened outside the signal, or lasts longer than it, so that MNE drops or shortens it.

    Marks of bad stretches may be shortened.
    """
    late = onset + duration > end + _SLACK and not text.lower().startswith("bad")
    return not 0 <= onset < end or late


def keep_outside(raw: Any, events: list[tuple[float, float, str]]) -> None:
    """Remember what happened before the first or after the last sample, which MNE drops."""
    if events:
        raw.info["temp"] = {"outside": [(float(onset), float(length), str(text)) for onset, length, text in events]}


def outside_of(raw: Any) -> list[tuple[float, float, str]]:
    """What `keep_outside` was told: s from the first sample, duration, what."""
    return list((raw.info.get("temp") or {}).get("outside", ()))


def _rate(head: EdfFields, signal: int) -> float:
    return head.counts[signal] / head.length if head.length else 0.0
