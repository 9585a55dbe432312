"""Headsets: which electrodes a product has, and which of them a recording has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimcap._errors import unknown
from trimcap.data.electrodes.names import canonical, canonical_names, positions, tidy, unknown_electrodes

#: an electrode that a recording lacks is replaced by one at most so far away, m: neighbours of the 10-20 system are
#: 5.8 to 7.6 cm apart on the same head
WITHIN = 0.06


@dataclass(frozen=True)
class Headset:
    """A headset, by the electrodes that it records from (reference and ground are none).

    Parameters
    ----------
    name : short name, for the command line and for files
    title : what reports call it
    electrodes : names as `canonical` takes them
    source : where the positions are from

    Raises
    ------
    ValueError : no electrode, an unknown one, or one twice.
    """

    name: str
    title: str
    electrodes: tuple[str, ...]
    source: str = ""

    def __post_init__(self) -> None:
        if not self.electrodes:
            raise ValueError(f"headset {self.name!r} has no electrodes; name at least one")
        try:
            canonical_names(self.electrodes)
        except ValueError as error:
            raise ValueError(f"headset {self.name!r}: {error}") from error


@dataclass(frozen=True)
class Seat:
    """What stands for one electrode of a headset.

    Parameters
    ----------
    electrode : of the headset
    channel : of the recording; "" if none is near enough
    how : "exact", "alias" (the same site by its other name, T3 = T7), "near" or "missing"
    distance : from the electrode to the channel, or where it is missing to the nearest one that is free, m
    nearest : the channel that `distance` is to; "" if none is free
    """

    electrode: str
    channel: str
    how: str
    distance: float = 0.0
    nearest: str = ""

    def __str__(self) -> str:
        if self.how == "missing":
            far = (
                f"the nearest, {self.nearest}, is {100 * self.distance:.1f} cm away" if self.nearest else "none is free"
            )
            return f"{self.electrode} is missing ({far})"
        if self.how == "near":
            return f"{self.channel} for {self.electrode} ({100 * self.distance:.1f} cm)"
        return f"{self.channel} = {self.electrode}" if self.how == "alias" else self.electrode


@dataclass(frozen=True)
class Fitting:
    """A headset on a recording: one seat per electrode, and how far a stand-in may be, m."""

    headset: Headset
    seats: tuple[Seat, ...]
    within: float

    @property
    def channels(self) -> tuple[str, ...]:
        """Channels of the recording that stand for the headset, in its order."""
        return tuple(seat.channel for seat in self.seats if seat.channel)

    @property
    def complete(self) -> bool:
        """Whether every electrode has a channel."""
        return all(seat.channel for seat in self.seats)

    @property
    def substitutions(self) -> dict[str, str]:
        """Electrode of the headset → another one of the recording that stands in for it."""
        return {seat.electrode: seat.channel for seat in self.seats if seat.how == "near"}

    def __str__(self) -> str:
        """What is not as on the headset: "T7 for TP9 (4.7 cm)"; "as built" if nothing is."""
        other = [str(seat) for seat in self.seats if seat.how != "exact"]
        return ", ".join(other) if other else "as built"

    @property
    def why_not(self) -> str:
        """Why the recording can't stand for the headset; "" if it can."""
        lost = [str(seat) for seat in self.seats if not seat.channel]
        return f"{', '.join(lost)}; the limit is {100 * self.within:g} cm" if lost else ""

    def as_dict(self) -> dict[str, object]:
        """Everything, for JSON."""
        seats = [
            {"electrode": s.electrode, "channel": s.channel, "how": s.how, "distance": s.distance} for s in self.seats
        ]
        return {"title": self.headset.title, "within": self.within, "seats": seats, "why_not": self.why_not}


def headset(name: str) -> Headset:
    """A headset by name, a key of `HEADSETS`.

    Raises
    ------
    ValueError : no headset of that name; names the nearest.
    """
    if name not in HEADSETS:
        raise ValueError(unknown("headset", name, HEADSETS))
    return HEADSETS[name]


def fit_headset(worn: Headset | str, channels: Sequence[str], *, within: float = WITHIN) -> Fitting:
    """Which channel of a recording stands for every electrode of a headset.

    An electrode that the recording has stands for itself, by whatever name. Of the others as many as possible get the
    channel that is nearest on the scalp, every channel once, so that the sum of all distances is least.

    Parameters
    ----------
    worn : a headset, or a key of `HEADSETS`
    channels : of the recording; those that are no known electrodes are left alone
    within : largest distance of a stand-in, m, straight through the head of `positions`

    Raises
    ------
    ValueError : unknown headset, two channels are the same electrode, or the distance is negative.
    """
    if not within >= 0:
        raise ValueError(f"within is the largest distance of a stand-in in metres, 0 or more; got {within:g}")
    own = headset(worn) if isinstance(worn, str) else worn
    foreign = set(unknown_electrodes(channels))
    known = [name for name in channels if name not in foreign]
    by_site = dict(zip(canonical_names(known), known, strict=True))
    here = {name: by_site[canonical(name)] for name in own.electrodes if canonical(name) in by_site}
    wanted = [name for name in own.electrodes if name not in here]
    free = [name for name in known if name not in here.values()]
    stand_ins = _nearest(wanted, free, within)
    seats = [
        stand_ins[name] if name in stand_ins else Seat(name, here[name], _exact(name, here[name]))
        for name in own.electrodes
    ]
    return Fitting(own, tuple(seats), within)


def _exact(electrode: str, channel: str) -> str:
    return "exact" if tidy(channel) == tidy(electrode) else "alias"


def _nearest(wanted: Sequence[str], free: Sequence[str], within: float) -> dict[str, Seat]:
    """As many stand-ins as there can be, at the least sum of distances."""
    from scipy.optimize import linear_sum_assignment

    if not wanted or not free:
        return {name: Seat(name, "", "missing") for name in wanted}
    far = _distances(wanted, free)
    # one pair beyond the limit costs more than all pairs within it together
    rows, columns = linear_sum_assignment(np.where(far <= within, far, 1.0 + len(wanted) * within))
    chosen = {int(r): int(c) for r, c in zip(rows, columns, strict=True) if far[r, c] <= within}
    left = [c for c in range(len(free)) if c not in chosen.values()]
    seats = {}
    for row, name in enumerate(wanted):
        if row in chosen:
            column = chosen[row]
            seats[name] = Seat(name, free[column], "near", float(far[row, column]), free[column])
        else:
            column = min(left, key=lambda c: far[row, c], default=-1)
            distance = float(far[row, column]) if left else 0.0
            seats[name] = Seat(name, "", "missing", distance, free[column] if left else "")
    return seats


def _distances(some: Sequence[str], others: Sequence[str]) -> NDArray[np.float64]:
    a, b = positions(some), positions(others)
    return np.asarray(np.linalg.norm(a[:, None] - b[None], axis=2))


def _table(rows: Iterable[tuple[str, str, str, str]]) -> Mapping[str, Headset]:
    return {name: Headset(name, title, tuple(electrodes.split()), source) for name, title, electrodes, source in rows}


#: name → headset. Products change; the sources say which version is meant
HEADSETS = _table(
    (
        ("mindwave_1", "MindWave 1", "Fp1", "NeuroSky MindWave, user guide"),
        ("forehead_2", "forehead 2", "Fp1 Fp2", "the two prefrontal sites of headbands and patches"),
        (
            "muse_4",
            "Muse 4",
            "TP9 AF7 AF8 TP10",
            "InteraXon Muse; Krigolson et al. (2017), Front. Neurosci. 11:109",
        ),
        ("brainbit_4", "BrainBit 4", "T3 T4 O1 O2", "BrainBit headband, SDK documentation"),
        ("insight_5", "Insight 5", "AF3 AF4 T7 T8 Pz", "Emotiv Insight, technical specification"),
        ("unicorn_8", "Unicorn 8", "Fz C3 Cz C4 Pz PO7 Oz PO8", "g.tec Unicorn Hybrid Black, user manual"),
        ("crown_8", "Crown 8", "CP3 C3 F5 PO3 PO4 F6 C4 CP4", "Neurosity Crown, developer documentation"),
        (
            "cyton_8",
            "Cyton 8",
            "Fp1 Fp2 C3 C4 P7 P8 O1 O2",
            "OpenBCI Ultracortex Mark IV, default nodes of a Cyton board",
        ),
        (
            "epoc_14",
            "EPOC 14",
            "AF3 F7 F3 FC5 T7 P7 O1 O2 P8 T8 FC6 F4 F8 AF4",
            "Emotiv EPOC; Badcock et al. (2013), PeerJ 1:e38",
        ),
        (
            "cyton_16",
            "Cyton 16",
            "Fp1 Fp2 C3 C4 P7 P8 O1 O2 F7 F8 F3 F4 T7 T8 P3 P4",
            "OpenBCI Ultracortex Mark IV, default nodes of Cyton with Daisy",
        ),
    )
)
