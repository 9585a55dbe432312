"""Recipes made from recipes: the leaky twin, random labels, fingerprints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trimcap.data.splits.random_labels import Balance
from trimcap.data.units import keys
from trimcap.data.windows import Windows
from trimcap.study.recipe.recipe import Recipe
from trimcap.study.steps.table import needing

#: protocols that leak by declaration
LEAKY = ("leaky_windows", "leaky_within_trial")
#: what a fingerprint copies of the data at most: enough for a memory to show itself, little enough for many draws
MOST_TRIALS, MOST_WINDOWS = 16, 20


def derive(
    recipe: Recipe,
    *,
    data: Mapping[str, Any] | None = None,
    protocol: str | None = None,
    folds: int | None = None,
    seeds: Sequence[int] | None = None,
    dense: bool = False,
) -> Recipe:
    """The recipe with some values changed, checked anew; what is not named stays, but for a leaky twin of its own.

    Parameters
    ----------
    data : keys of `[data]`
    protocol : another protocol; it keeps `valid`, `seed` and `inner`, other options belonged to the old one. Nothing
        can be chosen on inner folds of a leaky one: it drops `inner` and `[choose]`, and takes `[train]` as it is
    folds : of that protocol; None: its default, or those of the recipe's own
    seeds : other seeds
    dense : without the steps and the methods of `[compare]`, so that the dense network is all there is
    """
    changed = recipe.model_dump(mode="json")
    changed["data"] |= dict(data or {})
    if protocol is not None:
        own = {key: changed["protocol"][key] for key in ("valid", "seed", "inner")}
        changed["protocol"] = {**own, "name": protocol, "folds": folds}
        if protocol in LEAKY:
            changed["protocol"]["inner"], changed["choose"] = None, {}
        if protocol != recipe.protocol.name:  # the other protocol sets nothing aside to calibrate on
            changed["steps"] = _uncalibrated(changed["steps"])
            changed["compare"] = _methods_without_calibration(changed["compare"])
    elif folds is not None:
        changed["protocol"]["folds"] = folds
    if seeds is not None:
        changed["seeds"] = list(seeds)
    if dense:
        changed["steps"], changed["compare"] = [], None
    changed["report"]["leaky_twin"] = False
    return Recipe.model_validate(changed)


def _uncalibrated(steps: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [step for step in steps if not needing([step["kind"]], "calibration")]


def _methods_without_calibration(compare: dict[str, Any] | None) -> dict[str, Any] | None:
    """`[compare]` with what is left of its methods; None if nothing is."""
    methods = [one | {"steps": _uncalibrated(one["steps"])} for one in (compare or {}).get("methods", ())]
    left = [one for one in methods if one["steps"]]
    if compare is None or not left:
        return None
    known = any(one["name"] == compare["reference"] for one in left)
    return compare | {"methods": left, "reference": compare["reference"] if known else None}


def with_random_labels(recipe: Recipe, *, seed: int, balance: Balance = "subject") -> Recipe:
    """The recipe on its own recordings, with one random label per trial."""
    return derive(recipe, data={"labels": "random", "label_seed": seed, "label_balance": balance})


def with_fingerprint(recipe: Recipe, windows: Windows, *, seed: int) -> Recipe:
    """The recipe on `make_fingerprint` recordings of the size of its own.

    Parameters
    ----------
    windows : the recipe's own; subjects, electrodes, classes, rate, and the medians of trials per subject (at most 16)
        and of windows per trial (at most 20) are taken from them. Electrodes without a known name become those of the
        10-20 system.
    seed : of the recordings

    Raises
    ------
    ValueError : more electrodes without a known name than the 10-20 system has.
    """
    trials, seconds = _sizes(windows)
    made = {"trials": trials, "channels": list(_named(windows.channels)), "classes": list(windows.classes)}
    keys_of_data: dict[str, Any] = {
        "source": "fingerprint",
        "path": None,
        "subjects": int(windows.metadata.subject.nunique()),
        "options": {**made, "seed": seed},
        "labels": "recorded",
    }
    if recipe.data.chain is None:
        keys_of_data |= {"rate": windows.rate, "seconds": seconds, "window": windows.duration}
        if recipe.data.layout == "grid" and recipe.data.features == "raw":  # published features have no raw signal
            keys_of_data["features"] = "differential_entropy"
    else:  # the chain cuts, and resamples what is at its rate already
        keys_of_data["options"] |= {"rate": windows.rate, "seconds": seconds}
    return derive(recipe, data=keys_of_data)


def _sizes(windows: Windows) -> tuple[int, float]:
    """Trials per subject, and length of a trial that holds as many windows as most do, s."""
    names, member, counts = np.unique(
        keys(windows, "subject", "session", "trial"), return_inverse=True, return_counts=True
    )
    _, trials = np.unique([name.split("/")[0] for name in names], return_counts=True)
    start = windows.metadata.start.to_numpy(dtype=np.float64)
    order = np.lexsort((start, member))
    gaps = np.diff(start[order])[np.diff(member[order]) == 0]
    step = float(np.median(gaps)) if len(gaps) else windows.duration
    n = min(MOST_WINDOWS, int(np.median(counts)))
    return min(MOST_TRIALS, max(2, int(np.median(trials)))), float(start.min()) + windows.duration + (n - 1) * step


def _named(channels: Sequence[str]) -> tuple[str, ...]:
    from trimcap.data.electrodes.names import TEN_TWENTY, canonical_names, unknown_electrodes

    if not unknown_electrodes(channels) and len(set(canonical_names(channels))) == len(channels):
        return tuple(channels)
    if len(channels) > len(TEN_TWENTY):
        raise ValueError(
            f"the fingerprint control needs the places of the {len(channels)} electrodes, but their names "
            f"({', '.join(channels[:3])}, …) are unknown; rename them to 10-20 or 10-10 names"
        )
    return TEN_TWENTY[: len(channels)]
