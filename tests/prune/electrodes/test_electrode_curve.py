"""Electrode curves against networks that were really shrunk, silenced by hand, or trained again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from planted_caps import NAMES, TRUE, made, replica
from torch import nn

from trimcap._errors import PlanError
from trimcap.graph.trace.trace import trace
from trimcap.prune.electrodes import Recovery, electrode_curve
from trimcap.prune.electrodes.hearing import _by_gates, _spatial_filter, hearing, why_not_removed
from trimcap.prune.plan import make_plan
from trimcap.prune.saliency.by_weights import l1
from trimcap.prune.saliency.scores import Scores
from trimcap.prune.shrink import shrink
from trimcap.train.predict import predict


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


# ---- exactness


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


def test_all_electrodes_are_the_whole_network(raw):
    net, windows = raw
    found = electrode_curve(net, windows, scores=l1(net, axes=["electrodes"]), n_random=0)
    accuracy = float((predict(net.module(), windows).argmax(1) == windows.y).mean())
    assert found.dense.valid == accuracy
    assert found.cap("l1", 8).valid == accuracy
    assert [cap.count for cap in found.line("l1")] == list(range(1, 9))
    assert found.reported == "valid"
    assert found.dense.test is None


# ---- electrodes that are no axis


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


# ---- recovery


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


def test_a_grid_network_recovers_without_shrinking(on_grid):
    net, windows, own = on_grid
    train = made(100, (8, 3), subject="f", seed=12)
    train = replace(train, X=own.scatter(train.X.transpose(0, 2, 1)).astype(np.float32))
    recovery = Recovery(train, 6, counts=[2], n_random=0, options={"learning_rate": 1e-2})
    found = electrode_curve(net, windows, greedy=True, counts=[2], n_random=0, recovery=recovery)
    cap = found.cap("greedy", 2, recovered=True)
    assert cap.network.input_shape == net.input_shape
    assert cap.valid > 0.75
