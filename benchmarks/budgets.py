"""How long a search for the least sparsity within a budget takes, and how much of it not proving each trial saves.

Run: OMP_NUM_THREADS=1 python benchmarks/budgets.py
CPU seconds of `keep_within` at 40 % of the flash: as it is, and with every trial rewritten and proven; both choose the
same plan.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from trimcap.graph.network import Network
from trimcap.graph.rewrite.rewrite import rewrite
from trimcap.graph.trace.trace import trace
from trimcap.models.ccnn import CCNN
from trimcap.models.eegnet import EEGNet
from trimcap.program.cost import deployed_cost
from trimcap.prune.choose.keep import keep_within
from trimcap.prune.plan import Plan
from trimcap.prune.saliency.by_weights import l1

NETWORKS: dict[str, Callable[[], Network]] = {
    "EEGNet 16×128, as traced": lambda: trace(EEGNet(16, 128, 3).eval(), torch.randn(2, 16, 128)),
    "EEGNet 32×256, rewritten": lambda: rewrite(trace(EEGNet(32, 256, 3).eval(), torch.randn(2, 32, 256))).network,
    "CCNN 4×9×9, narrow": lambda: trace(CCNN(4, 9, 9, 2, widths=(16, 32, 64, 16)).eval(), torch.randn(2, 4, 9, 9)),
}


def timed(search: Callable[[], Plan]) -> tuple[Plan, float]:
    """The plan, and CPU seconds of the faster of two searches."""
    best = float("inf")
    for _ in range(2):
        start = time.process_time()
        plan = search()
        best = min(best, time.process_time() - start)
    return plan, best


def main() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    print(f"{'network':<28}{'proving all':>12}{'as it is':>12}{'ratio':>8}")
    for name, make in NETWORKS.items():
        network = make()
        scores, flash = l1(network), int((deployed_cost(network).flash_bytes or 0) * 0.4)
        slow, before = timed(lambda n=network, s=scores, f=flash: keep_within(n, s, flash=f, measure=deployed_cost))
        quick, after = timed(lambda n=network, s=scores, f=flash: keep_within(n, s, flash=f))
        assert slow.keep == quick.keep
        print(f"{name:<28}{before:>11.2f}s{after:>11.2f}s{before / after:>7.1f}×")


if __name__ == "__main__":
    main()
