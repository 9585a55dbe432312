"""Rounds of pruning: spacing, and counts that refer to the network before the first round."""

from __future__ import annotations

import numpy as np
import pytest

from trimcap._errors import PlanError
from trimcap.graph.trace.trace import trace
from trimcap.prune.choose.keep import keep_top, removed_count
from trimcap.prune.choose.schedule import gradual, rounds_of
from trimcap.prune.saliency.by_weights import l1
from trimcap.prune.saliency.scores import Scores
from trimcap.prune.shrink import shrink
from zoo import build


@pytest.fixture(scope="module")
def network():
    return trace(*build("grid"))


def test_geometric_removes_the_same_fraction_of_what_is_left():
    found = rounds_of(0.9, 5)
    left = np.diff(np.log(1 - np.array([0.0, *found])))
    assert np.allclose(left, left[0])
    assert found[-1] == 0.9


def test_linear_and_cubic():
    assert rounds_of(0.8, 4, spacing="linear") == pytest.approx((0.2, 0.4, 0.6, 0.8))
    assert rounds_of(0.8, 4, spacing="cubic") == pytest.approx([0.8 * (1 - (1 - k / 4) ** 3) for k in (1, 2, 3, 4)])
    assert rounds_of(0.8, 1) == (0.8,)
    assert rounds_of(0.5, 2, spacing="linear", initial=0.3) == pytest.approx((0.4, 0.5))


@pytest.mark.parametrize("spacing", ["geometric", "linear", "cubic"])
def test_rounds_grow_and_end_exactly(spacing):
    found = rounds_of(0.95, 7, spacing=spacing, initial=0.1)
    assert all(a < b for a, b in zip((0.1, *found), found, strict=False))
    assert found[-1] == 0.95


def test_gradual_is_equation_1():
    options = {"sparsity": 0.9, "initial": 0.2, "start": 10, "end": 50, "every": 10}
    want = [0.9 + (0.2 - 0.9) * (1 - (t - 10) / 40) ** 3 for t in (10, 20, 30, 40, 50)]
    assert [gradual(t, **options) for t in (10, 20, 30, 40, 50)] == pytest.approx(want)
    assert gradual(9, **options) == 0.2
    assert gradual(29, **options) == gradual(20, **options)
    assert gradual(99, **options) == 0.9


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: rounds_of(1.0, 2), "initial ≤ sparsity < 1"),
        (lambda: rounds_of(0.5, 0), "at least one round, got 0"),
        (lambda: rounds_of(0.5, 2, spacing="cubik"), "did you mean 'cubic'"),
        (lambda: gradual(1, sparsity=0.5, start=5, end=5), "0 ≤ start < end"),
    ],
)
def test_what_is_wrong_is_said(call, says):
    with pytest.raises(ValueError, match=says):
        call()


@pytest.mark.parametrize("scope", ["axis", "global", "threshold"])
@pytest.mark.parametrize("percent", [10, 30, 80, 95])
def test_rounds_end_with_the_counts_of_one_shot(network, scope, percent):
    sizes = {a.name: a.size for a in network.axes.hidden}
    small = network
    for share in rounds_of(percent / 100, 3):
        plan = keep_top(small, l1(small), share, scope=scope, of=sizes)
        if any(len(kept) < plan.sizes[axis] for axis, kept in plan.keep.items()):
            small = shrink(small, plan)
    left = {a: small.axes.axes[a].size if a in small.axes.axes else 1 for a in sizes}
    if scope == "axis":
        assert left == {a: max(n - removed_count(percent / 100, n), 1) for a, n in sizes.items()}
    else:
        assert sum(left.values()) == max(sum(sizes.values()) - removed_count(percent / 100, sum(sizes.values())), 3)


def test_threshold_takes_scores_as_they_are_and_global_does_not(network):
    scores = Scores({"1": np.full(12, 9.0), "3": np.r_[0.1, np.full(19, 1.0)], "7": np.full(32, 5.0)}, "mine")
    plan = keep_top(network, scores, 20 / 64, scope="threshold")
    assert {a: len(k) for a, k in plan.keep.items()} == {"1": 12, "3": 1, "7": 31}  # the next lowest instead
    assert len(keep_top(network, scores, 20 / 64, scope="global").keep["3"]) > 1


@pytest.mark.parametrize("scope", ["axis", "global", "threshold"])
def test_caps_hold_and_others_go_instead(network, scope):
    plan = keep_top(network, l1(network), 0.6, scope=scope, at_most={"1": 0.25, "3": 0.5})
    gone = {a: plan.sizes[a] - len(k) for a, k in plan.keep.items()}
    assert gone["1"] <= 3
    assert gone["3"] <= 10
    if scope != "axis":
        assert sum(gone.values()) == removed_count(0.6, 64)
    everywhere = keep_top(network, l1(network), 0.9, scope=scope, at_most=0.5)
    assert everywhere.achieved() == {"1": 0.5, "3": 0.5, "7": 0.5}


def test_a_cap_counts_from_the_first_round(network):
    sizes = {"1": 12, "3": 20, "7": 32}
    small = shrink(network, keep_top(network, l1(network), 0.5))
    plan = keep_top(small, l1(small), 0.9, of=sizes, at_most=0.75)
    assert {a: len(k) for a, k in plan.keep.items()} == {"1": 3, "3": 5, "7": 8}


def test_wrong_caps(network):
    with pytest.raises(PlanError, match="at_most: unknown axis '9'"):
        keep_top(network, l1(network), 0.5, at_most={"9": 0.5})
    with pytest.raises(ValueError, match=r"0 ≤ at_most ≤ 1, got 1\.5"):
        keep_top(network, l1(network), 0.5, at_most=1.5)
    with pytest.raises(ValueError, match="did you mean 'threshold'"):
        keep_top(network, l1(network), 0.5, scope="treshold")
