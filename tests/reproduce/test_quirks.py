"""Every published slip, and what it does to a network."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from trimcap._errors import PlanError
from trimcap.data.preprocess.windows.features import differential_entropy
from trimcap.data.windows import Windows
from trimcap.graph.trace.trace import trace
from trimcap.models import CCNN, FBCCNN, TSCeption
from trimcap.prune.after.compact import compact, difference
from trimcap.prune.after.soft import scales_off, silent_plan
from trimcap.prune.choose.axes_of import axes_of
from trimcap.prune.choose.keep import keep_top
from trimcap.prune.resize import resize
from trimcap.prune.saliency.by_weights import l1
from trimcap.prune.shrink import shrink
from trimcap.prune.weights.unstructured import mask_weights
from trimcap.reproduce.features import entropy_of_deviation
from trimcap.reproduce.structured import (
    drop_biases,
    forget_shifts,
    independent_masks,
    lfp_plan,
    nsfp_plan,
    width,
)
from trimcap.reproduce.unstructured import frozen_zeros, three_of_six, umwp_masks, zeroed_count, zeroed_filters
from trimcap.train.fit import fit


def lively(model: nn.Module) -> nn.Module:
    """With batch-norm scales, shifts and statistics as after training."""
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1.0, 0.5)
            nn.init.normal_(layer.bias)
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
    return model.eval()


@pytest.fixture(scope="module")
def tsception():
    torch.manual_seed(0)
    return trace(lively(TSCeption(8, 128, 2, sfreq=64, n_temporal=6, n_spatial=6, n_fusion=6)), torch.randn(2, 8, 128))


@pytest.fixture(scope="module")
def fbccnn():
    torch.manual_seed(0)
    widths = (6, 8, 10, 8, 6, 8, 5)
    return trace(lively(FBCCNN(3, 5, 4, 2, widths=widths, hidden=(8, 6))), torch.randn(2, 3, 5, 4))


@pytest.fixture(scope="module")
def ccnn():
    torch.manual_seed(0)
    return trace(CCNN(3, 5, 5, 2, widths=(6, 8, 10, 4), hidden=12), torch.randn(2, 3, 5, 5))


def windows_like(shape, n=16):
    rng = np.random.default_rng(0)
    metadata = pd.DataFrame({"subject": "s", "session": "1", "trial": "1", "start": np.arange(n, dtype=float)})
    X = rng.standard_normal((n, *shape)).astype(np.float32)
    names = tuple(f"E{i}" for i in range(shape[0]))
    return Windows(X, np.arange(n, dtype=np.int64) % 2, metadata, names, 64.0, ("a", "b"), 2.0)


def test_floor_and_round_keep_other_widths_than_the_core():
    script = {0.1: [58, 115, 230, 58], 0.3: [45, 90, 179, 45], 0.8: [13, 26, 51, 13]}
    for sparsity, wanted in script.items():
        assert [width(n, sparsity, rounding="round") for n in (64, 128, 256, 64)] == wanted
    assert [width(n, 0.8) for n in (64, 128, 256, 64)] == [12, 25, 51, 12]
    assert [width(15, p, rounding="round") for p in (0.1, 0.3, 0.8)] == [14, 10, 3]  # halves to even
    with pytest.raises(ValueError, match="did you mean 'floor'"):
        width(15, 0.1, rounding="flor")


def test_published_lfp_keeps_fewer_filters_than_was_asked_for(ccnn):
    published = lfp_plan(ccnn, 0.3)
    core = keep_top(ccnn, l1(ccnn, axes=axes_of(ccnn, "conv")), 0.3)
    assert all(set(published.keep[a]) <= set(core.keep[a]) for a in core.keep)
    assert sum(map(len, published.keep.values())) < sum(map(len, core.keep.values()))
    assert max(published.achieved().values()) > 0.3 >= max(core.achieved().values()) - 1e-9


def test_dropped_biases_change_the_function_when_nothing_is_pruned(fbccnn, ccnn):
    for network in (fbccnn, ccnn):
        bad = drop_biases(network, seed=5)
        assert difference(network, bad) > 0.01
        changed = {n for n, t in bad.tensors.items() if not torch.equal(t, network.tensors[n])}
        assert changed == {n.args[2].name for n in network.nodes if n.kind == "conv2d"}
        assert torch.equal(bad.tensors[min(changed)], drop_biases(network, seed=5).tensors[min(changed)])


@pytest.mark.parametrize("sparsity", [0.1, 0.3, 0.8])
def test_independent_masks_scramble_coupled_channels(tsception, sparsity):
    plan = lfp_plan(tsception, sparsity, rounding="round")
    right, bad = shrink(tsception, plan), independent_masks(tsception, sparsity)
    assert {n: t.shape for n, t in right.tensors.items()} == {n: t.shape for n, t in bad.tensors.items()}
    assert difference(right, bad) > 0.01
    assert difference(tsception, independent_masks(tsception, 0.0)) == 0


def test_independent_masks_are_right_where_nothing_is_coupled(ccnn, tsception):
    assert difference(independent_masks(ccnn, 0.3), resize(ccnn, lfp_plan(ccnn, 0.3, rounding="round"))) == 0
    # and where all layers of a group agree
    size = torch.arange(1.0, 7.0)
    tensors = {}
    for name, tensor in tsception.tensors.items():
        rows = tensor.ndim == 4 or name.endswith("norm.weight")
        tensors[name] = (tensor.sign() * size[: len(tensor)].reshape(-1, *[1] * (tensor.ndim - 1))) if rows else tensor
    agreeing = tsception.with_tensors(tensors)
    plan = lfp_plan(agreeing, 0.3, rounding="round")
    assert difference(shrink(agreeing, plan), independent_masks(agreeing, 0.3)) <= 1e-12


def test_forgotten_shifts_cost_what_the_core_keeps(fbccnn):
    plan = nsfp_plan(fbccnn, 0.3)
    off = scales_off(fbccnn, plan)
    assert difference(off, forget_shifts(fbccnn, plan)) > 0.01
    assert difference(off, compact(off, only=plan).network) <= 1e-6
    # a constant that is never read is all that was lost: with β = 0 both agree
    flat = fbccnn.with_tensors(
        {n: torch.zeros_like(t) if n.endswith("2.bias") else t for n, t in fbccnn.tensors.items()}
    )
    assert difference(scales_off(flat, plan), forget_shifts(flat, plan)) <= 1e-6


def test_nsfp_without_a_guard_empties_a_layer(fbccnn):
    scales = {n.args[1].name for n in fbccnn.nodes if n.kind == "batch_norm"}
    first = min(scales)
    weak = fbccnn.with_tensors({n: t * (1e-3 if n == first else 1) for n, t in fbccnn.tensors.items()})
    with pytest.raises(PlanError, match=r"without a channel at 0\.5; set guard=True"):
        nsfp_plan(weak, 0.5, guard=False)
    assert min(len(kept) for kept in nsfp_plan(weak, 0.5).keep.values()) == 1


def test_published_umwp_removes_one_weight_at_zero_percent(ccnn):
    assert umwp_masks(ccnn, 0.0).removed == 1
    assert mask_weights(ccnn, 0.0, layers=("conv",)).removed == 0
    ties = ccnn.with_tensors({n: torch.ones_like(t) for n, t in ccnn.tensors.items()})
    assert umwp_masks(ties, 0.3).sparsity == 1.0  # |w| > θ removes all equals
    assert mask_weights(ties, 0.3, layers=("conv",)).sparsity == pytest.approx(0.3, abs=1e-3)


def test_three_of_six_leave_coupled_convolutions_alone(tsception, ccnn):
    names = three_of_six(tsception)
    assert names == ["temporal.0.0.weight", "temporal.2.0.weight", "whole.0.weight"]
    soft = zeroed_filters(tsception, 0.5, tensors=names)
    changed = {n for n, t in soft.tensors.items() if not torch.equal(t, tsception.tensors[n])}
    assert changed == set(names)
    # no channel of the temporal group can be removed, as the second convolution still makes all of them
    group = axes_of(tsception, "conv")[0]
    assert len(silent_plan(soft).keep[group]) == tsception.axes[group].size
    with pytest.raises(PlanError, match="about TSCeption and its six convolutions"):
        three_of_six(ccnn)


def test_zeroed_filters_take_each_convolution_by_itself(tsception):
    assert [zeroed_count(n, 0.1) for n in (12, 15, 32, 64, 128, 256)] == [1, 1, 3, 6, 12, 25]
    assert [zeroed_count(n, 0.8) for n in (12, 15, 32, 64, 128, 256)] == [9, 12, 25, 51, 102, 204]
    soft = zeroed_filters(tsception, 0.5)
    gone = [
        frozenset(torch.nonzero(t.flatten(1).eq(0).all(1)).flatten().tolist())
        for n, t in soft.tensors.items()
        if n.startswith("temporal.") and t.ndim == 4
    ]
    assert [len(g) for g in gone] == [3, 3, 3]
    assert len(set(gone)) > 1
    with pytest.raises(PlanError, match="did you mean 'whole"):
        zeroed_filters(tsception, 0.5, tensors=["wholes.0.weight"])


def test_zeros_by_value_freeze_live_weights_and_let_removed_ones_grow(ccnn):
    """An exact zero that was never removed stays for ever; a removed weight that anything moves comes back."""
    windows = windows_like((3, 5, 5))
    name = "blocks.0.1.weight"
    masks = mask_weights(ccnn, 0.5, layers=("conv",))
    kept = torch.nonzero(masks.kept[name])[0].tolist()
    start = dict(masks.apply(ccnn).tensors)
    start[name] = start[name].clone()
    start[name][tuple(kept)] = 0.0
    network = ccnn.with_tensors(start)
    options = {"epochs": 2, "batch_size": 8, "learning_rate": 0.01}
    by_value = fit(network.module(), windows, **options, gradient_hooks=[frozen_zeros()]).model.extract()
    by_mask = fit(network.module(), windows, **options, masks=masks).model.extract()
    assert by_value.tensors[name][tuple(kept)] == 0
    assert by_mask.tensors[name][tuple(kept)] != 0

    def jolt(model, _epoch, step):
        if step == 1:  # one update that is no gradient's
            model.tensor(name).data.add_(1e-3)

    grown = fit(network.module(), windows, **options, gradient_hooks=[frozen_zeros()], hooks=[jolt]).model.extract()
    held = fit(network.module(), windows, **options, masks=masks, hooks=[jolt]).model.extract()
    assert (grown.tensors[name][~masks.kept[name]] != 0).all()
    assert not held.tensors[name][~masks.kept[name]].any()
    with pytest.raises(TypeError, match="trace the model first"):
        frozen_zeros()(nn.Linear(2, 2), 1, 1)


def test_entropy_of_deviation_halves_every_difference():
    raw = windows_like((4, 128))
    right = differential_entropy(raw, bands={"alpha": (8, 14), "beta": (14, 30)})
    bad = entropy_of_deviation(right)
    sigma = np.exp(right.X.astype(np.float64)) / np.sqrt(2 * np.pi * np.e)
    assert np.allclose(bad.X, 0.5 * np.log2(2 * np.pi * np.e * sigma), atol=1e-5)
    in_bits = right.X / np.log(2)
    assert np.allclose(bad.X - bad.X[0], (in_bits - in_bits[0]) / 2, atol=1e-5)
    assert bad.unit == "bit"
    assert "as published" in bad.steps[-1]
    with pytest.raises(ValueError, match="in nat, got 'µV'"):
        entropy_of_deviation(raw)
