"""Caps: sets of electrodes, how good a network is with each of them, and all of them together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from trimcap._errors import PlanError, unknown
from trimcap.graph.network import Network
from trimcap.prune.plan import Plan, make_plan

if TYPE_CHECKING:
    from trimcap.data.electrodes.headsets import Fitting

#: how the electrodes of a cap were found
KINDS = ("dense", "saliency", "random", "headset")


@dataclass(frozen=True, eq=False)
class Cap:
    """A set of electrodes, and the metric of the network that hears nothing else.

    Parameters
    ----------
    kind : one of `KINDS`
    name : of the saliency ("greedy" for backward elimination), of the headset, "random", or "all"
    electrodes : in the order of the montage
    valid : the metric on the windows that choices are made on
    test : on the windows that are reported; None if there are none
    by_subject : the metric of every subject of the reported windows
    draw : which random draw it is, counted from 0
    epochs : epochs of recovery; 0 for the network as it was
    network : after recovery, the trained network; None without
    """

    kind: str
    name: str
    electrodes: tuple[str, ...]
    valid: float
    test: float | None = None
    by_subject: Mapping[str, float] = field(default_factory=dict)
    draw: int | None = None
    epochs: int = 0
    network: Network | None = field(default=None, repr=False)

    @property
    def count(self) -> int:
        """Number of electrodes."""
        return len(self.electrodes)

    @property
    def value(self) -> float:
        """The metric to report: on the test windows if there are any, else on those that choices were made on."""
        return self.valid if self.test is None else self.test


@dataclass(frozen=True, eq=False)
class ElectrodeCurve:
    """The metric of a network against the number of its electrodes.

    Parameters
    ----------
    caps : everything that was measured
    channels : all electrodes
    metric : one of `trimcap.prune.choose.sensitivity.METRICS`
    chance : the metric of always the same answer
    orders : saliency → electrodes in the order in which they go
    headsets : headset → which channel stands for which electrode; also of those that were left out
    silenced : why electrodes are silenced rather than removed; "" where they are removed
    seed : of the random draws and of recovery
    n_valid, n_test : windows that were seen
    """

    caps: tuple[Cap, ...]
    channels: tuple[str, ...]
    metric: str
    chance: float
    orders: Mapping[str, tuple[str, ...]]
    headsets: Mapping[str, Fitting]
    silenced: str
    seed: int
    n_valid: int
    n_test: int

    @property
    def dense(self) -> Cap:
        """The whole network, as it was."""
        return next(cap for cap in self.caps if cap.kind == "dense" and not cap.epochs)

    @property
    def reported(self) -> str:
        """Which windows the reported numbers are from: "test", or "valid" where there were no others."""
        return "test" if self.n_test else "valid"

    @property
    def left_out(self) -> dict[str, str]:
        """Headset → why the recording can't stand for it."""
        return {name: fitting.why_not for name, fitting in self.headsets.items() if not fitting.complete}

    def line(self, name: str, *, recovered: bool = False) -> list[Cap]:
        """The caps of a saliency from the smallest to the largest, without recovery or only those after it.

        Raises
        ------
        ValueError : no such saliency was measured.
        """
        if name not in self.orders:
            raise ValueError(unknown("saliency", name, self.orders))
        own = [c for c in self.caps if c.kind == "saliency" and c.name == name and bool(c.epochs) == recovered]
        return sorted(own, key=lambda cap: cap.count)

    def cap(self, name: str, count: int | None = None, *, recovered: bool = False) -> Cap:
        """The cap of a headset, or of a saliency with so many electrodes.

        Raises
        ------
        ValueError : it was not measured; says what was.
        """
        own = [c for c in self.caps if c.kind != "random" and c.name == name and bool(c.epochs) == recovered]
        found = [c for c in own if count in (None, c.count)]
        if len(found) != 1:
            names = {c.name for c in self.caps if c.kind != "random" and bool(c.epochs) == recovered}
            if not own:
                raise ValueError(unknown("cap", name, names))
            counts = ", ".join(str(c.count) for c in sorted(own, key=lambda c: c.count))
            asked = "say how many electrodes" if count is None else f"not measured with {count} electrodes"
            raise ValueError(f"cap {name!r}: {asked}; there are {counts}")
        return found[0]

    def fewest(self, name: str, *, drop: float = 0.02, recovered: bool = False) -> Cap | None:
        """The smallest cap of a saliency before the metric *on the validation windows* first is more than `drop` worse.

        Its `test` was not looked at, so that it stays an honest number. None if the largest is too bad already.
        """
        sign = -1.0 if self.metric == "loss" else 1.0
        dense = next((c for c in self.caps if c.kind == "dense" and bool(c.epochs) == recovered), self.dense)
        best = None
        for cap in reversed(self.line(name, recovered=recovered)):
            if sign * (dense.valid - cap.valid) > drop + 1e-12:
                break
            best = cap
        return best

    def plan(self, network: Network, name: str, count: int | None = None) -> Plan:
        """The plan that leaves `network` the electrodes of a cap.

        Raises
        ------
        PlanError : its electrodes can't be removed. ValueError : no such cap.
        """
        if self.silenced:
            raise PlanError(f"no plan for electrodes of {network.origin}: {self.silenced}")
        cap = self.cap(name, count)
        kept = [self.channels.index(electrode) for electrode in cap.electrodes]
        return make_plan(network, {"electrodes": kept}, note=f"{name}, {cap.count} electrodes")

    def table(self) -> pd.DataFrame:
        """One row per cap: kind, name, electrodes (count), epochs of recovery, draw, the metric twice, names."""
        rows = [(c.kind, c.name, c.count, c.epochs, c.draw, c.valid, c.test, " ".join(c.electrodes)) for c in self.caps]
        columns = ["kind", "name", "electrodes", "epochs", "draw", f"valid_{self.metric}", f"test_{self.metric}"]
        table = pd.DataFrame(rows, columns=[*columns, "names"])
        return table.astype({"draw": "Int64", f"test_{self.metric}": float})

    def as_dict(self) -> dict[str, Any]:
        """Everything but networks, for JSON."""
        caps = [
            {
                "kind": c.kind,
                "name": c.name,
                "count": c.count,
                "electrodes": list(c.electrodes),
                "epochs": c.epochs,
                "draw": c.draw,
                "valid": c.valid,
                "test": c.test,
                "subjects": dict(c.by_subject),
            }
            for c in self.caps
        ]
        return {
            "metric": self.metric,
            "chance": self.chance,
            "reported": self.reported,
            "windows": {"valid": self.n_valid, "test": self.n_test},
            "channels": list(self.channels),
            "silenced": self.silenced,
            "seed": self.seed,
            "orders": {name: list(order) for name, order in self.orders.items()},
            "headsets": {name: fitting.as_dict() for name, fitting in self.headsets.items()},
            "caps": caps,
        }
