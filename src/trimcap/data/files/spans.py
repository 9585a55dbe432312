"""Stretches of a file that are trials, read one after the other."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trimcap._errors import unknown
from trimcap.data.check import check_signal
from trimcap.data.files.channels import check_like, picks
from trimcap.data.files.edf.head import edf_fields
from trimcap.data.files.edf.notes import SIGNALS, in_signal
from trimcap.data.files.interpolate import interpolated
from trimcap.data.files.raws import samples, suffix_of
from trimcap.data.marked import KEY, Stretch, annotated, between
from trimcap.data.places import together
from trimcap.data.preprocess.recordings.resample import resample
from trimcap.data.recording import Recording

if TYPE_CHECKING:
    import mne

#: what the numbers may be that MNE takes for volts, and what makes them µV
UNITS = {"V": 1e6, "mV": 1e3, "uV": 1.0, "nV": 1e-3}
# EEG is tens of µV; a spread beyond these, µV, is a mistake in the unit: numbers in mV make 20 mV of 20 µV
_SPREADS = (1e-2, 1e4)
# what the resampling filter needs around a trial, s; cut off again afterwards
_MARGIN = 1.0
_LARGEST_TERM = 10_000


@dataclass(frozen=True)
class Span:
    """A trial in a file.

    Parameters
    ----------
    trial : its name
    label : class, or None if it has none
    start, stop : s from the file's first sample; stop None: to the end
    subject, session : if not those of the file
    info : facts about it
    why : what is known to be wrong with it, or why it has no label; "" if nothing
    marked : stretches of the file that are marked bad; None: those of its annotations
    """

    trial: str
    label: int | None
    start: float = 0.0
    stop: float | None = None
    subject: str | None = None
    session: str | None = None
    info: Mapping[str, object] = field(default_factory=dict)
    why: str = ""
    marked: tuple[Stretch, ...] | None = None


def over_pauses(spans: Sequence[Span], stops: Sequence[tuple[float, float]]) -> list[Span]:
    """Trials whose times are of the clock, in the signal, which has no time for pauses; see `edf_notes.pauses`."""
    if not stops:
        return list(spans)
    moved = []
    for span in spans:
        start, lost = in_signal(span.start, stops)
        stop, lost_too = (None, False) if span.stop is None else in_signal(span.stop, stops)
        length = None if span.stop is None else span.stop - span.start
        whole = stop is None or abs(stop - start - (length or 0.0)) < 1e-6
        why = "" if whole and not lost and not lost_too else "it reaches into a pause of the recording"
        moved.append(replace(span, start=start, stop=stop, why=span.why or why))
    return moved


@dataclass(frozen=True)
class Reading:
    """How the trials of a file are read; see `files_source`.

    Parameters
    ----------
    like : the EEG channels that every file must have, () if they may differ
    like_rate : Hz that every file must have, None if it may differ
    """

    classes: tuple[str, ...] = ("0",)
    channels: tuple[str, ...] | None = None
    like: tuple[str, ...] = ()
    rate: float | None = None
    like_rate: float | None = None
    any_names: bool = False
    bad_channels: str = "raise"
    unit: str | Mapping[str, str] = "V"
    on_bad: str = "raise"
    on_overlap: str = "raise"

    def __post_init__(self) -> None:
        known = {
            "bad_channels": ("raise", "interpolate", "drop"), "on_bad": ("raise", "drop", "keep"),
            "on_overlap": ("raise", "flag"),
        }  # fmt: skip
        for unit in [self.unit] if isinstance(self.unit, str) else self.unit.values():
            if unit not in UNITS:
                raise ValueError(unknown("unit", str(unit), UNITS))
        for option, values in known.items():
            if getattr(self, option) not in values:
                raise ValueError(unknown(option, str(getattr(self, option)), values))
        if self.rate is not None and not self.rate > 0:
            raise ValueError(f"rate is {self.rate} Hz; it must be positive, or None to keep that of the files")


def read_spans(
    raw: mne.io.BaseRaw, path: Path, spans: Sequence[Span], reading: Reading, *, subject: str, session: str
) -> list[Recording]:
    """The trials of one file in the order of `spans`, each read from its own stretch.

    Raises
    ------
    ValueError : channels or rate are not those asked for; overlapping or bad trials. Names file and trial.

    Warns
    -----
    UserWarning : trials that are left out, how many and why; trials that overlap (`on_overlap="flag"`).
    """
    rows = picks(raw, path, channels=reading.channels, any_names=reading.any_names)
    check_like(raw, path, reading.like)
    _check_rate(raw, path, reading)
    bad = _bad_channels(raw, path, rows, reading)
    spans = [_with_marks(span, raw, reading.on_bad) for span in spans]
    usable, left_out = _usable(raw, path, spans, reading.on_bad)
    usable = _flagged(usable, raw, path, reading.on_overlap)
    if len(usable) > 1 and suffix_of(path) in (".set", ".fif.gz"):
        raw.load_data(verbose="error")  # else MNE unpacks the file for every trial
    kept = []
    for span in usable:
        whole = _read(
            raw, path, rows, bad, span, reading, subject=span.subject or subject, session=span.session or session
        )
        if isinstance(whole, str):
            left_out[span.trial] = whole
        else:
            onset = extent(span, raw)[0] / float(raw.info["sfreq"])
            kept.append(replace(whole, place=("", onset)))
    # what was read of the file, which is then one recording, tells it; nothing more of it has to be read
    name = together(kept)
    kept = [replace(recording, place=(name, recording.place[1])) for recording in kept if recording.place is not None]
    if left_out:
        listed = "; ".join(f"{name}: {why}" for name, why in left_out.items())
        warnings.warn(f"{path}: {len(left_out)} trials left out ({listed})", stacklevel=3)
    whose = {span.trial: (span.subject or subject, span.session or session) for span in spans}
    return [_with_lost(recording, left_out, whose) for recording in kept] if left_out else kept


def _with_marks(span: Span, raw: mne.io.BaseRaw, on_bad: str) -> Span:
    """The span with its stretches marked bad: windows leave them out; "drop" leaves out the trial, "keep" keeps all.

    A trial around an event that was interrupted is none: it is refused as other faulty trials are.
    """
    first, last = (sample / float(raw.info["sfreq"]) for sample in extent(span, raw))
    marks = between(annotated(raw) if span.marked is None else span.marked, first, last)
    if not marks:
        return span
    interrupted = [mark for mark in marks if mark[0] == mark[1] and span.marked is not None]
    onset, _, name = (interrupted or marks)[0]
    if interrupted or on_bad == "keep" or (on_bad == "drop" and span.marked is not None):
        return replace(span, why=span.why or f"{name!r} at {onset + first:g} s lies in it")
    return replace(span, info={**span.info, KEY: marks})


def _with_lost(recording: Recording, left_out: Mapping[str, str], whose: Mapping[str, tuple[str, str]]) -> Recording:
    """The recording, told which other trials of its subject are left out, and why."""
    lost = {
        f"{whose[trial][1]}/{trial}": why for trial, why in left_out.items() if whose[trial][0] == recording.subject
    }
    return replace(recording, info={**recording.info, "left_out": lost}) if lost else recording


def extent(span: Span, raw: mne.io.BaseRaw) -> tuple[int, int]:
    """First sample of a trial, and the one after its last; trials of equal seconds have equal samples."""
    rate = float(raw.info["sfreq"])
    first = round(span.start * rate)
    return first, raw.n_times if span.stop is None else first + round((span.stop - span.start) * rate)


def _usable(raw: mne.io.BaseRaw, path: Path, spans: Sequence[Span], on_bad: str) -> tuple[list[Span], dict[str, str]]:
    """Trials with a label that lie in the file, and why the others are left out."""
    usable, left_out = [], {}
    for span in spans:
        outside = _outside(span, raw)
        if span.label is None:
            left_out[span.trial] = span.why or "it has no label"
        elif (outside or span.why) and on_bad == "raise":
            raise ValueError(
                f"{path}: trial {span.trial}: {outside or span.why}; pass on_bad='drop' to leave such trials out"
            )
        elif outside or (span.why and on_bad == "drop"):
            left_out[span.trial] = outside or span.why
        else:
            usable.append(span)
    return usable, left_out


def _outside(span: Span, raw: mne.io.BaseRaw) -> str:
    first, last = extent(span, raw)
    if 0 <= first < last <= raw.n_times:
        return ""
    rate = float(raw.info["sfreq"])
    return f"it is to last from {first / rate:g} s to {last / rate:g} s, but the file has {raw.n_times / rate:g} s"


def _flagged(spans: list[Span], raw: mne.io.BaseRaw, path: Path, on_overlap: str) -> list[Span]:
    """The trials, those that share samples with others told so in their `info`."""
    order = sorted(range(len(spans)), key=lambda i: extent(spans[i], raw))
    shared: dict[int, set[int]] = {}
    for place, i in enumerate(order):
        for j in order[place + 1 :]:
            if extent(spans[j], raw)[0] >= extent(spans[i], raw)[1]:
                break
            shared.setdefault(i, set()).add(j)
            shared.setdefault(j, set()).add(i)
    if not shared:
        return spans
    i = min(shared, key=order.index)
    text = f"{path}: {len(shared)} trials overlap in time, first {spans[i].trial} and {spans[min(shared[i])].trial}"
    if on_overlap == "raise":
        raise ValueError(
            f"{text}; overlapping trials share samples and must never be split between training and test. Choose "
            "shorter trials, or pass on_overlap='flag' and keep them together yourself"
        )
    warnings.warn(f"{text}; each names the others in info['overlaps']", stacklevel=4)
    names = {i: tuple(spans[j].trial for j in sorted(others)) for i, others in shared.items()}
    return [_with_info(span, overlaps=names[i]) if i in names else span for i, span in enumerate(spans)]


def _with_info(span: Span, **info: object) -> Span:
    return replace(span, info={**span.info, **info})


def _check_rate(raw: mne.io.BaseRaw, path: Path, reading: Reading) -> None:
    rate, wanted = float(raw.info["sfreq"]), reading.like_rate
    if reading.rate is None and wanted is not None and not math.isclose(rate, wanted, rel_tol=1e-6):
        raise ValueError(
            f"{path} has {rate:g} Hz, the first file {wanted:g} Hz; resample all (rate={min(rate, wanted):g})"
        )


def _bad_channels(raw: mne.io.BaseRaw, path: Path, rows: Mapping[str, int], reading: Reading) -> tuple[str, ...]:
    """Channels that are read and marked bad, as the file calls them."""
    bad = tuple(raw.ch_names[row] for row in rows.values() if raw.ch_names[row] in raw.info["bads"])
    if bad and reading.bad_channels != "interpolate":
        raise ValueError(f"{path}: channels {', '.join(bad)} are marked bad; pass bad_channels='interpolate' or 'drop'")
    return bad


def _read(
    raw: mne.io.BaseRaw, path: Path, rows: Mapping[str, int], bad: tuple[str, ...], span: Span, reading: Reading, *,
    subject: str, session: str,
) -> Recording | str:  # fmt: skip
    """One trial, or why it is left out."""
    first, last = extent(span, raw)
    rate = float(raw.info["sfreq"])
    up, down = _ratio(rate, reading.rate)
    before = after = 0
    if up != down:
        before = min(math.ceil(_MARGIN * rate / down), first // down) * down
        after = min(round(_MARGIN * rate), raw.n_times - last)
    names = list(rows.values())
    if bad:
        volts = interpolated(raw, path, names, bad, first - before, last + after)
    else:
        volts = samples(raw, path, names, first - before, last + after)
    wide = Recording(
        signal=np.ascontiguousarray(volts * _factors(reading, list(rows))[:, None], dtype=np.float32),
        rate=rate,
        channels=tuple(rows),
        subject=subject,
        session=session,
        trial=span.trial,
        label=int(span.label or 0),
        classes=reading.classes,
        info={"file": path.name, **({"interpolated": bad} if bad else {}), **_facts(span)},
    )
    why = _fault(_cut(wide, before, last - first), path, reading)
    if why:
        return why
    if reading.rate is None or up == down:
        return wide
    return _cut(resample(wide, reading.rate), before * up // down, math.ceil((last - first) * up / down))


def _ratio(rate: float, wanted: float | None) -> tuple[int, int]:
    if wanted is None:
        return 1, 1
    ratio = Fraction(wanted).limit_denominator(_LARGEST_TERM) / Fraction(rate).limit_denominator(_LARGEST_TERM)
    return ratio.numerator, ratio.denominator


def _facts(span: Span) -> dict[str, object]:
    return {**span.info, **({"bad": span.why} if span.why else {})}


def _cut(recording: Recording, first: int, n: int) -> Recording:
    signal: NDArray[np.float32] = np.ascontiguousarray(recording.signal[:, first : first + n])
    return replace(recording, signal=signal)


def _fault(recording: Recording, path: Path, reading: Reading) -> str:
    """What is wrong with the signal, "" if it may be used."""
    if reading.on_bad != "keep":
        try:
            check_signal(recording)
        except ValueError as error:
            if reading.on_bad == "drop":
                return str(error)
            raise ValueError(
                f"{path}: {error} (channels= names those to read, on_bad='drop' leaves such trials out)"
            ) from error
    return "" if reading.any_names else _no_eeg(recording, path, reading)


def _no_eeg(recording: Recording, path: Path, reading: Reading) -> str:
    """Refuse amplitudes, channel by channel, that no EEG has; "" if there are none."""
    spread = local_spread(recording.signal, recording.rate)
    wrong = np.isfinite(spread) & (spread > 0) & ((spread < _SPREADS[0]) | (spread > _SPREADS[1]))
    if not wrong.any():
        return ""
    names = [name for name, bad in zip(recording.channels, wrong, strict=True) if bad]
    typical, good = float(np.median(spread[wrong])), spread[~wrong]
    volts = typical / float(np.median(_factors(reading, names)))
    fits = [unit for unit, factor in UNITS.items() if 0.5 <= volts * factor < 500]
    if len(good):
        hint = f", pass unit={dict.fromkeys(names, fits[0])}" if fits else ""
        raise ValueError(
            f"{path}: trial {recording.trial}: {_listed(names)} by {typical:.2g} µV, the other channels by "
            f"{np.median(good):.2g} µV; no EEG does. If their numbers are of another unit{hint}; else leave them out "
            "(channels=)"
        )
    hint = f"; if the numbers in the file are {fits[0]}, pass unit={fits[0]!r}" if fits else ""
    raise ValueError(
        f"{path}: trial {recording.trial} has a median spread of {typical:.2g} µV, which is no EEG{hint}{_unsaid(path)}"
    )


def local_spread(signal: NDArray[np.floating], rate: float) -> NDArray[np.float64]:
    """Root mean square, over stretches of a second, of each channel's standard deviation there: drift does not count.

    Parameters
    ----------
    signal : (n_channels, n_times)
    """
    n = max(min(round(rate), signal.shape[1]), 2)
    pieces = signal[:, : signal.shape[1] // n * n].reshape(len(signal), -1, n).astype(np.float64)
    return np.asarray(np.sqrt(pieces.var(axis=2).mean(axis=1)))


def _unsaid(path: Path) -> str:
    """What an EDF header does not say."""
    if path.suffix.lower() not in (".edf", ".bdf"):
        return ""
    head = edf_fields(path)
    bare = [name for name, unit in zip(head.labels, head.units, strict=True) if not unit and name not in SIGNALS]
    return f"; the header gives no unit for {', '.join(bare[:8])}, so that MNE takes volts" if bare else ""


def _factors(reading: Reading, names: Sequence[str]) -> NDArray[np.float64]:
    """What makes µV of MNE's volts, channel by channel."""
    if isinstance(reading.unit, str):
        return np.full(len(names), UNITS[reading.unit])
    return np.asarray([UNITS[reading.unit.get(name, "V")] for name in names])


def _listed(names: Sequence[str]) -> str:
    return f"channel {names[0]} varies" if len(names) == 1 else f"channels {', '.join(names)} vary"
