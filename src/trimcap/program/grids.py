"""Scale and zero point of every value: which ones must agree, which one has sixteen bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from trimcap._errors import unknown
from trimcap.program.fixed_point import grid
from trimcap.program.kinds.table import KINDS, SHARING
from trimcap.program.program import Program, Value


def quantized_values(
    program: Program, bounds: Mapping[str, tuple[float, float]], int16: Sequence[str]
) -> dict[str, Value]:
    """Values of the integer program.

    Values that a copying operation connects share one range, the union of theirs. The output of a last conv or
    linear, and those of `int16`, are int16 with scale max|x| / 16383: up to twice the calibrated range fits.

    Raises
    ------
    ValueError : `bounds` lack a value of the program.
    """
    missing = [name for name in program.values if name not in bounds]
    if missing:
        raise ValueError(
            f"ranges lack {len(missing)} values of program '{program.name}', first '{missing[0]}'; observe this program"
        )
    wide = wide_values(program) | widened(program, int16)
    values = {}
    for group in sharing_groups(program):
        low = min(bounds[name][0] for name in group)
        high = max(bounds[name][1] for name in group)
        if group <= wide:
            dtype, scale, zero = "int16", float(np.float32(max(-low, high) / 16383)) or 1.0, 0
        else:
            dtype, (scale, zero) = "int8", grid(low, high)
        for name in group:
            values[name] = replace(program.values[name], dtype=dtype, scale=scale, zero_point=zero)
    return {name: values[name] for name in program.values}


def wide_values(program: Program) -> frozenset[str]:
    """The output of a last conv or linear, and its reshapes up to the program's output; empty if there is none."""
    made = {op.output: op for op in program.ops}
    chain = [program.output]
    while chain[-1] in made and KINDS[made[chain[-1]].kind].view:
        chain.append(made[chain[-1]].inputs[0])
    last = made.get(chain[-1])
    read = {name for op in program.ops for name in op.inputs if op.output not in chain}
    if last is None or not KINDS[last.kind].per_output or read & set(chain):
        return frozenset()
    return frozenset(chain)


def widened(program: Program, names: Sequence[str]) -> frozenset[str]:
    """Values of the named layers (or named themselves), and those that share their grids.

    Raises
    ------
    ValueError : a name stands for no value of the integer program; or one of its values shares the grid of the
        input, which is int8, or is read by an operation that reads int8 only.
    """
    wide: set[str] = set()
    for name in names:
        own = {op.output for op in program.ops if name in (op.source, op.output) and op.kind not in SHARING}
        own |= {op.output for op in program.ops if name in (op.source, op.output)} if not own else set()
        if not own:
            known = {op.source for op in program.ops}
            raise ValueError(f"int16: {unknown('layer', name, known)} (or its function is inside the table after it)")
        for group in sharing_groups(program):
            if group & own:
                wide |= group
                _refuse(program, group, name)
    return frozenset(wide)


def _refuse(program: Program, group: frozenset[str], name: str) -> None:
    if program.input in group:
        raise ValueError(f"int16: layer '{name}' only moves the input, which is int8; give its channels a scale each")
    for op in program.ops:
        reads, writes = bool(group & set(op.inputs)), op.output in group
        volume = op.kind == "conv" and len(op.attrs["stride"]) != 2
        if ((reads or writes) and not KINDS[op.kind].int16) or (reads and volume):
            able = ", ".join(name for name, kind in KINDS.items() if kind.int16 and kind.real)
            raise ValueError(
                f"int16: layer '{name}' is {'read' if reads else 'made'} by '{op.source}' ({op.kind}"
                f"{' of volumes' if volume else ''}), which has int8 only; these have int16: {able} "
                "(conv reads it of images)"
            )


def sharing_groups(program: Program) -> list[frozenset[str]]:
    """Values connected by operations that only copy: they have one grid."""
    group = {name: {name} for name in program.values}
    for op in program.ops:
        if op.kind in SHARING:
            merged: set[str] = set().union(*(group[n] for n in (*op.inputs, op.output)))
            group.update(dict.fromkeys(merged, merged))
    unique = {id(g): g for g in group.values()}
    return [frozenset(g) for g in unique.values()]
