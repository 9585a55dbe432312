"""Make a float Program shorter without changing its function."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from trimcap.program.program import Op, Program

_HUGE = 3.4e38


def tidy(program: Program) -> Program:
    """Merge zero padding into convolutions and averages, limits into sums; drop what nobody reads."""
    return drop_unused(fuse_limits(merge_padding(program)))


def readers(ops: Iterable[Op], output: str) -> Counter[str]:
    """How often each value is read; the program's output counts as a reader."""
    counts = Counter(name for op in ops for name in op.inputs)
    counts[output] += 1
    return counts


def merge_padding(program: Program) -> Program:
    """pad(zeros) → conv or avg_pool becomes their padding: both treat padding as zeros that are summed.

    An average keeps its divisor, so the zeros count as before; one that divides by what is inside the image stays.
    """
    made = {op.output: op for op in program.ops}
    ops = [_with_padding(op, made) for op in program.ops]
    return drop_unused(replace(program, ops=tuple(ops)))


def _with_padding(op: Op, made: dict[str, Op]) -> Op:
    source = made.get(op.inputs[0])
    while _sums_zeros(op) and source is not None and source.kind == "pad":
        padding = tuple(a + c for a, c in zip(op.attrs["padding"], source.attrs["padding"], strict=True))
        op = replace(op, inputs=source.inputs, attrs={**op.attrs, "padding": padding})
        source = made.get(op.inputs[0])
    return op


def _sums_zeros(op: Op) -> bool:
    return len(op.attrs.get("padding", ())) == 4 and (op.kind == "conv" or bool(op.attrs.get("divisor")))


def fuse_limits(program: Program) -> Program:
    """conv, linear or add → relu or clip becomes `low` and `high` of the sum, if nobody else reads the sum."""
    counts = readers(program.ops, program.output)
    ops: list[Op] = []
    position: dict[str, int] = {}
    for op in program.ops:
        limits = _limits(op)
        at = position.get(op.inputs[0]) if limits and counts[op.inputs[0]] == 1 else None
        if at is not None and ops[at].kind in ("conv", "linear", "add") and not _limited(ops[at]):
            ops[at] = replace(ops[at], output=op.output, attrs={**ops[at].attrs, **(limits or {})})
            position[op.output] = at
        else:
            position[op.output] = len(ops)
            ops.append(op)
    return replace(program, ops=tuple(_renamed(op) for op in ops))


def _limits(op: Op) -> dict[str, Any] | None:
    if op.kind != "map" or op.attrs["function"] not in ("relu", "clip"):
        return None
    low, high = op.attrs["parameters"] or (0.0, _HUGE)
    return {"low": low if low > -_HUGE else None, "high": high if high < _HUGE else None}


def _limited(op: Op) -> bool:
    return op.attrs.get("low") is not None or op.attrs.get("high") is not None


def _renamed(op: Op) -> Op:
    """An operation has the name of its output."""
    return replace(op, name=op.output)


def drop_unused(program: Program) -> Program:
    """Without operations, values and constants that do not reach the output."""
    needed = {program.output}
    kept: list[Op] = []
    for op in reversed(program.ops):
        if op.output in needed:
            kept.append(op)
            needed.update(op.inputs)
    needed.add(program.input)
    constants = {name for op in kept for name in op.constants.values()}
    return replace(
        program,
        ops=tuple(reversed(kept)),
        values={n: v for n, v in program.values.items() if n in needed},
        constants={n: c for n, c in program.constants.items() if n in constants},
    )
