"""Which windows an electrode curve may see, and input that is wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from planted_caps import made, planted
from torch import nn

from trimcap._errors import AuditError, PlanError
from trimcap.data.ledger import Ledger
from trimcap.data.splits.folds import make_fold
from trimcap.graph.trace.trace import trace
from trimcap.prune.electrodes import Recovery, electrode_curve
from trimcap.prune.saliency.by_gradients import taylor
from trimcap.prune.saliency.by_weights import l1
from trimcap.prune.saliency.scores import Scores

# ---- who may see what


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
    assert fold.audit().verdict == "unknown: trained outside"  # the planted network was never fitted
    with pytest.raises(AuditError, match="must not be chosen on the test set"):
        electrode_curve(network, test_windows, greedy=True, n_random=0, ledger=fold.ledger)


def test_several_ledgers_see_the_same(network, valid):
    """`valid` is recorded once, as what the choice was made on."""
    ledger = Ledger()
    electrode_curve(network, valid, greedy=True, n_random=0, ledger=ledger)
    assert [(entry.stage, entry.note) for entry in ledger.entries] == [("sensitivity", "electrodes")]


def test_one_trial_on_both_sides_is_refused(network, valid, test_windows):
    with pytest.raises(AuditError, match=r"1 trials, such as v/1/1, .* give windows of other subjects as test="):
        electrode_curve(network, valid.take(range(40)), test=valid.take(range(40, 80)), greedy=True)
    recovery = Recovery(test_windows.take(range(60)), 1)
    with pytest.raises(AuditError, match="such as t/1/1"):
        electrode_curve(network, valid, train=test_windows.take(range(60)), test=test_windows.take(range(60, 120)))
    with pytest.raises(AuditError, match="such as t/1/1"):
        electrode_curve(network, valid, test=test_windows.take(range(60, 120)), recovery=recovery)


# ---- bad input


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


def test_recovery_without_epochs_or_with_too_many_electrodes(network, valid):
    train = made(60, (8, 3), subject="f", seed=5)
    with pytest.raises(ValueError, match="must be 1 or more"):
        Recovery(train, 0)
    with pytest.raises(ValueError, match="recovery: cannot keep 9 of 8 electrodes"):
        electrode_curve(network, valid, recovery=Recovery(train, 1, counts=[9]))


def test_another_grid_is_refused(on_grid):
    net, windows, _ = on_grid
    X = windows.X.copy()
    X[:, 0, 0, 0] = np.arange(len(X))
    with pytest.raises(ValueError, match=r"has content where .* has no electrode"):
        electrode_curve(net, replace(windows, X=X), greedy=True)


def test_scores_of_a_network_without_the_axis(on_grid):
    with pytest.raises(PlanError, match="unknown axis 'electrodes'"):
        l1(on_grid[0], axes=["electrodes"])
