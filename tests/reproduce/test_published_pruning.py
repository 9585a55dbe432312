"""Every printed LFP, UMWP and SFP number, through the functions that prune."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest
import torch

from trimcap.graph.network import Network
from trimcap.graph.trace.trace import trace
from trimcap.models import CCNN, FBCCNN, TSCeption
from trimcap.prune.after.soft import zeroed
from trimcap.prune.choose.axes_of import axes_of
from trimcap.prune.choose.keep import keep_top
from trimcap.prune.saliency.by_weights import l2
from trimcap.prune.shrink import shrink
from trimcap.prune.weights.unstructured import mask_weights, weights_of
from trimcap.reproduce.counting import published_counts
from trimcap.reproduce.structured import lfp_plan, nsfp_plan
from trimcap.reproduce.unstructured import three_of_six, umwp_masks, zeroed_filters

GOLDEN = json.loads((Path(__file__).parents[1] / "models" / "golden_costs.json").read_text())["eeg_pruning"]


def rows(*methods: str) -> list:
    found = [row for row in GOLDEN if row["method"] in methods]
    return [pytest.param(row, id=f"{row['model']}-{row['method']}-{row['ratio_percent']}") for row in found]


@cache
def dense(model: str) -> Network:
    torch.manual_seed(1)
    made = {"CCNN": CCNN, "FBCCNN": FBCCNN}[model](4, 9, 9, 2) if model != "TSCeption" else TSCeption(28, 512, 2)
    return trace(made, torch.randn(2, *made.input_shape))


def check(network: Network, row) -> None:
    found = published_counts(network)
    assert found.parameters == row["params"]
    assert network.n_parameters == row["params_total"]
    if row["flops"] is not None:
        assert (found.macs, found.flops) == (row["macs"], row["flops"])
    if row["published"] and row["published"]["params_M"] is not None:
        assert round(found.parameters / 1e6, 3) == row["published"]["params_M"]
        if row["flops"] is not None:
            assert round(found.flops / 1e8, 2) == row["published"]["flops_1e8"]


@pytest.mark.parametrize("row", rows("none"))
def test_dense(row):
    if row["classes"] == 2 and row["model"] != "R2Model":
        check(dense(row["model"]), row)


@pytest.mark.parametrize("row", rows("LFP"))
def test_lfp(row):
    network = dense(row["model"])
    plan = lfp_plan(network, row["ratio_percent"] / 100, rounding="round" if row["model"] == "TSCeption" else "floor")
    small = shrink(network, plan)
    widths = [small.shape_of(name)[0] for name in weights_of(small, ("conv",))]
    config = row["config"]
    if row["model"] == "TSCeption":
        assert widths == [config["T"]] * 3 + [config["S"]] * 2 + [config["fusion"]]
    else:
        assert widths == config["conv_widths"]
    check(small, row)


@pytest.mark.parametrize("row", rows("UMWP"))
def test_umwp(row):
    network, sparsity = dense(row["model"]), row["ratio_percent"] / 100
    masks = umwp_masks(network, sparsity)
    assert (masks.n, masks.n - masks.removed) == tuple(row["config"].values())
    check(masks.apply(network), row)
    # the core removes one weight less, which is what was asked for
    core = mask_weights(network, sparsity, layers=("conv",))
    assert core.removed == masks.removed - 1 == row["ratio_percent"] * masks.n // 100
    assert all(not (masks.kept[n] & ~core.kept[n]).any() for n in masks.kept)


@pytest.mark.parametrize("row", rows("SFP", "SFP-all-six"))
def test_sfp(row):
    network, sparsity = dense(row["model"]), row["ratio_percent"] / 100
    three = row["model"] == "TSCeption" and row["method"] == "SFP"
    soft = zeroed_filters(network, sparsity, tensors=three_of_six(network) if three else None)
    names = weights_of(network, ("conv",))
    counts = [int(soft.tensors[n].flatten(1).eq(0).all(1).sum()) for n in names]
    config = row["config"]["zeroed_filters"]
    assert counts == (list(config.values()) if isinstance(config, dict) else config)
    check(soft, row)
    if not three:  # one mask per axis zeroes as many, in coupled layers the same ones
        plan = keep_top(network, l2(network, axes=axes_of(network, "conv")), sparsity)
        check(zeroed(network, plan), row)


@pytest.mark.parametrize("row", rows("NSFP"))
def test_nsfp(row):
    network = dense(row["model"])
    generator = torch.Generator().manual_seed(0)
    scales = {n for node in network.nodes if node.kind == "batch_norm" for n in [node.args[1].name]}
    network = network.with_tensors(
        {n: torch.rand(t.shape, generator=generator) + 0.5 if n in scales else t for n, t in network.tensors.items()}
    )
    plan = nsfp_plan(network, row["ratio_percent"] / 100)
    assert sum(plan.sizes.values()) == row["config"]["scales_total"]
    assert sum(plan.sizes[a] - len(k) for a, k in plan.keep.items()) == row["config"]["scales_removed"]
    assert published_counts(shrink(network, plan)).parameters < published_counts(network).parameters
