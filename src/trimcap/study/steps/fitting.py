"""Training inside a trial: the dense network, and what steps that train share, with what it cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from trimcap._csv import csv_text
from trimcap._files import write_atomic
from trimcap.data.windows import Windows
from trimcap.graph.module import NetworkModule
from trimcap.graph.network import Network
from trimcap.graph.price import price
from trimcap.graph.trace.trace import trace
from trimcap.study.steps.kind import slug
from trimcap.study.steps.section import Fitting, Training
from trimcap.study.steps.task import Made, Task, fitted_to, kept, untrained
from trimcap.train.budget import Spent


def dense(task: Task, name: str) -> Made:
    """The recipe's network, trained on the fold."""
    model = untrained(task.recipe, task.train, seed=task.seed, ledger=task.fold.ledger)
    fitted, facts = train(task, name, model, task.recipe.train, "fit")
    network = trace(fitted, task.train)
    return kept(task, name, network, {**facts, **spending(task, name, [spent_on(network, facts)])})


# ---- budgets ----


def history(task: Task, name: str) -> list[Spent]:
    """Every training that the network went through before a stage."""
    found: list[Spent] = []
    for stage in task.before(name):
        facts = task.folder.read(f"built/{slug(stage.name)}")
        found = [] if facts.get("from_scratch") else found
        own = facts.get("trainings", [[facts["epochs"], facts["macs"]]] if "epochs" in facts else ())
        found += [Spent(epochs, macs) for epochs, macs in own]
    return found


def spent_on(network: Network, facts: Mapping[str, Any]) -> Spent:
    """What one training cost, from its facts."""
    return Spent(int(facts["epochs"]), price(network).macs)


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
    task: Task, name: str, options: Fitting, network: Network, stage: str, **more: Any
) -> tuple[Network, dict[str, Any]]:
    """Training that goes on from the weights of a traced network; `more` as of `train`."""
    fitted, facts = train(task, name, network.module(), options, stage, network=network, **more)
    if not isinstance(fitted, NetworkModule):
        raise TypeError(f"training turned a NetworkModule into {type(fitted).__name__}")
    return fitted.extract(), facts


def train(
    task: Task,
    name: str,
    model: Any,
    options: Fitting,
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
    settings = options.model_dump(include=set(Training.model_fields)) | more
    result = fit(
        model, windows, valid, seed=task.seed, checkpoint=checkpoint, ledger=task.fold.ledger, stage=stage, **settings
    )
    write_atomic(task.folder.history(file), csv_text(result.history))
    checkpoint.unlink(missing_ok=True)
    epochs = int(pd.to_numeric(result.history.epoch).max())
    return result.model, {"epochs": epochs, "best_epoch": result.best_epoch, "stopped_early": result.stopped_early}
