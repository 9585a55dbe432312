"""Windows: what a model is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimcap._errors import unknown
from trimcap.data.electrodes.names import found_among
from trimcap.data.rows.lazy import contiguous, pick, select
from trimcap.data.seen import NOTHING, Seen

if TYPE_CHECKING:
    from trimcap.data.ledger import Ledger

#: columns that every metadata table has; `start` is in seconds from the start of the recording
COLUMNS = ("subject", "session", "trial", "start")
#: unit of pixels of a picture that were mapped to −1 … 1
INTENSITY = "intensity"


@dataclass(frozen=True, eq=False)
class Windows:
    """Model input with labels and where each row comes from (the MOABB triple `X, y, metadata`).

    Parameters
    ----------
    X : float32 array, shape (n, n_channels, n_times) in µV, or (n, n_channels, n_bands) features,
        or (n, n_bands, rows, columns) grids; or a `LazyArray` of them, whose rows are read when asked for
    y : int64 array, shape (n,), index into `classes`
    metadata : DataFrame with n rows, columns subject, session, trial (str) and start (s)
    channels : electrode names
    rate : sampling rate of the underlying signal, Hz
    classes : class names
    duration : length of a window, s
    unit : unit of `X`: "µV", "nat" (differential entropy) or "z" (standardised)
    steps : what was done to `X` so far, in order, in words
    seen : windows that the transforms among them were fitted on
    ledger : of the fold whose sealed test set these are, else None; networks that predict them are recorded there
    """

    X: NDArray[np.float32]
    y: NDArray[np.int64]
    metadata: pd.DataFrame
    channels: tuple[str, ...]
    rate: float
    classes: tuple[str, ...]
    duration: float
    unit: str = "µV"
    steps: tuple[str, ...] = ()
    seen: Seen = field(default=NOTHING, repr=False)
    ledger: Ledger | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        missing = [c for c in COLUMNS if c not in self.metadata.columns]
        if missing:
            raise ValueError(f"windows: metadata lacks the columns {missing}; it needs {list(COLUMNS)}")
        if not len(self.X) == len(self.y) == len(self.metadata):
            raise ValueError(
                f"windows: X has {len(self.X)} rows, y {len(self.y)}, metadata {len(self.metadata)}; they must agree"
            )
        if len(self.y) and (self.y.min() < 0 or self.y.max() >= len(self.classes)):
            raise ValueError(f"windows: labels {np.unique(self.y)} do not index the classes {self.classes}")

    def __repr__(self) -> str:
        shape, subjects = "×".join(map(str, self.shape)), self.metadata.subject.nunique()
        counts = np.bincount(self.y, minlength=len(self.classes)).tolist()
        classes = ", ".join(f"{name} {n}" for name, n in zip(self.classes, counts, strict=True))
        return (
            f"Windows({len(self)} of {shape} {self.unit}, {self.duration:g} s at {self.rate:g} Hz, "
            f"{len(self.channels)} electrodes, {subjects} subjects; {classes})"
        )

    def __len__(self) -> int:
        return len(self.y)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one window, without the batch dimension."""
        return tuple(self.X.shape[1:])

    @property
    def raw(self) -> bool:
        """Whether a window is a signal, (n_channels, n_times): no features, no picture."""
        return self.shape == (len(self.channels), round(self.duration * self.rate))

    @cached_property
    def ids(self) -> NDArray[np.str_]:
        """A unique name of every window: `subject/session/trial@start`."""
        m = self.metadata
        names = m.subject.astype(str) + "/" + m.session.astype(str) + "/" + m.trial.astype(str)
        return np.asarray([f"{n}@{s:.4f}" for n, s in zip(names, m.start, strict=True)], dtype=np.str_)

    def take(self, rows: Sequence[int] | NDArray[Any]) -> Windows:
        """The given rows (indices or a boolean mask), in that order.

        What lies in a file stays there if it is large: then `X` is a `LazyArray`.
        """
        index = np.asarray(rows, dtype=np.int64 if len(rows) == 0 else None)
        if index.dtype == bool:
            index = np.flatnonzero(index)
        return replace(
            self, X=select(self.X, index), y=self.y[index], metadata=self.metadata.iloc[index].reset_index(drop=True)
        )

    def pick(self, channels: Sequence[str]) -> Windows:
        """Only the named electrodes, in that order (raw windows and feature vectors, not grids).

        A name may be written in another case, or be the other one of a site (T3 = T7, T4 = T8, T5 = P7, T6 = P8); the
        electrode is called as it was asked for.

        Raises
        ------
        ValueError : an electrode is unknown, or the windows are grids
        """
        if self.X.ndim != 3:
            raise ValueError(f"windows of shape {self.shape} are grids; pick electrodes before `to_grid`")
        found = {name: name for name in channels if name in self.channels}
        found |= found_among((name for name in channels if name not in found), set(self.channels) - set(found))
        missing = [name for name in channels if name not in found]
        if missing:
            raise ValueError("; ".join(unknown("electrode", name, self.channels) for name in missing))
        index = [self.channels.index(found[name]) for name in channels]
        return replace(self, X=pick(self.X, index), channels=tuple(channels))

    def with_X(self, X: NDArray[np.float32], *, step: str, unit: str | None = None) -> Windows:
        """The same windows with other content; `step` says in words what was done."""
        return replace(self, X=contiguous(X), unit=unit or self.unit, steps=(*self.steps, step))
