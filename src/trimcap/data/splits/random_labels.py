"""Labels that carry no information: what a protocol makes of them shows whether it leaks."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from trimcap._errors import unknown
from trimcap.data.units import column, keys
from trimcap.data.windows import Windows

Balance = Literal["subject", "recordings", "none"]

_WORDS = {
    "subject": "balanced within every subject",
    "recordings": "balanced over all trials",
    "none": "drawn independently",
}


def random_labels(windows: Windows, *, seed: int, balance: Balance = "subject") -> Windows:
    """The same windows with one random label per trial.

    Parameters
    ----------
    windows : of whole trials; all windows of a trial get the same label
    seed : draws the labels; they depend on the names of the trials, not on the order of the rows
    balance : within which group the numbers of trials per class are equal, or differ by one where they must:
        every "subject", all "recordings", or "none", where every trial's label is drawn by itself

    Returns
    -------
    Windows with another `y`, and a step that says RANDOM.

    Raises
    ------
    ValueError : an unknown balance, or one class only.

    Notes
    -----
    Whatever is balanced within a group makes the labels that are left a hint about the labels that are held out. So
    what memorises comes out *below* chance where a split goes through a balanced group: in trial-wise splits with
    "subject", in every split, a little, with "recordings". With "subject", splits by subject have no such bias; "none"
    has none in any split, but its draws are uneven.
    """
    if balance not in get_args(Balance):
        raise ValueError(unknown("balance", balance, get_args(Balance)))
    n_classes = len(windows.classes)
    if n_classes < 2:
        raise ValueError(f"windows of the one class {windows.classes} can't be labelled at random; two are needed")
    trials, member = np.unique(keys(windows, "subject", "session", "trial"), return_inverse=True)
    first = np.unique(member, return_index=True)[1]
    groups = column(windows, "subject")[first] if balance == "subject" else np.zeros(len(trials), dtype=np.int64)
    rng = np.random.default_rng(seed)
    labels = np.empty(len(trials), dtype=np.int64)
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)
        labels[rows] = (
            rng.integers(n_classes, size=len(rows)) if balance == "none" else _dealt(rng, len(rows), n_classes)
        )
    step = f"RANDOM labels, one per trial, {_WORDS[balance]}, seed {seed}"
    return replace(windows, y=labels[member], steps=(*windows.steps, step))


def _dealt(rng: np.random.Generator, n: int, n_classes: int) -> NDArray[np.int64]:
    """`n` labels in random order, of each class as many as of any other, or one more."""
    return rng.permutation(rng.permutation(n_classes)[np.arange(n) % n_classes])
