"""Training throughput: `fit` against a bare PyTorch loop over in-memory tensors, as ratios within one run.

    OMP_NUM_THREADS=1 python benchmarks/training.py [--rounds 3] [--json FILE]

Each measurement is a process of its own, because the allocator's setting holds for a whole process. Variants take
turns, and time is CPU time of the one thread, kernel included, so that a busy machine disturbs little. "bare" is the
usual loop (Adam, batch 64, the same model, random rows of tensors in memory); "bare + allocator" is the same with
`tune_allocator`, "fit − allocator" is `fit` without it, "fit contiguous" is `fit` with channels_last=False.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

#: model, shape of a window, options, training windows (2 epochs of them are timed)
CASES = {
    "EEGNet 32×128": ("eegnet", (32, 128), 1536),
    "EEGNet 32×512": ("eegnet", (32, 512), 512),
    "CCNN 4×9×9": ("ccnn", (4, 9, 9), 384),
}
VARIANTS = ("bare", "bare + allocator", "fit − allocator", "fit contiguous", "fit")


def measure(case: str, variant: str) -> float:
    """Windows per CPU second of one variant, in this process; the first epoch warms up and is not counted."""
    import numpy as np
    import pandas as pd
    import torch

    from trimcap.data.windows import Windows
    from trimcap.models import build

    fit_module = importlib.import_module("trimcap.train.fit")
    torch.set_num_threads(1)
    name, shape, n = CASES[case]
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"subject": "1", "session": "1", "trial": "1", "start": np.arange(float(n))})
    X, y = rng.standard_normal((n, *shape)).astype(np.float32), rng.integers(0, 2, n)
    windows = Windows(X, y, table, (), 128.0, ("a", "b"), 1.0)
    model = build(name, windows)
    if variant in ("bare", "bare + allocator"):
        if variant == "bare + allocator":
            fit_module.tune_allocator()
        return bare(model, windows)
    if variant == "fit − allocator":
        fit_module.tune_allocator = lambda: False
    marks: list[float] = []
    fit_module.fit(
        model,
        windows,
        epochs=3,
        channels_last=False if variant == "fit contiguous" else None,
        epoch_hooks=[lambda *_: marks.append(time.process_time())],
    )
    return 2 * n / (marks[2] - marks[0])


def bare(model, windows) -> float:  # type: ignore[no-untyped-def]
    import torch
    from torch.nn.functional import cross_entropy

    X, y = torch.from_numpy(windows.X), torch.from_numpy(windows.y)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    model.train()
    marks = []
    for _ in range(3):
        for rows in torch.randperm(len(y)).split(64):
            optimizer.zero_grad()
            cross_entropy(model(X[rows]), y[rows]).backward()
            optimizer.step()
        marks.append(time.process_time())
    return 2 * len(y) / (marks[2] - marks[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", nargs=2, metavar=("CASE", "VARIANT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(measure(*arguments.one))
        return
    results = {case: compare(case, arguments.rounds) for case in CASES}
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")
    slower = [case for case, rows in results.items() if rows["fit"]["ratio"] < 1]
    if slower:
        sys.exit(f"fit is slower than the bare loop on {', '.join(slower)}")


def compare(case: str, rounds: int) -> dict[str, dict[str, float]]:
    """Median windows/s of every variant, and the median over rounds of its ratio to the bare loop."""
    speeds: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    for _ in range(rounds):
        for variant in VARIANTS:
            speeds[variant].append(run(case, variant))
    rows = {}
    for variant, values in speeds.items():
        ratios = [value / base for value, base in zip(values, speeds["bare"], strict=True)]
        rows[variant] = {"windows_per_s": statistics.median(values), "ratio": statistics.median(ratios)}
        print(
            f"{case:15s} {variant:17s} {rows[variant]['windows_per_s']:8.0f} windows/s   × {rows[variant]['ratio']:.2f}"
            f"  ({min(ratios):.2f}–{max(ratios):.2f})",
            flush=True,
        )
    return rows


def run(case: str, variant: str) -> float:
    command = [sys.executable, str(Path(__file__)), "--one", case, variant]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)


if __name__ == "__main__":
    main()
