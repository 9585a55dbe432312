"""Change a recording's sampling rate."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from trimcap.data.preprocess.effects import Effect
from trimcap.data.preprocess.online import Block, Online, need_finite
from trimcap.data.preprocess.step import SignalStep, on_recordings
from trimcap.data.recording import Recording

_LARGEST_FACTOR = 10_000


@dataclass(frozen=True, eq=False)
class Resample(SignalStep):
    """The recording at another sampling rate, by polyphase filtering with SciPy's anti-aliasing filter.

    With rate / recording.rate = u / d in lowest terms the signal is upsampled by u, low-passed (Kaiser
    window, β = 5, cutoff at the lower Nyquist frequency, zero phase, every phase of gain 1 at 0 Hz) and downsampled
    by d; 500 Hz to 128 Hz is 32 / 125. The result has ⌈n_times · u / d⌉ samples. Before the recording the signal
    counts as its first sample and after it as its last one, so that an offset of the electrodes leaves no transient.
    (SciPy's phases differ in gain by some 1e-4, which makes a ripple of an offset.)

    The filter is symmetric and 20·max(u, d) + 1 taps long, so every output needs half of them from the future: a stream
    runs behind by 10·max(u, d) / (u · rate) seconds.

    Parameters
    ----------
    rate : Hz

    Raises
    ------
    ValueError : rate is not positive, or the two rates have no fraction with terms up to 10,000; NaN or infinity.
    """

    name = "resample"
    effect = Effect(rate=True, delay=True)

    rate: float

    def check(self) -> None:
        if not self.rate > 0:
            raise ValueError(f"resample: rate is {self.rate} Hz; it must be positive")

    @property
    def words(self) -> str:
        return f"resampled to {self.rate:g} Hz (polyphase)"

    def apply(self, given: Recording, /) -> Recording:
        return given if self.rate == given.rate else super().apply(given)

    def online(self, rate: float, channels: tuple[str, ...], /) -> Online:
        ratio = _ratio(rate, self.rate)
        up, down = ratio.numerator, ratio.denominator
        if up == down:
            return Online(lambda block: np.asarray(block, dtype=np.float32), rate, channels)
        taps, pad, lead = _taps(up, down)
        waiting = np.empty((len(channels), 0))
        shift: NDArray[np.float64] | None = None
        origin = seen = made = 0  # index of the first waiting sample; samples that came in; samples given out

        def give(end: int) -> Block:
            """Outputs `made` up to `end`; afterwards forget the samples that no later output needs."""
            nonlocal waiting, origin, made
            if shift is None or end <= made:
                return np.empty((len(channels), 0), dtype=np.float32)
            from scipy.signal import upfirdn

            full = upfirdn(taps, waiting, up, down, axis=-1)
            first = lead - origin * up // down
            out = np.asarray(full[:, first + made : first + end] + shift, dtype=np.float32)
            made = end
            oldest = max(0, -((len(taps) - 1 - (made + lead) * down) // up))
            forget = max(0, oldest // down * down - origin)  # multiples of `down` keep the phase of the filter
            waiting, origin = waiting[:, forget:], origin + forget
            return out

        def push(block: Block) -> Block:
            nonlocal waiting, seen, shift
            need_finite(block, "resampling", channels)
            if shift is None and block.shape[1]:
                shift = block[:, :1].astype(np.float64)
            waiting = np.concatenate([waiting, block - (0.0 if shift is None else shift)], axis=1)
            seen += block.shape[1]
            return give((seen * up - 1 + pad) // down - lead + 1 if seen else 0)

        def finish() -> Block:
            nonlocal waiting
            if seen:
                waiting = np.concatenate([waiting, np.repeat(waiting[:, -1:], -(-len(taps) // up), axis=1)], axis=1)
            return give(-(-seen * up // down))

        delay = 10 * max(up, down) / (up * rate)
        return Online(push, float(self.rate), channels, finish, delay)


resample = on_recordings(Resample)


def _taps(up: int, down: int) -> tuple[NDArray[np.float64], int, int]:
    """SciPy's anti-aliasing filter with phases of gain 1, zeros before it, outputs before the first that counts."""
    from scipy.signal import firwin

    largest = max(up, down)
    half = 10 * largest
    pad = down - half % down
    taps = np.concatenate([np.zeros(pad), np.asarray(firwin(2 * half + 1, 1 / largest, window=("kaiser", 5.0)))])
    phase = np.arange(len(taps)) % up
    return taps / np.bincount(phase, taps, minlength=up)[phase], pad, (half + pad) // down


def _ratio(have: float, rate: float) -> Fraction:
    ratio = Fraction(rate).limit_denominator(_LARGEST_FACTOR) / Fraction(have).limit_denominator(_LARGEST_FACTOR)
    largest = max(ratio.numerator, ratio.denominator)
    if largest > _LARGEST_FACTOR or abs(float(ratio) * have - rate) > 1e-6 * rate:
        raise ValueError(
            f"{have} Hz to {rate} Hz is the fraction {ratio}, too fine for polyphase filtering; choose a rate "
            "with a simpler ratio"
        )
    return ratio
