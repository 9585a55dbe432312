"""Electrode names and positions of the 10-20, 10-10 and 10-5 systems."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from functools import cache

import numpy as np
from numpy.typing import NDArray

#: the 19 electrodes of the international 10-20 system, front to back
TEN_TWENTY = (
    "Fp1", "Fp2", "F7", "F3", "Fz", "F4", "F8", "T7", "C3", "Cz",
    "C4", "T8", "P7", "P3", "Pz", "P4", "P8", "O1", "O2",
)  # fmt: skip

#: names of the 1958 10-20 system and what the 10-10 system calls the same sites (Chatrian et al., 1985)
OLD_NAMES = {"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8"}

_PAIRS = [(old.casefold(), new.casefold()) for old, new in OLD_NAMES.items()]
_OTHER_NAMES = dict(_PAIRS) | {new: old for old, new in _PAIRS}

# The cerebellar sites of Neuroscan caps are in no standard montage; the 10-10 site next to them stands in.
_NEAREST = {"CB1": "PO9", "CB2": "PO10"}
_EARS = frozenset({"A1", "A2", "M1", "M2"})
_PREFIX = re.compile(r"^EEG[\s_:-]+", re.IGNORECASE)
_REFERENCE = re.compile(r"[\s_-]+(REF|LE|AR|AVG?|AVE|CAR|CE|A1A2|A1|A2|M1|M2)$", re.IGNORECASE)


def canonical(name: str) -> str:
    """The 10-10 name of an electrode: `EEG FP1-REF` is `Fp1`, `T3` is `T7`, `Fc5.` is `FC5`.

    A prefix `EEG `, trailing dots and the name of a common reference (`-REF`, `-LE`, `-AR`, `-A1`, …) are
    dropped, letters get their customary case, and T3, T4, T5, T6 become T7, T8, P7, P8. The known names are
    those of MNE's 10-5 montage (Oostenveld & Praamstra, 2001) and CB1, CB2.

    Raises
    ------
    ValueError : no such electrode (also for a bipolar derivation such as `A2-A1` or `F7-T3`); names a near
        one.
    """
    found = _lookup(name)
    if found is None:
        near = get_close_matches(name.strip().upper(), _names(), n=1, cutoff=0.6)
        hint = f"; did you mean {_names()[near[0]]!r}?" if near else "."
        raise ValueError(
            f"unknown electrode {name!r}{hint} Known are the 10-20, 10-10 and 10-5 names (Fp1, Cz, T7 = T3, PO8, …)"
        )
    return found


def tidy(name: str) -> str | None:
    """`canonical` without changing what a site is called: `EEG FP1-REF` is `Fp1`, `T3` stays; None if unknown."""
    found = _lookup(name)
    base = _base(name)
    return next((old for old in OLD_NAMES if old == base), found) if found else None


def unknown_electrodes(channels: Iterable[str]) -> tuple[str, ...]:
    """Those of `channels` that `canonical` does not know, in order."""
    return tuple(name for name in channels if _lookup(name) is None)


def canonical_names(channels: Sequence[str]) -> tuple[str, ...]:
    """`canonical` of every channel.

    Raises
    ------
    ValueError : lists every unknown electrode, or two channels that are the same electrode.
    """
    bad = unknown_electrodes(channels)
    if len(bad) == 1:
        canonical(bad[0])
    if bad:
        raise ValueError(
            f"unknown electrodes {', '.join(map(repr, bad))} among {len(channels)} channels. "
            "Drop what is not EEG, or rename them to 10-20/10-10 names (Fp1, Cz, T7 = T3, PO8, …)"
        )
    names = tuple(canonical(name) for name in channels)
    twice = [c for c, n in zip(channels, names, strict=True) if names.count(n) > 1]
    if twice:
        raise ValueError(f"channels {', '.join(map(repr, twice))} name the same electrode twice; drop or rename one")
    return names


def found_among(wanted: Iterable[str], there: Iterable[str]) -> dict[str, str]:
    """What electrodes are called elsewhere: by the same name in any case, else by the other name of the site, T3 = T7.

    Parameters
    ----------
    wanted : names, such as those that a network reads
    there : names to find them among, such as those of windows

    Returns
    -------
    dict, wanted name → name there; without those that are not there. A site's other name is taken only if it stands for
    nothing else.

    Examples
    --------
    >>> found_among(["T3", "Cz", "T6", "Oz"], ["CZ", "T7", "P8", "T8"])
    {'Cz': 'CZ', 'T3': 'T7', 'T6': 'P8'}
    """
    names, known = list(wanted), {name.casefold(): name for name in there}
    found = {name: known[name.casefold()] for name in names if name.casefold() in known}
    for name in names:
        other = _OTHER_NAMES.get(name.casefold(), "")
        if name not in found and other in known and known[other] not in found.values():
            found[name] = known[other]
    return found


def positions(channels: Sequence[str]) -> NDArray[np.float64]:
    """Electrode positions on a standard head.

    Parameters
    ----------
    channels : electrode names, as `canonical` takes them

    Returns
    -------
    float64 array, shape (n_channels, 3), m; x to the right ear, y to the nose, z up. From MNE's 10-5 montage
    on the Colin27 head; CB1 and CB2 are placed at PO9 and PO10, the nearest standard sites.

    Raises
    ------
    ValueError : unknown electrodes, listed.
    """
    table = _positions()
    names = canonical_names(channels)
    return np.array([table[_NEAREST.get(name, name)] for name in names], dtype=np.float64).reshape(len(names), 3)


def _lookup(name: str) -> str | None:
    text = _PREFIX.sub("", name.strip())
    base = _base(name)
    if base in _EARS and _REFERENCE.search(text):  # ear against ear is a derivation, not an electrode
        return None
    found = _names().get(base)
    return OLD_NAMES.get(found, found) if found else None


def _base(name: str) -> str:
    """What is left without prefix, reference and dots, in capitals."""
    return _REFERENCE.sub("", _PREFIX.sub("", name.strip())).rstrip(".").strip().upper()


@cache
def _positions() -> dict[str, NDArray[np.float64]]:
    import mne

    # MNE 1.13 renamed its `standard_1005`
    names = mne.channels.get_builtin_montages()
    montage = mne.channels.make_standard_montage("colin27_1005" if "colin27_1005" in names else "standard_1005")
    return dict(montage.get_positions()["ch_pos"])


@cache
def _names() -> dict[str, str]:
    return {name.upper(): name for name in (*_positions(), *_NEAREST)}


def hemispheres(channels: Sequence[str]) -> tuple[str, ...]:
    """The electrodes of the left half in the order given, then their mirror images of the right half.

    Odd numbers are left and have the next even number as mirror image: F3 and F4, TP9 and TP10. Electrodes of the
    midline, and those without their partner, are left out. TSCeption reads windows in this order.

    Parameters
    ----------
    channels : names of electrodes; the result has the same spelling

    Raises
    ------
    ValueError : an unknown name, or not one pair.

    Examples
    --------
    >>> hemispheres(("F4", "Fz", "F3", "O1", "O2", "T3"))
    ('F3', 'O1', 'F4', 'O2')
    """
    spelt = dict(zip(canonical_names(channels), channels, strict=True))
    pairs = []
    for name, own in spelt.items():
        site = re.fullmatch(r"([A-Za-z]+)(\d+)(h?)", name)
        if site and int(site[2]) % 2:
            mirror = spelt.get(f"{site[1]}{int(site[2]) + 1}{site[3]}")
            pairs += [(own, mirror)] if mirror is not None else []
    if not pairs:
        raise ValueError(
            f"no electrode among {', '.join(channels) or 'none'} has its mirror image (F3 and F4, O1 and O2, …); "
            "a network with hemisphere kernels needs pairs"
        )
    return (*(left for left, _ in pairs), *(right for _, right in pairs))
