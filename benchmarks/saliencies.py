"""What scoring costs: every saliency on EEGNet (32 electrodes × 128 samples) and CCNN (4×9×9), all hidden axes at once.

Run: OMP_NUM_THREADS=1 python benchmarks/saliencies.py [--windows N] [--repeats N] [--write docs/saliencies.json]

Saliencies that look at data see the same windows. CPU time of the fastest of several calls (of one call where that is
more than 5 s); ℓ1 is measured before, between and after the others, so that its time is one of the same minutes. Where
a saliency can't be had on an axis (rank of one-dimensional maps, no ReLU), it is measured on the others.
"""

# ruff: noqa: E402 - thread counts must be set before NumPy is imported
from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import argparse
import contextlib
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from trimcap._errors import PlanError
from trimcap._files import write_json
from trimcap.data.windows import Windows
from trimcap.graph.network import Network
from trimcap.graph.trace.trace import trace
from trimcap.models.ccnn import CCNN
from trimcap.models.eegnet import EEGNet
from trimcap.prune.saliency.by_weights import l1
from trimcap.prune.saliency.table import SALIENCIES, needs_windows, score

NETWORKS = {
    "EEGNet 32×128": (lambda: EEGNet(32, 128, 2), (32, 128)),
    "CCNN 4×9×9": (lambda: CCNN(4, 9, 9, 2), (4, 9, 9)),
}
LONG = 5.0
#: saliencies that need something that not every axis has
PARTIAL = ("bn_scale", "apoz", "hrank", "wanda")


def windows_of(shape: tuple[int, ...], n: int) -> Windows:
    """Standard normal windows of two classes."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, *shape)).astype(np.float32)
    y = rng.integers(0, 2, n).astype(np.int64)
    metadata = pd.DataFrame({"subject": "s1", "session": "1", "trial": "1", "start": np.arange(n, dtype=float)})
    names = tuple(f"E{i}" for i in range(shape[0] if len(shape) == 2 else 1))
    return Windows(X, y, metadata, names, 128.0, ("low", "high"), 1.0, unit="a.u.")


def milliseconds(function: Callable[[], object], repeats: int) -> float:
    """Of the fastest call; one call is enough if it is long."""
    best = float("inf")
    for _ in range(repeats):
        start = time.process_time()
        function()
        best = min(best, time.process_time() - start)
        if best > LONG:
            break
    return 1000 * best


@dataclass(frozen=True)
class Cost:
    """Of one saliency on one network: milliseconds, NaN if it can't be had, and on how many axes."""

    milliseconds: float
    axes: int


def able(network: Network, name: str, looks: dict[str, Windows]) -> list[str]:
    """The hidden axes that a saliency can be had on."""
    found = []
    for axis in network.axes.hidden:
        with contextlib.suppress(PlanError):
            score(network, name, axes=[axis.name], **looks)
            found.append(axis.name)
    return found


def measured(network: Network, windows: Windows, repeats: int) -> dict[str, Cost]:
    """Every saliency; ℓ1 in between."""
    names = [axis.name for axis in network.axes.hidden]
    base = milliseconds(lambda: l1(network), 5 * repeats)
    found: dict[str, Cost] = {}
    for name in SALIENCIES:
        looks = {"windows": windows} if needs_windows(name) else {}
        axes = names if name not in PARTIAL else able(network, name, looks)
        call = partial(score, network, name, axes=axes, **looks)
        found[name] = Cost(milliseconds(call, repeats) if axes else float("nan"), len(axes))
        base = min(base, milliseconds(lambda: l1(network), repeats))
    found["l1"] = Cost(base, len(names))
    return found


def cell(cost: Cost, base: float) -> str:
    if not cost.axes:
        return f"{'–':>10}{'':>16}"
    return f"{cost.milliseconds:>8.1f}ms{cost.milliseconds / base:>8.1f}×{cost.axes:>3} axes"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, default=64, help="that saliencies which look at data see")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--write", type=Path, help="JSON file for docs/pruning.md")
    given = parser.parse_args()
    torch.set_num_threads(1)
    results: dict[str, dict[str, Cost]] = {}
    for title, (make, shape) in NETWORKS.items():
        torch.manual_seed(0)
        network = trace(make().eval(), torch.randn(2, *shape))
        results[title] = measured(network, windows_of(shape, given.windows), given.repeats)
    print(f"{given.windows} windows, one thread; time and ratio to l1")
    print(f"{'saliency':<18}" + "".join(f"{title:>26}" for title in NETWORKS))
    for name in SALIENCIES:
        print(f"{name:<18}" + "".join(cell(found[name], found["l1"].milliseconds) for found in results.values()))
    if given.write:
        facts = {"windows": given.windows, "torch": torch.__version__, "machine": platform.machine(), "threads": 1}
        write_json(given.write, {**facts, "networks": {title: rows(found) for title, found in results.items()}})


def rows(found: dict[str, Cost]) -> dict[str, dict[str, float | int | None]]:
    """For JSON, to three digits."""
    return {
        name: {"milliseconds": float(f"{cost.milliseconds:.3g}") if cost.axes else None, "axes": cost.axes}
        for name, cost in found.items()
    }


if __name__ == "__main__":
    main()
