"""`NAME_input` and `NAME_infer` are `NAME_run` without a window of the caller's own."""

from __future__ import annotations

import subprocess

import numpy as np
from export_programs import eegnet_like

from trimcap.export.artifact import export

MAIN = r"""
#include <stdio.h>
#include "@.h"
int main(void)
{
  static float x[@@_INPUT_SIZE];
  static int8_t q[@@_INPUT_SIZE];
  static @_state state;
  int16_t a[@@_OUTPUT_SIZE], b[@@_OUTPUT_SIZE];
  for (int k = 0; k < 5; k++) {
    for (int i = 0; i < @@_INPUT_SIZE; i++) x[i] = (float)((i * 37 + k * 101) % 255 - 127) * @@_INPUT_SCALE;
    @_quantize(x, q);
    @_run(&state, q, a);
    @_quantize(x, @_input(&state));
    @_infer(&state, b);
    for (int i = 0; i < @@_OUTPUT_SIZE; i++) {
      if (a[i] != b[i]) return 1;
      printf("%d ", a[i]);
    }
  }
  @_infer(&state, b); /* the window is used up: another result */
  for (int i = 0; i < @@_OUTPUT_SIZE; i++) if (a[i] != b[i]) return 0;
  return 2;
}
"""


def test_filling_the_networks_own_window(tmp_path):
    program = eegnet_like(integer=True).with_name("headset")
    shape = program.values[program.input].shape
    folder = export(program, tmp_path / "net", golden=np.zeros((1, *shape), np.float32))
    name = program.name
    (folder / "main.c").write_text(MAIN.replace("@@", name.upper()).replace("@", name))
    build = ["gcc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-O2", "-fsanitize=address,undefined"]
    subprocess.run([*build, "main.c", f"{name}.c", "-o", "main"], cwd=folder, check=True)
    done = subprocess.run(["./main"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done
    assert len(set(done.stdout.split())) > 2
