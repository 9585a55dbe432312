"""Soft pruning: how many go, that they may come back, that one mask is enough, and that compaction forgets nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from trimcap.data.windows import Windows
from trimcap.graph.trace.trace import trace
from trimcap.models import CCNN, TSCeption
from trimcap.prune.after.compact import compact, difference
from trimcap.prune.after.soft import silent_plan, soft_pruning, zeroed
from trimcap.prune.choose.keep import removed_count
from trimcap.prune.choose.schedule import gradual
from trimcap.prune.saliency.scores import units_of
from trimcap.train.fit import fit
from zoo import build


def windows_like(shape, n=24):
    rng = np.random.default_rng(0)
    y = np.arange(n, dtype=np.int64) % 2
    X = rng.standard_normal((n, *shape)).astype(np.float32)
    X[:, 0] += y.astype(np.float32).reshape(-1, *[1] * (len(shape) - 1))
    metadata = pd.DataFrame({"subject": "s", "session": "1", "trial": "1", "start": np.arange(n, dtype=float)})
    names = tuple(f"E{i}" for i in range(shape[0]))
    return Windows(X, y, metadata, names, 64.0, ("a", "b"), 1.0)


@pytest.fixture(scope="module")
def ccnn():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return trace(CCNN(3, 5, 5, 2, widths=(6, 8, 10, 4), hidden=12), torch.randn(2, 3, 5, 5))


def zeros(network):
    return {axis: size - len(silent_plan(network).keep[axis]) for axis, size in silent_plan(network).sizes.items()}


def test_after_every_epoch_the_lowest_of_every_axis_are_zero(ccnn):
    seen = []
    hook = soft_pruning(ccnn, 0.3)

    def both(model, epoch, step):
        hook(model, epoch, step)
        seen.append(zeros(model.extract()))

    fitted = fit(ccnn.module(), windows_like((3, 5, 5)), epochs=3, batch_size=8, epoch_hooks=[both])
    want = {axis.name: removed_count(0.3, axis.size) for axis in ccnn.axes.hidden}
    assert seen == [want] * 3
    assert zeros(fitted.model.extract()) == want


def test_the_lowest_by_l2_are_zeroed_and_biases_are_not(ccnn):
    model = ccnn.module()
    soft_pruning(ccnn, 0.5)(model, 1, 1)
    after = model.extract()
    for axis in ccnn.axes.hidden:
        (units,) = units_of(ccnn, axis)
        norms = np.sqrt((units**2).sum(1))
        kept = sorted(np.argsort(norms, kind="stable")[removed_count(0.5, axis.size) :].tolist())
        assert list(silent_plan(after).keep[axis.name]) == kept
    for name, tensor in ccnn.tensors.items():
        if name.endswith("bias"):
            assert torch.equal(after.tensors[name], tensor)


def test_a_zeroed_filter_recovers_when_its_gradient_says_so(ccnn):
    """Crafted gradients: one zeroed filter gets a large one, and is kept when its turn comes again."""
    axis = ccnn.axes.hidden[0]
    (weight,) = [t for t, d in axis.members if d == 0 and ccnn.tensors[t].ndim == 4]
    model = ccnn.module()
    hook = soft_pruning(ccnn, 0.3, axes=[axis.name])
    hook(model, 1, 1)
    before = silent_plan(model.extract()).keep[axis.name]
    risen = next(i for i in range(axis.size) if i not in before)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    model.tensor(weight).grad[risen] = -5.0
    optimizer.step()
    assert (model.tensor(weight)[risen] == 5.0).all()
    hook(model, 2, 2)
    after = silent_plan(model.extract()).keep[axis.name]
    assert risen in after
    assert len(after) == len(before)
    assert set(before) - set(after)  # another one is zero now, for the first time


def test_zeroed_filters_do_train(ccnn):
    """Real gradients too: between two prunings every zeroed filter with a live activation moves."""
    moved = []

    def look(model, epoch, _):
        if epoch == 2:
            moved.append(zeros(model.extract()))

    fit(
        ccnn.module(), windows_like((3, 5, 5)), epochs=2, batch_size=8, learning_rate=0.01,
        epoch_hooks=[look, soft_pruning(ccnn, 0.5)],
    )  # fmt: skip
    assert sum(moved[0].values()) < sum(removed_count(0.5, a.size) for a in ccnn.axes.hidden) / 2


def test_coupled_layers_get_one_mask():
    torch.manual_seed(0)
    network = trace(TSCeption(8, 128, 2, sfreq=64), torch.randn(2, 8, 128))
    model = network.module()
    soft_pruning(network, 0.3)(model, 1, 1)
    for axis in network.axes.hidden:
        gone = [
            set(torch.nonzero(model.tensor(t).detach().flatten(1).eq(0).all(1)).flatten().tolist())
            for t, d in axis.members
            if d == 0 and network.tensors[t].ndim >= 2
        ]
        assert len(gone) >= 1
        assert all(each == gone[0] for each in gone)
        assert len(gone[0]) == removed_count(0.3, axis.size)


def test_a_period_a_schedule_and_a_cap(ccnn):
    seen = []
    hook = soft_pruning(
        ccnn, lambda epoch: gradual(epoch, sparsity=0.8, start=0, end=4), period=2, at_most={"hidden": 0.25}
    )

    def both(model, epoch, step):
        hook(model, epoch, step)
        seen.append(zeros(model.extract()))

    fit(ccnn.module(), windows_like((3, 5, 5)), epochs=4, batch_size=8, epoch_hooks=[both])
    conv = next(a for a in ccnn.axes.hidden if a.size == 10)
    shares = [0, 0.8 - 0.8 * 0.5**3, 0, 0.8]
    assert [row[conv.name] for row in seen] == [removed_count(s, 10) for s in shares]
    assert seen[3]["hidden"] == 3


def test_training_resumes_as_if_it_had_not_stopped(ccnn, tmp_path):
    windows, options = windows_like((3, 5, 5)), {"epochs": 4, "batch_size": 8}
    hook = soft_pruning(ccnn, 0.4)

    def stop(_model, epoch, _step):
        if epoch == 3:
            raise KeyboardInterrupt

    whole = fit(ccnn.module(), windows, **options, epoch_hooks=[hook])
    with pytest.raises(KeyboardInterrupt):
        fit(ccnn.module(), windows, **options, epoch_hooks=[hook], hooks=[stop], checkpoint=tmp_path / "c")
    again = fit(ccnn.module(), windows, **options, epoch_hooks=[hook], checkpoint=tmp_path / "c")
    assert all(torch.equal(v, again.model.state_dict()[k]) for k, v in whole.model.state_dict().items())


def test_compaction_after_training_keeps_the_function(ccnn):
    fitted = fit(ccnn.module(), windows_like((3, 5, 5)), epochs=2, batch_size=8, epoch_hooks=[soft_pruning(ccnn, 0.5)])
    after = fitted.model.extract()
    found = compact(after, only=silent_plan(after))
    assert difference(after, found.network) <= 1e-6
    assert found.network.n_parameters < 0.5 * ccnn.n_parameters
    again = fit(found.network.module(), windows_like((3, 5, 5)), epochs=1)  # and it trains on
    assert np.isfinite(again.history.train_loss).all()


def test_weight_normalised_filters_are_zeroed_and_recover():
    network = trace(*build("weight norm"))
    fitted = fit(
        network.module(), Windows(**{**vars(windows_like(network.input_shape)), "classes": ("a", "b", "c")}),
        epochs=2, batch_size=8, epoch_hooks=[soft_pruning(network, 0.5)],
    )  # fmt: skip
    after = fitted.model.extract()
    assert zeros(after) == {a.name: removed_count(0.5, a.size) for a in network.axes.hidden}
    assert all(t.isfinite().all() for t in after.tensors.values() if t.is_floating_point())
    again = zeroed(network, silent_plan(after)).module()
    assert again(torch.randn(2, *network.input_shape)).isfinite().all()


def test_what_is_wrong_is_said(ccnn):
    with pytest.raises(ValueError, match="period is a number of epochs, 1 or more, got 0"):
        soft_pruning(ccnn, 0.5, period=0)
    with pytest.raises(TypeError, match=r"works on network\.module\(\), got Linear"):
        soft_pruning(ccnn, 0.5)(nn.Linear(2, 2), 1, 1)
    with pytest.raises(ValueError, match="0 ≤ sparsity < 1, got 1"):
        soft_pruning(ccnn, 1)(ccnn.module(), 1, 1)
