"""Saliencies on activations: derivations in the papers' notation on the layers of a plain model."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sampled import windows_for
from torch import nn

from trimcap._errors import PlanError
from trimcap.graph.trace.trace import trace
from trimcap.prune.saliency.by_activations import activation_mean, activation_std, apoz, chip, hrank, wanda
from zoo import build


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    layers = nn.Sequential(
        nn.Conv2d(4, 6, 3, bias=False), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 8, 2),
        nn.ReLU(), nn.Flatten(), nn.Linear(8 * 4, 5), nn.ReLU(), nn.Linear(5, 3),
    )  # fmt: skip
    layers[1].running_mean.normal_()
    layers[1].weight.data.uniform_(-1, 1)
    layers[0].weight.data[5] = layers[0].weight.data[4]  # a filter that says nothing new
    for part in (layers[1].weight.data, layers[1].bias.data, layers[1].running_mean):
        part[5] = part[4]
    return layers.eval()


@pytest.fixture(scope="module")
def network(model):
    return trace(model, torch.randn(2, 4, 8, 8))


WINDOWS = windows_for((4, 8, 8), n=7)


def after(model, number):
    """The result of layer `number`, float64 (n, …)."""
    with torch.no_grad():
        return model[: number + 1](torch.from_numpy(WINDOWS.X)).double().numpy()


MAPS = {"0": 2, "7": 8}


def test_maps_are_taken_after_batch_norm_and_activation(model, network):
    for axis, layer in MAPS.items():
        a = after(model, layer)
        a = a.reshape(7, a.shape[1], -1)
        mean = activation_mean(network, windows=WINDOWS, axes=[axis], batch_size=3).values[axis]
        np.testing.assert_allclose(mean, np.abs(a).mean((0, 2)), rtol=1e-5)
        std = activation_std(network, windows=WINDOWS, axes=[axis], batch_size=3).values[axis]
        np.testing.assert_allclose(std, a.transpose(1, 0, 2).reshape(a.shape[1], -1).std(1), rtol=1e-4, atol=1e-6)
        share = (a == 0).mean((0, 2))  # APoZ, Hu 2016, eq. 1
        np.testing.assert_allclose(apoz(network, windows=WINDOWS, axes=[axis]).values[axis], 1 - share, atol=1e-12)
    # twin: before the activation it is another number
    raw = after(model, 0).reshape(7, 6, -1)
    found = activation_mean(network, windows=WINDOWS, axes=["0"]).values["0"]
    assert not np.allclose(found, np.abs(raw).mean((0, 2)), rtol=0.05)


def test_hrank_is_the_mean_rank(model, network):
    a = after(model, 2).astype(np.float32)
    want = [np.mean([np.linalg.matrix_rank(m[j]) for m in a]) for j in range(6)]
    np.testing.assert_allclose(hrank(network, windows=WINDOWS, axes=["0"]).values["0"], want)
    assert max(want) > min(want)


def test_hrank_of_maps_of_one_row():
    """Behind the spatial convolution of an EEG network there is one row per filter."""
    network = trace(*build("shallow"))
    windows = windows_for(network.input_shape)
    with pytest.raises(PlanError, match=r"hrank.*maps of axis '2' of .* are 1×56; the rank .* 0 or 1.*Use 'chip'"):
        hrank(network, windows=windows, axes=["2"])
    with pytest.raises(PlanError, match="are 1×1"):
        hrank(trace(*build("grid")), windows=windows_for((4, 9, 9)), axes=["7"])
    assert hrank(network, windows=windows, axes=["1"]).values["1"].max() <= 8  # 8 electrodes × 56 times: a matrix
    assert len(chip(network, windows=windows, axes=["2"]).values["2"]) == 12


def nuclear(a):
    return np.linalg.svd(a, compute_uv=False).sum()


@pytest.mark.parametrize(("axis", "layer"), MAPS.items())
def test_chip_is_the_loss_of_nuclear_norm(model, network, axis, layer):
    """CI(A_j) = ‖A‖_* − ‖M_j ⊙ A‖_*, Sui 2021, by singular values; fewer and more positions than maps."""
    want = []
    for a in after(model, layer):
        a = a.reshape(len(a), -1)
        without = [np.where(np.arange(len(a))[:, None] == j, 0, a) for j in range(len(a))]
        want.append([nuclear(a) - nuclear(b) for b in without])
    found = chip(network, windows=WINDOWS, axes=[axis]).values[axis]
    np.testing.assert_allclose(found, np.mean(want, 0), rtol=1e-4, atol=1e-5)
    if axis == "0":
        assert found[4] == pytest.approx(found[5], rel=1e-6)


def test_wanda_is_weight_times_norm_of_its_input(model, network):
    """S_ij = |W_ij|·‖X_j‖₂, Sun 2024, eq. 1, summed over the unit; a grouped convolution reads other inputs."""
    x = WINDOWS.X.astype(np.float64)
    w = model[0].weight.detach().double().abs().numpy()
    want = (w * np.sqrt((x**2).sum((0, 2, 3)))[None, :, None, None]).sum((1, 2, 3))
    np.testing.assert_allclose(wanda(network, windows=WINDOWS, batch_size=2).values["0"], want, rtol=1e-5)
    hidden, x = model[7].weight.detach().double().abs().numpy(), after(model, 6)
    want = (hidden * np.sqrt((x**2).sum(0))).sum(1)
    np.testing.assert_allclose(wanda(network, windows=WINDOWS).values["7"], want, rtol=1e-5)


def test_wanda_of_a_grouped_convolution():
    """Every group reads other inputs: rows 0–2 of the weight channels 0 and 1, rows 3–5 channels 2 and 3."""
    model = nn.Sequential(nn.Conv1d(4, 6, 3, groups=2), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 8, 3))
    network = trace(model, torch.randn(2, 4, 10))
    windows = windows_for((4, 10))
    windows.X[:, 2:] *= 7
    w = model[0].weight.detach().double().abs().numpy()
    norms = np.sqrt((windows.X.astype(np.float64) ** 2).sum((0, 2)))
    rows = np.array([(w[j] * norms[2 * (j // 3) : 2 * (j // 3) + 2, None]).sum() for j in range(6)])
    (axis,) = (a for a in network.axes.hidden if a.size == 3)
    np.testing.assert_allclose(wanda(network, windows=windows, axes=[axis.name]).values[axis.name], rows[:3] + rows[3:])


def test_wanda_of_electrodes_sees_loud_ones():
    network = trace(*build("shallow"))
    windows = windows_for(network.input_shape)
    base = wanda(network, windows=windows, axes=["electrodes"]).values["electrodes"]
    loud = windows.X.copy()
    loud[:, 3] *= 10
    found = wanda(network, windows=windows.with_X(loud, step="louder"), axes=["electrodes"]).values["electrodes"]
    assert found[3] > 5 * base[3]
    np.testing.assert_allclose(np.delete(found, 3), np.delete(base, 3), rtol=1e-4)


def test_apoz_without_zeros():
    network = trace(*build("depth multiplier 2"))
    with pytest.raises(PlanError, match=r"no activation of axis '1' of .* is ever zero.*needs a ReLU"):
        apoz(network, windows=windows_for(network.input_shape))


def test_layers_that_share_an_axis_count_equally():
    """The residual stream is written by the stem and by two blocks."""
    network = trace(*build("residual"))
    windows = windows_for(network.input_shape, n=5)
    results = network.module().run(torch.from_numpy(windows.X), keep=True)
    convs = [n for n in network.nodes if n.kind == "conv1d"][:3]
    layers = []
    for conv in convs:
        name = conv.name
        while len(network.users[name]) == 1 and network.users[name][0].kind in ("batch_norm", "relu"):
            name = network.users[name][0].name
        layers.append(results[name].detach().double().abs().mean((0, 2)).numpy())
    want = np.mean([v / v.mean() for v in layers], 0)
    np.testing.assert_allclose(activation_mean(network, windows=windows).values["stem"], want, rtol=1e-5)
