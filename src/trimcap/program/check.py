"""Is a Program whole, and does every accumulator fit int32? A Program from a file is held to it too.

Everything that runs a Program trusts its shapes, C most of all; so they are derived here once more, by the kinds.
"""

from __future__ import annotations

import math
from math import prod

from trimcap._errors import unknown
from trimcap.program.kinds.kind import MAX_ELEMENTS, whole
from trimcap.program.kinds.table import KINDS
from trimcap.program.program import DTYPE_BYTES, Op, Program, Value

MAX_DIMENSIONS = 8
_BYTE_RANGE = {"float32": (0, 0), "int8": (-128, 127), "int16": (-(2**15), 2**15 - 1)}
_LIMITS: dict[str, tuple[int, int]] = {
    "weight": (-127, 127),
    "multiplier": (0, 2**31 - 1),
    "multipliers": (0, 2**31 - 1),
    "shift": (1, 62),
}


def check(program: Program) -> Program:
    """Return the program unchanged if it obeys the table in `program`.

    Raises
    ------
    ValueError : names the operation: a value or constant is missing or of the wrong type, a kind does not
        exist, quantization differs across an operation that only copies, a multiplier or shift is out of range,
        or an accumulator may overflow int32.
    """
    if program.input not in program.values:
        raise ValueError(f"program '{program.name}': its input '{program.input}' is no value")
    for value in program.values.values():
        _check_value(value, integer=program.integer)
    _check_scales(program)
    known = {program.input}
    for op in program.ops:
        try:
            _check_op(program, op, known)
        except ValueError as error:
            where = f"program '{program.name}', operation '{op.name}' ({op.source or op.kind})"
            raise ValueError(f"{where}: {error}") from None
        known.add(op.output)
    if program.output not in known:
        raise ValueError(f"program '{program.name}': no operation makes the output '{program.output}'")
    return program


def _check_value(value: Value, *, integer: bool) -> None:
    """Refuse a value that no memory holds."""
    low, high = _BYTE_RANGE.get(value.dtype, (0, 0))
    sizes = all(whole(n, least=1) for n in value.shape) and len(value.shape) <= MAX_DIMENSIONS
    if not sizes or prod(value.shape) > MAX_ELEMENTS:
        raise ValueError(f"value '{value.name[:80]}' has the shape {repr(value.shape)[:80]}")
    if value.dtype not in DTYPE_BYTES or integer != (value.dtype != "float32"):
        raise ValueError(f"value '{value.name[:80]}' is {value.dtype[:20]} in a program of other numbers")
    if not (math.isfinite(value.scale) and value.scale > 0 and low <= value.zero_point <= high):
        raise ValueError(f"value '{value.name[:80]}' has scale {value.scale} and zero point {value.zero_point}")


def _check_scales(program: Program) -> None:
    """Scales of channels: of an integer input only, one for each, above 0."""
    for name, value in program.values.items():
        wrong = name != program.input or not program.integer or value.shape[:1] != (len(value.scales),)
        if value.scales and (wrong or not all(0 < s < float("inf") for s in value.scales)):
            raise ValueError(
                f"program '{program.name}', value '{name}': scales of channels must be one finite number above 0 for "
                "each channel of an integer input, and nowhere else"
            )


def _check_op(program: Program, op: Op, known: set[str]) -> None:
    if op.kind not in KINDS:
        raise ValueError(unknown("kind", op.kind, KINDS))
    missing = [n for n in (*op.inputs, op.output) if n not in program.values]
    missing += [n for n in op.inputs if n not in known]
    if missing:
        raise ValueError(f"value '{missing[0]}' does not exist yet")
    if op.output in known:
        raise ValueError(f"its output '{op.output}' is made twice, or is the input")
    _check_constants(program, op)
    _check_shape(program, op)
    if program.integer:
        if KINDS[op.kind].integer is None:
            raise ValueError(f"a {op.kind} does not exist in integer programs; it must be a {KINDS[op.kind].becomes}")
        _check_types(program, op)
    KINDS[op.kind].check(program, op)
    if program.integer:
        _check_sum(program, op)


def _check_constants(program: Program, op: Op) -> None:
    kind = KINDS[op.kind]
    roles = (*kind.roles, *(kind.integer_roles if program.integer else ()))
    for role in roles:
        if op.constants.get(role) not in program.constants:
            raise ValueError(f"its constant '{role}' is missing")
    if flat := [r for r in roles if r != "weight" and program.constant(op, r).ndim != 1]:
        raise ValueError(f"its constant '{flat[0]}' has {program.constant(op, flat[0]).ndim} dimensions, not 1")
    rows = {role: len(program.constant(op, role)) for role in roles}
    if kind.per_output and len(set(rows.values())) > 1:
        raise ValueError(f"constants disagree on the number of outputs: {rows}")


def _check_shape(program: Program, op: Op) -> None:
    """Refuse an operation whose attributes, constants, inputs or output do not fit together."""
    kind = KINDS[op.kind]
    if len(op.inputs) != (kind.n_inputs or max(1, len(op.inputs))):
        raise ValueError(f"it has {len(op.inputs)} inputs, must have {kind.n_inputs or 1}")
    found, stated = kind.shape(program, op), program.values[op.output].shape
    if found != stated:
        raise ValueError(f"it makes {found}, its output '{op.output[:80]}' has the shape {stated}")
    foreign = sorted(set(op.attrs) - kind.attributes)
    if foreign:
        raise ValueError(f"its attribute '{foreign[0][:40]}' is unknown")
    for name in ("low", "high"):
        limit = op.attrs.get(name)
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int | float)):
            raise ValueError(f"its limit '{name}' is {repr(limit)[:40]}")


def _check_types(program: Program, op: Op) -> None:
    types = {**KINDS[op.kind].roles, **KINDS[op.kind].integer_roles}
    for role, name in op.constants.items():
        array, dtype = program.constants[name], types.get(role, "int32") or program.values[op.output].dtype
        if str(array.dtype) != dtype:
            raise ValueError(f"constant '{role}' is {array.dtype}, must be {dtype}")
        low, high = _LIMITS.get(role, (None, None))
        if low is not None and not ((array >= low) & (array <= high)).all():
            raise ValueError(f"constant '{role}' is outside {low}…{high}")


def _check_sum(program: Program, op: Op) -> None:
    kind = KINDS[op.kind]
    bound = kind.bound(program, op)
    if bound >= 2**31:
        raise ValueError(
            f"its sum may reach {bound:,}, beyond int32 (2,147,483,647); split the layer into two or give it fewer "
            "inputs"
        )
    values = [program.values[name] for name in (*op.inputs, op.output)]
    meanings = {(v.scale, v.zero_point, v.dtype) for v in values}
    if kind.shares_grid and len(meanings) > 1:
        raise ValueError(f"inputs and output must share scale and zero point, got {sorted(meanings)}")
