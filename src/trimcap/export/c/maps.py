"""Functions of one element in C: computed in float, looked up in integers."""

from __future__ import annotations

from trimcap.export.c.step import INT, Step, c_type, input_value, kernel_name, need_dtype, output_value
from trimcap.export.c.text import Array, ExportError, float_literal, kernel
from trimcap.program.functions import FUNCTIONS
from trimcap.program.program import Op, Program

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
