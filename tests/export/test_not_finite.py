"""NaN, infinity and samples out of range: one answer in float C, integer C and the runtime."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest
from export_builds import needs_compiler
from export_programs import eegnet_like, windows

from sealing import resealed
from trimcap import runtime
from trimcap._errors import VerifyError
from trimcap.export.artifact import export
from trimcap.export.verify import verify

pytestmark = needs_compiler
BOTH = pytest.mark.parametrize("integer", [False, True], ids=["float", "int8"])
#: every position is tried, compiled as a careless firmware might
MAIN = r"""
#include <math.h>
#include "@.h"
static @_state state;
static float x[@@_INPUT_SIZE];
int main(void)
{
  const float bad[3] = {NAN, HUGE_VALF, -HUGE_VALF};
  @Y y[@@_OUTPUT_SIZE];
  if (@_classify(&state, x, y) < 0) return 1;
  for (int i = 0; i < @@_INPUT_SIZE; i++) {
    x[i] = bad[i % 3];
    if (@_classify(&state, x, y) != @@_NO_DECISION) return 2;
    x[i] = 0.0f;
  }
  return @_classify(&state, x, y) < 0;
}
"""


@BOTH
@pytest.mark.parametrize("flags", [("-O2",), ("-O3", "-ffast-math")], ids=["plain", "fast-math"])
def test_no_class_for_a_window_that_is_not_finite(integer, flags, tmp_path):
    program = eegnet_like(integer=integer).with_name("net")
    folder = export(program, tmp_path / "net", golden=windows(program, 1))
    text = MAIN.replace("@Y", "int16_t" if integer else "float").replace("@@", "NET").replace("@", "net")
    (folder / "main.c").write_text(text)
    subprocess.run(["gcc", "-std=c99", "-w", *flags, "main.c", "net.c", "-o", "main", "-lm"], cwd=folder, check=True)
    assert subprocess.run(["./main"], cwd=folder, check=False).returncode == 0


@BOTH
def test_the_runtime_says_the_same(integer, tmp_path):
    program = eegnet_like(integer=integer)
    X = windows(program, 6) * 0.01
    X[1, ..., 3], X[2, ..., 0], X[4, ..., 5] = np.nan, -np.inf, 1e6
    runner = runtime.load(export(program, tmp_path / "net", golden=X[:1]), cache=tmp_path / "cache")
    assert runner.status(X).tolist() == [0, 2, 2, 0, 1 if integer else 0, 0]
    with pytest.raises(ValueError, match="window 1 holds NaN or infinity"):
        runner(X)
    assert np.isfinite(runner(np.delete(X, [1, 2], axis=0))).all()


def test_float_outputs_that_overflow_are_no_decision(tmp_path):
    program = eegnet_like(integer=False)
    X = windows(program, 2)
    X[1] = np.where(X[1] > 0, 3e38, -3e38)
    runner = runtime.load(export(program, tmp_path / "net", golden=X[:1]), cache=tmp_path / "cache")
    assert runner.status(X).tolist() == [0, 2]


@BOTH
def test_verify_finds_a_classify_without_its_guard(integer, tmp_path):
    """Every operation agrees and the golden windows are right: only a window with NaN shows it."""
    program = eegnet_like(integer=integer).with_name("net")
    folder = export(program, tmp_path / "net", golden=windows(program, 1))
    source = (folder / "net.c").read_text()
    broken = source.replace("return status == NET_NOT_FINITE ?", "return status < 0 ?")
    broken = broken.replace("  if (not_finite(y, NET_OUTPUT_SIZE)) return NET_NO_DECISION;\n", "")
    assert broken != source
    (folder / "net.c").write_text(broken)
    resealed(folder / "manifest.json", lambda content: None)
    with pytest.raises(VerifyError, match="gives a class to a window that holds NaN"):
        verify(folder, targets=["host"], n=2, save=tmp_path)
