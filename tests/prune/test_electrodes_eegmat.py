"""Electrode curves on real recordings."""

from __future__ import annotations

import numpy as np
import pytest

from trimcap.graph.trace.trace import trace
from trimcap.models.build import build
from trimcap.models.scaled import Scaled
from trimcap.prune.electrodes import electrode_curve
from trimcap.prune.saliency.by_weights import l1
from trimcap.prune.shrink import shrink
from trimcap.study.recipe.recipe import parse_recipe
from trimcap.study.run.prepare import folds_of, prepare
from trimcap.train.fit import fit
from trimcap.train.predict import predict

RECIPE = """
name = "electrodes"
[data]
source = "eegmat"
subjects = 6
rate = 128
seconds = 40
window = 2
features = "raw"
[protocol]
name = "k_fold_subjects"
folds = 3
valid = 0.5
[model]
name = "eegnet"
"""


@pytest.mark.slow
@pytest.mark.real
def test_electrodes_of_eegmat(eegmat_folder):
    """Test subjects are only measured, caps are those of networks that were really shrunk, headsets name stand-ins."""
    assert eegmat_folder.is_dir()
    recipe = parse_recipe(RECIPE)
    fold = folds_of(prepare(recipe), recipe.protocol)[0]
    train, valid = fold.train, fold.valid
    std = train.X.std(axis=(0, 2))[:, None]
    model = Scaled(build("eegnet", train, seed=0, F1=4), np.zeros_like(std), std)
    network = trace(fit(model, train, valid, epochs=4, seed=0, ledger=fold.ledger).model, train)
    found = electrode_curve(
        network, valid, test=fold.test, scores=l1(network, axes=["electrodes"]), greedy=True, counts=[2, 8],
        n_random=2, headsets=["forehead_2", "muse_4", "epoc_14"], ledger=fold.ledger,
    )  # fmt: skip
    assert fold.audit().passed
    assert not found.left_out
    assert found.headsets["muse_4"].substitutions == {"TP9": "T3", "AF7": "Fp1", "AF8": "Fp2", "TP10": "T4"}
    assert found.cap("forehead_2").electrodes == ("Fp1", "Fp2")
    held = fold.test.open("evaluate", "once more")
    for cap in found.caps:
        if cap.count < 19 and cap.kind == "saliency":
            small = shrink(network, found.plan(network, cap.name, cap.count))
            own = held.pick(cap.electrodes)
            assert cap.test == pytest.approx((predict(small.module(), own).argmax(1) == own.y).mean())
    losses = electrode_curve(network, valid, greedy=True, counts=[8], n_random=20, metric="loss")
    random = [cap.valid for cap in losses.caps if cap.kind == "random"]
    assert losses.cap("greedy", 8).valid < min(random)  # it was chosen on these windows
