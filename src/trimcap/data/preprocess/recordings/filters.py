"""Band-pass and notch filters, causal or zero-phase."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trimcap._errors import unknown
from trimcap.data.preprocess.online import Block, Online, need_finite, whole
from trimcap.data.recording import Recording

Phase = Literal["causal", "zero"]
Sections = NDArray[np.float64]

PHASES = ("causal", "zero")


def bandpass(
    recording: Recording, *, low: float | None, high: float | None, order: int = 4, phase: Phase = "causal"
) -> Recording:
    """Butterworth band-pass; with one edge None a low-pass or high-pass.

    Parameters
    ----------
    recording : µV
    low, high : edges (−3 dB; −6 dB with zero phase), Hz; None: open on this side
    order : order of the low-pass prototype, as in `scipy.signal.butter`; a band-pass has 2·order poles
    phase : "causal": forwards only, as a headset can; delays what it passes. "zero": forwards and backwards
        over the whole recording, which uses the future of every sample

    Returns
    -------
    Recording of the same length, float32. The causal filter starts as if the first sample had lasted for
    ever, so that an electrode offset leaves no transient; the other one extends both ends by odd reflection.

    Raises
    ------
    ValueError : an edge is not between 0 and the Nyquist frequency; low ≥ high; NaN or infinity; a recording
        too short for zero phase.

    Notes
    -----
    Source: Butterworth (1930), "On the theory of filter amplifiers".
    """
    if phase == "causal":
        return whole(recording, partial(bandpass_online, low=low, high=high, order=order))
    bandpass_words(low=low, high=high, order=order, phase=phase)
    return _both_ways(recording, lambda rate: _band_sections(rate, low, high, order))


def bandpass_online(
    rate: float,
    channels: tuple[str, ...],
    *,
    low: float | None,
    high: float | None,
    order: int = 4,
    phase: Phase = "causal",
) -> Online:
    """`bandpass` for samples as they come; zero phase is refused."""
    words = bandpass_words(low=low, high=high, order=order, phase=phase)
    _refuse_zero(phase, words)
    return _sections_online(_band_sections(rate, low, high, order), rate, channels)


def bandpass_words(*, low: float | None, high: float | None, order: int = 4, phase: Phase = "causal") -> str:
    """What `bandpass` does, in words; checks the options as far as they do not depend on the rate."""
    _check_phase(phase)
    if int(order) != order or not 1 <= order <= 20:
        raise ValueError(f"bandpass: order is {order}; it must be a whole number from 1 to 20")
    edges = [edge for edge in (low, high) if edge is not None]
    if not edges:
        raise ValueError("bandpass: both edges are None; give low, high or both, in Hz")
    if any(not 0 < edge < np.inf for edge in edges) or (len(edges) == 2 and edges[0] >= edges[1]):
        raise ValueError(f"bandpass: edges {low}–{high} Hz must be positive and low below high")
    kind = f"band-pass {low:g}–{high:g} Hz" if low and high else f"high-pass {low:g} Hz" if low else "low-pass"
    kind = f"{kind} {high:g} Hz" if low is None else kind
    return f"{kind} (Butterworth, order {order:g}, {_phase_words(phase)})"


def notch(
    recording: Recording,
    *,
    frequency: float = 50.0,
    harmonics: int | None = None,
    quality: float = 30.0,
    phase: Phase = "causal",
) -> Recording:
    """Take out the mains: a second-order notch at f, 2f, … below the Nyquist frequency.

    Parameters
    ----------
    recording : µV
    frequency : of the mains, Hz: 50 or 60
    harmonics : how many multiples besides the first; None: all below the Nyquist frequency
    quality : f / (−3-dB width)
    phase : "causal" or "zero", as in `bandpass`

    Raises
    ------
    ValueError : the frequency or a wanted harmonic is not below the Nyquist frequency; NaN or infinity.
    """
    if phase == "causal":
        return whole(recording, partial(notch_online, frequency=frequency, harmonics=harmonics, quality=quality))
    notch_words(frequency=frequency, harmonics=harmonics, quality=quality, phase=phase)
    return _both_ways(recording, lambda rate: _notch_sections(rate, frequency, harmonics, quality))


def notch_online(
    rate: float,
    channels: tuple[str, ...],
    *,
    frequency: float = 50.0,
    harmonics: int | None = None,
    quality: float = 30.0,
    phase: Phase = "causal",
) -> Online:
    """`notch` for samples as they come; zero phase is refused."""
    words = notch_words(frequency=frequency, harmonics=harmonics, quality=quality, phase=phase)
    _refuse_zero(phase, words)
    return _sections_online(_notch_sections(rate, frequency, harmonics, quality), rate, channels)


def notch_words(
    *, frequency: float = 50.0, harmonics: int | None = None, quality: float = 30.0, phase: Phase = "causal"
) -> str:
    """What `notch` does, in words; checks the options as far as they do not depend on the rate."""
    _check_phase(phase)
    if not 0 < frequency < np.inf or not 0 < quality < np.inf:
        raise ValueError(f"notch: frequency {frequency} Hz and quality {quality} must be positive")
    if harmonics is not None and (int(harmonics) != harmonics or harmonics < 0):
        raise ValueError(f"notch: harmonics is {harmonics}; it must be None (all) or a whole number from 0")
    also = "and all harmonics" if harmonics is None else f"and {harmonics} harmonics" if harmonics else "only"
    return f"notch {frequency:g} Hz {also} (Q {quality:g}, {_phase_words(phase)})"


def _band_sections(rate: float, low: float | None, high: float | None, order: int) -> Sections:
    from scipy.signal import butter

    for edge in (low, high):
        if edge is not None and not edge < rate / 2:
            raise ValueError(
                f"bandpass: the edge {edge:g} Hz is not below {rate / 2:g} Hz, half the sampling rate of {rate:g} Hz; "
                "lower it, set it to None, or filter before resampling"
            )
    if low is not None and high is not None:
        return np.asarray(butter(order, [low, high], btype="bandpass", fs=rate, output="sos"))
    if low is not None:
        return np.asarray(butter(order, low, btype="highpass", fs=rate, output="sos"))
    assert high is not None  # bandpass_words refuses two open sides
    return np.asarray(butter(order, high, btype="lowpass", fs=rate, output="sos"))


def _notch_sections(rate: float, frequency: float, harmonics: int | None, quality: float) -> Sections:
    from scipy.signal import iirnotch

    most = int(np.ceil(rate / 2 / frequency)) - 1
    wanted = most if harmonics is None else harmonics + 1
    if most < 1 or wanted > most:
        raise ValueError(
            f"notch: {max(wanted, 1) * frequency:g} Hz is not below {rate / 2:g} Hz, half the sampling rate of "
            f"{rate:g} Hz; leave out the notch, ask for fewer harmonics, or notch before resampling"
        )
    # the same width at every multiple, as the mains drift by the same number of periods
    pairs = [iirnotch(k * frequency, k * quality, fs=rate) for k in range(1, wanted + 1)]
    return np.asarray([np.concatenate([b, a]) for b, a in pairs])


def _both_ways(recording: Recording, design: Callable[[float], Sections]) -> Recording:
    from scipy.signal import sosfiltfilt

    try:
        sections = design(recording.rate)
        need_finite(recording.signal, "a filter", recording.channels)
        out = np.empty_like(recording.signal, dtype=np.float32)
        for row, signal in zip(out, recording.signal, strict=True):  # one row at a time keeps float64 copies small
            row[:] = sosfiltfilt(sections, signal.astype(np.float64))
    except ValueError as error:
        raise ValueError(f"recording {recording.name}, {recording.duration:g} s: {error}") from error
    return replace(recording, signal=out)


def _sections_online(sections: Sections, rate: float, channels: tuple[str, ...]) -> Online:
    from scipy.signal import sosfilt

    state = np.zeros((len(sections), len(channels), 2))
    # subtracting the first sample starts the filter in its steady state, and keeps a constant exactly constant
    shift: NDArray[np.float64] | None = None
    keeps_constants = abs(np.prod(sections[:, :3].sum(axis=1) / sections[:, 3:].sum(axis=1))) > 0.5

    def push(block: Block) -> Block:
        nonlocal state, shift
        need_finite(block, "a filter", channels)
        x = block.astype(np.float64)
        if not x.shape[1]:
            return x.astype(np.float32)
        shift = x[:, :1].copy() if shift is None else shift
        y, state = sosfilt(sections, x - shift, axis=-1, zi=state)
        return np.asarray(y + shift if keeps_constants else y, dtype=np.float32)

    return Online(push, rate, channels)


def _check_phase(phase: str) -> None:
    if phase not in PHASES:
        raise ValueError(unknown("phase", phase, PHASES))


def _phase_words(phase: str) -> str:
    return "causal" if phase == "causal" else "zero phase, not causal"


def _refuse_zero(phase: str, words: str) -> None:
    if phase == "zero":
        raise ValueError(f"{words} runs backwards from the end of the recording; choose phase='causal'")
