"""The memory layout is a matter of speed: which models take it, and that the function stays."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from trimcap.train import fit
from trimcap.train.layout import prefers_channels_last


class Viewed(nn.Module):
    """Works for contiguous maps only."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.dense = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(80, 2)

    def forward(self, x):
        return self.dense(self.conv(x).view(len(x), -1))


class LayoutDependent(nn.Module):
    """Reads memory order, so that the layouts give different logits."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.dense = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(80, 2)

    def forward(self, x):
        z = self.conv(x)
        order = (0, 2, 3, 1) if z.is_contiguous(memory_format=torch.channels_last) else (0, 1, 2, 3)
        return self.dense(z.permute(order).flatten(1))


@pytest.mark.parametrize("network", ["eegnet", "grid_cnn"])
def test_our_networks_take_it_and_give_the_same_function(network, request, make_windows):
    model = request.getfixturevalue(network)
    w = make_windows(50, model.input_shape)
    assert prefers_channels_last(model, torch.from_numpy(w.X))
    a, b = (fit(model, w, epochs=1, channels_last=c, learning_rate=1e-4).history.train_loss[0] for c in (False, True))
    assert a == pytest.approx(b, rel=0.05)
    for parameter in fit(model, w, epochs=1).model.parameters():
        assert parameter.is_contiguous()


@pytest.mark.parametrize("network", [Viewed, LayoutDependent, lambda: nn.Sequential(nn.Flatten(), nn.Linear(60, 2))])
def test_others_stay_as_they_are(network, make_windows):
    torch.manual_seed(0)
    model, w = network(), make_windows(20, (3, 5, 4))
    assert not prefers_channels_last(model, torch.from_numpy(w.X))
    assert not any(p.grad is not None for p in model.parameters())
    assert len(fit(model, w, epochs=1).history) == 1


def test_the_probe_touches_nothing(grid_cnn, make_windows):
    grid_cnn.train()
    before = {k: v.clone() for k, v in grid_cnn.state_dict().items()}
    prefers_channels_last(grid_cnn, torch.from_numpy(make_windows(20, (3, 5, 4)).X))
    assert all(torch.equal(v, before[k]) for k, v in grid_cnn.state_dict().items())
    assert grid_cnn.training
    assert grid_cnn.blocks[0][0].weight.is_contiguous()
    assert all(p.grad is None for p in grid_cnn.parameters())
