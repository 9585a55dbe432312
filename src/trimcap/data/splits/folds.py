"""One fold: windows to train and validate on, and a sealed test set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from trimcap.data.ledger import Ledger
from trimcap.data.places import sharing, spans
from trimcap.data.preprocess.windows.scaling import Per, Scaler, fit_scaler
from trimcap.data.seen import OUTSIDE
from trimcap.data.splits.audit import audit
from trimcap.data.splits.findings import Audit, Finding
from trimcap.data.splits.provenance import provenance
from trimcap.data.splits.sealed import Sealed, Subset, Transform, rows_of, transformed
from trimcap.data.splits.shared import content_findings
from trimcap.data.splits.sides import SplitRows, sides_of
from trimcap.data.units import levels_of
from trimcap.data.windows import Windows


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
    unit : group that the protocol keeps apart: "subject", "session", "trial", "stimulus" or "subject+stimulus"
    seed : seed of the split
    leaky : trials are shared between train and test on purpose, for comparison
    ledger : which stage saw which windows of this fold
    scaler : what `scaled` fitted, or None
    calibration_set : labelled rows of test subjects that the stages "calibrate" and "calibration" may see, or None;
        read them as `calibration`
    calibration_unit : group that keeps calibration and test apart: "trial" or "stimulus"
    unused : windows of the data set that are in no part of the fold
    known : what its sides share, where that was looked for before; None: `shared` looks
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
    calibration_set: Subset | None = field(default=None, repr=False)
    calibration_unit: str = "trial"
    unused: int = 0
    known: tuple[Finding, ...] | None = field(default=None, repr=False)

    @property
    def train(self) -> Windows:
        """Training windows, copied out anew at each access: keep them in a variable. A large file stays where it is."""
        return self.train_set.windows()

    @property
    def valid(self) -> Windows:
        """Validation windows, copied out anew at each access."""
        return self.valid_set.windows()

    @property
    def calibration(self) -> Windows | None:
        """Calibration windows of the test subjects, copied out anew at each access, or None."""
        return None if self.calibration_set is None else self.calibration_set.windows()

    @property
    def groups(self) -> Mapping[str, tuple[str, ...]]:
        """Sorted names of the groups (see `unit`) in train, valid and test, and in calibration if there is any."""
        return {name: part.groups(self.unit) for name, part in parts_of(self).items()}

    def map(self, function: Transform) -> Fold:
        """The fold with `function` applied to each of its parts, e.g. features or a fitted scaler.

        Raises
        ------
        ValueError : `function` drops, adds or reorders windows.
        """
        calibration = self.calibration
        return replace(
            self,
            known=None,
            train_set=Subset(transformed(self.train, function)),
            valid_set=Subset(transformed(self.valid, function)),
            test=self.test.map(function),
            calibration_set=None if calibration is None else Subset(transformed(calibration, function)),
        )

    def scaled(self, *, per: Per = "auto") -> Fold:
        """Fit a scaler on train and apply it to all parts; it is kept as `scaler`."""
        scaler = fit_scaler(self.train, per=per, ledger=self.ledger)
        return replace(self.map(scaler.apply), scaler=scaler)

    def audit(self, networks: Mapping[str, Any] | None = None) -> Audit:
        """Check access (the ledger), provenance and content (copies, overlaps), see `trimcap.data.audit`.

        Parameters
        ----------
        networks : name → network (or program, or what `fit` gives) whose numbers are reported; those that predicted
            windows of `test.open` are known already
        """
        own = self.calibration_set
        return audit(
            self.test.ids,
            self.ledger,
            unit=self.unit,
            leaky=self.leaky,
            protocol=self.protocol,
            stimuli={trial: name for part in parts_of(self).values() for trial, name in part.stimuli.items()},
            calibration_ids=() if own is None else own.ids.tolist(),
            calibration_unit=self.calibration_unit,
            more=(*self.shared, *self._provenance(networks or {})),
        )

    def _provenance(self, networks: Mapping[str, Any]) -> list[Finding]:
        met = [*self.ledger.met, *((name, getattr(one, "seen", None) or OUTSIDE) for name, one in networks.items())]
        own = () if self.calibration_set is None else self.calibration_set.ids.tolist()
        return provenance(
            rows_of(self.test).windows(),
            met,
            unit=self.unit,
            stimuli={**self.train_set.stimuli, **self.test.stimuli},
            allowed=frozenset(name.rpartition("@")[0] for name in own),
            leaky=self.leaky,
        )

    @property
    def sides(self) -> list[SplitRows]:
        """What is trained and validated on, against what is tested; and what is calibrated on, likewise."""
        return sides_of(parts_of(self), self.name, unit=self.unit, calibration_unit=self.calibration_unit)

    @cached_property
    def shared(self) -> tuple[Finding, ...]:
        """What its sides share by content, whatever the names: known before anything is trained."""
        if self.known is not None:
            return self.known
        found = dict.fromkeys(f for side in self.sides for f in content_findings(side))
        return tuple(replace(f, severity="leaky") if self.leaky and f.severity == "error" else f for f in found)


def parts_of(fold: Fold) -> dict[str, Subset]:
    """The rows of train, valid, calibration (if there is any) and test, for code that writes or audits splits."""
    parts = {"train": fold.train_set, "valid": fold.valid_set, "calibration": fold.calibration_set}
    return {name: part for name, part in {**parts, "test": rows_of(fold.test)}.items() if part is not None}


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
    calibration: Windows | Subset | None = None,
    calibration_unit: str = "trial",
    valid_unit: str | None = None,
    unused: int = 0,
) -> Fold:
    """A fold from three sets of windows, for protocols of one's own; parameters as in `Fold`.

    Parameters
    ----------
    valid_unit : what keeps train and valid apart, where it is finer than `unit`; default `unit`

    Raises
    ------
    ValueError : a set is empty; two sets share a window or (unless `leaky`) a group; names fold and group.
    """
    train, valid, test = (w if isinstance(w, Subset) else Subset(w) for w in (train, valid, test))
    if calibration is not None and not isinstance(calibration, Subset):
        calibration = Subset(calibration)
    level = "window" if leaky else unit
    inner = "window" if leaky else valid_unit or unit
    own = {} if calibration is None else {"calibration": calibration}
    try:
        _check_filled({"train": train, "valid": valid, "test": test, **own})
        for part in ({"train": train}, {"valid": valid}):
            _check_apart({**part, "test": test}, level)
            _check_apart({**part, **own}, level)
        _check_apart({**own, "test": test}, "window" if leaky else calibration_unit)
        _check_apart({"train": train, "valid": valid}, inner)
        if not leaky:
            _check_samples({"train": train, "valid": valid, **own}, test)
    except ValueError as error:
        raise ValueError(f"fold {name}: {error}") from error
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
        calibration_set=calibration,
        calibration_unit=calibration_unit,
        unused=unused,
    )


def _check_filled(parts: Mapping[str, Subset]) -> None:
    for part, subset in parts.items():
        if not len(subset):
            raise ValueError(f"{part} has no windows; use fewer folds or more data")


def _check_samples(parts: Mapping[str, Subset], test: Subset) -> None:
    """Refuse parts that have samples of a recording in common with the test set, whatever their trials are called.

    A recording under two subjects is no matter of how to split: the audit names it.
    """
    places, n = spans(test.source.metadata, test.source.duration, apart=True), len(test.source)
    for part, subset in parts.items():
        if subset.source is not test.source:
            continue  # the audit looks at these
        rows = [np.arange(n) if one.rows is None else one.rows for one in (subset, test)]
        shared = sharing(places, rows[0], rows[1])
        if shared.any():
            first = test.source.ids[rows[1][int(shared.argmax())]]
            raise ValueError(
                f"{int(shared.sum())} test windows overlap in time with {part} windows of the same recording, the "
                f"first is {first}: they share samples. Keep trials that overlap together (split by session or "
                "subject), or cut shorter ones"
            )


def _check_apart(parts: Mapping[str, Subset], unit: str) -> None:
    """Refuse two parts that share a group of any level of the unit, or ("window") a window."""
    for level in ("window",) if unit == "window" else levels_of(unit):
        owner: dict[str, str] = {}
        for part, subset in parts.items():
            for group in subset.ids.tolist() if level == "window" else subset.groups(level):
                if owner.setdefault(group, part) != part:
                    raise ValueError(f"{level} {group} is in both {owner[group]} and {part}")
