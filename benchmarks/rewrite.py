"""What exact rewrites are worth: MACs, peak SRAM, flash and latency before and after.

Run: OMP_NUM_THREADS=1 python benchmarks/rewrite.py
Latency: one window, PyTorch eager, one thread; both networks alternate, the smallest of 200 repeats each.
"""

from __future__ import annotations

import time

import torch
from torch import Tensor, nn

from trimcap.graph.network import Network
from trimcap.graph.rewrite.rewrite import rewrite
from trimcap.graph.trace.trace import trace
from trimcap.models.eegnet import EEGNet
from trimcap.program.cost import cost


class Shallow(nn.Module):
    """A network of the kind of ShallowConvNet (Schirrmeister et al., 2017): full spatial filters, square, log."""

    def __init__(self, electrodes: int, times: int, classes: int, filters: int = 40) -> None:
        super().__init__()
        self.time = nn.Conv2d(1, filters, (1, 25))
        self.space = nn.Conv2d(filters, filters, (electrodes, 1), bias=False)
        self.norm = nn.BatchNorm2d(filters)
        self.pool = nn.AvgPool2d((1, 75), stride=(1, 15))
        self.dense = nn.Linear(filters * ((times - 24 - 75) // 15 + 1), classes)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.space(self.time(x.unsqueeze(1)))).square()
        return self.dense(torch.log(self.pool(y).clamp(min=1e-6)).flatten(1))


NETWORKS = {
    "EEGNet 32×256": (lambda: EEGNet(32, 256, 3), (32, 256)),
    "EEGNet 32×128": (lambda: EEGNet(32, 128, 3), (32, 128)),
    "ShallowConvNet-like 32×256": (lambda: Shallow(32, 256, 3), (32, 256)),
}


def settled(model: nn.Module, shape: tuple[int, ...]) -> nn.Module:
    """The model after a few training steps' worth of batch-norm statistics."""
    model.train()
    with torch.no_grad():
        for _ in range(3):
            model(torch.randn(16, *shape))
    return model.eval()


def latencies(networks: list[Network], *, repeats: int = 200) -> list[float]:
    """Milliseconds per window of each, measured in turn."""
    modules = [network.module() for network in networks]
    x = torch.randn(1, *networks[0].input_shape)
    best = [float("inf")] * len(modules)
    with torch.inference_mode():
        for _ in range(repeats):
            for i, module in enumerate(modules):
                start = time.perf_counter()
                module(x)
                best[i] = min(best[i], time.perf_counter() - start)
    return [1e3 * t for t in best]


def main() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, one thread\n")
    print(f"{'network':28}{'cost':14}{'before':>12}{'after':>12}{'ratio':>8}")
    for name, (build, shape) in NETWORKS.items():
        network = trace(settled(build(), shape), torch.randn(2, *shape))
        result = rewrite(network)
        real, small = ([cost(n, bits=bits) for n in (network, result.network)] for bits in (32, 8))
        rows = {
            "MACs": tuple(found.macs for found in real),
            "SRAM float B": tuple(found.sram_bytes for found in real),
            "SRAM int8 B": tuple(found.sram_bytes for found in small),
            "flash float B": tuple(found.flash_bytes for found in real),
            "flash int8 B": tuple(found.flash_bytes for found in small),
        }
        for title, (before, after) in rows.items():
            print(f"{name:28}{title:14}{before:>12,}{after:>12,}{before / after:>7.1f}×")
        before_ms, after_ms = latencies([network, result.network])
        print(f"{name:28}{'latency ms':14}{before_ms:>12.3f}{after_ms:>12.3f}{before_ms / after_ms:>7.1f}×")
        print(f"{name:28}largest difference of the output: {result.error:.1e} of scale\n")


if __name__ == "__main__":
    main()
