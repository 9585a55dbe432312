"""The comparison of saliencies with the oracle."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sampled import windows_for
from scipy.stats import kendalltau, rankdata

from trimcap._errors import AuditError, PlanError
from trimcap.data.ledger import Ledger
from trimcap.data.splits.sealed import Sealed
from trimcap.graph.trace.trace import trace
from trimcap.prune.choose.compare import POOLED, compare
from trimcap.prune.choose.keep import keep_top
from trimcap.prune.saliency.by_gradients import taylor
from trimcap.prune.saliency.by_weights import l1
from trimcap.prune.saliency.oracle import oracle
from trimcap.prune.saliency.scores import Scores
from trimcap.prune.saliency.table import SALIENCIES
from trimcap.prune.shrink import shrink
from zoo import build

OWN = windows_for((4, 9, 9), n=20)
VALID = windows_for((4, 9, 9), n=16, seed=1, subject="s2")


@pytest.fixture(scope="module")
def network():
    return trace(*build("grid"))


@pytest.fixture(scope="module")
def found(network):
    return compare(network, OWN, VALID, options={"synflow": {"rounds": 3}})


def cell(found, saliency, axis, what="spearman"):
    rows = found.correlations
    (value,) = rows[(rows.saliency == saliency) & (rows.axis == axis)][what]
    return value


def spearman(a, b):
    """Pearson's correlation of mid-ranks."""
    return np.corrcoef(rankdata(a), rankdata(b))[0, 1]


def test_correlations_are_those_of_the_scores(network, found):
    truth = oracle(network, windows=VALID).values
    for name, scores in {"l1": l1(network), "taylor": taylor(network, windows=OWN)}.items():
        for axis, values in scores.values.items():
            assert cell(found, name, axis) == pytest.approx(spearman(values, truth[axis]))
            assert cell(found, name, axis, "kendall") == pytest.approx(kendalltau(values, truth[axis]).statistic)
        pooled = np.concatenate([v / v.mean() for v in scores.values.values()])
        whole = np.concatenate([truth[axis] for axis in scores.values])
        assert cell(found, name, POOLED) == pytest.approx(spearman(pooled, whole))
    assert cell(found, "oracle", POOLED) == pytest.approx(1)
    assert cell(found, "largest_first", "3") == pytest.approx(-cell(found, "l1", "3"))


def test_accuracies_are_those_of_the_pruned_network(network, found):
    row = found.costs.set_index("saliency").loc["l1"]
    for sparsity in (0.3, 0.5):
        small = shrink(network, keep_top(network, l1(network), sparsity))
        right = small(torch.from_numpy(VALID.X)).argmax(1).numpy() == VALID.y
        assert row[f"accuracy {100 * sparsity:g} %"] == right.mean()
    assert found.accuracy == (network(torch.from_numpy(VALID.X)).argmax(1).numpy() == VALID.y).mean()


def test_every_saliency_has_a_row_and_what_is_missing_a_reason(found):
    assert set(found.table().saliency) == set(SALIENCIES)
    assert set(found.reasons) == {"bn_scale", "hrank", "apoz"}  # no batch norm, neurons without maps, SELU
    assert "no batch norm follows the layer of axis '1'" in found.reasons["bn_scale"]
    assert np.isfinite(cell(found, "bn_scale", "3"))  # the axis that has one
    assert np.isnan(cell(found, "bn_scale", "1"))
    assert np.isnan(cell(found, "bn_scale", POOLED))
    table = found.table().set_index("saliency")
    assert table.index[0] == "oracle"
    assert np.isnan(table.loc["hrank", "accuracy 50 %"])
    assert (table.seconds > 0).all()


def flat(network, *, axes=None):
    return Scores({name: np.ones(network.axes[name].size) for name in axes}, "flat")


def test_the_ledger_and_limits(network):
    ledger, seen = Ledger(), []
    found = compare(
        network, OWN, VALID, saliencies=["l1", "snip", "test_compare_saliencies:flat"], axes=["3"], n_windows=6,
        ledger=ledger, sparsities=(0.25,), progress=seen.append,
    )  # fmt: skip
    assert [(e.note, len(e.ids)) for e in ledger.entries] == [("oracle", 6), ("snip", 6)]
    assert seen == ["oracle", "l1", "snip", "test_compare_saliencies:flat"]
    assert found.windows == (6, 6)
    assert np.isnan(cell(found, "test_compare_saliencies:flat", "3"))  # no ranks in equal scores
    with pytest.raises(AuditError, match="would see 16 test windows"):
        compare(network, OWN, Sealed(VALID, ledger), saliencies=["l1"])


def test_messages(network):
    with pytest.raises(ValueError, match="unknown saliency 'l3'"):
        compare(network, OWN, VALID, saliencies=["l3"])
    with pytest.raises(PlanError, match="unknown axis '33'"):
        compare(network, OWN, VALID, axes=["33"])
    frozen = trace(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(324, 3)), torch.randn(2, 4, 9, 9))
    with pytest.raises(PlanError, match=r"no axis inside .* can be pruned"):
        compare(frozen, OWN, VALID)
