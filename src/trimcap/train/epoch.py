"""One pass over the training windows, and what the validation windows say after it."""

from __future__ import annotations

import inspect
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from trimcap._progress import Advance
from trimcap.train.batches import Rows, batches, epoch_seeds
from trimcap.train.checkpoint import State
from trimcap.train.losses.losses import Loss
from trimcap.train.masks import Bound
from trimcap.train.optimizers import Schedule
from trimcap.train.predict import evaluating, forward
from trimcap.train.settings import MONITORS, Settings

#: validation windows per call of the model
VALIDATED = 256
#: called as `hook(model, epoch, step)`; epochs and steps count from 1, steps over the whole training
Hook = Callable[[nn.Module, int, int], None]


@dataclass(frozen=True, eq=False)
class Task:
    """What stays the same while a network is fitted."""

    train: Rows
    valid: Rows | None
    settings: Settings
    loss: Loss
    schedule: Schedule | None
    rates: tuple[float, ...]
    projections: tuple[Callable[[], None], ...]
    hooks: tuple[Hook, ...] = ()
    epoch_hooks: tuple[Hook, ...] = ()
    gradient_hooks: tuple[Hook, ...] = ()
    masked: tuple[Bound, ...] = ()

    @property
    def steps(self) -> int:
        """Optimizer steps in one epoch."""
        return len(batches(len(self.train), self.settings.batch_size, 0))


def projections(model: nn.Module) -> tuple[Callable[[], None], ...]:
    """The methods `project` of the modules in `model`; a layer that is only called so is none."""
    found = (getattr(module, "project", None) for module in model.modules())
    return tuple(f for f in found if inspect.ismethod(f))


def train_epoch(state: State, task: Task, advance: Advance) -> None:
    """Train one epoch and append its row to the history.

    Raises
    ------
    ValueError : the loss is not finite.
    """
    settings, epoch, begin = task.settings, state.epoch + 1, time.perf_counter()
    shuffle, network = epoch_seeds(settings.seed, epoch)
    torch.manual_seed(network)
    parts = batches(len(task.train), settings.batch_size, shuffle)
    state.model.train()
    values, done = [], (epoch - 1) * len(parts)
    for number, rows in enumerate(parts, start=1):
        _set_rate(state, task, (done + number - 1) / (settings.epochs * len(parts)))
        value = _step(state, task, rows, done + number)
        # a GPU would have to be waited for, so there a loss that is not finite shows at the end of the epoch
        if value.device.type == "cpu":
            _check_finite(float(value), epoch, number, len(parts))
        values.append(value)
        for hook in task.hooks:
            hook(state.model, epoch, done + number)
        advance(f"epoch {epoch}/{settings.epochs}")
    sizes = torch.tensor([len(rows) for rows in parts], dtype=torch.float64)
    mean = float(torch.stack(values).cpu().double() @ sizes / sizes.sum())
    _check_finite(mean, epoch, len(parts), len(parts))
    for hook in task.epoch_hooks:
        hook(state.model, epoch, done + len(parts))
    state.history.append({"epoch": epoch, "train_loss": mean, "seconds": time.perf_counter() - begin})


def _step(state: State, task: Task, rows: Tensor, number: int) -> Tensor:
    x, y = task.train.batch(rows)
    state.optimizer.zero_grad(set_to_none=True)
    value = task.loss(state.model, x, y)
    value.backward()  # type: ignore[no-untyped-call]
    for hook in task.gradient_hooks:
        hook(state.model, state.epoch + 1, number)
    for bound in task.masked:
        bound.impose_on_gradient()
    state.optimizer.step()
    for bound in task.masked:
        bound.impose()
    for project in task.projections:
        project()
    return value.detach()


def _set_rate(state: State, task: Task, progress: float) -> None:
    if task.schedule is None:
        return
    factor = task.schedule(progress)
    for group, rate in zip(state.optimizer.param_groups, task.rates, strict=True):
        group["lr"] = rate * factor


def validate(state: State, task: Task) -> None:
    """Complete the last row of the history, keep the weights if they are the best, and count the patience."""
    row, begin = state.history[-1], time.perf_counter()
    scores = {"loss": math.nan, "accuracy": math.nan, "balanced_accuracy": math.nan}
    epoch = int(row["epoch"])
    if task.valid is None:
        state.best_epoch = epoch
    else:
        with evaluating(state.model):
            scores = _scores(forward(state.model, task.valid.parts(VALIDATED)), task.valid.y)
        if not math.isfinite(scores["loss"]):
            raise ValueError(f"fit: the validation loss is {scores['loss']} after epoch {epoch}. {_ADVICE}")
        score = MONITORS[task.settings.monitor] * scores[task.settings.monitor]
        if score < state.best_score:
            state.best_score, state.best_epoch = score, epoch
            state.best = {k: v.clone() for k, v in state.weights().items()}
        patience = task.settings.patience
        state.stopped = patience is not None and epoch - state.best_epoch >= patience
    seconds = row.pop("seconds") + time.perf_counter() - begin
    row.update({f"valid_{name}": value for name, value in scores.items()}, seconds=seconds)


def _scores(logits: Tensor, y: Tensor) -> dict[str, float]:
    guess, k = logits.argmax(dim=1), logits.shape[1]
    confusion = torch.bincount(y * k + guess, minlength=k * k).reshape(k, k).double()
    present = confusion.sum(dim=1) > 0
    recall = confusion.diagonal()[present] / confusion.sum(dim=1)[present]
    return {
        "loss": float(functional.cross_entropy(logits, y)),
        "accuracy": float(confusion.diagonal().sum() / len(y)),
        "balanced_accuracy": float(recall.mean()),
    }


_ADVICE = (
    "Try a smaller learning_rate, and look at the scale of the windows: raw µV should be standardised first; "
    "with a loss of your own, look for a logarithm of or a division by 0"
)


def _check_finite(loss: float, epoch: int, step: int, steps: int) -> None:
    if not math.isfinite(loss):
        raise ValueError(f"fit: the loss is {loss} at epoch {epoch}, step {step} of {steps}. {_ADVICE}")
