"""How long tracing and shrinking take.

Run: OMP_NUM_THREADS=1 python benchmarks/pruning.py
Half of every hidden axis at once, the comparison with the masked twin included; the smallest of three runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from trimcap.graph.trace.trace import trace
from trimcap.models.ccnn import CCNN
from trimcap.models.conformer import EEGConformer
from trimcap.models.eegnet import EEGNet
from trimcap.prune.plan import make_plan
from trimcap.prune.resize import resize
from trimcap.prune.shrink import shrink

NETWORKS = {
    "EEGNet 32×256": (lambda: EEGNet(32, 256, 3), (32, 256)),
    "CCNN 4×9×9": (lambda: CCNN(4, 9, 9, 2), (4, 9, 9)),
    "EEGConformer 22×500": (lambda: EEGConformer(22, 500, 4), (22, 500)),
}


def seconds(function: Callable[[], Any]) -> float:
    """Of the fastest of three calls."""
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - start)
    return best


def measured(make: Callable[[], nn.Module], shape: tuple[int, ...]) -> list[float]:
    """Seconds of tracing, of finding the axes, of removing slices alone, and of removing and comparing."""
    model, x = make().eval(), torch.randn(2, *shape)
    network = trace(model, x)
    plan = make_plan(network, {a.name: range(0, a.size, 2) for a in network.axes.hidden})
    return [
        seconds(lambda: trace(model, x)),
        seconds(lambda: network.with_tensors(network.tensors).axes),
        seconds(lambda: resize(network, plan)),
        seconds(lambda: shrink(network, plan)),
    ]


def main() -> None:
    print(f"{'network':<22}{'trace':>9}{'axes':>9}{'resize':>9}{'shrink':>9}{'together':>10}")
    for name, (make, shape) in NETWORKS.items():
        times = measured(make, shape)
        whole = times[0] + times[1] + times[3]
        print(f"{name:<22}" + "".join(f"{t:>8.2f}s" for t in times) + f"{whole:>9.2f}s")


if __name__ == "__main__":
    main()
