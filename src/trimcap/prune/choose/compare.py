"""How well every saliency foretells what the oracle measures, and what pruning by it costs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimcap._errors import PlanError
from trimcap.data.ledger import Ledger
from trimcap.data.windows import Windows
from trimcap.graph.network import Network
from trimcap.prune.choose.keep import keep_top
from trimcap.prune.saliency.oracle import Measure, oracle
from trimcap.prune.saliency.scores import Scores, chosen
from trimcap.prune.saliency.table import SALIENCIES, Saliency, find_saliency, needs_windows, score
from trimcap.prune.shrink import shrink

Values = NDArray[np.float64]
#: name of the row that pools the slices of all axes
POOLED = "all axes"


@dataclass(frozen=True, eq=False)
class Comparison:
    """What `compare` found.

    Parameters
    ----------
    correlations : saliency, axis (or "all axes"), slices, spearman, kendall: rank correlation with the oracle; NaN
        where a saliency gives all slices one score or can't be had
    costs : saliency, seconds, and accuracy at each sparsity (`accuracy 30 %`, …), NaN where it can't be had
    reasons : saliency → why some of its scores can't be had
    accuracy : of the whole network
    windows : numbers of windows that the saliencies and the oracle saw
    """

    correlations: pd.DataFrame
    costs: pd.DataFrame
    reasons: Mapping[str, str]
    accuracy: float
    windows: tuple[int, int] = field(default=(0, 0))

    def table(self) -> pd.DataFrame:
        """One row per saliency, best pooled Spearman correlation first: both correlations, seconds, accuracies."""
        pooled = self.correlations[self.correlations.axis == POOLED]
        merged = pooled[["saliency", "spearman", "kendall"]].merge(self.costs, on="saliency")
        return merged.sort_values("spearman", ascending=False, kind="stable", na_position="last", ignore_index=True)


def compare(
    network: Network,
    windows: Windows,
    valid: Windows,
    *,
    saliencies: Iterable[str] | None = None,
    axes: Iterable[str] | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    sparsities: Sequence[float] = (0.3, 0.5),
    measure: str = "loss",
    n_windows: int | None = None,
    seed: int = 0,
    ledger: Ledger | None = None,
    progress: Callable[[str], None] | None = None,
) -> Comparison:
    """Rank correlation of every saliency with the oracle, axis by axis and pooled, and accuracy after pruning by it.

    Every axis is scored by itself, so that a saliency that can't be had on one axis still has its row for the others.
    Pooled, every axis' scores are divided by their mean absolute value, as `keep_top(…, scope="global")` does; the
    oracle's are losses everywhere and stay as they are. Accuracy is that of the network shrunk by so much on every
    axis, without recovery; only saliencies that score all axes have one.

    Parameters
    ----------
    windows : of the training set, for saliencies that look at data
    valid : of the validation set, for the oracle and the accuracies
    saliencies : names; default all of `SALIENCIES`
    axes : names; default all hidden prunable ones
    options : saliency → its keyword arguments
    measure : of the oracle, see there: "loss", "absolute" or "error"
    n_windows : at most so many for every saliency and the oracle; accuracies are measured on all of `valid`
    seed : of drawing windows and of the random saliency
    progress : called with the name of each saliency before it runs
    sparsities : fractions removed at which accuracy is measured
    ledger : where to record that windows were seen

    Returns
    -------
    Comparison : tables of correlations, and of seconds and accuracies

    Raises
    ------
    ValueError : unknown saliency. AuditError : test windows. PlanError : no or unknown axis.

    Shared parameters: `trimcap.prune`.
    """
    names = list(SALIENCIES) if saliencies is None else list(dict.fromkeys(saliencies))
    for name in names:
        find_saliency(name, (options or {}).get(name))
    found = [axis.name for axis in chosen(network, axes)]
    import scipy.spatial.distance
    import scipy.stats  # noqa: F401 - loaded here, so that it does not count as the time of whoever needs it first

    if progress:
        progress("oracle")
    started = time.perf_counter()
    wanted = cast(Measure, measure)  # oracle refuses what is none
    truth = oracle(network, windows=valid, axes=found, measure=wanted, n_windows=n_windows, seed=seed, ledger=ledger)
    results: dict[str, tuple[Scores, float]] = {"oracle": (truth, time.perf_counter() - started)}
    reasons: dict[str, str] = {}
    for name in names:
        if name == "oracle":
            continue
        if progress:
            progress(name)
        given = {**_limit(name, n_windows), **(options or {}).get(name, {})}
        results[name], reason = _scores(network, name, windows, found, given, seed, ledger)
        if reason:
            reasons[name] = reason
    accuracy, costs = _costs(network, results, valid, found, sparsities)
    correlations = [row for name, (scores, _) in results.items() for row in _correlations(name, scores, truth)]
    seen = tuple(min(len(w), n_windows or len(w)) for w in (windows, valid))
    return Comparison(pd.DataFrame(correlations), costs, reasons, accuracy, (seen[0], seen[1]))


def _limit(name: str, n_windows: int | None) -> dict[str, Any]:
    """Saliencies of one's own need not know how to draw windows."""
    import inspect

    knows = "n_windows" in inspect.signature(find_saliency(name)).parameters
    return {"n_windows": n_windows} if n_windows is not None and knows else {}


def _scores(
    network: Network,
    saliency: str | Saliency,
    windows: Windows,
    axes: Sequence[str],
    options: Mapping[str, Any],
    seed: int,
    ledger: Ledger | None,
) -> tuple[tuple[Scores, float], str]:
    """Scores of all axes at once; if that fails, of each axis that can be had, and why not of the others."""
    started = time.perf_counter()
    looks: dict[str, Any] = {"windows": windows} if needs_windows(saliency) else {}
    values: dict[str, Values] = {}
    reason = ""
    try:
        values.update(score(network, saliency, axes=axes, seed=seed, ledger=ledger, **looks, **options).values)
    except PlanError:
        for axis in axes:
            try:
                own = None if values else ledger
                values.update(score(network, saliency, axes=[axis], seed=seed, ledger=own, **looks, **options).values)
            except PlanError as error:
                reason = reason or str(error)
    return (Scores(values, str(saliency)), time.perf_counter() - started), reason


def _correlations(name: str, scores: Scores, truth: Scores) -> list[dict[str, object]]:
    rows = [_row(name, axis, values, truth.values[axis]) for axis, values in scores.values.items()]
    missing = [axis for axis in truth.values if axis not in scores.values]
    rows += [_row(name, axis, np.zeros(0), np.zeros(0)) for axis in missing]
    if missing:
        return [*rows, _row(name, POOLED, np.zeros(0), np.zeros(0))]
    if name == truth.name:
        mine = list(truth.values.values())
    else:
        mine = [v / max(float(np.abs(v).mean()), 1e-300) for v in scores.values.values()]
    theirs = [truth.values[axis] for axis in scores.values]
    return [*rows, _row(name, POOLED, np.concatenate(mine), np.concatenate(theirs))]


def _row(name: str, axis: str, mine: Values, theirs: Values) -> dict[str, object]:
    from scipy.stats import kendalltau, spearmanr

    found = {"spearman": np.nan, "kendall": np.nan}
    if len(mine) > 1 and np.ptp(mine) > 0 and np.ptp(theirs) > 0:
        found = {
            "spearman": float(spearmanr(mine, theirs).statistic),
            "kendall": float(kendalltau(mine, theirs).statistic),
        }
    return {"saliency": name, "axis": axis, "slices": len(mine), **found}


def _costs(
    network: Network,
    results: Mapping[str, tuple[Scores, float]],
    valid: Windows,
    axes: Sequence[str],
    sparsities: Sequence[float],
) -> tuple[float, pd.DataFrame]:
    rows = []
    for name, (scores, seconds) in results.items():
        row: dict[str, object] = {"saliency": name, "seconds": seconds}
        whole = set(scores.values) == set(axes)
        for sparsity in sparsities:
            row[f"accuracy {100 * sparsity:g} %"] = _pruned(network, scores, valid, sparsity) if whole else np.nan
        rows.append(row)
    return _accuracy(network, valid), pd.DataFrame(rows)


def _pruned(network: Network, scores: Scores, valid: Windows, sparsity: float) -> float:
    plan = keep_top(network, scores, sparsity)
    if all(len(kept) == plan.sizes[name] for name, kept in plan.keep.items()):
        return float("nan")  # all axes are too short for this sparsity
    return _accuracy(shrink(network, plan), valid)


def _accuracy(network: Network, valid: Windows) -> float:
    from trimcap.train.predict import predict

    return float((predict(network.module(), valid).argmax(1) == valid.y).mean())
