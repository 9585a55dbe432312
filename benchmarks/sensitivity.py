"""Sensitivity of CCNN, 19 steps × all hidden axes, against pruning and tracing anew at every step; one core.

python benchmarks/sensitivity.py [--windows N] [--every K]

The other way is what a user writes without `sensitivity`: at every step trace the model, plan one axis, `shrink`,
`predict`. Of its steps every K-th is run and their time is multiplied; its accuracies must be the same.

Exits with 1 if it takes less than 5 times as long, or if an accuracy differs by more than one window (a logit on the
edge: the two sum in another order).
"""

# ruff: noqa: E402 - thread counts must be set before NumPy is imported
from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import argparse
import sys
import time

import numpy as np
import pandas as pd
import torch

from trimcap.data.windows import Windows
from trimcap.graph.trace.trace import trace
from trimcap.models.ccnn import CCNN
from trimcap.prune.choose.keep import keep_top
from trimcap.prune.choose.sensitivity import sensitivity
from trimcap.prune.saliency.by_weights import l1
from trimcap.prune.saliency.scores import Scores
from trimcap.prune.shrink import shrink
from trimcap.train.predict import predict

STEPS = 19


def world(n: int) -> tuple[CCNN, Windows]:
    """CCNN of the size for DEAP with scattered weights, and windows that it labels itself, a third of them wrongly."""
    torch.manual_seed(0)
    model = CCNN(4, 9, 9, 2).eval()
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, 4, 9, 9)).astype(np.float32)
    logits = predict(model, X)
    y = (logits - logits.mean(0)).argmax(1).astype(np.int64)
    with torch.no_grad():
        model.get_parameter("dense.bias").sub_(torch.from_numpy(logits.mean(0)))
    y = np.where(rng.random(n) < 1 / 3, 1 - y, y)
    metadata = pd.DataFrame({"subject": "s1", "session": "1", "trial": "1", "start": np.arange(n, dtype=float)})
    return model, Windows(X, y, metadata, ("E1",), 128.0, ("low", "high"), 1.0, unit="nat")


def step_by_step(model: CCNN, scores: Scores, windows: Windows, axis: str, step: int) -> tuple[float, float]:
    """Seconds and accuracy of one step."""
    start = time.process_time()
    network = trace(model, windows.X[:2])
    own = Scores({axis: scores.values[axis]}, scores.name)
    small = shrink(network, keep_top(network, own, step / (STEPS + 1)))
    accuracy = float((predict(small.module(), windows).argmax(1) == windows.y).mean())
    return time.process_time() - start, accuracy


def main() -> int:
    """Print both times and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, default=128, help="validation windows (EEGMAT's recipe has about 120)")
    parser.add_argument("--every", type=int, default=6, help="of the other way's steps only every K-th is run")
    given = parser.parse_args()
    torch.set_num_threads(1)
    model, windows = world(given.windows)
    network = trace(model, windows.X[:2])
    scores = l1(network)
    start = time.process_time()
    found = sensitivity(network, scores, windows, steps=STEPS)
    ours = time.process_time() - start
    tried = range(1, STEPS + 1, given.every)
    total, apart = 0.0, 0.0
    for axis, curve in found.curves.items():
        for step in tried:
            seconds, accuracy = step_by_step(model, scores, windows, axis, step)
            total += seconds
            value = curve.values[curve.removed.index(curve.size * step // (STEPS + 1))]
            apart = max(apart, abs(value - accuracy))
    other = total * STEPS / len(tried)
    print(
        f"CCNN, {network.n_parameters:,} parameters, {given.windows} windows, {STEPS} steps × {len(found.curves)} axes"
    )
    print(f"sensitivity                {ours:8.1f} s CPU")
    print(f"trace, shrink, predict     {other:8.1f} s CPU (from every {given.every}th step)")
    print(f"ratio                      {other / ours:8.1f}")
    print(f"accuracies                 {found.baseline:.3f} whole; largest difference of the two ways {apart:.4f}")
    return int(other < 5 * ours or apart > 1.5 / given.windows)


if __name__ == "__main__":
    sys.exit(main())
