"""A static memory plan: which activation lives where, and the peak."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Block:
    """Bytes needed from step `first` to step `last`, both included."""

    name: str
    size: int
    first: int
    last: int


@dataclass(frozen=True)
class Arena:
    """Offset of every block and the total size, bytes; `lower_bound` is the largest sum of live blocks."""

    offsets: dict[str, int]
    size: int
    lower_bound: int


def plan_memory(blocks: Sequence[Block], *, align: int = 4) -> Arena:
    """Place blocks whose lifetimes overlap at disjoint offsets (greedy by size, first fit).

    Blocks are placed largest first; each at the lowest aligned offset that no block alive at the same time
    occupies (the "greedy by size" planner of Pisarchyk & Lee, 2020, arXiv:2001.03288). A few other orders
    (by lifetime, by first use) are tried too and the smallest arena kept.

    Parameters
    ----------
    blocks : sizes in bytes, lifetimes in steps
    align : every offset is a multiple of it, bytes
    """
    if not blocks:
        return Arena({}, 0, 0)
    orders = (
        lambda b: (-b.size, b.first, b.name),
        lambda b: (b.first - b.last, -b.size, b.name),
        lambda b: (b.first, -b.size, b.name),
        lambda b: (-b.size * (b.last - b.first + 1), b.first, b.name),
    )
    plans = [_place(sorted(blocks, key=order), align) for order in orders]
    offsets, size = min(plans, key=lambda plan: plan[1])
    return Arena(offsets, size, _lower_bound(blocks))


def _place(blocks: Sequence[Block], align: int) -> tuple[dict[str, int], int]:
    placed: list[tuple[Block, int]] = []
    for block in blocks:
        busy = sorted(
            (offset, offset + other.size)
            for other, offset in placed
            if other.first <= block.last and block.first <= other.last
        )
        offset = 0
        for start, stop in busy:
            if offset + block.size <= start:
                break
            offset = max(offset, -(-stop // align) * align)
        placed.append((block, offset))
    return {b.name: o for b, o in placed}, max(o + b.size for b, o in placed)


def _lower_bound(blocks: Sequence[Block]) -> int:
    steps = {b.first for b in blocks}
    return max(sum(b.size for b in blocks if b.first <= s <= b.last) for s in steps)
