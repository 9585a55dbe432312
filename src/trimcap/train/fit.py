"""Training: one function, on its own copy of the model."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from trimcap._progress import bar
from trimcap.data.expected import Expected
from trimcap.data.libraries.door import aligned, refuse_others
from trimcap.data.seen import Seen, content_of, united
from trimcap.data.windows import Windows
from trimcap.graph.max_norm import imposed_by_hand
from trimcap.graph.module import mark
from trimcap.graph.origin import followed, seen_of
from trimcap.train.allocator import tune_allocator
from trimcap.train.batches import loss_weights, rows_of
from trimcap.train.checkpoint import State, load_checkpoint, save_checkpoint
from trimcap.train.epoch import Hook, Task, projections, train_epoch, validate
from trimcap.train.layout import check_model, prefers_channels_last, to_layout
from trimcap.train.losses.losses import Loss
from trimcap.train.losses.table import loss_function
from trimcap.train.masks import Masks, bind
from trimcap.train.optimizers import MakeOptimizer, Schedule, make_optimizer, schedule_function
from trimcap.train.predict import trained_on
from trimcap.train.settings import Settings, hash_architecture, hash_state, hash_windows

if TYPE_CHECKING:
    from trimcap.data.ledger import Ledger


@dataclass(frozen=True, eq=False)
class Fitted:
    """What training gives.

    Parameters
    ----------
    model : the best weights, in evaluation mode, on the CPU; its attribute `expects` says what windows it takes
    history : one row per epoch: epoch, train_loss (mean over windows), valid_loss (cross-entropy), valid_accuracy,
        valid_balanced_accuracy (NaN without validation windows), seconds
    best_epoch : the epoch that `model` is from; the last one without validation windows
    stopped_early : whether `patience` ran out
    seen : windows that the weights were made with, those of the start and of teachers among them; `model` carries it
    """

    model: nn.Module
    history: pd.DataFrame
    best_epoch: int
    stopped_early: bool
    seen: Seen


def fit(
    model: nn.Module,
    train: Windows,
    valid: Windows | None = None,
    *,
    epochs: int,
    batch_size: int = 64,
    learning_rate: float = 1e-3,
    weight_decay: float = 0.0,
    optimizer: str | MakeOptimizer = "adam",
    schedule: str | Schedule | None = None,
    loss: str | Loss = "cross_entropy",
    class_weights: str | Sequence[float] | None = None,
    seed: int = 0,
    patience: int | None = None,
    monitor: str = "loss",
    device: str = "cpu",
    threads: int | None = None,
    channels_last: bool | None = None,
    hooks: Sequence[Hook] = (),
    epoch_hooks: Sequence[Hook] = (),
    gradient_hooks: Sequence[Hook] = (),
    masks: Masks | None = None,
    checkpoint: Path | str | None = None,
    checkpoint_every: int = 1,
    progress: bool = False,
    ledger: Ledger | None = None,
    stage: str = "fit",
) -> Fitted:
    """Train a copy of `model`; the argument, the data and the global random state stay as they are.

    On the CPU the same arguments give the same weights, bit for bit, for one number of threads. Memory that is freed
    stays with the process (see `tune_allocator`), which makes EEG networks train up to twice as fast.

    Parameters
    ----------
    model : any `nn.Module` from (b, …) to logits (b, n_classes). Submodules with a method `project()` have it called
        after every step (a traced network re-imposes its max-norm constraints so)
    train : training windows
    valid : validation windows, of other groups than `train`; they choose the epoch whose weights are returned.
        Without them the last weights are
    epochs, batch_size : a last batch of a single window joins the batch before it
    learning_rate, weight_decay : given to the optimizer
    optimizer : "adam", "adamw", "sgd" (momentum 0.9), "package.module:Class", or a function that is called as
        `make(parameters, lr=…, weight_decay=…)`
    schedule : factor on the learning rate at every step: None, "cosine" (to 0), "step" (×0.1 at 1/2 and at 3/4), or
        a function of the share of the training that is done
    loss : "cross_entropy", "slimming" (with ℓ1 on batch-norm scales, see `trimcap.train.slimming`),
        "package.module:function", or a function `(model, x, y) -> scalar Tensor`
    class_weights : None, "balanced" (n / (k·n_c)), or one weight per class; for losses that take `weights`
    seed : of shuffling and of everything random in the network
    patience : stop after so many epochs without a better `monitor`; None trains all epochs
    monitor : "loss" (cross-entropy on `valid`, whatever the training loss is), "accuracy" or "balanced_accuracy"
    device : "cpu", "cuda", "cuda:1", …; all windows are put there at once, but those of a large file batch by batch
    threads : torch threads to use meanwhile; None leaves the number alone
    channels_last : memory layout of 2-D convolutions; None takes what is faster and gives the same function
    hooks : functions `hook(model, epoch, step)`, called after every optimizer step
    epoch_hooks : the same, called after the last step of an epoch and before validation
    gradient_hooks : the same, called when the gradients are known and before the optimizer uses them
    masks : weights that are zero from before the first step on; no gradient of theirs reaches the optimizer
    checkpoint : file to resume from if it exists, and to write after every `checkpoint_every` epochs. Resuming gives
        the weights of a run that was never interrupted, if the hooks are the same and keep nothing of their own
    progress : show a bar with the time left
    ledger, stage : where to record that `train` was seen (as `stage`) and `valid` (as "early stopping")

    Raises
    ------
    ValueError : illegal or misspelt setting; windows that the model does not take or that are not finite; loss that is
        not finite (names epoch and step); checkpoint of another run.
    TypeError : windows that are no `Windows`; a setting that is no number where it must be one.
    ArtifactError : unreadable checkpoint.

    Warns
    -----
    UserWarning : validation windows that are training windows, or copies of them.
    """
    settings = Settings(
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        optimizer=optimizer,
        schedule=schedule,
        loss=loss,
        class_weights=class_weights,
        seed=seed,
        patience=patience,
        monitor=monitor,
        device=device,
        channels_last=channels_last,
    )
    train, valid = _checked(model, train, valid, settings)
    tune_allocator()
    before = united([seen_of(model), followed(loss)])
    if ledger is not None:
        ledger.meet(f"{type(model).__name__} before {stage!r}", before)
        ledger.record(stage, train)
        if valid is not None:
            ledger.record("early stopping", valid)
    with _surroundings(device, threads):
        state, task = _prepare(model, train, valid, settings, masks)
        _warn_of_shared(train, valid)
        task = replace(task, hooks=tuple(hooks), epoch_hooks=tuple(epoch_hooks), gradient_hooks=tuple(gradient_hooks))
        identity: dict[str, Any] = {}
        if checkpoint is not None:
            identity = _identity(model, train, valid, settings, masks)
            if Path(checkpoint).exists():
                load_checkpoint(checkpoint, state, identity)
                for bound in task.masked:
                    bound.impose()
        with bar(progress, epochs * task.steps, done=state.epoch * task.steps) as advance:
            while state.epoch < epochs and not state.stopped:
                train_epoch(state, task, advance)
                validate(state, task)
                last = state.epoch == epochs or state.stopped
                if checkpoint is not None and (last or state.epoch % checkpoint_every == 0):
                    save_checkpoint(checkpoint, state, identity)
    fitted = _fitted(state, before.plus(stage, train).plus("early stopping", valid))
    fitted.model.expects = Expected.of(train)  # type: ignore[assignment]  # what `predict` and `trace` go by
    return fitted


def _checked(
    model: nn.Module, train: Windows, valid: Windows | None, settings: Settings
) -> tuple[Windows, Windows | None]:
    for role, given in (("training", train), ("validation", valid)):
        if not isinstance(given, Windows) and (given is not None or role == "training"):
            refuse_others(given)
            raise TypeError(
                f"fit: {role} windows are Windows, got {type(given).__name__}; make them with trimcap.from_epochs "
                "or from_arrays"
            )
    train = trained_on(model, train)
    if valid is None:
        if settings.patience is not None:
            raise ValueError(
                "fit: patience stops when validation windows get no better, but `valid` is None; "
                "give validation windows of other groups than the training ones, or leave out patience"
            )
    elif valid.shape != train.shape or valid.classes != train.classes:
        raise ValueError(
            f"fit: training windows have shape {train.shape} and classes {train.classes}, validation windows "
            f"{valid.shape} and {valid.classes}; make both by the same steps"
        )
    return train, None if valid is None else aligned(valid, Expected.of(train), what="fit")


def _warn_of_shared(train: Windows, valid: Windows | None) -> None:
    """Warn of validation windows with the content of training windows, which say nothing about new ones."""
    shared = 0 if valid is None else int(np.isin(content_of(valid), content_of(train)).sum())
    if valid is not None and shared:
        warnings.warn(
            f"fit: {shared} of {len(valid)} validation windows are training windows, or copies of them; they choose "
            "the epoch that remembers best. Give windows of other groups (fold.train, fold.valid), or none",
            stacklevel=3,
        )


def _prepare(
    model: nn.Module,
    train: Windows,
    valid: Windows | None,
    settings: Settings,
    masks: Masks | None,
) -> tuple[State, Task]:
    device = settings.device
    rows = rows_of(train, device, role="training")
    weights = loss_weights(settings.class_weights, train)
    loss = loss_function(settings.loss, None if weights is None else weights.to(device))
    own = copy.deepcopy(model).to(device)
    first, _ = rows.batch(torch.arange(2))
    check_model(own, first, train.classes)
    last = settings.channels_last
    to_layout(own, prefers_channels_last(own, first) if last is None else last)
    masked = bind(masks, own)
    for bound in masked:
        bound.impose()
    optimizer = make_optimizer(
        settings.optimizer, own, learning_rate=settings.learning_rate, weight_decay=settings.weight_decay
    )
    task = Task(
        train=rows,
        valid=None if valid is None else rows_of(valid, device, role="validation"),
        settings=settings,
        loss=loss,
        schedule=schedule_function(settings.schedule),
        rates=tuple(float(group["lr"]) for group in optimizer.param_groups),
        projections=projections(own),
        masked=masked,
    )
    return State(own, optimizer), task


def _identity(
    model: nn.Module, train: Windows, valid: Windows | None, settings: Settings, masks: Masks | None
) -> dict[str, Any]:
    return settings.describe() | {
        "training windows": hash_windows(train),
        "validation windows": None if valid is None else hash_windows(valid),
        "architecture": hash_architecture(model),
        "initial weights": hash_state(model),
        "masks": None if masks is None else masks.sha256,
    }


@contextmanager
def _surroundings(device: str, threads: int | None) -> Iterator[None]:
    """Global random state and number of threads are afterwards what they were; `fit` imposes max-norm itself."""
    kind = torch.device(device)
    if kind.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device={device!r}: this torch ({torch.__version__}) finds no CUDA device; use device='cpu'")
    gpus = [] if kind.type != "cuda" else [torch.cuda.current_device() if kind.index is None else kind.index]
    count = torch.get_num_threads()
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng(devices=gpus), imposed_by_hand():
            yield
    finally:
        if threads is not None:
            torch.set_num_threads(count)


def _fitted(state: State, seen: Seen) -> Fitted:
    if state.best:
        state.model.load_state_dict(state.best)
    state.model.zero_grad(set_to_none=True)
    model = to_layout(state.model, channels_last=False).to("cpu").eval()
    history = pd.DataFrame(state.history).astype({"epoch": int})
    mark(model, seen)
    return Fitted(model, history, state.best_epoch, state.stopped, seen)
