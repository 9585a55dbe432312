"""Where every value and every scratch buffer of a program lives in C."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trimcap.export.c.step import Step
from trimcap.graph.memory import Block, plan_memory
from trimcap.program.program import Op, Program

#: element type of the array that holds values of a storage type; int8 may lie in any array
ARENA_TYPES = {"float32": "float", "int8": "uint32_t", "int16": "int16_t"}
ITEM = {"float": 4, "uint32_t": 4, "int16_t": 2}


@dataclass(frozen=True)
class Place:
    """A value's memory: the caller's `y`, or a byte offset in the state's array of an element type."""

    where: str
    offset: int = 0


@dataclass(frozen=True)
class Layout:
    """Places of all values, byte offsets of scratch of every operation,
    and the bytes of each array of the state, in whole words.

    scratch_bytes : the largest scratch of one operation
    lower_bound : the largest sum of memory alive at one time; no plan can be smaller
    """

    places: Mapping[str, Place]
    scratch: tuple[tuple[int, ...], ...]
    sizes: Mapping[str, int]
    scratch_bytes: int
    lower_bound: int

    @property
    def nbytes(self) -> int:
        """Bytes of the state."""
        return sum(self.sizes.values())


def plan_arena(program: Program, steps: Sequence[Step]) -> Layout:
    """Give every value a place: reshape shares memory, in-place operations reuse a dying input, the rest is packed.

    The input window lies in the arena too, from the start until its last reader: what comes later may overwrite it,
    so that a network needs no more memory than `trimcap.graph.cost` plans, plus the scratch of its kernels.

    Parameters
    ----------
    steps : one per operation
    """
    owner = _owners(program, steps)
    if owner[program.output] == program.input:  # all in place: the window is ours, the output the caller's
        owner = _owners(program, steps, keep_input=True)
    arrays: dict[str, list[Block]] = {}
    for name, (first, last) in _lifetimes(program, owner).items():
        if name == owner[program.output]:
            continue
        value = program.values[name]
        block = Block(f"value {name}", value.nbytes, first, last)
        arrays.setdefault(ARENA_TYPES[value.dtype], []).append(block)
    scratch_array = "uint32_t" if program.integer else "float"
    for index, step in enumerate(steps):
        blocks = [Block(f"scratch {index} {i}", s.nbytes, index, index) for i, s in enumerate(step.scratch) if s.nbytes]
        if blocks:
            arrays.setdefault(scratch_array, []).extend(blocks)
    plans = {ctype: plan_memory(blocks) for ctype, blocks in arrays.items()}
    offsets = {name: offset for plan in plans.values() for name, offset in plan.offsets.items()}
    return Layout(
        places={name: _place(program, name, owner, offsets) for name in owner},
        scratch=tuple(
            tuple(offsets.get(f"scratch {index} {i}", 0) for i in range(len(step.scratch)))
            for index, step in enumerate(steps)
        ),
        sizes={ctype: -(-plan.size // 4) * 4 for ctype, plan in sorted(plans.items())},
        scratch_bytes=max((sum(s.nbytes for s in step.scratch) for step in steps), default=0),
        lower_bound=sum(plan.lower_bound for plan in plans.values()),
    )


def _place(program: Program, name: str, owner: Mapping[str, str], offsets: Mapping[str, int]) -> Place:
    root = owner[name]
    if root == owner[program.output]:
        return Place("y")
    return Place(ARENA_TYPES[program.values[root].dtype], offsets[f"value {root}"])


def _owners(program: Program, steps: Sequence[Step], *, keep_input: bool = False) -> dict[str, str]:
    """Value → the value whose memory it uses."""
    owner = {program.input: program.input}
    for index, (op, step) in enumerate(zip(program.ops, steps, strict=True)):
        if op.kind == "reshape":
            owner[op.output] = owner[op.inputs[0]]
        else:
            reused = _reused(program, owner, index, op, step)
            owner[op.output] = op.output if reused is None or (keep_input and reused == program.input) else reused
    return owner


def _reused(program: Program, owner: Mapping[str, str], index: int, op: Op, step: Step) -> str | None:
    """The memory of an input that dies here and that `op` may overwrite, if there is one."""
    y = program.values[op.output]
    for position in step.in_place:
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
