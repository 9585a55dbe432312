"""Published features, trial by trial, as one table of windows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimcap.data.windows import Windows


@dataclass(frozen=True)
class Part:
    """Features of one trial, shape (n_windows, n_channels, n_bands), in time order."""

    values: NDArray[np.float32]
    subject: str
    session: str
    trial: str
    label: int


def stack(
    parts: Iterable[Part], *, channels: tuple[str, ...], rate: float, classes: tuple[str, ...], duration: float,
    unit: str, step: str,
) -> Windows:  # fmt: skip
    """Windows of all trials, in their order; window i of a trial starts at i · `duration` s.

    ValueError: there is no window.
    """
    trials = list(parts)
    counts = [len(part.values) for part in trials]
    if not sum(counts):
        raise ValueError("the feature files hold no windows; get them again from their provider")
    metadata = pd.DataFrame(
        {key: np.repeat([getattr(p, key) for p in trials], counts) for key in ("subject", "session", "trial")}
    )
    metadata["start"] = np.concatenate([np.arange(n) * duration for n in counts])
    return Windows(
        X=np.concatenate([part.values for part in trials]),
        y=np.repeat(np.asarray([part.label for part in trials], dtype=np.int64), counts),
        metadata=metadata,
        channels=channels,
        rate=rate,
        classes=classes,
        duration=duration,
        unit=unit,
        steps=(step,),
    )


def finite(values: NDArray[np.generic], where: str) -> NDArray[np.float32]:
    """`values` as contiguous float32, if all are finite. ValueError: NaN, infinity or values beyond float32."""
    with np.errstate(over="ignore", invalid="ignore"):
        single = np.array(values, dtype=np.float32, order="C")
    if not np.isfinite(single).all():
        raise ValueError(f"{where} holds NaN or infinity; leave the subject out or get the file again")
    return single
