"""A budget that fits on paper fits in C."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from trimcap.export.artifact import check_artifact, export
from trimcap.export.deployed import deployed_cost, measure_of
from trimcap.graph.cost import cost
from trimcap.graph.rewrite.rewrite import rewrite
from trimcap.graph.trace.trace import trace
from trimcap.models import EEGNet
from trimcap.prune.choose.keep import keep_within
from trimcap.prune.saliency.by_weights import l1
from trimcap.prune.shrink import shrink
from trimcap.quantize.network import quantize_network


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return rewrite(trace(EEGNet(16, 128, 2), torch.randn(2, 16, 128))).network


def artifact_bytes(network, folder):
    X = np.random.default_rng(0).standard_normal((8, *network.input_shape)).astype(np.float32)
    program = quantize_network(network, X).program
    found = check_artifact(export(program, folder, golden=X)).manifest["cost"]
    return found["arena_bytes"] + program.values[program.output].nbytes, found["flash_bytes"], found["macs"]


def test_deployed_cost_is_that_of_the_artifact(network, tmp_path):
    found = deployed_cost(network)
    assert (found.sram_bytes, found.flash_bytes, found.macs) == artifact_bytes(network, tmp_path / "net")
    assert 0 <= found.sram_bytes - cost(network, bits=8).sram_bytes <= 4096  # scratch, and int16 logits


def test_a_budget_on_sram_holds_in_c(network, tmp_path):
    budget = int(deployed_cost(network).sram_bytes * 0.8)
    plan = keep_within(network, l1(network), sram=budget, measure=measure_of(network)[0])
    assert artifact_bytes(shrink(network, plan), tmp_path / "net")[0] <= budget
    # twin: the graph's own count, which knows no scratch, promises too much here
    hopeful = keep_within(network, l1(network), sram=budget)
    assert artifact_bytes(shrink(network, hopeful), tmp_path / "hopeful")[0] > budget


def test_what_has_no_c_is_counted_on_the_graph():
    class Rnn(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.head = nn.GRU(4, 6, batch_first=True), nn.Linear(6, 2)

        def forward(self, x):
            return self.head(self.rnn(x.transpose(1, 2))[0][:, -1])

    recurrent = trace(Rnn(), torch.randn(2, 4, 16))
    measure, note = measure_of(recurrent)
    assert measure(recurrent) == cost(recurrent, bits=8)
    assert "without scratch" in note
    with pytest.raises(ValueError, match="gru"):
        deployed_cost(recurrent)
