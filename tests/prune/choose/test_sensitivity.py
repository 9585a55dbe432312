"""Sensitivity against networks that were really pruned, one by one."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from small_networks import SMALL, small
from torch import nn

from trimcap._errors import AuditError, PlanError
from trimcap.data.ledger import Ledger
from trimcap.data.splits.sealed import Sealed
from trimcap.data.windows import Windows
from trimcap.graph.trace.trace import trace
from trimcap.prune.choose.ratios import plan_from, ratio_at, ratios_for
from trimcap.prune.choose.sensitivity import Curve, Sensitivity, sensitivity
from trimcap.prune.choose.silenced import _plain, without
from trimcap.prune.plan import make_plan
from trimcap.prune.saliency.by_weights import d_score, l1
from trimcap.prune.saliency.gates import sites
from trimcap.prune.saliency.scores import Scores
from trimcap.prune.shrink import shrink
from zoo import ZOO, build


def windows_of(network, n=40, *, seed=0, flip=0.3):
    """Noise, labelled by the network itself, with a share of wrong labels."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, *network.input_shape)).astype(np.float32)
    logits = network(torch.from_numpy(X))
    y = (logits - logits.mean(0)).argmax(1).numpy()
    y = np.where(rng.random(n) < flip, rng.integers(0, network.n_classes, n), y)
    table = pd.DataFrame({"subject": "s1", "session": "1", "trial": "1", "start": np.arange(n, dtype=float)})
    names = tuple(f"E{i}" for i in range(network.input_shape[0]))
    return Windows(X, y.astype(np.int64), table, names, 128.0, tuple("abcdefgh"[: network.n_classes]), 0.5)


@pytest.fixture(scope="module")
def eegnet():
    torch.manual_seed(0)
    return trace(*build("depth multiplier 2"))


@pytest.fixture(scope="module")
def wide():
    """Twenty filters and twenty-one neurons, on features."""
    torch.manual_seed(1)
    model = nn.Sequential(
        nn.Conv1d(4, 20, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(20 * 6, 21), nn.ELU(), nn.Linear(21, 3)
    )
    return trace(model, torch.randn(2, 4, 6))


# ---- exactness: the logits are those of the pruned network ----


def errors(network, axis, order, removed, x):
    """Largest difference to the network that `shrink` makes, of each step, relative to its largest logit."""
    results = network.module().run(x, keep=True)
    found = {}
    with torch.no_grad():
        for step, logits in without(network, axis, order, removed)(results):
            plan = make_plan(network, {axis.name: sorted(set(range(axis.size)) - set(order[: removed[step]]))})
            kept = x
            for position, dim in enumerate(network.axes.tensor_dims[next(iter(network.inputs))]):
                if position:
                    kept = kept.index_select(position, network.axes.index(dim, plan.keep))
            want = shrink(network, plan)(kept)
            found[step] = float((logits - want).abs().max() / want.abs().max())
    return [found[step] for step in range(len(removed))]


@pytest.mark.parametrize(
    "name", [*sorted(ZOO), "covariance", *(pytest.param(n, marks=pytest.mark.long) for n in SMALL if n != "covariance")]
)
def test_logits_are_those_of_the_pruned_network(name):
    network = trace(*(build if name in ZOO else small)(name))
    x = torch.randn(3, *network.input_shape, generator=torch.Generator().manual_seed(1))
    for axis in network.axes.prunable:
        order = np.random.default_rng(axis.size).permutation(axis.size).tolist()
        removed = sorted({max(axis.size // 3, 1), axis.size - 1})
        assert max(errors(network, axis, order, removed, x)) <= 1e-5, axis.name


def test_the_oracle_sees_another_slice(eegnet):
    """Twin: the same numbers of slices, but one of them is another."""
    axis = eegnet.axes.hidden[0]
    x = torch.randn(3, *eegnet.input_shape, generator=torch.Generator().manual_seed(1))
    order = list(range(axis.size))
    results = eegnet.module().run(x, keep=True)
    with torch.no_grad():
        (_, right), (_, wrong) = (
            next(without(eegnet, axis, o, [2])(results)) for o in (order, [order[0], order[2], order[1], *order[3:]])
        )
    assert (right - wrong).abs().max() > 1e-3 * right.abs().max()


def test_both_ways_are_taken_and_agree(wide, monkeypatch):
    """Layers that read an axis are cut into sums; where what they make is added to the axis it has gates."""
    assert _plain(wide, sites(wide, wide.axes.hidden[0]))
    residual = trace(*build("residual"))
    assert any(_plain(residual, sites(residual, axis)) is None for axis in residual.axes.hidden)
    windows, scores = windows_of(wide), l1(wide)
    fast = sensitivity(wide, scores, windows, metric="loss")
    monkeypatch.setattr("trimcap.prune.choose.silenced._plain", lambda network, found: None)
    slow = sensitivity(wide, scores, windows, metric="loss")
    for name, curve in fast.curves.items():
        np.testing.assert_allclose(curve.values, slow.curves[name].values, rtol=1e-5)


# ---- curves ----


def measured(network, windows, metric):
    """The metric from its definition, window by window."""
    logits = network(torch.from_numpy(windows.X)).double().numpy()
    guess = logits.argmax(1)
    if metric == "accuracy":
        return sum(int(a == b) for a, b in zip(guess, windows.y, strict=True)) / len(windows)
    if metric == "balanced_accuracy":
        recalls = [(guess[windows.y == c] == c).mean() for c in sorted(set(windows.y.tolist()))]
        return sum(recalls) / len(recalls)
    losses = [np.log(np.exp(z - z.max()).sum()) + z.max() - z[c] for z, c in zip(logits, windows.y, strict=True)]
    return sum(losses) / len(losses)


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "loss"])
def test_replica_by_pruning_at_every_step(wide, metric):
    """Each value is that of a network pruned by itself, at steps from ⌊N·5i/100⌋ in integers."""
    windows, scores = windows_of(wide, 50), l1(wide)
    windows = windows.take(np.flatnonzero(windows.y != 2)) if metric == "balanced_accuracy" else windows
    found = sensitivity(wide, scores, windows, metric=metric, batch_size=16)
    assert found.baseline == pytest.approx(measured(wide, windows, metric), abs=1e-6)
    for name, curve in found.curves.items():
        ranking = np.argsort(scores.values[name], kind="stable")
        counts = [curve.size * percent // 100 for percent in range(5, 100, 5)]
        assert list(curve.removed) == sorted(set(counts) - {0})
        for n, value in zip(curve.removed, curve.values, strict=True):
            small = shrink(wide, make_plan(wide, {name: ranking[n:].tolist()}))
            assert value == pytest.approx(measured(small, windows, metric), abs=1e-5), (name, n)
    assert len({v for c in found.curves.values() for v in c.values}) > 5  # the curves are not flat


def test_steps_that_remove_nothing_are_merged(eegnet):
    """Six filters: 19 steps of 5 % remove 0 to 5; each count is measured once, at the first step that has it."""
    axis = next(axis for axis in eegnet.axes.hidden if axis.size == 6)
    curve = sensitivity(eegnet, l1(eegnet), windows_of(eegnet)).curves[axis.name]
    assert curve.removed == (1, 2, 3, 4, 5)
    assert curve.percents == (20, 35, 50, 70, 85)
    assert curve.sparsities == pytest.approx([n / 6 for n in range(1, 6)])


def test_no_loss_for_sparsity_to_zero():
    """A slice that nothing depends on costs nothing: curves start at the baseline, not at a floor."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 100), nn.Tanh(), nn.Linear(100, 3))
    with torch.no_grad():
        model[2].weight[:, :30] = 0
        model[0].weight[:30] *= 1e-3  # the lowest by l1
    network = trace(model, torch.randn(2, 8))
    found = sensitivity(network, l1(network), windows_of(network, 60), metric="loss")
    (curve,) = found.curves.values()
    assert curve.removed[5] == 30
    np.testing.assert_allclose(curve.values[:6], found.baseline, rtol=1e-6)
    assert abs(curve.values[6] - found.baseline) > 1e-4


def test_integer_arithmetic_of_the_counts():
    """29 % of 100 is 29, where floating point has 28.999…"""
    assert int(100 * 0.29) == 28
    model = nn.Sequential(nn.Linear(4, 100), nn.ReLU(), nn.Linear(100, 2))
    network = trace(model, torch.randn(2, 4))
    found = sensitivity(network, l1(network), windows_of(network, 4), steps=99)
    assert found.curves["0"].removed == tuple(range(1, 100))


def test_cumulative_ranks_the_survivors_anew(wide):
    """Replica: shrink, score, shrink, …; D-Score ranks depend on which filters are left."""
    windows = windows_of(wide)
    scores = d_score(wide)
    found = sensitivity(wide, scores, windows, mode="cumulative", rescore=d_score, steps=9)
    once = sensitivity(wide, scores, windows, steps=9)
    for name, curve in found.curves.items():
        left = list(range(curve.size))
        for n, value in zip(curve.removed, curve.values, strict=True):
            small = wide if len(left) == curve.size else shrink(wide, make_plan(wide, {name: left}))
            values = d_score(small, axes=[name]).values[name]
            gone = np.argsort(values, kind="stable")[: n - (curve.size - len(left))]
            left = [j for i, j in enumerate(left) if i not in set(gone.tolist())]
            assert sorted(curve.order[:n]) == sorted(set(range(curve.size)) - set(left))
            assert value == measured(shrink(wide, make_plan(wide, {name: left})), windows, "accuracy")
        assert sorted(curve.order) == list(range(curve.size))
    assert any(once.curves[name].order != curve.order for name, curve in found.curves.items())


def test_table_and_json(wide):
    found = sensitivity(wide, l1(wide), windows_of(wide), axes=["0"], steps=4)
    table = found.table()
    assert list(table.columns) == ["axis", "slices", "percent", "removed", "sparsity", "accuracy", "change"]
    assert table.removed.tolist() == [4, 8, 12, 16]
    assert table.change.tolist() == pytest.approx([v - found.baseline for v in found.curves["0"].values])
    facts = json.loads(json.dumps(found.as_dict()))
    assert facts["axes"]["0"]["removed"] == [4, 8, 12, 16]
    assert facts["windows"] == 40


def test_progress_and_ledger(wide):
    windows, seen, ledger = windows_of(wide), [], Ledger()
    sensitivity(wide, l1(wide), windows, batch_size=16, ledger=ledger, progress=lambda *at: seen.append(at))
    assert seen == [(16, 40), (32, 40), (40, 40)]
    assert [(e.stage, e.ids, e.note) for e in ledger.entries] == [("sensitivity", tuple(sorted(windows.ids)), "l1")]


# ---- ratios for a target ----

VECTORS = [
    ((0.92, 0.91, 0.895, 0.93, 0.80), 0.2),
    ((0.89, 0.95, 0.95), 0.0),
    ((0.95, 0.95, 0.95, 0.95, 0.95), 0.5),
    ((0.95, 0.90, 0.95, 0.89, 0.95), 0.3),
    ((0.95, 0.91, 0.905, 0.901, 0.70), 0.4),
    ((0.95, 0.92, 0.90), 0.3),  # equal at the last step
]


@pytest.mark.parametrize(("values", "ratio"), VECTORS)
def test_extraction_of_the_ratio(values, ratio):
    steps = [(i + 1) / 10 for i in range(len(values))]
    assert ratio_at(steps, values, 0.9) == ratio
    assert ratio_at(steps, [-v for v in values], -0.9, lower_is_better=True) == ratio


def curves(values, *, metric="accuracy", baseline=0.93):
    steps = range(1, len(next(iter(values.values()))) + 1)
    made = {
        name: Curve(100, tuple(range(100)), tuple(10.0 * i for i in steps), tuple(10 * i for i in steps), v)
        for name, v in values.items()
    }
    return Sensitivity(made, baseline, metric, "l1", "one_shot", 50)


def test_ratios_of_a_published_figure():
    """VGG-16 at 90 %: 30 % of the first layer and 90 % of the eleventh (the seventh's 45 % lies between two)."""
    found = curves(
        {
            "conv_1": (0.926, 0.919, 0.903, 0.858, 0.793, 0.716, 0.565, 0.319, 0.208),
            "conv_7": (0.927, 0.924, 0.921, 0.914, 0.897, 0.878, 0.826, 0.753, 0.680),
            "conv_11": (0.929, 0.928, 0.928, 0.929, 0.928, 0.928, 0.928, 0.929, 0.922),
        }
    )
    assert ratios_for(found, target=0.9) == {"conv_1": 0.3, "conv_7": 0.4, "conv_11": 0.9}
    assert ratios_for(found, drop=0.03) == ratios_for(found, target=0.9)
    assert ratios_for(curves({"a": (0.87, 0.86)}), drop=0.06) == {"a": 0.1}
    assert ratios_for(curves({"a": (0.74, 0.70)}, baseline=0.79), drop=0.05) == {"a": 0.1}
    assert ratios_for(curves({"a": (0.5, 0.1)}), drop=1.0) == {"a": 0.2}
    loss = curves({"a": (0.5, 0.6, 0.9)}, metric="loss", baseline=0.45)
    assert ratios_for(loss, target=0.6) == {"a": 0.2}
    assert ratios_for(loss, drop=0.06) == {"a": 0.1}


def test_parallel_plan_is_by_the_original_ranking(wide):
    """Both axes at once: ⌊N·ratio⌋ lowest of each, and what is left is the network of that plan."""
    scores = l1(wide)
    plan = plan_from(wide, scores, {"0": 0.35, "3": 0.29})
    for name, n in (("0", 7), ("3", 6)):
        ranking = np.argsort(scores.values[name], kind="stable")
        assert set(range(plan.sizes[name])) - set(plan.keep[name]) == set(ranking[:n].tolist())
    assert plan.requested == {"0": 0.35, "3": 0.29}
    assert [a.size for a in shrink(wide, plan).axes.hidden] == [13, 15]
    alone = plan_from(wide, scores, {"0": 0.35, "3": 0.0})
    assert list(alone.keep) == ["0"]


def test_plan_removes_what_the_curve_measured(eegnet):
    """On short axes too: the ratio's slices are those of the last step that passed."""
    scores, windows = l1(eegnet), windows_of(eegnet)
    found = sensitivity(eegnet, scores, windows)
    target = sorted(v for c in found.curves.values() for v in c.values)[-8]
    ratios = ratios_for(found, target=target)
    plan = plan_from(eegnet, scores, ratios)
    for name, curve in found.curves.items():
        passed = 0
        for n, value in zip(curve.removed, curve.values, strict=True):
            if value < target:
                break
            passed = n
        gone = set(range(curve.size)) - set(plan.keep.get(name, range(curve.size)))
        assert gone == set(curve.order[:passed])
    assert plan.keep


# ---- what is refused ----


def test_test_windows_are_refused(wide):
    windows, scores, ledger = windows_of(wide), l1(wide), Ledger()
    with pytest.raises(AuditError, match=r"stage 'sensitivity' .* 40 test windows"):
        sensitivity(wide, scores, Sealed(windows, ledger), ledger=ledger)
    ledger.record("evaluate", windows)
    with pytest.raises(AuditError, match="stage 'sensitivity'"):
        sensitivity(wide, scores, windows, ledger=ledger)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"metric": "acuracy"}, ValueError, "unknown metric 'acuracy'; did you mean 'accuracy'"),
        ({"mode": "oneshot"}, ValueError, "did you mean 'one_shot'"),
        ({"mode": "cumulative"}, ValueError, "needs rescore="),
        ({"rescore": l1}, ValueError, "takes none"),
        ({"steps": 0}, ValueError, "at least one step"),
        ({"axes": ["9"]}, PlanError, "unknown axis '9'"),
        ({"axes": ["5"]}, PlanError, "can't be pruned: output"),
        ({"axes": ["electrodes"]}, PlanError, "no axis electrodes; score it"),
    ],
)
def test_wrong_options(wide, options, error, message):
    with pytest.raises(error, match=message):
        sensitivity(wide, l1(wide), windows_of(wide), **options)


def test_scores_of_another_network(wide, eegnet):
    other = Scores({"0": np.ones(7)}, "l1")
    with pytest.raises(PlanError, match="7 scores and 20 slices"):
        sensitivity(wide, other, windows_of(wide))
    with pytest.raises(PlanError, match="7 scores and 20 slices"):
        plan_from(wide, other, {"0": 0.5})
    with pytest.raises(ValueError, match="takes windows of shape"):
        sensitivity(wide, l1(wide), windows_of(eegnet))


def test_wrong_goals(wide):
    found = curves({"a": (0.9,)})
    for options in ({}, {"target": 0.9, "drop": 0.1}):
        with pytest.raises(ValueError, match="give target="):
            ratios_for(found, **options)
    with pytest.raises(ValueError, match=r"90 % is 0\.9"):
        ratios_for(found, target=90)
    with pytest.raises(ValueError, match="drop ≥ 0"):
        ratios_for(found, drop=-0.1)
    with pytest.raises(ValueError, match="loss is ≥ 0"):
        ratios_for(replace(found, metric="loss"), target=-1)
    with pytest.raises(PlanError, match="Lower the target"):
        plan_from(wide, l1(wide), {"0": 0.0, "3": 0.01})
