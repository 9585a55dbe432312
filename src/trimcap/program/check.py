"""Is a Program whole, and does every accumulator fit int32?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimcap._errors import unknown
from trimcap.program.kernels import window_counts
from trimcap.program.norms import LONGEST, fraction_of
from trimcap.program.program import KINDS, Op, Program, Value
from trimcap.program.shapes import check_op, check_value

#: constants by kind: in float programs, and what integer programs add
_FLOAT_ROLES = {"conv": ("weight", "bias"), "linear": ("weight", "bias"), "layer_norm": ("gain", "offset")}
_PER_OUTPUT = ("conv", "linear")
_INTEGER_ROLES = {
    "conv": ("multiplier", "shift"),
    "linear": ("multiplier", "shift"),
    "avg_pool": ("multiplier", "shift"),
    "mean": ("multiplier", "shift"),
    "mul": ("multiplier", "shift"),
    "matmul": ("multiplier", "shift"),
    "layer_norm": ("multiplier", "shift"),
    "softmax": ("exponents", "multiplier", "shift"),
    "add": ("multipliers", "shift"),
    "table": ("table",),
}
_SHARED = ("max_pool", "concat", "pad", "permute", "slice", "reshape")


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
        check_value(value, integer=program.integer)
    _check_scales(program)
    known = {program.input}
    for op in program.ops:
        where = f"program '{program.name}', operation '{op.name}' ({op.source or op.kind})"
        if op.kind not in KINDS:
            raise ValueError(f"{where}: {unknown('kind', op.kind, KINDS)}")
        missing = [n for n in (*op.inputs, op.output) if n not in program.values]
        missing += [n for n in op.inputs if n not in known]
        if missing:
            raise ValueError(f"{where}: value '{missing[0]}' does not exist yet")
        if op.output in known:
            raise ValueError(f"{where}: its output '{op.output}' is made twice, or is the input")
        _check_constants(program, op, where)
        _check_fit(program, op, where)
        if program.integer:
            _check_integer(program, op, where)
        known.add(op.output)
    if program.output not in known:
        raise ValueError(f"program '{program.name}': no operation makes the output '{program.output}'")
    return program


def _check_scales(program: Program) -> None:
    """Scales of channels: of an integer input only, one for each, above 0."""
    for name, value in program.values.items():
        wrong = name != program.input or not program.integer or value.shape[:1] != (len(value.scales),)
        if value.scales and (wrong or not all(0 < s < float("inf") for s in value.scales)):
            raise ValueError(
                f"program '{program.name}', value '{name}': scales of channels must be one finite number above 0 for "
                "each channel of an integer input, and nowhere else"
            )


def accumulator_bound(program: Program, op: Op) -> int:
    """Largest |sum| that an integer conv, linear, pool or mean can reach, whatever its input.

    For a conv or linear max_o(Σ|w[o]|·d + |b[o]|), for a pool or mean count·d, with d the largest |q − z| of
    the input; for a product d_a·d_b, for a matrix product depth·d_a·d_b; for a layer norm 2^15·max|gain| + max|offset|.
    """
    distances = [distance(program.values[name]) for name in op.inputs]
    if op.kind in ("conv", "linear"):
        weight = program.constant(op, "weight").astype(np.int64)
        sums = np.abs(weight).reshape(len(weight), -1).sum(1)
        bias = np.abs(program.constant(op, "bias").astype(np.int64))
        return int((sums * distances[0] + bias).max(initial=0))
    if op.kind == "layer_norm":
        gain, offset = (np.abs(program.constant(op, role).astype(np.int64)) for role in ("gain", "offset"))
        return int((gain << 15).max() + offset.max())
    if op.kind == "matmul":
        return int(op.attrs["depth"]) * distances[0] * distances[1]
    if op.kind == "avg_pool":
        return int(np.prod(op.attrs["kernel"])) * distances[0]
    if op.kind == "mean":
        return int(op.attrs["reduce"]) * distances[0]
    return distances[0] * distances[1] if op.kind == "mul" else 0


def distance(value: Value) -> int:
    """Largest |q − z| that the storage type allows."""
    info = np.iinfo(value.dtype)
    return int(max(info.max - value.zero_point, value.zero_point - info.min))


def _check_constants(program: Program, op: Op, where: str) -> None:
    roles: Iterable[str] = _FLOAT_ROLES.get(op.kind, ())
    if program.integer:
        roles = (*roles, *_INTEGER_ROLES.get(op.kind, ()))
    for role in roles:
        if op.constants.get(role) not in program.constants:
            raise ValueError(f"{where}: its constant '{role}' is missing")
    if flat := [r for r in roles if r != "weight" and program.constant(op, r).ndim != 1]:
        raise ValueError(
            f"{where}: its constant '{flat[0]}' has {program.constant(op, flat[0]).ndim} dimensions, not 1"
        )
    if op.kind in _PER_OUTPUT:
        rows = {role: len(program.constant(op, role)) for role in roles}
        if len(set(rows.values())) > 1:
            raise ValueError(f"{where}: constants disagree on the number of outputs: {rows}")


def _check_fit(program: Program, op: Op, where: str) -> None:
    try:
        check_op(program, op)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    if op.kind == "avg_pool" and not op.attrs["divisor"]:
        _check_counts(program, op, where)


def _check_counts(program: Program, op: Op, where: str) -> None:
    """An average over what is inside the image: every window holds something, every number has its factor."""
    image = np.empty((1, *program.values[op.inputs[0]].shape), np.int8)
    geometry = {key: op.attrs[key] for key in ("kernel", "stride", "padding")}
    if window_counts(image, **geometry).min(initial=1) < 1:
        raise ValueError(f"{where}: a window of the average lies outside the image altogether")
    if program.integer:
        lengths = {len(program.constant(op, role)) for role in ("multiplier", "shift")}
        if lengths != {int(np.prod(op.attrs["kernel"]))}:
            raise ValueError(f"{where}: multiplier and shift need one entry for each number of elements, got {lengths}")


def _check_integer(program: Program, op: Op, where: str) -> None:
    if op.kind == "map":
        raise ValueError(f"{where}: a map does not exist in integer programs; it must be a table")
    _check_types(program, op, where)
    if op.kind in ("layer_norm", "softmax"):
        _check_norm(program, op, where)
    bound = accumulator_bound(program, op)
    if bound >= 2**31:
        raise ValueError(
            f"{where}: its sum may reach {bound:,}, beyond int32 (2,147,483,647); split the layer into two or "
            "give it fewer inputs"
        )
    if op.kind in _SHARED:
        meanings = {(v.scale, v.zero_point, v.dtype) for v in _values(program, op)}
        if len(meanings) > 1:
            raise ValueError(f"{where}: inputs and output must share scale and zero point, got {sorted(meanings)}")


def _check_norm(program: Program, op: Op, where: str) -> None:
    """What keeps the sums of a layer norm or a softmax within their integers."""
    n = op.attrs["reduce"]
    if any(value.dtype != "int8" for value in _values(program, op)):
        raise ValueError(f"{where}: it reads and writes int8 only")
    if not 1 <= n <= LONGEST:
        raise ValueError(f"{where}: it runs over {n:,} numbers; 1 to {LONGEST:,} are possible in integers")
    if op.kind == "softmax":
        exponents = program.constant(op, "exponents")
        if exponents.shape != (256,) or exponents[0] != 32767 or (exponents < 0).any():
            raise ValueError(f"{where}: 'exponents' must be 256 numbers ≥ 0, 32767 first")
        return
    if not 1 <= op.attrs["epsilon"] <= 1 << 60 or op.attrs["fraction"] != fraction_of(n):
        raise ValueError(f"{where}: epsilon must be in 1…2^60 and fraction {fraction_of(n)}, got {dict(op.attrs)}")


def _values(program: Program, op: Op) -> list[Value]:
    return [program.values[name] for name in (*op.inputs, op.output)]


def _check_types(program: Program, op: Op, where: str) -> None:
    wanted = {"weight": "int8", "table": program.values[op.output].dtype, "gain": "int16", "exponents": "int16"}
    for role, name in op.constants.items():
        array = program.constants[name]
        dtype = wanted.get(role, "int32")
        if str(array.dtype) != dtype:
            raise ValueError(f"{where}: constant '{role}' is {array.dtype}, must be {dtype}")
        if role in _LIMITS and not _within(array, *_LIMITS[role]):
            low, high = _LIMITS[role]
            raise ValueError(f"{where}: constant '{role}' is outside {low}…{high}")


_LIMITS: dict[str, tuple[int, int]] = {
    "weight": (-127, 127),
    "multiplier": (0, 2**31 - 1),
    "multipliers": (0, 2**31 - 1),
    "shift": (1, 62),
}


def _within(array: NDArray[Any], low: int, high: int) -> bool:
    return bool(((array >= low) & (array <= high)).all())
