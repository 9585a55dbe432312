"""What each kind of operation may be given, and the shape that it makes: a Program from a file is held to it.

Everything that runs a Program trusts its shapes, C most of all; so they are derived here once more. A new kind is one
function in `RULES`: it returns the shape of the result, or raises a ValueError that says what does not fit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from trimcap.program.functions import FUNCTIONS
from trimcap.program.program import DTYPE_BYTES, WIDE_TABLE, Op, Program, Value

Shape = tuple[int, ...]
#: of one dimension, of the elements of one value, and of dimensions
MAX_SIZE, MAX_ELEMENTS, MAX_DIMENSIONS = 1 << 22, 1 << 26, 8
_BYTE_RANGE = {"float32": (0, 0), "int8": (-128, 127), "int16": (-(2**15), 2**15 - 1)}


def check_value(value: Value, *, integer: bool) -> None:
    """Refuse a value that no memory holds.

    Raises
    ------
    ValueError : says what is wrong
    """
    low, high = _BYTE_RANGE.get(value.dtype, (0, 0))
    sizes = all(_whole(n, least=1) for n in value.shape) and len(value.shape) <= MAX_DIMENSIONS
    if not sizes or prod(value.shape) > MAX_ELEMENTS:
        raise ValueError(f"value '{value.name[:80]}' has the shape {repr(value.shape)[:80]}")
    if value.dtype not in DTYPE_BYTES or integer != (value.dtype != "float32"):
        raise ValueError(f"value '{value.name[:80]}' is {value.dtype[:20]} in a program of other numbers")
    if not (math.isfinite(value.scale) and value.scale > 0 and low <= value.zero_point <= high):
        raise ValueError(f"value '{value.name[:80]}' has scale {value.scale} and zero point {value.zero_point}")


def check_op(program: Program, op: Op) -> None:
    """Refuse an operation whose attributes, constants, inputs or output do not fit together.

    Raises
    ------
    ValueError : says what does not fit
    """
    wanted = {"add": 2, "mul": 2, "matmul": 2}.get(op.kind, 1)
    if len(op.inputs) != wanted and not (op.kind == "concat" and op.inputs):
        raise ValueError(f"it has {len(op.inputs)} inputs, must have {wanted}")
    found, stated = RULES[op.kind](program, op), program.values[op.output].shape
    if found != stated:
        raise ValueError(f"it makes {found}, its output '{op.output[:80]}' has the shape {stated}")
    unknown = sorted(set(op.attrs) - ATTRIBUTES[op.kind])
    if unknown:
        raise ValueError(f"its attribute '{unknown[0][:40]}' is unknown")
    for name in ("low", "high"):
        limit = op.attrs.get(name)
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int | float)):
            raise ValueError(f"its limit '{name}' is {repr(limit)[:40]}")


def _whole(value: Any, *, least: int = 0) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= MAX_SIZE


def _number(op: Op, name: str, *, least: int = 0) -> int:
    value = op.attrs.get(name)
    if not _whole(value, least=least):
        raise ValueError(f"its attribute '{name}' is {repr(value)[:40]}, must be a whole number from {least}")
    return int(value)  # type: ignore[arg-type]


def _numbers(op: Op, name: str, count: int, *, least: int = 0) -> tuple[int, ...]:
    value = op.attrs.get(name)
    if not isinstance(value, Sequence) or len(value) != count or not all(_whole(v, least=least) for v in value):
        raise ValueError(f"its attribute '{name}' is {repr(value)[:40]}, must be {count} whole numbers from {least}")
    return tuple(value)


def _input(program: Program, op: Op, *, rank: int | None = None) -> Shape:
    shape = program.values[op.inputs[0]].shape
    if rank is not None and len(shape) != rank:
        raise ValueError(f"it reads {shape}, must read {rank} dimensions")
    return shape


def _positions(op: Op, sizes: Shape, kernel: Shape, dilation: Shape) -> Shape:
    """How often a kernel fits, along each spatial dimension."""
    rank, padding = len(sizes), _numbers(op, "padding", 2 * len(sizes))
    padded = [n + a + b for n, a, b in zip(sizes, padding[:rank], padding[rank:], strict=True)]
    left = [n - d * (k - 1) - 1 for n, k, d in zip(padded, kernel, dilation, strict=True)]
    if min(left) < 0 or prod(padded) > MAX_ELEMENTS:
        raise ValueError(f"its kernel is larger than what it reads, or its padding {padding} enormous")
    return tuple(n // s + 1 for n, s in zip(left, _numbers(op, "stride", rank, least=1), strict=True))


def _conv(program: Program, op: Op) -> Shape:
    weight, groups = program.constant(op, "weight").shape, _number(op, "groups", least=1)
    channels, *sizes = _input(program, op, rank=len(weight) - 1)
    if len(weight) not in (4, 5) or 0 in weight or channels != weight[1] * groups or weight[0] % groups:
        raise ValueError(f"its weight has the shape {weight} for {channels} channels in {groups} groups")
    dilation = _numbers(op, "dilation", len(sizes), least=1)
    return weight[0], *_positions(op, tuple(sizes), weight[2:], dilation)


def _linear(program: Program, op: Op) -> Shape:
    shape, weight = _input(program, op), program.constant(op, "weight").shape
    if len(weight) != 2 or not shape or shape[-1] != weight[1]:
        raise ValueError(f"its weight has the shape {weight} for an input of shape {shape}")
    return (*shape[:-1], weight[0])


def _map(program: Program, op: Op) -> Shape:
    name, parameters = op.attrs.get("function"), op.attrs.get("parameters")
    if not isinstance(name, str) or name not in FUNCTIONS:
        raise ValueError(f"its function {repr(name)[:40]} is unknown")
    if (
        not isinstance(parameters, tuple)
        or len(parameters) != FUNCTIONS[name][0]
        or not all(isinstance(p, float) for p in parameters)
    ):
        raise ValueError(f"its parameters are {repr(parameters)[:40]}, must be {FUNCTIONS[name][0]} numbers")
    return _input(program, op)


def _table(program: Program, op: Op) -> Shape:
    entries = WIDE_TABLE if program.values[op.inputs[0]].dtype == "int16" else 256
    if program.constant(op, "table").shape != (entries,):
        raise ValueError(f"its table has not {entries} entries")
    return _input(program, op)


def _pool(program: Program, op: Op) -> Shape:
    channels, *sizes = _input(program, op, rank=3)
    if op.kind == "avg_pool":
        _number(op, "divisor")
    return channels, *_positions(op, tuple(sizes), _numbers(op, "kernel", 2, least=1), (1, 1))


def _mean(program: Program, op: Op) -> Shape:
    outer, reduce, inner = (_number(op, name, least=1) for name in ("outer", "reduce", "inner"))
    shape = program.values[op.output].shape
    if outer * reduce * inner != prod(_input(program, op)) or outer * inner != prod(shape):
        raise ValueError(f"it sees {_input(program, op)} as {(outer, reduce, inner)} and makes {shape}")
    return shape


def _pair(program: Program, op: Op) -> Shape:
    shape = program.values[op.output].shape
    for name, key in zip(op.inputs, ("strides_a", "strides_b"), strict=True):
        last = sum((n - 1) * s for n, s in zip(shape, _numbers(op, key, len(shape)), strict=True))
        if last >= program.values[name].size:
            raise ValueError(f"it reads element {last} of '{name[:80]}', which has {program.values[name].size}")
    return shape


def _matmul(program: Program, op: Op) -> Shape:
    batch, rows, depth, columns = (_number(op, name, least=1) for name in ("batch", "rows", "depth", "columns"))
    sides = (("steps_a", (batch, rows, depth)), ("steps_b", (batch, depth, columns)))
    for name, (key, sizes) in zip(op.inputs, sides, strict=True):
        last = sum((n - 1) * s for n, s in zip(sizes, _numbers(op, key, 3), strict=True))
        if last >= program.values[name].size:
            raise ValueError(f"it reads element {last} of '{name[:80]}', which has {program.values[name].size}")
    return batch, rows, columns


def _layer_norm(program: Program, op: Op) -> Shape:
    outer, reduce = (_number(op, name, least=1) for name in ("outer", "reduce"))
    epsilon = op.attrs.get("epsilon")
    if isinstance(epsilon, bool) or not isinstance(epsilon, int if program.integer else float):
        raise ValueError(f"its epsilon is {repr(epsilon)[:40]}")
    lengths = [len(program.constant(op, role)) for role in ("gain", "offset")]
    if outer * reduce != prod(_input(program, op)) or not {1, reduce} >= set(lengths):
        raise ValueError(f"it sees {_input(program, op)} as {(outer, reduce)}, with gain and offset of {lengths}")
    return _input(program, op)


def _softmax(program: Program, op: Op) -> Shape:
    outer, reduce, inner = (_number(op, name, least=1) for name in ("outer", "reduce", "inner"))
    if outer * reduce * inner != prod(_input(program, op)):
        raise ValueError(f"it sees {_input(program, op)} as {(outer, reduce, inner)}")
    return _input(program, op)


def _concat(program: Program, op: Op) -> Shape:
    shapes, dim = [program.values[name].shape for name in op.inputs], _number(op, "dim")
    rest = {(*s[:dim], *s[dim + 1 :]) for s in shapes}
    if len(rest) > 1 or any(dim >= len(s) for s in shapes):
        raise ValueError(f"it joins {shapes} along dimension {dim}")
    return (*shapes[0][:dim], sum(s[dim] for s in shapes), *shapes[0][dim + 1 :])


def _pad(program: Program, op: Op) -> Shape:
    shape, (top, left, bottom, right) = _input(program, op), _numbers(op, "padding", 4)
    if len(shape) < 2:
        raise ValueError(f"it reads {shape}, must read two dimensions or more")
    return (*shape[:-2], shape[-2] + top + bottom, shape[-1] + left + right)


def _permute(program: Program, op: Op) -> Shape:
    shape = _input(program, op)
    order = _numbers(op, "order", len(shape))
    if sorted(order) != list(range(len(shape))):
        raise ValueError(f"its order {order} is none of {len(shape)} dimensions")
    return tuple(shape[d] for d in order)


def _slice(program: Program, op: Op) -> Shape:
    shape, dim, start = _input(program, op), _number(op, "dim"), _number(op, "start")
    step, stated = _number(op, "step", least=1), program.values[op.output].shape
    if len(stated) != len(shape) or dim >= len(shape) or start + (stated[dim] - 1) * step >= shape[dim]:
        raise ValueError(f"it takes {stated} of {shape} along dimension {dim}, from {start} in steps of {step}")
    return (*shape[:dim], stated[dim], *shape[dim + 1 :])


def _reshape(program: Program, op: Op) -> Shape:
    shape, stated = _input(program, op), program.values[op.output].shape
    if prod(shape) != prod(stated):
        raise ValueError(f"it sees {shape} as {stated}")
    return stated


RULES: dict[str, Callable[[Program, Op], Shape]] = {
    "conv": _conv,
    "linear": _linear,
    "map": _map,
    "table": _table,
    "avg_pool": _pool,
    "max_pool": _pool,
    "mean": _mean,
    "add": _pair,
    "mul": _pair,
    "matmul": _matmul,
    "layer_norm": _layer_norm,
    "softmax": _softmax,
    "concat": _concat,
    "pad": _pad,
    "permute": _permute,
    "slice": _slice,
    "reshape": _reshape,
}
"""Kind → shape of the result."""
_POOL = {"kernel", "stride", "padding"}
ATTRIBUTES: dict[str, set[str]] = {
    "conv": {"stride", "padding", "dilation", "groups", "low", "high"},
    "linear": {"low", "high"},
    "map": {"function", "parameters"},
    "table": set(),
    "avg_pool": {*_POOL, "divisor"},
    "max_pool": _POOL,
    "mean": {"outer", "reduce", "inner"},
    "add": {"strides_a", "strides_b", "low", "high"},
    "mul": {"strides_a", "strides_b"},
    "matmul": {"batch", "rows", "depth", "columns", "steps_a", "steps_b"},
    "layer_norm": {"outer", "reduce", "epsilon", "fraction"},
    "softmax": {"outer", "reduce", "inner"},
    "concat": {"dim"},
    "pad": {"padding"},
    "permute": {"order"},
    "slice": {"dim", "start", "step"},
    "reshape": set(),
}
"""Kind → the attributes that it may have."""
