"""What a network costs once it is C: the exporter's own arena with scratch, its constants, its multiply-adds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from trimcap.export.arena import plan_arena
from trimcap.export.artifact import multiply_adds
from trimcap.export.c.source import EMITTERS
from trimcap.graph.cost import Cost, cost
from trimcap.graph.network import Network
from trimcap.graph.rewrite.rewrite import rewrite
from trimcap.program.lower.lower import lower
from trimcap.program.program import Program
from trimcap.quantize.quantize import quantize


@dataclass(frozen=True)
class ProgramCost:
    """Of the C of a program: multiply-accumulates, bytes of constants, bytes of state and output (scratch included)."""

    macs: int
    flash: int
    sram: int


def program_cost(program: Program) -> ProgramCost:
    """What the C that `export` writes of a program costs, without code and stack; the same numbers as in its manifest.

    Raises
    ------
    ExportError : an operation has no C; names it.
    """
    steps = [EMITTERS[op.kind](program, index, op) for index, op in enumerate(program.ops)]
    sram = plan_arena(program, steps).nbytes + program.values[program.output].nbytes
    return ProgramCost(multiply_adds(program), program.flash_bytes, sram)


def deployed_cost(network: Network, *, bits: int = 8) -> Cost:
    """Cost of the C that `export` would write: SRAM with the scratch of its kernels, flash of its constants.

    The network is rewritten, lowered and (at 8 bits) quantized with ranges from noise: sizes do not depend on values.

    Parameters
    ----------
    network : Network
    bits : 8 (integers) or 32 (float)

    Raises
    ------
    ValueError : an operation has no C; names it.
    """
    found = program_cost(_program(rewrite(network).network, bits))
    return replace(cost(network, bits=bits), macs=found.macs, flash_bytes=found.flash, sram_bytes=found.sram)


def _program(network: Network, bits: int) -> Program:
    program = lower(network)
    if bits == 32:
        return program
    noise = np.random.default_rng(0).standard_normal((8, *network.input_shape)).astype(np.float32)
    return quantize(program, noise, method="minmax")


def measure_of(network: Network, *, bits: int = 8) -> tuple[Callable[[Network], Cost], str]:
    """How to count budgets for this network: as deployed where it has C, else by the graph; and a note which."""
    if bits not in (8, 32):
        return lambda n: cost(n, bits=bits), "budgets are counted on the graph: C has 8 or 32 bits"
    try:
        deployed_cost(network, bits=bits)
    except ValueError as error:
        return lambda n: cost(n, bits=bits), f"budgets are counted on the graph, without scratch: {error}"
    return lambda n: deployed_cost(n, bits=bits), "budgets are counted as deployed in C, scratch included"
