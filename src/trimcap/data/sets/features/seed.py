"""The published features of SEED, SEED-IV and SEED-V."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimcap.data.foreign.npz_bytes import npz_bytes
from trimcap.data.foreign.pickles import loads
from trimcap.data.sets.features.windows import Part, stack
from trimcap.data.sets.folders import Found, Subjects, find
from trimcap.data.sets.layouts import SEED as CHANNELS
from trimcap.data.sets.seed import CLASSES, RATE, seed_labels
from trimcap.data.sets.seed_files import check_feature, feature_trials, finite
from trimcap.data.sets.seed_iv import CLASSES as IV_CLASSES
from trimcap.data.sets.seed_iv import LABELS as IV_LABELS
from trimcap.data.sets.seed_iv import find_seed_iv
from trimcap.data.sets.seed_v import CLASSES as V_CLASSES
from trimcap.data.windows import Windows

_KINDS = ("de", "psd", "dasm", "rasm", "asm", "dcau")
_V_TRIALS = 45


def read_seed_features(folder: Path | str, *, feature: str = "de_LDS", subjects: Subjects = None) -> Windows:
    """Read SEED's published features of 1-s windows without overlap, five bands.

    Parameters
    ----------
    folder : holds 1_20131027.mat … and label.mat, or the folder `ExtractedFeatures` with them
    feature : "de", "psd", "dasm", "rasm", "asm" or "dcau", then "_LDS" or "_movingAve", how it was smoothed over the
        trial
    subjects : which, as "07", "7" or 7; default all that are there

    Returns
    -------
    Windows with X of shape (n, 62, 5), float32: electrode and band (delta 1-3, theta 4-7, alpha 8-13, beta 14-30,
    gamma 31-50 Hz), as published; unit "nat" for de, "power" for psd. The asymmetry features have pairs of
    electrodes instead, 27 (dasm, rasm), 54 (asm) or 23 (dcau), named "dasm 1", …, and unit "asymmetry". Smoothing
    makes windows of a trial alike: never split a trial between training and test. Subject, session and trial as in
    `read_seed`.

    Raises
    ------
    FileNotFoundError : no such files.
    ValueError : unknown feature or subject; a damaged file; trials missing; another shape; NaN.
    """
    kind, rows = check_feature(feature, _KINDS, "SEED")
    found = find_seed_features(folder)
    labels = seed_labels(found.folder)

    def parts() -> Iterator[Part]:
        for name in found.choose(subjects):
            paths = sorted(found.files[name], key=lambda p: p.stem.split("_")[1])
            for session, path in enumerate(paths, start=1):
                for trial, values in feature_trials(path, feature, rows, 15):
                    yield Part(values, name, str(session), f"{trial:02d}", labels[trial - 1])

    return stack(
        parts(), channels=_names(kind, rows), rate=RATE, classes=CLASSES, duration=1.0, unit=_unit(kind),
        step=f"{feature} as published with SEED, smoothed over each trial",
    )  # fmt: skip


def read_seed_iv_features(folder: Path | str, *, feature: str = "de_LDS", subjects: Subjects = None) -> Windows:
    """Read SEED-IV's published features of 4-s windows without overlap, five bands.

    Parameters
    ----------
    folder : holds the folders 1, 2, 3 with 1_20160518.mat …, or `eeg_feature_smooth` with them
    feature : "de" or "psd", then "_LDS" or "_movingAve"
    subjects : which, as "07", "7" or 7; default all that are there

    Returns
    -------
    Windows with X of shape (n, 62, 5), float32, as `read_seed_features`; subject, session, trial as `read_seed_iv`.

    Raises
    ------
    FileNotFoundError, ValueError : as `read_seed_features`.
    """
    kind, rows = check_feature(feature, ("de", "psd"), "SEED-IV")
    found = find_seed_iv(folder, place="eeg_feature_smooth")

    def parts() -> Iterator[Part]:
        for name in found.choose(subjects):
            for path in found.files[name]:
                session = path.parent.name
                for trial, values in feature_trials(path, feature, rows, 24):
                    yield Part(values, name, session, f"{trial:02d}", IV_LABELS[session][trial - 1])

    return stack(
        parts(), channels=CHANNELS, rate=RATE, classes=IV_CLASSES, duration=4.0, unit=_unit(kind),
        step=f"{feature} as published with SEED-IV, smoothed over each trial",
    )  # fmt: skip


def read_seed_v_features(folder: Path | str, *, subjects: Subjects = None) -> Windows:
    """Read SEED-V's published differential entropy of 4-s windows without overlap, five bands.

    Parameters
    ----------
    folder : holds 1_123.npz … 16_123.npz, or the folder `EEG_DE_features` with them
    subjects : which, as "07", "7" or 7; default all that are there

    Returns
    -------
    Windows with X of shape (n, 62, 5), float32, unit "nat"; subject "01" … "16", session "1" … "3", trial "01" …
    "15" as in `read_seed_v`.

    Raises
    ------
    FileNotFoundError : no such files.
    ValueError : unknown subject; a file that is damaged or wants to run code; trials missing; labels that differ
        within a trial or are outside 0 to 4; another shape; NaN.
    """
    found = find_seed_v_features(folder)

    def parts() -> Iterator[Part]:
        for name in found.choose(subjects):
            yield from _v_trials(found.files[name][0], name)

    return stack(
        parts(), channels=CHANNELS, rate=RATE, classes=V_CLASSES, duration=4.0, unit="nat",
        step="differential entropy as published with SEED-V",
    )  # fmt: skip


def find_seed_features(folder: Path | str) -> Found:
    """Feature files of SEED in a folder; their names are those of the signals."""
    return find(
        "SEED features", folder, places=("ExtractedFeatures", "SEED/ExtractedFeatures", "SEED_EEG/ExtractedFeatures"),
        pattern=r"([0-9]{1,2})_([0-9]{8})\.mat", name="{:02d}", published=range(1, 16), known=r"label\.mat|readme\.txt",
        parts=3,
    )  # fmt: skip


def find_seed_v_features(folder: Path | str) -> Found:
    """Feature files of SEED-V in a folder."""
    return find(
        "SEED-V features", folder, places=("EEG_DE_features", "SEED-V/EEG_DE_features", "SEED_V/EEG_DE_features"),
        pattern=r"([0-9]{1,2})_123\.npz", name="{:02d}", published=range(1, 17),
    )  # fmt: skip


def _v_trials(path: Path, name: str) -> Iterator[Part]:
    data, labels = (loads(npz_bytes(path, key), f"{path}: {key}") for key in ("data", "label"))
    for key, table in (("data", data), ("label", labels)):
        if not isinstance(table, dict) or set(table) != set(range(_V_TRIALS)):
            raise ValueError(f"{path}: {key} should be a dict of the trials 0 to {_V_TRIALS - 1}. Get the file again")
    for trial in range(_V_TRIALS):
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
    if label not in range(len(V_CLASSES)):
        raise ValueError(f"{where} has the label {label}; expected 0 to {len(V_CLASSES) - 1}")
    return int(label)


def _names(kind: str, rows: int) -> tuple[str, ...]:
    return CHANNELS if rows == len(CHANNELS) else tuple(f"{kind} {i + 1}" for i in range(rows))


def _unit(kind: str) -> str:
    return {"de": "nat", "psd": "power"}.get(kind, "asymmetry")
