"""Calibration: exact extremes, bounded memory, clear refusals."""

import numpy as np
import pytest
import torch
from small_nets import program, windows
from torch import nn

from trimcap.data.ledger import Ledger
from trimcap.program.interpret import interpret
from trimcap.quantize.observe import observe
from trimcap.quantize.quantize import quantize


@pytest.fixture(scope="module")
def net():
    return program(nn.Sequential(nn.Conv1d(3, 5, 4), nn.ReLU(), nn.Conv1d(5, 2, 3)), 3, 40)


def test_extremes_of_every_value(net) -> None:
    x = windows(3, 40, n=21)
    ranges = observe(net, x, method="minmax", batch=4)
    seen = {net.input: x, **interpret(net, x, trace=True)}
    assert ranges.bounds.keys() == net.values.keys()
    for name, (low, high) in ranges.bounds.items():
        assert low == min(seen[name].min(), 0)
        assert high == max(seen[name].max(), 0)
    assert (ranges.n_windows, ranges.method, ranges.notes) == (21, "minmax", ())


def test_deterministic_and_independent_of_other_values(net) -> None:
    x = windows(3, 40, n=1500)
    assert observe(net, x, method="mse").bounds == observe(net, x, method="mse").bounds


def test_sample_stands_for_all(net) -> None:
    # 1500 windows · 120 numbers: only a sixth is kept
    x = windows(3, 40, n=1500)
    low, high = observe(net, x, method="percentile", percent=90).bounds[net.input]
    want = np.percentile(x, (5, 95))
    assert (low, high) == pytest.approx(tuple(want), rel=0.03)


def test_custom_method_gets_exact_extremes(net) -> None:
    x = windows(3, 40, n=9)
    calls = []

    def half(sample, minimum, maximum):
        calls.append((minimum, maximum))
        return minimum / 2, maximum / 2

    ranges = observe(net, x, method=half)
    assert ranges.method == "half"
    assert calls[0] == (x.min(), x.max())
    assert ranges.bounds[net.input] == (x.min() / 2, x.max() / 2)


def test_few_windows_are_noted(net) -> None:
    assert "calibrated on 3 windows only" in observe(net, windows(3, 40, n=3)).notes[0]


def test_bad_windows(net) -> None:
    x = windows(3, 40, n=9)
    with pytest.raises(ValueError, match="no windows"):
        observe(net, x[:0])
    with pytest.raises(ValueError, match=r"every number in all 9 windows is 4"):
        observe(net, np.full_like(x, 4))
    x[6, 1, 30] = np.nan
    with pytest.raises(ValueError, match=r"1 of 9 windows hold NaN or infinity, first window 6 at \(1, 30\)"):
        observe(net, x)
    with pytest.raises(ValueError, match=r"takes windows of shape \(3, 40\)"):
        observe(net, x[:, :2])


def test_a_layer_that_gives_infinity_is_named() -> None:
    net = program(nn.Sequential(nn.Identity(), Log(), nn.Conv1d(3, 2, 3)), 3, 40)
    with pytest.raises(ValueError, match=r"layer '1' .*gives NaN or infinity.*clamp"):
        observe(net, windows(3, 40, spread=200))


class Log(nn.Module):
    def forward(self, x):
        return torch.log(x + 100)


def test_an_offset_that_eats_the_levels_is_noted(net) -> None:
    X = windows(3, 40, n=16)
    assert observe(net, X).notes == ()
    (note,) = observe(net, X + np.float32(40 * X.std())).notes
    assert "far from zero" in note
    assert "remove the offset" in note


def test_observed_windows_are_recorded_and_ranges_cannot_hide_them(net) -> None:
    class Named:
        X = windows(3, 40, n=16)

        def __iter__(self):
            return (f"s1/0/t@{i}.0000" for i in range(16))

    ledger = Ledger()
    ranges = observe(net, Named(), ledger=ledger)
    assert [(e.stage, len(e.ids)) for e in ledger.entries] == [("calibration", 16)]
    with pytest.raises(ValueError, match="give the ledger to observe"):
        quantize(net, ranges, ledger=ledger)
