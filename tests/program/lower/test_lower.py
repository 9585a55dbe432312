"""A float program is the same function as its network, on whole architectures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from trimcap.graph.trace.trace import trace
from trimcap.models.ccnn import CCNN
from trimcap.models.eegnet import EEGNet
from trimcap.program.interpret import interpret
from trimcap.program.lower.lower import SUPPORTED, lower
from trimcap.program.program import Program
from zoo import ZOO, build

CANNOT = {
    "attention head": r"permute at .*merges or splits the batch",
    "GRU": "gru at rnn.*Supported: .*conv2d",
    "LSTM": "lstm at rnn.*Supported: .*conv2d",
}


def difference(model: nn.Module, program: Program, x: torch.Tensor) -> float:
    """Largest difference relative to the largest output."""
    with torch.no_grad():
        want = model(x).numpy()
    got = interpret(program, x.numpy())
    assert got.shape == want.shape
    assert got.dtype == np.float32
    return float(np.abs(got - want).max() / np.abs(want).max())


@pytest.mark.parametrize("name", sorted(set(ZOO) - set(CANNOT)))
def test_zoo(name: str) -> None:
    model, example = build(name)
    x = torch.randn(5, *example.shape[1:], generator=torch.Generator().manual_seed(1))
    assert difference(model, lower(trace(model, example)), x) < 1e-5


@pytest.mark.parametrize("name", sorted(CANNOT))
def test_what_cannot_be_lowered_is_named(name: str) -> None:
    network = trace(*build(name))
    with pytest.raises(ValueError, match=rf"cannot lower aten\.{CANNOT[name]}") as caught:
        lower(network)
    assert "Supported" not in str(caught.value) or all(op in str(caught.value) for op in SUPPORTED)


def test_shipped_networks() -> None:
    torch.manual_seed(0)
    small = CCNN(4, 9, 9, 2, widths=(8, 16, 12), hidden=32)
    for model, shape in ((EEGNet(8, 128, 3, kernel=32), (8, 128)), (small, (4, 9, 9))):
        x = torch.randn(3, *shape)
        assert difference(model.eval(), lower(trace(model, x)), x) < 1e-5


def test_a_changed_weight_is_seen() -> None:
    model, example = build("residual")
    program = lower(trace(model, example))
    name = program.ops[-1].constants["weight"]
    weight = program.constants[name].copy()
    weight[0, 0] += 1e-3
    broken = replace(program, constants={**program.constants, name: weight})
    assert difference(model, program, example) < 1e-5 < difference(model, broken, example)


def test_names_classes_and_sources() -> None:
    model, example = build("residual")
    program = lower(trace(model, example), name="net1", classes=("rest", "task"))
    assert (program.name, program.classes, program.notes) == ("net1", ("rest", "task"), ())
    assert {op.source for op in program.ops} >= {"stem", "a.0", "head"}
    assert all(op.name == op.output for op in program.ops)
    assert not program.integer


def test_limits_padding_and_dropout_are_merged() -> None:
    program = lower(trace(*build("grid")))
    kinds = [op.kind for op in program.ops]
    assert kinds == ["conv", "conv", "conv", "reshape", "linear", "map", "linear"]
    first = program.ops[0]
    assert first.attrs["padding"] == (1, 1, 2, 2)
    assert (first.attrs["low"], first.attrs["high"]) == (0.0, None)
    # conv → batch norm → relu: the limit belongs to the batch norm, the last sum before it
    assert "low" not in program.ops[1].attrs
    assert program.ops[2].attrs["low"] == 0.0


def test_a_sum_that_others_read_keeps_its_relu() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv1d(4, 5, 3)

        def forward(self, x):
            y = self.conv(x)
            return (torch.relu(y) + y).mean(-1)

    model, x = Both().eval(), torch.randn(2, 4, 20)
    program = lower(trace(model, x))
    assert [op.kind for op in program.ops].count("map") == 1
    assert difference(model, program, x) < 1e-5


@pytest.mark.parametrize("last", [nn.Softmax(1), nn.LogSoftmax(-1)])
def test_final_softmax_is_left_out_and_said(last: nn.Module) -> None:
    body = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    model, x = nn.Sequential(body, last), torch.randn(4, 3, 4)
    program = lower(trace(model, x))
    assert "softmax was left out" in program.notes[0]
    assert "same class" in program.notes[0]
    assert difference(body, program, x) < 1e-5


def test_log_softmax_elsewhere_is_refused() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 3), nn.LogSoftmax(1), nn.Linear(3, 2))
    with pytest.raises(ValueError, match=r"cannot lower aten\.log_softmax at 2 .*very last operation"):
        lower(trace(model, torch.randn(2, 3, 4)))
