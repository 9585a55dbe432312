"""A trial at work: what its steps are given, and the network between two of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trimcap.data.ledger import Ledger
from trimcap.data.rows.lazy import pick
from trimcap.data.seen import NOTHING
from trimcap.data.splits.folds import Fold
from trimcap.data.windows import Windows
from trimcap.graph.module import mark
from trimcap.graph.network import Network
from trimcap.graph.save import load, save
from trimcap.models.build import MODELS, build
from trimcap.models.scaled import Scaled
from trimcap.program.cost import Cost, cost, deployed_cost, program_cost
from trimcap.program.program import Program
from trimcap.prune.weights.compressed import storage
from trimcap.study.steps.kind import Stage, ancestors
from trimcap.train.masks import Masks

if TYPE_CHECKING:
    from trimcap.study.recipe.recipe import Recipe
    from trimcap.study.results.trial_folder import TrialFolder
    from trimcap.study.run.prepare import Prepared


@dataclass(frozen=True, eq=False)
class Task:
    """One fold and seed of a recipe, with the recipe's stages."""

    recipe: Recipe
    prepared: Prepared
    fold: Fold
    seed: int
    folder: TrialFolder
    stages: tuple[Stage, ...]

    @cached_property
    def train(self) -> Windows:
        """Training windows."""
        return self.fold.train

    @cached_property
    def valid(self) -> Windows:
        """Validation windows."""
        return self.fold.valid

    def before(self, name: str) -> tuple[Stage, ...]:
        """The stages that a stage goes on from."""
        return ancestors(self.stages, name)

    def network_of(self, name: str) -> Network:
        """The network that an earlier stage left."""
        return load(self.folder.network(name))


@dataclass(frozen=True, eq=False)
class State:
    """The network after a step: the last float network, its masks, and what was made of it."""

    network: Network
    program: Program | None = None
    artifact: Path | None = None
    masks: Masks | None = None


Made = tuple[State, dict[str, Any]]


def fitted_to(network: Network, windows: Windows) -> Windows:
    """The windows with only those electrodes that the network still has."""
    if not network.channels or network.channels == windows.channels:
        return windows
    rows = [windows.channels.index(c) for c in network.channels]
    return replace(windows, X=pick(windows.X, rows), channels=network.channels)


def untrained(recipe: Recipe, train: Windows, *, seed: int, ledger: Ledger) -> Any:
    """The recipe's network for these training windows, with its normalisation inside."""
    model = build(recipe.model.name, train, seed=seed, **recipe.model.options)
    if recipe.model.name in MODELS:  # a function of somebody else's may give a trained one
        mark(model, NOTHING)
    if recipe.data.normalise != "train":
        return model
    from trimcap.data.preprocess.windows.scaling import fit_scaler

    scaler = fit_scaler(train, ledger=ledger)
    return Scaled(model, scaler.mean, scaler.std)


def kept(task: Task, name: str, network: Network, facts: Mapping[str, Any], *, masks: Masks | None = None) -> Made:
    """The state with a float network, saved in the trial's folder, and its cost among the facts."""
    save(network, task.folder.network(name))
    found = {**facts, **network_cost(network)}
    if masks is not None:
        masks.save(task.folder.masks(name))
        stored = storage(network)
        found |= {"nonzero": stored.nonzero, "compressed": stored.compressed, "storage": str(stored)}
    return State(network, masks=masks), found


def restored(task: Task, name: str) -> State:
    """The state that `kept` saved."""
    masks = task.folder.masks(name)
    return State(task.network_of(name), masks=Masks.load(masks) if masks.exists() else None)


def network_cost(network: Network) -> dict[str, Any]:
    """The costs that the report shows of a float network: of the C that would be written of it, rewritten first.

    `plain_macs`, `plain_flash` and `plain_sram` are those without rewriting. Flash and SRAM are None where an operation
    has no C.
    """
    found = {"parameters": network.n_parameters, **_columns(deployed_cost(network, bits=32))}
    return found | {f"plain_{key}": value for key, value in _columns(cost(network)).items()}


def program_facts(network: Network, program: Program) -> dict[str, Any]:
    """The costs that the report shows of a program."""
    return {"parameters": network.n_parameters, **_columns(program_cost(program))}


def _columns(found: Cost) -> dict[str, Any]:
    return {"macs": found.macs, "flash": found.flash_bytes, "sram": found.sram_bytes}
