"""Masks beside everything else that happens to a network: bounds, clipping, statistics, surgery, rewrites, integers."""

from __future__ import annotations

import numpy as np
import pytest
from sampled import windows_for
from torch.nn.utils import clip_grad_norm_

from trimcap._errors import PlanError
from trimcap.graph.rewrite.rewrite import rewrite
from trimcap.graph.trace.trace import trace
from trimcap.program.lower.lower import lower
from trimcap.prune.after.compact import difference
from trimcap.prune.choose.keep import keep_top
from trimcap.prune.saliency.by_weights import l1
from trimcap.prune.shrink import shrink
from trimcap.prune.weights.unstructured import mask_weights
from trimcap.quantize.quantize import quantize
from trimcap.train.fit import fit
from trimcap.train.re_estimate import re_estimate_batch_norm
from zoo import build

NAMES = ["max-norm", "residual", "weight norm", "grid"]


def masked(name, sparsity=0.6):
    network = trace(*build(name))
    masks = mask_weights(network, sparsity)
    return masks.apply(network), masks


def regrown(network, masks):
    return sum(int((network.tensors[n][~kept] != 0).sum()) for n, kept in masks.kept.items())


def clipped(model, epoch, step):
    clip_grad_norm_(model.parameters(), 0.1)


@pytest.mark.parametrize("name", NAMES)
def test_bounds_clipping_and_decay_leave_removed_weights_at_zero(name):
    network, masks = masked(name)
    windows = windows_for(network.input_shape, n=16)
    options = {"epochs": 3, "batch_size": 8, "learning_rate": 0.05, "weight_decay": 0.1, "gradient_hooks": [clipped]}
    found = fit(network.module(), windows, masks=masks, **options).model.extract()
    assert regrown(found, masks) == 0
    for rule in found.constraints:
        if rule.kind == "max_norm":
            assert (found.tensors[rule.tensor].flatten(1).norm(dim=1) <= rule.value + 1e-5).all()
    assert regrown(fit(network.module(), windows, **options).model.extract(), masks) > masks.removed / 2
    again = re_estimate_batch_norm(found, windows)
    assert regrown(again, masks) == 0


def test_masks_do_not_fit_once_slices_are_gone():
    network, masks = masked("grid")
    small = shrink(network, keep_top(network, l1(network), 0.5))
    windows = windows_for(network.input_shape, n=8)
    says = "but the mask was made for .* make masks for the network as it is now"
    with pytest.raises(PlanError, match=says):
        fit(small.module(), windows, epochs=1, masks=masks)
    with pytest.raises(PlanError, match=says):
        masks.apply(small)
    with pytest.raises(PlanError, match=says):
        mask_weights(small, 0.7, within=masks)
    # the other way round: zeros stay zeros in the weights that are left
    zeros = sum(int((t == 0).sum()) for n, t in small.tensors.items() if n in masks.kept)
    assert zeros > 0.4 * sum(small.tensors[n].numel() for n in masks.kept)


@pytest.mark.parametrize("name", ["depth multiplier 2", "residual", "separable", "grid"])
def test_rewrites_are_exact_with_zeros_and_masks_still_hold_or_are_refused(name):
    network, masks = masked(name)
    found = rewrite(network).network
    assert difference(network, found) <= 1e-6
    try:
        again = masks.apply(found)
    except PlanError as error:
        assert "unknown tensor" in str(error) or "was made for" in str(error)  # noqa: PT017 - either is right
    else:
        assert difference(found, again) <= 1e-6


@pytest.mark.parametrize("name", ["depth multiplier 2", "grid"])
def test_removed_weights_are_zero_in_integers_too(name):
    network, masks = masked(name)
    windows = windows_for(network.input_shape, n=16)
    share = []
    for each in (masks.apply(network), trace(*build(name))):
        program = quantize(lower(each, name="network", classes=windows.classes), windows)
        weights = [c for c in program.constants.values() if np.asarray(c).dtype == np.int8]
        share.append(sum(int((w == 0).sum()) for w in weights) / masks.n)
    assert share[0] >= masks.sparsity  # each one, and those that round to zero
    assert share[1] < 0.5 * masks.sparsity
