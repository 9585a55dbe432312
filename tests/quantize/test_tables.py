"""Functions as tables."""

import math

import numpy as np
import pytest
import torch
from small_nets import program, windows

from trimcap.program.integers import merge_maps
from trimcap.program.interpret import interpret
from trimcap.program.kinds.maps import lookup
from trimcap.program.program import Op, Value
from trimcap.quantize.quantize import quantize

X, Y = Value("x", (1,), "int8", 0.05, -20), Value("y", (1,), "int8", 0.03, 40)


def op(function: str, *parameters: float) -> Op:
    return Op("op", "map", ("x",), "y", {"function": function, "parameters": parameters})


def test_every_entry_of_elu() -> None:
    table = lookup(op("elu", 0.7, 1.0, 1.0), X, Y)
    for q in range(-128, 128):
        x = 0.05 * (q + 20)
        v = (x if x > 0 else 0.7 * math.expm1(x)) / 0.03
        rounded = math.floor(abs(v) + 0.5) * (1 if v >= 0 else -1)
        assert table[q + 128] == max(-128, min(127, rounded + 40))


def test_log_saturates_at_zero_and_takes_the_nearest_below() -> None:
    table = lookup(op("log"), X, Y)
    # q = −20 is x = 0: −∞ saturates, and so does everything below
    assert (table[: -20 + 128 + 1] == -128).all()
    assert table[-19 + 128] == round(math.log(0.05) / 0.03) + 40


def test_undefined_everywhere_is_zero() -> None:
    assert (lookup(op("sqrt"), Value("x", (1,), "int8", 1.0, 127 + 1), Y)[:255] == 40).all()


def test_chains_become_one_table() -> None:
    net = program(lambda x: torch.log(x.square().clamp(min=1e-6)), 6)
    merged = merge_maps(net)
    assert [o.kind for o in net.ops] == ["map"] * 3
    assert [o.kind for o in merged.ops] == ["map"]
    q = quantize(net, windows(6))
    assert [o.kind for o in q.ops] == ["table"]
    # log(x²) over a table of x²: 255 steps up to 6400 make everything below 25 coarse; the direct table is exact
    x = windows(6, seed=1)
    got = q.values[q.output].scale * (interpret(q, x).astype(float) - q.values[q.output].zero_point)
    want = interpret(net, x)
    assert np.median(np.abs(got - want)) < 0.1


def test_a_map_that_others_read_is_kept() -> None:
    def both(x):
        y = torch.sigmoid(x)
        return torch.exp(-y) + y

    maps = [o for o in merge_maps(program(both, 6)).ops if o.kind == "map"]
    assert [len(o.attrs["chain"]) for o in maps] == [1, 2]


@pytest.mark.parametrize("function", [torch.sigmoid, torch.tanh, torch.nn.functional.gelu])
def test_tables_are_exact_for_their_inputs(function) -> None:
    net = program(function, 6)
    q = quantize(net, windows(6, spread=2), method="minmax")
    x, y = q.values[q.input], q.values[q.output]
    grid = x.scale * (np.arange(-128, 128) - x.zero_point)
    got = interpret(q, np.repeat(grid[:, None], 6, 1))[:, 0]
    want = interpret(net, np.repeat(grid[:, None], 6, 1))[:, 0]
    error = np.abs(y.scale * (got.astype(float) - y.zero_point) - want)
    # the rounded zero point costs up to half a step more at either end of the range
    assert error[2:-2].max() <= y.scale * (0.5 + 1e-3)
    assert error.max() <= y.scale * (1 + 1e-3)
