"""Sparsity training and attention transfer: gradients and values derived independently."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from trimcap.graph.trace.trace import trace
from trimcap.models import CCNN, FBCCNN
from trimcap.train.fit import fit
from trimcap.train.losses.attention_transfer import attention_map, attention_transfer
from trimcap.train.losses.slimming import scales_of, slimming


@pytest.fixture
def fbccnn():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return FBCCNN(3, 5, 4, 2, widths=(4, 5, 6, 4, 5, 4, 3), hidden=(8, 6))


def gradients(model, loss, x, y):
    model.zero_grad()
    loss(model, x, y).backward()
    return {n: p.grad.clone() for n, p in model.named_parameters()}


@pytest.mark.parametrize("traced", [False, True])
def test_the_penalty_adds_lambda_sign_gamma_and_nothing_else(fbccnn, traced):
    x, y = torch.randn(6, 3, 5, 4), torch.tensor([0, 1, 0, 1, 1, 0])
    with torch.no_grad():
        for module in fbccnn.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.copy_(torch.linspace(-1, 1, len(module.weight)))
                module.weight[0] = 0.0
    model = trace(fbccnn, x).module() if traced else fbccnn
    plain = gradients(model, lambda m, a, b: nn.functional.cross_entropy(m(a), b), x, y)
    sparse = gradients(model, slimming(0.25), x, y)
    scales = {id(s) for s in scales_of(model)}
    assert len(scales) == 7
    for name, parameter in model.named_parameters():
        extra = 0.25 * parameter.detach().sign() if id(parameter) in scales else torch.zeros_like(parameter)
        assert torch.allclose(sparse[name] - plain[name], extra, atol=1e-6)


def test_training_with_the_penalty_makes_scales_smaller(fbccnn, make_windows):
    windows = make_windows(24, (3, 5, 4))
    sums = []
    for loss in ("cross_entropy", slimming(0.05)):
        model = fit(fbccnn, windows, epochs=5, loss=loss, learning_rate=0.02).model
        sums.append(sum(float(s.detach().abs().sum()) for s in scales_of(model)))
    assert sums[1] < 0.9 * sums[0]


def test_class_weights_go_with_it(fbccnn, make_windows):
    fit(fbccnn, make_windows(24, (3, 5, 4)), epochs=1, loss=slimming(), class_weights="balanced")
    with pytest.raises(ValueError, match="takes `weights`"):
        fit(fbccnn, make_windows(24, (3, 5, 4)), epochs=1, loss=lambda m, x, y: m(x).sum(), class_weights="balanced")


def test_without_batch_norm_it_says_so(make_windows):
    model = CCNN(3, 5, 4, 2, widths=(2, 2, 2, 2), hidden=3)
    with pytest.raises(ValueError, match="CCNN has no trained batch-norm scale"):
        fit(model, make_windows(16, (3, 5, 4)), epochs=1, loss=slimming())
    with pytest.raises(ValueError, match="0 or above, got -1"):
        slimming(-1)


def test_attention_transfer_is_the_published_formula(fbccnn):
    x, y = torch.randn(5, 3, 5, 4), torch.tensor([0, 1, 0, 1, 1])
    teacher = trace(fbccnn, x)
    student = teacher.with_tensors(
        {n: t + 0.1 * torch.randn_like(t) if t.ndim == 4 else t for n, t in teacher.tensors.items()}
    )
    module = student.module()
    layers = [node.name for node in teacher.nodes if node.kind == "conv2d"]
    ours = float(attention_transfer(teacher, weight=30.0)(module, x, y).detach())

    def maps(network):
        with torch.no_grad():
            results = network.module().run(x, keep=True)
        return [results[layer].double().numpy() for layer in layers]

    total = float(nn.functional.cross_entropy(student(x), y))
    for own, wanted in zip(maps(student), maps(teacher), strict=True):
        per_window = []
        for a, b in zip(own, wanted, strict=True):
            q, r = (a**2).sum(0).ravel(), (b**2).sum(0).ravel()
            per_window.append(np.linalg.norm(q / np.linalg.norm(q) - r / np.linalg.norm(r)))
        total += 30.0 / 2 * np.mean(per_window)
    assert ours == pytest.approx(total, rel=1e-5)
    same = attention_transfer(teacher, weight=30.0)(teacher.module(), x, y).detach()
    assert float(same) == pytest.approx(float(nn.functional.cross_entropy(teacher(x), y)), rel=1e-5)


def test_attention_transfer_moves_the_student_towards_the_teacher(fbccnn, make_windows):
    windows = make_windows(24, (3, 5, 4))
    teacher = trace(fbccnn, windows)
    generator = torch.Generator().manual_seed(0)
    other = teacher.with_tensors(
        {n: torch.randn(t.shape, generator=generator) * 0.2 if t.ndim == 4 else t for n, t in teacher.tensors.items()}
    )
    layer = next(node.name for node in teacher.nodes if node.kind == "conv2d")
    x = torch.from_numpy(windows.X)

    def distance(network):
        with torch.no_grad():
            a, b = (attention_map(n.module().run(x, keep=True)[layer]) for n in (network, teacher))
        return float((a - b).norm(dim=1).mean())

    loss = attention_transfer(teacher, layers=[layer], weight=100.0)
    fitted = fit(other.module(), windows, epochs=10, learning_rate=0.01, loss=loss)
    assert distance(fitted.model.extract()) < 0.7 * distance(other)


def test_attention_transfer_says_what_is_wrong(fbccnn, make_windows):
    x, y = torch.randn(2, 3, 5, 4), torch.tensor([0, 1])
    teacher = trace(fbccnn, x)
    with pytest.raises(ValueError, match="unknown layer 'conv2d_99'"):
        attention_transfer(teacher, layers=["conv2d_99"])
    with pytest.raises(ValueError, match="the student must be a traced network, got FBCCNN"):
        attention_transfer(teacher)(fbccnn, x, y)
