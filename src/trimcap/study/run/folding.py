"""From a recipe's `[protocol]` to folds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trimcap.data.split_files.file import load_splits, read_splits
from trimcap.data.splits.folds import Fold
from trimcap.data.splits.protocols.named import protocol_function, split
from trimcap.data.windows import Windows
from trimcap.study.recipe.plan import plan_of
from trimcap.study.recipe.recipe import Recipe
from trimcap.study.recipe.sections import ProtocolSection
from trimcap.study.steps.table import needing


def check_protocol(protocol: ProtocolSection) -> None:
    """Refuse an unknown protocol or option, or a damaged file, before anything is read.

    Raises
    ------
    ValueError : names the nearest. FileNotFoundError : no such split file.
    """
    if protocol.file is None:
        protocol_function(protocol.name, _options(protocol))
    else:
        load_splits(Path(protocol.file).expanduser())


def make_folds(windows: Windows, protocol: ProtocolSection) -> list[Fold]:
    """Folds of windows, by the protocol's name and options or from its file.

    Random labels, which a control draws, are taken on the folds of the recorded ones.

    Raises
    ------
    ValueError : the data do not allow it, or are not those of the file.
    """
    if protocol.file is None:
        return split(windows, protocol.name, **_options(protocol))
    drawn = any("RANDOM" in step for step in windows.steps)
    return read_splits(Path(protocol.file).expanduser(), windows, labels=not drawn)


def protocol_facts(folds: Sequence[Fold], recipe: Recipe) -> dict[str, Any]:
    """What `run.json` says about the protocol.

    Raises
    ------
    ValueError : the recipe calibrates, but a fold has no calibration windows.
    """
    bare = [fold.name for fold in folds if fold.calibration_set is None]
    if bare and (asking := needing([stage.step.kind for stage in plan_of(recipe)[1:]], "calibration")):
        raise ValueError(
            f"steps: {asking[0]!r} needs calibration trials, but {len(bare)} of {len(folds)} folds have none (the "
            f"first is {bare[0]!r}); use the protocol few_shot, or a split file made by it"
        )
    facts = {
        "text": folds[0].protocol,
        "unit": folds[0].unit,
        "leaky": folds[0].leaky,
        "folds": len(folds),
        "names": [fold.name for fold in folds],
        "unused": [fold.unused for fold in folds],
    }
    if recipe.protocol.file is None:
        return facts
    path = Path(recipe.protocol.file).expanduser()
    return {**facts, "file": str(path), "file_sha256": load_splits(path)["sha256"]}


def _options(protocol: ProtocolSection) -> dict[str, Any]:
    options: dict[str, Any] = {"valid": protocol.valid, "seed": protocol.seed, **protocol.options}
    return options if protocol.folds is None else {**options, "n_folds": protocol.folds}
