"""Windows and recordings from MNE objects, arrays and `.npz` files."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from trimcap.data.check import SWINGS, check_signal
from trimcap.data.electrodes.names import unknown_electrodes
from trimcap.data.marked import marked_in
from trimcap.data.places import content_id
from trimcap.data.recording import Recording
from trimcap.data.rows.finite import not_finite
from trimcap.data.windows import Windows

if TYPE_CHECKING:
    import mne

# EEG is tens of µV; below this spread the numbers are volts, or the electrodes were off
_SMALLEST_SPREAD = 1e-2
_LOOKED_AT = 100_000
_MOST_CLASSES = 10_000


def from_raw(
    raw: mne.io.BaseRaw,
    *,
    subject: str,
    session: str = "0",
    trial: str = "0",
    label: int = 0,
    classes: Sequence[str] = ("0",),
    any_names: bool = False,
    info: Mapping[str, object] | None = None,
) -> Recording:
    """One recording from an MNE `Raw`: its EEG channels, volts turned into µV.

    Annotations that begin with "bad" go into `info["marked_bad"]`, so that windows there are left out (see `cut`).

    Parameters
    ----------
    raw : read by MNE; channels of other types are left out
    subject, session, trial, label, classes, info : as in `Recording`
    any_names : accept electrode names outside the 10-20, 10-10 and 10-5 systems (no regions or grids then)

    Raises
    ------
    ValueError : no EEG channel; channels marked bad; unknown electrodes; a NaN or constant channel.

    Warns
    -----
    UserWarning : a typical channel varies by more than 500 µV within a second, as no EEG does: not the V of MNE.
    """
    picks = eeg_picks(raw.info, f"raw of subject {subject}")
    channels = tuple(raw.ch_names[i] for i in picks)
    check_names(channels, f"raw of subject {subject}", any_names=any_names)
    made = check_signal(
        Recording(
            signal=(raw.get_data(picks=picks) * 1e6).astype(np.float32),
            rate=float(raw.info["sfreq"]),
            channels=channels,
            subject=str(subject),
            session=str(session),
            trial=str(trial),
            label=label,
            classes=tuple(classes),
            info={**marked_in(raw), **(info or {})},
        )
    )
    _warn_of_unit(made.signal, made.rate, f"raw of subject {subject}")
    return made


def from_epochs(
    epochs: mne.BaseEpochs,
    *,
    subject: str,
    session: str = "0",
    trial: str | Sequence[str] | None = None,
    any_names: bool = False,
) -> Windows:
    """Windows from MNE `Epochs`: EEG channels in µV, labels and start times from the events.

    Events count samples of the recording also after `decim=`, `decimate` and `resample`. Classes are the keys of
    `epochs.event_id` in the order of their codes. Without `trial` all epochs of the session are one trial: the cautious
    assumption of `from_arrays`. Epochs that share samples are never split, whatever their trials.

    Parameters
    ----------
    epochs : MNE epochs; rejected ones are gone
    subject, session : one for all
    trial : one for all, or one per epoch, e.g. of cued trials `[str(i) for i in range(len(epochs))]`
    any_names : accept electrode names outside the 10-20, 10-10 and 10-5 systems (no regions or grids then)

    Raises
    ------
    ValueError : no epochs or EEG channels; channels marked bad; two events with one code; unknown electrodes;
        NaN or constant channels.

    Warns
    -----
    UserWarning : a typical channel varies by more than 500 µV within a second, as no EEG does: not the V of MNE.
    """
    what = f"epochs of subject {subject}"
    picks = eeg_picks(epochs.info, what)
    codes = sorted(set(epochs.event_id.values()))
    if len(codes) != len(epochs.event_id):
        raise ValueError(f"{what}: two event names share one code in {dict(epochs.event_id)}; give each its own")
    data = epochs.get_data(picks=picks, copy=False) * 1e6  # also drops bad epochs, so ask for the rest afterwards
    rate = float(epochs.info["sfreq"])
    start = epochs.events[:, 0] / event_rate(epochs, what) + epochs.tmin
    names = {code: name for name, code in epochs.event_id.items()}
    made = from_arrays(
        data,
        np.searchsorted(codes, epochs.events[:, 2]),
        channels=[epochs.ch_names[i] for i in picks],
        rate=rate,
        subject=subject,
        session=session,
        trial=trial,
        start=start,
        recording=content_id(data, rate, what),
        classes=[names[code] for code in codes],
        any_names=any_names,
    )
    _warn_of_unit(made.X.transpose(1, 0, 2).reshape(len(picks), -1), rate, what)
    return made


def from_arrays(
    X: ArrayLike,
    y: ArrayLike,
    *,
    channels: Sequence[str],
    rate: float,
    subject: str | Sequence[str],
    session: str | Sequence[str] | None = None,
    trial: str | Sequence[str] | None = None,
    start: Sequence[float] | NDArray[Any] | None = None,
    recording: str | Sequence[str] | None = None,
    classes: Sequence[str] | None = None,
    any_names: bool = False,
) -> Windows:
    """Windows from plain arrays.

    Parameters
    ----------
    X : shape (n, n_channels, n_times), µV
    y : shape (n,), integers 0 … n_classes − 1
    channels : electrode names
    rate : Hz
    subject, session, trial : one name for all windows, or one per window. Without `trial` all windows of a
        session are one trial: the cautious assumption, because windows of one trial must never be split
        between train and test.
    start : s from the start of the recording, one per window; default: windows follow each other within their
        trial
    recording : name of what `start` counts in, one for all or one per window; then windows of different trials that
        share samples are seen, and never split
    classes : class names; default: the label numbers
    any_names : accept electrode names outside the 10-20, 10-10 and 10-5 systems (no regions or grids then)

    Raises
    ------
    ValueError : shapes that do not fit; labels that are no integers or have no class; NaN, infinite or
        constant channels; values that look like volts; unknown electrodes. The message names window and
        channel.
    """
    values = _real(X)
    channels = tuple(str(c) for c in channels)
    _check_shape(values, channels, rate)
    check_names(channels, "X", any_names=any_names)
    _check_values(values, channels)
    labels = _labels(y, len(values))
    duration = values.shape[2] / rate
    metadata = pd.DataFrame(
        {
            "subject": _column("subject", subject, len(values)),
            "session": _column("session", "0" if session is None else session, len(values)),
            "trial": _column("trial", "0" if trial is None else trial, len(values)),
        }
    )
    if start is None:
        metadata["start"] = metadata.groupby(["subject", "session", "trial"]).cumcount() * duration
    else:
        metadata["start"] = np.asarray(_column("start", list(start), len(values)), dtype=np.float64)
    if recording is not None:
        if start is None:
            raise ValueError("recording= names what start= counts in; give both")
        metadata["recording"] = _column("recording", recording, len(values))
        metadata["onset"] = metadata["start"]
    names = tuple(map(str, classes)) if classes else tuple(str(c) for c in range(int(labels.max()) + 1))
    return Windows(values, labels, metadata, channels, float(rate), names, duration)


def _warn_of_unit(signal: NDArray[np.float32], rate: float, what: str) -> None:
    """Warn if a signal, µV (n_channels, n_times), varies as no EEG does; robust, so that artefacts don't decide."""
    n = min(max(round(rate), 2), signal.shape[1])
    pieces = signal[:, : signal.shape[1] // n * n].reshape(len(signal), -1, n)  # of a second: drift does not count
    pieces = pieces[:, :: max(1, signal.shape[1] // _LOOKED_AT)]
    deviation = np.abs(pieces - np.median(pieces, axis=2, keepdims=True))
    typical = float(np.median(1.4826 * np.median(deviation, axis=2)))
    if typical > SWINGS[1]:
        unit, factor = ("mV", "1e-3") if typical < 1e3 * SWINGS[1] else ("µV", "1e-6")
        warnings.warn(
            f"{what}: a typical EEG channel varies by {typical * 1e-6:.2g} V within a second, and scalp EEG by some "
            f"1e-5 V. MNE objects hold volts; these numbers look like {unit}, or have no unit. If they are {unit}, "
            f"multiply them by {factor} before you make the MNE object; as they are, {typical:,.3g} µV go into the "
            "windows",
            stacklevel=3,
        )


def eeg_picks(info: Any, what: str) -> list[int]:
    """Rows of the EEG channels in an MNE `Info`; none of them may be marked bad.

    ValueError: no EEG channel, or bad ones.
    """
    import mne

    picks = mne.pick_types(info, meg=False, eeg=True, exclude=[])
    if not len(picks):
        raise ValueError(
            f"{what}: no EEG channel among {', '.join(info['ch_names'])}; set the types (set_channel_types)"
        )
    bad = [info["ch_names"][i] for i in picks if info["ch_names"][i] in info["bads"]]
    if bad:
        raise ValueError(
            f"{what}: channels {', '.join(bad)} are marked bad; interpolate_bads() or drop_channels() first"
        )
    return [int(i) for i in picks]


def event_rate(epochs: Any, what: str) -> float:
    """The rate, Hz, that the sample numbers in `epochs.events` count in: that of the recording.

    It is not `info["sfreq"]` once epochs were made with `decim=`, decimated or resampled (MOABB's `resample=` does
    that): MNE leaves the events as they were, and remembers the recording's rate.

    ValueError: the epochs don't know it.
    """
    known = np.asarray(getattr(epochs, "_raw_sfreq", None), dtype=np.float64).reshape(-1)
    if len(known) != 1 or not (math.isfinite(known[0]) and known[0] > 0):
        raise ValueError(
            f"{what} don't say at which rate they were recorded, so it is unknown when they begin: their events may "
            f"count other samples than those of {float(epochs.info['sfreq']):g} Hz. Make the epochs again with MNE "
            "1.0 or newer, or pass from_arrays(epochs.get_data() * 1e6, …, start=seconds)"
        )
    return float(known[0])


def check_names(channels: tuple[str, ...], what: str, *, any_names: bool) -> None:
    """Refuse names that are no electrodes, unless `any_names`."""
    bad = () if any_names else unknown_electrodes(channels)
    if bad:
        raise ValueError(
            f"{what}: unknown electrodes {', '.join(bad)}. Rename them to 10-20/10-10 names, drop what is "
            "not EEG, or pass any_names=True (regions, grids and scalp maps will not work)"
        )


def _check_shape(values: NDArray[np.float32], channels: tuple[str, ...], rate: float) -> None:
    if values.ndim != 3 or values.shape[1] != len(channels) or 0 in values.shape:
        raise ValueError(
            f"X has shape {values.shape} and there are {len(channels)} channel names; expected (n, "
            f"{len(channels)}, n_times), none of them zero"
        )
    if len(set(channels)) != len(channels):
        raise ValueError(
            f"channel names occur twice: {', '.join(sorted({c for c in channels if channels.count(c) > 1}))}"
        )
    if not rate > 0:
        raise ValueError(f"sampling rate is {rate} Hz; it must be positive")


def _check_values(values: NDArray[np.float32], channels: tuple[str, ...]) -> None:
    if found := not_finite([values], channels):
        raise ValueError(found)
    constant = np.ptp(values, axis=(0, 2)) == 0
    if constant.any():
        names = ", ".join(c for c, flat in zip(channels, constant, strict=True) if flat)
        raise ValueError(f"X holds one value throughout in channel {names}; drop or interpolate it")
    spread = float(np.median(values.std(axis=2)))
    if spread < _SMALLEST_SPREAD:
        raise ValueError(f"X has a median spread of {spread:.2g} µV, which looks like volts; pass X * 1e6")


def _labels(y: ArrayLike, n: int) -> NDArray[np.int64]:
    labels = np.asarray(y)
    if labels.shape != (n,):
        raise ValueError(f"y has shape {labels.shape}; X has {n} windows, so expected ({n},)")
    whole = labels.dtype.kind in "iuf" and bool(np.isfinite(labels).all()) and not (labels % 1).any()
    if not whole or labels.max(initial=0) >= _MOST_CLASSES:
        raise ValueError(
            f"y must hold integers from 0 to at most {_MOST_CLASSES - 1}, got {labels.dtype}; "
            "np.unique(y, return_inverse=True) makes them"
        )
    return labels.astype(np.int64)


def _real(X: ArrayLike) -> NDArray[np.float32]:
    values = np.asarray(X)
    if values.dtype.kind not in "biuf":
        raise ValueError(f"X holds {values.dtype}; expected real numbers, µV")
    with np.errstate(over="ignore", invalid="ignore"):  # infinity is refused with the window's number
        return values.astype(np.float32, copy=False)


def _column(name: str, value: Any, n: int) -> list[Any]:
    if isinstance(value, str | int):
        return [str(value)] * n
    if len(value) != n:
        raise ValueError(f"{name} has {len(value)} entries; X has {n} windows")
    return list(value) if name == "start" else [str(v) for v in value]
