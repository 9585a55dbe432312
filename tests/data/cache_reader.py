"""A file format of its own for the tests of caching: one .npy of µV per recording, named subject_session_trial."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from brown import NAMES

from trimcap.data.recording import Recording


def write_recordings(folder: Path, recordings) -> list[Path]:
    folder.mkdir(parents=True)
    paths = []
    for r in recordings:
        paths.append(folder / f"{r.subject}_{r.session}_{r.trial}.npy")
        np.save(paths[-1], r.signal)
    return paths


def read_npy(path: Path, *, rate: float = 128.0) -> list[Recording]:
    subject, session, trial = path.stem.split("_")
    signal = np.load(path)
    return [Recording(signal, rate, NAMES[: len(signal)], subject, session, trial, int(trial), ("a", "b"))]


def read_folder(folder: Path) -> list[Recording]:
    return [recording for path in sorted(folder.glob("*.npy")) for recording in read_npy(path)]


def read_and_touch(path: Path) -> list[Recording]:
    recordings = read_npy(path)
    np.save(path, recordings[0].signal + 1)
    return recordings
