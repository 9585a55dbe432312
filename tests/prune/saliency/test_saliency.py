"""Saliencies against golden cases and re-derivations in the papers' notation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sampled import MODELS, model_network, windows_for
from small_networks import small
from torch import nn

from trimcap._errors import AuditError, PlanError
from trimcap.data.ledger import Ledger
from trimcap.data.splits.sealed import Sealed
from trimcap.graph.rewrite.rewrite import rewrite
from trimcap.graph.trace.trace import trace
from trimcap.models import EEGNet
from trimcap.program.cost import cost
from trimcap.prune.choose.keep import keep_top
from trimcap.prune.saliency.by_weights import l1, l2, random
from trimcap.prune.saliency.scores import Scores, from_units
from trimcap.prune.saliency.table import SALIENCIES, describe, find_saliency, needs_windows, score
from trimcap.prune.shrink import shrink
from zoo import ZOO, build


def test_l1_l2_replica_on_a_convolution():
    """s_j = Σ|W_j| and ‖W_j‖₂ over inputs and kernel, biases and batch norm unused (Li 2017; He 2018)."""
    network = trace(*build("grid"))
    w = network.tensors["3.weight"].numpy()
    absolute = [sum(abs(float(v)) for v in w[j].ravel()) for j in range(len(w))]
    euclid = [sum(float(v) ** 2 for v in w[j].ravel()) ** 0.5 for j in range(len(w))]
    np.testing.assert_allclose(l1(network).values["3"], absolute, rtol=1e-6)
    np.testing.assert_allclose(l2(network).values["3"], euclid, rtol=1e-6)


def test_coupled_layers_count_equally():
    """TSCeption's temporal kernels have fan-ins 32, 16, 8; each layer's ℓ1 is divided by its mean."""
    network = trace(*build("TSCeption"))
    layers = []
    for name in ("t.0.0", "t.1.0", "t.2.0"):
        score = network.tensors[f"{name}.weight"].abs().sum((1, 2, 3)).double().numpy()
        layers.append(score / score.mean())
    np.testing.assert_allclose(l1(network).values["t.0.0"], np.mean(layers, 0), rtol=1e-6)


def test_depth_multiplier_belongs_to_the_depthwise_layer():
    """The filters of the temporal axis are made by the temporal layer; the multiplier's slices by the spatial one."""
    network = trace(*build("depth multiplier 2"))
    temporal, spatial = network.tensors["1.weight"].double(), network.tensors["3.weight"].double()
    np.testing.assert_allclose(l1(network).values["1"], temporal.abs().sum((1, 2, 3)))
    by_depth = spatial.reshape(6, 2, -1).abs().sum((0, 2))
    np.testing.assert_allclose(l1(network).values["3.depth"], by_depth)


def test_electrodes_are_scored_by_the_weights_that_read_them():
    network = trace(*build("shallow"))
    want = network.tensors["2.weight"].double().abs().sum((0, 1, 3))
    np.testing.assert_allclose(l1(network, axes=["electrodes"]).values["electrodes"], want)


def test_a_slice_is_every_pair_that_it_is_in():
    """Weights on covariances: those of electrode i are at (i, j) and (j, i) for all j."""
    network = trace(*small("covariance"))
    w = network.tensors["c.weight"].double().abs().sum(0).reshape(6, 6).numpy()
    pairs = w.sum(0) + w.sum(1) - w.diagonal()
    direct = network.tensors["a.weight"].double().abs().sum((0, 2)).numpy()
    want = (direct / direct.mean() + pairs / pairs.mean()) / 2
    np.testing.assert_allclose(l1(network, axes=["electrodes"]).values["electrodes"], want)


#: why a saliency can't be had on an axis
REASONS = {
    "bn_scale": "no batch norm follows",
    "apoz": "is ever zero",
    "hrank": "rank of such a matrix is 0 or 1",
    "wanda": "whose inputs are not seen",
}


@pytest.mark.parametrize("name", [*ZOO, *MODELS])
def test_every_saliency_on_every_axis_of_every_network(name):
    """Finite scores for each slice, or a message with the reason."""
    network = trace(*build(name)) if name in ZOO else model_network(name)
    windows = windows_for(network.input_shape)
    refused = set()
    for saliency in SALIENCIES:
        for axis in network.axes.prunable:
            options = {"rounds": 1} if saliency == "synflow" else {}
            reason = ""
            try:
                found = score(network, saliency, windows=windows, axes=[axis.name], **options)
            except PlanError as error:
                reason = str(error)
            if reason:
                assert REASONS.get(saliency, "none is known") in reason
                refused.add((saliency, axis.name))
                continue
            values = found.values[axis.name]
            assert list(found.values) == [axis.name]
            assert values.shape == (axis.size,)
            assert values.dtype == np.float64
            assert np.isfinite(values).all()
    # wanda is refused where weights read a hidden state, and only there
    recurrent = {a.name for a in network.axes.prunable if any("weight_hh" in t for t, _ in a.members)}
    assert {axis for saliency, axis in refused if saliency == "wanda"} <= recurrent


LOOK_AT_DATA = [name for name in SALIENCIES if needs_windows(name)]


def test_which_saliencies_look_at_data():
    assert set(SALIENCIES) - set(LOOK_AT_DATA) == {
        "l1", "l2", "bn_scale", "fpgm", "whc", "lamp", "d_score", "d_step", "d_step_gm", "synflow", "random",
        "largest_first",
    }  # fmt: skip


@pytest.mark.parametrize("name", LOOK_AT_DATA)
def test_windows_are_asked_for_recorded_and_never_those_of_the_test(name):
    network = trace(*build("grid"))
    windows = windows_for(network.input_shape)
    axes = ["3"]
    with pytest.raises(ValueError, match=f"'{name}' looks at data: pass windows=fold.train .or fold.valid.; .*--data"):
        SALIENCIES[name](network, axes=axes)
    ledger = Ledger()
    SALIENCIES[name](network, axes=axes, windows=windows, ledger=ledger, n_windows=5)
    (entry,) = ledger.entries
    assert (entry.stage, entry.note, len(entry.ids)) == ("saliency", name, 5)
    sealed = Sealed(windows, ledger)
    with pytest.raises(AuditError, match=rf"stage 'saliency' \({name}\) would see 12 test windows before the evalu"):
        SALIENCIES[name](network, axes=axes, windows=sealed, ledger=ledger)
    opened = sealed.open("evaluate")
    with pytest.raises(AuditError, match=r"would see 5 test windows.*pass fold.train or fold.valid"):
        SALIENCIES[name](network, axes=axes, windows=opened.take(range(5)), ledger=ledger)
    assert [e.stage for e in ledger.entries] == ["saliency", "evaluate"]  # nothing was seen after all


def test_windows_with_the_electrodes_in_another_order():
    windows = windows_for((8, 64), n_classes=2)
    network = trace(EEGNet(8, 64, 2, F1=2, kernel=8), windows)
    turned = windows.pick(windows.channels[::-1])
    assert score(replace(network, channels=list(network.channels)), "taylor", windows=windows)
    same = score(network, "taylor", windows=turned).values
    for axis, values in score(network, "taylor", windows=windows).values.items():
        np.testing.assert_array_equal(same[axis], values)


def test_windows_of_another_kind():
    network = trace(*build("grid"))
    with pytest.raises(ValueError, match=r"takes windows of shape \(4, 9, 9\).*\(\d+, 8, 64\)"):
        score(network, "taylor", windows=windows_for((8, 64)))
    with pytest.raises(ValueError, match=r"the windows have 5 classes, .* has 3 outputs"):
        score(network, "taylor", windows=windows_for((4, 9, 9), n_classes=5))
    with pytest.raises(TypeError, match="takes Windows, got ndarray"):
        score(network, "taylor", windows=windows_for((4, 9, 9)).X)
    with pytest.raises(ValueError, match="0 windows in batches of 64"):
        score(network, "taylor", windows=windows_for((4, 9, 9)).take([]))


def test_nan_windows():
    network = trace(*build("grid"))
    windows = windows_for((4, 9, 9))
    windows.X[3, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match=r"'taylor': .* window 3 holds NaN or infinity"):
        score(network, "taylor", windows=windows)


def test_unknown_names():
    network = trace(*build("grid"))
    with pytest.raises(ValueError, match=r"unknown saliency 'taylr'; did you mean 'taylor'.*package.module:name"):
        score(network, "taylr")
    with pytest.raises(ValueError, match="saliency 'taylor': unknown option 'fom'; did you mean 'form'"):
        find_saliency("taylor", {"fom": "abs"})
    with pytest.raises(ValueError, match="unknown form 'cube'"):
        score(network, "taylor", windows=windows_for((4, 9, 9)), form="cube")
    with pytest.raises(PlanError, match="unknown axis '33'; did you mean '3'"):
        score(network, "l1", axes=["33"])


def mine(network, *, axes=None, windows=None, power=1.0):
    return from_units(network, lambda units: (np.abs(units) ** power).sum(1) * len(windows), axes=axes, name="mine")


def not_scores(network, *, axes=None):
    return {"1": [1, 2]}


def test_a_saliency_of_ones_own():
    network, ledger = trace(*build("grid")), Ledger()
    windows = windows_for((4, 9, 9))
    for saliency in (mine, "test_saliency:mine"):
        found = score(network, saliency, windows=windows, axes=["3"], power=2.0, ledger=ledger)
        np.testing.assert_allclose(found.values["3"], l2(network).values["3"] ** 2 * 12)
    assert [e.stage for e in ledger.entries] == ["saliency", "saliency"]
    with pytest.raises(AuditError, match="would see 12 test windows"):
        score(network, mine, windows=Sealed(windows, ledger))
    with pytest.raises(TypeError, match="saliency 'not_scores' must return Scores, got dict"):
        score(network, not_scores)


def test_every_saliency_says_what_it_is():
    rows = {row.name: row for row in describe()}
    assert list(rows) == list(SALIENCIES)
    for row in rows.values():
        assert row.formula
        assert "(" in row.source, row  # (year)
        assert ("windows" in row.needs) == needs_windows(row.name)
    assert rows["bn_scale"].needs == "batch norm"
    assert rows["fisher"].formula.startswith("½ · mean over windows")


def test_random_depends_on_the_seed_only():
    network = trace(*build("concat"))
    assert np.array_equal(random(network, seed=1).values["a"], random(network, axes=["a"], seed=1).values["a"])
    assert not np.array_equal(random(network, seed=1).values["a"], random(network, seed=2).values["a"])


def test_nan_scores_are_refused():
    network = trace(*build("concat"))
    with pytest.raises(PlanError, match=r"scores of axis 'a' are not finite at slices \[0"):
        from_units(network, lambda u: np.full(len(u), np.nan), axes=["a"], name="mine")
    with pytest.raises(PlanError, match="not finite"):
        Scores({"a": np.array([1.0, np.inf])}, "mine")


def test_nothing_to_prune():
    network = trace(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), torch.randn(2, 3, 4))
    with pytest.raises(PlanError, match=r"no axis inside .* can be pruned"):
        l1(network)


def test_only_electrodes_can_be_pruned():
    class Mean(nn.Module):
        def forward(self, x):
            return x.mean(-1)

    network = trace(nn.Sequential(Mean(), nn.Linear(6, 2)), torch.randn(2, 6, 40))
    with pytest.raises(PlanError, match=r"Of its input, electrodes can: name them with axes=") as caught:
        l1(network)
    assert ": ;" not in str(caught.value)
    assert len(l1(network, axes=["electrodes"]).values["electrodes"]) == 6


@pytest.mark.parametrize("step", [l1, cost, rewrite, lambda n: keep_top(n, None, 0.5), lambda n: shrink(n, None)])
def test_a_module_or_a_rewrite_instead_of_a_network(step):
    model, x = build("shallow")
    with pytest.raises(TypeError, match=r"got the module Sequential: call trimcap.trace\(model, windows\) first"):
        step(model)
    with pytest.raises(TypeError, match=r"got Rewritten: pass its `.network`"):
        step(rewrite(trace(model, x)))
