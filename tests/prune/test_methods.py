"""Every method on every network: 0 % is the identity, and the pruned network is its masked twin at 10, 30 and 80 %."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

import pytest
import torch
from sampled import windows_for
from torch import nn

from trimcap._errors import PlanError
from trimcap.graph.network import Network
from trimcap.graph.trace.trace import trace
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
from trimcap.models.build import MODELS
from trimcap.prune.after.compact import compact, difference
from trimcap.prune.after.soft import scales_off, silent_plan, soft_pruning, zeroed
from trimcap.prune.choose.axes_of import axes_of
from trimcap.prune.choose.keep import keep_top
from trimcap.prune.plan import Plan
from trimcap.prune.resize import resize
from trimcap.prune.saliency.by_weights import bn_scale, l1, l2, random
from trimcap.prune.saliency.scores import Scores
from trimcap.prune.saliency.table import SALIENCIES, score
from trimcap.prune.shrink import shrink, twin_error
from trimcap.prune.twin import silence
from trimcap.prune.weights.unstructured import mask_weights

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
#: networks without batch norm: network slimming has no scales there
NO_BATCH_NORM = {"ccnn", "ccnn, three classes, 4×7", "frame_cnn", "frame_cnn, squeeze", "gru", "lstm"}
#: zeroed units of recurrent layers answer with nothing that is constant
NO_CONSTANTS = {"gru", "lstm"}
#: networks of which neither electrodes nor bands can go: kernels of several heights, grids through a 3-D stem
NO_INPUTS = {"eegnet3d", "tsception", "tsception, three classes"}
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


def removes(plan: Plan) -> bool:
    return any(len(kept) < plan.sizes[axis] for axis, kept in plan.keep.items())


def marked(name: str, *more: object, quick: Sequence[str] = QUICK, mark: str = "slow") -> object:
    return pytest.param(name, *more, marks=[] if name in quick else [getattr(pytest.mark, mark)])


def with_methods(*methods: str) -> pytest.MarkDecorator:
    """Every network with every method; without network slimming where there is no batch norm."""
    pairs = [(n, m) for n in NETWORKS for m in methods if m != "nsfp" or n not in NO_BATCH_NORM]
    return pytest.mark.parametrize(("name", "method"), [marked(n, m) for n, m in pairs])


cases = pytest.mark.parametrize("name", [marked(n) for n in NETWORKS])


def test_every_network_is_here():
    """All shipped models, and what is left out is what can't be had."""
    shipped = {"recurrent"} ^ {"gru", "lstm"} ^ set(MODELS)
    assert shipped == {name.partition(",")[0] for name in NETWORKS}
    assert {n for n in NETWORKS if not axes_of(network_of(n), "batch_norm")} == NO_BATCH_NORM
    assert {n for n in NETWORKS if not inputs_of(network_of(n))} == NO_INPUTS


def inputs_of(network: Network) -> list[str]:
    return [axis.name for axis in network.axes.prunable if axis.kind == "input"]


def wrong(plan: Plan) -> Plan:
    """As many slices of every axis, but others."""
    keep = {a: tuple(sorted((i + 1) % plan.sizes[a] for i in kept)) for a, kept in plan.keep.items()}
    assert keep != dict(plan.keep)
    return Plan(keep, plan.sizes)


@with_methods("lfp", "nsfp", "sfp", "random", "umwp")
def test_nothing_pruned_is_the_identity(name, method):
    network = network_of(name)
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


@with_methods("lfp", "nsfp", "random")
@pytest.mark.parametrize("sparsity", SPARSITIES)
def test_shrunk_networks_are_their_masked_twins(name, method, sparsity):
    network = network_of(name)
    plan = plan_for(network, method, sparsity)
    small = shrink(network, plan)
    assert twin_error(network, small, plan, seed=9) <= 1e-5
    assert small.n_parameters < network.n_parameters
    assert twin_error(network, small, wrong(plan), seed=9) > 1e-5  # the twin of another plan


#: options that keep a saliency short on windows of noise
SHORT = {"synflow": {"rounds": 2}, "hrank": {"n_windows": 4}, "chip": {"n_windows": 4}}
#: on which axes a saliency can't be had, by what its message says
REFUSED = {
    "bn_scale": "no batch norm follows",
    "apoz": "is ever zero",
    "hrank": "rank of such a matrix is 0 or 1",
    "wanda": "whose inputs are not seen",
}


@pytest.mark.parametrize(
    ("name", "saliency"), [marked(n, s, quick=("eegnet",), mark="long") for n in NETWORKS for s in SALIENCIES]
)
def test_every_saliency_on_every_network(name, saliency):
    """Nothing removed at 0 %; at 10, 30 and 80 % the masked twin of its plan, and of no other."""
    network = network_of(name)
    windows = windows_for(network.input_shape, n_classes=network.n_classes, n=8)
    scores: dict[str, object] = {}
    for axis in network.axes.hidden:
        try:
            found = score(network, saliency, windows=windows, axes=[axis.name], **SHORT.get(saliency, {}))
        except PlanError as error:
            assert REFUSED.get(saliency, "none is known") in str(error)  # noqa: PT017 - others are scored
        else:
            scores |= found.values
    if not scores:
        assert saliency in REFUSED
        return
    assert not removes(keep_top(network, Scores(scores, saliency), 0.0))
    for sparsity in SPARSITIES:
        plan = keep_top(network, Scores(scores, saliency), sparsity)
        small = shrink(network, plan)
        assert twin_error(network, small, plan, seed=9) <= 1e-5
        assert twin_error(network, small, wrong(plan), seed=9) > 1e-5


@pytest.mark.parametrize("name", [marked(n) for n in NETWORKS if n not in NO_INPUTS])
def test_networks_without_some_of_their_inputs(name):
    """Electrodes and bands: nothing removed is the network; the pruned one reads fewer, and equals its masked twin."""
    network = network_of(name)
    for axis in inputs_of(network):
        scores = l1(network, axes=[axis])
        everything = keep_top(network, scores, 0.0)
        x = torch.randn(4, *network.input_shape, generator=torch.Generator().manual_seed(1))
        assert not removes(everything)
        assert (resize(network, everything)(x) - network(x)).abs().max() <= 1e-6
        for sparsity in SPARSITIES:
            plan = keep_top(network, scores, sparsity)
            if removes(plan):
                small = shrink(network, plan)
                assert small.input_shape[0] == len(plan.keep[axis])
                assert twin_error(network, small, plan, seed=9) <= 1e-5
                assert _reads_other_inputs(network, small, plan, axis) > 1e-5
        assert removes(plan)  # 80 % of every input can go


def _reads_other_inputs(network: Network, small: Network, plan: Plan, axis: str) -> float:
    """The pruned network against the twin of a plan with as many others, by how much windows differ."""
    x = torch.randn(3, *network.input_shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    want = replace(silence(network, wrong(plan)), constraints=()).module().double()(x)
    got = replace(small, constraints=()).module().double()(x[:, list(plan.keep[axis])])
    return float((got - want).abs().max().detach() / (want - want[:1]).abs().max().detach())


@with_methods("sfp", "nsfp")
@pytest.mark.parametrize("sparsity", SPARSITIES)
@pytest.mark.parametrize("borders", ["carry", "map"])
def test_compacted_networks_are_the_ones_with_zeros(name, method, sparsity, borders):
    network = network_of(name)
    plan = plan_for(network, method, sparsity)
    off = (scales_off if method == "nsfp" else zeroed)(network, plan)
    found = compact(off, only=plan, borders=borders)
    assert difference(off, found.network, seed=9) <= 1e-5
    assert difference(network, off) > 1e-6  # not vacuous
    if name not in NO_CONSTANTS:  # without what constants add, it is another network
        assert difference(off, shrink(off, plan), seed=9) > 1e-5
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
