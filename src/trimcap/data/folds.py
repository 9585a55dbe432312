"""One fold: windows to train and validate on, and a sealed test set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from trimcap._errors import unknown
from trimcap.data.audit import UNITS, Audit, audit
from trimcap.data.ledger import Ledger, hash_ids
from trimcap.data.scaling import Per, Scaler, fit_scaler
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
        """Sorted names of the subjects, sessions or trials that the rows are from."""
        table = self.source.metadata[["subject", "session", "trial"][: UNITS[unit]]]
        unique = (table if self.rows is None else table.iloc[self.rows]).drop_duplicates().astype(str)
        return tuple(sorted("/".join(row) for row in unique.itertuples(index=False)))

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
        """Sorted names of the subjects, sessions or trials that are held out."""
        return self._subset.groups(unit)

    def open(self, stage: str, note: str = "") -> Windows:
        """The test windows; the ledger records that `stage` saw them. Only "evaluate" passes the audit."""
        self._ledger.record(stage, self.ids, note)
        return self._subset.windows()

    def map(self, function: Transform) -> Sealed:
        """A new sealed set with transformed content; `function` sees the windows with all labels set to 0.

        If what it makes of some windows depends on the others, `steps` says that this is transductive.

        Raises
        ------
        ValueError : `function` drops, adds or reorders windows.
        """
        windows = self._subset.windows()
        unlabelled = replace(windows, y=np.zeros_like(windows.y))
        made = _transformed(unlabelled, function)
        if not any("transductive" in step for step in made.steps) and _mixes(unlabelled, made, function):
            made = replace(made, steps=(*made.steps, f"{_name(function)} mixes windows (transductive)"))
        return Sealed(replace(made, y=windows.y), self._ledger)


@dataclass(frozen=True, eq=False)
class Fold:
    """Windows with disjoint groups: `train`, `valid`, and `test`, which is sealed.

    Make folds with `split`, or one from three sets of windows with `make_fold`.

    Parameters
    ----------
    train_set, valid_set : rows of train and valid; read them as `train` and `valid`
    test : sealed test windows
    name : what is held out, e.g. "subject s01"
    protocol : the protocol in words; a leaky one begins with "LEAKY"
    unit : group that the protocol keeps apart: "subject", "session" or "trial"
    seed : seed of the split
    leaky : trials are shared between train and test on purpose, for comparison
    ledger : which stage saw which windows of this fold
    scaler : what `scaled` fitted, or None
    """

    train_set: Subset = field(repr=False)
    valid_set: Subset = field(repr=False)
    test: Sealed
    name: str
    protocol: str
    unit: str
    seed: int = 0
    leaky: bool = False
    ledger: Ledger = field(default_factory=Ledger, repr=False)
    scaler: Scaler | None = field(default=None, repr=False)

    @property
    def train(self) -> Windows:
        """Training windows, copied out anew at each access: keep them in a variable."""
        return self.train_set.windows()

    @property
    def valid(self) -> Windows:
        """Validation windows, copied out anew at each access."""
        return self.valid_set.windows()

    @property
    def groups(self) -> Mapping[str, tuple[str, ...]]:
        """Sorted names of the groups (subjects, sessions or trials, see `unit`) in train, valid and test."""
        return {
            "train": self.train_set.groups(self.unit),
            "valid": self.valid_set.groups(self.unit),
            "test": self.test.groups(self.unit),
        }

    def map(self, function: Transform) -> Fold:
        """The fold with `function` applied to train, valid and test, e.g. features or a fitted scaler.

        Raises
        ------
        ValueError : `function` drops, adds or reorders windows.
        """
        return replace(
            self,
            train_set=Subset(_transformed(self.train, function)),
            valid_set=Subset(_transformed(self.valid, function)),
            test=self.test.map(function),
        )

    def scaled(self, *, per: Per = "auto") -> Fold:
        """Fit a scaler on train and apply it to train, valid and test; it is kept as `scaler`."""
        scaler = fit_scaler(self.train, per=per, ledger=self.ledger)
        return replace(self.map(scaler.apply), scaler=scaler)

    def audit(self) -> Audit:
        """Check the ledger of this fold, see `trimcap.data.audit`."""
        return audit(
            self.test.ids,
            self.ledger,
            unit=self.unit,
            leaky=self.leaky,
            protocol=self.protocol,
            steps=self.test.steps,
        )


def make_fold(
    train: Windows | Subset,
    valid: Windows | Subset,
    test: Windows | Subset,
    *,
    name: str,
    protocol: str,
    unit: str,
    seed: int = 0,
    leaky: bool = False,
    ledger: Ledger | None = None,
) -> Fold:
    """A fold from three sets of windows, for protocols of one's own; parameters as in `Fold`.

    Raises
    ------
    ValueError : a set is empty; two sets share a window or (unless `leaky`) a group; names fold and group.
    """
    train, valid, test = (w if isinstance(w, Subset) else Subset(w) for w in (train, valid, test))
    _check_disjoint({"train": train, "valid": valid, "test": test}, name, unit, leaky)
    ledger = Ledger() if ledger is None else ledger
    return Fold(
        train,
        valid,
        Sealed(test, ledger),
        name=name,
        protocol=protocol,
        unit=unit,
        seed=seed,
        leaky=leaky,
        ledger=ledger,
    )


def _check_disjoint(parts: Mapping[str, Subset], name: str, unit: str, leaky: bool) -> None:
    if unit not in UNITS:
        raise ValueError(f"fold {name}: {unknown('unit', unit, UNITS)}")
    owner: dict[str, str] = {}
    for part, subset in parts.items():
        if not len(subset):
            raise ValueError(f"fold {name}: {part} has no windows; use fewer folds or more data")
        for group in subset.ids.tolist() if leaky else subset.groups(unit):
            if owner.setdefault(group, part) != part:
                level = "window" if leaky else unit
                raise ValueError(f"fold {name}: {level} {group} is in both {owner[group]} and {part}")


def _transformed(windows: Windows, function: Transform) -> Windows:
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
