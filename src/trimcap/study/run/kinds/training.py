"""The steps of a recipe that train: the dense network, and the arms that recover a pruned one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from trimcap._csv import csv_text
from trimcap._files import write_atomic
from trimcap.data.windows import Windows
from trimcap.graph.cost import cost
from trimcap.graph.module import NetworkModule
from trimcap.graph.network import Network
from trimcap.graph.trace.trace import trace
from trimcap.prune.plan import make_plan
from trimcap.prune.saliency.by_weights import random
from trimcap.prune.shrink import shrink
from trimcap.study.recipe import steps as s
from trimcap.study.recipe.plan import ancestors
from trimcap.study.results.store import slug
from trimcap.study.run.task import Made, State, Task, fitted_to, kept, network_of, untrained
from trimcap.train.budget import Spent, equal_epochs, equal_flops
from trimcap.train.fresh import fresh

#: steps that change what a network can be compared with
_PRUNING = ("prune", "mask", "soft", "published")
#: keys of steps that are no options of `fit`
_OWN = {
    "kind", "arm", "at_most_epochs", "temperature", "weight", "beta", "small", "rounds", "spacing", "sparsity",
    "saliency", "options", "axes", "period", "at_least", "at_most", "gradual", "borders",
}  # fmt: skip


def dense(task: Task, name: str) -> Made:
    """The recipe's network, trained on the fold."""
    model = untrained(task.recipe, task.train, seed=task.seed, ledger=task.fold.ledger)
    fitted, facts = train(task, name, model, task.recipe.train, "fit")
    network = trace(fitted, task.train)
    return kept(task, name, network, {**facts, **spending(task, name, [spent_on(network, facts)])})


def calibrate(task: Task, name: str, step: s.Calibrate, state: State) -> Made:
    """Fine-tuning on the calibration trials of a new subject."""
    own = task.fold.calibration
    assert own is not None  # checked before anything was trained
    network, facts = tuned(task, name, step, state.network, "calibrate", masks=state.masks, on=(own, None))
    note = "no validation: all epochs run, the last weights are kept"
    return kept(task, name, network, {**facts, "calibration_windows": len(own), "note": note}, masks=state.masks)


def re_estimate(task: Task, name: str, step: s.ReEstimate, state: State) -> Made:
    """Batch-norm statistics from training windows."""
    from trimcap.train.re_estimate import re_estimate_batch_norm

    own = fitted_to(state.network, task.train)
    rows = np.sort(np.random.default_rng(task.seed).permutation(len(own))[: step.windows])
    network = re_estimate_batch_norm(state.network, own.take(rows), ledger=task.fold.ledger)
    return kept(task, name, network, {"re_estimated_windows": len(rows)}, masks=state.masks)


def recover(task: Task, name: str, step: s.Recover, state: State) -> Made:
    """One of the arms; what they cost is among the facts."""
    before = history(task, name)
    network, masks, own = state.network, state.masks, step
    more: dict[str, Any] = {}
    scratch = step.arm in ("scratch_epochs", "scratch_flops", "small")
    if scratch:
        wanted = equal_epochs(before, step.epochs)
        if step.arm == "scratch_flops":
            wanted = equal_flops(before, step.epochs, macs=cost(network).macs)
        epochs = min(wanted, step.at_most_epochs or wanted)
        own = step.model_copy(update={"epochs": epochs})
        more = {"epochs_for_equal_budget": wanted}
    if step.arm == "small":
        network, masks = _small(task, step), None
    elif scratch:
        network = fresh(network, seed=task.seed)
    elif step.arm == "random_twin":
        network, masks = _random_twin(task, name, network), None
    loss = _loss(task, name, step, network)
    network, facts = tuned(task, name, own, network, "recovery", masks=masks, **loss)
    facts |= {"arm": step.arm, **more, **spending(task, name, [spent_on(network, facts)], scratch=scratch)}
    return kept(task, name, network, facts, masks=masks)


def _small(task: Task, step: s.Recover) -> Network:
    """The untrained network of the model's own code with other options."""
    model = task.recipe.model.model_copy(update={"options": {**task.recipe.model.options, **step.small}})
    recipe = task.recipe.model_copy(update={"model": model})
    return trace(untrained(recipe, task.train, seed=task.seed, ledger=task.fold.ledger).eval(), task.train)


def _random_twin(task: Task, name: str, network: Network) -> Network:
    """The network before pruning, without as many slices of every axis as this one lacks, drawn at random."""
    whole = network_of(task, _unpruned(task, name))
    left = {a.name: _left(network, a.name) for a in whole.axes.prunable if _left(network, a.name) < a.size}
    if not left:
        raise ValueError("arm = 'random_twin' has no network without slices before it; put a 'prune' step before")
    scores = random(whole, axes=list(left), seed=task.seed)
    order = {axis: np.argsort(-scores.values[axis], kind="stable")[:n] for axis, n in left.items()}
    return shrink(whole, make_plan(whole, {axis: kept.tolist() for axis, kept in order.items()}, note="random twin"))


def _left(network: Network, axis: str) -> int:
    return network.axes[axis].size if axis in network.axes.axes else 1


def _unpruned(task: Task, name: str) -> str:
    """The stage right before the first one that prunes."""
    before = ancestors(task.recipe, name)
    pruning = (i for i, stage in enumerate(before) if stage.step is not None and stage.step.kind in _PRUNING)
    return before[next(pruning, len(before)) - 1].name


def _loss(task: Task, name: str, step: s.Recover, network: Network) -> dict[str, Any]:
    """The loss of an arm that follows a teacher."""
    if step.arm not in ("distil", "attention"):
        return {}
    from trimcap.train.losses.attention_transfer import attention_transfer
    from trimcap.train.losses.losses import distillation

    teacher = network_of(task, _unpruned(task, name))
    if teacher.input_shape != network.input_shape:
        raise ValueError(
            f"arm = {step.arm!r}: the dense network reads {teacher.input_shape}, the pruned one {network.input_shape}; "
            "a teacher must read the same windows, so don't prune electrodes before"
        )
    if step.arm == "attention":
        return {"loss": attention_transfer(teacher, weight=step.beta)}
    return {"loss": distillation(teacher.module(), temperature=step.temperature, weight=step.weight)}


# ---- budgets ----


def history(task: Task, name: str) -> list[Spent]:
    """Every training that the network went through before a stage."""
    found: list[Spent] = []
    for stage in ancestors(task.recipe, name):
        facts = task.folder.read(f"built/{slug(stage.name)}")
        found = [] if facts.get("from_scratch") else found
        own = facts.get("trainings", [[facts["epochs"], facts["macs"]]] if "epochs" in facts else ())
        found += [Spent(epochs, macs) for epochs, macs in own]
    return found


def spent_on(network: Network, facts: Mapping[str, Any]) -> Spent:
    """What one training cost, from its facts."""
    return Spent(int(facts["epochs"]), cost(network).macs)


def spending(task: Task, name: str, own: Sequence[Spent], *, scratch: bool = False) -> dict[str, Any]:
    """Facts about what was spent: own trainings, and the sum over everything that the network went through."""
    every = list(own) if scratch else [*history(task, name), *own]
    return {
        "trainings": [[spent.epochs, spent.macs] for spent in own],
        "from_scratch": scratch,
        "budget_epochs": sum(spent.epochs for spent in every),
        "budget_macs": sum(spent.total for spent in every),
    }


# ---- fit ----


def tuned(
    task: Task,
    name: str,
    options: s.Training | s.Calibrate,
    network: Network,
    stage: str,
    *,
    on: tuple[Windows, Windows | None] | None = None,
    part: str = "",
    **more: Any,
) -> tuple[Network, dict[str, Any]]:
    """Training that goes on from the weights of a traced network."""
    fitted, facts = train(task, name, network.module(), options, stage, network=network, on=on, part=part, **more)
    if not isinstance(fitted, NetworkModule):
        raise TypeError(f"training turned a NetworkModule into {type(fitted).__name__}")
    return fitted.extract(), facts


def train(
    task: Task,
    name: str,
    model: Any,
    options: s.Training | s.Calibrate,
    stage: str,
    *,
    network: Network | None = None,
    on: tuple[Windows, Windows | None] | None = None,
    part: str = "",
    **more: Any,
) -> tuple[Any, dict[str, Any]]:
    """`fit` with a checkpoint and a history in the trial's folder; `more` goes to `fit` and wins over the options."""
    from trimcap.train.fit import fit

    windows, valid = on or (task.train, task.valid)
    if network is not None:
        windows, valid = fitted_to(network, windows), None if valid is None else fitted_to(network, valid)
    file = slug(f"{name} {part}".strip())
    checkpoint = task.folder.path / "checkpoints" / f"{file}.safetensors"
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    settings = options.model_dump(exclude=_OWN) | more
    result = fit(
        model, windows, valid, seed=task.seed, checkpoint=checkpoint, ledger=task.fold.ledger, stage=stage, **settings
    )
    write_atomic(task.folder.path / "history" / f"{file}.csv", csv_text(result.history))
    checkpoint.unlink(missing_ok=True)
    epochs = int(pd.to_numeric(result.history.epoch).max())
    return result.model, {"epochs": epochs, "best_epoch": result.best_epoch, "stopped_early": result.stopped_early}
