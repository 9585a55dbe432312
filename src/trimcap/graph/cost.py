"""What a network costs on a device: parameters, MACs, flash and peak SRAM, per operation and in total."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from trimcap.graph.liveness import activation_blocks, live_bytes, without
from trimcap.graph.memory import plan_memory
from trimcap.graph.network import Network, need_network
from trimcap.graph.ops.costs import flash_of, macs_of, published_flops_of, tensors_of

if TYPE_CHECKING:
    import pandas as pd

BITS = (32, 8, 4, 2, 1)


@dataclass(frozen=True)
class OperationCost:
    """One row: what a single operation costs, for one window.

    `flash_bytes` are its constants, `output_bytes` the size of its result (of all of them, where it has
    several), `live_bytes` everything that is in memory while it runs.
    """

    node: str
    layer: str
    kind: str
    shape: Any
    params: int
    macs: int
    flash_bytes: int
    output_bytes: int
    live_bytes: int
    published_flops: int


@dataclass(frozen=True)
class Cost:
    """What a network costs for one window.

    Parameters
    ----------
    rows : one per operation, in execution order
    bits : of the weights
    parameters : trainable values
    macs : multiply-accumulates (1 MAC = 2 FLOPs)
    flash_bytes : constant data; see `trimcap.graph.ops.costs.flash_of`
    sram_bytes : peak of a static memory plan; the input window and the output are in it
    input_bytes : the input window
    activation_bytes : peak of the plan when the input window lies elsewhere and is never overwritten
    output_bytes : the result
    bops : bit operations, macs · bits of a weight · bits of an activation
    published_flops : FLOPs by the counting rule of the published EEG pruning tables
    """

    rows: tuple[OperationCost, ...]
    bits: int
    parameters: int
    macs: int
    flash_bytes: int
    sram_bytes: int
    input_bytes: int
    activation_bytes: int
    output_bytes: int
    bops: int
    published_flops: int

    @property
    def peak(self) -> str:
        """The operation during which most memory is in use ("" for an empty network)."""
        return max(self.rows, key=lambda row: row.live_bytes).node if self.rows else ""

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
            (r.kind, r.layer, _times(r.shape), f"{r.params:,}", f"{r.macs:,}", f"{r.flash_bytes:,}",
             f"{r.live_bytes:,}{' ◀' if r.node == peak else ''}")
            for r in self.rows
        ]  # fmt: skip
        total = ("total", f"{self.bits} bits", "", f"{self.parameters:,}", f"{self.macs:,}",
                 f"{self.flash_bytes:,}", f"{self.sram_bytes:,}")  # fmt: skip
        return "\n".join(_columns([head, *lines, total]))


def cost(network: Network, *, bits: int = 32) -> Cost:
    """Parameters, MACs, flash and peak SRAM of a network, per operation and in total.

    Flash. 32 bits: 4 B per value. 8 bits: 1 B per weight; 4 B per output channel of a convolution or linear
    operation for its bias and 8 B for its multiplier and shift; 256 B for each function that becomes a table.
    4, 2 and 1 bits: the same with weights packed, rounded up to whole bytes per tensor. A batch norm that was
    not folded is counted as one scale and one shift per channel. A tensor that several operations read is
    counted once.

    SRAM. Activations take 4 B at 32 bits and 1 B at 8 bits and fewer. Lifetimes, in-place elementwise
    operations and shared views as in `trimcap.graph.liveness`; placed by `plan_memory`. Scratch memory inside
    an operation (the gates of a recurrent layer) is not counted.

    Parameters
    ----------
    network : Network
    bits : 32 (float), 8, 4, 2 or 1, of the weights; activations have 32 or 8

    Raises
    ------
    ValueError : another number of bits.
    """
    need_network(network, "cost")
    if bits not in BITS:
        raise ValueError(f"bits={bits} is not a known width; use one of {', '.join(map(str, BITS))}")
    itemsize = 4 if bits == 32 else 1
    blocks = activation_blocks(network, itemsize=itemsize)
    fixed = activation_blocks(network, itemsize=itemsize, writable_input=False)
    rows = _rows(network, bits, itemsize)
    macs = sum(row.macs for row in rows)
    return Cost(
        rows=rows,
        bits=bits,
        parameters=network.n_parameters,
        macs=macs,
        flash_bytes=sum(row.flash_bytes for row in rows),
        sram_bytes=plan_memory(blocks).size,
        input_bytes=itemsize * sum(prod(shape) for shape in network.inputs.values()),
        activation_bytes=plan_memory(without(fixed, tuple(network.inputs))).size,
        output_bytes=itemsize * prod(network.shape_of(network.output)),
        bops=macs * bits * 8 * itemsize,
        published_flops=sum(row.published_flops for row in rows),
    )


def _rows(network: Network, bits: int, itemsize: int) -> tuple[OperationCost, ...]:
    blocks = activation_blocks(network, itemsize=itemsize)
    counted: set[str] = set()
    rows = []
    for step, node in enumerate(network.nodes):
        names = [name for name in tensors_of(network, node) if name not in counted]
        counted.update(names)
        parts = node.shape if node.shape and isinstance(node.shape[0], tuple) else (node.shape,)
        rows.append(
            OperationCost(
                node=node.name,
                layer=node.layer,
                kind=node.kind,
                shape=node.shape,
                params=sum(network.tensors[name].numel() for name in names if name in network.trainable),
                macs=macs_of(network, node),
                flash_bytes=flash_of(network, node, names, bits=bits),
                output_bytes=0 if node.kind.startswith("sym") else itemsize * sum(prod(p) for p in parts),
                live_bytes=live_bytes(blocks, step),
                published_flops=published_flops_of(network, node),
            )
        )
    return tuple(rows)


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    shape = row["shape"]
    nested = bool(shape) and isinstance(shape[0], tuple)
    return row | {"shape": [list(part) for part in shape] if nested else list(shape)}


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
