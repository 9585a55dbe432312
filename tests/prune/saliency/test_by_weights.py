"""Saliencies on weights against golden cases and re-derivations in the papers' notation."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from trimcap._errors import PlanError
from trimcap.graph.rewrite.rewrite import rewrite
from trimcap.graph.trace.trace import trace
from trimcap.prune.saliency.by_weights import (
    bn_scale,
    d_score,
    d_step,
    d_step_gm,
    fpgm,
    l1,
    l2,
    lamp,
    lamp_weights,
    largest_first,
    whc,
)
from zoo import build

GOLDEN = json.loads((Path(__file__).parent / "golden_dscore.json").read_text())
RANKED = {"dscore": d_score, "dstep": d_step, "dstep_gm": d_step_gm}
SCALE_FREE = (d_score, d_step, d_step_gm)
ON_UNITS = (l1, l2, fpgm, whc, lamp, largest_first, *SCALE_FREE)


def convolution(filters, bias=None):
    """A 1×1 convolution whose filters have exactly these weights."""
    weights = torch.tensor(np.asarray(filters), dtype=torch.float32)
    n, k = weights.shape
    conv, head = nn.Conv1d(k, n, 1), nn.Linear(n, 2)
    conv.weight.data = weights[:, :, None].clone()
    if bias is not None:
        conv.bias.data = torch.as_tensor(bias, dtype=torch.float32)
    model = nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), head)
    return trace(model, torch.randn(2, k, 4))


def neurons(units):
    weights = torch.tensor(np.asarray(units), dtype=torch.float32)
    n, k = weights.shape
    hidden = nn.Linear(k, n)
    hidden.weight.data = weights.clone()
    return trace(nn.Sequential(nn.Flatten(), hidden, nn.ReLU(), nn.Linear(n, 2)), torch.randn(2, 1, k))


def layer_scores(saliency, network, **options):
    axis = network.axes.hidden[0].name
    return saliency(network, **options).values[axis]


def order(values):
    return np.argsort(values, kind="stable").tolist()


@pytest.mark.parametrize("layer", [convolution, neurons])
@pytest.mark.parametrize("method", RANKED)
@pytest.mark.parametrize("case", GOLDEN)
def test_golden_orders(case, method, layer):
    found = layer_scores(RANKED[method], layer(GOLDEN[case]["filters"]))
    assert order(found) == GOLDEN[case][f"order_{method}"]


@pytest.mark.parametrize("case", GOLDEN)
def test_golden_fpgm(case):
    found = np.round(layer_scores(fpgm, convolution(GOLDEN[case]["filters"])), 5)  # float32 weights of 0.1 …
    assert order(found) == GOLDEN[case]["order_fpgm"]


def walked(p, n, count):
    """D-Step as published: sets that grow, and of two entrants the one with the smaller sum of ranks."""
    by_p, by_n = np.argsort(p, kind="stable"), np.argsort(n, kind="stable")
    rank = np.argsort(by_p) + np.argsort(by_n)
    inside: list[int] = []
    for j in range(1, len(p) + 1):
        both = set(by_p[:j]) & set(by_n[:j])
        entrants = sorted(both - set(inside), key=lambda u: (rank[u], u))
        for unit in entrants:
            if len(inside) < count:
                inside.append(int(unit))
    return set(inside)


@pytest.mark.parametrize("gm", [False, True])
def test_d_step_is_the_published_walk(gm):
    for seed in range(15):
        weights = np.random.default_rng(seed).normal(size=(9, 6)).astype(np.float32).astype(np.float64)
        positive, negative = np.maximum(weights, 0), np.minimum(weights, 0)
        if gm:
            p = [sum(np.linalg.norm(a - b) for a in positive) for b in positive]
            n = [sum(np.linalg.norm(a - b) for a in negative) for b in negative]
        else:
            p, n = positive.sum(1), np.abs(negative).sum(1)
        found = order(layer_scores(d_step_gm if gm else d_step, convolution(weights)))
        for count in range(len(weights) + 1):
            assert set(found[:count]) == walked(p, n, count)


@pytest.mark.parametrize("saliency", SCALE_FREE)
def test_ranked_saliencies_are_scale_free_and_sign_symmetric(saliency):
    weights = np.random.default_rng(0).normal(size=(12, 30))
    base = layer_scores(saliency, convolution(weights))
    assert np.array_equal(base, layer_scores(saliency, convolution(4 * weights)))
    assert np.array_equal(base, layer_scores(saliency, convolution(-weights)))
    other = weights.copy()
    other[0] *= 50  # twin: not so for one unit alone
    assert not np.array_equal(base, layer_scores(saliency, convolution(other)))


def test_scaled_copies_are_ordered_by_their_size():
    scales = np.array([3.0, 0.5, 2.0, 1.0, 4.0])
    network = convolution(scales[:, None] * np.array([[1.0, -2.0, 0.5]]))
    for saliency in (d_score, d_step, l1, l2, lamp):
        assert order(layer_scores(saliency, network)) == order(scales)
    assert order(layer_scores(largest_first, network)) == order(-scales)


def test_mid_ranks_of_every_ranked_saliency():
    """Case C has no negative weight: with mid-ranks only the positive mass decides."""
    network = convolution(GOLDEN["C"]["filters"])
    for saliency in (d_score, d_step):
        assert order(layer_scores(saliency, network, ties="average"))[0] == 3
    with pytest.raises(ValueError, match="ties must be 'ordinal' or 'average', got 'min'"):
        d_step_gm(network, ties="min")


@pytest.mark.parametrize("saliency", ON_UNITS)
def test_permuting_filters_permutes_scores_and_biases_do_not_count(saliency):
    rng = np.random.default_rng(3)
    weights, p = rng.normal(size=(8, 20)), rng.permutation(8)
    base = layer_scores(saliency, convolution(weights))
    np.testing.assert_allclose(layer_scores(saliency, convolution(weights[p])), base[p], rtol=1e-9)
    np.testing.assert_allclose(layer_scores(saliency, convolution(weights, bias=rng.normal(size=8))), base)


def test_fpgm_whc_lamp_replicas():
    w = np.random.default_rng(1).normal(size=(7, 5)).astype(np.float32)
    network, w = convolution(w), w.astype(np.float64)
    n = range(7)
    distances = [sum(np.sqrt(((w[i] - w[j]) ** 2).sum()) for i in n) for j in n]
    np.testing.assert_allclose(layer_scores(fpgm, network), distances)
    norm = [np.linalg.norm(u) for u in w]
    cos = [[w[i] @ w[j] / norm[i] / norm[j] for i in n] for j in n]
    hybrid = [norm[j] * sum(norm[i] * (1 - abs(cos[j][i])) for i in n if i != j) for j in n]
    np.testing.assert_allclose(layer_scores(whc, network), hybrid)
    adaptive = [norm[j] ** 2 / sum(m**2 for m in norm if m >= norm[j]) for j in n]
    np.testing.assert_allclose(layer_scores(lamp, network), adaptive)
    single = lamp_weights(w)
    flat = w.ravel()
    np.testing.assert_allclose(single.ravel(), [v**2 / sum(u**2 for u in flat if u**2 >= v**2) for v in flat])
    assert single.max() == 1  # the largest weight of a layer is never the first to go


def test_float64_distances_where_float32_would_be_wrong():
    """64 filters that differ in the fourth digit: the shortcut ‖a‖² + ‖b‖² − 2ab in float32 would give noise."""
    rng = np.random.default_rng(0)
    w = (1 + 1e-4 * rng.normal(size=(64, 576))).astype(np.float32)
    found = layer_scores(fpgm, convolution(w))
    exact = np.array([np.sqrt(((w.astype(np.float64) - u) ** 2).sum(1)).sum() for u in w.astype(np.float64)])
    np.testing.assert_allclose(found, exact, rtol=1e-10)
    quick = torch.cdist(torch.tensor(w), torch.tensor(w), compute_mode="use_mm_for_euclid_dist").sum(1).numpy()
    assert np.abs(quick / exact - 1).max() > 1e-2


def test_folded_is_that_of_the_rewritten_network():
    """Folding batch norm by the rewriter gives the same weights, where it folds into the layer before."""
    model = nn.Sequential(
        nn.Conv1d(4, 6, 3, bias=False), nn.BatchNorm1d(6), nn.ReLU(), nn.Conv1d(6, 5, 3), nn.BatchNorm1d(5), nn.ELU(),
        nn.Flatten(), nn.Linear(5 * 12, 2),
    )  # fmt: skip
    for norm in (model[1], model[4]):
        norm.running_var.uniform_(0.2, 3)
        norm.weight.data.uniform_(-1, 1)
        norm.running_mean.normal_()
    network = trace(model.eval(), torch.randn(2, 4, 16))
    small = rewrite(network).network
    for saliency in (l1, fpgm, d_step):
        raw, folded, want = saliency(network), saliency(network, folded=True), saliency(small)
        for axis in ("0", "3"):
            np.testing.assert_allclose(folded.values[axis], want.values[axis], rtol=1e-5)
            assert not np.allclose(folded.values[axis], raw.values[axis])


def test_batch_norm_scales():
    network = trace(*build("residual"))
    np.testing.assert_allclose(bn_scale(network, axes=["c.0"]).values["c.0"], network.tensors["c.1.weight"].abs())
    gammas = [network.tensors[f"{name}.1.weight"].abs().double().numpy() for name in ("a", "b")]
    shared = np.mean([g / g.mean() for g in gammas], 0)  # two layers write to the residual stream
    np.testing.assert_allclose(bn_scale(network, axes=["stem"]).values["stem"], shared)
    # the temporal filters of EEGNet have a batch norm of their own; that behind the depthwise layer is not theirs
    eegnet = trace(*build("depth multiplier 2"))
    np.testing.assert_allclose(bn_scale(eegnet).values["1"], eegnet.tensors["2.weight"].abs())
    by_depth = eegnet.tensors["4.weight"].abs().reshape(6, 2).double().mean(0)
    np.testing.assert_allclose(bn_scale(eegnet).values["3.depth"], by_depth)


def test_batch_norm_scale_without_batch_norm():
    with pytest.raises(PlanError, match=r"no batch norm follows the layer of axis '1' in .*axes=\['3'\]"):
        bn_scale(trace(*build("grid")))
    with pytest.raises(PlanError, match="the network has none"):
        bn_scale(convolution(GOLDEN["A"]["filters"]))


def test_no_two_saliencies_on_weights_are_the_same():
    """Twin of all replicas: on a layer of mixed signs every two of them order the filters differently."""
    network = convolution(np.random.default_rng(5).normal(size=(24, 6)) * np.linspace(0.2, 2, 6))
    orders = {s.__name__: order(layer_scores(s, network)) for s in (l1, l2, fpgm, whc, *SCALE_FREE)}
    for a, b in itertools.combinations(orders, 2):
        assert orders[a] != orders[b], (a, b)
