"""Sensitivity on real recordings: the curves are those of networks that were really pruned."""

from __future__ import annotations

import numpy as np
import pytest

from trimcap.graph.trace.trace import trace
from trimcap.models.build import build
from trimcap.prune.choose.ratios import plan_from, ratios_for
from trimcap.prune.choose.sensitivity import metric_of, sensitivity
from trimcap.prune.plan import make_plan
from trimcap.prune.saliency.by_weights import d_score
from trimcap.prune.shrink import shrink
from trimcap.study.recipe.recipe import parse_recipe
from trimcap.study.run.prepare import folds_of, prepare
from trimcap.train.fit import fit
from trimcap.train.predict import predict

RECIPE = """
name = "sensitivity"
[data]
source = "eegmat"
rate = 128
seconds = 60
window = 4
features = "differential_entropy"
layout = "grid"
normalise = "subject"
[protocol]
name = "k_fold_subjects"
folds = 4
valid = 0.25
[model]
name = "grid_cnn"
"""


@pytest.mark.slow
@pytest.mark.real
def test_curves_on_eegmat(eegmat_folder):
    """The first fold of all subjects: no floor at small sparsities, values of pruned networks, a plan that shrinks."""
    assert eegmat_folder.is_dir()
    recipe = parse_recipe(RECIPE)
    fold = folds_of(prepare(recipe), recipe.protocol)[0]
    train, valid = fold.train, fold.valid
    model = fit(build("grid_cnn", train, seed=0), train, valid, epochs=10, batch_size=64, seed=0).model
    network = trace(model, train)
    scores = d_score(network)
    found = sensitivity(network, scores, valid, ledger=fold.ledger)
    assert found.baseline > 0.65
    assert found.baseline == pytest.approx((predict(network.module(), valid).argmax(1) == valid.y).mean())
    for name, curve in found.curves.items():
        ranking = np.argsort(scores.values[name], kind="stable")
        for n, value in zip(curve.removed[::4], curve.values[::4], strict=True):
            small = shrink(network, make_plan(network, {name: ranking[n:].tolist()}))
            assert value == pytest.approx((predict(small.module(), valid).argmax(1) == valid.y).mean(), abs=1e-9)
        assert curve.values[0] > found.baseline - 0.1  # one or two slices of 16 to 64 do not cost 14 points
        assert curve.values[-1] < found.baseline
    plan = plan_from(network, scores, ratios_for(found, drop=0.05))
    small = shrink(network, plan)
    assert small.n_parameters < 0.5 * network.n_parameters
    assert metric_of(small, valid) > 0.5
    assert fold.ledger.entries[-1].stage == "sensitivity"
