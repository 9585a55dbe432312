"""Every size around every bound of the kernels: tiles of 4 filters × 2 columns, 4 taps, 4 bytes, 8 × 4 lanes.

Each shape is a network of its own: a compiler that inlines one call with constant sizes sees what no build of a whole
network shows (a tile of exactly four filters did not build for Cortex-M).
"""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from export_builds import needs_arm, needs_compiler
from export_programs import Maker
from shape_builds import expected, outputs

from trimcap.export.build import BuildError
from trimcap.export.cortexm import CORES
from trimcap.program.kinds.conv import strategy
from trimcap.program.program import Program

pytestmark = needs_compiler


def linear(filters: int, depth: int, rows: int, *, integer: bool, wide: bool = True) -> Program:
    m = Maker((rows, depth), integer=integer, seed=filters + 16 * depth)
    return m.program(m.linear("x", filters, wide=wide and integer))


def conv(filters: int, channels: int, kernel: tuple[int, int], positions: int, *, integer: bool, pad: int = 0,
         groups: int = 1, step: int = 1) -> Program:  # fmt: skip
    size = (kernel[0], (positions - 1) * step + kernel[1] - pad)
    m = Maker((channels * groups, size[0] + 1, max(size[1], 1)), integer=integer, seed=filters + 16 * channels)
    padding = (0, pad, 0, 0)
    return m.program(m.conv("x", filters * groups, kernel, padding=padding, groups=groups, stride=(1, step)))


def few(*, integer: bool) -> dict[str, Program]:
    """A representative set: each bound hit exactly, one below, one above."""
    shapes = [(4, 32, 1), (2, 1, 1), (3, 5, 3), (4, 3, 2), (5, 8, 1), (8, 9, 2), (9, 4, 5)]
    made = {f"linear {s}": linear(*s, integer=integer) for s in shapes}
    # 4 filters and 16 positions, 96 taps decide between rows and columns
    shapes = [
        (4, 1, (1, 4), 15),
        (4, 2, (1, 4), 16),
        (3, 3, (2, 2), 15),
        (5, 4, (1, 24), 17),
        (9, 1, (3, 3), 1),
        (1, 1, (1, 1), 1),
    ]
    return made | {f"conv {s}": conv(*s, integer=integer) for s in shapes} | {
        "conv padded": conv(4, 3, (1, 5), 9, pad=2, integer=integer),
        "conv depthwise": conv(1, 1, (1, 7), 18, groups=4, integer=integer),
        "conv strided": conv(4, 2, (2, 3), 8, step=2, integer=integer),
    }  # fmt: skip


def all_linear() -> dict[str, Program]:
    shapes = product(range(1, 10), (1, 2, 3, 4, 5, 7, 8, 9, 31, 32, 33), range(1, 6))
    return {f"linear {s}": linear(*s, integer=True) for s in shapes}


def all_conv() -> dict[str, Program]:
    made = {}
    for filters, channels, kernel in product(
        (1, 3, 4, 5, 8, 9), (1, 3, 4, 5), ((1, 1), (1, 4), (3, 1), (2, 2), (1, 9))
    ):
        for positions in (1, 2, 3, 15, 16, 17):
            name = f"conv {filters, channels, kernel, positions}"
            made[name] = conv(filters, channels, kernel, positions, pad=filters % 2, integer=True)
    return made


def agree(programs: dict[str, Program], work, core: str = "") -> None:
    got, integer = outputs(programs, work, core=core), next(iter(programs.values())).integer
    for name, want in expected(programs).items():
        limit = 0 if integer else 1e-5 * np.abs(want).max()
        assert np.abs(got[name].astype(np.float64) - want).max() <= limit, name


@pytest.mark.parametrize("integer", [True, False], ids=["int8", "float"])
def test_shapes_at_the_bounds_of_the_tiles(integer, tmp_path):
    programs = few(integer=integer)
    used = {strategy(p, op) for p in programs.values() for op in p.ops if op.kind == "conv"}
    assert used == {"rows", "columns"}
    agree(programs, tmp_path)


@needs_arm[0]
@needs_arm[1]
@pytest.mark.parametrize("core", ["cortex-m4", pytest.param("cortex-m7", marks=pytest.mark.long)])
def test_shapes_at_the_bounds_of_the_tiles_on_cortex_m(core, tmp_path):
    agree(few(integer=True), tmp_path, core)


@pytest.mark.long
@pytest.mark.parametrize("every", [all_linear, all_conv], ids=["linear", "conv"])
@pytest.mark.parametrize("core", ["", *CORES], ids=["host", *CORES])
def test_every_shape_around_the_bounds(every, core, tmp_path):
    if core and needs_arm[1].args[0]:
        pytest.skip(needs_arm[1].kwargs["reason"])
    agree(every(), tmp_path, core)


@needs_arm[0]
@needs_arm[1]
def test_the_tile_of_four_classes_that_did_not_build(tmp_path, monkeypatch):
    """The twin: a loop whose end the compiler cannot see, as it was written before, is what it warns of."""
    from trimcap.export.c import conv as c_conv
    from trimcap.export.c import text as c_text

    before = c_text.kernel

    def old(name: str, **words: str) -> str:
        text = before(name, **words)
        head, tail = text.split("  const int32_t pairs", 1) if name == "tile_int" else ("", "")
        return head + _BEFORE + tail.split("#else", 1)[1].join(("#else", "")) if head else text

    monkeypatch.setattr(c_conv, "kernel", old)
    with pytest.raises(BuildError, match="aggressive-loop-optimizations"):
        outputs({"four": linear(4, 32, 1, integer=True)}, tmp_path, core="cortex-m4")


_BEFORE = """  int32_t f = 0;
  for (; f + 2 <= filters; f += 2) {
    if (columns == 2)
      dot_square(x, w + f * k, k, sum + f);
    else
      dot_pair(x, w + f * k, k, sum + f);
  }
  for (; f < filters; f++)
    for (int32_t p = 0; p < columns; p++) {
      uint32_t a = 0;
      for (int32_t i = 0; i < k; i++) a += (uint32_t)(x[p * k + i] * w[f * k + i]);
      sum[4 * p + f] = a;
    }
}
"""
