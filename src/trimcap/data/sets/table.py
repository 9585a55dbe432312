"""The published sets by name; each is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any

from trimcap._errors import unknown
from trimcap.data.sets.record import PublishedFeatures, PublishedSet

#: name → where its record stands
SETS: Mapping[str, str] = MappingProxyType(
    {
        "eegmat": "trimcap.data.sets.eegmat:EEGMAT",
        "deap": "trimcap.data.sets.deap:DEAP",
        "seed": "trimcap.data.sets.seed:SEED",
        "seed-iv": "trimcap.data.sets.seed_iv:SEED_IV",
        "seed-v": "trimcap.data.sets.seed_v:SEED_V",
        "dreamer": "trimcap.data.sets.dreamer:DREAMER",
        "amigos": "trimcap.data.sets.amigos:AMIGOS",
        "faced": "trimcap.data.sets.faced:FACED",
        "dasps": "trimcap.data.sets.dasps:DASPS",
    }
)

#: features that were published with them
FEATURES: Mapping[str, str] = MappingProxyType(
    {
        "seed-features": "trimcap.data.sets.features.seed:SEED_FEATURES",
        "seed-iv-features": "trimcap.data.sets.features.seed:SEED_IV_FEATURES",
        "seed-v-features": "trimcap.data.sets.features.seed_v:SEED_V_FEATURES",
        "faced-features": "trimcap.data.sets.features.faced:FACED_FEATURES",
    }
)


def data_set(name: str) -> PublishedSet[Any]:
    """The record of a set. ValueError: unknown name; says the nearest."""
    if name not in SETS:
        raise ValueError(unknown("data set", name, SETS))
    found: PublishedSet[Any] = _record(SETS[name])
    return found


def data_sets() -> tuple[PublishedSet[Any], ...]:
    """The records of all sets."""
    return tuple(data_set(name) for name in SETS)


def features() -> tuple[PublishedFeatures[Any], ...]:
    """The records of all published features."""
    return tuple(_record(place) for place in FEATURES.values())


def _record(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
