"""Where samples belong in time, from packet counters and timestamps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from trimcap._errors import counted

#: rates of headsets, Hz; a rate that is measured within 2 % of one is that
RATES = (100, 125, 128, 160, 200, 220, 250, 256, 300, 500, 512, 600, 1000, 1024, 2000, 2048)
_NEAR = 0.02
#: of packet numbers
_PERIODS = (100, 101, 128, 129, 200, 201, 256, 257, 65536)
# samples on either side of a jump over which timestamps that arrive in bursts are averaged, s
_AROUND = 0.5
# longest pause that is filled, s: what is longer is two recordings
_LONGEST = 600.0


@dataclass(frozen=True, eq=False)
class Grid:
    """An even grid of samples, and which of them a file has.

    Parameters
    ----------
    rate : Hz
    n : length of the grid
    places : sample of the grid of each row, increasing
    gaps : (first lost sample, how many)
    """

    rate: float
    n: int
    places: NDArray[np.int64]
    gaps: tuple[tuple[int, int], ...] = ()


def even(n: int, rate: float) -> Grid:
    """A grid without gaps."""
    return Grid(rate, n, np.arange(n))


def only(grid: Grid, rows: NDArray[np.bool_]) -> Grid:
    """The grid with some of its rows: the others are gaps."""
    places = grid.places[rows]
    edges = np.r_[-1, places, grid.n]
    gaps = [(int(a) + 1, int(b - a) - 1) for a, b in pairwise(edges.tolist()) if b - a > 1]
    return Grid(grid.rate, grid.n, places, tuple(gaps))


def measured_rate(stamps: NDArray[np.float64], rates: Sequence[int] = RATES, *, near: float = _NEAR) -> float:
    """Hz of most of a recording, from s of its samples: the nearest of some rates, if it is within a share of it.

    ValueError: the times say none.
    """
    stamps = stamps[np.isfinite(stamps)]
    steps = np.diff(stamps)
    if len(steps) < 8 or not (steps > 0).any():
        raise ValueError("no sampling rate is given, and the times of the samples tell none")
    # the rate within stretches: pauses and clocks that are set must not count
    size = max(len(steps) // 50, 8)
    pieces = steps[: len(steps) // size * size].reshape(-1, size).sum(axis=1) / size
    step = float(np.median(pieces[pieces > 0])) if (pieces > 0).any() else 0.0
    rate = 1 / step if step > 0 else 0.0
    known = min(rates, key=lambda one: abs(one - rate))
    return float(known) if abs(known - rate) <= near * known else round(rate, 3)


def by_counter(
    counter: NDArray[np.float64], rate: float, stamps: NDArray[np.float64] | None = None
) -> tuple[Grid, NDArray[np.bool_], list[str]]:
    """A grid from packet numbers that wrap around, and from times where more than a round was lost.

    Parameters
    ----------
    counter : of each row; NaN only where there is no number
    stamps : s of each row, if there are any

    Returns
    -------
    The grid of the rows that are kept, which rows these are (a packet that is repeated is not), and notes.
    """
    n = len(counter)
    numbers = np.where(np.isfinite(counter), counter, 0).astype(np.int64)
    steps = np.diff(numbers)
    if not n or (numbers == numbers[0]).all():
        return even(n, rate), np.ones(n, dtype=bool), []
    pairs = (steps == 0).mean() > 0.3  # of a Ganglion each packet holds two samples
    usual = _usual(steps)
    period = _period(numbers, steps, usual)
    forward = steps % period // usual
    keep = np.ones(n, dtype=bool) if pairs else np.r_[True, steps != 0]
    if pairs:
        second = (steps == 0) & ~np.r_[False, (steps == 0)[:-1]]
        jumps = np.where(second, 1, np.maximum(2 * forward - 1, 1))
    else:
        jumps = np.where(keep[1:], np.maximum(forward, 1), 0)
    if stamps is not None:
        jumps = _whole_rounds(jumps, np.diff(stamps), rate, period // usual * (2 if pairs else 1))
    places = np.r_[0, np.cumsum(jumps)]
    notes = [] if keep.all() else [f"{counted(int((~keep).sum()), 'packet')} there twice; the first of each is read"]
    return _grid(places[keep], rate), keep, notes


def _usual(steps: NDArray[np.int64]) -> int:
    """What a packet number grows by: 2 where two boards take turns."""
    up = steps[(steps > 0) & (steps < 64)]
    return int(np.bincount(up).argmax()) if len(up) else 1


def _period(numbers: NDArray[np.int64], steps: NDArray[np.int64], usual: int) -> int:
    """How many numbers there are before they begin again."""
    wraps = Counter((usual - steps[steps < 0]).tolist())
    known = {period: n for period, n in wraps.items() if period in _PERIODS}
    if known:
        return int(max(known, key=lambda period: (known[period], period)))
    largest = int(numbers.max()) + 1
    often = wraps.most_common(1)
    return int(often[0][0]) if often and often[0][1] > 2 else next((p for p in _PERIODS if p >= largest), largest)


def _whole_rounds(jumps: NDArray[np.int64], passed: NDArray[np.float64], rate: float, period: int) -> NDArray[np.int64]:
    """Add the rounds of the counter that pass in a pause; after a new start the times alone count."""
    with np.errstate(invalid="ignore"):
        rounds = np.round((passed * rate - jumps) / period)
        late = np.isfinite(rounds) & (rounds >= 1) & (passed > 0.75 * period / rate)
        counted = jumps + np.where(late, rounds, 0).astype(np.int64) * period
        timed = np.round(np.where(late, passed, 0) * rate).astype(np.int64)
    return np.where(late & (np.abs(counted - timed) > 0.1 * rate), timed, counted)


def by_time(stamps: NDArray[np.float64], rate: float) -> tuple[Grid, list[str]]:
    """A grid from times alone: a gap is where they jump, and stay there, by more than their own jitter."""
    n = len(stamps)
    if n < 2:
        return even(n, rate), []
    filled = np.interp(np.arange(n), np.flatnonzero(np.isfinite(stamps)), stamps[np.isfinite(stamps)])
    steps = np.diff(filled)
    jitter = float(np.quantile(np.abs(steps - 1 / rate), 0.95))
    least = max(1.5 / rate, 6 * jitter)
    late = filled - filled[0] - np.arange(n) / rate
    around = max(int(_AROUND * rate), 2)
    jumps = np.ones(n - 1, dtype=np.int64)
    back = []
    for i in np.flatnonzero(np.abs(steps) > least):
        shift = float(np.median(late[i + 1 : i + 1 + around]) - np.median(late[max(i + 1 - around, 0) : i + 1]))
        if shift > least and steps[i] > 0:
            jumps[i] += round(min(shift, float(steps[i])) * rate)
        elif shift < -least and shift < -_AROUND:
            back.append((i + 1, shift))
    notes = [f"the clock goes back by {-shift:.3g} s at sample {at}; read on without a gap" for at, shift in back[:3]]
    return _grid(np.r_[0, np.cumsum(jumps)], rate), notes


def _grid(places: NDArray[np.int64], rate: float) -> Grid:
    steps = np.diff(places)
    gaps = [(int(places[i]) + 1, int(steps[i]) - 1) for i in np.flatnonzero(steps > 1)]
    longest = max((count for _, count in gaps), default=0)
    if longest > _LONGEST * rate:
        raise ValueError(
            f"nothing was recorded for {longest / rate:,.0f} s in the middle: two recordings; cut the file there"
        )
    return Grid(rate, int(places[-1]) + 1 if len(places) else 0, places.astype(np.int64), tuple(gaps))


def changes(values: NDArray[np.float64], grid: Grid) -> list[tuple[float, float, str]]:
    """A marker wherever a column takes another value than 0; (s, 0, value)."""
    codes = np.where(np.isfinite(values), values, 0.0)
    begins = np.flatnonzero((codes != 0) & (np.r_[0.0, codes[:-1]] != codes))
    return [(float(grid.places[i] / grid.rate), 0.0, f"{codes[i]:g}") for i in begins]
