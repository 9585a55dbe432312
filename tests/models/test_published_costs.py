"""Networks of the published studies: parameters, FLOPs and MACs as printed, from `golden_costs.json`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from trimcap.graph.price import price
from trimcap.graph.trace.trace import trace
from trimcap.models import CCNN, FBCCNN, VGG16, EEGNet3D, FrameCNN, ResNet, TSCeption
from trimcap.reproduce.counting import published_flops

GOLDEN = json.loads((Path(__file__).parent / "golden_costs.json").read_text())
DENSE = [row for row in GOLDEN["eeg_pruning"] if row["method"] in ("none", "LFP")]


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def model_of(row) -> tuple[nn.Module, tuple[int, ...]]:
    config, classes, shape = row["config"], row["classes"], tuple(row["input_shape"])
    if row["model"] == "TSCeption":
        sizes = {"n_temporal": config["T"], "n_spatial": config["S"], "n_fusion": config["fusion"]}
        return TSCeption(*shape[1:], classes, **sizes), shape[1:]
    if row["model"] == "R2Model":
        return FrameCNN(*shape, classes, widths=config["conv_widths"], hidden=config["linear_widths"]), shape
    maker = {"CCNN": CCNN, "FBCCNN": FBCCNN}[row["model"]]
    return maker(*shape, classes, widths=config["conv_widths"]), shape


@pytest.mark.parametrize(
    "row", DENSE, ids=lambda r: f"{r['model']}-{r['input_shape']}-{r['classes']}-{r['ratio_percent']}"
)
def test_parameters_flops_and_macs_are_the_published_ones(row):
    torch.manual_seed(0)
    model, shape = model_of(row)
    assert parameters(model) == row["params"] == row["params_total"]
    found = trace(model, torch.randn(2, *shape))
    assert (found.n_parameters, price(found).macs, published_flops(found)) == (row["params"], row["macs"], row["flops"])
    if row["classes"] == 2 and row["published"]:  # for three classes the tables repeat the size of two
        assert round(found.n_parameters / 1e6, 3) == row["published"]["params_M"]


@pytest.mark.parametrize("row", GOLDEN["two_stage_eegnet"], ids=lambda r: r["size"])
def test_eegnet3d_meets_the_budgets(row):
    ours = row["reconstruction"]
    frames, rows, columns = ours["input_shape"][1:]
    model = EEGNet3D(frames, rows, columns, ours["classes"], size=row["size"]).eval()
    assert parameters(model) == ours["params"]
    assert abs(parameters(model) / row["published"]["params"] - 1) < 0.01
    assert price(trace(model, torch.randn(2, frames, rows, columns))).macs == ours["macs"]


def test_vgg16_of_the_d_score_paper():
    golden = GOLDEN["vgg16_cifar10"]
    model = VGG16(3, 32, 32, 10).eval()
    statistics = sum(2 * m.num_features for m in model.modules() if isinstance(m, nn.BatchNorm2d | nn.BatchNorm1d))
    assert parameters(model) + statistics == golden["params"]
    assert price(trace(model, torch.randn(2, 3, 32, 32))).macs == golden["macs"]


@pytest.mark.parametrize("row", GOLDEN["vgg16_cifar10"]["inferred"], ids=lambda r: r["method"])
def test_vgg16_at_the_inferred_widths(row):
    model = VGG16(3, 32, 32, 10, widths=row["conv_widths"], hidden=row["linear_widths"]).eval()
    statistics = sum(2 * m.num_features for m in model.modules() if isinstance(m, nn.BatchNorm2d | nn.BatchNorm1d))
    assert parameters(model) + statistics == row["params"]
    assert price(trace(model, torch.randn(2, 3, 32, 32))).macs == row["macs"]


@pytest.mark.parametrize(("depth", "count"), [(18, 11_689_512), (34, 21_797_672), (50, 25_557_032)])
def test_resnets_have_their_published_parameters(depth, count):
    with torch.device("meta"):
        assert parameters(ResNet(3, 224, 224, 1000, depth=depth)) == count
