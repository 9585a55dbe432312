"""Operations that only move values, in C."""

from __future__ import annotations

from collections.abc import Sequence

from trimcap.export.c.step import Step, c_type, input_value, output_value, suffix
from trimcap.export.c.text import kernel
from trimcap.export.c.walks import merged, walk_text
from trimcap.program.kernels import row_major
from trimcap.program.program import Op, Program, Value


def permute(program: Program, index: int, op: Op) -> Step:
    """Dimensions in another order."""
    x, y = input_value(program, op), output_value(program, op)
    steps = row_major(x.shape)
    return _one(index, op, y, y.shape, [steps[d] for d in op.attrs["order"]], row_major(y.shape))


def slice_(program: Program, index: int, op: Op) -> Step:
    """Every step-th slice of one dimension from `start` on."""
    x, y = input_value(program, op), output_value(program, op)
    steps, dim = list(row_major(x.shape)), op.attrs["dim"]
    start = op.attrs["start"] * steps[dim]
    steps[dim] *= op.attrs["step"]
    return _one(index, op, y, y.shape, steps, row_major(y.shape), start=start)


def pad(program: Program, index: int, op: Op) -> Step:
    """Zeros around the last two dimensions."""
    x, y = input_value(program, op), output_value(program, op)
    top, left = op.attrs["padding"][:2]
    steps = row_major(y.shape)
    target = top * steps[-2] + left if len(y.shape) > 1 else left
    inner = _one(index, op, y, x.shape, row_major(x.shape), steps, target=target)
    zero = y.zero_point if program.integer else 0
    call = f"fill{suffix(y)}({{y}}, {y.size}, {zero});\n  {inner.call}"
    return Step(call, (kernel("fill", X=c_type(y), SUFFIX=suffix(y)), *inner.kernels), inner.constants)


def concat(program: Program, index: int, op: Op) -> Step:
    """Inputs one after the other along one dimension."""
    y, dim = output_value(program, op), op.attrs["dim"]
    steps = row_major(y.shape)
    at, calls, constants = 0, [], []
    for position, name in enumerate(op.inputs):
        x = program.values[name]
        walk = merged(x.shape, (row_major(x.shape), steps), what=f"operation '{op.name}' (concat)")
        constants.append(walk_text(f"walk{index}_{position}", walk))
        calls.append(f"copy{suffix(y)}({{x{position}}}, {{y}} + {at * steps[dim]}, &walk{index}_{position});")
        at += x.shape[dim]
    return Step("\n  ".join(calls), _copy_kernels(y), tuple(constants))


def _copy_kernels(y: Value) -> tuple[str, ...]:
    return kernel("walk"), kernel("copy", X=c_type(y), SUFFIX=suffix(y))


def _one(
    index: int,
    op: Op,
    y: Value,
    shape: Sequence[int],
    source: Sequence[int],
    target_steps: Sequence[int],
    *,
    start: int = 0,
    target: int = 0,
) -> Step:
    walk = merged(shape, (source, target_steps), what=f"operation '{op.name}' ({op.kind})")
    call = f"copy{suffix(y)}({{x0}} + {start}, {{y}} + {target}, &walk{index});"
    return Step(call, _copy_kernels(y), (walk_text(f"walk{index}", walk),))
