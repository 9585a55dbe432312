"""The self-test that travels with the C: golden windows, expected outputs, a `main`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimcap.export.c.source import CSource
from trimcap.export.c.text import C_TYPES, array, comment, fill_in, float_literal
from trimcap.program.program import Program

_TEST = """/* Self-test of @NAME@: golden windows against the outputs of the reference interpreter.
 * @WHAT@
 * Prints "ok N windows" and returns 0, or prints the first mismatch and returns 1.
 */
#include <stdio.h>

#include "@NAME@.h"

#define WINDOWS @N@

@DATA@
@INPUT@static @Y@ y[@UPPER@_OUTPUT_SIZE];
static @NAME@_state state;

int main(void)
{
  for (int n = 0; n < WINDOWS; n++) {
    const @Y@ *wanted = expected + n * @UPPER@_OUTPUT_SIZE;
    @RUN@
    for (int i = 0; i < @UPPER@_OUTPUT_SIZE; i++) {
      const double difference = (double)y[i] - (double)wanted[i];
      if (!(difference <= @TOLERANCE@ && difference >= -@TOLERANCE@)) {
        printf("window %d, output %d: expected %.9g, got %.9g\\n", n, i, (double)wanted[i], (double)y[i]);
        return 1;
      }
    }
  }
  printf("ok %d windows\\n", WINDOWS);
  return 0;
}
"""
_FLOAT_RUN = "(void)@NAME@_run(&state, x + n * @UPPER@_INPUT_SIZE, y);"
_INT_RUN = """(void)@NAME@_quantize(x + n * @UPPER@_INPUT_SIZE, q);
    (void)@NAME@_run(&state, q, y);"""


def self_test(program: Program, c: CSource, X: NDArray[np.float32], expected: NDArray[Any], *, tolerance: float) -> str:
    """C of the self-test.

    Parameters
    ----------
    X : float32 (n, *input shape), real unit
    expected : (n, *output shape), raw output of the interpreter
    tolerance : 0 for integers; for floats relative to the largest |expected|
    """
    y_type = C_TYPES[program.values[program.output].dtype]
    largest = float(np.abs(expected[np.isfinite(expected)]).max(initial=0.0)) if expected.size else 0.0
    words = {"NAME": c.name, "UPPER": c.name.upper(), "Y": y_type}
    data = array("float", "x", X) + "\n" + array(y_type, "expected", expected)
    data = ("#include <math.h>\n\n" if "NAN" in data or "HUGE_VALF" in data else "") + data
    texts = {
        "N": str(len(X)),
        "DATA": data,
        "WHAT": comment(f"program sha256 {c.digest}; accepted difference {tolerance:g} of the largest output"),
        "INPUT": fill_in("static int8_t q[@UPPER@_INPUT_SIZE];\n", words) if program.integer else "",
        "RUN": fill_in(_INT_RUN if program.integer else _FLOAT_RUN, words),
        "TOLERANCE": "0.0" if program.integer else float_literal(tolerance * largest).rstrip("f"),
    }
    return fill_in(_TEST, {**words, **texts})
