"""Schedules from their formulas, and the rate that every step really has."""

from __future__ import annotations

import math

import pytest
import torch

from trimcap.train import SCHEDULES, fit


@pytest.mark.parametrize(("at", "cosine", "step"), [(0, 1, 1), (0.25, (1 + math.sqrt(0.5)) / 2, 1), (0.5, 0.5, 0.1)])
def test_schedules(at, cosine, step):
    assert SCHEDULES["cosine"](at) == pytest.approx(cosine)
    assert SCHEDULES["step"](at) == pytest.approx(step)
    assert SCHEDULES["step"](0.75) == pytest.approx(0.01)


@pytest.mark.parametrize("schedule", [None, "cosine", "step", lambda progress: 1 - progress])
def test_rate_of_every_step(eegnet, make_windows, schedule):
    rates = []

    class Spy(torch.optim.SGD):
        def step(self, closure=None):
            rates.append(self.param_groups[0]["lr"])
            return super().step(closure)

    fit(eegnet, make_windows(40), epochs=2, batch_size=10, learning_rate=0.2, schedule=schedule, optimizer=Spy)
    function = {"cosine": SCHEDULES["cosine"], "step": SCHEDULES["step"], None: lambda _: 1}.get(schedule, schedule)
    assert rates == pytest.approx([0.2 * function(i / 8) for i in range(8)])


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "torch.optim:NAdam", torch.optim.RMSprop])
def test_frozen_parameters_stay(eegnet, make_windows, optimizer):
    eegnet.temporal.requires_grad_(False)
    fitted = fit(eegnet, make_windows(40), epochs=1, optimizer=optimizer, weight_decay=0.1).model
    assert torch.equal(fitted.temporal.weight, eegnet.temporal.weight)
    assert not torch.equal(fitted.separable_point.weight, eegnet.separable_point.weight)
