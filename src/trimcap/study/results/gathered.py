"""All that a report needs, read from a run folder once."""

from __future__ import annotations

import io
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimcap.data.splits.findings import UNKNOWN
from trimcap.study.recipe.recipe import Recipe
from trimcap.study.results.store import BASELINES, RunFolder, read_header
from trimcap.study.steps.kind import slug

COSTS = ("parameters", "macs", "flash", "sram")


@dataclass(frozen=True, eq=False)
class Gathered:
    """Tables and arrays of a run, over all finished trials."""

    header: dict[str, Any]
    recipe: Recipe
    results: pd.DataFrame
    subjects: pd.DataFrame
    trials: tuple[dict[str, Any], ...]
    confusion: dict[str, NDArray[np.int64]]
    histories: dict[str, tuple[pd.DataFrame, ...]]
    evidence: dict[str, NDArray[np.float64]]

    @cached_property
    def stages(self) -> tuple[str, ...]:
        """All stages in order."""
        return tuple(dict.fromkeys(self.results.stage))

    @cached_property
    def networks(self) -> tuple[str, ...]:
        """Stages that are networks."""
        return tuple(s for s in self.stages if s not in BASELINES)

    @property
    def final(self) -> str:
        """The last stage."""
        return self.networks[-1]

    @cached_property
    def cost(self) -> pd.DataFrame:
        """Mean cost by stage, over folds and seeds: of floats as they would be written in C, exactly rewritten."""
        return self.results[self.results.stage.isin(self.networks)].groupby("stage", sort=False)[list(COSTS)].mean()

    @cached_property
    def plain_cost(self) -> pd.Series[float]:
        """Mean cost of the first network without rewriting; what is not known is NaN."""
        first = self.results[self.results.stage == self.networks[0]]
        names = {key: f"plain_{key}" if f"plain_{key}" in first else key for key in COSTS}
        return pd.Series({key: float(pd.to_numeric(first[name]).mean()) for key, name in names.items()})

    @property
    def leaky(self) -> bool:
        """Whether trials are shared between train and test by declaration."""
        return bool(self.header["protocol"]["leaky"])

    @property
    def verdict(self) -> str:
        """The worst verdict of all audits."""
        found = {trial["audit"]["verdict"] for trial in self.trials}
        return next((v for v in ("failed", "LEAKY", UNKNOWN) if v in found), "passed")

    @property
    def n_planned(self) -> int:
        """Trials that the recipe asks for."""
        return int(self.header["protocol"]["folds"]) * len(self.recipe.seeds)


def gather(folder: Path | str) -> Gathered:
    """Read a run folder; trials that have not finished are left out.

    Raises
    ------
    FileNotFoundError : no run folder, or no finished trial.
    ArtifactError : a file of a finished trial is missing or was changed.
    """
    run = RunFolder(Path(folder))
    header = read_header(run.path)
    results, subjects = run.results(), run.subjects()
    finished = [t for t in run.trials if t.has("trial")]
    confusion: dict[str, Any] = {}
    histories: dict[str, list[pd.DataFrame]] = defaultdict(list)
    evidence: dict[str, list[NDArray[np.float64]]] = defaultdict(list)
    for trial in finished:
        files = trial.check()
        for stage in dict.fromkeys(results.stage):
            arrays = trial.read_arrays(f"evaluated/{slug(stage)}")
            if arrays:
                counts = _confusion(arrays["y"], arrays["probabilities"])
                confusion[stage] = confusion.get(stage, 0) + counts
            if (maps := trial.read_arrays(f"evidence/{slug(stage)}")) and maps["evidence"].sum() > 0:
                evidence[stage].append(maps["evidence"] / maps["evidence"].sum())
            history = trial.path / "history" / f"{slug(stage)}.csv"
            if f"history/{history.name}" in files:
                histories[stage].append(pd.read_csv(io.BytesIO(history.read_bytes())))
    return Gathered(
        header=header,
        recipe=Recipe.model_validate(header["recipe"]),
        results=results,
        subjects=subjects,
        trials=tuple({**trial.read("trial"), "made": trial.makers()} for trial in finished),
        confusion=confusion,
        histories={stage: tuple(tables) for stage, tables in histories.items()},
        evidence={stage: np.mean(maps, axis=0) for stage, maps in evidence.items()},
    )


def _confusion(y: NDArray[np.int64], probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
    k = probabilities.shape[1]
    return np.bincount(y * k + probabilities.argmax(axis=1), minlength=k * k).reshape(k, k).astype(np.int64)
