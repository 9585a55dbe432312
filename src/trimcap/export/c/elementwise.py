"""Functions of one value and of two, in C."""

from __future__ import annotations

from collections.abc import Callable

from trimcap.export.c.step import (
    INT,
    Step,
    c_type,
    float_limits,
    input_value,
    kernel_name,
    limits,
    need_dtype,
    output_value,
    scalar,
)
from trimcap.export.c.text import Array, ExportError, float_literal, int_literal, kernel
from trimcap.export.c.walks import merged, walk_text
from trimcap.program.functions import FUNCTIONS
from trimcap.program.program import Op, Program

_INT_END = ("limits_int", "round_shift", "requantize")
_SIGMOID = "1.0f / (1.0f + expf(-v))"
_SOFTPLUS = "fmaxf(v, 0.0f) + log1pf(expf(-fabsf(v)))"
_HARD = "fminf(fmaxf(v + 3.0f, 0.0f), 6.0f)"

#: function → C expression of `v`; parameters are {0}, {1}, …
EXPRESSIONS = {
    "relu": "v < 0.0f ? 0.0f : v",
    "clip": "v < {0} ? {0} : v > {1} ? {1} : v",
    "leaky_relu": "v > 0.0f ? v : {0} * v",
    "elu": "v > 0.0f ? {1} * v : {1} * {0} * expm1f({2} * v)",
    "gelu": "v * (1.0f + erff(v * 0x1.6a09e6p-1f)) * 0.5f",
    "gelu_tanh": "v * (1.0f + tanhf(0x1.988454p-1f * (v + 0x1.6e4e26p-5f * v * v * v))) * 0.5f",
    "silu": "v / (1.0f + expf(-v))",
    "sigmoid": _SIGMOID,
    "tanh": "tanhf(v)",
    "softplus": "{0} * v > {1} ? v : (fmaxf({0} * v, 0.0f) + log1pf(expf(-fabsf({0} * v)))) / {0}",
    "mish": f"v * tanhf({_SOFTPLUS})",
    "hardswish": f"v * {_HARD} / 6.0f",
    "hardsigmoid": f"{_HARD} / 6.0f",
    "exp": "expf(v)",
    "log": "logf(v)",
    "sqrt": "sqrtf(v)",
    "abs": "fabsf(v)",
    "sin": "sinf(v)",
    "cos": "cosf(v)",
    "erf": "erff(v)",
    "square": "v * v",
    "pow": "powf(v, {0})",
    "reciprocal": "1.0f / v",
    "affine": "{0} * v + {1}",
}

_MAP = """static void map{index}(const float *x, float *y)
{{
  for (int32_t i = 0; i < {size}; i++) {{
    const float v = x[i];
    y[i] = {expression};
  }}
}}
"""


def map_(program: Program, index: int, op: Op) -> Step:
    """Apply y = f(x), one small function per operation."""
    need_dtype(program, op, "float32")
    name, parameters = op.attrs["function"], op.attrs["parameters"]
    if name not in EXPRESSIONS or len(parameters) != FUNCTIONS[name][0]:
        raise ExportError(
            f"operation '{op.name}': no C for function '{name}' with {len(parameters)} parameters; "
            f"known: {', '.join(sorted(EXPRESSIONS))}"
        )
    expression = EXPRESSIONS[name].format(*map(float_literal, parameters))
    text = _MAP.format(index=index, size=input_value(program, op).size, expression=expression)
    return Step(f"map{index}({{x0}}, {{y}});", (text,))


def table(program: Program, index: int, op: Op) -> Step:
    """Look up y = table[x + 128], or by the leading bits of an int16."""
    need_dtype(program, op, *INT)
    x, y = input_value(program, op), output_value(program, op)
    end = kernel_name(x, y)
    constant = Array(c_type(y), f"table{index}", program.constant(op, "table"))
    text = kernel("table" if x.dtype == "int8" else "table_int16", Y=c_type(y), SUFFIX=end)
    return Step(f"look_up{end}({{x0}}, {{y}}, {x.size}, table{index});", (text,), (constant,))


def add(program: Program, index: int, op: Op) -> Step:
    """Sum a + b with broadcasting."""
    if not program.integer:
        return _float_pair(program, index, op, "add", "+")
    m_a, m_b = (int_literal(m) for m in program.constant(op, "multipliers"))
    end = f"{m_a}, {m_b}, {scalar(program, op, 'shift')}"
    return _int_pair(program, index, op, "add", end)


def mul(program: Program, index: int, op: Op) -> Step:
    """Product a · b with broadcasting."""
    if not program.integer:
        return _float_pair(program, index, op, "mul", "*")
    end = f"{scalar(program, op, 'multiplier')}, {scalar(program, op, 'shift')}"
    return _int_pair(program, index, op, "mul", end)


def _walk(program: Program, index: int, op: Op) -> str:
    steps = (op.attrs["strides_a"], op.attrs["strides_b"])
    walk = merged(output_value(program, op).shape, steps, what=f"operation '{op.name}' ({op.kind})")
    return walk_text(f"walk{index}", walk)


def _float_pair(program: Program, index: int, op: Op, name: str, sign: str) -> Step:
    need_dtype(program, op, "float32")
    kernels = (kernel("limits_float"), kernel("walk"), kernel("pair_float", NAME=name, SIGN=sign))
    call = f"{name}({{x0}}, {{x1}}, {{y}}, &walk{index}, {float_limits(op)});"
    return Step(call, kernels, (_walk(program, index, op),))


def _int_pair(program: Program, index: int, op: Op, name: str, end: str) -> Step:
    need_dtype(program, op, *INT)
    a, b, y = input_value(program, op, 0), input_value(program, op, 1), output_value(program, op)
    zeros, suffix = f"{a.zero_point}, {b.zero_point}", kernel_name(a, b, y)
    call = f"{name}{suffix}({{x0}}, {{x1}}, {{y}}, &walk{index}, {zeros}, {end}, &to{index});"
    kernels = (
        *map(kernel, (*_INT_END, "walk")),
        kernel(f"{name}_int", A=c_type(a), B=c_type(b), Y=c_type(y), SUFFIX=suffix),
    )
    constants = (_walk(program, index, op), limits(program, op, f"to{index}"))
    return Step(call, kernels, constants)


ELEMENTWISE: dict[str, Callable[[Program, int, Op], Step]] = {
    "map": map_,
    "table": table,
    "add": add,
    "mul": mul,
}
