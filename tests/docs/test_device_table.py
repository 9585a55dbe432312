"""What docs/pruning.md says a device sees of CCNN, counted again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import trimcap as tc
from trimcap.program.cost import deployed_cost
from trimcap.prune.resize import resize

PAGE = Path(__file__).parents[2] / "docs" / "pruning.md"


def shown() -> dict[str, list[int | None]]:
    """Rows of the table: parameters, MACs, flash, SRAM, compressed."""
    lines = PAGE.read_text().partition("## What a device sees")[2].partition("\n## ")[0].splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    return {row[0]: [int(c.replace(",", "")) if c else None for c in row[1:]] for row in cells if row[0]}


def counted(network: tc.Network) -> list[int]:
    cost = deployed_cost(network, bits=8)
    return [network.n_parameters, cost.macs, cost.flash_bytes, cost.sram_bytes]


@pytest.mark.slow
def test_the_table():
    torch.manual_seed(0)
    network = tc.trace(tc.CCNN(4, 9, 9, 2).eval(), torch.randn(2, 4, 9, 9))
    rows = shown()
    masked = {name: tc.mask_weights(network, 0.8, layers=layers).apply(network) for name, layers in MASKS.items()}
    made = {"dense": network, **masked}
    for share in (50, 80):
        for name, axes in (("convolutions only", tc.axes_of(network, "conv")), ("all hidden axes", None)):
            made[f"LFP {share} %, {name}"] = resize(
                network, tc.keep_top(network, tc.l1(network, axes=axes), share / 100)
            )
    assert set(rows) == set(made)
    for name, found in made.items():
        assert rows[name][:4] == counted(found), name
        if name in MASKS:
            assert rows[name][4] == pytest.approx(tc.prune.storage(found, bits=8).compressed, rel=1e-3)
    off = tc.prune.zeroed(network, tc.keep_top(network, tc.l2(network), 0.8))
    assert f"leaves {tc.compact(off).network.n_parameters:,} parameters" in PAGE.read_text()


MASKS = {"UMWP 80 %, convolutions only": ("conv",), "UMWP 80 %, convolutions and linear": ("conv", "linear")}
