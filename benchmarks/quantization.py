"""Integers against float on networks with operations that integers find hard, by how ranges are chosen.

Run: python benchmarks/quantization.py
Prints Markdown tables: SQNR of the logits in dB (agreement) on windows that set no range.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from trimcap.graph.rewrite.rewrite import rewrite
from trimcap.graph.trace.trace import trace
from trimcap.program.kinds.table import SHARING
from trimcap.program.lower.lower import lower
from trimcap.quantize.fidelity import LAYER_DECIBEL
from trimcap.quantize.network import quantize_network
from trimcap.quantize.quantize import quantize
from trimcap.quantize.report import agreement
from zoo import build

C, T = 8, 64
METHODS = ("minmax", "percentile", "mse", "measured")
ZOO = ("depth multiplier 2", "shallow", "residual", "concat", "inception", "squeeze-excitation", "TSCeption", "grid")


class Net(nn.Module):
    """A function of the window and of layers."""

    def __init__(self, function: Callable[..., Tensor], *layers: nn.Module) -> None:
        super().__init__()
        self.layers, self.function = nn.ModuleList(layers), function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x, *self.layers)


def conv(filters: int) -> nn.Module:
    return nn.Conv1d(C, filters, 9, padding=4)


def head(features: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(features, 3))


ODD: dict[str, Callable[[], nn.Module]] = {
    "division": lambda: Net(
        lambda x, a, b, h: h(F.avg_pool1d(a(x) / (0.1 + b(x).abs()), 8)), conv(8), conv(8), head(64)
    ),
    "log of power": lambda: Net(lambda x, a, h: h(torch.log(F.avg_pool1d(a(x) ** 2, 8) + 1e-4)), conv(8), head(64)),
    "log of square": lambda: Net(lambda x, a, h: h(F.avg_pool1d(torch.log(a(x) ** 2 + 1e-3), 8)), conv(8), head(64)),
    "branch 50× smaller": lambda: Net(
        lambda x, a, b, n, h: h(F.avg_pool1d(F.elu(n(torch.cat([a(x), b(x) / 50], 1))), 8)),
        conv(4), conv(4), nn.BatchNorm1d(8), head(64),
    ),
    "gate": lambda: Net(
        lambda x, a, b, h: h((a(x) * torch.sigmoid(3 * b(x).mean(-1, keepdim=True)))[:, :, ::8]),
        conv(8), conv(8), head(64),
    ),
    "variance": lambda: Net(lambda x, a, h: h((a(x) ** 2).mean(-1) - a(x).mean(-1) ** 2), conv(16), head(16)),
}  # fmt: skip


def odd_windows(n: int, seed: int) -> np.ndarray:
    """Drift and noise whose size varies from window to window."""
    rng = np.random.default_rng(seed)
    X = 0.3 * np.cumsum(rng.standard_normal((n, C, T)), -1) + rng.standard_normal((n, C, T))
    return (X * rng.lognormal(0, 0.5, (n, 1, 1))).astype(np.float32)


def plain_windows(shape: tuple[int, ...], n: int, seed: int) -> np.ndarray:
    """Noise whose size varies from window to window."""
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((n, *shape)) * rng.lognormal(0, 0.5, (n, *[1] * len(shape)))).astype(np.float32)


def odd_network(name: str) -> nn.Module:
    """One of `ODD`, with batch norms that have seen windows."""
    torch.manual_seed(0)
    model = ODD[name]()
    for seed in range(20):
        model(torch.from_numpy(odd_windows(64, 100 + seed)))
    return model.eval()


def row(name: str, model: nn.Module, calibration: np.ndarray, other: np.ndarray) -> str:
    """The network's line of the table."""
    program = lower(rewrite(trace(model, torch.from_numpy(calibration[:2]))).network)
    cells = []
    for method in METHODS:
        found = agreement(program, quantize(program, calibration, method=method), other)
        cells.append(f"{found.sqnr:.1f} ({found.agreement:.3f})")
    return " | ".join(("", name, *cells, "")).strip()


def wide_row(name: str) -> str:
    """The network's line of the second table: eight bits, and sixteen for the layers below 15 dB."""
    network = trace(odd_network(name), torch.from_numpy(odd_windows(2, 1)))
    windows = {"calibration": odd_windows(64, 1), "held_out": odd_windows(256, 2)}
    eight = quantize_network(network, **windows)
    layers = eight.fidelity.layers
    low = layers[layers[["calibration", "held_out"]].min(axis=1) < LAYER_DECIBEL]
    names = tuple(dict.fromkeys(low[~low.kind.isin((*SHARING, "input"))].source))
    found = (eight, quantize_network(network, **windows, int16=names))
    cells = (f"{f.fidelity.held_out.sqnr:.1f} ({f.fidelity.held_out.agreement:.3f})" for f in found)
    return f"| {name} | {' | '.join(cells)} | {', '.join(names) or '–'} |"


def main() -> None:
    print(f"| network | {' | '.join(METHODS)} |\n|---|{'---|' * len(METHODS)}")
    for name in ODD:
        print(row(name, odd_network(name), odd_windows(64, 1), odd_windows(256, 2)), flush=True)
    for name in ZOO:
        model, example = build(name)
        shape = tuple(example.shape[1:])
        print(row(name, model, plain_windows(shape, 64, 1), plain_windows(shape, 256, 2)), flush=True)
    print("\n| network | int8 | int16 where below 15 dB | layers |\n|---|---|---|---|")
    for name in ODD:
        print(wide_row(name), flush=True)


if __name__ == "__main__":
    main()
