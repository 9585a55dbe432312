"""The reference of the electrodes, and which of them are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trimcap._errors import unknown
from trimcap.data.electrodes.names import hemispheres
from trimcap.data.preprocess.effects import Effect
from trimcap.data.preprocess.online import Block, Online
from trimcap.data.preprocess.step import SignalStep, on_recordings


@dataclass(frozen=True, kw_only=True, eq=False)
class Rereference(SignalStep):
    """x_c(t) − mean over the reference electrodes of x(t).

    Parameters
    ----------
    to : "average": all electrodes; else the name or names of the reference electrodes, e.g. ("M1", "M2")
    keep : keep the reference electrodes; one alone would be zero everywhere. "average" keeps all

    Raises
    ------
    ValueError : an unknown electrode; nothing left.
    """

    name = "rereference"
    effect = Effect(channels=True)

    to: str | Sequence[str] = "average"
    keep: bool = False

    def check(self) -> None:
        names = _names(self.to)
        if not names or len(set(names)) != len(names):
            raise ValueError(f"rereference: to={self.to!r} must be 'average' or different electrode names")

    @property
    def words(self) -> str:
        if self.to == "average":
            return "re-referenced to the average"
        return f"re-referenced to {', '.join(_names(self.to))}" + ("" if self.keep else ", which are left out")

    def online(self, rate: float, channels: tuple[str, ...], /) -> Online:
        everything = self.to == "average"
        reference = _rows(channels if everything else _names(self.to), channels)
        stay = [row for row in range(len(channels)) if self.keep or everything or row not in reference]
        if not stay:
            raise ValueError("rereference: all electrodes are references; keep=True keeps them")

        def push(block: Block) -> Block:
            total = np.zeros(block.shape[1])
            for row in reference:  # one after the other: the sum must not depend on the size of the block
                total += block[row]
            return np.asarray(block[stay] - total / len(reference), dtype=np.float32)

        return Online(push, rate, tuple(channels[row] for row in stay))


@dataclass(frozen=True, kw_only=True, eq=False)
class Pick(SignalStep):
    """Only the named electrodes, in that order.

    Parameters
    ----------
    names : of electrodes; or "hemispheres": the left ones, then their mirror images, see `hemispheres`

    Raises
    ------
    ValueError : an unknown electrode; no pair of mirror images.
    """

    name = "pick"
    effect = Effect(numbers=False, channels=True)

    names: str | Sequence[str]

    def check(self) -> None:
        wanted = _names(self.names)
        if not wanted or len(set(wanted)) != len(wanted):
            raise ValueError(f"pick: names={self.names!r} must be different electrode names")

    @property
    def words(self) -> str:
        if self.names == "hemispheres":
            return "pairs of electrodes, left hemisphere first"
        return f"electrodes {', '.join(_names(self.names))}"

    def online(self, rate: float, channels: tuple[str, ...], /) -> Online:
        names = hemispheres(channels) if self.names == "hemispheres" else _names(self.names)
        rows = _rows(names, channels)

        def push(block: Block) -> Block:
            return np.asarray(block[rows], dtype=np.float32)

        return Online(push, rate, tuple(channels[row] for row in rows))


rereference = on_recordings(Rereference)
pick = on_recordings(Pick)


def _names(names: str | Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _rows(names: Sequence[str], channels: tuple[str, ...]) -> list[int]:
    missing = [name for name in names if name not in channels]
    if missing:
        raise ValueError("; ".join(unknown("electrode", name, channels) for name in missing))
    return [channels.index(name) for name in names]
