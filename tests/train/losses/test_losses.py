"""Losses: the formulas, and names."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from trimcap import trace
from trimcap.train import cross_entropy, distillation, fit
from trimcap.train.losses.table import TEACHERS, loss_function


def log_softmax(z):
    return z - np.log(np.exp(z).sum(1, keepdims=True))


@pytest.fixture
def case():
    torch.manual_seed(0)
    model, teacher = nn.Linear(5, 3), nn.Sequential(nn.Linear(5, 3), nn.Dropout(0.5))
    return model, teacher, torch.randn(7, 5), torch.tensor([0, 1, 2, 0, 1, 1, 1])


@pytest.mark.parametrize("weights", [None, [0.5, 1.0, 4.0]])
def test_cross_entropy(case, weights):
    model, _, x, y = case
    each = -log_softmax(model(x).detach().double().numpy())[np.arange(7), y]
    w = np.ones(7) if weights is None else np.asarray(weights)[y]
    value = cross_entropy(model, x, y, weights=None if weights is None else torch.tensor(weights))
    assert value.item() == pytest.approx((w * each).sum() / w.sum(), rel=1e-5)


@pytest.mark.parametrize(("temperature", "weight"), [(1.0, 1.0), (4.0, 0.5), (2.0, 0.0)])
def test_distillation(case, temperature, weight):
    model, teacher, x, y = case
    s, t = model(x).detach().double().numpy(), teacher[0](x).detach().double().numpy()
    soft, student = log_softmax(t / temperature), log_softmax(s / temperature)
    kl = (np.exp(soft) * (soft - student)).sum(1).mean()
    expected = (1 - weight) * -log_softmax(s)[np.arange(7), y].mean() + weight * temperature**2 * kl
    loss = distillation(teacher, temperature=temperature, weight=weight)
    assert loss(model, x, y).item() == pytest.approx(expected, rel=1e-4)


def test_the_teacher_is_a_frozen_copy(case):
    model, teacher, x, y = case
    loss = distillation(teacher)
    before = loss(model, x, y).item()
    with torch.no_grad():
        teacher[0].weight.zero_()
    assert teacher.training
    value = loss(model, x, y)
    assert value.item() == before
    value.backward()
    assert teacher[0].weight.grad is None
    assert model.weight.grad.abs().sum() > 0


def test_a_student_that_equals_its_teacher_has_no_soft_loss(case):
    model, _, x, y = case
    assert distillation(model, weight=1.0)(model, x, y).item() == pytest.approx(0, abs=1e-6)


def test_distillation_in_fit_resumes(eegnet, make_windows, tmp_path):
    loss = distillation(eegnet, temperature=3.0)
    options = {"epochs": 2, "loss": loss, "checkpoint": tmp_path / "c"}
    one = fit(eegnet, make_windows(20), **options).model
    assert torch.equal(one.dense.bias, fit(eegnet, make_windows(20), **options).model.dense.bias)
    with pytest.raises(ValueError, match="loss was "):
        fit(eegnet, make_windows(20), **{**options, "loss": distillation(eegnet, temperature=2.0)})


def my_loss(model, x, y):
    return model(x).pow(2).mean()


def test_a_loss_by_import_path_is_the_function(eegnet, make_windows):
    assert loss_function(f"{__name__}:my_loss") is my_loss
    fitted = fit(eegnet, make_windows(20), epochs=1, loss=f"{__name__}:my_loss")
    assert fitted.history.train_loss[0] != fit(eegnet, make_windows(20), epochs=1).history.train_loss[0]


@pytest.mark.parametrize("options", [{"temperature": 0}, {"weight": 1.1}, {"weight": -0.1}])
def test_ranges(options):
    with pytest.raises(ValueError, match=r"temperature must be above 0 and weight in \[0, 1\]"):
        distillation(nn.Linear(1, 1), **options)


def test_slimming_by_name_takes_its_penalty_in_brackets():
    assert loss_function("slimming").keywords == {"penalty": 1e-4}
    assert loss_function("slimming(2e-3)").keywords == {"penalty": 2e-3}
    for text in ("slimming()", "slimming(much)", "sliming"):
        with pytest.raises(ValueError, match="did you mean 'slimming'"):
            loss_function(text)


def test_a_loss_with_a_teacher_says_what_its_options_are_once():
    assert {name: own.options for name, own in TEACHERS.items()} == {
        "distil": {"temperature": 4.0, "weight": 0.5},
        "attention": {"weight": 1000.0},
    }


def test_a_teacher_of_the_table_is_the_function(case):
    model, _, x, y = case
    teacher = trace(nn.Linear(5, 3), x)
    loss = TEACHERS["distil"].loss(teacher, {"temperature": 2.0, "weight": None})
    assert loss(model, x, y).item() == distillation(teacher.module(), temperature=2.0)(model, x, y).item()
    with pytest.raises(ValueError, match=r"a loss that follows the teacher's maps of attention: .*temperature"):
        TEACHERS["attention"].loss(teacher, {"temperature": 2.0})
