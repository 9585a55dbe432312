"""Resampling of samples as they come."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from trimcap.data.preprocess.online import Block, Online, need_finite

# as in `resample`, of which this is the streaming twin
_LARGEST_FACTOR = 10_000


def resample_online(have: float, channels: tuple[str, ...], *, rate: float) -> Online:
    """`resample` for samples as they come.

    The anti-aliasing filter is symmetric and 20·max(up, down) + 1 taps long, so every output needs half of
    them from the future: the stream runs behind by 10·max(up, down) / (up · rate) seconds. Given that delay
    the samples are those of `resample`, bit for bit.

    The first sample is subtracted before the filter and added after it, and the last one is repeated at the end, so
    that the signal counts as constant outside: an electrode offset of millivolts leaves no step at the ends. Every
    phase of the filter has the gain 1 at 0 Hz (SciPy's differ by some 1e-4, which makes a ripple of an offset).

    Parameters
    ----------
    have : rate of the input, Hz
    channels : electrode names
    rate : of the output, Hz
    """
    ratio = _ratio(have, rate)
    up, down = ratio.numerator, ratio.denominator
    if up == down:
        return Online(lambda block: np.asarray(block, dtype=np.float32), have, channels)
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

    delay = 10 * max(up, down) / (up * have)
    return Online(push, float(rate), channels, finish, delay)


def resample_words(*, rate: float) -> str:
    """What `resample` does, in words."""
    if not 0 < rate < np.inf:
        raise ValueError(f"resample: rate is {rate} Hz; it must be positive")
    return f"resampled to {rate:g} Hz (polyphase)"


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
    resample_words(rate=rate)
    ratio = Fraction(rate).limit_denominator(_LARGEST_FACTOR) / Fraction(have).limit_denominator(_LARGEST_FACTOR)
    largest = max(ratio.numerator, ratio.denominator)
    if largest > _LARGEST_FACTOR or abs(float(ratio) * have - rate) > 1e-6 * rate:
        raise ValueError(
            f"{have} Hz to {rate} Hz is the fraction {ratio}, too fine for polyphase filtering; choose a rate "
            "with a simpler ratio"
        )
    return ratio
