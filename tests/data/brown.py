"""Recordings for the tests of preprocessing."""

from __future__ import annotations

import numpy as np

from trimcap.data.recording import Recording

NAMES = ("Fp1", "Fp2", "F3", "F4", "Cz", "O1", "O2")


def brown(
    subject="s1", trial="0", *, session="0", channels=4, n_times=1000, rate=128.0, offset=0.0, seed=0, label=0
) -> Recording:
    """Brown noise of tens of µV on an electrode offset."""
    noise = np.random.default_rng([seed, *map(ord, subject + trial)]).standard_normal((channels, n_times))
    signal = (4 * noise.cumsum(axis=1) + offset).astype(np.float32)
    return Recording(signal, rate, NAMES[:channels], subject, session, trial, label, ("a", "b"))


def several(**options) -> list[Recording]:
    """Two trials of each of two subjects, labelled 0 and 1."""
    return [brown(s, t, label=int(t), **options) for s in ("s1", "s2") for t in ("0", "1")]
