"""Plans from scores: counts, ties, budgets and messages."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from trimcap._errors import PlanError
from trimcap.graph.trace.trace import trace
from trimcap.program.cost import deployed_cost
from trimcap.prune.choose.keep import keep_electrodes, keep_top, keep_within, size
from trimcap.prune.plan import removed_count
from trimcap.prune.saliency.by_weights import l1
from trimcap.prune.saliency.scores import Scores
from trimcap.prune.shrink import shrink
from trimcap.prune.weights.unstructured import mask_weights
from zoo import build


@pytest.fixture(scope="module")
def network():
    model, x = build("grid")
    return trace(model, x)


@pytest.fixture(scope="module")
def eegnet():
    model, x = build("depth multiplier 2")
    return trace(model, x, channels=("Fp1", "Fp2", "C3", "C4", "P3", "P4", "O1", "O2"))


def test_removes_exactly_the_floor(network):
    plan = keep_top(network, l1(network), 0.3)
    assert {n: len(k) for n, k in plan.keep.items()} == {"1": 12 - 3, "3": 20 - 6, "7": 32 - 9}
    assert plan.requested == {"1": 0.3, "3": 0.3, "7": 0.3}
    assert plan.achieved()["1"] == pytest.approx(3 / 12)


def test_count_is_safe_against_rounding():
    assert removed_count(0.29, 100) == 29  # 0.29 · 100 = 28.999999999999996
    assert removed_count(0.58, 50) == 29
    assert [removed_count(p / 100, 64) for p in range(100)] == [p * 64 // 100 for p in range(100)]


def test_keeps_the_highest_and_drops_the_lower_index_of_a_tie(network):
    values = np.array([3.0, 1, 1, 5, 1, 9, 9, 9, 9, 9, 9, 9])
    plan = keep_top(network, Scores({"1": values}, "mine"), 2 / 12)
    assert plan.keep["1"] == (0, 3, 4, 5, 6, 7, 8, 9, 10, 11)


def test_global_scope_pools_axes_and_respects_the_minimum(network):
    scores = Scores({"1": np.r_[np.full(6, 0.01), np.full(6, 2.0)], "3": np.ones(20), "7": np.ones(32)}, "mine")
    plan = keep_top(network, scores, 6 / 64, scope="global")
    assert {n: len(k) for n, k in plan.keep.items()} == {"1": 6, "3": 20, "7": 32}
    assert plan.keep["1"] == tuple(range(6, 12))
    everything = keep_top(network, scores, 0.99, scope="global", at_least=2)
    assert min(len(k) for k in everything.keep.values()) == 2


def test_at_least_and_multiple_of(network):
    plan = keep_top(network, l1(network), 0.97, at_least=3)
    assert {n: len(k) for n, k in plan.keep.items()} == {"1": 3, "3": 3, "7": 3}
    plan = keep_top(network, l1(network), 0.5, multiple_of=8)
    assert {n: len(k) for n, k in plan.keep.items()} == {"1": 8, "3": 16, "7": 16}


@pytest.mark.parametrize("sparsity", [-0.1, 1.0, 1.5, float("nan")])
def test_sparsity_outside_the_range(network, sparsity):
    with pytest.raises(ValueError, match="0 ≤ sparsity < 1"):
        keep_top(network, l1(network), sparsity)


@pytest.mark.parametrize("sparsity", ["0.5", None, [0.5]])
def test_sparsity_that_is_no_number(network, sparsity):
    message = r"sparsity is the fraction removed, a number such as 0.5, got "
    with pytest.raises(TypeError, match=message):
        keep_top(network, l1(network), sparsity)
    with pytest.raises(TypeError, match=message):
        mask_weights(network, sparsity)
    assert keep_top(network, l1(network), np.float32(0.5)).keep == keep_top(network, l1(network), 0.5).keep


def test_unknown_scope(network):
    with pytest.raises(ValueError, match="did you mean 'global'"):
        keep_top(network, l1(network), 0.5, scope="globl")


def test_budget_is_met_with_the_least_sparsity(network):
    before = deployed_cost(network)
    limit = before.macs // 3
    plan = keep_within(network, l1(network), macs=limit)
    assert deployed_cost(shrink(network, plan)).macs <= limit
    weaker = keep_top(network, l1(network), min(plan.achieved().values()) - 0.06)
    assert deployed_cost(shrink(network, weaker)).macs > limit


def test_budget_of_sram_and_flash(eegnet):
    now = deployed_cost(eegnet)
    plan = keep_within(eegnet, l1(eegnet), sram=int(now.sram_bytes * 0.7), flash="1.5 KiB")
    small = deployed_cost(shrink(eegnet, plan))
    assert small.sram_bytes <= now.sram_bytes * 0.7
    assert small.flash_bytes <= 1536


def test_unreachable_budget_says_the_nearest(network):
    with pytest.raises(PlanError, match=r"meets sram ≤ 100 at 8 bits; the nearest reachable is sram \d+"):
        keep_within(network, l1(network), sram=100)


def test_budget_that_is_met_already(network):
    with pytest.raises(PlanError, match="meets the budget already"):
        keep_within(network, l1(network), flash="10 MiB")
    with pytest.raises(ValueError, match="needs a budget"):
        keep_within(network, l1(network))
    with pytest.raises(TypeError, match="macs is a number of multiply-accumulates, such as 100_000, got '12k'"):
        keep_within(network, l1(network), macs="12k")


def test_electrodes_by_name_and_by_number(eegnet):
    assert keep_electrodes(eegnet, ["c4", "O1"]).keep == {"electrodes": (3, 6)}
    scores = l1(eegnet, axes=["electrodes"])
    best = keep_electrodes(eegnet, 3, scores=scores).keep["electrodes"]
    assert set(best) == set(np.argsort(scores.values["electrodes"])[-3:].tolist())
    assert shrink(eegnet, keep_electrodes(eegnet, ["C4", "O1"])).channels == ("C4", "O1")


def test_electrode_messages(eegnet, network):
    with pytest.raises(PlanError, match="unknown electrode 'Fp3'; did you mean"):
        keep_electrodes(eegnet, ["Fp3"])
    with pytest.raises(PlanError, match="cannot keep 9 of 8"):
        keep_electrodes(eegnet, 9, scores=l1(eegnet, axes=["electrodes"]))
    with pytest.raises(PlanError, match="does not know its electrode names"):
        keep_electrodes(network, ["C3"])


@pytest.mark.parametrize(
    ("text", "value"), [("64 KiB", 65536), ("64kB", 64000), ("1.5 MiB", 1572864), (77, 77), ("9", 9)]
)
def test_sizes(text, value):
    assert size(text) == value


def test_unreadable_size():
    with pytest.raises(ValueError, match="cannot read the size 'lots'"):
        size("lots")


@pytest.mark.parametrize("wrong", ["-3 KiB", "0", 0, -1, "inf"])
def test_a_budget_is_above_0(wrong):
    with pytest.raises(ValueError, match=r"must be above 0 bytes|cannot read the size"):
        size(wrong)


def test_a_budget_is_searched_to_one_slice_an_axis():
    """Above 99 % a wide axis still has slices to give: 6,000 was refused, although 5,000 can be had."""
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(40, 400), torch.nn.ReLU(), torch.nn.Linear(400, 2))
    wide = trace(model, torch.randn(2, 4, 10))
    fixed = l1(wide)
    for scope in ("axis", "global", "threshold"):
        assert len(keep_within(wide, fixed, macs=42, scope=scope).keep["1"]) == 1
    assert len(keep_within(wide, fixed, macs=2 * 42).keep["1"]) == 2
    with pytest.raises(PlanError, match="the nearest reachable is macs 42"):
        keep_within(wide, fixed, macs=41)


def test_what_may_grow_with_sparsity_is_not_halved(network):
    """A cost that falls, rises and falls again: the first plan that fits is found, and the nearest is told."""
    whole = deployed_cost(network)
    sizes = {}

    def measure(small):
        left = small.tensors["7.weight"].shape[0]
        sizes[left] = {30: 50, 31: 60, 29: 90, 3: 40, 2: 45}.get(left, 100)
        return replace(whole, sram_bytes=sizes[left])

    scores = l1(network, axes=["7"])
    assert len(keep_within(network, scores, sram=50, measure=measure).keep["7"]) == 30
    assert len(keep_within(network, scores, sram=45, measure=measure).keep["7"]) == 3
    with pytest.raises(PlanError, match="the nearest reachable is sram 40"):
        keep_within(network, scores, sram=39, measure=measure)
    assert len(sizes) == 32  # every size once
