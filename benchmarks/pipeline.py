"""From files to cached windows: wall time, resident memory, and the speed of a cached load.

python benchmarks/pipeline.py [--set deap|seed|all] [--scale S] [--folder F]

Writes files in the layout and the size of the published sets (random numbers): DEAP's 32 pickles of 40 trials × 40
channels × 8064 float64, 3.3 GB; like SEED, 45 MATLAB files (v5, not compressed) of 15 trials, 62 channels × 4000 s ×
200 Hz in all, float64, 17.9 GB. Then, each time in a new process: opens the source by its name, reads it file by file,
makes windows, caches them; asks again; loads the entry. DEAP: DE(X) − DE(B) of 1-s windows on the 9 × 9
grid. SEED: raw 1-s windows behind a causal 1–75-Hz band-pass, half as large as the files, and their DE. `--scale 0.2`
takes a fifth of the files. Peak memory is the process's own (VmHWM) while it builds. "cold" means that the file's pages
were given up before (posix_fadvise), so that the disk is read.

Exits with 1 if DEAP takes 120 s (times the scale) or 4 GiB, SEED 6 GiB, or if a cached load runs below 1 GB/s and below
half the speed of plain reads of the same file.
"""

# ruff: noqa: E402 - thread counts must be set before NumPy is imported
from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # must be set before NumPy loads its BLAS

import argparse
import json
import pickle
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from trimcap.data.cache.cache import cache_info
from trimcap.data.cache.entry import load_entry
from trimcap.data.cache.make import make_windows
from trimcap.data.preprocess.chain import Chain
from trimcap.data.preprocess.steps import make_step
from trimcap.data.preprocess.windows.features import BANDS
from trimcap.data.sources import open_source

SEED_CHANNELS, SEED_SECONDS, SEED_RATE = 62, 4000, 200.0
GIB = 2**30

DEAP = Chain(
    (
        make_step("windows", seconds=1, baseline=3),
        make_step("differential_entropy"),
        make_step("subtract_baseline"),
        make_step("grid"),
    )
)
SEED_RAW = Chain((make_step("bandpass", low=1, high=75), make_step("windows", seconds=1)))
SEED_DE = Chain((*SEED_RAW.steps, make_step("differential_entropy", bands={"delta": (1, 4), **BANDS})))


def write_deap(folder: Path, n: int) -> None:
    rng = np.random.default_rng(0)
    for subject in range(1, n + 1):
        data = rng.standard_normal((40, 40, 8064), dtype=np.float32).astype(np.float64) * 20
        with (folder / f"s{subject:02d}.dat").open("wb") as file:
            pickle.dump({"labels": rng.uniform(1, 9, (40, 4)), "data": data}, file, protocol=4)


def write_seed(folder: Path, n: int) -> None:
    from scipy.io import savemat

    rng = np.random.default_rng(0)
    length = SEED_SECONDS * int(SEED_RATE) // 15
    for number in range(n):
        trials = {
            f"x_eeg{t}": rng.standard_normal((SEED_CHANNELS, length), dtype=np.float32).astype(np.float64) * 20
            for t in range(1, 16)
        }
        savemat(folder / f"{number // 3 + 1}_2013102{number % 3}.mat", trials)


def peak() -> int:
    """Largest resident memory of this process so far, bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    return 0


#: chain, source and its options
RUNS: dict[str, tuple[Chain, str, dict[str, str]]] = {
    "deap": (DEAP, "deap", {"baseline": "keep"}),
    "seed_raw": (SEED_RAW, "seed", {}),
    "seed_de": (SEED_DE, "seed", {}),
}


def work(name: str, data: Path, cache: Path) -> None:
    """In a process of its own: build, then tell time and memory as JSON on the last line."""
    chain, source, options = RUNS[name]
    start = peak()
    begin = time.perf_counter()
    windows = make_windows(chain, open_source(source, data, **options), cache=cache, progress=sys.stderr.isatty())
    seconds = time.perf_counter() - begin
    print(
        json.dumps({"seconds": seconds, "peak": peak(), "start": start, "n": len(windows), "bytes": windows.X.nbytes})
    )


def again(name: str, data: Path, cache: Path) -> None:
    """In a process of its own: the second call, which compares the inputs and opens the entry."""
    chain, source, options = RUNS[name]
    begin = time.perf_counter()
    make_windows(chain, open_source(source, data, **options), cache=cache)
    print(json.dumps({"seconds": time.perf_counter() - begin}))


def load(name: str, _data: Path, cache: Path) -> None:
    """In a process of its own: how fast the windows come from the cache, and how fast the same file is read."""
    (entry,) = [e for e in cache_info(cache) if e.shape[1:] == SHAPES[name]]
    place = cache / entry.key

    def plain() -> float:
        buffer = bytearray(1 << 22)
        begin = time.perf_counter()
        with (place / "X.npy").open("rb", buffering=0) as stream:
            while stream.readinto(buffer):
                pass
        return (place / "X.npy").stat().st_size / (time.perf_counter() - begin)

    def mapped() -> float:
        begin = time.perf_counter()
        windows = load_entry(place, entry.key)
        flat = windows.X.reshape(-1).view(np.uint32)
        for first in range(0, len(flat), 1 << 20):
            np.bitwise_or.reduce(flat[first : first + (1 << 20)])
        return windows.X.nbytes / (time.perf_counter() - begin)

    def cold(measure: Callable[[], float]) -> float:
        with (place / "X.npy").open("rb") as stream:
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return measure()

    speeds = {"cold_load": max(cold(mapped) for _ in range(2)), "cold_plain": max(cold(plain) for _ in range(2))}
    speeds |= {"load": max(mapped() for _ in range(3)), "plain": max(plain() for _ in range(3))}
    print(json.dumps(speeds))


SHAPES = {"deap": (4, 9, 9), "seed_raw": (SEED_CHANNELS, int(SEED_RATE)), "seed_de": (SEED_CHANNELS, 5)}


def child(task: str, name: str, data: Path, cache: Path) -> dict[str, float]:
    where = f"pathlib.Path({str(data)!r}), pathlib.Path({str(cache)!r})"
    code = f"import pipeline, pathlib; pipeline.{task}({name!r}, {where})"
    run = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent, stdout=subprocess.PIPE, check=True)
    answer: dict[str, float] = json.loads(run.stdout.decode().splitlines()[-1])
    return answer


def measure(name: str, data: Path, cache: Path, *, most_seconds: float, most_bytes: float) -> bool:
    built, second, speed = (child(task, name, data, cache) for task in ("work", "again", "load"))
    files = list(data.iterdir())
    read, seconds = sum(file.stat().st_size for file in files), built["seconds"]
    print(
        f"\n{name}: {len(files)} files, {read / 1e9:.2f} GB → {built['n']:.0f} windows, {built['bytes'] / 1e9:.3f} GB"
    )
    print(f"  build  {seconds:8.1f} s    {read / 1e6 / seconds:.0f} MB/s of input, one process")
    print(f"  again  {second['seconds']:8.2f} s    {seconds / second['seconds']:.0f}× faster (compare inputs, open)")
    print(f"  peak   {built['peak'] / GIB:8.2f} GiB  resident; {built['start'] / GIB:.2f} GiB before the first file")
    for state, ours, plain in (("warm", "load", "plain"), ("cold", "cold_load", "cold_plain")):
        ratio = f"{speed[ours] / speed[plain]:.2f} × plain reads ({speed[plain] / 1e9:.2f} GB/s)"
        print(f"  load   {speed[ours] / 1e9:8.2f} GB/s  {state}, every number touched; {ratio}")
    fast = all(speed[a] >= min(1e9, 0.5 * speed[b]) for a, b in (("load", "plain"), ("cold_load", "cold_plain")))
    good = seconds < most_seconds and built["peak"] < most_bytes and fast
    print(f"  {'ok' if good else 'FAILED'} (below {most_seconds:g} s, below {most_bytes / GIB:g} GiB)")
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", choices=["deap", "seed", "all"], default="all")
    parser.add_argument("--scale", type=float, default=0.1, help="fraction of the files; 1 is the full size")
    parser.add_argument(
        "--folder", type=Path, default=None, help="where the files are written; needs 30 GB at full size"
    )
    options = parser.parse_args()
    base = Path(tempfile.mkdtemp(prefix="pipeline-", dir=options.folder))
    good = True
    try:
        for name, write, count, runs in (
            ("deap", write_deap, 32, [("deap", 120 * options.scale, 4 * GIB)]),
            ("seed", write_seed, 45, [("seed_raw", np.inf, 6 * GIB), ("seed_de", np.inf, 6 * GIB)]),
        ):
            if options.set in (name, "all"):
                data = base / name
                data.mkdir()
                write(data, max(1, round(count * options.scale)))
                for run, seconds, size in runs:
                    good &= measure(run, data, base / "cache", most_seconds=seconds, most_bytes=size)
                shutil.rmtree(data)
                shutil.rmtree(base / "cache")
    finally:
        shutil.rmtree(base, ignore_errors=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
