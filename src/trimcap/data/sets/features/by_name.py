"""Windows of files as sources by name: published features, and .npz."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from trimcap.data.arrays.npz import read_npz
from trimcap.data.sets.faced import Feature, Label, find_faced_features, read_faced_features
from trimcap.data.sets.features.seed import (
    find_seed_features,
    find_seed_v_features,
    read_seed_features,
    read_seed_iv_features,
    read_seed_v_features,
)
from trimcap.data.sets.folders import wanted_names
from trimcap.data.sets.places import set_folder
from trimcap.data.sets.seed_iv import find_seed_iv
from trimcap.data.source import Wanted, choose_subjects
from trimcap.data.windows import Windows


def seed_features(path: Path | None, *, subjects: Wanted = None, feature: str = "de_LDS") -> Windows:
    """`read_seed_features`; `subjects` may be how many of the first."""
    place = set_folder("seed", path)
    names = wanted_names(find_seed_features(place), subjects)
    return read_seed_features(place, feature=feature, subjects=names)


def seed_iv_features(path: Path | None, *, subjects: Wanted = None, feature: str = "de_LDS") -> Windows:
    """`read_seed_iv_features`; `subjects` may be how many of the first."""
    place = set_folder("seed-iv", path)
    names = wanted_names(find_seed_iv(place, place="eeg_feature_smooth"), subjects)
    return read_seed_iv_features(place, feature=feature, subjects=names)


def seed_v_features(path: Path | None, *, subjects: Wanted = None) -> Windows:
    """`read_seed_v_features`; `subjects` may be how many of the first."""
    place = set_folder("seed-v", path)
    return read_seed_v_features(place, subjects=wanted_names(find_seed_v_features(place), subjects))


def faced_features(
    path: Path | None, *, subjects: Wanted = None, feature: Feature = "DE", label: Label = "valence"
) -> Windows:
    """`read_faced_features`; `subjects` may be how many of the first."""
    place = set_folder("faced", path)
    names = wanted_names(find_faced_features(place, feature), subjects)
    return read_faced_features(place, feature=feature, subjects=names, label=label)


def npz(path: Path | None, *, subjects: Wanted = None) -> Windows:
    """`read_npz`, or only some subjects of it."""
    if path is None:
        raise ValueError("npz: no path was given; give the .npz file of the windows")
    windows = read_npz(path)
    own = windows.metadata.subject.astype(str).to_numpy()
    if subjects is None:
        return windows
    return windows.take(np.isin(own, choose_subjects(sorted(set(own.tolist())), subjects, what=str(path))))
