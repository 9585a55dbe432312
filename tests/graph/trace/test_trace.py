"""The traced graph is the model: same outputs, same training, and a clear refusal otherwise."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from trimcap._errors import PlanError, TraceError
from trimcap.graph.trace.trace import trace
from trimcap.models.scaled import Scaled
from trimcap.program.lower.lower import lower
from trimcap.prune.plan import make_plan
from trimcap.prune.saliency.scores import chosen
from trimcap.prune.shrink import shrink
from trimcap.train import predict
from zoo import ZOO, build


@pytest.mark.parametrize("name", ZOO)
def test_graph_computes_the_same_at_any_batch_size(name):
    model, x = build(name)
    network = trace(model, x)
    for n in (1, 5):
        y = torch.randn(n, *x.shape[1:])
        torch.testing.assert_close(network(y), model(y).detach(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["depth multiplier 2", "GRU", "weight norm", "grid"])
def test_graph_trains_like_the_model(name):
    """Gradients and batch-norm statistics in training mode equal those of the original (dropout off)."""
    model, x = build(name)
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    twin = trace(model, x).module()
    for net in (model, twin):
        net.train()
        net(x).square().sum().backward()
    wanted = {n: p.grad for n, p in model.named_parameters()}
    got = {n: p.grad for n, p in twin.named_parameters()}
    assert wanted.keys() == got.keys()
    for key, grad in wanted.items():
        torch.testing.assert_close(got[key], grad, rtol=1e-4, atol=1e-5)
    buffers = dict(twin.named_buffers())
    for key, value in model.named_buffers():
        if "num_batches" not in key:
            torch.testing.assert_close(buffers[key], value)


def test_model_is_not_changed():
    model, x = build("max-norm")
    before = copy.deepcopy(model.state_dict())
    trace(model, x)
    assert before.keys() == model.state_dict().keys()
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


def test_max_norm_is_baked_and_imposed_again():
    model, x = build("max-norm")
    network = trace(model, x)
    assert {(c.tensor, c.kind, c.value) for c in network.constraints} == {
        ("3.weight", "max_norm", 1.0),
        ("14.weight", "max_norm", 0.25),
    }
    module = network.module()
    module.tensor("14.weight").data.mul_(100)
    module.project()
    norms = module.tensor("14.weight").norm(dim=1)
    assert norms.max() <= 0.25 + 1e-6
    # twin: without the projection the constraint is broken
    module.tensor("14.weight").data.mul_(100)
    assert module.tensor("14.weight").norm(dim=1).max() > 0.25


def test_unknown_parametrization_is_named():
    class Symmetric(nn.Module):
        def forward(self, w):
            return (w + w.T) / 2

    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 6))
    nn.utils.parametrize.register_parametrization(model[1], "weight", Symmetric())
    network = trace(model, torch.randn(2, 2, 3))
    assert "Symmetric" in network.notes[0]
    assert "'1.weight'" in network.notes[0]


def test_dropout_is_active_in_training_only():
    network = trace(*build("grid"))
    module, x = network.module(), torch.randn(2, 4, 9, 9)
    assert torch.equal(module(x), module(x))
    module.train()
    assert not torch.equal(module(x), module(x))


def test_control_flow_names_the_layer(capfd):
    class Branch(nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    model = nn.Sequential()
    model.add_module("ok", nn.Flatten())
    model.add_module("branch", Branch())
    model.add_module("head", nn.Linear(12, 2))
    with pytest.raises(TraceError, match="cannot trace Sequential at layer 'branch'"):
        trace(model, torch.randn(2, 3, 4))
    assert capfd.readouterr() == ("", "")  # torch prints its graph and logs otherwise


def test_module_refuses_windows_of_another_shape():
    network = trace(*build("shallow"))
    with pytest.raises(ValueError, match=r"takes windows of shape \(8, 64\)"):
        predict(network.module(), torch.zeros(4, 5, 40).numpy())


def test_wrong_shape_names_the_layer():
    model = nn.Sequential(nn.Flatten(), nn.Linear(10, 2))
    with pytest.raises(TraceError, match=r"layer '1' .*The model does not run on this example either") as caught:
        trace(model, torch.randn(2, 3, 4))
    assert "control flow" not in str(caught.value)


def test_randomness_in_evaluation_mode_is_refused():
    class Noisy(nn.Module):
        def forward(self, x):
            return x.flatten(1)[:, :2] + torch.rand(1)

    with pytest.raises(TraceError, match=r"draws random numbers in evaluation mode at top level \(rand\)"):
        trace(Noisy(), torch.randn(2, 3, 4))


def test_two_outputs_are_refused():
    class Two(nn.Module):
        def forward(self, x):
            return x.mean(-1), x.sum(-1)

    with pytest.raises(TraceError, match="returns 2 tensors"):
        trace(Two(), torch.randn(2, 3, 4))


def test_batch_norm_without_running_statistics():
    model = nn.Sequential(
        nn.Conv1d(3, 4, 3), nn.BatchNorm1d(4, track_running_stats=False), nn.Flatten(), nn.Linear(8, 2)
    )
    x = torch.randn(5, 3, 4)
    torch.testing.assert_close(trace(model, x)(x), model.eval()(x).detach())


def test_sizes_belong_to_no_layer():
    network = trace(*build("LSTM"))
    sizes = [node for node in network.nodes if node.kind == "sym_size"]
    assert sizes
    assert {node.layer for node in sizes} == {""}


class Tied(nn.Module):
    """Two layers share one weight; the input is cast."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.head = nn.Conv1d(4, 4, 3), nn.Conv1d(4, 4, 3), nn.Linear(4, 2)
        self.b.weight = self.a.weight

    def forward(self, x):
        return self.head(torch.relu(self.b(torch.relu(self.a(x.float())))).mean(-1)).to(x.dtype)


def test_a_weight_that_two_layers_share_is_trained():
    model = Tied()
    network = trace(model, torch.randn(2, 4, 16))
    assert network.n_parameters == sum(p.numel() for p in model.parameters())
    assert network.trainable == network.tensors.keys()


class Times(nn.Module):
    """A parametrization that has a number, but bounds nothing with it."""

    def __init__(self):
        super().__init__()
        self.c = 2.0

    def forward(self, w):
        return self.c * w


class NormOfRows(nn.Module):
    """Max-norm of slices of the last dimension, with a small number in the denominator, as libraries have it."""

    def __init__(self):
        super().__init__()
        self.max_norm = 0.5

    def forward(self, w):
        norms = w.norm(2, dim=0, keepdim=True)
        return w * norms.clamp(0, self.max_norm) / (1e-8 + norms)


@pytest.mark.parametrize(("parametrization", "dim"), [(Times(), None), (NormOfRows(), 1)])
def test_only_what_bounds_norms_is_a_max_norm(parametrization, dim):
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    parametrize.register_parametrization(model[1], "weight", parametrization)
    network = trace(model, torch.randn(2, 3, 4))
    assert [(c.kind, c.dim) for c in network.constraints] == ([] if dim is None else [("max_norm", dim)])
    assert len(network.notes) == (dim is None)
    before = network.module().tensor("1.weight").clone()
    module = network.module()
    module.project()
    torch.testing.assert_close(module.tensor("1.weight"), before)


def test_a_traced_module_takes_names_of_electrodes():
    module = trace(Tied(), torch.randn(2, 4, 16)).module()
    assert trace(module, torch.randn(2, 4, 16), channels=("Fz", "Cz", "Pz", "Oz")).channels == ("Fz", "Cz", "Pz", "Oz")


def test_max_norm_survives_tracing_a_model_with_a_traced_part():
    model, x = build("max-norm")
    inner = trace(model, x)
    outer = trace(nn.Sequential(inner.module(), nn.Identity()), x)
    assert [(c.tensor, c.value) for c in outer.constraints] == [(f"0.{c.tensor}", c.value) for c in inner.constraints]


class Stopped(nn.Module):
    """A gate that no gradient flows through."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv1d(4, 6, 3), nn.Linear(6, 2)

    def forward(self, x):
        x = self.conv(x)
        return self.head((x * torch.sigmoid(x).detach()).mean(-1))


def test_stopped_gradients_stay_stopped():
    model, x = Stopped(), torch.randn(4, 4, 16)
    network = trace(model, x)
    module = network.module()
    for net in (model, module):
        net(x).square().sum().backward()
    torch.testing.assert_close(module.tensor("conv.weight").grad, model.conv.weight.grad)
    assert "conv" in [axis.name for axis in network.axes.prunable]
    assert lower(network).ops


class Limited(nn.Conv2d):
    """A convolution that renormalises its own weight whenever it runs (the idiom of several EEG libraries)."""

    def __init__(self, *args, max_norm=1.0, flag=True, **kwargs):
        super().__init__(*args, **kwargs)
        self.max_norm, self.flag = max_norm, flag

    def forward(self, x):
        if self.flag:
            self.weight.data = torch.renorm(self.weight.data, p=2, dim=0, maxnorm=self.max_norm)
        return super().forward(x)


def test_a_layer_that_limits_its_own_weight_becomes_plain_with_a_rule():
    model = nn.Sequential(
        nn.Unflatten(1, (1, 4)), Limited(1, 6, (4, 3), max_norm=0.5), nn.Flatten(), nn.Linear(6 * 14, 2)
    )
    model[1].weight.data *= 10
    before = model[1].weight.detach().clone()
    x = torch.randn(2, 4, 16)
    network = trace(model, x)
    assert isinstance(model[1], Limited)
    assert torch.equal(model[1].weight, before)
    assert [(c.tensor, c.kind, c.dim, c.value) for c in network.constraints] == [("1.weight", "max_norm", 0, 0.5)]
    assert network.notes == ()
    assert network.tensors["1.weight"].flatten(1).norm(dim=1).max() <= 0.5 + 1e-6
    assert (network(x) - model.eval()(x)).abs().max() < 1e-6


def test_a_layer_with_a_bound_that_it_does_not_use_stays():
    model = nn.Sequential(
        nn.Unflatten(1, (1, 4)), Limited(1, 6, (4, 3), flag=False), nn.Flatten(), nn.Linear(6 * 14, 2)
    )
    assert trace(model, torch.randn(2, 4, 16)).constraints == ()


def test_pieces_on_the_batch_are_followed():
    """torch.export can't prove that splitting three batches laid together is right for all sizes; two graphs can."""

    class Pieces(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(4, 2)

        def forward(self, x):
            parts = torch.cat([x, x + 1, x + 2], 0).mean(-1)
            return self.head(torch.stack(parts.split(x.shape[0], 0), 1).mean(1))

    network = trace(Pieces(), torch.randn(2, 4, 16))
    assert network(torch.randn(7, 4, 16)).shape == (7, 2)


def test_values_assigned_into_part_of_a_tensor_are_followed():
    class Assigned(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.head = nn.BatchNorm1d(4), nn.Linear(4, 2)

        def forward(self, x):
            y = torch.zeros_like(x)
            y[..., 3:5] = x[..., 6:8]
            return self.head(self.norm(x + y).mean(-1))

    network = trace(Assigned(), torch.randn(2, 4, 16))
    assert network.notes == ()
    assert {n.kind for n in network.nodes} >= {"batch_norm", "slice_scatter"}


def test_numbers_without_a_type_stay_whole():
    class Places(nn.Module):
        def __init__(self):
            super().__init__()
            self.table, self.head = nn.Embedding(16, 4), nn.Linear(4, 2)

        def forward(self, x):
            return self.head((x.transpose(1, 2) + self.table(torch.arange(x.shape[-1]))).mean(1))

    network = trace(Places(), torch.randn(2, 4, 16))
    assert network.module().double()(torch.randn(3, 4, 16, dtype=torch.float64)).dtype == torch.float64


class Named(torch.nn.Module):
    """Buffers and a parameter that are called as results of operations are; one takes what a second would be called."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.full((4, 1), 0.5))
        self.register_buffer("mean_1", torch.full((4, 1), 0.25))
        self.relu = torch.nn.Parameter(torch.full((4, 1), 2.0))
        self.conv = torch.nn.Conv1d(4, 6, 3)
        self.head = torch.nn.Linear(6, 2)

    def forward(self, x):
        return self.head(torch.relu(self.conv((x - self.mean) * self.relu + self.mean_1)).mean(2))


def test_tensors_may_be_called_as_results_are():
    """The shapes of a buffer "mean" were once those of the result of a mean, and pruning failed."""
    torch.manual_seed(0)
    model, x = Named().eval(), torch.randn(3, 4, 20)
    network = trace(model, x)
    assert len({*network.tensors, *network.inputs, *(n.name for n in network.nodes)}) == len(network.tensors) + len(
        network.inputs
    ) + len(network.nodes)
    torch.testing.assert_close(network.module()(x), model(x))
    axis = next(a for a in network.axes.prunable if a.size == 6)
    small = shrink(network, make_plan(network, {axis.name: (0, 2, 5)}))
    model.conv.weight.data[[1, 3, 4]], model.conv.bias.data[[1, 3, 4]] = 0, 0
    torch.testing.assert_close(small.module()(x), model(x))


def test_a_network_is_called_after_the_users_model_not_after_its_standardisation():
    own = nn.Sequential(nn.Flatten(), nn.Linear(6, 2))
    example = torch.randn(2, 3, 2)
    plain, scaled = trace(own, example), trace(Scaled(own, np.zeros((3, 1)), np.ones((3, 1))), example)
    assert scaled.origin == plain.origin == "torch.nn.modules.container.Sequential"
    frozen = Scaled(nn.Flatten(), np.zeros((3, 1)), np.ones((3, 1)))
    with pytest.raises(PlanError, match="Flatten can be pruned"):
        chosen(trace(frozen, example), None)
