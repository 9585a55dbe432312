"""Windows as tensors, and the rows of each step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trimcap._errors import unknown
from trimcap.data.rows.lazy import LazyArray, outside, pieces
from trimcap.data.windows import Windows


@dataclass(frozen=True, eq=False)
class Rows:
    """X float32 (n, …) and y int64 (n,) on one device; a lazy X is read and put there batch by batch."""

    X: Tensor | LazyArray
    y: Tensor

    def __len__(self) -> int:
        return len(self.y)

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """X and y of the rows (k,) int64, which are on the CPU."""
        if isinstance(self.X, LazyArray):
            return self._put(self.X[rows.numpy()]), self.y.index_select(0, rows.to(self.y.device))
        rows = rows.to(self.X.device)
        return self.X.index_select(0, rows), self.y.index_select(0, rows)

    def parts(self, size: int) -> Iterator[Tensor]:
        """X in order, `size` rows at a time."""
        return (self._put(self.X[first : first + size]) for first in range(0, len(self), size))

    def _put(self, X: Tensor | NDArray[np.float32]) -> Tensor:
        return X if isinstance(X, Tensor) else torch.from_numpy(X).to(self.y.device)


def rows_of(windows: Windows, device: str, *, role: str) -> Rows:
    """All windows as tensors on `device`; those of a file that is larger than memory stay there.

    Raises
    ------
    ValueError : fewer than two windows, or a value that is not finite (names the window).
    """
    if len(windows) < 2:
        raise ValueError(f"fit: {len(windows)} {role} windows; at least 2 are needed: check the split")
    finite = np.concatenate([np.isfinite(X.reshape(len(X), -1)).all(axis=1) for X in pieces(windows.X)])
    if not finite.all():
        first = int(np.flatnonzero(~finite)[0])
        raise ValueError(
            f"fit: {int((~finite).sum())} of {len(windows)} {role} windows contain NaN or infinity, the first is "
            f"{windows.ids[first]}; drop or repair them before training"
        )
    y = torch.tensor(windows.y, dtype=torch.int64, device=device)
    far = outside(windows.X)
    if far is not None:
        return Rows(far, y)
    # torch wants memory that it may write to, and never does here
    X = np.require(windows.X, dtype=np.float32, requirements=["C", "W"])
    return Rows(torch.from_numpy(X).to(device), y)


def epoch_seeds(seed: int, epoch: int) -> tuple[int, int]:
    """Seeds of an epoch's shuffle and of everything random in the network, independent of earlier epochs."""
    shuffle, network = np.random.SeedSequence([seed, epoch]).generate_state(2, np.uint64)
    return int(shuffle), int(network)


def batches(n: int, batch_size: int, seed: int) -> list[Tensor]:
    """A random order of n rows, cut into batches.

    A last batch of one row joins the batch before it: batch norm has no variance of one row, and dropping the row
    would make results depend on the order.
    """
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    parts = list(torch.split(order, batch_size))
    if len(parts) > 1 and len(parts[-1]) == 1 < batch_size:
        parts[-2:] = [torch.cat(parts[-2:])]
    return parts


def loss_weights(weights: str | Sequence[float] | None, train: Windows) -> Tensor | None:
    """Weights per class, float32 (k,): "balanced" is n / (k·n_c), so that every class counts the same.

    Raises
    ------
    ValueError : unknown name, wrong number of weights, or "balanced" with a class that does not occur.
    """
    if weights is None:
        return None
    k = len(train.classes)
    if isinstance(weights, str):
        if weights != "balanced":
            raise ValueError(unknown("class_weights", weights, ["balanced"]))
        counts = np.bincount(train.y, minlength=k)
        if (counts == 0).any():
            absent = [name for name, count in zip(train.classes, counts, strict=True) if not count]
            raise ValueError(
                f"fit: class_weights='balanced', but no training window is of class {', '.join(absent)}; "
                "use folds that have every class, or no class weights"
            )
        return torch.tensor(len(train) / (k * counts), dtype=torch.float32)
    if len(weights) != k:
        raise ValueError(f"fit: {len(weights)} class_weights for the {k} classes {train.classes}")
    return torch.tensor(list(weights), dtype=torch.float32)
