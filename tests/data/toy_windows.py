"""Small data sets for the tests of folds."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimcap.data.windows import Windows


def toy(
    *,
    subjects: int = 6,
    sessions: int = 1,
    trials: int = 4,
    per_trial: int = 5,
    classes: int = 2,
    seed: int = 0,
) -> Windows:
    """Feature windows (n, 3, 2); trial t has label t % classes and shows film t; X tells nothing about the label."""
    rows = [
        (f"s{s:02d}", f"d{d}", f"t{t:02d}", 2.0 * k, t % classes)
        for s in range(subjects)
        for d in range(sessions)
        for t in range(trials)
        for k in range(per_trial)
    ]
    table = pd.DataFrame(rows, columns=["subject", "session", "trial", "start", "label"])
    table["stimulus"] = table.trial.str.replace("t", "film")
    X = np.random.default_rng(seed).standard_normal((len(table), 3, 2)).astype(np.float32)
    return Windows(
        X=X,
        y=table.pop("label").to_numpy(dtype=np.int64),
        metadata=table,
        channels=("Fz", "Cz", "Pz"),
        rate=128.0,
        classes=tuple(f"class{c}" for c in range(classes)),
        duration=2.0,
        unit="nat",
        steps=("made up",),
    )


def raw(X: NDArray[np.float32], *, rate: float = 128.0) -> Windows:
    """Raw windows of one subject around a given array (n, n_channels, n_times)."""
    n, n_channels, n_times = X.shape
    start = np.arange(n) * n_times / rate
    return Windows(
        X=np.ascontiguousarray(X, dtype=np.float32),
        y=np.zeros(n, dtype=np.int64),
        metadata=pd.DataFrame({"subject": "s", "session": "1", "trial": "t", "start": start}),
        channels=tuple(f"E{c}" for c in range(n_channels)),
        rate=rate,
        classes=("a",),
        duration=n_times / rate,
    )
