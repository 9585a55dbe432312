"""Integers that say when they fail: twins with a wrong scale, bounds, and the numbers' way to the manifest."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_nets import Function, program, windows
from torch import nn

from trimcap.export.artifact import check_artifact, export
from trimcap.program.program import Program
from trimcap.program.save import load_program, save_program
from trimcap.quantize.fidelity import fidelity
from trimcap.quantize.network import quantize_network
from trimcap.quantize.quantize import quantize
from trimcap.quantize.report import sqnr
from zoo import build


@pytest.fixture(scope="module")
def pair():
    net = program(nn.Sequential(nn.Conv1d(3, 5, 4), nn.ELU(), nn.Flatten(), nn.Linear(185, 3)), 3, 40)
    return net, quantize(net, windows(3, 40))


def with_scale(q: Program, name: str, factor: float) -> Program:
    value = replace(q.values[name], scale=q.values[name].scale * factor)
    return replace(q, values={**q.values, name: value})


def test_sound_integers_are_not_warned_of(pair) -> None:
    found = fidelity(*pair, windows(3, 40), windows(3, 40, n=200, seed=3))
    assert found.warnings == ()
    assert found.calibration.agreement > 0.95
    assert (found.calibration.n_windows, found.held_out.n_windows) == (40, 128)
    assert list(found.layers.value) == [pair[1].input, *(op.output for op in pair[1].ops)]
    assert found.layers[["calibration", "held_out"]].min().min() > 25


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.5])
def test_a_wrong_scale_is_seen_and_named(pair, factor: float) -> None:
    net, q = pair
    for op in q.ops:
        if op.kind == "reshape":
            continue
        found = fidelity(net, with_scale(q, op.output, factor), windows(3, 40), windows(3, 40, seed=3))
        assert f"value '{op.output}'" in " ".join(found.warnings)
    assert fidelity(net, with_scale(q, q.input, factor), windows(3, 40)).warnings  # the layers after it do not know


def test_a_layer_with_too_wide_a_span_is_named() -> None:
    layers = nn.ModuleList([nn.Conv1d(3, 4, 5), nn.Conv1d(3, 4, 5), nn.Linear(8 * 36, 3)])

    class Branches(Function):
        def __init__(self) -> None:
            super().__init__(lambda x: layers[2](torch.cat([layers[0](x), layers[1](x) / 50], 1).flatten(1)))
            self.layers = layers

    found = quantize_network_of(Branches(), 3, 40)
    (warning,) = found.fidelity.warnings
    assert warning.startswith("layer 'conv1d' (conv, value 'conv1d_1') keeps")
    assert set(found.fidelity.warnings) <= set(found.program.notes)


def quantize_network_of(model: nn.Module, *shape: int):
    from trimcap.graph.trace.trace import trace

    torch.manual_seed(0)
    return quantize_network(trace(model.eval(), torch.randn(2, *shape)), windows(*shape, n=60))


def test_numbers_travel_to_the_manifest(tmp_path) -> None:
    model, example = build("depth multiplier 2")
    from trimcap.graph.trace.trace import trace

    found = quantize_network(trace(model, example), windows(8, 64, n=50, spread=1.0), name="small")
    measured = found.program.measured
    assert measured["calibration"]["n_windows"] == 40
    assert measured["held_out"]["n_windows"] == 10
    layers = {layer["value"]: layer for layer in measured["layers"]}
    for row in found.fidelity.layers.itertuples():
        assert layers[row.value]["held_out"] == pytest.approx(row.held_out, rel=1e-4)
    save_program(found.program, tmp_path / "program")
    assert load_program(tmp_path / "program").measured == measured
    folder = export(found.program, tmp_path / "small", golden=windows(8, 64, n=2, spread=1.0))
    assert check_artifact(folder).manifest["fidelity"] == json.loads(json.dumps(measured))


def test_no_noise_and_no_signal_are_numbers_in_json() -> None:
    net = program(nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Linear(120, 2)), 3, 40)
    x = -np.abs(windows(3, 40))
    found = fidelity(net, quantize(net, x), x)
    assert sqnr(np.zeros(2), np.zeros(2)) == np.inf
    text = json.dumps(found.to_json(), allow_nan=False)
    assert json.loads(text)["layers"][1]["calibration"] == 200
