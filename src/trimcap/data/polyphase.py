"""Resampling of samples as they come."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from trimcap.data.online import Block, Online, need_finite

# as in `resample`, of which this is the streaming twin
_LARGEST_FACTOR = 10_000


def resample_online(have: float, channels: tuple[str, ...], *, rate: float) -> Online:
    """`resample` for samples as they come.

    The anti-aliasing filter is symmetric and 20·max(up, down) + 1 taps long, so every output needs half of
    them from the future: the stream runs behind by 10·max(up, down) / (up · rate) seconds. Given that delay
    the samples are those of `resample`, bit for bit.

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
    origin = seen = made = 0  # index of the first waiting sample; samples that came in; samples given out

    def give(end: int) -> Block:
        """Outputs `made` up to `end`; afterwards forget the samples that no later output needs."""
        nonlocal waiting, origin, made
        if end <= made:
            return np.empty((len(channels), 0), dtype=np.float32)
        from scipy.signal import upfirdn

        full = upfirdn(taps, waiting, up, down, axis=-1)
        first = lead - origin * up // down
        out = np.zeros((len(channels), end - made), dtype=np.float32)
        part = full[:, first + made : first + end]
        out[:, : part.shape[1]] = part
        made = end
        oldest = max(0, -((len(taps) - 1 - (made + lead) * down) // up))
        forget = max(0, oldest // down * down - origin)  # multiples of `down` keep the phase of the filter
        waiting, origin = waiting[:, forget:], origin + forget
        return out

    def push(block: Block) -> Block:
        nonlocal waiting, seen
        need_finite(block, "resampling", channels)
        waiting = np.concatenate([waiting, block], axis=1)
        seen += block.shape[1]
        return give((seen * up - 1 + pad) // down - lead + 1 if seen else 0)

    delay = 10 * max(up, down) / (up * have)
    return Online(push, float(rate), channels, lambda: give(-(-seen * up // down)), delay)


def resample_words(*, rate: float) -> str:
    """What `resample` does, in words."""
    if not 0 < rate < np.inf:
        raise ValueError(f"resample: rate is {rate} Hz; it must be positive")
    return f"resampled to {rate:g} Hz (polyphase)"


def _taps(up: int, down: int) -> tuple[NDArray[np.float64], int, int]:
    """SciPy's anti-aliasing filter, the zeros in front of it, and the outputs before the first that counts."""
    from scipy.signal import firwin

    largest = max(up, down)
    half = 10 * largest
    pad = down - half % down
    taps = up * np.asarray(firwin(2 * half + 1, 1 / largest, window=("kaiser", 5.0)))
    return np.concatenate([np.zeros(pad), taps]), pad, (half + pad) // down


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
