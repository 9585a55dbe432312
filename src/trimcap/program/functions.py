"""The functions that a `map` operation may apply: exact definitions, in float64.

A `map` has attrs `function` (a name below) and `parameters` (floats, in this order).

| function | parameters | y = f(x) |
|---|---|---|
| relu | – | max(x, 0) |
| clip | low, high (±FLT_MAX: no limit) | min(max(x, low), high) |
| leaky_relu | a | x if x > 0 else a·x |
| elu | a, s, i | s·x if x > 0 else s·a·(exp(i·x) − 1) (ELU: s = i = 1; SELU, CELU too) |
| gelu | – | x·(1 + erf(x/√2))/2 |
| gelu_tanh | – | x·(1 + tanh(√(2/π)·(x + 0.044715·x³)))/2 |
| silu | – | x / (1 + exp(−x)) |
| sigmoid | – | 1 / (1 + exp(−x)) |
| tanh | – | tanh x |
| softplus | b, t | log(1 + exp(b·x))/b, and x where b·x > t |
| mish | – | x·tanh(log(1 + exp(x))) |
| hardswish | – | x·min(max(x + 3, 0), 6)/6 |
| hardsigmoid | – | min(max(x + 3, 0), 6)/6 |
| exp, log, sqrt, abs, sin, cos, erf | – | as named; log(0) = −inf, log and sqrt of x < 0 are NaN |
| square | – | x·x |
| pow | p | x^p |
| reciprocal | – | 1/x |
| affine | a, b | a·x + b |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import pi, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimcap._errors import unknown

F64 = NDArray[np.float64]


def _erf(x: F64) -> F64:
    from scipy.special import erf

    result: F64 = erf(x)
    return result


def _elu(x: F64, a: float, s: float, i: float) -> F64:
    return np.where(x > 0, s * x, s * a * np.expm1(i * np.minimum(x, 0)))


def _sigmoid(x: F64) -> F64:
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


def _softplus(x: F64, b: float, t: float) -> F64:
    v = b * x
    return np.where(v > t, x, (np.maximum(v, 0) + np.log1p(np.exp(-np.abs(v)))) / b)


def _hardsigmoid(x: F64) -> F64:
    return np.clip(x + 3, 0, 6) / 6


FUNCTIONS: dict[str, tuple[int, Callable[..., Any]]] = {
    "relu": (0, lambda x: np.maximum(x, 0)),
    "clip": (2, lambda x, low, high: np.minimum(np.maximum(x, low), high)),
    "leaky_relu": (1, lambda x, a: np.where(x > 0, x, a * x)),
    "elu": (3, _elu),
    "gelu": (0, lambda x: x * (1 + _erf(x / sqrt(2))) / 2),
    "gelu_tanh": (0, lambda x: x * (1 + np.tanh(sqrt(2 / pi) * (x + 0.044715 * x**3))) / 2),
    "silu": (0, lambda x: x * _sigmoid(x)),
    "sigmoid": (0, _sigmoid),
    "tanh": (0, np.tanh),
    "softplus": (2, _softplus),
    "mish": (0, lambda x: x * np.tanh(_softplus(x, 1, np.inf))),
    "hardswish": (0, lambda x: x * _hardsigmoid(x)),
    "hardsigmoid": (0, _hardsigmoid),
    "exp": (0, np.exp),
    "log": (0, np.log),
    "sqrt": (0, np.sqrt),
    "abs": (0, np.abs),
    "sin": (0, np.sin),
    "cos": (0, np.cos),
    "erf": (0, _erf),
    "square": (0, lambda x: x * x),
    "pow": (1, lambda x, p: np.power(x, p)),
    "reciprocal": (0, lambda x: 1 / x),
    "affine": (2, lambda x, a, b: a * x + b),
}
"""Name → number of parameters and the function on float64 arrays."""


def apply_function(name: str, parameters: Sequence[float], x: NDArray[Any]) -> F64:
    """Apply y = f(x) in float64; overflow and poles give ±inf, undefined places NaN, without warnings.

    Raises
    ------
    ValueError : the name is unknown, or it takes another number of parameters.
    """
    if name not in FUNCTIONS:
        raise ValueError(unknown("function of a map", name, FUNCTIONS))
    count, function = FUNCTIONS[name]
    if len(parameters) != count:
        raise ValueError(f"map '{name}' takes {count} parameters, got {len(parameters)}")
    with np.errstate(all="ignore"):
        result: F64 = function(np.asarray(x, np.float64), *parameters)
    return result
