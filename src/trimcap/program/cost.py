"""What a network costs on a device: parameters, MACs, flash and peak SRAM, per operation and in total.

One count for all: flash, SRAM and MACs are those of the `Program` that the exporter writes, on the exporter's own
plan of memory, scratch included. Code and stack come on top. What cannot be lowered has parameters and MACs only,
counted on the graph.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from trimcap.graph.network import Network, need_network
from trimcap.graph.price import macs_of, tensors_of
from trimcap.graph.rewrite.rewrite import rewrite
from trimcap.program.integers import to_integers
from trimcap.program.kinds.table import KINDS
from trimcap.program.lower.building import CannotLower
from trimcap.program.lower.lower import lower
from trimcap.program.memory import plan_memory
from trimcap.program.program import Program

if TYPE_CHECKING:
    import pandas as pd

BITS = (32, 8, 7, 6, 5, 4, 3, 2)


@dataclass(frozen=True)
class OperationCost:
    """One row: what a single operation costs, for one window.

    `params` are trainable values of its layer, said where it first has constants; `flash_bytes` its constants,
    `output_bytes` the size of its result, `live_bytes` everything that is in memory while it runs, its scratch and the
    network's output included. None is unknown.
    """

    name: str
    kind: str
    layer: str
    shape: Any
    params: int
    macs: int
    flash_bytes: int | None = None
    output_bytes: int | None = None
    live_bytes: int | None = None


@dataclass(frozen=True)
class Cost:
    """What a network costs for one window.

    Parameters
    ----------
    rows : one per operation, in execution order: of the program, or of the graph where there is none
    bits : of the weights
    parameters : trainable values
    macs : multiply-accumulates (1 MAC = 2 FLOPs)
    flash_bytes : constant data, as the C stores it: 4 B for a weight of 32 bits, else 1 B; None: unknown
    sram_bytes : working memory of the C, input window and scratch included, and the output; None: unknown
    scratch_bytes : the largest scratch of one operation, in `sram_bytes` as far as it does not fit beside values
    input_bytes, output_bytes : the window and the result; None: unknown
    bops : bit operations, macs · bits of a weight · bits of an activation
    unknown : why flash and SRAM are unknown, "" if they are known
    """

    rows: tuple[OperationCost, ...]
    bits: int
    parameters: int
    macs: int
    flash_bytes: int | None
    sram_bytes: int | None
    scratch_bytes: int | None
    input_bytes: int | None
    output_bytes: int | None
    bops: int
    unknown: str = ""

    @property
    def peak(self) -> str:
        """The operation during which most memory is in use ("" where that is unknown)."""
        known = [row for row in self.rows if row.live_bytes is not None]
        return max(known, key=lambda row: row.live_bytes or 0).name if known else ""

    def table(self) -> pd.DataFrame:
        """One row per operation, columns as the fields of `OperationCost`."""
        import pandas as pd

        return pd.DataFrame([asdict(row) for row in self.rows])

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, ready for JSON."""
        result = asdict(self)
        result["rows"] = [_plain(row) for row in result["rows"]]
        return result | {"peak": self.peak}

    def __str__(self) -> str:
        head = ("operation", "layer", "output", "params", "MACs", "flash B", "SRAM B")
        peak = self.peak
        lines = [
            (r.kind, r.layer, _times(r.shape), f"{r.params:,}", f"{r.macs:,}", _number(r.flash_bytes),
             f"{_number(r.live_bytes)}{' ◀' if r.name == peak else ''}")
            for r in self.rows
        ]  # fmt: skip
        total = ("total", f"{self.bits} bits", "", f"{self.parameters:,}", f"{self.macs:,}",
                 _number(self.flash_bytes), _number(self.sram_bytes))  # fmt: skip
        said = [f"flash and SRAM unknown: {self.unknown}"] if self.unknown else []
        return "\n".join([*_columns([head, *lines, total]), *said])


def cost(network: Network, *, bits: int = 32) -> Cost:
    """Parameters, MACs, flash and peak SRAM of a network as it is: of its C, without rewriting it first.

    Parameters
    ----------
    network : Network
    bits : 32 (float), or 8 to 2, of the weights; activations have 32 or 8 (the logits of a last layer 16)

    Raises
    ------
    ValueError : another number of bits.
    """
    need_network(network, "cost")
    if bits not in BITS:
        raise ValueError(f"bits={bits} is not a known width; use 32, or 8 to 2")
    try:
        program = lower(network)
    except CannotLower as error:
        return _graph_cost(network, bits, error.what)
    if bits < 32:  # sizes do not depend on ranges
        program = to_integers(program, dict.fromkeys(program.values, (-1.0, 1.0)), bits=bits)
    trainable: Counter[str] = Counter()
    for node, count in _trainable(network).items():
        trainable[network.node[node].layer or network.node[node].kind] += count
    found = program_cost(program, bits=bits)
    rows = tuple(replace(row, params=trainable.pop(row.layer, 0) if row.flash_bytes else 0) for row in found.rows)
    return replace(found, rows=rows, parameters=network.n_parameters)


def deployed_cost(network: Network, *, bits: int = 8) -> Cost:
    """`cost` of the network after exact rewrites, as it is exported: what budgets and gains are counted on.

    `parameters` are those that were trained: rewriting folds some into others.
    """
    return replace(cost(rewrite(network).network, bits=bits), parameters=network.n_parameters)


def program_cost(program: Program, *, bits: int | None = None) -> Cost:
    """What the C of a program costs, as in the manifest of its artifact; trainable values are not known of it.

    Parameters
    ----------
    bits : of the weights; default 8 of integers
    """
    plan, stored = plan_memory(program), set[str]()
    output = program.values[program.output].nbytes
    rows = []
    for op, live in zip(program.ops, plan.live, strict=True):
        names = set(op.constants.values()) - stored
        stored |= names
        y = program.values[op.output]
        flash = sum(program.constants[name].nbytes for name in names)
        macs = KINDS[op.kind].macs(program, op)
        rows.append(OperationCost(op.name, op.kind, op.source, y.shape, 0, macs, flash, y.nbytes, live))
    macs = sum(row.macs for row in rows)
    bits = bits or (8 if program.integer else 32)
    return Cost(
        rows=tuple(rows),
        bits=bits,
        parameters=0,
        macs=macs,
        flash_bytes=program.flash_bytes,
        sram_bytes=plan.nbytes + output,
        scratch_bytes=plan.scratch_bytes,
        input_bytes=program.values[program.input].nbytes,
        output_bytes=output,
        bops=_bops(macs, bits),
    )


def _bops(macs: int, bits: int) -> int:
    return macs * bits * (32 if bits == 32 else 8)


def _graph_cost(network: Network, bits: int, why: str) -> Cost:
    """Parameters and MACs of what has no C."""
    trainable = _trainable(network)
    rows = tuple(
        OperationCost(node.name, node.kind, node.layer, node.shape, trainable[node.name], macs_of(network, node))
        for node in network.nodes
    )
    macs = sum(row.macs for row in rows)
    return Cost(rows, bits, network.n_parameters, macs, None, None, None, None, None, _bops(macs, bits), why)


def _trainable(network: Network) -> dict[str, int]:
    """Trainable values by operation; a tensor that several read is its first reader's."""
    counted: set[str] = set()
    found: dict[str, int] = {}
    for node in network.nodes:
        names = {name for name in tensors_of(network, node) if name in network.trainable} - counted
        counted |= names
        found[node.name] = sum(network.tensors[name].numel() for name in names)
    return found


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    shape = row["shape"]
    nested = bool(shape) and isinstance(shape[0], tuple)
    return row | {"shape": [list(part) for part in shape] if nested else list(shape)}


def _number(value: int | None) -> str:
    return "?" if value is None else f"{value:,}"


def _times(shape: Any) -> str:
    """A shape without the batch where that comes first: 8×32×256."""
    if shape and isinstance(shape[0], tuple):
        return "+".join(_times(part) for part in shape)
    return "×".join(map(str, shape[1:] if len(shape) > 1 and shape[0] == 1 else shape))


def _columns(lines: list[tuple[str, ...]]) -> list[str]:
    """Rows of cells as aligned text: the first three to the left, numbers to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if i < 3 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
