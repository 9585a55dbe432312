"""`trimcap train`: fit a model or a saved network on windows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trimcap._csv import csv_text
from trimcap.cli.io import datasets, inputs, outputs
from trimcap.cli.io.answer import Answer, Misuse, one_of, typed
from trimcap.cli.io.arms import check_arm, loss_of
from trimcap.cli.io.masks import MASKS, masks_in
from trimcap.cli.io.show import table
from trimcap.cli.io.values import names_of

if TYPE_CHECKING:
    from torch import nn

    from trimcap.data.windows import Windows
    from trimcap.train.fit import Fitted
    from trimcap.train.masks import Masks

Epochs = Annotated[int, typer.Option("--epochs", min=1)]
BatchSize = Annotated[int, typer.Option("--batch-size", min=1, help="Windows in a training step.")]
LearningRate = Annotated[float, typer.Option("--learning-rate")]
WeightDecay = Annotated[float, typer.Option("--weight-decay", min=0)]
Optimizer = Annotated[str, typer.Option("--optimizer", help="adam, adamw, sgd, or package.module:Class.")]
Schedule = Annotated[str | None, typer.Option("--schedule", help="Of the learning rate: cosine or step.")]
Patience = Annotated[int | None, typer.Option("--patience", min=1, help="Stop after so many epochs without gain.")]
Monitor = Annotated[str, typer.Option("--monitor", help="Chooses the epoch: loss, accuracy or balanced_accuracy.")]
Balanced = Annotated[bool, typer.Option("--balanced", help="Weight classes by their inverse frequency.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of weights, shuffling, dropout and the validation split.")]
Valid = Annotated[float, typer.Option("--valid", min=0, max=0.9, help="Share of subjects that validate; 0: none.")]
HoldOut = Annotated[
    str | None, typer.Option("--hold-out", help="Subjects left out for a test, S06,S07; as before if not given.")
]
Normalise = Annotated[str, typer.Option("--normalise", help="train: fitted on training windows, inside the network.")]
Loss = Annotated[
    str,
    typer.Option("--loss", help="cross_entropy, slimming (ℓ1 on batch-norm scales), slimming(1e-3), module:function."),
]
Arm = Annotated[
    str,
    typer.Option(
        "--arm",
        help="Of a saved network: fine_tune goes on from its weights; scratch starts from new ones; distil and "
        "attention go on and follow --teacher, its logits or its attention maps.",
    ),
]
Teacher = Annotated[str | None, typer.Option("--teacher", help="Folder of the network that is followed.")]
Temperature = Annotated[float | None, typer.Option("--temperature", help="Of distil: softens the logits; default 4.")]
Weight = Annotated[
    float | None,
    typer.Option("--weight", help="Of distil: of the teacher, 0 … 1, default 0.5; of attention: ≥ 0, default 1000."),
]
Device = Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1, …")]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="Threads of torch.")]


def train(
    model: inputs.Model,
    data: datasets.Data,
    out: outputs.Out,
    epochs: Epochs = 100,
    batch_size: BatchSize = 64,
    learning_rate: LearningRate = 1e-3,
    weight_decay: WeightDecay = 0.0,
    optimizer: Optimizer = "adam",
    schedule: Schedule = None,
    patience: Patience = None,
    monitor: Monitor = "loss",
    balanced: Balanced = False,
    seed: Seed = 0,
    valid: Valid = 0.2,
    hold_out: HoldOut = None,
    normalise: Normalise = "train",
    loss: Loss = "cross_entropy",
    arm: Arm = "fine_tune",
    teacher: Teacher = None,
    temperature: Temperature = None,
    weight: Weight = None,
    device: Device = "cpu",
    threads: Threads = None,
    option: inputs.Options = None,
    force: outputs.Force = False,
) -> Answer:
    """Train a model by name, or recover a saved network; an interrupted training goes on where it was.

    Validation subjects, never windows of training subjects, choose the epoch. Weights that `trimcap mask` removed stay
    zero, and their masks go with the network.
    """
    from trimcap._files import write_atomic
    from trimcap.graph.save import save

    _check(learning_rate, normalise, device)
    check_arm(arm, teacher, loss, saved=inputs.is_folder(model), temperature=temperature, weight=weight)
    windows = datasets.read(data)
    hold_out = _held_out(model, windows) if hold_out is None else hold_out
    warnings: list[str] = []
    if names_of(hold_out):
        rest = datasets.choose(windows, names_of(hold_out), leave_out=True)
        windows, warnings = rest, _copies_held_out(windows, names_of(hold_out))
    settings: dict[str, Any] = {
        "epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate, "weight_decay": weight_decay,
        "optimizer": optimizer, "schedule": schedule, "patience": patience, "monitor": monitor,
        "class_weights": "balanced" if balanced else None, "seed": seed, "device": device, "threads": threads,
    }  # fmt: skip
    start, windows, masks = _start(model, windows, option, seed, arm)
    settings["loss"] = loss_of(arm, teacher, loss, windows, temperature=temperature, weight=weight)
    own, held, shared = _split(windows, valid, seed)
    warnings += [f"validation measures memory: {text}" for text in shared]
    source = model if inputs.is_folder(model) else None
    options = settings | {
        "model": None if source else model, "option": option, "data": data, "hold_out": hold_out, "valid": valid,
        "normalise": normalise, "loss": loss, "arm": arm if source else None, "teacher": teacher,
        "temperature": temperature, "weight": weight,
    }  # fmt: skip
    step = outputs.Step("train", options, source)
    outputs.claim(out, step, force=force, sources=[teacher])
    scaled = _scaled(start, own) if normalise == "train" and source is None and own.unit != "z" else start
    fitted = _fit(scaled, own, held, settings, masks, out, anew=force)
    network = inputs.traced(fitted.model, own)
    saw = {"fit": datasets.subjects_of(own), "early_stopping": datasets.subjects_of(held) if held else []}
    saw |= {"teacher": outputs.seen_subjects(teacher).get("fit", [])} if teacher else {}
    with outputs.writing(out, step, **saw):
        save(network, out)
        if masks is not None:
            masks.save(out / MASKS)
        write_atomic(out / "history.csv", csv_text(fitted.history))
    return _answer(network, fitted, own, held, hold_out, out, warnings)


def _check(learning_rate: float, normalise: str, device: str) -> None:
    import torch

    if not learning_rate > 0:
        raise Misuse(f"--learning-rate must be above 0, got {learning_rate:g}")
    one_of("normalisation", normalise, ("train", "none"))
    try:
        kind = torch.device(device).type
    except RuntimeError:
        raise Misuse(f"unknown device {device!r}; use cpu, cuda or cuda:1") from None
    if kind == "cuda" and not torch.cuda.is_available():
        raise Misuse(f"--device {device}: there is no CUDA device here; use --device cpu")


def _held_out(model: str, windows: Windows) -> str:
    """What an earlier training of a saved network left out stays left out."""
    steps = outputs.history(model) if inputs.is_folder(model) else []
    names = {name for step in steps for name in names_of(str(step.get("options", {}).get("hold_out", "")))}
    return ",".join(sorted(names & set(datasets.subjects_of(windows))))


def _start(
    model: str, windows: Windows, option: list[str] | None, seed: int, arm: str
) -> tuple[nn.Module, Windows, Masks | None]:
    """The module to train, the windows with the electrodes it reads, its masks; fails here if it can't be traced."""
    if inputs.is_folder(model):
        if option:
            raise Misuse("--option is for models by name; a saved network is trained as it is")
        network = inputs.load_network(model)
        masks = masks_in(model, network)
        if arm == "scratch":
            from trimcap.train.fresh import fresh

            network = fresh(network, seed=seed)
        return network.module(), datasets.fitted_to(windows, **inputs.taken_by(network), name=f"'{model}'"), masks
    made = inputs.model_of(model, windows, options=option, seed=seed)
    inputs.traced(made, windows)
    return made, windows, None


def _split(windows: Windows, valid: float, seed: int) -> tuple[Windows, Windows | None, list[str]]:
    """Training and validation windows of different subjects, stratified by class, and what they share all the same."""
    from sklearn.model_selection import StratifiedGroupKFold

    names = datasets.subjects_of(windows)
    if valid == 0:
        return windows, None, []
    if len(names) < 2:
        raise ValueError(
            f"validation needs windows of another subject than training, but all are of subject {names[0]}; load more "
            "subjects, or train without validation (--valid 0)"
        )
    folds = min(max(2, round(1 / valid)), len(names))
    subjects = windows.metadata.subject.astype(str).to_numpy()
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    rows, held = next(iter(splitter.split(subjects, windows.y, subjects)))
    own, other = windows.take(rows), windows.take(held)
    for part, name in ((own, "training"), (other, "validation")):
        absent = [c for number, c in enumerate(windows.classes) if number not in part.y]
        if absent:
            raise ValueError(
                f"class {absent[0]!r} is absent from the {name} subjects ({', '.join(datasets.subjects_of(part))}); "
                "load more subjects, or take another --seed or --valid"
            )
    return own, other, _copies(windows, rows, held, second="validation")


def _copies_held_out(windows: Windows, names: tuple[str, ...]) -> list[str]:
    """What the subjects left out for a test share with the others."""
    import numpy as np

    out = np.isin(windows.metadata.subject.astype(str).to_numpy(), names)
    shared = _copies(windows, np.flatnonzero(~out), np.flatnonzero(out), second="left-out")
    return [f"a test on {','.join(names)} would measure memory: {text}" for text in shared]


def _copies(windows: Windows, train: Any, other: Any, *, second: str) -> list[str]:
    """Windows of the second side that the network trains on under another name, in words."""
    from trimcap.data.splits.shared import copies_between
    from trimcap.data.splits.sides import Content

    found = copies_between(Content(windows, train, other), second=second)
    return [f.text for f in found if f.severity == "error"]


def _scaled(model: nn.Module, windows: Windows) -> nn.Module:
    from trimcap.data.preprocess.windows.scaling import fit_scaler
    from trimcap.models.scaled import Scaled

    scaler = fit_scaler(windows)
    return Scaled(model, scaler.mean, scaler.std)


def _fit(
    model: nn.Module,
    own: Windows,
    held: Windows | None,
    settings: dict[str, Any],
    masks: Masks | None,
    out: Path,
    *,
    anew: bool,
) -> Fitted:
    """Train, or go on from the checkpoint; `anew` starts over, and other work in `out` goes after the first epoch."""
    import sys
    from warnings import catch_warnings, filterwarnings

    from trimcap.train.fit import fit
    from trimcap.train.optimizers import OPTIMIZERS, SCHEDULES

    inputs.see_here()
    with typed():
        _known(settings["optimizer"], "optimizer", OPTIMIZERS)
        _known(settings["schedule"], "schedule", SCHEDULES)
        _known(settings["monitor"], "monitor", ("loss", "accuracy", "balanced_accuracy"))
    if held is None and settings["patience"] is not None:
        raise Misuse("--patience needs validation subjects; raise --valid above 0")
    place = out / outputs.CHECKPOINT
    if anew:
        place.unlink(missing_ok=True)

    def replace(*_: Any) -> None:
        """What was here must not be taken for the work of this training, should it be interrupted."""
        outputs.clear(out, keep=(outputs.CHECKPOINT,))

    hooks = [replace] if anew else []
    try:
        with catch_warnings():
            filterwarnings("ignore", message="fit: .* or copies of them")  # the answer names them
            return fit(
                model, own, held, **settings, masks=masks, checkpoint=place, progress=sys.stderr.isatty(),
                epoch_hooks=hooks,
            )  # fmt: skip
    except KeyboardInterrupt as error:
        again = "the same command without --force" if anew else "the same command"
        kept = f"Epochs that were finished are kept: {again} goes on from there."
        error.add_note(kept if place.is_file() else "No epoch was finished: the same command starts again.")
        raise


def _known(name: str | None, kind: str, known: Any) -> None:
    from trimcap._errors import unknown

    if name is not None and ":" not in name and name not in known:
        raise ValueError(unknown(kind, name, known))


def _answer(
    network: Any, fitted: Fitted, own: Windows, held: Windows | None, hold_out: str, out: Any, warnings: list[str]
) -> Answer:
    best = fitted.history[fitted.history.epoch == fitted.best_epoch].iloc[0].to_dict()
    parts = {"training": own, **({"validation": held} if held is not None else {})}
    facts = {
        "out": out,
        "parameters": network.n_parameters,
        "epochs": len(fitted.history),
        "best_epoch": fitted.best_epoch,
        "stopped_early": fitted.stopped_early,
        "best": best,
        "held_out": list(names_of(hold_out)),
        "warnings": warnings,
        **{name: {"windows": len(w), "subjects": datasets.subjects_of(w)} for name, w in parts.items()},
    }
    rows = [(name, len(w), ", ".join(datasets.subjects_of(w))) for name, w in parts.items()]
    lines: list[Any] = [table(("windows", "n", "subjects"), rows)]
    if hold_out:
        lines.append(f"left out for a test: {hold_out}")
    if held is not None:
        lines.append(
            f"epoch {fitted.best_epoch} of {len(fitted.history)} chosen on the validation subjects: accuracy "
            f"{best['valid_accuracy']:.3f}, balanced {best['valid_balanced_accuracy']:.3f}, "
            f"loss {best['valid_loss']:.3f} (not a test: it chose the epoch)"
        )
    lines += [f"warning: {text}" for text in warnings]
    return Answer(facts, [*lines, f"saved in {out}, training curve in {out / 'history.csv'}"])
