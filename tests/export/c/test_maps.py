"""Every function of a map, in C, against the interpreter."""

import numpy as np
import pytest
from export_builds import disagreement, needs_compiler
from export_programs import Maker

from trimcap.export.c.maps import EXPRESSIONS
from trimcap.export.c.source import emit_c
from trimcap.export.c.text import ExportError
from trimcap.program.functions import FUNCTIONS

PARAMETERS = {"clip": (-1.5, np.inf), "leaky_relu": (0.01,), "elu": (0.7, 1.05, 1.3), "softplus": (2.0, 3.0),
              "pow": (2.5,), "affine": (-0.3, 4.0)}  # fmt: skip


def test_every_function_has_c():
    assert set(EXPRESSIONS) == set(FUNCTIONS)


@needs_compiler
@pytest.mark.parametrize("positive", [True, False])
def test_functions(positive, tmp_path):
    m = Maker((1, 1, 4001), integer=False)
    out = {}
    for name in FUNCTIONS:
        out[name] = m.act("x", name, PARAMETERS.get(name, ()))
    program = m.program(m.act("x", "relu", ()))
    x = np.linspace(1 / 64, 20, 4001) if positive else np.linspace(-20, 20, 4001)
    if not positive:  # poles: 1/x and log change too fast there for a relative tolerance
        x = x[np.abs(x) > 0.01]
        x = np.resize(x, 4001)
    X = x.reshape(1, 1, 1, -1).astype(np.float32)
    worst, mismatch = disagreement(program, X, tmp_path, tolerance=2e-6)
    assert mismatch is None, mismatch
    assert worst.difference > 0


def test_a_wrong_number_of_parameters_is_refused():
    m = Maker((1, 1, 4), integer=False)
    with pytest.raises(ExportError, match=r"no C for function 'elu' with 1 parameters"):
        emit_c(m.program(m.act("x", "elu", (1.0,))))
