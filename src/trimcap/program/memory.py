"""Where every value and every scratch buffer of a program lives: the C has this plan, and costs are counted on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trimcap.program.kinds.table import KINDS
from trimcap.program.program import Op, Program


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


def place(blocks: Sequence[Block], *, align: int = 4) -> Arena:
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
    lower_bound = max(_alive(blocks, step) for step in {b.first for b in blocks})
    best = Arena({}, -1, lower_bound)
    for order in orders:
        offsets, size = _place(sorted(blocks, key=order), align)
        if best.size < 0 or size < best.size:
            best = Arena(offsets, size, lower_bound)
        if size == lower_bound:  # no plan can be smaller
            break
    return best


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


def _alive(blocks: Sequence[Block], step: int) -> int:
    return sum(b.size for b in blocks if b.first <= step <= b.last)


@dataclass(frozen=True)
class Place:
    """A value's memory: the caller's `y`, or a byte offset in the state's array of a storage type."""

    where: str
    offset: int = 0


@dataclass(frozen=True)
class MemoryPlan:
    """Places of all values, byte offsets of scratch of every operation,
    and the bytes of each array of the state, in whole words.

    scratch_bytes : the largest scratch of one operation
    live : bytes in use while each operation runs, its scratch and the program's output included
    lower_bound : the largest sum of memory alive at one time; no plan can be smaller
    """

    places: Mapping[str, Place]
    scratch: tuple[tuple[int, ...], ...]
    sizes: Mapping[str, int]
    scratch_bytes: int
    live: tuple[int, ...]
    lower_bound: int

    @property
    def nbytes(self) -> int:
        """Bytes of the state."""
        return sum(self.sizes.values())


def plan_memory(program: Program) -> MemoryPlan:
    """Give every value a place: reshape shares memory, in-place operations reuse a dying input, the rest is packed.

    The input window lies in the state too, from the start until its last reader: what comes later may overwrite it.
    """
    owner = _owners(program)
    if owner[program.output] == program.input:  # all in place: the window is ours, the output the caller's
        owner = _owners(program, keep_input=True)
    arrays: dict[str, list[Block]] = {}
    home = scratch_home(program)
    outside: list[Block] = []
    for name, (first, last) in _lifetimes(program, owner).items():
        value = program.values[name]
        block = Block(f"value {name}", value.nbytes, first, last)
        (outside if name == owner[program.output] else arrays.setdefault(value.dtype, [])).append(block)
    scratch = [KINDS[op.kind].scratch(program, op) for op in program.ops]
    for index, sizes in enumerate(scratch):
        blocks = [Block(f"scratch {index} {i}", size, index, index) for i, size in enumerate(sizes) if size]
        if blocks:
            arrays.setdefault(home, []).extend(blocks)
    plans = {dtype: place(blocks) for dtype, blocks in arrays.items()}
    offsets = {name: offset for plan in plans.values() for name, offset in plan.offsets.items()}
    every = [*outside, *(block for blocks in arrays.values() for block in blocks)]
    return MemoryPlan(
        places={name: _place_of(program, name, owner, offsets) for name in owner},
        scratch=tuple(
            tuple(offsets.get(f"scratch {index} {i}", 0) for i in range(len(sizes)))
            for index, sizes in enumerate(scratch)
        ),
        sizes={dtype: -(-plan.size // 4) * 4 for dtype, plan in sorted(plans.items())},
        scratch_bytes=max(map(sum, scratch), default=0),
        live=tuple(_alive(every, index) for index in range(len(program.ops))),
        lower_bound=sum(plan.lower_bound for plan in plans.values()),
    )


def scratch_home(program: Program) -> str:
    """The array of the state that scratch lies in."""
    return "int8" if program.integer else "float32"


def _place_of(program: Program, name: str, owner: Mapping[str, str], offsets: Mapping[str, int]) -> Place:
    root = owner[name]
    if root == owner[program.output]:
        return Place("y")
    return Place(program.values[root].dtype, offsets[f"value {root}"])


def _owners(program: Program, *, keep_input: bool = False) -> dict[str, str]:
    """Value → the value whose memory it uses."""
    owner = {program.input: program.input}
    for index, op in enumerate(program.ops):
        if KINDS[op.kind].view:
            owner[op.output] = owner[op.inputs[0]]
        else:
            reused = _reused(program, owner, index, op)
            owner[op.output] = op.output if reused is None or (keep_input and reused == program.input) else reused
    return owner


def _reused(program: Program, owner: Mapping[str, str], index: int, op: Op) -> str | None:
    """The memory of an input that dies here and that `op` may overwrite, if there is one."""
    y = program.values[op.output]
    for position in KINDS[op.kind].in_place(program, op):
        root, x = owner[op.inputs[position]], program.values[op.inputs[position]]
        others = {owner[n] for i, n in enumerate(op.inputs) if i != position and n != op.inputs[position]}
        sharers = {name for name, of in owner.items() if of == root}
        read_later = any(sharers & set(later.inputs) for later in program.ops[index + 1 :])
        dies = not read_later and program.output not in sharers
        if dies and root not in others and (x.dtype, x.size) == (y.dtype, y.size):
            return root
    return None


def _lifetimes(program: Program, owner: Mapping[str, str]) -> dict[str, tuple[int, int]]:
    """First and last step of every piece of memory."""
    spans = {owner[program.input]: (0, 0)}
    for index, op in enumerate(program.ops):
        for name in (*op.inputs, op.output):
            first, _ = spans.get(owner[name], (index, index))
            spans[owner[name]] = (first, index)
    return spans
