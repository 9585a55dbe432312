"""VGG-16 of the D-Score paper at its inferred ratios, pruned by the functions that prune, against the printed table."""

from __future__ import annotations

import json
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from trimcap.graph.network import Network
from trimcap.graph.price import price
from trimcap.graph.trace.trace import trace
from trimcap.models import VGG16, ResNet
from trimcap.prune.choose.axes_of import axes_of
from trimcap.prune.choose.ratios import plan_from, ratios_for
from trimcap.prune.choose.sensitivity import Curve, Sensitivity
from trimcap.prune.plan import Plan
from trimcap.prune.resize import resize
from trimcap.prune.saliency.by_weights import d_score, d_step, d_step_gm, l1
from trimcap.prune.shrink import shrink

GOLDEN = json.loads((Path(__file__).parents[1] / "models" / "golden_costs.json").read_text())["vgg16_cifar10"]
CURVES = json.loads((Path(__file__).parent / "golden_sensitivity.json").read_text())
SALIENCIES = {"D-Score": d_score, "D-Step": d_step, "D-Step GM": d_step_gm}
ROWS = [
    pytest.param(row, id=row["method"], marks=[pytest.mark.slow] * (row["method"] == "D-Step GM"))
    for row in GOLDEN["inferred"]
]
PRINTED = {row["method"]: row for row in GOLDEN["published"]}
#: how much of the two dense layers goes; nothing of it is printed, but without it the printed parameters are impossible
DENSE = 80
#: the whole network's MACs, which the paper does not say it means: where they are not within half a point of the table
BEYOND = {("D-Step", 0): 0.53, ("D-Step GM", DENSE): 0.86}


@cache
def whole() -> Network:
    torch.manual_seed(0)
    return trace(VGG16(3, 32, 32, 10).eval(), torch.randn(2, 3, 32, 32))


@cache
def plan_at(method: str, dense: int) -> Plan:
    """The inferred ratios of the thirteen convolutions, and one for both dense layers."""
    network = whole()
    percents = next(row for row in GOLDEN["inferred"] if row["method"] == method)["ratios_percent"]
    ratios = dict(zip(axes_of(network, "conv"), (p / 100 for p in percents), strict=True))
    if dense:
        ratios |= dict.fromkeys(axes_of(network, "linear"), dense / 100)
    return plan_from(network, SALIENCIES[method](network, axes=list(ratios)), ratios)


def as_printed(network: Network) -> int:
    """Parameters as Keras counts them: with the running statistics of batch norm."""
    buffers = [node.args[i].name for node in network.nodes if node.kind == "batch_norm" for i in (3, 4)]
    return network.n_parameters + sum(network.tensors[name].numel() for name in buffers)


def conv_macs(network: Network) -> int:
    return price(network).macs - sum(
        network.tensors[node.args[1].name].numel() for node in network.nodes if node.kind == "linear"
    )


def reduction(small: float, large: float) -> float:
    return 100 * (1 - small / large)


def test_whole_network():
    assert as_printed(whole()) == GOLDEN["params"]
    assert price(whole()).macs == GOLDEN["macs"]
    assert conv_macs(whole()) == GOLDEN["macs_conv_only"]


def digitised(curves: dict[str, list[float]], *, whole: float = 0.93) -> Sensitivity:
    """Curves at 10, 20, … 90 % read off the paper's figures, and halfway between."""
    found = {}
    for name, values in curves.items():
        steps = [whole, *values]
        fine = [v for a, b in pairwise(steps) for v in ((a + b) / 2, b)]
        percents = tuple(5.0 * i for i in range(1, len(fine) + 1))
        # the figures are good to ±0.001: what is 0.9 but for rounding is 0.9
        found[name] = Curve(
            100, tuple(range(100)), percents, tuple(map(int, percents)), tuple(round(v, 9) for v in fine)
        )
    return Sensitivity(found, whole, "accuracy", "published", "one_shot", 10_000)


@pytest.mark.slow
def test_resnet_50_of_the_published_figure():
    """Stem and the first two convolutions of every block: 53.64 % of the FLOPs at 0.7225, 14.78 % between targets."""
    network = trace(ResNet(3, 224, 224, 1000, depth=50).eval(), torch.randn(2, 3, 224, 224))
    axes = ["stem.0", *(f"blocks.{block}.layers.{layer}" for block in range(16) for layer in (0, 3))]
    curves = dict(zip(axes, CURVES["resnet50_imagenet"].values(), strict=True))
    scores, whole = l1(network, axes=axes), price(network).macs

    def gone(target: float) -> float:
        plan = plan_from(network, scores, ratios_for(digitised(curves, whole=0.737), target=target))
        return reduction(price(resize(network, plan)).macs, whole)

    assert abs(gone(0.7225) - 53.64) <= 0.5
    assert gone(0.735) < 14.78 < gone(0.733)


@pytest.mark.parametrize("row", GOLDEN["inferred"], ids=lambda r: r["method"])
def test_ratios_of_the_published_figures(row):
    """From the curves of Figure 2 at the target 0.9 to the ratios of all thirteen layers."""
    ratios = ratios_for(digitised(CURVES["vgg16_cifar10"][row["method"]]), target=0.9)
    assert [round(100 * r) for r in ratios.values()] == row["ratios_percent"]
    other = ratios_for(digitised(CURVES["vgg16_cifar10"][row["method"]]), target=0.89)
    assert [round(100 * r) for r in other.values()] != row["ratios_percent"]


@pytest.mark.parametrize("row", ROWS)
def test_flops_reduction_is_the_printed_one_within_half_a_point(row):
    """Of the convolutions, as the paper counts layers; the dense layers whole."""
    small = resize(whole(), plan_at(row["method"], 0))
    assert [small.axes[a].size for a in axes_of(small, "conv")] == row["conv_widths"]
    assert (as_printed(small), price(small).macs) == (row["params"], row["macs"])
    printed = PRINTED[row["method"]]["flops_reduction_percent"]
    assert abs(reduction(conv_macs(small), GOLDEN["macs_conv_only"]) - printed) <= 0.5
    assert off(small, row["method"], 0)


@pytest.mark.parametrize("row", ROWS)
def test_parameters_reduction_is_the_printed_one_if_dense_layers_go_too(row):
    """With the convolutions alone about 73 % go, not the printed 87 %; with 80 % of both dense layers they do."""
    printed = PRINTED[row["method"]]
    convolutions = resize(whole(), plan_at(row["method"], 0))
    assert reduction(as_printed(convolutions), GOLDEN["params"]) < printed["params_reduction_percent"] - 13
    small = resize(whole(), plan_at(row["method"], DENSE))
    assert [small.axes[a].size for a in axes_of(small, "linear")] == [820, 103]
    assert abs(reduction(as_printed(small), GOLDEN["params"]) - printed["params_reduction_percent"]) <= 0.5
    assert conv_macs(small) < conv_macs(whole())
    assert abs(reduction(conv_macs(small), GOLDEN["macs_conv_only"]) - printed["flops_reduction_percent"]) <= 0.5
    assert off(small, row["method"], DENSE)


def off(small: Network, method: str, dense: int) -> bool:
    """Whether the whole network's MACs are as far from the printed reduction as is known."""
    difference = abs(reduction(price(small).macs, GOLDEN["macs"]) - PRINTED[method]["flops_reduction_percent"])
    known = BEYOND.get((method, dense))
    return difference <= 0.5 if known is None else difference == pytest.approx(known, abs=0.01)


def test_half_a_point_is_less_than_one_step_of_one_layer():
    """Twin: 5 % more of the second convolution alone, and the row is missed."""
    network = whole()
    ratios = dict(plan_at("D-Score", 0).requested)
    second = axes_of(network, "conv")[1]
    other = ratios | {second: ratios[second] + 0.05}
    scores = d_score(network, axes=list(other))
    small = resize(network, plan_from(network, scores, other))
    printed = PRINTED["D-Score"]["flops_reduction_percent"]
    assert abs(reduction(conv_macs(small), GOLDEN["macs_conv_only"]) - printed) > 0.5


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS)
def test_pruned_for_real_with_its_twin(row):
    """The same through `shrink`, which compares the network with its masked twin."""
    plan = plan_at(row["method"], 0)
    small = shrink(whole(), plan)
    assert [small.axes[a].size for a in axes_of(small, "conv")] == row["conv_widths"]
    assert price(small).macs == row["macs"]
    assert small(torch.randn(2, 3, 32, 32)).shape == (2, 10)
