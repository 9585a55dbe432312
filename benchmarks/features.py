"""Features of windows: trimcap against torcheeg's transforms and SciPy loops, one core, one run.

python benchmarks/features.py [--windows N] [--repeats N]

Needs torcheeg for the comparison with it: pip install --no-deps torcheeg==1.1.3 (its other requirements are not used).
Prints CPU time per window (median of interleaved repeats), the ratio to each other method (median of the ratios within
a repeat, smallest and largest) and the largest differences, for windows of the size of DEAP's (32 channels, 128 Hz; 1 s
and 4 s) and of SEED's (62 channels, 200 Hz, five bands) with pink spectra and electrode offsets; then the other
transforms that have a counterpart here.

torcheeg filters with one polynomial of degree 10 per band, which for low bands at high rates is itself inaccurate: for
delta at 200 Hz it is off by more than 1e-3 from second-order sections, which agree with extended precision. Both
differences are printed.

Exits with 1 if torcheeg's `BandDifferentialEntropy` takes less than 500 times as long on DEAP's 1-s windows, if a value
is off by more than 1e-5 from second-order sections, or from torcheeg in a band where torcheeg is not.
"""

# ruff: noqa: E402 - thread counts must be set before NumPy is imported
from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # must be set before NumPy loads its BLAS

import argparse
import importlib.metadata
import importlib.util
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType, ModuleType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.signal import butter, lfilter, sosfilt

from trimcap.data.electrodes.montage import grid
from trimcap.data.preprocess.windows.features import (
    BANDS,
    Bands,
    band_power,
    differential_entropy,
    log_variance,
    to_grid,
)
from trimcap.data.preprocess.windows.windowwise import subtract_baseline, window_z_score
from trimcap.data.windows import Windows

ORDER = 5
FIVE: Bands = MappingProxyType({"delta": (1, 4), **BANDS})
DEAP_NAMES = (
    "Fp1", "AF3", "F3", "F7", "FC5", "FC1", "C3", "T7", "CP5", "CP1", "P3", "P7", "PO3", "O1", "Oz", "Pz", "Fp2",
    "AF4", "Fz", "F4", "F8", "FC6", "FC2", "Cz", "C4", "T8", "CP6", "CP2", "P4", "P8", "PO4", "O2",
)  # fmt: skip

Run = tuple[Callable[[], object], int]


def load_torcheeg() -> Any:
    """torcheeg.transforms, or None; packages that only transforms not used here need are stood in for."""
    if importlib.util.find_spec("torcheeg") is None:
        return None
    for name in ("spectrum", "pywt"):
        if importlib.util.find_spec(name) is None:
            sys.modules[name] = ModuleType(name)
            sys.modules[name].aryule = None  # type: ignore[attr-defined]
    return importlib.import_module("torcheeg.transforms")


def make_windows(n: int, seconds: float, *, rate: float = 128.0, channels: int = 32) -> Windows:
    """Pink noise of about 20 µV with offsets up to ±5 mV per channel."""
    rng = np.random.default_rng(0)
    n_times = round(seconds * rate)
    spectrum = np.fft.rfft(rng.standard_normal((n, channels, n_times)))
    spectrum /= np.maximum(1, np.arange(spectrum.shape[-1])) ** 0.5
    X = np.fft.irfft(spectrum, n_times)
    X = 20 * X / X.std(axis=-1, keepdims=True) + rng.uniform(-5000, 5000, (n, channels, 1))
    metadata = pd.DataFrame({"subject": "s1", "session": "1", "trial": "1", "start": np.arange(n) * seconds})
    names = DEAP_NAMES if channels == len(DEAP_NAMES) else tuple(f"E{c}" for c in range(channels))
    return Windows(X.astype(np.float32), np.zeros(n, np.int64), metadata, names, rate, ("a",), seconds)


def entropy(y: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(0.5 * np.log(2 * np.pi * np.e * y.var(axis=-1)))


def loop_cached(windows: Windows, bands: Bands) -> NDArray[np.float64]:
    """One lfilter per window, band and channel, with coefficients that are computed once."""
    filters = [butter(ORDER, edges, btype="bandpass", fs=windows.rate) for edges in bands.values()]
    out = np.empty((*windows.X.shape[:2], len(bands)))
    for i, window in enumerate(windows.X):
        for b, (numerator, denominator) in enumerate(filters):
            for c, signal in enumerate(window):
                out[i, c, b] = entropy(lfilter(numerator, denominator, signal.astype(np.float64)))
    return out


def batched(windows: Windows, bands: Bands) -> NDArray[np.float64]:
    """What a careful SciPy user writes: cached coefficients, all channels of a window in one call."""
    filters = [butter(ORDER, edges, btype="bandpass", fs=windows.rate) for edges in bands.values()]
    out = np.empty((*windows.X.shape[:2], len(bands)))
    for i, window in enumerate(windows.X.astype(np.float64)):
        for b, (numerator, denominator) in enumerate(filters):
            out[i, :, b] = entropy(lfilter(numerator, denominator, window))
    return out


def exact(windows: Windows, bands: Bands) -> NDArray[np.float64]:
    """Second-order sections, one after the other."""
    sections = [butter(ORDER, edges, btype="bandpass", fs=windows.rate, output="sos") for edges in bands.values()]
    return np.stack([entropy(sosfilt(s, windows.X.astype(np.float64))) for s in sections], axis=-1)


def each(transform: Callable[..., Any], X: NDArray[np.float32], **others: Any) -> NDArray[Any]:
    """A torcheeg transform on one window after the other."""
    return np.stack([transform(eeg=window, **others)["eeg"] for window in X])


def cpu_seconds(function: Callable[[], object]) -> float:
    start = time.process_time()
    function()
    return time.process_time() - start


def show(runs: Mapping[str, Run], repeats: int) -> float:
    """Time methods against the last one, ours; prints a table, returns the median ratio of the first."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for function, _ in runs.values():
        function()  # plans and filters that are kept
    for _ in range(repeats):
        for name, (function, count) in runs.items():
            times[name].append(cpu_seconds(function) / count)
    ours = list(times)[-1]
    first = None
    for name, values in times.items():
        ratios = [value / own for value, own in zip(values, times[ours], strict=True)]
        first = statistics.median(ratios) if first is None else first
        spread = "" if name == ours else f"{statistics.median(ratios):9.1f}× ({min(ratios):.1f} to {max(ratios):.1f})"
        print(f"  {name:42} {1e6 * statistics.median(values):10.1f} {spread}")
    assert first is not None
    return first


def compare_entropy(torcheeg: Any, windows: Windows, bands: Bands, *, n_slow: int, repeats: int) -> tuple[float, float]:
    """One table; the ratio of the first method to ours and the largest difference that is ours."""
    few = windows.take(range(n_slow))
    runs: dict[str, Run] = {}
    theirs = loop_cached(few, bands)
    if torcheeg is not None:
        transform = torcheeg.BandDifferentialEntropy(
            sampling_rate=int(windows.rate), order=ORDER, band_dict=dict(bands)
        )
        theirs = each(transform, few.X) * np.log(2)  # bits to nat
        runs["torcheeg BandDifferentialEntropy"] = (lambda: each(transform, few.X), n_slow)
    runs["loop, filters cached"] = (lambda: loop_cached(few, bands), n_slow)
    runs["per window, all channels at once, cached"] = (lambda: batched(few, bands), n_slow)
    runs["trimcap differential_entropy"] = (lambda: differential_entropy(windows, bands=bands), len(windows))
    print(
        f"\ndifferential entropy: {len(windows.channels)} channels, {windows.duration:g}-s windows at "
        f"{windows.rate:g} Hz, {len(bands)} bands\n  {'method':42} {'µs/window':>10}     ratio (smallest to largest)"
    )
    ratio = show(runs, repeats)
    ours, sections = differential_entropy(few, bands=bands).X, exact(few, bands)
    pairs = {"trimcap − torcheeg": (ours, theirs), "trimcap − sections": (ours, sections)}
    pairs["torcheeg − sections"] = (theirs, sections)
    largest = {name: np.abs(a - b).max(axis=(0, 1)) for name, (a, b) in pairs.items()}
    print(f"  {'largest difference, nat':32} {''.join(f'{band:>10}' for band in bands)}")
    for name, values in largest.items():
        print(f"    {name:30} {''.join(f'{value:10.1e}' for value in values)}")
    between, own, other = largest.values()
    return ratio, float(np.where(other > 1e-5, own, np.maximum(own, between)).max())


def compare_others(torcheeg: Any, windows: Windows, repeats: int) -> float:
    """Other transforms with a counterpart, DEAP's 1-s windows; the largest difference."""
    X = windows.X[:12]
    entropies, baseline = differential_entropy(windows), windows.take([0])
    cells = grid(windows.channels)
    where = {name: tuple(cell) for name, cell in zip(windows.channels, cells.cells.tolist(), strict=True)}
    signals, to_cells = torcheeg.BandSignal(sampling_rate=128), torcheeg.ToGrid(where)
    standardise, remove = torcheeg.MeanStdNormalize(axis=1), torcheeg.BaselineRemoval()
    density = torcheeg.BandPowerSpectralDensity(sampling_rate=128)

    def their_log_variance(X: NDArray[np.float32]) -> NDArray[Any]:
        return np.asarray(np.log(each(signals, X).var(axis=-1)).transpose(0, 2, 1))

    table: dict[str, tuple[Callable[[], NDArray[Any]], Callable[[Windows], Windows], Windows, int]] = {
        "BandSignal, ln σ² / log_variance": (
            lambda: their_log_variance(X), lambda w: log_variance(w, bands=BANDS), windows, 12
        ),
        "MeanStdNormalize / window_z_score": (
            lambda: each(standardise, windows.X.astype(np.float64)),
            lambda w: window_z_score(w, per="channel"), windows, len(windows),
        ),
        "BaselineRemoval / subtract_baseline": (
            lambda: each(remove, windows.X, baseline=baseline.X[0]),
            lambda w: subtract_baseline(w, baseline=baseline), windows, len(windows),
        ),
        "ToGrid of entropies / to_grid": (
            lambda: each(to_cells, entropies.X), lambda w: to_grid(w, cells), entropies, len(windows)
        ),
        "BandPowerSpectralDensity / band_power *": (
            lambda: each(density, windows.X), lambda w: band_power(w, bands=BANDS), windows, len(windows)
        ),
    }  # fmt: skip
    largest = 0.0
    for name, (theirs, ours, given, count) in table.items():
        print(f"\n{name}, DEAP's 1-s windows")

        def run(ours: Callable[[Windows], Windows] = ours, given: Windows = given) -> Windows:
            return ours(given)

        show({"torcheeg": (theirs, count), "trimcap": (run, len(given))}, repeats)
        if not name.endswith("*"):
            expected = theirs()
            difference = float(np.abs(ours(given).X[: len(expected)] - expected).max())
            print(f"  largest difference: {difference:.1e}")
            largest = max(largest, difference)
    print("\n* not the same quantity: a mean of |X|² over other frequencies, without unit, see the docstring")
    return largest


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--windows", type=int, default=2000, help="1-s windows for the fast method")
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    torcheeg, n = load_torcheeg(), options.windows
    packages = ["numpy", "scipy"] + (["torcheeg"] if torcheeg is not None else [])
    print("one core, CPU time;", ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages))
    ratio, difference = compare_entropy(torcheeg, make_windows(n, 1), BANDS, n_slow=12, repeats=options.repeats)
    differences = [difference]
    for windows, bands in (
        (make_windows(n // 4, 4), BANDS),
        (make_windows(n // 4, 1, rate=200.0, channels=62), FIVE),
    ):
        differences.append(compare_entropy(torcheeg, windows, bands, n_slow=6, repeats=options.repeats)[1])
    if torcheeg is None:
        print("\nFAILED: no comparison with torcheeg; pip install --no-deps torcheeg==1.1.3")
        return 1
    differences.append(compare_others(torcheeg, make_windows(n, 1), options.repeats))
    good = ratio >= 500 and max(differences) <= 1e-5
    print(f"\n{'ok' if good else 'FAILED'}: {ratio:.0f}× (at least 500×), difference {max(differences):.1e}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
