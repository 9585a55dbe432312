"""Regions: named sets of electrodes, resolved on any montage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimcap._errors import unknown
from trimcap.data.electrodes.names import canonical, canonical_names, unknown_electrodes


@dataclass(frozen=True)
class Region:
    """A set of electrodes by name.

    Parameters
    ----------
    name : what the region is called in reports
    electrodes : electrode names in any spelling that `canonical` knows

    Raises
    ------
    ValueError : no electrode.
    """

    name: str
    electrodes: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.electrodes:
            raise ValueError(f"region {self.name!r} has no electrodes; name at least one")

    def indices(self, channels: Sequence[str]) -> NDArray[np.int64]:
        """Where the region's electrodes are among `channels`, ascending.

        Electrodes of the region that the montage lacks are left out; channels that are no known electrode
        belong to no region.

        Returns
        -------
        int64 array, shape (n_found,)

        Raises
        ------
        ValueError : none of the region's electrodes is among `channels`, or one of them is unknown.
        """
        wanted = set(canonical_names(self.electrodes))
        foreign = set(unknown_electrodes(channels))
        found = [i for i, c in enumerate(channels) if c not in foreign and canonical(c) in wanted]
        if not found:
            raise ValueError(
                f"region {self.name!r} is empty on this montage: none of {', '.join(self.electrodes)} is "
                f"among the channels {', '.join(channels)}. Choose another region or rename the channels to "
                "10-20 names"
            )
        return np.asarray(found, dtype=np.int64)


def region(name: str) -> Region:
    """A named region of the 10-10 system.

    `prefrontal` (Fp, AF), `frontal` (Fp, AF, F), `frontocentral` (FC), `central` (C), `sensorimotor` (FC, C,
    CP without the temporal row), `centroparietal` (CP), `parietal` (P), `temporal` (FT, T, TP), `occipital`
    (PO, O, I), `posterior` (P, PO, O, I, CB), `left`, `right`, `midline` and `all`.

    Rows follow the letters of the 10-10 name, so T5 and T6 (10-10: P7, P8) are parietal.

    Raises
    ------
    ValueError : no region of that name; lists those there are.
    """
    if name not in REGIONS:
        raise ValueError(unknown("region", name, REGIONS))
    return REGIONS[name]


def _row(letters: str, numbers: str) -> tuple[str, ...]:
    return tuple(letters + number for number in numbers.split())


_INNER = "5 3 1 z 2 4 6"
_FULL = "9 7 5 3 1 z 2 4 6 8 10"
_OUTER = "9 7 8 10"
_PREFRONTAL = _row("Fp", "1 z 2") + _row("AF", _FULL)
_FRONTAL = _PREFRONTAL + _row("F", _FULL)
_CENTRAL = _row("C", _INNER)
_FC, _CP = _row("FC", _INNER), _row("CP", _INNER)
_TEMPORAL = _row("FT", _OUTER) + _row("T", _OUTER) + _row("TP", _OUTER)
_PARIETAL = _row("P", _FULL)
_OCCIPITAL = _row("PO", _FULL) + _row("O", "1 z 2") + _row("I", "1 z 2")
_POSTERIOR = (*_PARIETAL, *_OCCIPITAL, "CB1", "CB2")
_ALL = (*_FRONTAL, *_FC, *_CENTRAL, *_CP, *_TEMPORAL, *_POSTERIOR)


def _side(electrodes: Iterable[str], digits: str) -> tuple[str, ...]:
    return tuple(e for e in electrodes if e[-1] in digits)


#: name -> region
REGIONS = {
    name: Region(name, electrodes)
    for name, electrodes in {
        "prefrontal": _PREFRONTAL,
        "frontal": _FRONTAL,
        "frontocentral": _FC,
        "central": _CENTRAL,
        "sensorimotor": _FC + _CENTRAL + _CP,
        "centroparietal": _CP,
        "parietal": _PARIETAL,
        "temporal": _TEMPORAL,
        "occipital": _OCCIPITAL,
        "posterior": _POSTERIOR,
        "left": _side(_ALL, "13579"),
        "right": _side(_ALL, "24680"),
        "midline": _side(_ALL, "z"),
        "all": _ALL,
    }.items()
}
