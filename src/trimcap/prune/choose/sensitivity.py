"""Sensitivity: what a network loses when one axis after the other is pruned, without recovery.

One axis at a time, at 5, 10, … 95 %, on validation windows: what is read off the curves (`ratios`) is a choice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from trimcap._errors import unknown
from trimcap.data.ledger import Ledger
from trimcap.data.windows import Windows
from trimcap.graph.axes import Axis
from trimcap.graph.network import Network, need_network
from trimcap.prune.choose.silenced import Steps, without
from trimcap.prune.plan import make_plan
from trimcap.prune.resize import resize
from trimcap.prune.saliency.scores import Scores, scored_axes
from trimcap.prune.samples import Sample, sample

METRICS = ("accuracy", "balanced_accuracy", "loss")
MODES = ("one_shot", "cumulative")
#: `(network, axes=[name]) -> Scores`, such as `trimcap.prune.saliency.table.l1`
Rescore = Callable[..., Scores]
#: windows done and all of them
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Curve:
    """One axis. Steps that remove no further slice are not in it.

    Parameters
    ----------
    size : slices of the axis
    order : slices, those that go first in front
    percents : requested sparsity of each step, %
    removed : slices that are gone, ⌊size · percent / 100⌋: the first n of `order`
    values : the metric without them
    """

    size: int
    order: tuple[int, ...]
    percents: tuple[float, ...]
    removed: tuple[int, ...]
    values: tuple[float, ...] = ()

    @property
    def sparsities(self) -> tuple[float, ...]:
        """The fraction that is really removed at each step."""
        return tuple(n / self.size for n in self.removed)


@dataclass(frozen=True)
class Sensitivity:
    """The metric of a network against the sparsity of each axis alone.

    Parameters
    ----------
    curves : axis → its curve
    baseline : the metric of the whole network: every curve's value at sparsity 0
    metric : one of `METRICS`
    saliency : what the slices are ranked by
    mode : one of `MODES`
    n_windows : windows that were seen
    """

    curves: Mapping[str, Curve]
    baseline: float
    metric: str
    saliency: str
    mode: str
    n_windows: int

    def table(self) -> pd.DataFrame:
        """One row per axis and step: axis, slices, percent, removed, sparsity, the metric, and its change."""
        rows = [
            (name, curve.size, percent, n, n / curve.size, value, value - self.baseline)
            for name, curve in self.curves.items()
            for percent, n, value in zip(curve.percents, curve.removed, curve.values, strict=True)
        ]
        return pd.DataFrame(rows, columns=["axis", "slices", "percent", "removed", "sparsity", self.metric, "change"])

    def as_dict(self) -> dict[str, Any]:
        """Everything, for JSON."""
        facts = {"metric": self.metric, "baseline": self.baseline, "saliency": self.saliency, "mode": self.mode}
        curves = {
            name: {
                "size": c.size,
                "order": list(c.order),
                "percents": list(c.percents),
                "removed": list(c.removed),
                "values": list(c.values),
            }
            for name, c in self.curves.items()
        }
        return {**facts, "windows": self.n_windows, "axes": curves}


def sensitivity(
    network: Network,
    scores: Scores,
    windows: Windows,
    *,
    axes: Iterable[str] | None = None,
    steps: int = 19,
    mode: str = "one_shot",
    rescore: Rescore | None = None,
    metric: str = "accuracy",
    batch_size: int = 128,
    ledger: Ledger | None = None,
    progress: Progress | None = None,
) -> Sensitivity:
    """The metric without ⌊N · i / (steps + 1)⌋ slices of one axis, for i = 1 … steps, one axis at a time.

    Nothing is trained and nothing is removed from the network: the slices are silenced where they are read, which is
    the same function (`shrink` proves it), and what comes before them is computed once for all steps.

    Parameters
    ----------
    scores : of the axes; the lowest go first, among equals the lower index
    windows : of the validation set, never of the test set
    axes : names; default all that `scores` has
    steps : 19 steps are 5, 10, … 95 %, 9 steps are 10, 20, … 90 %
    mode : "one_shot": every step removes the lowest of the original ranking, which is what a plan will do.
        "cumulative": what is left after a step is ranked anew by `rescore`
    rescore : a saliency such as `l1`, called as `rescore(smaller_network, axes=[name])`
    metric : "accuracy", "balanced_accuracy" (mean recall of the classes that occur) or "loss" (mean cross-entropy)
    progress : called with the windows done and their number
    ledger : where to record that the windows were seen, as "sensitivity"

    Returns
    -------
    Sensitivity : a curve per axis, fractions (or nat for the loss)

    Raises
    ------
    ValueError : unknown metric or mode, no step, no windows. AuditError : test windows. PlanError : an axis is unknown,
    frozen or has no scores.

    Shared parameters: `trimcap.prune`.
    Source: Park et al. (2023), "D-Score", arXiv:2308.04470, with steps from the original network instead
    of cumulative ones; Li et al. (2017), "Pruning filters for efficient ConvNets", ICLR, §3.2.
    """
    need_network(network, "sensitivity")
    _check(steps, mode, metric, rescore)
    found = scored_axes(network, scores, axes)
    data = sample(network, windows, name=scores.name, ledger=ledger, batch_size=batch_size, stage="sensitivity")
    curves = {
        axis.name: _curve(network, axis, scores, steps, rescore if mode == "cumulative" else None) for axis in found
    }
    baseline, values = _measure(network, curves, data, metric, progress)
    measured = {name: Curve(c.size, c.order, c.percents, c.removed, tuple(values[name])) for name, c in curves.items()}
    return Sensitivity(measured, baseline, metric, scores.name, mode, len(data))


def metric_of(network: Network, windows: Windows, *, metric: str = "accuracy", batch_size: int = 128) -> float:
    """The metric of one network, as `sensitivity` measures it: what is left after a plan, say.

    Parameters
    ----------
    windows : of the validation set
    metric : "accuracy", "balanced_accuracy" or "loss"

    Returns
    -------
    float : a fraction, or nat for the loss

    Raises
    ------
    ValueError : unknown metric, or no windows. AuditError : test windows.

    Shared parameters: `trimcap.prune`.
    """
    _check(1, "one_shot", metric, None)
    data = sample(network, windows, name=metric, batch_size=batch_size, stage="sensitivity")
    return _measure(network, {}, data, metric, None)[0]


def _check(steps: int, mode: str, metric: str, rescore: Rescore | None) -> None:
    if metric not in METRICS:
        raise ValueError(unknown("metric", metric, METRICS))
    if mode not in MODES:
        raise ValueError(unknown("mode", mode, MODES))
    if steps < 1:
        raise ValueError(f"sensitivity needs at least one step, got steps={steps}; 19 are 5, 10, … 95 %")
    if (mode == "cumulative") != (rescore is not None):
        raise ValueError(
            'mode="cumulative" ranks what is left anew after every step: it needs rescore=, a saliency such as l1; '
            'mode="one_shot" takes none'
        )


# ---- which slices each step removes ----


def _curve(network: Network, axis: Axis, scores: Scores, steps: int, rescore: Rescore | None) -> Curve:
    counts = [axis.size * i // (steps + 1) for i in range(1, steps + 1)]
    kept = [i for i, n in enumerate(counts) if n > (counts[i - 1] if i else 0)]
    removed = tuple(counts[i] for i in kept)
    percents = tuple(100 * (i + 1) / (steps + 1) for i in kept)
    ranking = np.argsort(scores.values[axis.name], kind="stable").tolist()
    order = ranking if rescore is None else _reranked(network, axis, ranking, removed, rescore)
    return Curve(axis.size, tuple(order), percents, removed)


def _reranked(
    network: Network, axis: Axis, ranking: Sequence[int], removed: Sequence[int], rescore: Rescore
) -> list[int]:
    """The order in which slices go when those that are left are ranked anew after every step."""
    order = list(ranking[: removed[0]] if removed else ())
    for n in removed[1:]:
        left = [j for j in range(axis.size) if j not in set(order)]
        smaller = resize(network, make_plan(network, {axis.name: left}))
        lowest = np.argsort(rescore(smaller, axes=[axis.name]).values[axis.name], kind="stable")
        order += [left[int(j)] for j in lowest[: n - len(order)]]
    return order + [j for j in ranking if j not in set(order)]


# ---- the metric without them ----


class _Tally:
    """Right answers and loss, by class, of several networks on the windows seen so far."""

    def __init__(self, networks: int, classes: int) -> None:
        self.right = np.zeros((networks, classes))
        self.loss = np.zeros((networks, classes))

    def add(self, network: int, logits: Tensor, y: Tensor) -> None:
        loss = cross_entropy(logits.double(), y, reduction="none")
        classes = self.loss.shape[1]
        self.loss[network] += np.bincount(y.numpy(), weights=loss.numpy(), minlength=classes)
        self.right[network] += np.bincount(y[logits.argmax(1) == y].numpy(), minlength=classes)

    def values(self, metric: str, counts: NDArray[np.int64]) -> list[float]:
        if metric == "loss":
            return [float(v) for v in self.loss.sum(1) / counts.sum()]
        if metric == "accuracy":
            return [float(v) for v in self.right.sum(1) / counts.sum()]
        here = counts > 0
        return [float(v) for v in (self.right[:, here] / counts[here]).mean(1)]


@torch.no_grad()
def _measure(
    network: Network, curves: Mapping[str, Curve], data: Sample, metric: str, progress: Progress | None
) -> tuple[float, dict[str, list[float]]]:
    classes = network.n_classes
    module = network.module()
    runs: dict[str, tuple[Steps, _Tally]] = {
        name: (without(network, network.axes[name], c.order, c.removed), _Tally(len(c.removed), classes))
        for name, c in curves.items()
        if c.removed
    }
    whole, done = _Tally(1, classes), 0
    for x, y in data.batches():
        results = module.run(x, keep=True)
        whole.add(0, results[network.output], y)
        for steps, tally in runs.values():
            for step, logits in steps(results):
                tally.add(step, logits, y)
        done += len(y)
        if progress:
            progress(done, len(data))
    counts = np.bincount(np.asarray(data.y), minlength=classes)
    values = {name: runs[name][1].values(metric, counts) if name in runs else [] for name in curves}
    return whole.values(metric, counts)[0], values
