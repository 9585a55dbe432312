"""A stage's cost is that of the C that would be written of it, whoever says it."""

from __future__ import annotations

import numpy as np
import pytest

from trimcap.data.generated.synthetic import make_synthetic
from trimcap.data.preprocess.windows.cut import cut
from trimcap.export.artifact import check_artifact, export
from trimcap.graph.trace.trace import trace
from trimcap.models.build import build
from trimcap.program.cost import deployed_cost, program_cost
from trimcap.program.lower.lower import lower
from trimcap.quantize.quantize import quantize
from trimcap.study.recipe.recipe import parse_recipe
from trimcap.study.report.tables import cost_table
from trimcap.study.results.gathered import gather
from trimcap.study.run.run import run
from trimcap.study.steps.task import network_cost


@pytest.fixture(scope="module")
def made():
    windows = cut(make_synthetic(2, seed=0), seconds=2)
    return trace(build("eegnet", windows), windows), windows


def test_program_network_and_artifact_say_the_same(made, tmp_path):
    network, windows = made
    for program, bits in ((lower(network), 32), (quantize(lower(network), windows), 8)):
        found = program_cost(program)
        manifest = check_artifact(export(program, tmp_path / f"net{bits}", golden=windows.take([0]))).manifest["cost"]
        output = program.values[program.output].nbytes
        assert (found.macs, found.flash_bytes) == (manifest["macs"], manifest["flash_bytes"])
        assert found.sram_bytes == manifest["arena_bytes"] + output
    row = network_cost(network)
    deployed = deployed_cost(network, bits=32)
    assert (row["macs"], row["flash"], row["sram"]) == (deployed.macs, deployed.flash_bytes, deployed.sram_bytes)


def test_rewriting_is_no_gain_of_pruning(made):
    """EEGNet as traced needs several times what it needs rewritten; both are said, and only one is compared with."""
    row = network_cost(made[0])
    assert row["plain_macs"] > 4 * row["macs"]
    assert row["plain_sram"] > 2 * row["sram"]


def test_a_network_without_c_has_no_sram():
    from torch import nn

    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.gru, self.out = nn.GRU(8, 4, batch_first=True), nn.Linear(4, 2)

        def forward(self, x):
            return self.out(self.gru(x)[0][:, -1])

    row = network_cost(trace(Recurrent(), np.zeros((2, 5, 8), np.float32)))
    assert row["sram"] is None
    assert row["flash"] is None
    assert row["macs"] > 0


RECIPE = """
name = "costs"
seeds = [0]
[data]
source = "synthetic"
subjects = 4
rate = 64
seconds = 6
window = 2
[data.options]
seed = 1
line_noise = 0
trials_per_class = 2
[protocol]
folds = 2
valid = 0.5
[model]
name = "eegnet"
[train]
epochs = 1
[[steps]]
kind = "rewrite"
[[steps]]
kind = "quantize"
windows = 8
[[steps]]
kind = "export"
"""


def test_the_report_compares_with_the_rewritten_network(tmp_path):
    folder = run(parse_recipe(RECIPE), tmp_path / "run", only=[(0, 0)]).path
    found = gather(folder)
    cost = found.cost
    assert (cost.loc["dense", ["macs", "sram"]] == cost.loc["rewritten", ["macs", "sram"]]).all()
    assert (cost.loc["int8"] == cost.loc["C"]).all()
    assert found.plain_cost.macs > 4 * cost.macs["dense"]
    first, second, *_ = cost_table(found).rows
    assert first[0] == "dense, not rewritten"
    assert "×" not in "".join((*first, *second))
    assert all(row[2] == second[2] for row in cost_table(found).rows[1:])
