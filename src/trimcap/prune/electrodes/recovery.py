"""Training on after electrodes are gone: what a cap is worth if the network may get used to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from trimcap.data.ledger import Ledger
from trimcap.data.windows import Windows
from trimcap.graph.module import NetworkModule
from trimcap.graph.network import Network
from trimcap.prune.electrodes.hearing import AXIS
from trimcap.prune.electrodes.mute import Mute
from trimcap.prune.electrodes.sets import Chosen
from trimcap.prune.plan import make_plan
from trimcap.prune.shrink import shrink
from trimcap.train.fit import fit

#: sizes of caps in the field
_COUNTS = (2, 4, 8, 14)


@dataclass(frozen=True, eq=False)
class Recovery:
    """Training after electrodes are gone, the same for every cap and for the whole network.

    Parameters
    ----------
    train : training windows; the validation windows choose the epoch
    epochs : of every training; every cap is trained from the weights of the whole network
    counts : numbers of electrodes that caps by saliency and random caps are trained at; default 2, 4, 8 and 14 where
        there are more. Headsets, and the whole network, are always trained
    n_random : of the random caps of every number, so many
    options : of `trimcap.train.fit`, such as learning_rate and batch_size

    Raises
    ------
    ValueError : no epoch.
    """

    train: Windows
    epochs: int = 10
    counts: Sequence[int] | None = None
    n_random: int = 3
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.n_random < 0:
            raise ValueError(
                f"recovery: epochs ({self.epochs}) must be 1 or more and n_random ({self.n_random}) 0 or more"
            )

    def counts_for(self, n: int) -> list[int]:
        """The numbers of electrodes, of n, that are trained at.

        Raises
        ------
        ValueError : one is not 1 … n.
        """
        if self.counts is None:
            return [k for k in _COUNTS if k < n]
        wrong = [k for k in self.counts if not 1 <= k <= n]
        if wrong:
            raise ValueError(f"recovery: cannot keep {wrong[0]} of {n} electrodes; give numbers from 1 to {n}")
        return sorted(set(self.counts))

    def chosen(self, sets: Sequence[Chosen], n: int) -> list[Chosen]:
        """Those of the sets that are trained."""
        counts = [k for k in self.counts_for(n) if k < n]
        own = [one for one in sets if one.kind in ("dense", "headset") or len(one.kept) in counts]
        taken: dict[int, int] = {}
        found = []
        for one in own:
            if one.kind == "random":
                taken[len(one.kept)] = taken.get(len(one.kept), 0) + 1
                if taken[len(one.kept)] > self.n_random:
                    continue
            found.append(one)
        return found


def recovered(
    network: Network,
    kept: Sequence[int],
    recovery: Recovery,
    valid: Windows,
    *,
    mute: Mute | None,
    seed: int,
    ledger: Ledger | None = None,
) -> Network:
    """The network with only some electrodes, trained on; smaller unless its electrodes can only be silenced.

    Parameters
    ----------
    kept : numbers of the electrodes that stay, ascending
    valid : validation windows, which choose the epoch
    mute : for a network whose electrodes are no axis; None where they are
    """
    start = network
    if mute is None and len(kept) < network.axes[AXIS].size:
        start = shrink(network, make_plan(network, {AXIS: kept}, note="electrodes"))
    own, held = (only(windows, kept, mute) for windows in (recovery.train, valid))
    settings = {"epochs": recovery.epochs, "seed": seed, **recovery.options}
    fitted = fit(start.module(), own, held, ledger=ledger, stage="recovery", **settings)
    return cast("NetworkModule", fitted.model).extract()


def only(windows: Windows, kept: Sequence[int], mute: Mute | None) -> Windows:
    """The windows with only some electrodes: the others left out, or held at their mean."""
    if len(kept) == len(windows.channels):
        return windows
    if mute is None:
        return windows.pick([windows.channels[i] for i in kept])
    gone = sorted(set(range(len(windows.channels))) - set(kept))
    names = ", ".join(windows.channels[i] for i in gone)
    return windows.with_X(mute.on(np.asarray(windows.X), gone), step=f"electrodes {names} held at their mean")
