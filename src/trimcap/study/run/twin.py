"""The leaky twin: the same network and data under shuffled windows, to show what such a split would have claimed."""

from __future__ import annotations

from pathlib import Path

from trimcap.study.recipe.derived import LEAKY, derive
from trimcap.study.recipe.recipe import Recipe
from trimcap.study.results.inflation import FOLDER
from trimcap.study.results.store import RunFolder, read_header
from trimcap.study.run.run import Executor, run
from trimcap.study.run.workers import Tell

PROTOCOL = LEAKY[0]


def leaky_twin(recipe: Recipe, *, folds: int) -> Recipe:
    """The dense part of a recipe under `leaky_windows`, with the seeds of `[report] leaky_twin` or the first one.

    Parameters
    ----------
    folds : as many as the recipe's own protocol has

    Raises
    ------
    ValueError : the recipe's own protocol leaks.
    """
    if recipe.protocol.name in LEAKY:
        raise ValueError(f"[protocol] {recipe.protocol.name} leaks itself; a leaky twin is for honest protocols")
    wanted = recipe.report.leaky_twin
    seeds = recipe.seeds[:1] if isinstance(wanted, bool) else wanted
    return derive(recipe, protocol=PROTOCOL, folds=folds, seeds=seeds, dense=True)


def run_twin(
    folder: Path | str, *, jobs: int = 1, executor: Executor | None = None, progress: bool | Tell = False
) -> RunFolder:
    """Run the leaky twin of a run, in its folder `leaky`; goes on where it was interrupted.

    Parameters
    ----------
    folder : of a run, from `run`. Seeds are those of its `[report] leaky_twin`, or its first one
    jobs, executor, progress : as in `run`

    Raises
    ------
    FileNotFoundError : no run folder. ValueError : the run's protocol is leaky already. And whatever `run` raises.
    """
    header = read_header(folder)
    recipe = Recipe.model_validate(header["recipe"])
    twin = leaky_twin(recipe, folds=header["protocol"]["folds"])
    if header["protocol"]["leaky"]:
        raise ValueError(f"[protocol] {recipe.protocol.name} leaks itself; a leaky twin is for honest protocols")
    text = (
        f"# LEAKY twin of {recipe.name!r}, for comparison only: protocol {PROTOCOL}, {twin.protocol.folds} folds, "
        f"seeds {list(twin.seeds)}, no steps.\n# Made by `trimcap run --leaky-twin` from this recipe:\n\n"
    )
    return run(twin, Path(folder) / FOLDER, text=text + header["text"], jobs=jobs, executor=executor, progress=progress)
