"""Which electrodes a curve keeps, against caps that were planted, and how it is read."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from planted_caps import NAMES, replica

from trimcap.data.electrodes.headsets import Headset
from trimcap.prune.electrodes import electrode_curve
from trimcap.prune.electrodes.hearing import eliminate, hearing
from trimcap.prune.electrodes.sets import counts_of, drawn
from trimcap.prune.plan import make_plan
from trimcap.prune.saliency.by_weights import l1
from trimcap.prune.saliency.scores import Scores
from trimcap.prune.samples import sample
from trimcap.prune.shrink import shrink
from trimcap.train.predict import predict

# ---- what is chosen


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
    monkeypatch.setattr("trimcap.prune.electrodes.hearing._KEPT", 0)
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


# ---- reading it


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
