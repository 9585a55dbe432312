"""Saliencies on gradients: derivations in the papers' notation on small layers, and properties."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from sampled import windows_for
from torch import nn
from torch.nn.functional import cross_entropy

from trimcap.graph.trace.trace import trace
from trimcap.prune.choose.keep import keep_top
from trimcap.prune.plan import make_plan
from trimcap.prune.saliency.by_flow import synflow
from trimcap.prune.saliency.by_gradients import fisher, grasp, snip, taylor
from trimcap.prune.saliency.oracle import oracle
from trimcap.prune.shrink import shrink
from zoo import build


class Small(nn.Module):
    """Two convolutions with batch norm and a hidden layer; `gate` multiplies the 5 filters after their ReLU."""

    def __init__(self):
        super().__init__()
        self.a, self.norm = nn.Conv1d(3, 5, 3), nn.BatchNorm1d(5)
        self.b, self.hidden, self.head = nn.Conv1d(5, 4, 3), nn.Linear(4 * 6, 7), nn.Linear(7, 3)
        self.norm.running_mean.normal_()
        self.norm.running_var.uniform_(0.5, 2)
        self.norm.weight.data.uniform_(-1, 1)

    def forward(self, x, gate=None):
        x = torch.relu(self.norm(self.a(x)))
        x = x if gate is None else x * gate[..., None]
        x = torch.tanh(self.b(x)).flatten(1)
        return self.head(torch.relu(self.hidden(x)))


@pytest.fixture(scope="module")
def small():
    torch.manual_seed(0)
    return Small().eval()


@pytest.fixture(scope="module")
def network(small):
    return trace(small, torch.randn(2, 3, 10))


WINDOWS = windows_for((3, 10), n=10)
X, Y = torch.from_numpy(WINDOWS.X), torch.from_numpy(WINDOWS.y)


def gate_gradients(model, x, y):
    """∂(sum of losses)/∂gate, one row per window."""
    gate = torch.ones(len(x), 5, requires_grad=True)
    cross_entropy(model(x, gate), y, reduction="sum").backward()
    return gate.grad.double().numpy()


def weight_gradient(model, x, y, weight):
    (gradient,) = torch.autograd.grad(cross_entropy(model(x), y), [weight])
    return gradient.double().detach().numpy()


def test_taylor_of_gates(small, network):
    """Molchanov 2019, eq. 8 with a gate z after the activation: (∂L/∂z · z)², averaged over batches."""
    per_batch = [gate_gradients(small, X[i : i + 5], Y[i : i + 5]).mean(0) for i in (0, 5)]
    found = taylor(network, windows=WINDOWS, batch_size=5).values["a"]
    np.testing.assert_allclose(found, np.mean(np.square(per_batch), 0), rtol=1e-4)
    found = taylor(network, windows=WINDOWS, batch_size=5, form="abs").values["a"]
    np.testing.assert_allclose(found, np.mean(np.abs(per_batch), 0), rtol=1e-4)
    # twin: one batch of all is another number
    assert not np.allclose(taylor(network, windows=WINDOWS, batch_size=10).values["a"], found**2, rtol=0.05)


@pytest.mark.parametrize("form", ["square", "abs", "sum_abs"])
def test_taylor_of_weights(small, network, form):
    w = small.b.weight
    products = [weight_gradient(small, X[i : i + 4], Y[i : i + 4], w) * w.detach().double().numpy() for i in (0, 4, 8)]
    rule = {
        "square": lambda p: p.sum((1, 2)) ** 2,
        "abs": lambda p: abs(p.sum((1, 2))),
        "sum_abs": lambda p: abs(p).sum((1, 2)),
    }[form]
    want = np.average([rule(p) for p in products], axis=0, weights=[4, 4, 2])
    found = taylor(network, windows=WINDOWS, batch_size=4, of="weights", form=form).values["b"]
    np.testing.assert_allclose(found, want, rtol=1e-4)


def test_taylor_of_gates_foretells_the_oracle_for_small_slices(small):
    """|∂L/∂g| is the first-order change of the loss: exact in the limit of a slice that does little."""
    faint = copy.deepcopy(small)
    faint.b.weight.data[:, 2] *= 1e-3
    traced = trace(faint, torch.randn(2, 3, 10))
    slope = taylor(traced, windows=WINDOWS, batch_size=10, form="abs").values["a"]
    truth = oracle(traced, windows=WINDOWS).values["a"]
    assert abs(truth[2]) == pytest.approx(slope[2], rel=0.05)
    assert slope[2] < slope[[0, 1, 3, 4]].min()


def test_fisher_of_gates_uses_gradients_of_single_windows(small, network):
    """Theis 2018: Δ_k = 1/(2N) Σ_n g_nk²."""
    gradients = gate_gradients(small, X, Y)
    for batch_size in (1, 3, 10):
        found = fisher(network, windows=WINDOWS, batch_size=batch_size).values["a"]
        np.testing.assert_allclose(found, (gradients**2).sum(0) / 20, rtol=1e-4)
    assert not np.allclose(found, gradients.mean(0) ** 2 / 2, rtol=0.1)  # twin: squared gradient of the batch


def test_fisher_of_weights_is_optimal_brain_damage(small, network):
    w = small.hidden.weight
    singles = [weight_gradient(small, X[i : i + 1], Y[i : i + 1], w) for i in range(10)]
    want = (np.mean(np.square(singles), 0) / 2 * w.detach().double().numpy() ** 2).sum(1)
    np.testing.assert_allclose(fisher(network, windows=WINDOWS, of="weights").values["hidden"], want, rtol=1e-4)


class Folded(nn.Module):
    """Windows of several channels are folded into the batch before the layer: gates of windows don't fit there."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.head = nn.Linear(10, 6), nn.Linear(6, 5), nn.Linear(3 * 5, 3)

    def forward(self, x):
        y = torch.relu(self.a(x.reshape(-1, 10)))
        return self.head(torch.relu(self.b(y)).reshape(-1, 15))


def test_fisher_where_windows_are_folded_into_the_batch():
    model = Folded().eval()
    traced = trace(model, torch.randn(2, 3, 10))
    gates = []
    for i in range(10):
        gate = torch.ones(6, requires_grad=True)
        y = torch.relu(model.a(X[i : i + 1].reshape(-1, 10))) * gate
        cross_entropy(model.head(torch.relu(model.b(y)).reshape(-1, 15)), Y[i : i + 1]).backward()
        gates.append(gate.grad.double().numpy())
    found = fisher(traced, windows=WINDOWS, axes=["a"]).values["a"]
    np.testing.assert_allclose(found, np.square(gates).mean(0) / 2, rtol=1e-4)


def test_snip_is_normalised_over_all_axes(small, network):
    """Lee 2019, summed over filters and neurons; the gradient is that of all windows."""
    parts = {n: getattr(small, n).weight for n in ("a", "b", "hidden")}
    sums = {}
    for name, w in parts.items():
        product = np.abs(weight_gradient(small, X, Y, w) * w.detach().double().numpy())
        sums[name] = product.reshape(len(product), -1).sum(1)
    total = sum(s.sum() for s in sums.values())
    found = snip(network, windows=WINDOWS, batch_size=3)
    for name, want in sums.items():
        np.testing.assert_allclose(found.values[name], want / total, rtol=1e-4)


def test_grasp_is_the_exact_hessian_product(small, network):
    """S(−w) = −w ⊙ Hg, Wang 2020, eq. 8; H explicitly, by differentiating the gradient row by row, in float64."""
    model = copy.deepcopy(small).double()
    parts = [model.a.weight, model.b.weight, model.hidden.weight]
    loss = cross_entropy(model(X.double()) / 200, Y)
    g = torch.cat([p.flatten() for p in torch.autograd.grad(loss, parts, create_graph=True)])
    rows = [torch.cat([p.flatten() for p in torch.autograd.grad(v, parts, retain_graph=True)]) for v in g]
    product = torch.stack(rows) @ g.detach()
    sizes = [p.numel() for p in parts]
    found = grasp(network, windows=WINDOWS, batch_size=4)
    for name, p, h in zip(("a", "b", "hidden"), parts, product.split(sizes), strict=True):
        want = -(-p.detach().flatten() * h).reshape(len(p), -1).sum(1)  # kept = least −w ⊙ Hg
        np.testing.assert_allclose(found.values[name], want.detach(), rtol=1e-3, atol=1e-5 * want.abs().max())


def test_synflow_replica_and_conservation():
    """R = 1ᵀ|W₃||W₂||W₁|1; flow of a neuron = Σ of its incoming |w|·∂R/∂|w| = Σ of its outgoing (theorem 1)."""
    torch.manual_seed(1)
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 6), nn.ReLU(), nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))
    network = trace(model, torch.randn(2, 3, 4))
    w1, w2, w3 = (model[i].weight.detach().double().abs().numpy() for i in (1, 3, 5))
    found = synflow(network, rounds=1)
    first = (w1 @ np.ones(12)) * (np.ones(3) @ w3 @ w2)
    second = (w2 @ w1 @ np.ones(12)) * (np.ones(3) @ w3)
    np.testing.assert_allclose(found.values["1"], first)
    np.testing.assert_allclose(found.values["3"], second)
    assert found.values["1"].sum() == pytest.approx(found.values["3"].sum())  # of every layer the same


def test_synflow_in_rounds_never_empties_a_layer():
    """However small the weights of a layer are: the flow through every layer is the same."""
    torch.manual_seed(1)
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 40), nn.ReLU(), nn.Linear(40, 6), nn.ReLU(), nn.Linear(6, 3))
    model[3].weight.data *= 1e-3
    network = trace(model, torch.randn(2, 3, 4))
    found = synflow(network)
    assert sorted(np.concatenate(list(found.values.values()))) == pytest.approx(np.linspace(0, 1, 46))
    for sparsity in (0.5, 0.9):
        plan = keep_top(network, found, sparsity, scope="threshold")
        assert min(map(len, plan.keep.values())) >= 1
    # the last of a layer is among the survivors, which have the highest places of all
    assert min(v.max() for v in found.values.values()) >= 1 - 1 / 45 - 1e-9


def test_synflow_messages():
    network = trace(*build("grid"))
    with pytest.raises(ValueError, match=r"rounds must be 1 or more and 0 < sparsity < 1; got 0 and 0\.99"):
        synflow(network, rounds=0)


@pytest.mark.parametrize("name", ["depth multiplier 2", "TSCeption", "squeeze-excitation", "grid", "GRU"])
def test_the_oracle_is_the_loss_of_the_pruned_network(name):
    network = trace(*build(name))
    windows = windows_for(network.input_shape, n=9)
    y = torch.from_numpy(windows.y)
    loss = cross_entropy(network(torch.from_numpy(windows.X)).double(), y).item()
    axis = network.axes.hidden[-1]
    found = oracle(network, windows=windows, axes=[axis.name], batch_size=4).values[axis.name]
    for j in range(axis.size):
        small = shrink(network, make_plan(network, {axis.name: [i for i in range(axis.size) if i != j]}))
        want = cross_entropy(small(torch.from_numpy(windows.X)).double(), y).item() - loss
        assert found[j] == pytest.approx(want, abs=2e-6)
    assert np.ptp(found) > 1e-4
    change = oracle(network, windows=windows, axes=[axis.name], measure="absolute").values[axis.name]
    np.testing.assert_allclose(change, np.abs(found), atol=1e-6)


def test_the_oracle_of_errors_and_of_electrodes():
    network = trace(*build("shallow"))
    windows = windows_for(network.input_shape, n=12)
    found = oracle(network, windows=windows, axes=["electrodes"], measure="error").values["electrodes"]
    before = (network(torch.from_numpy(windows.X)).argmax(1).numpy() != windows.y).mean()
    for j in range(8):
        X = windows.X.copy()
        X[:, j] = 0
        # an electrode without signal is the same as a removed one, up to what its kernel weights read
        assert found[j] == pytest.approx((network(torch.from_numpy(X)).argmax(1).numpy() != windows.y).mean() - before)
    with pytest.raises(ValueError, match="unknown measure 'accuracy'"):
        oracle(network, windows=windows, measure="accuracy")


@pytest.mark.parametrize("saliency", [taylor, fisher, snip, grasp, oracle])
def test_permuting_filters_permutes_scores(small, network, saliency):
    """Filters of the first layer in another order, its readers following: the same function, scores in that order."""
    p = [3, 0, 4, 1, 2]
    other = copy.deepcopy(small)
    for tensor in (other.a.weight, other.a.bias, *(getattr(other.norm, n) for n in (
            "weight", "bias", "running_mean", "running_var"))):  # fmt: skip
        tensor.data = tensor.data[p]
    other.b.weight.data = other.b.weight.data[:, p]
    base, moved = (saliency(n, windows=WINDOWS).values for n in (network, trace(other, torch.randn(2, 3, 10))))
    np.testing.assert_allclose(moved["a"], base["a"][p], rtol=2e-3, atol=1e-3 * np.abs(base["a"]).max())
    np.testing.assert_allclose(moved["b"], base["b"], rtol=2e-3, atol=1e-3 * np.abs(base["b"]).max())
