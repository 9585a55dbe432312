"""Noise figures."""

import numpy as np
import pytest
from small_nets import program, windows
from torch import nn

from trimcap.program.interpret import dequantize, interpret, quantize_input
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
    assert list(table.value) == [q.input, *(op.output for op in q.ops)]
    want, got = interpret(net, x, trace=True), interpret(q, x, trace=True)
    want[q.input], got[q.input] = x, quantize_input(q, x)
    for row in table.itertuples():
        value, r, whole = q.values[row.value], want[row.value].astype(float), got[row.value]
        s, z = np.float32(value.scale), value.zero_point
        noise = r - (s * (whole.astype(int) - z)).astype(np.float32)
        assert row.sqnr == pytest.approx(10 * np.log10((r**2).sum() / (noise**2).sum()), rel=1e-6)
        info = np.iinfo(whole.dtype)
        assert row.saturated == pytest.approx(np.isin(whole, (info.min, info.max)).mean())


def test_a_window_that_dominates_counts_in_the_agreement_only(pair) -> None:
    net, q = pair
    x = windows(3, 40, n=40, seed=6)
    rail = np.concatenate([x, x[:1]])
    rail[40, 0, 7] = 1e6
    a, b = agreement(net, q, x), agreement(net, q, rail)
    assert (a.left_aside, b.left_aside) == (0, 1)
    assert (b.sqnr, b.scale) == (a.sqnr, a.scale)
    assert b.n_windows == 41


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
