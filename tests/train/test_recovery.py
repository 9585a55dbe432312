"""What arms of recovery need: fresh weights, batch-norm statistics after surgery, equal budgets."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from trimcap.data.ledger import Ledger
from trimcap.graph.trace.trace import trace
from trimcap.models import FBCCNN
from trimcap.train.budget import Spent, equal_epochs, equal_flops
from trimcap.train.fit import fit
from trimcap.train.fresh import fresh
from trimcap.train.re_estimate import re_estimate_batch_norm
from zoo import ZOO, build


@pytest.fixture(scope="module")
def fbccnn():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return trace(FBCCNN(3, 5, 4, 2, widths=(4, 5, 6, 4, 5, 4, 3), hidden=(8, 6)), torch.randn(2, 3, 5, 4))


def test_statistics_are_those_of_what_enters_each_batch_norm(fbccnn, make_windows):
    windows = make_windows(30, (3, 5, 4))
    found = re_estimate_batch_norm(fbccnn, windows, batch_size=7)
    with torch.no_grad():
        results = found.module().run(torch.from_numpy(windows.X), keep=True)
    for node in found.nodes:
        if node.kind == "batch_norm":
            entering = results[node.args[0].name].double().numpy()
            assert np.allclose(found.tensors[node.args[3].name], entering.mean((0, 2, 3)), atol=1e-5)
            assert np.allclose(found.tensors[node.args[4].name], entering.var((0, 2, 3), ddof=1), rtol=1e-4)
    one = re_estimate_batch_norm(fbccnn, windows, batch_size=30)
    assert all(torch.allclose(t, one.tensors[n], rtol=1e-4, atol=1e-5) for n, t in found.tensors.items())
    changed = {n for n, t in found.tensors.items() if not torch.equal(t, fbccnn.tensors[n])}
    assert changed == {n for n in fbccnn.tensors if n.endswith(("running_mean", "running_var"))}


def test_re_estimation_repairs_statistics_that_are_wrong(fbccnn, make_windows):
    windows = make_windows(30, (3, 5, 4))
    right = re_estimate_batch_norm(fbccnn, windows)
    broken = {n: t + 3.0 if n.endswith("running_mean") else t for n, t in right.tensors.items()}
    again = re_estimate_batch_norm(right.with_tensors(broken), windows)
    assert all(torch.equal(t, again.tensors[n]) for n, t in right.tensors.items())


def test_re_estimation_records_what_it_saw_and_refuses_other_windows(fbccnn, make_windows):
    ledger, windows = Ledger(), make_windows(30, (3, 5, 4))
    re_estimate_batch_norm(fbccnn, windows, ledger=ledger)
    assert [(e.stage, len(e.ids)) for e in ledger.entries] == [("recovery", 30)]
    with pytest.raises(ValueError, match=r"takes windows of shape \(3, 5, 4\): .* got \(\d+, 3, 4, 5\)"):
        re_estimate_batch_norm(fbccnn, make_windows(30, (3, 4, 5)))
    plain = trace(*build("grouped"))
    same = re_estimate_batch_norm(plain, make_windows(8, plain.input_shape))
    assert all(torch.equal(t, same.tensors[n]) for n, t in plain.tensors.items())


@pytest.mark.parametrize("name", ZOO)
def test_fresh_weights_are_as_pytorch_draws_them(name):
    network = trace(*build(name))
    found = fresh(network, seed=3)
    assert all(torch.equal(t, fresh(network, seed=3).tensors[n]) for n, t in found.tensors.items())
    for node in network.nodes:
        if node.kind in ("conv1d", "conv2d", "linear") and not any(
            r.tensor == node.args[1].name for r in network.constraints
        ):
            weight = found.tensors[node.args[1].name]
            bound = 1 / np.sqrt(weight[0].numel())
            assert weight.abs().max() <= bound
            assert weight.numel() < 50 or weight.std() == pytest.approx(bound / np.sqrt(3), rel=0.25)
            assert not torch.equal(weight, network.tensors[node.args[1].name])
    for tensor, value in found.tensors.items():
        assert value.isfinite().all()
        if tensor not in network.trainable and not tensor.endswith(("running_mean", "running_var")):
            assert torch.equal(value, network.tensors[tensor])
    for rule in network.constraints:
        if rule.kind == "max_norm":
            assert (found.tensors[rule.tensor].flatten(1).norm(dim=1) <= rule.value + 1e-5).all()
    assert found(torch.randn(2, *network.input_shape)).isfinite().all()


def test_fresh_batch_norm_is_the_identity_and_nothing_of_the_training_is_left(fbccnn, make_windows):
    trained = fit(fbccnn.module(), make_windows(30, (3, 5, 4)), epochs=2).model.extract()
    found, other = fresh(trained, seed=0), fresh(fbccnn, seed=0)
    assert all(torch.equal(t, other.tensors[n]) for n, t in found.tensors.items() if n not in ("num_batches",))
    norm = next(n for n in trained.nodes if n.kind == "batch_norm")
    values = [found.tensors[norm.args[i].name].unique().tolist() for i in (1, 2, 3, 4)]
    assert values == [[1.0], [0.0], [0.0], [1.0]]


def test_fresh_weights_are_those_of_a_new_network_of_the_same_seed():
    """PyTorch's own layers, built one after the other, draw the same numbers."""
    for seed in (0, 7):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            new = trace(FBCCNN(3, 5, 4, 2, widths=(4, 5, 6, 4, 5, 4, 3), hidden=(8, 6)), torch.randn(2, 3, 5, 4))
        trained = new.with_tensors({n: t + 1 for n, t in new.tensors.items()})
        found = fresh(trained, seed=seed)
        for name in new.trainable:
            assert torch.allclose(found.tensors[name], new.tensors[name], rtol=1e-5, atol=1e-7)


def test_fresh_layers_have_the_distribution_of_pytorch():
    torch.manual_seed(0)
    layer = nn.Linear(50, 4000)
    found = fresh(
        trace(nn.Sequential(nn.Flatten(), layer, nn.ReLU(), nn.Linear(4000, 2)), torch.randn(2, 5, 10)), seed=1
    )
    for name, own in (("1.weight", layer.weight), ("1.bias", layer.bias)):
        drawn = found.tensors[name]
        assert drawn.mean() == pytest.approx(0, abs=0.01)
        assert drawn.std() == pytest.approx(float(own.detach().std()), rel=0.05)
        assert drawn.abs().max() == pytest.approx(float(own.detach().abs().max()), rel=0.01)


def test_budgets():
    dense = Spent(100, 79_960_064)
    assert dense.total == 7_996_006_400
    assert equal_epochs([dense], 30) == 130
    assert equal_epochs([dense, Spent(20, 1)], 30) == 150
    assert equal_flops([dense], 30, macs=3_893_936) == 30 + 2053
    assert equal_flops([dense, Spent(10, 3_893_936)], 30, macs=3_893_936) == 30 + 2063
    # both cost what fine-tuning did
    assert (2053 + 30) * 3_893_936 <= dense.total + 30 * 3_893_936 < (2054 + 30) * 3_893_936
    with pytest.raises(ValueError, match="no multiply–accumulates"):
        equal_flops([dense], 1, macs=0)
