"""Slips of the released D-Score program: its sensitivity curves, its extraction of ratios, its choice of filters.

The core measures every step from the original network, merges steps that remove nothing, keeps a last step that equals
the target, and removes exactly as many filters as were asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from trimcap._errors import PlanError
from trimcap.data.windows import Windows
from trimcap.graph.network import Network, need_network
from trimcap.prune.choose.sensitivity import Curve, Sensitivity, metric_of
from trimcap.prune.plan import Plan, make_plan, prunable_axis
from trimcap.prune.resize import resize
from trimcap.prune.saliency.scores import Scores

#: `(network, axes=[name]) -> Scores`, such as `trimcap.prune.saliency.table.d_score`
Rescore = Callable[..., Scores]
Rows = NDArray[np.float64]


def floored_steps(n: int, *, percent: int = 5) -> tuple[int, ...]:
    """Filters gone after each of int(100/percent) − 1 steps: i · int(n · percent/100).

    With n < 100/percent no step removes a filter: 16 filters are whole at "95 %". Of 64 filters 18 are gone at "30 %",
    where the network that is built loses int(64 · 0.3) = 19.

    Parameters
    ----------
    n : filters that there are
    percent : of a step

    Returns
    -------
    whole numbers, ascending

    Raises
    ------
    ValueError : percent is not from 1 to 50.

    Source: the program released with Park et al. (2023), arXiv:2308.04470: `pruning_percent`.
    """
    if not 1 <= percent <= 50:
        raise ValueError(f"percent is {percent}; a step is 1 to 50 % of the filters")
    return tuple(i * int(n * (percent / 100)) for i in range(1, 100 // percent))


def released_sensitivity(
    network: Network,
    rescore: Rescore,
    windows: Windows,
    *,
    axes: Iterable[str] | None = None,
    percent: int = 5,
    metric: str = "accuracy",
    unpruned: bool = False,
    batch_size: int = 128,
) -> Sensitivity:
    """Sensitivity as released: each step removes int(n · step) more filters of those that are left, ranked anew.

    Steps that remove nothing are kept, with the metric of the whole network.

    Parameters
    ----------
    rescore : saliency, called as `rescore(network, axes=[name])`
    windows : of the validation set; the release took the test set
    axes : names; default all that `rescore` scores
    percent : of a step
    unpruned : the worse slip of the release, which evaluates `model` in place of `model_pruned`: all curves are flat
    metric : "accuracy", "balanced_accuracy" or "loss"

    Returns
    -------
    curves by axis, to compare with `trimcap.prune.choose.sensitivity.sensitivity`

    Raises
    ------
    ValueError, AuditError, PlanError : as `sensitivity`.

    Shared parameters: `trimcap.reproduce`.
    Source: the program released with Park et al. (2023), arXiv:2308.04470: `pruning_each_layer`.
    """
    need_network(network, "released_sensitivity")
    names = list(rescore(network).values) if axes is None else list(axes)
    scored = rescore(network, axes=names)
    baseline = metric_of(network, windows, metric=metric, batch_size=batch_size)

    def value(left: Sequence[int], name: str) -> float:
        if unpruned or len(left) == network.axes[name].size:
            return baseline
        small = resize(network, make_plan(network, {name: left}))
        return metric_of(small, windows, metric=metric, batch_size=batch_size)

    curves = {}
    for name in names:
        size, removed = prunable_axis(network, name).size, floored_steps(network.axes[name].size, percent=percent)
        order = _cumulative(network, name, removed, rescore)
        values = tuple(value(sorted(set(range(size)) - set(order[:n])), name) for n in removed)
        percents = tuple(float(percent * i) for i in range(1, len(removed) + 1))
        curves[name] = Curve(size, tuple(order), percents, removed, values)
    return Sensitivity(curves, baseline, metric, scored.name, "as released", len(windows))


def _cumulative(network: Network, name: str, removed: Sequence[int], rescore: Rescore) -> list[int]:
    """The order in which filters go: the lowest of those that are left, step by step; at last those that stay."""
    left, order, current = list(range(network.axes[name].size)), list[int](), network
    step = removed[0]
    for _ in removed if step else ():
        scores = rescore(current, axes=[name]).values[name]
        order += [left[int(j)] for j in np.argsort(scores, kind="stable")[:step]]
        left = [j for j in left if j not in set(order)]
        if len(left) > 1:
            current = resize(network, make_plan(network, {name: left}))
    return order + left


def released_ratios(found: Sensitivity, *, target: float) -> dict[str, float | None]:
    """Ratios as extracted by the release: an axis whose *last* step equals the target yields no ratio.

    The ratios are a list without names, so every later axis then gets the ratio of the one behind it, and the last axis
    none (None). The right ones are `trimcap.prune.choose.ratios.ratios_for`.

    Parameters
    ----------
    found : curves, as released or right ones
    target : of the metric, which is no loss

    Returns
    -------
    axis → fraction, None for no ratio

    Source: the program released with Park et al. (2023), arXiv:2308.04470: extraction of the pruning ratios.
    """
    ratios = []
    for curve in found.curves.values():
        below = next((i for i, value in enumerate(curve.values) if value < target), None)
        if below is not None:
            ratios.append(curve.percents[below - 1] / 100 if below else 0.0)
        elif not curve.values or curve.values[-1] > target:
            ratios.append(curve.percents[-1] / 100 if curve.percents else 0.0)
    return dict(zip_longest(found.curves, ratios))


def released_plan(network: Network, scores: Scores, ratios: Mapping[str, float | None]) -> Plan:
    """All axes at once, int(n · ratio) filters of each, in floating point: 0.29 · 100 is 28.

    An axis without a ratio stays whole. The right plan is `trimcap.prune.choose.ratios.plan_from`.

    Parameters
    ----------
    scores : of its axes
    ratios : of `released_ratios`

    Raises
    ------
    PlanError : an axis has no scores.

    Shared parameters: `trimcap.reproduce`.
    Source: the program released with Park et al. (2023), arXiv:2308.04470, with the ratio of step i as step · i · 0.01.
    """
    keep = {}
    for name, ratio in ratios.items():
        if name not in scores.values:
            raise PlanError(f"the scores by '{scores.name}' have no axis {name}; score it with axes=[…]")
        values = scores.values[name]
        gone = int(len(values) * (ratio or 0.0))
        keep[name] = np.sort(np.argsort(values, kind="stable")[gone:]).tolist()
    return make_plan(network, keep, note=f"{scores.name}, ratios as released")


# ---- which filters of a convolution ----


def released_l1(units: Rows, n: int) -> list[int]:
    """Filters that the release removes for n by ℓ1: all with a norm up to the n-th smallest, ties included.

    Parameters
    ----------
    units : weights of a convolution, one row per filter
    n : filters that were to go

    Returns
    -------
    list of their numbers, n or more

    Source: the program released with Park et al. (2023), arXiv:2308.04470: L1 norm of convolutions.
    """
    norms = np.abs(units).sum(1)
    return np.flatnonzero(norms <= np.sort(norms)[n - 1]).tolist()


def released_d_step(units: Rows, n: int) -> list[int]:
    """Filters that the release removes for n by D-Step of a convolution.

    Where two filters enter together, one too many, the filter of the largest score among *all* chosen so far is spared;
    and as its score serves what lies at its place in the sorting, argsort(P)[j] + argsort(N)[j], not the sum of its
    ranks. Of equal scores the last is spared.

    Parameters
    ----------
    units : weights of a convolution, one row per filter
    n : filters that were to go

    Returns
    -------
    list of their numbers, ascending

    Raises
    ------
    PlanError : the walk, which ends one filter early, never has n: the release stops with an UnboundLocalError, or
        silently takes the filters of the layer before.

    Source: the program released with Park et al. (2023), arXiv:2308.04470: D-Step of convolutions. The rule itself is
    `trimcap.prune.saliency.by_weights.d_step`.
    """
    at_p, at_n = (np.argsort(part.sum(1), kind="stable") for part in (np.maximum(units, 0), np.maximum(-units, 0)))
    for j in range(1, len(units)):
        both = sorted({int(i) for i in at_p[:j]} & {int(i) for i in at_n[:j]})
        if len(both) == n + 1:
            spared = max(both, key=lambda i: (int(at_p[i] + at_n[i]), i))
            both.remove(spared)
        if len(both) == n:
            return both
    raise PlanError(
        f"D-Step as released finds no {n} of {len(units)} filters to remove: its walk ends one filter early"
    )


def decayed(progress: float) -> float:
    """0.9 to the power of the number of twenties of 450 epochs that are done: the paper's schedule, from 1 to 0.098.

    In a recipe: `schedule = "trimcap.reproduce.d_score:decayed"`.

    Parameters
    ----------
    progress : share of the training that is done, 0 … 1

    Returns
    -------
    factor on the learning rate

    Source: Park et al. (2023), arXiv:2308.04470, training on CIFAR-10: "decayed by 10 % in every 20 epochs".
    """
    return float(0.9 ** (int(progress * 450 + 1e-9) // 20))
