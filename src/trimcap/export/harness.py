"""A small program around a network's C: replays windows and writes the result of every operation to a file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimcap.export.c.text import C_TYPES, fill_in
from trimcap.program.interpret import interpret, quantize_input
from trimcap.program.program import Program

INPUT = "input"  # name of the quantized input in a trace
WINDOWS, TRACE, MEASURES = "windows.bin", "trace.bin", "measures.bin"

_HARNESS = """#include <math.h>
#include <stdio.h>

static FILE *trace;
static int failed;
static void record(const void *data, unsigned long bytes)
{
  if (trace && fwrite(data, 1, bytes, trace) != bytes) failed = 4;
}
#define @UPPER@_TRACE(operation, pointer, bytes) record(pointer, bytes)
#include "@NAME@.c"
@MEASURE@
static float window[@UPPER@_INPUT_SIZE];
static @X@ input[@UPPER@_INPUT_SIZE];
static @Y@ output[@UPPER@_OUTPUT_SIZE];
static @NAME@_state state;

#ifdef SELF_TEST
int SELF_TEST(void);
#endif

int main(void)
{
  FILE *windows = fopen("windows.bin", "rb");
  FILE *file = fopen("trace.bin", "wb");
  if (!windows || !file) return 3;
  while (fread(window, sizeof(float), @UPPER@_INPUT_SIZE, windows) == @UPPER@_INPUT_SIZE) {
    @PREPARE@
    @RUN@
    trace = file;
    record(input, sizeof input);
    (void)@NAME@_run(&state, input, output);
    trace = 0;
  }
  fclose(windows);
  @FINISH@
  if (fclose(file)) return 4;
#ifdef SELF_TEST
  for (int32_t i = 0; i < @UPPER@_INPUT_SIZE; i++) window[i] = 0.0f;
  for (int32_t at = 0, end = 2; end--; at = @UPPER@_INPUT_SIZE - 1) {
    window[at] = NAN;
    if (@NAME@_classify(&state, window, output) != @UPPER@_NO_DECISION) {
      puts("@NAME@_classify gives a class to a window that holds NaN");
      return 1;
    }
    window[at] = 0.0f;
  }
  if (SELF_TEST()) return 1;
#endif
  return failed;
}
"""
_QUANTIZE = "(void)@NAME@_quantize(window, input);"
_COPY = "for (int i = 0; i < @UPPER@_INPUT_SIZE; i++) input[i] = window[i];"


@dataclass(frozen=True)
class Measuring:
    """C that measures: declarations, what stands around the run, what stands at the end."""

    declarations: str = ""
    run: str = ""
    finish: str = ""


def harness(program: Program, name: str, *, measuring: Measuring = Measuring()) -> str:
    """The text of the program; it includes `NAME.c`."""
    words = {
        "NAME": name,
        "UPPER": name.upper(),
        "X": C_TYPES[program.values[program.input].dtype],
        "Y": C_TYPES[program.values[program.output].dtype],
    }
    parts = {"MEASURE": measuring.declarations, "RUN": measuring.run, "FINISH": measuring.finish}
    prepare = _QUANTIZE if program.integer else _COPY
    texts = {key: fill_in(text, words) for key, text in {**parts, "PREPARE": prepare}.items()}
    return fill_in(_HARNESS, {**words, **texts})


def read_trace(program: Program, path: Path, n: int) -> dict[str, NDArray[Any]]:
    """What `harness` wrote for `n` windows: operation name → array (n, *shape).

    Raises
    ------
    ValueError : the file has another length.
    """
    values = [program.values[program.input], *(program.values[op.output] for op in program.ops)]
    names = [INPUT, *(op.name for op in program.ops)]
    record = sum(v.nbytes for v in values)
    raw = np.fromfile(path, np.uint8)
    if raw.size != n * record:
        raise ValueError(f"the trace has {raw.size} bytes, {n} windows need {n * record}")
    rows = raw.reshape(n, record)
    result, at = {}, 0
    for name, value in zip(names, values, strict=True):
        piece = np.ascontiguousarray(rows[:, at : at + value.nbytes])
        result[name] = piece.view(value.dtype).reshape(n, *value.shape)
        at += value.nbytes
    return result


def expected_trace(program: Program, X: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    """The same from the interpreter, which is to say what becomes of any numbers, also of unlikely ones."""
    program = replace(program, expects=None)
    first = quantize_input(program, X) if program.integer else X
    return {INPUT: first, **interpret(program, X, trace=True)}
