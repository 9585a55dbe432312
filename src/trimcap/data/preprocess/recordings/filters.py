"""Band-pass and notch filters, causal or zero-phase."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trimcap._errors import unknown
from trimcap.data.preprocess.effects import Effect
from trimcap.data.preprocess.online import Block, Online, need_finite
from trimcap.data.preprocess.step import SignalStep, on_recordings
from trimcap.data.recording import Recording

Phase = Literal["causal", "zero"]
Sections = NDArray[np.float64]

PHASES = ("causal", "zero")


class _Filter(SignalStep):
    """A recursive filter: forwards only, or forwards and backwards over the whole recording."""

    phase: Phase

    @abstractmethod
    def sections(self, rate: float) -> Sections:
        """Second-order sections at a sampling rate in Hz."""

    def check(self) -> None:
        if self.phase not in PHASES:
            raise ValueError(unknown("phase", self.phase, PHASES))

    def online(self, rate: float, channels: tuple[str, ...], /) -> Online:
        if self.phase == "zero":
            raise ValueError(f"{self.words} runs backwards from the end of the recording; choose phase='causal'")
        return _sections_online(self.sections(rate), rate, channels)

    def apply(self, given: Recording, /) -> Recording:
        return super().apply(given) if self.phase == "causal" else _both_ways(given, self.sections)

    @property
    def direction(self) -> str:
        """The phase in words."""
        return "causal" if self.phase == "causal" else "zero phase, not causal"


@dataclass(frozen=True, kw_only=True, eq=False)
class Bandpass(_Filter):
    """Butterworth band-pass; with one edge None a low-pass or high-pass.

    Parameters
    ----------
    low, high : edges (−3 dB; −6 dB with zero phase), Hz; None: open on this side
    order : order of the low-pass prototype, as in `scipy.signal.butter`; a band-pass has 2·order poles
    phase : "causal": forwards only, as a headset can; delays what it passes. "zero": forwards and backwards
        over the whole recording, which uses the future of every sample

    Returns
    -------
    Recording of the same length, float32, µV as it was. The causal filter starts as if the first sample had lasted for
    ever, so that an electrode offset leaves no transient; the other one extends both ends by odd reflection.

    Raises
    ------
    ValueError : an edge is not between 0 and the Nyquist frequency; low ≥ high; NaN or infinity; a recording
        too short for zero phase.

    Notes
    -----
    Source: Butterworth (1930), "On the theory of filter amplifiers".
    """

    name = "bandpass"
    effect = Effect()

    low: float | None
    high: float | None
    order: int = 4
    phase: Phase = "causal"

    def check(self) -> None:
        super().check()
        if int(self.order) != self.order or not 1 <= self.order <= 20:
            raise ValueError(f"bandpass: order is {self.order}; it must be a whole number from 1 to 20")
        edges = [edge for edge in (self.low, self.high) if edge is not None]
        if not edges:
            raise ValueError("bandpass: both edges are None; give low, high or both, in Hz")
        if any(not edge > 0 for edge in edges) or (len(edges) == 2 and edges[0] >= edges[1]):
            raise ValueError(f"bandpass: edges {self.low}–{self.high} Hz must be positive and low below high")

    @property
    def words(self) -> str:
        low, high = self.low, self.high
        kind = (
            "low-pass" if low is None else f"high-pass {low:g} Hz" if high is None else f"band-pass {low:g}–{high:g} Hz"
        )
        kind = f"{kind} {high:g} Hz" if low is None else kind
        return f"{kind} (Butterworth, order {self.order:g}, {self.direction})"

    def sections(self, rate: float) -> Sections:
        from scipy.signal import butter

        for edge in (self.low, self.high):
            if edge is not None and not edge < rate / 2:
                raise ValueError(
                    f"bandpass: the edge {edge:g} Hz is not below {rate / 2:g} Hz, half the sampling rate of {rate:g} "
                    "Hz; lower it, set it to None, or filter before resampling"
                )
        kind: Literal["lowpass", "highpass", "bandpass"]
        kind = "lowpass" if self.low is None else "highpass" if self.high is None else "bandpass"
        edges = [edge for edge in (self.low, self.high) if edge is not None]
        return np.asarray(butter(self.order, edges if len(edges) == 2 else edges[0], btype=kind, fs=rate, output="sos"))


@dataclass(frozen=True, kw_only=True, eq=False)
class Notch(_Filter):
    """Take out the mains: a second-order notch at f, 2f, … below the Nyquist frequency.

    Parameters
    ----------
    frequency : of the mains, Hz: 50 or 60
    harmonics : how many multiples besides the first; None: all below the Nyquist frequency
    quality : f / (−3-dB width)
    phase : "causal" or "zero", as in `bandpass`

    Raises
    ------
    ValueError : the frequency or a wanted harmonic is not below the Nyquist frequency; NaN or infinity.
    """

    name = "notch"
    effect = Effect()

    frequency: float = 50.0
    harmonics: int | None = None
    quality: float = 30.0
    phase: Phase = "causal"

    def check(self) -> None:
        super().check()
        if not self.frequency > 0 or not self.quality > 0:
            raise ValueError(f"notch: frequency {self.frequency} Hz and quality {self.quality} must be positive")
        if self.harmonics is not None and (int(self.harmonics) != self.harmonics or self.harmonics < 0):
            raise ValueError(f"notch: harmonics is {self.harmonics}; it must be None (all) or a whole number from 0")

    @property
    def words(self) -> str:
        n = self.harmonics
        also = "and all harmonics" if n is None else f"and {n} harmonics" if n else "only"
        return f"notch {self.frequency:g} Hz {also} (Q {self.quality:g}, {self.direction})"

    def sections(self, rate: float) -> Sections:
        from scipy.signal import iirnotch

        most = int(np.ceil(rate / 2 / self.frequency)) - 1
        wanted = most if self.harmonics is None else self.harmonics + 1
        if most < 1 or wanted > most:
            raise ValueError(
                f"notch: {max(wanted, 1) * self.frequency:g} Hz is not below {rate / 2:g} Hz, half the sampling rate "
                f"of {rate:g} Hz; leave out the notch, ask for fewer harmonics, or notch before resampling"
            )
        # the same width at every multiple, as the mains drift by the same number of periods
        pairs = [iirnotch(k * self.frequency, k * self.quality, fs=rate) for k in range(1, wanted + 1)]
        return np.asarray([np.concatenate([b, a]) for b, a in pairs])


bandpass = on_recordings(Bandpass)
notch = on_recordings(Notch)


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
