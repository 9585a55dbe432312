"""Noise figures."""

import numpy as np
import pytest
from small_nets import program, windows
from torch import nn

from trimcap.program.interpret import dequantize, interpret
from trimcap.quantize.quantize import quantize
from trimcap.quantize.report import agreement, noise_table, sqnr


@pytest.fixture(scope="module")
def pair():
    net = program(nn.Sequential(nn.Conv1d(3, 5, 4), nn.ELU(), nn.Flatten(), nn.Linear(185, 3)), 3, 40)
    return net, quantize(net, windows(3, 40))


def test_sqnr() -> None:
    assert sqnr(np.array([3.0, 4.0]), np.array([3.0, 4.5])) == pytest.approx(20)
    assert sqnr(np.ones(3), np.ones(3)) == float("inf")
    assert sqnr(np.zeros(3), np.ones(3)) == float("-inf")


def test_uniform_noise_has_the_textbook_ratio() -> None:
    # a uniform signal over 2^b steps: 6.02·b dB
    x = np.random.default_rng(0).uniform(-1, 1, 200_000)
    assert sqnr(x, np.round(x * 128) / 128) == pytest.approx(6.02 * 8, abs=0.1)


def test_table_rows_are_recomputed(pair) -> None:
    net, q = pair
    x = windows(3, 40, n=37, seed=5)
    table = noise_table(net, q, x, batch=10)
    assert list(table.op) == [op.name for op in q.ops]
    want, got = interpret(net, x, trace=True), interpret(q, x, trace=True)
    for row, op in zip(table.itertuples(), q.ops, strict=True):
        assert row.sqnr == pytest.approx(sqnr(want[op.name], dequantize(q, got[op.name], value=op.output)))
        info = np.iinfo(got[op.name].dtype)
        ends = np.isin(got[op.name], (info.min, info.max)).mean()
        assert row.saturated == pytest.approx(ends)


def test_agreement(pair) -> None:
    net, q = pair
    x = windows(3, 40, n=50, seed=6)
    result = agreement(net, q, x)
    want, got = interpret(net, x), dequantize(q, interpret(q, x))
    assert result.n_windows == 50
    assert result.agreement == (want.argmax(1) == got.argmax(1)).mean()
    assert result.max_error == pytest.approx(np.abs(want - got).max())
    assert result.scale == pytest.approx(np.abs(want).max())
    with pytest.raises(ValueError, match="no windows"):
        agreement(net, q, x[:0])
