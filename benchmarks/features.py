"""Differential entropy: trimcap against SciPy loops, one core, one run.

python benchmarks/features.py [--windows N] [--repeats N]

Prints CPU time per window (median of interleaved repeats), the ratio to each loop and the largest difference from
the loop, for DEAP-sized windows (32 channels, 128 Hz) of 1 s and 4 s with pink spectra and electrode offsets.
Exits with 1 if the 1-s ratio to the loop that designs its filters each time is below 150 or a difference is above
1e-5.
"""

# ruff: noqa: E402 - thread counts must be set before NumPy is imported
from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # must be set before NumPy loads its BLAS

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.signal import butter, lfilter

from trimcap.data.features import BANDS, differential_entropy
from trimcap.data.windows import Windows

RATE, CHANNELS, ORDER = 128.0, 32, 5


def make_windows(n: int, seconds: float) -> Windows:
    """Pink noise of about 20 µV with offsets up to ±5 mV per channel."""
    rng = np.random.default_rng(0)
    n_times = round(seconds * RATE)
    spectrum = np.fft.rfft(rng.standard_normal((n, CHANNELS, n_times)))
    spectrum /= np.maximum(1, np.arange(spectrum.shape[-1])) ** 0.5
    X = np.fft.irfft(spectrum, n_times)
    X = 20 * X / X.std(axis=-1, keepdims=True) + rng.uniform(-5000, 5000, (n, CHANNELS, 1))
    metadata = pd.DataFrame(
        {"subject": "s1", "session": "1", "trial": "1", "start": np.arange(n) * seconds},
    )
    names = tuple(f"E{c}" for c in range(CHANNELS))
    return Windows(X.astype(np.float32), np.zeros(n, np.int64), metadata, names, RATE, ("a",), seconds)


def entropy(y: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(0.5 * np.log(2 * np.pi * np.e * y.var(axis=-1)))


def loop_design(X: NDArray[np.float32]) -> NDArray[np.float64]:
    """One filter design and one lfilter per window, band and channel, as torcheeg's transform does."""
    out = np.empty((len(X), CHANNELS, len(BANDS)))
    for i, window in enumerate(X):
        for b, edges in enumerate(BANDS.values()):
            for c, signal in enumerate(window):
                numerator, denominator = butter(ORDER, edges, btype="bandpass", fs=RATE)
                out[i, c, b] = entropy(lfilter(numerator, denominator, signal.astype(np.float64)))
    return out


def loop_cached(X: NDArray[np.float32]) -> NDArray[np.float64]:
    """The same loop with the coefficients computed once."""
    filters = [butter(ORDER, edges, btype="bandpass", fs=RATE) for edges in BANDS.values()]
    out = np.empty((len(X), CHANNELS, len(BANDS)))
    for i, window in enumerate(X):
        for b, (numerator, denominator) in enumerate(filters):
            for c, signal in enumerate(window):
                out[i, c, b] = entropy(lfilter(numerator, denominator, signal.astype(np.float64)))
    return out


def batched(X: NDArray[np.float32]) -> NDArray[np.float64]:
    """What a careful SciPy user writes: cached coefficients, all channels of a window in one call."""
    filters = [butter(ORDER, edges, btype="bandpass", fs=RATE) for edges in BANDS.values()]
    out = np.empty((len(X), CHANNELS, len(BANDS)))
    for i, window in enumerate(X.astype(np.float64)):
        for b, (numerator, denominator) in enumerate(filters):
            out[i, :, b] = entropy(lfilter(numerator, denominator, window))
    return out


def cpu_seconds(function: Callable[[], object]) -> float:
    start = time.process_time()
    function()
    return time.process_time() - start


def compare(seconds: float, *, n: int, n_slow: int, repeats: int) -> tuple[float, float]:
    """Print one table; returns the ratio to `loop_design` and the largest difference from it."""
    windows = make_windows(n, seconds)
    few = windows.take(range(n_slow))
    reference = loop_design(few.X)
    difference = float(np.abs(differential_entropy(few).X - reference).max())
    runs: dict[str, tuple[Callable[[], object], int]] = {
        "loop, filters designed each time": (lambda: loop_design(few.X), n_slow),
        "loop, filters cached": (lambda: loop_cached(few.X), n_slow),
        "per window, all channels at once, cached": (lambda: batched(few.X), n_slow),
        "trimcap.differential_entropy": (lambda: differential_entropy(windows), n),
    }
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, (function, count) in runs.items():
            times[name].append(cpu_seconds(function) / count)
    per_window = {name: statistics.median(values) for name, values in times.items()}
    ours = per_window["trimcap.differential_entropy"]
    print(f"\n{CHANNELS} channels, {seconds:g}-s windows at {RATE:g} Hz, {len(BANDS)} bands, one core")
    print(f"{'method':42} {'µs/window':>10} {'slower by':>10}")
    for name, value in per_window.items():
        print(f"{name:42} {1e6 * value:10.1f} {value / ours:9.1f}×")
    print(f"largest difference from the loop: {difference:.1e} nat")
    return per_window["loop, filters designed each time"] / ours, difference


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--windows", type=int, default=4000, help="1-s windows for the fast method")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    ratio, error = compare(1, n=options.windows, n_slow=24, repeats=options.repeats)
    _, long_error = compare(4, n=options.windows // 4, n_slow=12, repeats=options.repeats)
    good = ratio >= 150 and max(error, long_error) <= 1e-5
    print(f"\n{'ok' if good else 'FAILED'}: {ratio:.0f}× (at least 150×), difference {max(error, long_error):.1e}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
