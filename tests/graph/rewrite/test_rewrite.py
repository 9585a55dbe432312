"""Rewriting as a whole: what it must reach, and the proof that every change of it is exact."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from everywhere import remove_dropout
from torch import nn
from traced_layers import C, T, assert_same, eegnet, kinds, network_of

from trimcap.graph.rewrite import rewrite as module
from trimcap.graph.rewrite import spatial as rewrite_spatial
from trimcap.graph.rewrite.proof import largest_difference
from trimcap.graph.rewrite.rewrite import RULES, rewrite
from trimcap.graph.trace.trace import trace
from trimcap.models.eegnet import EEGNet
from trimcap.models.scaled import Scaled
from trimcap.program.cost import cost
from zoo import ZOO, build

# ---- what the whole must reach


def test_eegnet_has_8_times_fewer_macs_and_6_times_less_sram():
    result = rewrite(eegnet())
    before, after = result.before, result.after
    assert (before.macs, after.macs) == (4358528, 426368)
    assert before.macs >= 8 * after.macs
    assert before.live_bytes >= 6 * after.live_bytes
    assert cost(eegnet(), bits=8).sram_bytes >= 6 * cost(result.network, bits=8).sram_bytes
    assert result.error <= 1e-6
    assert_same(eegnet(), result.network)
    assert "batch_norm" not in kinds(result.network)
    assert "dropout" not in kinds(result.network)
    assert result.left == ()
    assert any("put spatial (conv2d) before temporal (conv2d) (MACs 4,358,528 → 426,368" in w for w in result.applied)
    assert "10.2×" in str(result)


def test_float32_outputs_agree_too():
    x = torch.randn(16, 32, 256)
    want, got = eegnet()(x), rewrite(eegnet()).network(x)
    assert (want - got).abs().max() <= 1e-6 * want.abs().max()


def test_an_artifact_takes_microvolts():
    rng = np.random.default_rng(0)
    mean, std = rng.normal(0, 20, (C, 1)), rng.uniform(5, 40, (C, 1))
    network = network_of(Scaled(EEGNet(C, T, 2), mean, std))
    result = rewrite(network)
    assert kinds(result.network)[:2] == ["reshape", "conv2d"]
    assert not {"sub", "div", "batch_norm"} & set(kinds(result.network))
    assert_same(network, result.network)
    x = torch.randn(4, C, T) * 30
    torch.testing.assert_close(result.network(x), network(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["depth multiplier 3", "shallow", "TSCeption", "inception", "separable"])
def test_zoo(name):
    zoo_network_stays_itself(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", ZOO)
def test_whole_zoo(name):
    zoo_network_stays_itself(name)


def zoo_network_stays_itself(name):
    model, example = build(name)
    network = trace(model, example)
    result = rewrite(network)
    assert_same(network, result.network)
    assert result.after.macs <= result.before.macs
    assert result.after.live_bytes <= result.before.live_bytes
    for node in result.network.nodes:  # shapes that were written down are the shapes that are computed
        got = result.network.module().run(example[:1].float(), keep=True)[node.name]
        if isinstance(got, torch.Tensor):
            assert tuple(got.shape) == node.shape, node


def test_a_rewritten_network_trains_and_is_pruned():
    network = rewrite(eegnet()).network
    model = network.module().train()
    model(torch.randn(4, 32, 256)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
    assert set(network.trainable) == {name for name, _ in model.named_parameters()}
    prunable = {axis.name: axis.size for axis in network.axes.prunable}
    assert prunable["electrodes"] == 32
    assert prunable["temporal"] == 16  # F·D filters
    assert prunable["separable_point"] == 16


def test_lost_constraints_are_noted():
    network = eegnet()
    assert {rule.tensor for rule in network.constraints} == {"spatial.weight", "dense.weight"}
    after = rewrite(network).network
    assert {rule.tensor for rule in after.constraints} == {"dense.weight"}
    assert any("'spatial.weight': its max-norm constraint (1) was dropped" in note for note in after.notes)


# ---- the proof


def test_the_proof_notices_a_wrong_bias(monkeypatch):
    """The twin of every test above: bias b·Σs forgotten, as if the first filter had none."""
    right = rewrite_spatial._filters
    monkeypatch.setattr(rewrite_spatial, "_filters", lambda *a: (*right(*a)[:2], None))
    found = rewrite(eegnet(C, T))
    assert any(words.startswith("not put spatial") and "not proven" in words for words in found.left)
    assert not any("spatial" in words and "temporal" in words for words in found.applied)
    assert_same(eegnet(C, T), found.network)


def test_the_proof_notices_a_wrong_rule_of_the_user():
    def halve(network):
        fewer = remove_dropout(network)
        name = next(iter(fewer.tensors))
        return fewer.with_tensors({**fewer.tensors, name: fewer.tensors[name] / 2})

    with pytest.raises(RuntimeError, match="rewrite rule halve"):
        rewrite(eegnet(C, T), rules=[halve])


def test_a_rule_of_the_user_is_applied_and_named():
    def drop_names(network):
        return remove_dropout(network)

    result = rewrite(eegnet(C, T), rules=[drop_names])
    assert result.applied == ("applied drop_names",)


def test_largest_difference():
    network = network_of(nn.Flatten(), nn.Linear(C * T, 2))
    assert largest_difference(network, network) == 0
    bias = network.tensors["1.bias"]
    x = torch.randn(4, C, T, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    other = network.with_tensors({**network.tensors, "1.bias": bias + torch.tensor([0.5, 0.0])})
    scale = torch.nn.functional.linear(x.flatten(1), network.tensors["1.weight"].double(), bias.double()).abs().max()
    assert largest_difference(network, other) == pytest.approx(0.5 / scale.item(), rel=1e-6)
    infinite = network.with_tensors({**network.tensors, "1.bias": bias * torch.inf})
    assert largest_difference(network, infinite) == float("inf")


def test_types_come_back():
    """Weights are changed in float64; the result has the types of the original."""
    model, example = build("GRU")  # its initial state is made with an explicit type
    network = trace(model, example)
    after = rewrite(network).network
    assert {t.dtype for t in after.tensors.values()} == {torch.float32}
    assert [n.kwargs for n in after.nodes if n.kind == "zeros"] == [{"dtype": "float32"}]
    after(example.float())


def test_the_proof_of_a_change_is_much_sharper_than_float32():
    def nudge(network):
        fewer = remove_dropout(network)
        name = next(iter(fewer.tensors))
        return fewer.with_tensors({**fewer.tensors, name: fewer.tensors[name] * (1 + 1e-7)})

    with pytest.raises(RuntimeError, match="allowed 1e-09"):
        rewrite(eegnet(C, T), rules=[nudge])


def test_names():
    with pytest.raises(ValueError, match="unknown rewrite rule 'fold_batchnorm'; did you mean 'fold_batch_norm'"):
        rewrite(eegnet(C, T), rules=["fold_batchnorm"])
    with pytest.raises(ValueError, match="unknown objective 'mac'; did you mean 'macs'"):
        rewrite(eegnet(C, T), objective="mac")
    assert all(hasattr(module, name) for name in RULES)
