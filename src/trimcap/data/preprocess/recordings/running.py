"""Standardisation by what was seen so far, and removal of a baseline's mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimcap.data.preprocess.effects import Effect
from trimcap.data.preprocess.online import Block, Online, need_finite
from trimcap.data.preprocess.step import SignalStep, on_recordings

#: µV; a channel whose spread is below is not blown up
_SMALLEST_SPREAD = 1e-3


@dataclass(frozen=True, kw_only=True, eq=False)
class RunningZScore(SignalStep):
    """z_t = (x_t − μ_t) / σ_t, with exponentially weighted mean and deviation of the samples up to t.

    Weights α(1−α)^k / (1 − (1−α)^(t+1)) for the sample k steps ago, α = 1 − exp(−1 / (seconds · rate)), so
    that they sum to one from the first sample on. **Causal**: what a headset can do without a calibration.

    Parameters
    ----------
    seconds : time constant; samples this long ago weigh 1/e as much. Windows of the first such stretch are
        scaled by little evidence; `start=seconds` of the windows step leaves them out

    Returns
    -------
    Recording in units of the running deviation, float32; the first sample is 0. σ is at least 0.001 µV.

    Raises
    ------
    ValueError : seconds is not positive; NaN or infinity.
    """

    name = "running_z_score"
    effect = Effect(unit="z", scale=True)

    seconds: float = 10.0

    def check(self) -> None:
        if not self.seconds > 0:
            raise ValueError(f"running_z_score: seconds is {self.seconds}; the time constant must be positive")

    @property
    def words(self) -> str:
        return f"z-scored by the running mean and deviation (causal, time constant {self.seconds:g} s)"

    def online(self, rate: float, channels: tuple[str, ...], /) -> Online:
        from scipy.signal import lfilter

        alpha = -np.expm1(-1 / (self.seconds * rate))
        b, a = [alpha], [1.0, alpha - 1]
        n = len(channels)
        # deviations from the first sample, so that an electrode offset of millivolts costs no digits
        shift: NDArray[np.float64] | None = None
        first, second, weight = np.zeros((n, 1)), np.zeros((n, 1)), np.zeros((1, 1))

        def push(block: Block) -> Block:
            nonlocal shift, first, second, weight
            need_finite(block, "a running z-score", channels)
            x = block.astype(np.float64)
            if not x.shape[1]:
                return x.astype(np.float32)
            shift = x[:, :1].copy() if shift is None else shift
            x -= shift
            total, first = lfilter(b, a, x, zi=first)
            squares, second = lfilter(b, a, x * x, zi=second)
            weights, weight = lfilter(b, a, np.ones((1, x.shape[1])), zi=weight)
            mean = total / weights
            spread = np.sqrt(np.maximum(squares / weights - mean * mean, 0))
            return np.asarray((x - mean) / np.maximum(spread, _SMALLEST_SPREAD), dtype=np.float32)

        return Online(push, rate, channels)


@dataclass(frozen=True, kw_only=True, eq=False)
class SubtractBaselineMean(SignalStep):
    """x_c(t) − mean of x_c over the first `seconds`: the usual baseline correction of evoked potentials.

    Parameters
    ----------
    seconds : length of the baseline, with which the recording begins. It is kept; `start=seconds` of the windows step
        leaves it out. In a stream nothing comes out before it is over

    Raises
    ------
    ValueError : the recording is not longer than its baseline; NaN or infinity within it.
    """

    name = "subtract_baseline_mean"
    effect = Effect()

    seconds: float

    def check(self) -> None:
        if not self.seconds > 0:
            raise ValueError(f"subtract_baseline_mean: seconds is {self.seconds}; the baseline must be longer than 0 s")

    @property
    def words(self) -> str:
        return f"mean of the first {self.seconds:g} s subtracted"

    def online(self, rate: float, channels: tuple[str, ...], /) -> Online:
        n_times = max(1, round(self.seconds * rate))
        waiting: list[Block] = []
        mean: NDArray[np.float64] | None = None

        def push(block: Block) -> Block:
            nonlocal mean
            if mean is not None:
                return np.asarray(block - mean, dtype=np.float32)
            need_finite(block, "the mean of the baseline", channels)
            waiting.append(np.array(block, dtype=np.float32))
            if sum(part.shape[1] for part in waiting) < n_times:
                return np.empty((len(channels), 0), dtype=np.float32)
            so_far = np.concatenate(waiting, axis=1)
            waiting.clear()
            mean = np.ascontiguousarray(so_far[:, :n_times]).mean(axis=1, keepdims=True, dtype=np.float64)
            return np.asarray(so_far - mean, dtype=np.float32)

        def finish() -> Block:
            if mean is None:
                raise ValueError(
                    f"it ended within its baseline of {self.seconds:g} s; shorten the baseline or leave it out"
                )
            return np.empty((len(channels), 0), dtype=np.float32)

        return Online(push, rate, channels, finish)


running_z_score = on_recordings(RunningZScore)
subtract_baseline_mean = on_recordings(SubtractBaselineMean)
