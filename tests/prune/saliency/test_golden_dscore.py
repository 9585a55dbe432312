"""The nine golden cases of the D-Score family: masses, ranks, scores, and what goes at every number."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from trimcap.graph.network import Network
from trimcap.graph.trace.trace import trace
from trimcap.prune.choose.keep import keep_top
from trimcap.prune.plan import removed_count
from trimcap.prune.saliency.by_weights import _masses, _ranks, _sign_distances, d_score, d_step, d_step_gm, fpgm, l1

GOLDEN = json.loads((Path(__file__).parent / "golden_dscore.json").read_text())
SALIENCIES = {"l1": l1, "dscore": d_score, "dstep": d_step, "dstep_gm": d_step_gm, "fpgm": fpgm}
CASES = sorted(GOLDEN)


def filters(case: str) -> np.ndarray:
    return np.asarray(GOLDEN[case]["filters"], dtype=np.float64)


@cache
def network(case: str, kind: str) -> Network:
    """A layer with exactly these weights, in float64: 0.1 is no float32."""
    weights = torch.tensor(filters(case))
    n, k = weights.shape
    layer, head = (nn.Conv1d(k, n, 1) if kind == "conv" else nn.Linear(k, n)), nn.Linear(n, 2)
    rest = [nn.AdaptiveAvgPool1d(1), nn.Flatten()] if kind == "conv" else []
    made = trace(nn.Sequential(layer, nn.ReLU(), *rest, head), torch.randn(2, k, *([4] if kind == "conv" else [])))
    return made.with_tensors({**made.tensors, "0.weight": weights.reshape(layer.weight.shape)})


def test_there_are_nine():
    assert "".join(CASES) == "ABCDEGHIJ"


@pytest.mark.parametrize("case", CASES)
def test_masses_ranks_and_distances(case):
    golden, units = GOLDEN[case], filters(case)
    p, n = _masses(units)
    np.testing.assert_allclose(p, golden["P"], atol=1e-12)
    np.testing.assert_allclose(n, golden["N"], atol=1e-12)
    assert _ranks(p, "ordinal").tolist() == golden["rank_P"]
    assert _ranks(n, "ordinal").tolist() == golden["rank_N"]
    for found, wanted in zip(_sign_distances(units), (golden["gm_P"], golden["gm_N"]), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-8)


@pytest.mark.parametrize("kind", ["conv", "linear"])
@pytest.mark.parametrize("case", CASES)
def test_scores(case, kind):
    made = network(case, kind)
    axis = made.axes.hidden[0].name
    assert d_score(made).values[axis].tolist() == GOLDEN[case]["dscore"]
    assert (d_score(made).values[axis] == np.add(GOLDEN[case]["rank_P"], GOLDEN[case]["rank_N"])).all()
    found = fpgm(made).values[axis]
    np.testing.assert_allclose(found / found.mean(), np.divide(GOLDEN[case]["fpgm"], np.mean(GOLDEN[case]["fpgm"])))


@pytest.mark.parametrize("method", SALIENCIES)
@pytest.mark.parametrize("case", CASES)
def test_what_is_removed_at_every_number(case, method):
    """Through plans: n of N slices are the first n of the published order, for each n from 1 to N − 1."""
    for kind in ("conv", "linear"):
        made = network(case, kind)
        axis, wanted = made.axes.hidden[0].name, GOLDEN[case][f"order_{method}"]
        scores = SALIENCIES[method](made)
        for n in range(1, len(wanted)):
            plan = keep_top(made, scores, n / len(wanted))
            assert set(range(len(wanted))) - set(plan.keep[axis]) == set(wanted[:n]), (kind, n)


def test_methods_differ_where_the_cases_say_so():
    """Twin: the orders are no copies of each other."""
    orders = {m: [GOLDEN[c][f"order_{m}"] for c in CASES] for m in SALIENCIES}
    assert len({json.dumps(o) for o in orders.values()}) == len(SALIENCIES)


def test_number_of_slices_is_that_of_integer_arithmetic():
    """⌊N·percent/100⌋ for all layers up to 512; floating point loses one at 29 % and 58 % of 100, 200 and 400."""
    assert all(removed_count(p / 100, n) == n * p // 100 for n in range(1, 513) for p in range(100))
    assert [int(n * (p * 0.01)) - n * p // 100 for n in (50, 100, 200, 400) for p in (29, 58)] == [0, -1, -1, -1] + [
        -1
    ] * 4
