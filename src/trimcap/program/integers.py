"""A float Program and the range of each of its values become a Program in integers only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from trimcap.program.grids import quantized_values
from trimcap.program.kinds.kind import Constants, Values
from trimcap.program.kinds.maps import steps
from trimcap.program.kinds.table import KINDS
from trimcap.program.lower.tidy import drop_unused, readers
from trimcap.program.program import Op, Program


def to_integers(
    program: Program,
    bounds: Mapping[str, tuple[float, float]],
    *,
    bits: int = 8,
    int16: Sequence[str] = (),
) -> Program:
    """The integer program whose values cover `bounds`; the arithmetic is the table in `program`.

    Parameters
    ----------
    bounds : value → (low, high), low ≤ 0 ≤ high
    bits : of the weights
    int16 : layers or values with sixteen bits
    """
    program = merge_maps(program)
    values = quantized_values(program, bounds, int16)
    constants: Constants = {}
    ops = tuple(_quantized(program, values, constants, op, bits) for op in program.ops)
    return replace(program, ops=ops, values=values, constants=constants)


def _quantized(program: Program, values: Values, constants: Constants, op: Op, bits: int) -> Op:
    kind = KINDS[op.kind]
    if kind.quantize is None:
        return op  # copies
    roles = kind.quantize(program, values, op, bits)
    names = {role: f"{op.name}.{role}" for role in roles}
    constants.update({names[role]: array for role, array in roles.items()})
    attrs = kind.integer_attributes(op, values)
    return replace(op, kind=kind.becomes or op.kind, attrs=attrs, constants=names)


def merge_maps(program: Program) -> Program:
    """Chains of maps become one map with the attr `chain`: one table loses less than two.

    Only a map whose single reader is the next map is merged.
    """
    counts = readers(program.ops, program.output)
    made: dict[str, Op] = {}
    ops = []
    for op in program.ops:
        before = made.get(op.inputs[0])
        if op.kind == "map":
            chain = steps(op)
            if before is not None and before.kind == "map" and counts[op.inputs[0]] == 1:
                op = replace(op, inputs=before.inputs)
                chain = (*steps(before), *chain)
            op = replace(op, attrs={**op.attrs, "chain": chain})
        made[op.output] = op
        ops.append(op)
    return drop_unused(replace(program, ops=tuple(ops)))
