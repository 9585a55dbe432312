"""A window that reaches far beyond the others sets no range, and is named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_nets import program, windows
from test_quantize_network import task, trained_eegnet
from torch import nn

from trimcap.graph.trace.trace import trace
from trimcap.program.grids import sharing_groups, wide_values
from trimcap.program.interpret import interpret
from trimcap.program.program import Program
from trimcap.quantize.choose import choose
from trimcap.quantize.extremes import dominating
from trimcap.quantize.fidelity import fidelity
from trimcap.quantize.network import quantize_network
from trimcap.quantize.observe import observe
from trimcap.quantize.quantize import quantize
from trimcap.quantize.ranges import Ranges, fake_quantize
from trimcap.quantize.report import agreement

RAIL = 187_500.0  # µV, a 24-bit converter at gain 24


@pytest.fixture(scope="module")
def trained():
    X, y = task(320, 1)
    model = trained_eegnet(X, y, epochs=4)
    return trace(model, X[:2] / 10), (X / 10).astype(np.float32)


def with_rail(X: np.ndarray, *rows: int) -> np.ndarray:
    X = X.copy()
    for row in rows:
        X[row, row % X.shape[1], 40] = RAIL
    return X


@pytest.mark.parametrize("method", ["measured", "minmax", "percentile", "mse"])
def test_one_rail_sample_costs_nothing(trained, method: str) -> None:
    network, X = trained
    found = quantize_network(network, with_rail(X[:64], 17), held_out=X[64:128], method=method)
    other = X[200:]
    assert agreement(found.reference, found.program, other).agreement >= 0.97
    assert any("window 17 dominates at the input: it reaches" in note for note in found.program.notes)
    assert found.fidelity.calibration.left_aside == 1


def test_the_twin_extremes_of_all_windows(trained) -> None:
    # what the ranges were before: everything that was seen
    network, X = trained
    calibration = with_rail(X[:64], 17)
    clean = quantize_network(network, X[:64])
    net = clean.reference
    seen = {net.input: calibration, **interpret(net, calibration, trace=True)}
    every = Ranges({n: (min(x.min(), 0.0), max(x.max(), 0.0)) for n, x in seen.items()}, "extremes", 64)
    found = fidelity(net, quantize(net, every), X[:64], X[200:])
    assert found.held_out.agreement <= 0.6
    assert "choose the same class on" in found.warnings[0]
    assert any("the input keeps" in warning for warning in found.warnings)


def test_several_rails_and_few_windows(trained) -> None:
    network, X = trained
    for rows, n in (((3, 17, 30, 44, 59, 61), 64), ((5,), 12)):
        found = quantize_network(network, with_rail(X[:n], *rows), held_out=X[100:110])
        assert agreement(found.reference, found.program, X[200:]).agreement >= 0.95


def test_dominating_is_ten_times_the_90_percent_quantile() -> None:
    m = np.ones(64)
    m[[4, 9]] = 9.99, 10.0
    assert np.flatnonzero(dominating(m)).tolist() == [9]
    assert not dominating(np.ones(1)).any()
    assert dominating(np.array([1.0, 10.0])).tolist() == [False, True]
    assert not dominating(np.r_[np.zeros(60), np.ones(4)]).any()  # a layer that is mostly silent
    assert not dominating(np.r_[np.ones(57), np.full(7, 20.0)])[:57].any()
    assert not dominating(np.random.default_rng(0).lognormal(0, 0.5, 512)).any()


def test_held_out_windows_keep_their_names(trained) -> None:
    network, X = trained
    found = quantize_network(network, with_rail(X[:64], 18))  # 18 is no fifth one
    assert (found.fidelity.calibration.n_windows, found.fidelity.held_out.n_windows) == (52, 12)
    assert any("window 18 dominates" in note for note in found.program.notes)
    fifth = quantize_network(network, with_rail(X[:64], 19)).program  # held out, as every fifth one
    assert "held-out window 19 dominates at the input; look for a rail or a lost electrode" in fifth.notes
    assert quantize_network(network, X[:19]).fidelity.held_out is None


def _error(net: Program, x: np.ndarray, bounds: dict[str, tuple[float, float]]) -> float:
    """Σ‖y − ŷ‖² with some values rounded, written again: the program cut at every value."""
    y = interpret(net, x).astype(float)
    run, values = x, net.input
    if values in bounds:
        run = fake_quantize(run, *bounds[values]).astype(np.float32)
    for op in net.ops:
        one = replace(net, ops=(op,), input=op.inputs[0], output=op.output)
        run = interpret(one, run)
        if op.output in bounds:
            run = fake_quantize(run, *bounds[op.output]).astype(np.float32)
    return float(((run - y) ** 2).sum())


def test_choice_is_the_best_measured_one() -> None:
    net = program(
        nn.Sequential(nn.Conv1d(3, 5, 4), nn.ELU(), nn.Conv1d(5, 4, 3), nn.Flatten(), nn.Linear(140, 3)), 3, 40
    )
    x = windows(3, 40, n=30)
    x *= np.random.default_rng(1).lognormal(0, 0.8, (30, 1, 1)).astype(np.float32)
    names = ("minmax", "percentile", "mse")
    candidates = {name: observe(net, x, method=name).bounds for name in names}
    chosen = choose(net, x, candidates, wide=wide_values(net))
    wide = wide_values(net)
    eight = [name for name in net.values if name not in wide]
    errors = {name: _error(net, x, {v: bounds[v] for v in eight}) for name, bounds in candidates.items()}
    assert _error(net, x, {v: chosen[v] for v in eight}) <= min(errors.values()) / 0.9
    assert len({errors[name] for name in names}) == 3  # there was something to choose
    for group in sharing_groups(net):
        if group <= wide:
            continue
        alone = [
            _error(net, x, dict.fromkeys(group, (min(b[n][0] for n in group), max(b[n][1] for n in group))))
            for b in candidates.values()
        ]
        mine = _error(net, x, {name: chosen[name] for name in group})
        if chosen not in candidates.values():
            assert mine <= min(alone) / 0.9


def test_observed_choice_is_never_far_below_a_single_method() -> None:
    net = program(nn.Sequential(nn.Conv1d(3, 5, 4), nn.SELU(), nn.Flatten(), nn.Linear(185, 3)), 3, 40)
    x = windows(3, 40, n=64)
    x[::7] *= 4
    single = {m: agreement(net, quantize(net, x, method=m), x).sqnr for m in ("minmax", "percentile", "mse")}
    assert agreement(net, quantize(net, x), x).sqnr >= max(single.values()) - 1
    assert observe(net, x).method == "measured"
