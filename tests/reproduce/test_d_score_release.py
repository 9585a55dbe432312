"""Slips of the released D-Score program, and what they do to a small network."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from trimcap._errors import AuditError, PlanError
from trimcap.data.ledger import Ledger
from trimcap.data.splits.sealed import Sealed
from trimcap.data.windows import Windows
from trimcap.graph.trace.trace import trace
from trimcap.prune.choose.ratios import plan_from, ratios_for
from trimcap.prune.choose.sensitivity import Curve, Sensitivity, metric_of, sensitivity
from trimcap.prune.plan import make_plan
from trimcap.prune.saliency.by_weights import d_score, d_step, l1
from trimcap.prune.shrink import shrink
from trimcap.reproduce.d_score import (
    decayed,
    floored_steps,
    released_d_step,
    released_l1,
    released_plan,
    released_ratios,
    released_sensitivity,
)
from trimcap.train.optimizers import schedule_function

GOLDEN = json.loads((Path(__file__).parent / "golden_released.json").read_text())
SMALL, LARGE = "0", "2"


def noise():
    return (3 * np.random.default_rng(0).standard_normal((150, 4, 24))).astype(np.float32)


@pytest.fixture(scope="module")
def network():
    """Sixteen filters, then sixty-four, as on a headset; all three classes occur on the noise."""
    torch.manual_seed(0)
    head = nn.Linear(64, 3)
    model = nn.Sequential(
        nn.Conv1d(4, 16, 5), nn.ReLU(), nn.Conv1d(16, 64, 5), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), head
    )
    with torch.no_grad():
        head.bias -= model(torch.from_numpy(noise())).mean(0)
    return trace(model, torch.randn(2, 4, 24))


@pytest.fixture(scope="module")
def windows(network):
    """Noise that the network labels itself, so that it is right about all of it."""
    X = noise()
    y = network(torch.from_numpy(X)).argmax(1).numpy().astype(np.int64)
    table = pd.DataFrame({"subject": "s", "session": "1", "trial": "1", "start": np.arange(150.0)})
    return Windows(X, y, table, ("a", "b", "c", "d"), 24.0, ("x", "y", "z"), 1.0)


# ---- sensitivity ----


def test_steps_are_floored_and_add_up():
    assert floored_steps(64) == tuple(3 * i for i in range(1, 20))
    assert floored_steps(16) == floored_steps(19) == (0,) * 19
    assert floored_steps(20) == tuple(range(1, 20))
    assert floored_steps(39)[-1] == 19
    assert floored_steps(64)[5] == 18
    assert int(64 * 0.3) == 19  # what is removed in the end
    assert floored_steps(8, percent=10) == (0,) * 9
    assert floored_steps(30, percent=10) == tuple(range(3, 30, 3))


def test_curves_of_the_release_are_those_of_networks_ranked_anew(network, windows):
    """Replica: remove three filters, rank what is left by its weights alone, remove three more."""
    found = released_sensitivity(network, l1, windows, axes=[LARGE])
    curve = found.curves[LARGE]
    assert curve.removed == floored_steps(64)
    weight = network.tensors["2.weight"].detach().double().numpy()
    left = list(range(64))
    for n, value in zip(curve.removed, curve.values, strict=True):
        norms = np.abs(weight[left]).reshape(len(left), -1).sum(1)
        left = [left[j] for j in np.sort(np.argsort(norms, kind="stable")[3:])]
        assert len(left) == 64 - n
        small = shrink(network, make_plan(network, {LARGE: left}))
        assert value == metric_of(small, windows)
    assert min(curve.values) < found.baseline
    assert sorted(curve.order) == list(range(64))
    assert found.mode == "as released"


def test_ranks_within_the_survivors_differ_from_the_original_ones(network, windows):
    """D-Score ranks within a layer, so that ranking anew takes other filters than one-shot."""
    released = released_sensitivity(network, d_score, windows, axes=[LARGE])
    right = sensitivity(network, d_score(network), windows, axes=[LARGE])
    assert released.curves[LARGE].order != right.curves[LARGE].order
    assert released.curves[LARGE].removed != right.curves[LARGE].removed
    assert right.curves[LARGE].removed[5] == 19


def test_a_small_layer_looks_insensitive_and_is_destroyed(network, windows):
    """The effect: sixteen filters stay whole in every step, the extractor takes 95 %, one filter is left."""
    released = released_sensitivity(network, d_score, windows)
    assert set(released.curves[SMALL].values) == {released.baseline} == {1.0}
    ratios = released_ratios(released, target=0.8)
    assert ratios[SMALL] == 0.95
    plan = released_plan(network, d_score(network), ratios)
    assert len(plan.keep[SMALL]) == 16 - int(16 * 0.95) == 1

    right = sensitivity(network, d_score(network), windows)
    assert right.curves[SMALL].removed == tuple(range(1, 16))
    mine = ratios_for(right, target=0.8)
    kept = plan_from(network, d_score(network), mine)
    assert len(kept.keep[SMALL]) > 10
    # 80 % were promised of the layer alone: the right plan keeps the promise, the released one is at chance
    alone = [shrink(network, make_plan(network, {SMALL: p.keep[SMALL]})) for p in (kept, plan)]
    assert metric_of(alone[0], windows) >= 0.8
    assert metric_of(alone[1], windows) < 0.4


def test_evaluating_the_unpruned_network_flattens_every_curve(network, windows):
    flat = released_sensitivity(network, l1, windows, unpruned=True)
    assert {v for c in flat.curves.values() for v in c.values} == {flat.baseline}
    assert set(released_ratios(flat, target=0.9).values()) == {0.95}
    plan = released_plan(network, l1(network), released_ratios(flat, target=0.9))
    assert [len(plan.keep[name]) for name in (SMALL, LARGE)] == [1, 4]
    assert metric_of(shrink(network, plan), windows) < 0.5


def test_test_windows_are_refused_here_too(network, windows):
    with pytest.raises(AuditError, match="150 test windows"):
        released_sensitivity(network, l1, Sealed(windows, Ledger()))


# ---- extraction ----


def curves(**values):
    steps = range(1, len(next(iter(values.values()))) + 1)
    made = {
        name: Curve(100, tuple(range(100)), tuple(10.0 * i for i in steps), tuple(10 * i for i in steps), v)
        for name, v in values.items()
    }
    return Sensitivity(made, 0.93, "accuracy", "l1", "one_shot", 50)


@pytest.mark.parametrize(
    ("values", "ratio"),
    [
        ((0.92, 0.91, 0.895, 0.93, 0.80), 0.2),
        ((0.89, 0.95, 0.95), 0.0),
        ((0.95, 0.95, 0.95, 0.95, 0.95), 0.5),
        ((0.95, 0.90, 0.95, 0.89, 0.95), 0.3),
        ((0.95, 0.91, 0.905, 0.901, 0.70), 0.4),
    ],
)
def test_extraction_agrees_with_the_right_one_where_the_last_step_is_not_the_target(values, ratio):
    found = curves(a=values)
    assert released_ratios(found, target=0.9) == ratios_for(found, target=0.9) == {"a": ratio}


def test_a_last_step_that_equals_the_target_shifts_all_layers_behind_it():
    found = curves(first=(0.92, 0.91, 0.90), second=(0.91, 0.5, 0.4), third=(0.92, 0.92, 0.92))
    assert ratios_for(found, target=0.9) == {"first": 0.3, "second": 0.1, "third": 0.3}
    assert released_ratios(found, target=0.9) == {"first": 0.1, "second": 0.3, "third": None}
    # twin: a hair above, and nothing is lost
    above = replace(found.curves["first"], values=(0.92, 0.91, 0.9001))
    whole = replace(found, curves={**found.curves, "first": above})
    assert released_ratios(whole, target=0.9) == ratios_for(whole, target=0.9)


def test_numbers_of_filters_lose_one_to_floating_point():
    model = nn.Sequential(nn.Linear(4, 100), nn.ReLU(), nn.Linear(100, 2))
    wide = trace(model, torch.randn(2, 4))
    for percent, kept in ((29, 72), (58, 43), (30, 70)):
        ratio = percent * 0.01
        assert len(released_plan(wide, l1(wide), {"0": ratio}).keep["0"]) == kept
        assert len(plan_from(wide, l1(wide), {"0": percent / 100}).keep["0"]) == 100 - percent
    assert len(released_plan(wide, l1(wide), {"0": None}).keep["0"]) == 100
    with pytest.raises(PlanError, match="have no axis 1"):
        released_plan(wide, l1(wide), {"1": 0.5})


# ---- filters of a convolution ----

CASES = [(case, int(n)) for case, content in GOLDEN.items() for n in content["released"]]


@pytest.mark.parametrize(("case", "n"), CASES)
def test_what_the_release_returned(case, n):
    units = np.asarray(GOLDEN[case]["filters"], dtype=np.float64)
    wanted = GOLDEN[case]["released"][str(n)]
    assert released_l1(units, n) == sorted(wanted["L1norm"])
    if isinstance(wanted["D_step"], str):
        with pytest.raises(PlanError, match="ends one filter early"):
            released_d_step(units, n)
    else:
        assert released_d_step(units, n) == sorted(wanted["D_step"])


def test_the_slips_take_other_filters_than_the_rule():
    """Ties of ℓ1 at the cut, and two filters that enter together."""
    units = {case: np.asarray(GOLDEN[case]["filters"]) for case in "EG"}
    assert released_l1(units["E"], 1) == [0, 1, 2]
    assert released_d_step(units["G"], 1) == [2]
    conv, head = nn.Conv1d(3, 4, 1), nn.Linear(4, 2)
    conv.weight.data = torch.tensor(units["G"], dtype=torch.float32)[:, :, None].clone()
    small = trace(nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), head), torch.randn(2, 3, 4))
    assert int(np.argmin(d_step(small).values["0"])) == 0


def test_how_often_conv_d_step_differs():
    """On 64×27 Gaussian filters every double entry goes wrong, as in the specification of the method."""
    rng = np.random.default_rng(0)
    double = wrong = 0
    for _ in range(20):
        units = rng.standard_normal((64, 27))
        p, n = (np.argsort(np.argsort(part.sum(1))) for part in (np.maximum(units, 0), np.maximum(-units, 0)))
        order = np.lexsort((np.arange(64), p + n, np.maximum(p, n)))
        entry = np.maximum(p, n)[order]
        for count in range(1, 60):
            if entry[count - 1] == entry[count]:
                double += 1
                wrong += released_d_step(units, count) != sorted(order[:count].tolist())
            else:
                assert released_d_step(units, count) == sorted(order[:count].tolist())
    assert double > 50
    assert wrong / double > 0.8


def test_schedule_of_the_paper():
    schedule = schedule_function("trimcap.reproduce.d_score:decayed")
    assert schedule is decayed
    assert [decayed(epoch / 450) for epoch in (0, 19, 20, 39, 40)] == pytest.approx([1, 1, 0.9, 0.9, 0.81])
    assert decayed(449 / 450) == pytest.approx(0.9**22)


@pytest.mark.parametrize("percent", [0, 51, -5])
def test_impossible_steps(percent):
    with pytest.raises(ValueError, match="1 to 50 %"):
        floored_steps(64, percent=percent)
