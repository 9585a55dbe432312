"""fit: the weights of the loop written out, on its own copy, chosen by the validation windows."""

from __future__ import annotations

import copy
import math
import re
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from trimcap.data.ledger import Ledger
from trimcap.data.splits.sealed import Sealed
from trimcap.models import CCNN
from trimcap.train import fit
from trimcap.train.batches import batches, epoch_seeds


def weights(model: nn.Module) -> dict[str, torch.Tensor]:
    return {k: v.detach().clone() for k, v in model.state_dict().items()}


def same(a: nn.Module, b: nn.Module) -> bool:
    a, b = weights(a), weights(b)
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def bare_loop(model, w, *, epochs, batch_size, rate, decay=0.0, seed=0):
    """What fit promises to compute, with the plain Adam formula (Kingma and Ba, 2015, algorithm 1)."""
    model = copy.deepcopy(model).train()
    X, y = torch.from_numpy(w.X), torch.from_numpy(w.y)
    first = {p: torch.zeros_like(p) for p in model.parameters()}
    second = {p: torch.zeros_like(p) for p in model.parameters()}
    t = 0
    for epoch in range(1, epochs + 1):
        shuffle, network = epoch_seeds(seed, epoch)
        torch.manual_seed(network)
        for rows in batches(len(y), batch_size, shuffle):
            t += 1
            model.zero_grad()
            functional.cross_entropy(model(X[rows]), y[rows]).backward()
            with torch.no_grad():
                for p in model.parameters():
                    g = p.grad + decay * p
                    first[p].mul_(0.9).add_(0.1 * g)
                    second[p].mul_(0.999).add_(0.001 * g * g)
                    step = first[p] / (1 - 0.9**t)
                    p -= rate * step / ((second[p] / (1 - 0.999**t)).sqrt() + 1e-8)
    return model


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_weights_are_those_of_the_loop_written_out(make_windows, decay):
    # no batch norm: it makes the gradient of the bias before it pure rounding error, which Adam scales to a full step
    torch.manual_seed(0)
    model, w = CCNN(3, 5, 4, 2, widths=(4,), hidden=8), make_windows(50, (3, 5, 4))
    fitted = fit(model, w, epochs=3, batch_size=16, weight_decay=decay, channels_last=False, seed=3)
    with torch.random.fork_rng(devices=[]):
        expected = weights(bare_loop(model, w, epochs=3, batch_size=16, rate=1e-3, decay=decay, seed=3))
        other = weights(bare_loop(model, w, epochs=3, batch_size=16, rate=2e-3, decay=decay, seed=3))
    for name, value in weights(fitted.model).items():
        torch.testing.assert_close(value, expected[name], rtol=1e-4, atol=1e-5)
    assert max((weights(fitted.model)[k] - other[k]).abs().max() for k in other) > 1e-3


def test_it_learns(eegnet, make_windows):
    fitted = fit(eegnet, make_windows(200), make_windows(60, seed=1), epochs=15, learning_rate=1e-2)
    assert fitted.history.valid_accuracy.max() > 0.95
    assert fitted.history.train_loss.iloc[-1] < 0.5 * fitted.history.train_loss.iloc[0]


@pytest.mark.parametrize("network", ["eegnet", "grid_cnn"])
def test_same_seed_same_bits_other_seed_other_weights(network, request, make_windows):
    model = request.getfixturevalue(network)
    w = make_windows(50, model.input_shape)
    one, again, other = (fit(model, w, epochs=2, batch_size=16, seed=s).model for s in (1, 1, 2))
    assert same(one, again)
    assert not same(one, other)


def test_argument_data_and_global_state_stay(eegnet, make_windows):
    w = make_windows(50)
    eegnet.temporal_norm.eval()
    before, X, state = weights(eegnet), w.X.copy(), torch.get_rng_state()
    fitted = fit(eegnet, w, make_windows(20, seed=1), epochs=2)
    assert all(torch.equal(v, before[k]) for k, v in weights(eegnet).items())
    assert eegnet.training
    assert not eegnet.temporal_norm.training
    assert not fitted.model.training
    assert not any(p.grad is not None for p in [*eegnet.parameters(), *fitted.model.parameters()])
    assert np.array_equal(w.X, X)
    assert torch.equal(torch.get_rng_state(), state)


def test_windows_that_must_not_be_written_to(eegnet, make_windows):
    w = make_windows(50)
    w.X.flags.writeable = False
    assert len(fit(eegnet, w, epochs=1).history) == 1


def test_history(eegnet, make_windows):
    history = fit(eegnet, make_windows(50), make_windows(20, seed=1), epochs=2).history
    columns = ["epoch", "train_loss", "valid_loss", "valid_accuracy", "valid_balanced_accuracy", "seconds"]
    assert list(history.columns) == columns
    assert history.epoch.tolist() == [1, 2]
    assert np.isfinite(history.to_numpy()).all()
    alone = fit(eegnet, make_windows(50), epochs=2).history
    assert alone.valid_loss.isna().all()
    assert alone.train_loss.tolist() == history.train_loss.tolist()


def test_validation_scores_are_those_of_the_returned_model(eegnet, make_windows):
    valid = make_windows(30, k=2, seed=1).take([*range(0, 30, 2), 1, 3])
    fitted = fit(eegnet, make_windows(50), valid, epochs=3)
    with torch.no_grad():
        logits = fitted.model(torch.from_numpy(valid.X)).double()
    y = torch.from_numpy(valid.y)
    row = fitted.history.set_index("epoch").loc[fitted.best_epoch]
    right = (logits.argmax(1) == y).double()
    assert row.valid_loss == pytest.approx(float(-torch.log_softmax(logits, 1)[range(17), y].mean()), rel=1e-5)
    assert row.valid_accuracy == pytest.approx(float(right.mean()))
    assert row.valid_balanced_accuracy == pytest.approx(float((right[y == 0].mean() + right[y == 1].mean()) / 2))


def test_early_stopping_returns_the_best_epoch(eegnet, make_windows):
    """Validation labels are swapped, so that every epoch of learning makes the validation loss worse."""
    train, valid = make_windows(200), make_windows(60, seed=1)
    swapped = type(valid)(valid.X, 1 - valid.y, valid.metadata, valid.channels, valid.rate, valid.classes, 1.0)
    fitted = fit(eegnet, train, swapped, epochs=30, patience=3, learning_rate=1e-2)
    assert fitted.stopped_early
    assert fitted.best_epoch == fitted.history.valid_loss.argmin() + 1
    assert len(fitted.history) == fitted.best_epoch + 3
    assert same(fitted.model, fit(eegnet, train, epochs=fitted.best_epoch, learning_rate=1e-2).model)
    patient = fit(eegnet, train, valid, epochs=6, patience=6, learning_rate=1e-2)
    assert not patient.stopped_early
    assert len(patient.history) == 6


@pytest.mark.parametrize("monitor", ["accuracy", "balanced_accuracy", "loss"])
def test_monitor_chooses_the_epoch(eegnet, make_windows, monitor):
    fitted = fit(eegnet, make_windows(60), make_windows(31, seed=1), epochs=6, monitor=monitor, learning_rate=5e-3)
    column = fitted.history[f"valid_{monitor}"]
    best = column.argmin() if monitor == "loss" else column.argmax()
    assert fitted.best_epoch == best + 1


def test_hooks_see_every_step_and_epoch(eegnet, make_windows):
    steps, epochs = [], []
    fit(
        eegnet,
        make_windows(50),
        epochs=2,
        batch_size=16,
        hooks=[lambda _m, e, s: steps.append((e, s))],
        epoch_hooks=[lambda _m, e, s: epochs.append((e, s))],
    )
    assert steps == [(1, 1), (1, 2), (1, 3), (1, 4), (2, 5), (2, 6), (2, 7), (2, 8)]
    assert epochs == [(1, 4), (2, 8)]


def test_a_hook_that_masks_keeps_the_mask(eegnet, make_windows):
    def mask(model: nn.Module, _epoch: int, _step: int) -> None:
        with torch.no_grad():
            model.temporal.weight[0] = 0

    w = make_windows(50)
    assert fit(eegnet, w, epochs=2, hooks=[mask]).model.temporal.weight[0].abs().max() == 0
    assert fit(eegnet, w, epochs=2).model.temporal.weight[0].abs().max() > 0


class Projected(nn.Module):
    """Keeps the largest weight at 0.01; its layer called `project` in another module is no projection."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Flatten())
        self.inner.project = nn.Linear(256, 2)
        self.calls = 0

    def forward(self, x):
        return self.inner.project(x.flatten(1))

    @torch.no_grad()
    def project(self) -> None:
        self.calls += 1
        self.inner.project.weight.clamp_(-0.01, 0.01)


def test_project_is_called_after_every_step(make_windows):
    fitted = fit(Projected(), make_windows(50), epochs=2, batch_size=16, learning_rate=0.1)
    assert fitted.model.calls == 8
    assert fitted.model.inner.project.weight.abs().max() <= 0.01


def test_ledger_knows_what_was_seen(eegnet, make_windows):
    train, valid, ledger = make_windows(20), make_windows(10, seed=1), Ledger()
    fit(eegnet, train, valid, epochs=1, ledger=ledger, stage="recovery")
    assert [(e.stage, len(e.ids)) for e in ledger.entries] == [("recovery", 20), ("early stopping", 10)]


def test_threads_are_as_before(eegnet, make_windows):
    before, inside = torch.get_num_threads(), []
    fit(eegnet, make_windows(20), epochs=1, threads=2, hooks=[lambda *_: inside.append(torch.get_num_threads())])
    assert inside == [2]
    assert torch.get_num_threads() == before


def test_progress_names_the_epoch_and_changes_nothing(eegnet, make_windows, capfd, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    silent = fit(eegnet, make_windows(20), epochs=2)
    assert capfd.readouterr().err == ""
    shown = fit(eegnet, make_windows(20), epochs=2, progress=True)
    assert "epoch 2/2" in capfd.readouterr().err
    assert same(silent.model, shown.model)


def test_balanced_weights_are_those_of_the_formula(make_windows):
    w = make_windows(40).take([0, 2, 4, 6, 8, 10, 1, 3])
    seen = []

    class Spy(nn.Linear):
        def forward(self, x):
            return super().forward(x.flatten(1))

    model = Spy(256, 2)
    fitted = fit(model, w, epochs=1, class_weights="balanced", batch_size=8)
    logits = model(torch.from_numpy(w.X)).detach().double()
    each = -torch.log_softmax(logits, 1)[range(8), torch.from_numpy(w.y)]
    seen = torch.where(torch.from_numpy(w.y) == 0, 8 / (2 * 6), 8 / (2 * 2))
    assert fitted.history.train_loss[0] == pytest.approx(float((each * seen).sum() / seen.sum()), rel=1e-5)
    assert fitted.history.train_loss[0] != pytest.approx(float(each.mean()), rel=1e-3)


def poison(model: nn.Module, _epoch: int, step: int) -> None:
    if step == 5:
        with torch.no_grad():
            model.temporal.weight.fill_(math.nan)


def test_loss_that_is_not_finite_names_epoch_and_step(eegnet, make_windows):
    with pytest.raises(ValueError, match=r"the loss is nan at epoch 2, step 2 of 4\. Try a smaller learning_rate"):
        fit(eegnet, make_windows(50), epochs=3, batch_size=16, hooks=[poison])


def test_validation_loss_that_is_not_finite(eegnet, make_windows):
    with pytest.raises(ValueError, match=r"the validation loss is nan after epoch 1\. Try"):
        fit(eegnet, make_windows(50), make_windows(20, seed=1), epochs=3, batch_size=10, hooks=[poison])


def with_nan(w):
    w.X[7, 2, 3] = np.nan
    return w


def test_nan_in_windows_names_the_window(eegnet, make_windows):
    with pytest.raises(ValueError, match=r"1 of 20 training windows contain NaN or infinity, the first is s1/1/1@7"):
        fit(eegnet, with_nan(make_windows(20)), epochs=1)
    with pytest.raises(ValueError, match=r"1 of 20 validation windows contain NaN"):
        fit(eegnet, make_windows(20), with_nan(make_windows(20)), epochs=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0"),
        ({"seed": -1}, "seed must be 0 or above"),
        ({"monitor": "acuracy"}, "unknown monitor 'acuracy'; did you mean 'accuracy'?"),
        ({"optimizer": "adan"}, "unknown optimizer 'adan'; did you mean 'adam'?"),
        ({"schedule": "cosin"}, "unknown schedule 'cosin'; did you mean 'cosine'?"),
        ({"loss": "crossentropy"}, "unknown loss 'crossentropy'; did you mean 'cross_entropy'?"),
        ({"class_weights": "balance"}, "unknown class_weights 'balance'; did you mean 'balanced'?"),
        ({"class_weights": [1.0]}, "1 class_weights for the 2 classes"),
        ({"class_weights": "balanced", "loss": lambda m, x, y: m(x).sum()}, "class_weights go with loss='cross_ent"),
        ({"patience": 2}, "patience stops when validation windows get no better, but `valid` is None"),
    ],
)
def test_wrong_settings(eegnet, make_windows, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        fit(eegnet, make_windows(20), **{"epochs": 1, **options})


@pytest.mark.parametrize(
    "options",
    [{"epochs": 2.5}, {"epochs": True}, {"epochs": "3"}, {"epochs": None}, {"batch_size": 1.5}, {"patience": 1.0},
     {"seed": 0.5}, {"learning_rate": "fast"}, {"weight_decay": "0"}],
    ids=str,
)  # fmt: skip
def test_settings_of_a_wrong_type(eegnet, make_windows, options):
    (name, value), *_ = options.items()
    with pytest.raises(TypeError, match=rf"fit: {name} is a (whole )?number, got {re.escape(repr(value))}"):
        fit(eegnet, make_windows(20), **{"epochs": 1, **options})


def test_what_is_no_windows(eegnet, make_windows):
    w = make_windows(20)
    with pytest.raises(TypeError, match="fit: training windows are Windows, got ndarray"):
        fit(eegnet, w.X, epochs=1)
    with pytest.raises(TypeError, match="fit: validation windows are Windows, got tuple"):
        fit(eegnet, w, (w.X, w.y), epochs=1)
    with pytest.raises(TypeError, match=r"the test set is sealed; .*fold\.test\.open"):
        fit(eegnet, w, Sealed(make_windows(20, seed=1), Ledger()), epochs=1)


def test_validation_on_training_windows_is_said(eegnet, make_windows):
    w = make_windows(20)
    with pytest.warns(UserWarning, match="20 of 20 validation windows are training windows, or copies") as said:
        fit(eegnet, w, w, epochs=1)
    assert said[0].filename == __file__
    renamed = replace(w, metadata=w.metadata.assign(subject="copy")).take(range(15, 20))
    with pytest.warns(UserWarning, match="5 of 5 validation windows"):
        fit(eegnet, w, renamed, epochs=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(eegnet, w.take(range(10)), w.take(range(10, 20)), epochs=1)


def test_absent_class_cannot_be_balanced(eegnet, make_windows):
    with pytest.raises(ValueError, match="no training window is of class b"):
        fit(eegnet, make_windows(20).take(range(0, 20, 2)), epochs=1, class_weights="balanced")


def test_wrong_windows(eegnet, make_windows):
    with pytest.raises(ValueError, match=r"EEGNet takes windows of shape \(4, 64\): X must be .*, got \(\d+, 3, 64\)"):
        fit(eegnet, make_windows(20, (3, 64)), epochs=1)
    with pytest.raises(ValueError, match=r"Linear cannot take windows of shape \('n', 4, 64\): mat1 and mat2"):
        fit(nn.Linear(5, 2), make_windows(20), epochs=1)
    with pytest.raises(ValueError, match=r"turns 2 windows into \(2, 2\), but the windows have 3 classes"):
        fit(eegnet, make_windows(20, k=3), epochs=1)
    with pytest.raises(ValueError, match="1 training windows; at least 2 are needed"):
        fit(eegnet, make_windows(1), epochs=1)
    with pytest.raises(ValueError, match=r"validation windows \(4, 64\) and \('a', 'b', 'c'\)"):
        fit(eegnet, make_windows(20), make_windows(20, k=3), epochs=1)


def test_nothing_to_train(eegnet, make_windows):
    with pytest.raises(ValueError, match="no parameter that requires a gradient"):
        fit(eegnet.requires_grad_(False), make_windows(20), epochs=1)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there(eegnet, make_windows):
    with pytest.raises(ValueError, match="finds no CUDA device; use device='cpu'"):
        fit(eegnet, make_windows(16), epochs=1, device="cuda")
