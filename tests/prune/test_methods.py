"""Every method on every network: 0 % is the identity, and the pruned network is its masked twin at 10, 30 and 80 %."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest
import torch
from torch import nn

from trimcap.graph.network import Network
from trimcap.graph.trace import trace
from trimcap.models import (
    CCNN,
    FBCCNN,
    VGG16,
    DeepConvNet,
    EEGConformer,
    EEGNet,
    EEGNet3D,
    FrameCNN,
    GridCNN,
    RecurrentNet,
    ResNet,
    ShallowConvNet,
    TSCeption,
)
from trimcap.prune.axes_of import axes_of
from trimcap.prune.compact import compact, difference
from trimcap.prune.keep import keep_top
from trimcap.prune.plan import Plan
from trimcap.prune.saliency import bn_scale, l1, l2, random
from trimcap.prune.shrink import shrink, twin_error
from trimcap.prune.soft import scales_off, silent_plan, soft_pruning, zeroed
from trimcap.prune.unstructured import mask_weights

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "ccnn": lambda: CCNN(4, 5, 5, 2, widths=(10, 12, 20, 10), hidden=30),
    "ccnn, three classes, 4×7": lambda: CCNN(4, 4, 7, 3, widths=(10, 12, 20, 10), hidden=30),
    "conformer": lambda: EEGConformer(
        5, 128, 2, embedding=20, kernel=9, pool=20, stride=8, depth=2, heads=4, hidden=(16, 10)
    ),
    "deep": lambda: DeepConvNet(5, 160, 2, widths=(10, 12, 14, 16), kernel=4, pool=2),
    "eegnet": lambda: EEGNet(7, 128, 3, F1=10, D=2, F2=20, kernel=16, separable_kernel=8),
    "eegnet3d": lambda: EEGNet3D(16, 5, 5, 2, stem=10, head=12),
    "fbccnn": lambda: FBCCNN(4, 5, 5, 2, widths=(10, 12, 14, 16, 14, 12, 10), hidden=(30, 20)),
    "frame_cnn": lambda: FrameCNN(4, 8, 9, 2, widths=(10, 12, 14, 16), hidden=(20, 20)),
    "frame_cnn, squeeze": lambda: FrameCNN(4, 8, 9, 2, widths=(10, 12, 14, 16), hidden=(20, 20), reduction=4),
    "grid_cnn": lambda: GridCNN(4, 5, 5, 2, widths=(10, 20, 10), hidden=20),
    "gru": lambda: RecurrentNet(5, 64, 2, hidden=20),
    "lstm": lambda: RecurrentNet(5, 64, 2, cell="lstm", hidden=20),
    "resnet": lambda: ResNet(3, 16, 16, 2, widths=(10, 12, 14, 16), small=True),
    "shallow": lambda: ShallowConvNet(5, 128, 2, filters=20, kernel=9, pool=20, stride=8),
    "tsception": lambda: TSCeption(6, 128, 2, sfreq=64, n_temporal=10, n_spatial=12, n_fusion=10),
    "tsception, three classes": lambda: TSCeption(6, 200, 3, sfreq=64, n_temporal=10, n_spatial=12, n_fusion=10),
    "vgg16": lambda: VGG16(3, 32, 32, 2, widths=(10,) * 13, hidden=(20, 20)),
}
QUICK = ("ccnn", "fbccnn", "tsception", "eegnet")
SPARSITIES = (0.1, 0.3, 0.8)


@cache
def network_of(name: str) -> Network:
    torch.manual_seed(0)
    model = NETWORKS[name]().eval()
    for layer in model.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, 0, 0.3)
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 1.5)
    return trace(model, torch.randn(2, *model.input_shape))


def plan_for(network: Network, method: str, sparsity: float) -> Plan:
    if method == "nsfp":
        scores = bn_scale(network, axes=axes_of(network, "batch_norm"))
        return keep_top(network, scores, sparsity, scope="threshold")
    saliency = {"lfp": l1, "sfp": l2, "random": random}[method]
    return keep_top(network, saliency(network), sparsity)


def able(name: str, method: str) -> bool:
    return method != "nsfp" or bool(axes_of(network_of(name), "batch_norm"))


def removes(plan: Plan) -> bool:
    return any(len(kept) < plan.sizes[axis] for axis, kept in plan.keep.items())


cases = pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[] if n in QUICK else [pytest.mark.slow]) for n in NETWORKS]
)


@cases
@pytest.mark.parametrize("method", ["lfp", "nsfp", "sfp", "random", "umwp"])
def test_nothing_pruned_is_the_identity(name, method):
    network = network_of(name)
    if not able(name, method):
        pytest.skip(f"{name} has no batch norm")
    if method == "umwp":
        found = mask_weights(network, 0.0).apply(network)
    else:
        plan = plan_for(network, method, 0.0)
        assert not removes(plan)
        off = {"nsfp": scales_off, "sfp": zeroed}.get(method, lambda same, _: same)(network, plan)
        if method == "sfp":
            model = network.module()
            soft_pruning(network, 0.0)(model, 1, 1)
            assert all(torch.equal(t, model.extract().tensors[n]) for n, t in network.tensors.items())
        found = compact(off).network
    x = torch.randn(4, *network.input_shape, generator=torch.Generator().manual_seed(1))
    assert (found(x) - network(x)).abs().max() <= 1e-6
    assert found.n_parameters == network.n_parameters


@cases
@pytest.mark.parametrize("sparsity", SPARSITIES)
@pytest.mark.parametrize("method", ["lfp", "nsfp", "random"])
def test_shrunk_networks_are_their_masked_twins(name, method, sparsity):
    network = network_of(name)
    if not able(name, method):
        pytest.skip(f"{name} has no batch norm")
    plan = plan_for(network, method, sparsity)
    small = shrink(network, plan)
    assert twin_error(network, small, plan, seed=9) <= 1e-5
    other = {a: [(i + 1) % plan.sizes[a] for i in kept] for a, kept in plan.keep.items()}
    wrong = Plan({a: tuple(sorted(k)) for a, k in other.items()}, plan.sizes)
    assert small.n_parameters < network.n_parameters
    if wrong.keep != plan.keep:  # the twin of another plan
        assert twin_error(network, small, wrong, seed=9) > 1e-5


@cases
@pytest.mark.parametrize("sparsity", SPARSITIES)
@pytest.mark.parametrize("method", ["sfp", "nsfp"])
@pytest.mark.parametrize("borders", ["carry", "map"])
def test_compacted_networks_are_the_ones_with_zeros(name, method, sparsity, borders):
    network = network_of(name)
    if not able(name, method):
        pytest.skip(f"{name} has no batch norm")
    plan = plan_for(network, method, sparsity)
    off = (scales_off if method == "nsfp" else zeroed)(network, plan)
    found = compact(off, only=plan, borders=borders)
    assert difference(off, found.network, seed=9) <= 1e-5
    assert difference(network, off) > 1e-6  # not vacuous
    dropped = {a: set(range(plan.sizes[a])) - set(kept) for a, kept in plan.keep.items()}
    gone = {
        a: dropped[a] & (set(range(plan.sizes[a])) - set(found.plan.keep.get(a, range(plan.sizes[a])))) for a in dropped
    }
    stays = {a for a in dropped if dropped[a] - gone[a]}
    assert stays <= {*found.left, *found.carried}  # whatever stays, says so
    if method == "sfp" and not found.left:
        assert len(silent_plan(off).keep) == len(plan.keep)


@cases
@pytest.mark.parametrize("sparsity", SPARSITIES)
def test_masked_weights_are_zero_and_all_others_as_they_were(name, sparsity):
    network = network_of(name)
    masks = mask_weights(network, sparsity)
    masked = masks.apply(network)
    for tensor, value in network.tensors.items():
        want = torch.where(masks.kept[tensor], value, 0.0) if tensor in masks.kept else value
        assert torch.equal(masked.tensors[tensor], want)
    assert masks.removed == int(round(sparsity * masks.n, 6))
    assert difference(network, masked) > 1e-6
