"""Saliencies against golden cases and re-derivations in the papers' notation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from trimcap._errors import PlanError
from trimcap.graph.cost import cost
from trimcap.graph.rewrite import rewrite
from trimcap.graph.trace import trace
from trimcap.prune.keep import keep_top
from trimcap.prune.saliency import Scores, d_score, from_units, l1, l2, random
from trimcap.prune.shrink import shrink
from zoo import ZOO, build

GOLDEN = json.loads((Path(__file__).parent / "golden_dscore.json").read_text())


def network_with(filters):
    """A linear layer and a 1×1 convolution whose units have exactly these weights."""
    weights = torch.tensor(filters, dtype=torch.float32)
    n, k = weights.shape
    conv, head = nn.Conv1d(k, n, 1), nn.Linear(n, 2)
    conv.weight.data = weights[:, :, None].clone()
    model = nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), head)
    return trace(model, torch.randn(2, k, 4))


def prune_order(scores):
    """First to be pruned first; ties: lower index first."""
    return np.argsort(scores.values["0"], kind="stable").tolist()


@pytest.mark.parametrize("case", GOLDEN)
def test_golden_d_score(case):
    network = network_with(GOLDEN[case]["filters"])
    scores = d_score(network)
    assert scores.values["0"].tolist() == GOLDEN[case]["dscore"]
    assert prune_order(scores) == GOLDEN[case]["order_dscore"]


@pytest.mark.parametrize("case", GOLDEN)
def test_golden_l1(case):
    assert prune_order(l1(network_with(GOLDEN[case]["filters"]))) == GOLDEN[case]["order_l1"]


def test_mid_ranks_do_not_leak_the_order_of_units():
    """Case C has no negative weight: ordinal ranks prune unit 1 first, mid-ranks the smallest, unit 3."""
    network = network_with(GOLDEN["C"]["filters"])
    assert prune_order(d_score(network))[0] == 1
    assert prune_order(d_score(network, ties="average"))[0] == 3
    with pytest.raises(ValueError, match="ties must be"):
        d_score(network, ties="min")


def test_d_score_properties():
    """Scale-free, and w → −w swaps P and N without changing the order."""
    weights = np.random.default_rng(0).normal(size=(12, 30)).tolist()
    base = d_score(network_with(weights)).values["0"]
    assert np.array_equal(base, d_score(network_with((3.7 * np.array(weights)).tolist())).values["0"])
    assert np.array_equal(base, d_score(network_with((-np.array(weights)).tolist())).values["0"])
    # twin: not so for one unit alone
    other = np.array(weights)
    other[0] *= 50
    assert not np.array_equal(base, d_score(network_with(other.tolist())).values["0"])


def test_l1_l2_replica_on_a_convolution():
    """s_j = Σ|W_j| and ‖W_j‖₂ over inputs and kernel, biases and batch norm unused (Li 2017; He 2018)."""
    network = trace(*build("grid"))
    w = network.tensors["3.weight"].numpy()
    absolute = [sum(abs(float(v)) for v in w[j].ravel()) for j in range(len(w))]
    euclid = [sum(float(v) ** 2 for v in w[j].ravel()) ** 0.5 for j in range(len(w))]
    np.testing.assert_allclose(l1(network).values["3"], absolute, rtol=1e-6)
    np.testing.assert_allclose(l2(network).values["3"], euclid, rtol=1e-6)


def test_coupled_layers_count_equally():
    """TSCeption's temporal kernels have fan-ins 32, 16, 8; each layer's ℓ1 is divided by its mean."""
    network = trace(*build("TSCeption"))
    layers = []
    for name in ("t.0.0", "t.1.0", "t.2.0"):
        score = network.tensors[f"{name}.weight"].abs().sum((1, 2, 3)).double().numpy()
        layers.append(score / score.mean())
    np.testing.assert_allclose(l1(network).values["t.0.0"], np.mean(layers, 0), rtol=1e-6)


def test_depth_multiplier_belongs_to_the_depthwise_layer():
    """The filters of the temporal axis are made by the temporal layer; the multiplier's slices by the spatial one."""
    network = trace(*build("depth multiplier 2"))
    temporal, spatial = network.tensors["1.weight"].double(), network.tensors["3.weight"].double()
    np.testing.assert_allclose(l1(network).values["1"], temporal.abs().sum((1, 2, 3)))
    by_depth = spatial.reshape(6, 2, -1).abs().sum((0, 2))
    np.testing.assert_allclose(l1(network).values["3.depth"], by_depth)


def test_electrodes_are_scored_by_the_weights_that_read_them():
    network = trace(*build("shallow"))
    want = network.tensors["2.weight"].double().abs().sum((0, 1, 3))
    np.testing.assert_allclose(l1(network, axes=["electrodes"]).values["electrodes"], want)


@pytest.mark.parametrize("name", ZOO)
@pytest.mark.parametrize("saliency", [l1, l2, d_score, random])
def test_every_prunable_axis_gets_finite_scores(name, saliency):
    network = trace(*build(name))
    scores = saliency(network, axes=[a.name for a in network.axes.prunable])
    assert {n: len(v) for n, v in scores.values.items()} == {a.name: a.size for a in network.axes.prunable}


def test_random_depends_on_the_seed_only():
    network = trace(*build("concat"))
    assert np.array_equal(random(network, seed=1).values["a"], random(network, axes=["a"], seed=1).values["a"])
    assert not np.array_equal(random(network, seed=1).values["a"], random(network, seed=2).values["a"])


def test_nan_scores_are_refused():
    network = trace(*build("concat"))
    with pytest.raises(PlanError, match=r"scores of axis 'a' are not finite at slices \[0"):
        from_units(network, lambda u: np.full(len(u), np.nan), axes=["a"], name="mine")
    with pytest.raises(PlanError, match="not finite"):
        Scores({"a": np.array([1.0, np.inf])}, "mine")


def test_nothing_to_prune():
    network = trace(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), torch.randn(2, 3, 4))
    with pytest.raises(PlanError, match=r"no axis inside .* can be pruned"):
        l1(network)


def test_only_electrodes_can_be_pruned():
    class Mean(nn.Module):
        def forward(self, x):
            return x.mean(-1)

    network = trace(nn.Sequential(Mean(), nn.Linear(6, 2)), torch.randn(2, 6, 40))
    with pytest.raises(PlanError, match=r"Of its input, electrodes can: name them with axes=") as caught:
        l1(network)
    assert ": ;" not in str(caught.value)
    assert len(l1(network, axes=["electrodes"]).values["electrodes"]) == 6


@pytest.mark.parametrize("step", [l1, cost, rewrite, lambda n: keep_top(n, None, 0.5), lambda n: shrink(n, None)])
def test_a_module_or_a_rewrite_instead_of_a_network(step):
    model, x = build("shallow")
    with pytest.raises(TypeError, match=r"got the module Sequential: call trimcap.trace\(model, windows\) first"):
        step(model)
    with pytest.raises(TypeError, match=r"got Rewritten: pass its `.network`"):
        step(rewrite(trace(model, x)))
