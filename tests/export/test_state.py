"""A call's state: several at once, from any thread, whatever was in it before."""

from __future__ import annotations

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from export_builds import needs_compiler
from export_programs import eegnet_like, every_kind, windows

from trimcap import runtime
from trimcap.export.artifact import export
from trimcap.export.build import CODE, STRICT
from trimcap.export.c.source import emit_c
from trimcap.program.interpret import interpret

BOTH = pytest.mark.parametrize("integer", [False, True], ids=["float", "int8"])

#: two states, whose inputs are filled in turn, and one of garbage
MAIN = r"""
#include <stdio.h>
#include <string.h>
#include "@.h"
static @_state one, two;
static float x[2][@@_INPUT_SIZE];
static @X q[@@_INPUT_SIZE];
int main(void)
{
  @Y a[@@_OUTPUT_SIZE], b[@@_OUTPUT_SIZE], c[@@_OUTPUT_SIZE];
  if (sizeof one != @@_ARENA_BYTES) return 2;
  for (int k = 0; k < 2; k++)
    for (int i = 0; i < @@_INPUT_SIZE; i++) x[k][i] = (float)((i * 37 + k * 101) % 255 - 127) * 0.01f;
  memset(&one, 0x5a, sizeof one);
  @FILL(x[0], @_input(&one));
  @FILL(x[1], @_input(&two));
  (void)@_infer(&one, a);
  (void)@_infer(&two, b);
  @FILL(x[0], q);
  (void)@_run(&two, q, c);
  if (memcmp(a, c, sizeof a)) return 3;
  return memcmp(a, b, sizeof a) ? 0 : 4;
}
"""


def built(program, folder, main):
    name = program.name
    export(program, folder, golden=np.zeros((1, *program.values[program.input].shape), np.float32))
    types = ("int8_t", "int16_t") if program.integer else ("float", "float")
    fill = f"(void){name}_quantize" if program.integer else "copy"
    copy = "" if program.integer else "static void copy(const float *f, float *t) { memcpy(t, f, sizeof x[0]); }\n"
    text = main.replace("@X", types[0]).replace("@Y", types[1]).replace("@FILL", fill)
    text = text.replace("int main", copy + "int main").replace("@@", name.upper()).replace("@", name)
    (folder / "main.c").write_text(text)
    flags = ["gcc", *STRICT, *CODE, "-fsanitize=address,undefined"]
    subprocess.run([*flags, "main.c", f"{name}.c", "-o", "main", "-lm"], cwd=folder, check=True)
    return subprocess.run(["./main"], cwd=folder, check=False).returncode


@needs_compiler
@BOTH
def test_two_states_do_not_know_each_other(integer, tmp_path):
    assert built(eegnet_like(integer=integer).with_name("net"), tmp_path / "net", MAIN) == 0


@needs_compiler
def test_states_that_were_one_would_be_noticed(tmp_path):
    shared = MAIN.replace("@_input(&two)", "@_input(&one)").replace("@_infer(&two, b)", "@_infer(&one, b)")
    assert built(eegnet_like(integer=True).with_name("net"), tmp_path / "net", shared) in (3, 4)


@BOTH
@pytest.mark.parametrize("make", [eegnet_like, every_kind])
def test_no_file_keeps_variables(make, integer):
    kept = re.findall(r"^\s*static (?!const|inline)[^(]*(?:;|=)", emit_c(make(integer=integer)).source, re.MULTILINE)
    assert not kept


@needs_compiler
@BOTH
def test_threads_may_share_an_artifact(integer, tmp_path):
    """Two runners of one library and one runner in many threads: all as the interpreter says."""
    program = eegnet_like(integer=integer)
    X = windows(program, 256)
    folder = export(program, tmp_path / "net", golden=X[:1])
    runners = [runtime.load(folder, cache=tmp_path / "cache") for _ in range(2)]
    alone = runners[0].raw(X)
    assert np.allclose(alone, interpret(program, X), rtol=1e-4, atol=1e-5)
    with ThreadPoolExecutor(8) as pool:
        parts = list(pool.map(lambda k: runners[k % 2].raw(np.roll(X, k, axis=0)), range(64)))
    for k, part in enumerate(parts):
        assert np.array_equal(part, np.roll(alone, k, axis=0)), k
