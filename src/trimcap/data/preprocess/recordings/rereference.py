"""The reference of the electrodes, and which of them are kept."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from trimcap._errors import unknown
from trimcap.data.electrodes.names import hemispheres
from trimcap.data.preprocess.online import Block, Online, whole
from trimcap.data.recording import Recording


def rereference(recording: Recording, *, to: str | Sequence[str] = "average", keep: bool = False) -> Recording:
    """x_c(t) − mean over the reference electrodes of x(t).

    Parameters
    ----------
    recording : µV
    to : "average": all electrodes; else the name or names of the reference electrodes, e.g. ("M1", "M2")
    keep : keep the reference electrodes; one alone would be zero everywhere. "average" keeps all

    Raises
    ------
    ValueError : an unknown electrode; nothing left.
    """
    return whole(recording, partial(rereference_online, to=to, keep=keep))


def rereference_online(
    rate: float, channels: tuple[str, ...], *, to: str | Sequence[str] = "average", keep: bool = False
) -> Online:
    """`rereference` for samples as they come."""
    names = channels if to == "average" else _names(to)
    reference = _rows(names, channels)
    stay = list(range(len(channels))) if keep or to == "average" else _others(reference, len(channels))
    if not stay:
        raise ValueError("rereference: all electrodes are references; keep=True keeps them")

    def push(block: Block) -> Block:
        total = np.zeros(block.shape[1])
        for row in reference:  # one after the other: the sum must not depend on the size of the block
            total += block[row]
        return np.asarray(block[stay] - total / len(reference), dtype=np.float32)

    return Online(push, rate, tuple(channels[row] for row in stay))


def rereference_words(*, to: str | Sequence[str] = "average", keep: bool = False) -> str:
    """What `rereference` does, in words."""
    if to == "average":
        return "re-referenced to the average"
    names = _names(to)
    if not names or len(set(names)) != len(names):
        raise ValueError(f"rereference: to={to!r} must be 'average' or different electrode names")
    return f"re-referenced to {', '.join(names)}" + ("" if keep else ", which are left out")


def pick(recording: Recording, *, names: str | Sequence[str]) -> Recording:
    """Only the named electrodes, in that order.

    Parameters
    ----------
    names : of electrodes; or "hemispheres": the left ones, then their mirror images, see `hemispheres`

    Raises
    ------
    ValueError : an unknown electrode; no pair of mirror images.
    """
    return whole(recording, partial(pick_online, names=names))


def pick_online(rate: float, channels: tuple[str, ...], *, names: str | Sequence[str]) -> Online:
    """`pick` for samples as they come."""
    rows = _rows(hemispheres(channels) if names == "hemispheres" else _names(names), channels)
    return Online(lambda block: np.asarray(block[rows], dtype=np.float32), rate, tuple(channels[row] for row in rows))


def pick_words(*, names: str | Sequence[str]) -> str:
    """What `pick` does, in words."""
    if names == "hemispheres":
        return "pairs of electrodes, left hemisphere first"
    wanted = _names(names)
    if not wanted or len(set(wanted)) != len(wanted):
        raise ValueError(f"pick: names={names!r} must be different electrode names")
    return f"electrodes {', '.join(wanted)}"


def _names(names: str | Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _rows(names: Sequence[str], channels: tuple[str, ...]) -> list[int]:
    missing = [name for name in names if name not in channels]
    if missing:
        raise ValueError("; ".join(unknown("electrode", name, channels) for name in missing))
    return [channels.index(name) for name in names]


def _others(rows: Sequence[int], n: int) -> list[int]:
    return [row for row in range(n) if row not in rows]
