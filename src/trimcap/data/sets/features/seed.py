"""The published features of SEED and SEED-IV: smoothed over each trial, so windows of a trial are alike."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from trimcap.data.foreign.matlab import mat_shapes, read_numbers
from trimcap.data.sets.features.windows import Part, finite, stack
from trimcap.data.sets.folders import Found
from trimcap.data.sets.record import PublishedFeatures, check_choices
from trimcap.data.sets.seed import CLASSES, RATE, SEED, find_seed, seed_labels
from trimcap.data.sets.seed_files import CHANNELS, holds_features, numbered, refuse_session
from trimcap.data.sets.seed_iv import CLASSES as IV_CLASSES
from trimcap.data.sets.seed_iv import LABELS as IV_LABELS
from trimcap.data.sets.seed_iv import SEED_IV, find_seed_iv
from trimcap.data.sets.trials import require_shape
from trimcap.data.windows import Windows

#: kind → rows: electrodes, or pairs of them for the asymmetries
_ROWS = {"de": 62, "psd": 62, "dasm": 27, "rasm": 27, "asm": 54, "dcau": 23}
_UNITS = {"de": "nat", "psd": "power"}
_NAMES = re.compile(r"((?:de|psd|dasm|rasm|asm|dcau)_(?:movingAve|LDS))[0-9]+")
Smoothed = Literal["de_movingAve", "de_LDS", "psd_movingAve", "psd_LDS"]
AnyFeature = Literal[
    Smoothed, "dasm_movingAve", "dasm_LDS", "rasm_movingAve", "rasm_LDS", "asm_movingAve", "asm_LDS", "dcau_movingAve",
    "dcau_LDS",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Options:
    """What may be chosen.

    Parameters
    ----------
    feature : "de", "psd", "dasm", "rasm", "asm" or "dcau", then "_LDS" or "_movingAve", how it was smoothed over the
        trial
    """

    feature: AnyFeature = "de_LDS"

    def __post_init__(self) -> None:
        check_choices(self)


@dataclass(frozen=True, kw_only=True)
class OptionsIV:
    """What may be chosen: `feature`, "de" or "psd", then "_LDS" or "_movingAve"."""

    feature: Smoothed = "de_LDS"

    def __post_init__(self) -> None:
        check_choices(self)


def _read(found: Found, options: Options) -> Windows:
    labels = seed_labels(found.folder)
    parts = (
        part
        for name, paths in found.files.items()
        for session, path in enumerate(paths, start=1)
        for part in _parts(path, options.feature, name, str(session), labels)
    )
    return _stacked(parts, options.feature, CLASSES, 1.0, "SEED")


def _read_iv(found: Found, options: OptionsIV) -> Windows:
    parts = (
        part
        for name, paths in found.files.items()
        for path in paths
        for part in _parts(path, options.feature, name, path.parent.name, IV_LABELS[path.parent.name])
    )
    return _stacked(parts, options.feature, IV_CLASSES, 4.0, "SEED-IV")


def _parts(path: Path, feature: str, subject: str, session: str, labels: Sequence[int]) -> Iterator[Part]:
    shapes = mat_shapes(path)
    names = numbered(shapes, rf"{feature}([0-9]+)", len(labels), path)
    for name in names.values():
        require_shape(shapes[name], name, (_ROWS[feature.split("_")[0]], None, 5), str(path))
    for trial, name in names.items():
        values = finite(read_numbers(path, name).transpose(1, 0, 2), f"{path}: {name}")
        yield Part(values, subject, session, f"{trial:02d}", labels[trial - 1])


def _stacked(parts: Iterator[Part], feature: str, classes: tuple[str, ...], duration: float, of: str) -> Windows:
    kind = feature.split("_")[0]
    pairs = tuple(f"{kind} {i + 1}" for i in range(_ROWS[kind]))
    return stack(
        parts, channels=CHANNELS if kind in _UNITS else pairs, rate=RATE, classes=classes, duration=duration,
        unit=_UNITS.get(kind, "asymmetry"), step=f"{feature} as published with {of}, smoothed over each trial",
    )  # fmt: skip


def _kinds(_: Path, found: Found, subject: str) -> list[dict[str, str]]:
    """All features that the subject's first file names; one that another file lacks is damage."""
    names = (match[1] for name in mat_shapes(found.files[subject][0]) if (match := _NAMES.fullmatch(name)))
    # of none, the reader says that they are missing
    return [{"feature": feature} for feature in dict.fromkeys(names)] or [{}]


def _holds(found: Found) -> bool:
    refuse_session(found)
    return holds_features(found)


#: X of shape (n, 62, 5), float32: 1-s windows without overlap; electrode and band (delta 1-3, theta 4-7, alpha 8-13,
#: beta 14-30, gamma 31-50 Hz), as published; unit "nat" for de, "power" for psd. The asymmetry features have pairs of
#: electrodes instead, 27 (dasm, rasm), 54 (asm) or 23 (dcau), named "dasm 1", …, and unit "asymmetry". Subject, session
#: and trial as of the set.
SEED_FEATURES = PublishedFeatures(
    name="seed-features",
    of=SEED,
    options=Options,
    find=lambda folder, _: find_seed(folder, "SEED features", "ExtractedFeatures"),
    read=_read,
    kinds=_kinds,
    holds=_holds,
)
#: X of shape (n, 62, 5) as those of SEED, of 4-s windows.
SEED_IV_FEATURES = PublishedFeatures(
    name="seed-iv-features",
    of=SEED_IV,
    options=OptionsIV,
    find=lambda folder, _: find_seed_iv(folder, "eeg_feature_smooth"),
    read=_read_iv,
    kinds=_kinds,
    holds=holds_features,
)
