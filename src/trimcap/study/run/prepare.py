"""From a recipe's `[data]` to windows and folds."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from trimcap.data.electrodes.montage import Grid
from trimcap.data.preprocess.chain import Chain
from trimcap.data.rows.lazy import AT_ONCE, lazy, pieces
from trimcap.data.splits.folds import Fold
from trimcap.data.splits.random_labels import random_labels
from trimcap.data.windows import Windows
from trimcap.study.recipe.recipe import Recipe
from trimcap.study.recipe.sections import DataSection, ProtocolSection
from trimcap.study.run.folding import make_folds
from trimcap.study.run.windows import declared_chain, windows_of

#: bytes of windows in memory beyond which folds share them instead of copying their rows
_LARGE = 16 * AT_ONCE


@dataclass(frozen=True, eq=False)
class Prepared:
    """Windows for networks and baselines, the electrode grid, and the chain that makes the windows, if declared."""

    windows: Windows
    grid: Grid | None
    chain: Chain | None = None

    def facts(self) -> dict[str, Any]:
        """What `run.json` says about the data."""
        w = self.windows
        digest = hashlib.sha256()
        for X in pieces(w.X):
            digest.update(np.ascontiguousarray(X).data)
        digest.update(np.ascontiguousarray(w.y).data)
        digest.update("\n".join(w.ids.tolist()).encode())
        return {
            "windows": len(w),
            "shape": list(w.shape),
            "subjects": sorted(set(w.metadata.subject.astype(str))),
            "classes": list(w.classes),
            "channels": list(w.channels),
            "rate": w.rate,
            "duration": w.duration,
            "unit": w.unit,
            "steps": list(w.steps),
            "sha256": digest.hexdigest(),
        }


def prepare(recipe: Recipe, *, progress: bool = False) -> Prepared:
    """Read recordings, cut windows, compute features; `progress` shows a bar with the time that is left.

    Raises
    ------
    ValueError, OSError : unknown source, bad recordings, impossible windows; see the readers.
    """
    windows, layout = windows_of(recipe.data, progress=progress)
    return Prepared(_labelled(windows, recipe.data), layout, declared_chain(recipe.data))


def folds_of(prepared: Prepared, protocol: ProtocolSection) -> list[Fold]:
    """Folds of the windows, with empty ledgers.

    Raises
    ------
    ValueError : unknown protocol, or the data do not allow it.
    """
    return make_folds(_shared(prepared.windows), protocol)


def _shared(windows: Windows) -> Windows:
    """The windows; of many, folds copy no more than a batch at a time."""
    return replace(windows, X=lazy(windows.X)) if windows.X.nbytes > _LARGE else windows


def _labelled(windows: Windows, data: DataSection) -> Windows:
    if data.labels == "recorded":
        return windows
    return random_labels(windows, seed=data.label_seed, balance=data.label_balance)
