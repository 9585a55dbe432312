"""Removed weights stay removed: whatever the optimizer remembers, decays or resumes."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from trimcap._errors import PlanError
from trimcap.models import GridCNN
from trimcap.train.fit import fit
from trimcap.train.masks import Masks

OPTIONS = {"epochs": 4, "batch_size": 8, "learning_rate": 0.05, "weight_decay": 0.1}


def masks_for(model: nn.Module, share: float = 0.6, seed: int = 0) -> Masks:
    generator = torch.Generator().manual_seed(seed)
    weights = {n: p for n, p in model.named_parameters() if p.ndim > 1}
    return Masks({n: torch.rand(p.shape, generator=generator) > share for n, p in weights.items()})


def regrown(model: nn.Module, masks: Masks) -> int:
    state = dict(model.named_parameters())
    return sum(int((state[n].detach()[~m] != 0).sum()) for n, m in masks.kept.items())


def shaking(parameters, *, lr, weight_decay):
    """An optimizer that moves weights without asking for a gradient."""

    class Shaking(torch.optim.SGD):
        def step(self, closure=None):
            super().step()
            for group in self.param_groups:
                for p in group["params"]:
                    p.data.add_(0.01)

    return Shaking(parameters, lr=lr, weight_decay=weight_decay)


def classic_adam(parameters, *, lr, weight_decay):
    return torch.optim.Adam(parameters, lr=lr, weight_decay=weight_decay, fused=False, amsgrad=True)


def nesterov(parameters, *, lr, weight_decay):
    return torch.optim.SGD(parameters, lr=lr, weight_decay=weight_decay, momentum=0.9, nesterov=True)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", classic_adam, nesterov, shaking])
def test_masks_survive_every_optimizer(grid_cnn, make_windows, optimizer):
    windows, masks, seen = make_windows(24, (3, 5, 4)), masks_for(grid_cnn), []
    fitted = fit(
        grid_cnn, windows, **OPTIONS, optimizer=optimizer, masks=masks,
        hooks=[lambda m, _e, _s: seen.append(regrown(m, masks))],
    )  # fmt: skip
    assert seen == [0] * 12
    assert regrown(fitted.model, masks) == 0
    # not vacuous: without masks the same training moves all of them, and with them the others do move
    assert regrown(fit(grid_cnn, windows, **OPTIONS, optimizer=optimizer).model, masks) == masks.removed
    before, after = dict(grid_cnn.named_parameters()), dict(fitted.model.named_parameters())
    assert all((after[n][m] != before[n][m]).any() for n, m in masks.kept.items())


def test_the_optimizer_never_sees_a_gradient_of_theirs(grid_cnn, make_windows):
    masks, made = masks_for(grid_cnn), []

    def remembered(parameters, *, lr, weight_decay):
        made.append(torch.optim.Adam(parameters, lr=lr, weight_decay=weight_decay))
        return made[0]

    fit(grid_cnn, make_windows(24, (3, 5, 4)), **OPTIONS, optimizer=remembered, masks=masks)
    moments = {tuple(p.shape): slots for p, slots in made[0].state.items()}
    for mask in masks.kept.values():
        slots = moments[tuple(mask.shape)]
        assert not slots["exp_avg"][~mask].any()
        assert not slots["exp_avg_sq"][~mask].any()
        assert slots["exp_avg"][mask].any()


def test_masks_hold_from_before_the_first_step(grid_cnn, make_windows):
    masks, seen = masks_for(grid_cnn), []

    def loss(model, x, y):
        seen.append(regrown(model, masks))
        return nn.functional.cross_entropy(model(x), y)

    fit(grid_cnn, make_windows(16, (3, 5, 4)), epochs=1, batch_size=8, loss=loss, masks=masks)
    assert seen == [0, 0]
    assert regrown(grid_cnn, masks) == masks.removed  # the model that was given stays as it is


def test_masks_hold_after_resuming_and_belong_to_the_checkpoint(grid_cnn, make_windows, tmp_path):
    windows, masks = make_windows(24, (3, 5, 4)), masks_for(grid_cnn)

    def stop(_model, epoch, _step):
        if epoch == 3:
            raise KeyboardInterrupt

    place = tmp_path / "c"
    with pytest.raises(KeyboardInterrupt):
        fit(grid_cnn, windows, **OPTIONS, masks=masks, checkpoint=place, hooks=[stop])
    kept = place.read_bytes()
    resumed = fit(grid_cnn, windows, **OPTIONS, masks=masks, checkpoint=place)
    whole = fit(grid_cnn, windows, **OPTIONS, masks=masks)
    assert regrown(resumed.model, masks) == 0
    for name, value in whole.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], value)
    place.write_bytes(kept)
    with pytest.raises(ValueError, match="belongs to another run: masks was"):
        fit(grid_cnn, windows, **OPTIONS, masks=masks_for(grid_cnn, seed=1), checkpoint=place)


def test_of_a_weight_normalised_tensor_the_direction_is_masked(make_windows):
    model = nn.Sequential(nn.Flatten(), weight_norm(nn.Linear(60, 6)), nn.ReLU(), nn.Linear(6, 2))
    mask = torch.rand(6, 60, generator=torch.Generator().manual_seed(0)) > 0.5
    mask[2] = False  # 0/0 is no number: of a slice that is removed whole it is the magnitude
    fitted = fit(model, make_windows(16, (3, 5, 4)), epochs=2, batch_size=8, masks=Masks({"1.weight": mask}))
    weight = fitted.model[1].weight
    assert not weight[~mask].any()
    assert weight[mask].all()
    assert weight.isfinite().all()


def test_masks_of_another_network_are_refused(grid_cnn, make_windows):
    windows = make_windows(16, (3, 5, 4))
    with pytest.raises(PlanError, match=r"unknown parameter 'conv9\.weight'"):
        fit(grid_cnn, windows, epochs=1, masks=Masks({"conv9.weight": torch.ones(1, dtype=torch.bool)}))
    with pytest.raises(PlanError, match="the mask was made for"):
        fit(GridCNN(3, 5, 4, 2, widths=(5, 6), hidden=8), windows, epochs=1, masks=masks_for(grid_cnn))


def test_gradient_hooks_come_between_gradient_and_step(grid_cnn, make_windows):
    seen = []

    def hook(model, epoch, step):
        seen.append((epoch, step))
        for parameter in model.parameters():
            parameter.grad.zero_()

    fitted = fit(grid_cnn, make_windows(16, (3, 5, 4)), epochs=2, batch_size=8, gradient_hooks=[hook])
    assert seen == [(1, 1), (1, 2), (2, 3), (2, 4)]
    before = dict(grid_cnn.named_parameters())
    assert all(torch.equal(p, before[n]) for n, p in fitted.model.named_parameters())
