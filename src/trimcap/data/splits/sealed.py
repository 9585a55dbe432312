"""Rows of a data set, and test rows that can be opened only with an entry in the ledger."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from trimcap.data.ledger import Ledger, hash_ids
from trimcap.data.units import LEVELS, levels_of
from trimcap.data.windows import Windows

Transform = Callable[[Windows], Windows]


@dataclass(frozen=True, eq=False)
class Subset:
    """Some rows of a data set, copied out only when asked for, so that many folds fit into memory.

    Parameters
    ----------
    source : all windows
    rows : the rows of the subset; None for all
    """

    source: Windows = field(repr=False)
    rows: NDArray[np.int64] | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.source) if self.rows is None else len(self.rows)

    @property
    def ids(self) -> NDArray[np.str_]:
        """Ids of the rows, without their content."""
        return self.source.ids if self.rows is None else self.source.ids[self.rows]

    def groups(self, unit: str) -> tuple[str, ...]:
        """Sorted names of the subjects, sessions, trials or stimuli that the rows are from.

        For a unit of two levels both are listed, e.g. "stimulus 07" and "subject s01".
        """
        levels = levels_of(unit)
        if len(levels) > 1:
            return tuple(f"{level} {name}" for level in sorted(levels) for name in self.groups(level))
        columns = list(LEVELS[levels[0]])
        missing = [c for c in columns if c not in self.source.metadata]
        if missing:
            raise ValueError(f"the windows' metadata has no column {missing[0]!r}, which names the {unit}")
        table = self.source.metadata[columns]
        unique = (table if self.rows is None else table.iloc[self.rows]).drop_duplicates().astype(str)
        return tuple(sorted("/".join(row) for row in unique.itertuples(index=False)))

    @property
    def stimuli(self) -> dict[str, str]:
        """Trial (`subject/session/trial`) → stimulus, of the whole source where its metadata name one."""
        if "stimulus" not in self.source.metadata:
            return {}
        table = self.source.metadata[[*LEVELS["trial"], "stimulus"]].drop_duplicates().dropna().astype(str)
        return {"/".join(row[:3]): row[3] for row in table.itertuples(index=False) if row[3]}

    def windows(self) -> Windows:
        """The rows, with content."""
        return self.source if self.rows is None else self.source.take(self.rows)


class Sealed:
    """Test windows that can be counted and named freely, but opened only with an entry in the ledger."""

    def __init__(self, windows: Windows | Subset, ledger: Ledger) -> None:
        self._subset = windows if isinstance(windows, Subset) else Subset(windows)
        self._ledger = ledger

    def __len__(self) -> int:
        return len(self._subset)

    def __repr__(self) -> str:
        return f"Sealed({len(self)} windows, {self.ids_hash[:12]})"

    def __getattr__(self, name: str) -> NoReturn:
        hint = "; the test set is sealed: fold.test.open('evaluate', 'what for') gives its windows and records it"
        raise AttributeError(f"'Sealed' has no {name!r}" + (hint if name in ("X", "y", "metadata", "take") else ""))

    @property
    def ids(self) -> tuple[str, ...]:
        """Names of the windows; they say where a window is from, not what is in it."""
        return tuple(self._subset.ids.tolist())

    @property
    def ids_hash(self) -> str:
        """SHA-256 of the sorted ids."""
        return hash_ids(self.ids)

    @property
    def steps(self) -> tuple[str, ...]:
        """What was done to the content so far."""
        return self._subset.source.steps

    def groups(self, unit: str) -> tuple[str, ...]:
        """Sorted names of the subjects, sessions, trials or stimuli that are held out."""
        return self._subset.groups(unit)

    @property
    def stimuli(self) -> dict[str, str]:
        """Trial → stimulus, see `Subset.stimuli`."""
        return self._subset.stimuli

    def open(self, stage: str, note: str = "") -> Windows:
        """The test windows; the ledger records that `stage` saw them. Only "evaluate" passes the audit."""
        self._ledger.record(stage, self.ids, note)
        return replace(self._subset.windows(), ledger=self._ledger)

    def map(self, function: Transform) -> Sealed:
        """A new sealed set with transformed content; `function` sees the windows with all labels set to 0.

        If what it makes of some windows depends on the others, `steps` says that this is transductive.

        Raises
        ------
        ValueError : `function` drops, adds or reorders windows.
        """
        windows = self._subset.windows()
        unlabelled = replace(windows, y=np.zeros_like(windows.y))
        made = transformed(unlabelled, function)
        if not any("transductive" in step for step in made.steps) and _mixes(unlabelled, made, function):
            made = replace(made, steps=(*made.steps, f"{_name(function)} mixes windows (transductive)"))
        return Sealed(replace(made, y=windows.y), self._ledger)


def rows_of(sealed: Sealed) -> Subset:
    """The rows behind sealed windows, for code that writes or audits splits; nothing that learns may call it."""
    return sealed._subset


def transformed(windows: Windows, function: Transform) -> Windows:
    """What `function` makes of the windows; it must keep them and their order."""
    out = function(windows)
    if len(out) != len(windows) or not np.array_equal(out.ids, windows.ids):
        raise ValueError(
            "a fold's transform must keep its windows and their order, but "
            f"{_name(function)} made {len(out)} windows of {len(windows)} or moved "
            "them; choose windows before splitting"
        )
    return out


def _mixes(windows: Windows, made: Windows, function: Transform) -> bool:
    """Whether a transform gives some windows other content when it does not see the rest."""
    some = np.arange(min(16, len(windows) // 2))
    if not len(some):
        return False
    try:
        alone = function(windows.take(some)).X
    except ValueError:  # it needs more windows than these, whatever for
        return True
    scale = float(np.abs(made.X[some]).max(initial=0))
    return alone.shape != made.X[some].shape or not np.allclose(
        alone, made.X[some], rtol=0, atol=1e-4 * scale, equal_nan=True
    )


def _name(function: Transform) -> str:
    return str(getattr(function, "__name__", function))
