"""Memory and speed of training on windows that are larger than memory.

    OMP_NUM_THREADS=1 python benchmarks/memory.py [--scale 1] [--steps 300] [--rounds 3] [--folder DIR] [--json FILE]

Windows of 62 electrodes × 200 samples (SEED, 1 s) are written to a folder with `write_arrays`, piece by piece; scale 1
is 6 GB. A process of its own then opens them, splits by subject, fits a scaler on all training windows, trains EEGNet
for one epoch of `--steps` batches of rows from all over the file (with `--steps 0`, of all rows) and predicts all
windows. What counts is the most memory that it ever held (VmHWM), which must stay below 1.5 GiB whatever the scale. The
price in speed is measured on a small set, in turns: `fit` on the same rows from a folder and from memory, CPU time of
the one thread, kernel included.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SHAPE, RATE, SUBJECTS = (62, 200), 200.0, 15
#: windows at scale 1: 6 GB
WINDOWS = 6_000_000_000 // (62 * 200 * 4)
SMALL = 1920
LARGEST, SLOWEST = 1.5 * 2**30, 0.8


def parts(n: int):  # type: ignore[no-untyped-def]
    """Random windows, one part per trial."""
    import numpy as np
    import pandas as pd

    from trimcap.data.windows import Windows

    channels = [f"E{i + 1}" for i in range(SHAPE[0])]
    for subject in range(SUBJECTS):
        rng = np.random.default_rng(subject)
        left = n // SUBJECTS
        for trial in range(0, left, 128):
            k = min(128, left - trial)
            y = np.full(k, trial // 128 % 3, dtype=np.int64)
            X = rng.standard_normal((k, *SHAPE), dtype=np.float32) * 10
            X[:, :3] += y[:, None, None]
            name = {"subject": f"{subject + 1:02d}", "session": "0", "trial": f"{trial // 128:03d}"}
            table = pd.DataFrame({**{key: [value] * k for key, value in name.items()}, "start": np.arange(float(k))})
            yield Windows(X, y, table, tuple(channels), RATE, ("negative", "neutral", "positive"), 1.0)


def write(folder: Path, n: int) -> dict[str, float]:
    from trimcap.data.arrays.write import write_arrays

    begin = time.perf_counter()
    write_arrays(parts(n), folder)
    size = (folder / "X.npy").stat().st_size
    return {"gigabytes": size / 1e9, "write_seconds": time.perf_counter() - begin, "write_peak_mib": peak()}


def train(folder: Path, steps: int) -> dict[str, float]:
    """Open, split, scale, train, predict; what it took."""
    import numpy as np
    import torch

    from trimcap.data.arrays.read import open_arrays
    from trimcap.data.preprocess.windows.scaling import fit_scaler
    from trimcap.data.splits.protocols.named import split
    from trimcap.models import build
    from trimcap.models.scaled import Scaled
    from trimcap.train import evaluate, fit, probabilities

    torch.set_num_threads(1)
    imported, begin = peak(), time.perf_counter()
    windows = open_arrays(folder, any_names=True)
    opened = time.perf_counter() - begin
    fold = split(windows, "leave_one_subject_out")[0]
    train, valid = fold.train, fold.valid
    begin = time.perf_counter()
    scaler = fit_scaler(train)
    scaled = time.perf_counter() - begin
    if steps:
        rng = np.random.default_rng(0)
        train, valid = (w.take(rng.permutation(len(w))[: steps * 64]) for w in (train, valid))
    begin = time.perf_counter()
    model = Scaled(build("eegnet", train, seed=0), scaler.mean, scaler.std)
    fitted = fit(model, train, valid, epochs=1, seed=0)
    trained = time.perf_counter() - begin
    begin = time.perf_counter()
    found = evaluate(windows.y, probabilities(fitted.model, windows), windows.classes)
    return {
        "peak_mib": peak(),
        "imported_mib": imported,
        "open_seconds": opened,
        "scale_seconds": scaled,
        "trained_windows": len(train),
        "train_seconds": trained,
        "predicted_windows": len(windows),
        "predict_seconds": time.perf_counter() - begin,
        "accuracy": found.accuracy,
    }


def speed(folder: Path, how: str) -> dict[str, float]:
    """Training windows per CPU second, from "memory" or from the "folder"; the first epoch warms up."""
    from dataclasses import replace

    import numpy as np
    import torch

    from trimcap.data.arrays.read import open_arrays
    from trimcap.data.rows import lazy
    from trimcap.models import build
    from trimcap.train import fit

    torch.set_num_threads(1)
    windows = open_arrays(folder, any_names=True)
    if how == "memory":
        windows = replace(windows, X=np.asarray(windows.X))
    else:
        lazy.AT_ONCE = 0  # or such a small set would be read at once
    marks: list[float] = []
    fit(build("eegnet", windows), windows, epochs=3, epoch_hooks=[lambda *_: marks.append(time.process_time())])
    return {"windows_per_s": 2 * len(windows) / (marks[2] - marks[0])}


def peak() -> float:
    """The most memory that this process ever held, MiB."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def own_process(*arguments: object) -> dict[str, float]:
    command = [sys.executable, str(Path(__file__)), "--one", *map(str, arguments)]
    done = subprocess.run(
        command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stderr)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def one(task: str, folder: str, *rest: str) -> dict[str, float]:
    if task == "write":
        return write(Path(folder), int(rest[0]))
    if task == "train":
        return train(Path(folder), int(rest[0]))
    return speed(Path(folder), rest[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to write; on a disk, not in memory")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(*options.one)))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as place:
        result = run(Path(place), options)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if result["peak_mib"] * 2**20 > LARGEST or result["speed_ratio"] < SLOWEST:
        sys.exit("more than 1.5 GiB of memory, or slower than 0.8 × the speed from memory")


def run(place: Path, options: argparse.Namespace) -> dict[str, float]:
    result = own_process("write", place / "large", int(WINDOWS * options.scale))
    print(
        f"{result['gigabytes']:.2f} GB written in {result['write_seconds']:.0f} s; "
        f"peak {result['write_peak_mib']:.0f} MiB",
        flush=True,
    )
    result |= own_process("train", place / "large", options.steps)
    print(
        f"opened in {result['open_seconds']:.2f} s; scaler {result['scale_seconds']:.0f} s; "
        f"trained on {result['trained_windows']:.0f} windows in "
        f"{result['train_seconds']:.0f} s; predicted {result['predicted_windows']:.0f} in "
        f"{result['predict_seconds']:.0f} s; peak {result['peak_mib']:.0f} MiB, {result['imported_mib']:.0f} of them "
        "by imports",
        flush=True,
    )
    own_process("write", place / "small", SMALL)
    speeds: dict[str, list[float]] = {"memory": [], "folder": []}
    for _ in range(options.rounds):
        for how, values in speeds.items():
            values.append(own_process("speed", place / "small", how)["windows_per_s"])
    ratios = [far / near for far, near in zip(speeds["folder"], speeds["memory"], strict=True)]
    result["speed_ratio"] = statistics.median(ratios)
    print(
        f"training from the folder {statistics.median(speeds['folder']):.0f} windows/s, from memory "
        f"{statistics.median(speeds['memory']):.0f}: × {result['speed_ratio']:.2f} "
        f"({min(ratios):.2f}–{max(ratios):.2f})"
    )
    return result


if __name__ == "__main__":
    main()
