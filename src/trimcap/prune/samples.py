"""The windows that a saliency looks at: never those of the test set, and always with an entry in the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trimcap._errors import AuditError
from trimcap.data.expected import Expected
from trimcap.data.ledger import Ledger
from trimcap.data.libraries.door import aligned, to_input
from trimcap.data.splits.folds import Fold
from trimcap.data.splits.sealed import Sealed
from trimcap.data.windows import Windows
from trimcap.graph.axes import Axis
from trimcap.graph.network import Network
from trimcap.prune.saliency.scores import Scores, chosen


@dataclass(frozen=True, eq=False)
class Sample:
    """Windows in batches: `X` (n, …) as the network takes them, `y` (n,) int64."""

    X: NDArray[np.float32]
    y: NDArray[np.int64]
    batch_size: int

    def __len__(self) -> int:
        return len(self.y)

    def batches(self, size: int | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """(x float32, y) of so many windows at a time."""
        step = size or self.batch_size
        for first in range(0, len(self), step):
            x = torch.from_numpy(np.array(self.X[first : first + step], dtype=np.float32))
            yield x, torch.from_numpy(self.y[first : first + step])


def sample(
    network: Network,
    windows: Windows | None,
    *,
    name: str,
    ledger: Ledger | None = None,
    n_windows: int | None = None,
    batch_size: int = 64,
    seed: int = 0,
    stage: str = "saliency",
) -> Sample:
    """The windows for saliency `name`, of which the ledger records that `stage` saw them.

    Parameters
    ----------
    network : that looks at them
    windows : of the training or validation set
    name : of the saliency, for messages and the ledger
    ledger : where to record it
    stage : of the ledger: "saliency", or "sensitivity" for the analysis of a ranking by `name`
    n_windows : at most so many, drawn without replacement with `seed`; None for all
    seed : of drawing them

    Returns
    -------
    Sample

    Raises
    ------
    ValueError : no windows, none left, or others than the network was made for (`data.libraries.door`).
    AuditError : they are a fold's test set, or the ledger says that the final evaluation has already seen them.
    """
    given = _checked(network, windows, name, ledger, stage)
    if n_windows is not None and n_windows < len(given):
        rows = np.sort(np.random.default_rng(seed).permutation(len(given))[:n_windows])
        given = given.take(rows)
    if batch_size < 1 or not len(given):
        raise ValueError(f"{stage} '{name}': {len(given)} windows in batches of {batch_size}; both must be 1 or more")
    if ledger is not None:
        ledger.record(stage, given, name)
    return Sample(given.X, given.y, batch_size)


class OnWindows(Protocol):
    """A saliency that looks at windows and has no options but which, how many, and how."""

    def __call__(
        self,
        network: Network,
        *,
        windows: Windows | None = None,
        axes: Iterable[str] | None = None,
        n_windows: int | None = None,
        batch_size: int = 64,
        seed: int = 0,
        ledger: Ledger | None = None,
    ) -> Scores:
        """Scores of the axes that are asked for."""


#: the network, the axes that are asked for, the windows → axis → one score per slice
Formula = Callable[[Network, list[Axis], Sample], Mapping[str, NDArray[np.float64]]]


def on_windows(*, most: int | None = None) -> Callable[[Formula], OnWindows]:
    """Make a saliency of its formula, which is given a `Sample` of the windows; by default of at most so many."""

    def made(formula: Formula) -> OnWindows:
        name = formula.__name__

        def saliency(
            network: Network,
            *,
            windows: Windows | None = None,
            axes: Iterable[str] | None = None,
            n_windows: int | None = most,
            batch_size: int = 64,
            seed: int = 0,
            ledger: Ledger | None = None,
        ) -> Scores:
            found = chosen(network, axes)
            data = sample(
                network, windows, name=name, ledger=ledger, n_windows=n_windows, batch_size=batch_size, seed=seed
            )
            return Scores(formula(network, found, data), name)

        # not functools.wraps: a signature is what a caller may give
        saliency.__name__, saliency.__qualname__ = name, formula.__qualname__
        saliency.__doc__, saliency.__module__ = formula.__doc__, formula.__module__
        return saliency

    return made


def _checked(network: Network, windows: Windows | None, name: str, ledger: Ledger | None, stage: str) -> Windows:
    if windows is None:
        raise ValueError(
            f"{stage} '{name}' looks at data: pass windows=fold.train (or fold.valid); on the command line --data, in "
            "a recipe the training windows are passed by themselves"
        )
    _refuse_test(windows, name, ledger, stage)
    if not isinstance(windows, Windows):
        raise TypeError(f"{stage} '{name}' takes Windows, got {type(windows).__name__}; pass fold.train or fold.valid")
    what = f"{stage} '{name}': {network.origin}"
    expects = network.expects or Expected(tuple(network.channels))  # people trace with lists, too
    windows = aligned(windows, expects, what=what)
    to_input(windows, expects, shape=network.input_shape, what=what)
    if len(windows.classes) > network.n_classes:
        raise ValueError(
            f"{stage} '{name}': the windows have {len(windows.classes)} classes, {network.origin} has "
            f"{network.n_classes} outputs; give windows of the classes it was trained on"
        )
    return windows


def _refuse_test(windows: object, name: str, ledger: Ledger | None, stage: str) -> None:
    """In the words of the audit, which would find it afterwards."""
    if isinstance(windows, Fold):
        raise TypeError(f"{stage} '{name}' takes Windows, got a whole Fold: pass fold.train or fold.valid")
    ids = set(windows.ids) if isinstance(windows, Windows | Sealed) else set()
    known = set(ids) if isinstance(windows, Sealed) else set()
    for entry in ledger.entries if ledger is not None else ():
        if entry.stage == "evaluate":
            known |= ids & set(entry.ids)
    if known:
        raise AuditError(
            f"audit failed: stage '{stage}' ({name}) would see {len(known)} test windows before the evaluation; what "
            "is removed must not be chosen on the test set: pass fold.train or fold.valid"
        )
