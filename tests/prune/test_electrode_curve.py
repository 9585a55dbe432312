"""Electrode curves against networks that were really shrunk, and caps that were planted."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from trimcap._errors import AuditError, PlanError
from trimcap.data.folds import make_fold
from trimcap.data.headsets import Headset
from trimcap.data.ledger import Ledger
from trimcap.data.montage import grid
from trimcap.data.windows import Windows
from trimcap.graph.trace import trace
from trimcap.models import EEGNet, GridCNN, Scaled
from trimcap.prune.electrodes import Recovery, electrode_curve
from trimcap.prune.electrodes.elimination import eliminate
from trimcap.prune.electrodes.hearing import _by_gates, _spatial_filter, hearing, why_not_removed
from trimcap.prune.electrodes.sets import counts_of, drawn
from trimcap.prune.plan import make_plan
from trimcap.prune.saliency import l1, taylor
from trimcap.prune.samples import sample
from trimcap.prune.scores import Scores
from trimcap.prune.shrink import shrink
from trimcap.train.predict import predict

NAMES = ("Fp1", "Fp2", "C3", "C4", "T7", "T8", "O1", "O2")
TRUE = (2, 5)  # C3 and T8 carry the label


def made(n: int, shape: tuple[int, ...], *, subject: str, seed: int, names=NAMES, true=TRUE) -> Windows:
    """Noise; in class 1 two electrodes have another mean."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, *shape)).astype(np.float32)
    y = np.arange(n) % 2
    X[:, list(true)] += (2 * y[:, None, None] - 1) * 0.8
    table = pd.DataFrame({"subject": subject, "session": "1", "trial": "1", "start": np.arange(n, dtype=float)})
    return Windows(X, y.astype(np.int64), table, names, 64.0, ("a", "b"), 1.0)


def planted() -> nn.Module:
    """Features: the two electrodes are summed; the weights of all others are larger and sum to nothing."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(8 * 3, 2))
    weight = torch.zeros(2, 8, 3)
    for electrode in range(8):
        own = torch.tensor([1.0, 1.0, 1.0]) if electrode in TRUE else torch.tensor([3.0, -6.0, 3.0]) * 0.4
        weight[0, electrode], weight[1, electrode] = -own, own
    with torch.no_grad():
        model[1].weight.copy_(weight.reshape(2, -1))
        model[1].bias.zero_()
    return model


@pytest.fixture(scope="module")
def valid() -> Windows:
    return made(80, (8, 3), subject="v", seed=1)


@pytest.fixture(scope="module")
def test_windows() -> Windows:
    return made(120, (8, 3), subject="t", seed=2)


@pytest.fixture(scope="module")
def network(valid):
    return trace(planted(), valid)


@pytest.fixture(scope="module")
def raw():
    """EEGNet on µV with its standardisation inside, and windows for it."""
    torch.manual_seed(1)
    windows = made(40, (8, 64), subject="v", seed=3)
    model = Scaled(EEGNet(8, 64, 2, F1=4, kernel=16), np.full((8, 1), 0.3), np.full((8, 1), 2.0))
    return trace(model, windows), windows


def convolved_over_electrodes() -> nn.Module:
    """The electrodes are channels of a convolution, twice."""

    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv1d(8, 6, 5), nn.Conv1d(8, 6, 5)
            self.dense = nn.Linear(6, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.dense((torch.relu(self.a(x)) * torch.sigmoid(self.b(x))).mean(-1))

    torch.manual_seed(2)
    return Two()


def biased() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Unflatten(1, (1, 8)), nn.Conv2d(1, 5, (8, 9), bias=True), nn.ELU(), nn.Flatten(), nn.Linear(5 * 56, 2)
    )


def error(network, windows, kept, other=None) -> float:
    """Largest difference of what is heard to what the network says that `shrink` makes of `other` electrodes."""
    x = torch.from_numpy(windows.X)
    other = kept if other is None else other
    with torch.no_grad():
        got = hearing(network, None).hear(x)(kept)
        want = shrink(network, make_plan(network, {"electrodes": other}))(x[:, other])
    return float((got - want).abs().max() / want.abs().max())


# ---- exactness ----


@pytest.mark.parametrize("make", ["eegnet", "twice", "biased", "features"])
def test_silenced_is_shrunk(make, raw, network, valid):
    windows = raw[1] if make != "features" else valid
    net = {"eegnet": raw[0], "features": network}.get(make)
    net = net or trace({"twice": convolved_over_electrodes, "biased": biased}[make](), windows)
    assert (_spatial_filter(net) is not None) == (make in ("eegnet", "biased"))
    for kept in ([0], [2, 5], [0, 1, 3, 6, 7], [0, 1, 2, 3, 4, 5, 6]):
        assert error(net, windows, kept) <= 1e-5, kept
    assert error(net, windows, [2, 5], [2, 4]) > 1e-3  # twin: another electrode


def test_sums_and_gates_agree(raw):
    net, windows = raw
    x = torch.from_numpy(windows.X)
    with torch.no_grad():
        for kept in ([3], [0, 2, 4, 6], list(range(8))):
            a, b = hearing(net, None).hear(x)(kept), _by_gates(net).hear(x)(kept)
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "loss"])
def test_every_cap_is_measured_as_the_shrunk_network(raw, metric):
    net, windows = raw
    held = made(30, (8, 64), subject="t", seed=9)
    found = electrode_curve(
        net, windows, test=held, scores=l1(net, axes=["electrodes"]), counts=[1, 3, 6], n_random=2, metric=metric,
        headsets=["forehead_2"], batch_size=16,
    )  # fmt: skip
    assert {cap.kind for cap in found.caps} == {"dense", "saliency", "random", "headset"}
    for cap in found.caps:
        kept = [NAMES.index(name) for name in cap.electrodes]
        small = net if len(kept) == 8 else shrink(net, make_plan(net, {"electrodes": kept}))
        for part, value in ((windows, cap.valid), (held, cap.test)):
            logits = predict(small.module(), part.pick(cap.electrodes)).astype(np.float64)
            assert value == pytest.approx(replica(logits, part.y, metric), rel=1e-4), cap


def replica(logits, y, metric):
    """The metric from its definition, window by window."""
    if metric == "loss":
        return np.mean([np.log(np.exp(row).sum()) - row[k] for row, k in zip(logits, y, strict=True)])
    right = [int(row.argmax() == k) for row, k in zip(logits, y, strict=True)]
    if metric == "accuracy":
        return np.mean(right)
    return np.mean([np.mean([r for r, k in zip(right, y, strict=True) if k == c]) for c in (0, 1)])


def test_all_electrodes_are_the_whole_network(raw):
    net, windows = raw
    found = electrode_curve(net, windows, scores=l1(net, axes=["electrodes"]), n_random=0)
    accuracy = float((predict(net.module(), windows).argmax(1) == windows.y).mean())
    assert found.dense.valid == accuracy
    assert found.cap("l1", 8).valid == accuracy
    assert [cap.count for cap in found.line("l1")] == list(range(1, 9))
    assert found.reported == "valid"
    assert found.dense.test is None


# ---- what is chosen ----


def test_greedy_finds_the_planted_cap_and_others_do_not(network, valid, test_windows):
    found = electrode_curve(
        network, valid, test=test_windows, scores=l1(network, axes=["electrodes"]), greedy=True, n_random=10
    )
    assert found.cap("greedy", 2).electrodes == ("C3", "T8")
    assert set(found.orders["greedy"][-2:]) == {"C3", "T8"}
    best = found.cap("greedy", 2).test
    assert best > found.dense.test + 0.1
    assert set(found.cap("l1", 2).electrodes).isdisjoint({"C3", "T8"})  # its weights are the smallest
    assert found.cap("l1", 2).test < 0.65 < best
    random = [cap.test for cap in found.caps if cap.kind == "random" and cap.count == 2]
    assert np.mean(random) < best - 0.15
    assert len(random) == 10
    assert sum(set(cap.electrodes) == {"C3", "T8"} for cap in found.caps if cap.kind == "random") <= 1


def test_elimination_is_that_of_shrunk_networks(raw):
    """Replica: at every step all networks with one electrode less, really shrunk."""
    net, windows = raw
    left, order = list(range(8)), []
    while len(left) > 1:
        losses = []
        for gone in left:
            kept = [i for i in left if i != gone]
            small = shrink(net, make_plan(net, {"electrodes": kept}))
            logits = predict(small.module(), windows.pick([NAMES[i] for i in kept])).astype(np.float64)
            losses.append(replica(logits, windows.y, "loss"))
        order.append(left.pop(int(np.argmin(losses))))
    data = sample(net, windows, name="x", batch_size=16)
    assert eliminate(hearing(net, None), data, 8) == [*order, *left]


def test_the_elimination_does_not_depend_on_what_is_remembered(raw, monkeypatch):
    net, windows = raw
    data = sample(net, windows, name="x", batch_size=16)
    kept = eliminate(hearing(net, None), data, 8)
    monkeypatch.setattr("trimcap.prune.electrodes.elimination._KEPT", 0)
    assert eliminate(hearing(net, None), data, 8) == kept


def test_nothing_is_chosen_on_test_windows(network, valid, test_windows):
    """Other test labels change what is reported, and neither orders nor caps nor what is said of validation windows."""
    other = replace(test_windows, y=1 - test_windows.y)
    a, b = (electrode_curve(network, valid, test=t, greedy=True, n_random=3) for t in (test_windows, other))
    assert a.orders == b.orders
    assert [c.electrodes for c in a.caps] == [c.electrodes for c in b.caps]
    assert [c.valid for c in a.caps] == [c.valid for c in b.caps]
    assert a.dense.test == pytest.approx(1 - b.dense.test)


def test_the_lowest_scores_go_first_and_ties_by_number(network, valid):
    scores = Scores({"electrodes": np.array([3, 1, 1, 5, 0, 5, 2, 4.0])}, "mine")
    found = electrode_curve(network, valid, scores=[scores], n_random=0)
    assert found.orders["mine"] == tuple(NAMES[i] for i in (4, 1, 2, 6, 0, 7, 3, 5))
    assert found.cap("mine", 3).electrodes == ("C4", "T8", "O2")  # in the order of the montage


def test_random_caps_are_those_of_the_recorded_draws():
    found = drawn(12, [2, 5, 12], 7, 3)
    assert [len(one.kept) for one in found] == [2] * 7 + [5] * 7
    for one in found:
        again = np.random.default_rng((3, len(one.kept), one.draw)).choice(12, len(one.kept), replace=False)
        assert one.kept == tuple(sorted(again))
    assert len({one.kept for one in found}) == 14
    assert [one.kept for one in drawn(12, [2], 7, 4)] != [one.kept for one in found[:7]]
    few = drawn(5, [4], 20, 0)
    assert [one.kept for one in few] == list(combinations(range(5), 4))


def test_counts():
    assert counts_of(6, None) == [1, 2, 3, 4, 5, 6]
    assert counts_of(6, [4, 2], [3]) == [2, 3, 4, 6]
    many = counts_of(62, None, [5])
    assert {1, 2, 4, 5, 8, 14, 62} <= set(many)
    assert len(many) < 30


def test_headsets(network, valid):
    near = Headset("near_2", "near 2", ("AF7", "O1"))
    found = electrode_curve(network, valid, headsets=["forehead_2", "brainbit_4", near, "epoc_14"], n_random=0)
    assert found.cap("forehead_2").electrodes == ("Fp1", "Fp2")
    assert found.cap("brainbit_4").electrodes == ("T7", "T8", "O1", "O2")
    assert found.cap("near_2").electrodes == ("Fp1", "O1")
    assert found.headsets["near_2"].substitutions == {"AF7": "Fp1"}
    assert "missing" in found.left_out["epoc_14"]
    assert "epoc_14" not in {cap.name for cap in found.caps}
    assert found.as_dict()["headsets"]["near_2"]["seats"][0]["how"] == "near"


# ---- reading it ----


def test_fewest_is_read_off_the_validation_windows(network, valid, test_windows):
    found = electrode_curve(network, valid, test=test_windows, greedy=True, n_random=0)
    for drop in (0.0, 0.02, 0.3):
        best = found.fewest("greedy", drop=drop)
        ok = [cap.count for cap in found.line("greedy") if found.dense.valid - cap.valid <= drop + 1e-12]
        bad = max((cap.count for cap in found.line("greedy") if cap.count not in ok), default=0)
        assert best.count == min(k for k in ok if k > bad)
    assert found.fewest("greedy").count < 8
    swapped = replace(found, caps=tuple(replace(cap, test=1 - cap.test) for cap in found.caps))
    assert swapped.fewest("greedy").electrodes == found.fewest("greedy").electrodes  # whatever the test says


def test_table_json_and_plans(network, valid, test_windows):
    found = electrode_curve(network, valid, test=test_windows, greedy=True, counts=[2, 4], n_random=2)
    table = found.table()
    assert len(table) == len(found.caps)
    row = table[(table.kind == "saliency") & (table.electrodes == 2)].iloc[0]
    assert (row["names"], row.test_accuracy) == ("C3 T8", found.cap("greedy", 2).test)
    facts = json.loads(json.dumps(found.as_dict()))
    assert facts["windows"] == {"valid": 80, "test": 120}
    assert facts["caps"][0]["subjects"] == {"t": found.dense.test}
    plan = found.plan(network, "greedy", 2)
    small = shrink(network, plan)
    assert small.channels == ("C3", "T8")
    kept = test_windows.pick(small.channels)
    assert float((predict(small.module(), kept).argmax(1) == kept.y).mean()) == found.cap("greedy", 2).test
    with pytest.raises(ValueError, match="not measured with 3 electrodes; there are 2, 4, 8"):
        found.cap("greedy", 3)
    with pytest.raises(ValueError, match="say how many electrodes"):
        found.cap("greedy")
    with pytest.raises(ValueError, match="unknown cap 'gredy'; did you mean 'greedy'"):
        found.cap("gredy")
    with pytest.raises(ValueError, match="unknown saliency 'l1'"):
        found.line("l1")


def test_chance(network, valid):
    uneven = valid.take(np.flatnonzero((valid.y == 1) | (np.arange(80) < 20)))
    share = float((uneven.y == 1).mean())
    values = {
        metric: electrode_curve(network, uneven, counts=[2], n_random=0, greedy=True, metric=metric).chance
        for metric in ("accuracy", "balanced_accuracy", "loss")
    }
    entropy = -(share * np.log(share) + (1 - share) * np.log(1 - share))
    assert values == pytest.approx({"accuracy": share, "balanced_accuracy": 0.5, "loss": entropy})


# ---- who may see what ----


def test_ledger_and_audit(network, valid, test_windows):
    train = made(60, (8, 3), subject="f", seed=5)
    fold = make_fold(train, valid, test_windows, name="x", protocol="by hand", unit="subject")
    fold.ledger.record("fit", train)
    recovery = Recovery(fold.train, 1, counts=[2], n_random=0)
    scores = taylor(network, windows=fold.train, axes=["electrodes"], ledger=fold.ledger)
    found = electrode_curve(
        network, fold.valid, test=fold.test, scores=scores, greedy=True, n_random=0, ledger=fold.ledger,
        recovery=recovery,
    )  # fmt: skip
    assert found.n_test == 120
    stages = [entry.stage for entry in fold.ledger.entries]
    assert {"fit", "saliency", "sensitivity", "evaluate", "recovery", "early stopping"} == set(stages)
    assert fold.audit().passed
    with pytest.raises(AuditError, match="must not be chosen on the test set"):
        electrode_curve(network, test_windows, greedy=True, n_random=0, ledger=fold.ledger)


def test_one_trial_on_both_sides_is_refused(network, valid, test_windows):
    with pytest.raises(AuditError, match=r"1 trials, such as v/1/1, .* give windows of other subjects as test="):
        electrode_curve(network, valid.take(range(40)), test=valid.take(range(40, 80)), greedy=True)
    recovery = Recovery(test_windows.take(range(60)), 1)
    with pytest.raises(AuditError, match="such as t/1/1"):
        electrode_curve(network, valid, train=test_windows.take(range(60)), test=test_windows.take(range(60, 120)))
    with pytest.raises(AuditError, match="such as t/1/1"):
        electrode_curve(network, valid, test=test_windows.take(range(60, 120)), recovery=recovery)


# ---- recovery ----


def test_recovery_trains_small_networks(raw):
    net, windows = raw
    train = made(120, (8, 64), subject="f", seed=6)
    held = made(60, (8, 64), subject="t", seed=7)
    recovery = Recovery(train, 4, counts=[2], n_random=1, options={"learning_rate": 1e-2, "batch_size": 16})
    scores = Scores({"electrodes": np.isin(range(8), TRUE).astype(float)}, "told")
    found = electrode_curve(
        net, windows, test=held, scores=scores, counts=[2, 4], n_random=3, headsets=["forehead_2"], recovery=recovery
    )
    after = [(c.kind, c.name, c.count) for c in found.caps if c.epochs]
    assert after == [
        ("dense", "all", 8), ("saliency", "told", 2), ("random", "random", 2), ("headset", "forehead_2", 2),
    ]  # fmt: skip
    cap = found.cap("told", 2, recovered=True)
    assert cap.epochs == 4
    assert cap.network.channels == cap.electrodes == ("C3", "T8")
    assert cap.network.input_shape == (2, 64)
    own = held.pick(cap.electrodes)
    assert cap.test == float((predict(cap.network.module(), own).argmax(1) == own.y).mean())
    assert cap.test > 0.9
    assert cap.test > found.cap("told", 2).test + 0.2
    assert found.cap("forehead_2", recovered=True).test < 0.75  # nothing to find there
    again = electrode_curve(
        net, windows, test=held, scores=scores, counts=[2, 4], n_random=3, headsets=["forehead_2"], recovery=recovery
    )
    assert [c.test for c in again.caps] == [c.test for c in found.caps]


def test_recovery_without_epochs_or_with_too_many_electrodes(network, valid):
    train = made(60, (8, 3), subject="f", seed=5)
    with pytest.raises(ValueError, match="must be 1 or more"):
        Recovery(train, 0)
    with pytest.raises(ValueError, match="recovery: cannot keep 9 of 8 electrodes"):
        electrode_curve(network, valid, recovery=Recovery(train, 1, counts=[9]))


# ---- electrodes that are no axis ----


@pytest.fixture(scope="module")
def on_grid():
    own = grid(NAMES, rows=7, columns=7)
    flat = made(50, (8, 3), subject="v", seed=11)
    X = own.scatter(flat.X.transpose(0, 2, 1)).astype(np.float32)
    windows = replace(flat, X=X)
    torch.manual_seed(4)
    return trace(GridCNN(3, 7, 7, 2, widths=(4, 6), hidden=8), windows), windows, own


def test_cells_of_a_grid_are_held_at_their_mean(on_grid):
    net, windows, own = on_grid
    train = made(70, (8, 3), subject="f", seed=12)
    train = replace(train, X=own.scatter(train.X.transpose(0, 2, 1)).astype(np.float32))
    found = electrode_curve(net, windows, train=train, greedy=True, counts=[3], n_random=2, metric="loss")
    assert "bands × rows × columns" in found.silenced
    for cap in found.caps:
        X = windows.X.copy()
        for name, (r, c) in zip(NAMES, own.cells.tolist(), strict=True):
            if name not in cap.electrodes:
                X[:, :, r, c] = train.X[:, :, r, c].astype(np.float64).mean(0)
        want = replica(predict(net.module(), X).astype(np.float64), windows.y, "loss")
        assert cap.valid == pytest.approx(want, rel=1e-5)
    with pytest.raises(PlanError, match="silenced but not removed"):
        found.plan(net, "greedy", 3)


def test_a_grid_network_recovers_without_shrinking(on_grid):
    net, windows, own = on_grid
    train = made(100, (8, 3), subject="f", seed=12)
    train = replace(train, X=own.scatter(train.X.transpose(0, 2, 1)).astype(np.float32))
    recovery = Recovery(train, 6, counts=[2], n_random=0, options={"learning_rate": 1e-2})
    found = electrode_curve(net, windows, greedy=True, counts=[2], n_random=0, recovery=recovery)
    cap = found.cap("greedy", 2, recovered=True)
    assert cap.network.input_shape == net.input_shape
    assert cap.valid > 0.75


def test_another_grid_is_refused(on_grid):
    net, windows, _ = on_grid
    X = windows.X.copy()
    X[:, 0, 0, 0] = np.arange(len(X))
    with pytest.raises(ValueError, match=r"has content where .* has no electrode"):
        electrode_curve(net, replace(windows, X=X), greedy=True)


def test_electrodes_that_are_convolved_over_are_silenced_and_say_why(valid):
    windows = made(40, (8, 64), subject="v", seed=3)
    torch.manual_seed(5)
    model = nn.Sequential(
        nn.Unflatten(1, (1, 8)),
        nn.Conv2d(1, 4, (4, 1), stride=(4, 1)),
        nn.ELU(),
        nn.Flatten(),
        nn.Linear(4 * 2 * 64, 2),
    )
    net = trace(model, windows)
    assert "but not removed" in why_not_removed(net)
    found = electrode_curve(net, windows, greedy=True, counts=[3], n_random=1)
    cap = found.cap("greedy", 3)
    with pytest.raises(PlanError, match="silenced but not removed: convolved over"):
        found.plan(net, "greedy", 3)
    X = windows.X.copy()
    for i, name in enumerate(NAMES):
        if name not in cap.electrodes:
            X[:, i] = windows.X[:, i].astype(np.float64).mean()
    assert cap.valid == float((predict(net.module(), X).argmax(1) == windows.y).mean())


# ---- bad input ----


def test_wrong_words(network, valid):
    scores = l1(network, axes=["electrodes"])
    with pytest.raises(ValueError, match="unknown metric 'acc'; did you mean 'accuracy'"):
        electrode_curve(network, valid, metric="acc")
    with pytest.raises(ValueError, match="cannot keep 9 of 8 electrodes; give numbers from 1 to 8"):
        electrode_curve(network, valid, counts=[9])
    with pytest.raises(ValueError, match="cannot keep 0 of 8"):
        electrode_curve(network, valid, counts=[0])
    with pytest.raises(ValueError, match="unknown headset 'muse4'; did you mean 'muse_4'"):
        electrode_curve(network, valid, headsets=["muse4"])
    with pytest.raises(ValueError, match="n_random is the number"):
        electrode_curve(network, valid, n_random=-1)
    with pytest.raises(ValueError, match="two orders are called 'l1'"):
        electrode_curve(network, valid, scores=[scores, scores])
    with pytest.raises(PlanError, match="no axis 'electrodes'"):
        electrode_curve(network, valid, scores=Scores({"0": np.ones(3)}, "l1"))
    with pytest.raises(PlanError, match="are of 3 electrodes, the network has 8"):
        electrode_curve(network, valid, scores=Scores({"electrodes": np.ones(3)}, "l1"))
    with pytest.raises(TypeError, match=r"call trimcap\.trace"):
        electrode_curve(planted(), valid)
    unnamed = replace(network, channels=())
    with pytest.raises(PlanError, match="does not know its electrodes"):
        electrode_curve(unnamed, replace(valid, channels=()))
    one = valid.pick(["C3"])
    single = trace(nn.Sequential(nn.Flatten(), nn.Linear(3, 2)), one)
    with pytest.raises(PlanError, match="hears 1 electrode; there is nothing to remove"):
        electrode_curve(single, one)


def test_scores_of_a_network_without_the_axis(on_grid):
    with pytest.raises(PlanError, match="unknown axis 'electrodes'"):
        l1(on_grid[0], axes=["electrodes"])


def test_several_ledgers_see_the_same(network, valid):
    """`valid` is recorded once, as what the choice was made on."""
    ledger = Ledger()
    electrode_curve(network, valid, greedy=True, n_random=0, ledger=ledger)
    assert [(entry.stage, entry.note) for entry in ledger.entries] == [("sensitivity", "electrodes")]
