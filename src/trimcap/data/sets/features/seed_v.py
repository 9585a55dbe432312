"""The published differential entropy of SEED-V."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimcap.data.foreign.npz import npz_bytes
from trimcap.data.foreign.pickles import loads
from trimcap.data.sets.features.windows import Part, finite, stack
from trimcap.data.sets.folders import Found, find
from trimcap.data.sets.record import PublishedFeatures
from trimcap.data.sets.seed import RATE
from trimcap.data.sets.seed_files import CHANNELS
from trimcap.data.sets.seed_v import CLASSES, SEED_V
from trimcap.data.windows import Windows

_TRIALS = 45
#: bytes that are unpacked at the most; SEED-V's files have about 10 MB
_LARGEST = 1 << 26


@dataclass(frozen=True)
class Options:
    """Nothing may be chosen."""


def _find(folder: Path, _: Options) -> Found:
    return find(
        "SEED-V features", folder, places=("EEG_DE_features", "SEED-V/EEG_DE_features", "SEED_V/EEG_DE_features"),
        pattern=r"([0-9]{1,2})_123\.npz", name="{:02d}", published=range(1, 17),
    )  # fmt: skip


def _read(found: Found, _: Options) -> Windows:
    parts = (part for name, paths in found.files.items() for part in _parts(paths[0], name))
    return stack(
        parts, channels=CHANNELS, rate=RATE, classes=CLASSES, duration=4.0, unit="nat",
        step="differential entropy as published with SEED-V",
    )  # fmt: skip


def _parts(path: Path, name: str) -> Iterator[Part]:
    payloads = npz_bytes(path, "data", "label", largest=_LARGEST)
    data, labels = (loads(p, f"{path}: {key}") for p, key in zip(payloads, ("data", "label"), strict=True))
    for key, table in (("data", data), ("label", labels)):
        if not isinstance(table, dict) or set(table) != set(range(_TRIALS)):
            raise ValueError(f"{path}: {key} should be a dict of the trials 0 to {_TRIALS - 1}. Get the file again")
    for trial in range(_TRIALS):
        values = data[trial]
        where = f"{path}: trial {trial}"
        if not isinstance(values, np.ndarray) or values.dtype.kind not in "iuf" or values.shape[1:] != (310,):
            what = (
                f"{values.dtype} of shape {values.shape}" if isinstance(values, np.ndarray) else type(values).__name__
            )
            raise ValueError(f"{where} is {what}; expected numbers, n × 310 (62 electrodes × 5 bands)")
        label = _one_label(labels[trial], len(values), where)
        three = finite(values.reshape(-1, 62, 5), where)
        yield Part(three, name, str(trial // 15 + 1), f"{trial % 15 + 1:02d}", label)


def _one_label(values: Any, n: int, where: str) -> int:
    try:
        flat: NDArray[Any] = np.asarray(values).ravel()
    except ValueError as error:  # lists of different lengths
        raise ValueError(f"{where} needs one label for all of its {n} windows; it has rows of them") from error
    if flat.size != n or flat.dtype.kind not in "iuf" or len(set(flat.tolist())) != 1:
        raise ValueError(f"{where} needs one label for all of its {n} windows; it has {flat.size} of {flat.dtype}")
    label = flat[0].item()
    if label not in range(len(CLASSES)):
        raise ValueError(f"{where} has the label {label}; expected 0 to {len(CLASSES) - 1}")
    return int(label)


#: X of shape (n, 62, 5), float32, unit "nat": 4-s windows without overlap; subject, session and trial as of the set.
SEED_V_FEATURES = PublishedFeatures(name="seed-v-features", of=SEED_V, options=Options, find=_find, read=_read)
