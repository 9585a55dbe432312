"""One record of what a kind of operation is, C text aside; and what the modules of the kinds share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimcap.program.fixed_point import fixed_point
from trimcap.program.program import Op, Program, Value, requantize

Array = NDArray[Any]
Shape = tuple[int, ...]
Values = Mapping[str, Value]
Constants = dict[str, Array]
Run = Callable[[Program, Op, Sequence[Array]], Array]

#: of one dimension, of the elements of one value
MAX_SIZE, MAX_ELEMENTS = 1 << 22, 1 << 26


@dataclass(frozen=True)
class Kind:
    """What a kind of operation is. To add one: a `Kind` in `table.KINDS`, and its C in `export.c.source.EMITTERS`.

    shape : the shape of the result, or a ValueError that says what does not fit
    real, integer : what it computes in a float program and in an integer one, of inputs (n, …); None: it is in none
    attributes : names that `Op.attrs` may have
    n_inputs : how many values it reads, 0 for one or more
    roles, integer_roles : constants that it has always, and in integers only; each with its type there, "" for that of
        the output
    per_output : whether every constant has one entry for each output
    quantize : constants of the integer operation, from the float one, the integer values and the bits of the weights
    integer_attributes : attributes of the integer operation; default: the same
    becomes : kind of the integer operation, "" for the same
    bound : largest |sum| that it can reach in integers, whatever its input
    check : refuses what no other field says
    shares_grid : whether input and output must have one scale and zero point
    int16 : whether it reads and writes sixteen bits
    in_place : positions of inputs whose memory the output may take
    view : whether the output is the input's memory
    scratch : bytes of every piece of working memory that its kernel needs
    macs : multiply-accumulates for one window
    """

    shape: Callable[[Program, Op], Shape]
    real: Run | None = None
    integer: Run | None = None
    attributes: frozenset[str] = frozenset()
    n_inputs: int = 1
    roles: Mapping[str, str] = field(default_factory=dict)
    integer_roles: Mapping[str, str] = field(default_factory=dict)
    per_output: bool = False
    quantize: Callable[[Program, Values, Op, int], Constants] | None = None
    integer_attributes: Callable[[Op, Values], dict[str, Any]] = lambda op, _: dict(op.attrs)
    becomes: str = ""
    bound: Callable[[Program, Op], int] = lambda _program, _op: 0
    check: Callable[[Program, Op], None] = lambda _program, _op: None
    shares_grid: bool = False
    int16: bool = True
    in_place: Callable[[Program, Op], tuple[int, ...]] = lambda _program, _op: ()
    view: bool = False
    scratch: Callable[[Program, Op], tuple[int, ...]] = lambda _program, _op: ()
    macs: Callable[[Program, Op], int] = lambda _program, _op: 0


def attributes(names: str) -> frozenset[str]:
    """A set of names from text."""
    return frozenset(names.split())


def first(_: Program, __: Op) -> tuple[int, ...]:
    """`in_place` of a function of each element, or of each row, of its only input."""
    return (0,)


#: constants that bring a sum to the grid of the output
TO_GRID = {"multiplier": "int32", "shift": "int32"}


# ---- what is read of an operation, refused where it does not fit ----


def whole(value: Any, *, least: int = 0) -> bool:
    """Whether it is a whole number that a size may be."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= MAX_SIZE


def number(op: Op, name: str, *, least: int = 0) -> int:
    """An attribute that is a whole number."""
    value = op.attrs.get(name)
    if not whole(value, least=least):
        raise ValueError(f"its attribute '{name}' is {repr(value)[:40]}, must be a whole number from {least}")
    return int(value)  # type: ignore[arg-type]


def numbers(op: Op, name: str, count: int, *, least: int = 0) -> tuple[int, ...]:
    """An attribute that is so many whole numbers."""
    value = op.attrs.get(name)
    if not isinstance(value, Sequence) or len(value) != count or not all(whole(v, least=least) for v in value):
        raise ValueError(f"its attribute '{name}' is {repr(value)[:40]}, must be {count} whole numbers from {least}")
    return tuple(value)


def input_shape(program: Program, op: Op, *, rank: int | None = None) -> Shape:
    """Shape of the first input."""
    shape = program.values[op.inputs[0]].shape
    if rank is not None and len(shape) != rank:
        raise ValueError(f"it reads {shape}, must read {rank} dimensions")
    return shape


def reach(program: Program, name: str, sizes: Shape, steps: Shape) -> None:
    """Refuse a walk over `sizes` in `steps` that leaves a value."""
    last = sum((n - 1) * s for n, s in zip(sizes, steps, strict=True))
    if last >= program.values[name].size:
        raise ValueError(f"it reads element {last} of '{name[:80]}', which has {program.values[name].size}")


def positions(op: Op, sizes: Shape, kernel: Shape, dilation: Shape) -> Shape:
    """How often a kernel fits, along each spatial dimension."""
    rank, padding = len(sizes), numbers(op, "padding", 2 * len(sizes))
    padded = [n + a + b for n, a, b in zip(sizes, padding[:rank], padding[rank:], strict=True)]
    left = [n - d * (k - 1) - 1 for n, k, d in zip(padded, kernel, dilation, strict=True)]
    if min(left) < 0 or prod(padded) > MAX_ELEMENTS:
        raise ValueError(f"its kernel is larger than what it reads, or its padding {padding} enormous")
    return tuple(n // s + 1 for n, s in zip(left, numbers(op, "stride", rank, least=1), strict=True))


# ---- arithmetic ----


def wide(x: Array) -> Array:
    """In float64: sums of a float program are rounded once, at the end of the operation."""
    return x.astype(np.float64)


def distance(value: Value) -> int:
    """Largest |q − z| that the storage type allows."""
    info = np.iinfo(value.dtype)
    return int(max(info.max - value.zero_point, value.zero_point - info.min))


def centred(program: Program, name: str, x: Array, dtype: Any) -> Array:
    """Subtract the zero point: q − z."""
    result: Array = x.astype(dtype) - dtype(program.values[name].zero_point)
    return result


def limited(op: Op, y: Array) -> Array:
    """Clamped to `low` and `high` where they are given."""
    low, high = op.attrs.get("low"), op.attrs.get("high")
    return y if low is None and high is None else np.clip(y, low, high)


def finish(program: Program, op: Op, accumulator: Array, multiplier: Any = None, shift: Any = None) -> Array:
    """clamp(z_y + requant(a, m, s), low, high); m and s, by default the constants, broadcast against the sum."""
    y = program.values[op.output]
    info = np.iinfo(y.dtype)
    multiplier = program.constant(op, "multiplier") if multiplier is None else multiplier
    q = requantize(accumulator, multiplier, program.constant(op, "shift") if shift is None else shift) + y.zero_point
    low, high = op.attrs.get("low"), op.attrs.get("high")
    return np.clip(q, info.min if low is None else low, info.max if high is None else high)


def ratio(numerator: float, denominator: float) -> Constants:
    """Multiplier and shift of a factor."""
    multiplier, shift = fixed_point(numerator / denominator)
    return {"multiplier": np.array([multiplier], np.int32), "shift": np.array([shift], np.int32)}


def integer_limits(op: Op, values: Values) -> dict[str, Any]:
    """Attributes with real limits of a sum as integers, rounded half away from zero, within the storage type."""
    y = values[op.output]
    info = np.iinfo(y.dtype)
    limits = {"low": int(info.min), "high": int(info.max)}
    for name in limits:
        if (limit := op.attrs.get(name)) is not None:
            v = np.clip(limit / y.scale, -1e9, 1e9)
            limits[name] = int(np.clip(np.trunc(v + np.copysign(0.5, v)) + y.zero_point, info.min, info.max))
    return {**op.attrs, **limits}
