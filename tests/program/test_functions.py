"""Functions of one element against torch."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from trimcap.program.functions import FUNCTIONS, apply_function

ALL = np.concatenate([np.linspace(-9, 9, 721), [-60.0, 60.0]])
POSITIVE = ALL[ALL > 0]
TORCH = {
    "relu": (torch.relu, ()),
    "clip": (lambda x: x.clamp(-1.5, 2), (-1.5, 2)),
    "leaky_relu": (lambda x: F.leaky_relu(x, 0.03), (0.03,)),
    "elu": (lambda x: torch.ops.aten.elu(x, 0.7, 1.3, 0.4), (0.7, 1.3, 0.4)),
    "gelu": (F.gelu, ()),
    "gelu_tanh": (lambda x: F.gelu(x, approximate="tanh"), ()),
    "silu": (F.silu, ()),
    "sigmoid": (torch.sigmoid, ()),
    "tanh": (torch.tanh, ()),
    "softplus": (lambda x: F.softplus(x, 0.8, 5), (0.8, 5)),
    "mish": (F.mish, ()),
    "hardswish": (F.hardswish, ()),
    "hardsigmoid": (F.hardsigmoid, ()),
    "softsign": (F.softsign, ()),
    "exp": (torch.exp, ()),
    "log": (torch.log, ()),
    "sqrt": (torch.sqrt, ()),
    "abs": (torch.abs, ()),
    "sin": (torch.sin, ()),
    "cos": (torch.cos, ()),
    "erf": (torch.erf, ()),
    "square": (torch.square, ()),
    "pow": (lambda x: x**1.7, (1.7,)),
    "reciprocal": (torch.reciprocal, ()),
    "affine": (lambda x: 2.5 * x - 3, (2.5, -3)),
}


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_equals_torch(name: str) -> None:
    function, parameters = TORCH[name]
    x = POSITIVE if name in ("log", "sqrt", "pow", "reciprocal") else ALL
    want = function(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(apply_function(name, parameters, x), want, rtol=1e-12, atol=1e-12)


def test_poles_and_undefined_places() -> None:
    assert apply_function("log", (), np.array([0.0]))[0] == -np.inf
    assert np.isnan(apply_function("sqrt", (), np.array([-1.0]))[0])
    assert apply_function("exp", (), np.array([1e4]))[0] == np.inf


def test_messages() -> None:
    with pytest.raises(ValueError, match="did you mean 'gelu'"):
        apply_function("gelo", (), ALL)
    with pytest.raises(ValueError, match="takes 2 parameters, got 1"):
        apply_function("clip", (1.0,), ALL)
