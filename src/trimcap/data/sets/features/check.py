"""Every file of published features, read once to find what is damaged."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from trimcap.data.foreign.matlab import mat_shapes
from trimcap.data.sets.faced import Feature, find_faced_features, read_faced_features
from trimcap.data.sets.features.seed import read_seed_features, read_seed_iv_features, read_seed_v_features
from trimcap.data.sets.folders import Found

Progress = Callable[[str, int, int], None]
#: reads one feature of one subject: (folder, subject) → windows, which are let go
_Read = Callable[[Path, str], Any]

_SEED_KINDS = re.compile(r"((?:de|psd|dasm|rasm|asm|dcau)_(?:movingAve|LDS))[0-9]+")


def damaged_features(reader: str, root: Path, found: Found, progress: Progress | None = None) -> dict[str, str]:
    """Subject → what is wrong with its files, as the reader says it.

    Parameters
    ----------
    reader : name of the function that reads them
    root : folder that was asked about
    found : the files
    progress : called with the subject, how many are done and how many there are
    """
    damaged: dict[str, str] = {}
    for done, subject in enumerate(found.files):
        if progress is not None:
            progress(subject, done, len(found.files))
        try:
            for read in _READS[reader](root, found, subject):
                read(root, subject)
        except (ValueError, OSError) as error:
            damaged[subject] = str(error)
    return damaged


def _seed(function: Callable[..., Any], _root: Path, found: Found, subject: str) -> list[_Read]:
    """All features that the subject's first file names; one that another file lacks is damage."""
    names = (match[1] for name in mat_shapes(found.files[subject][0]) if (match := _SEED_KINDS.fullmatch(name)))
    kinds = list(dict.fromkeys(names)) or ["de_LDS"]  # of none, the reader says that they are missing
    return [partial(_named, function, feature) for feature in kinds]


def _seed_v(_root: Path, _found: Found, _subject: str) -> list[_Read]:
    return [lambda root, subject: read_seed_v_features(root, subjects=subject)]


def _faced(root: Path, _found: Found, subject: str) -> list[_Read]:
    """DE and PSD, where both have a folder."""
    folders: dict[Path, str] = {}
    kinds: tuple[Feature, ...] = ("DE", "PSD")
    for feature in kinds:
        try:
            files = find_faced_features(root, feature)
        except FileNotFoundError:
            continue
        if subject in files.files:
            folders.setdefault(files.folder, feature)
    return [partial(_named, read_faced_features, feature) for feature in folders.values()]


def _named(function: Callable[..., Any], feature: str, root: Path, subject: str) -> Any:
    return function(root, feature=feature, subjects=subject)


_READS: Mapping[str, Callable[[Path, Found, str], list[_Read]]] = MappingProxyType(
    {
        "read_seed_features": partial(_seed, read_seed_features),
        "read_seed_iv_features": partial(_seed, read_seed_iv_features),
        "read_seed_v_features": _seed_v,
        "read_faced_features": _faced,
    }
)
