import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from trimcap.data.electrodes.montage import grid
from trimcap.data.windows import Windows
from trimcap.graph.trace.trace import trace
from trimcap.study.recipe.plan import plan_of
from trimcap.study.recipe.recipe import parse_recipe
from trimcap.study.run.evidence import electrode_evidence
from trimcap.study.steps.task import fitted_to

CHANNELS = ("F3", "F4", "O1", "O2")
RNG = np.random.default_rng(2)


def windows(X, unit="µV"):
    n = len(X)
    metadata = pd.DataFrame({"subject": ["s"] * n, "session": ["1"] * n, "trial": ["0"] * n, "start": np.arange(n)})
    return Windows(X.astype(np.float32), np.arange(n) % 2, metadata, CHANNELS, 8.0, ("a", "b"), 1.0, unit)


class Linear(nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.flat, self.linear = nn.Flatten(), nn.Linear(weight[0].size, 2)
        self.linear.weight.data = torch.tensor(weight.reshape(2, -1), dtype=torch.float32)

    def forward(self, x):
        return self.linear(self.flat(x))


def test_replica_on_a_linear_network():
    """The gradient of a linear network is its weight row, so the map can be written down."""
    X, weight = RNG.normal(5, 2, (20, 4, 8)), RNG.normal(size=(2, 4, 8))
    w = windows(X)
    network = trace(Linear(weight), w)
    chosen = network.module()(torch.tensor(w.X)).argmax(1).numpy()
    mean = w.X.mean(axis=(0, 2))[:, None]
    expected = np.mean([np.abs((x - mean) * weight[c]).mean(axis=1) for x, c in zip(w.X, chosen, strict=True)], axis=0)
    assert electrode_evidence(network, w, channels=CHANNELS) == pytest.approx(expected, rel=1e-4)


def test_an_offset_of_the_input_is_no_evidence():
    X, weight = RNG.normal(size=(20, 4, 8)), RNG.normal(size=(2, 4, 8))
    weight[1] = weight[0]  # the same gradient for both classes
    one, shifted = windows(X), windows(X + 100)
    maps = [electrode_evidence(trace(Linear(weight), w), w, channels=CHANNELS) for w in (one, shifted)]
    assert maps[0] == pytest.approx(maps[1], rel=1e-3)


def test_evidence_of_a_grid_is_taken_back_to_electrodes():
    layout = grid(CHANNELS)
    values = np.zeros((6, 2, 4))
    values[:, :, 2] = RNG.normal(size=(6, 2))  # only O1 varies
    w = windows(layout.scatter(values), unit="nat")
    network = trace(Linear(RNG.normal(size=(2, 2, 9, 9))), w)
    found = electrode_evidence(network, w, channels=CHANNELS, grid=layout)
    assert found[2] > 0
    assert found[[0, 1, 3]].tolist() == [0, 0, 0]


def test_electrodes_that_are_gone_have_none():
    w = windows(RNG.normal(size=(6, 4, 8)))
    network = trace(Linear(RNG.normal(size=(2, 2, 8))), windows_of_two(w))
    taken = fitted_to(network, w)
    assert taken.channels == ("F4", "O2")
    assert np.array_equal(taken.X, w.X[:, [1, 3]])
    found = electrode_evidence(network, taken, channels=CHANNELS)
    assert found[[0, 2]].tolist() == [0, 0]
    assert (found[[1, 3]] > 0).all()


def windows_of_two(w):
    from dataclasses import replace

    return replace(w, X=w.X[:, [1, 3]], channels=("F4", "O2"))


def test_stages_that_come_again_are_numbered():
    steps = "".join(f'[[steps]]\nkind = "{k}"\n' for k in ("rewrite", "recover", "recover", "quantize", "export"))
    names = [stage.name for stage in plan_of(parse_recipe('name = "x"\n' + steps))]
    assert names == ["dense", "rewritten", "recovered", "recovered 2", "int8", "C"]
