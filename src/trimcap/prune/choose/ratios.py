"""From sensitivity to a plan: how much of every axis may go, and all axes pruned at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trimcap._errors import PlanError
from trimcap.graph.network import Network, need_network
from trimcap.prune.choose.keep import keep_top
from trimcap.prune.choose.sensitivity import Sensitivity
from trimcap.prune.plan import Plan
from trimcap.prune.saliency.scores import Scores, scored_axes

_EDGE = 1e-12


def ratio_at(
    ratios: Sequence[float], values: Sequence[float], target: float, *, lower_is_better: bool = False
) -> float:
    """The ratio of the step before the first at which the metric is worse than the target.

    0 if the first step already is, the largest ratio if none is. Equal to the target passes; what comes after the first
    step that fails is ignored, even if it passes again.

    Parameters
    ----------
    ratios : sparsity of each step, ascending
    values : metric at each step
    target : the worst value that passes, in the metric's unit
    lower_is_better : the metric is a loss

    Returns
    -------
    one of `ratios`, or 0

    Source: Park et al. (2023), "D-Score", arXiv:2308.04470. (The released code loses a last step that is equal.)
    """
    ratio = 0.0
    for tried, value in zip(ratios, values, strict=True):
        passes = value <= target if lower_is_better else value >= target
        if not passes:
            break
        ratio = tried
    return ratio


def ratios_for(found: Sensitivity, *, target: float | None = None, drop: float | None = None) -> dict[str, float]:
    """Axis → the largest requested sparsity before the metric first gets worse than the target, by `ratio_at`.

    Parameters
    ----------
    found : what `sensitivity` measured
    target : of the metric that was measured: the least accuracy, or the largest loss
    drop : instead: how much worse than the whole network, ≥ 0

    Returns
    -------
    fractions for `plan_from`; 0 for an axis that is not to be touched

    Raises
    ------
    ValueError : neither or both goals, or an impossible one.
    """
    loss = found.metric == "loss"
    goal = goal_of(found, target=target, drop=drop)
    return {
        name: ratio_at([p / 100 for p in c.percents], c.values, goal, lower_is_better=loss)
        for name, c in found.curves.items()
    }


def goal_of(found: Sensitivity, *, target: float | None = None, drop: float | None = None) -> float:
    """The value of the metric that is to be kept: `target`, or `drop` worse than the whole network.

    Parameters
    ----------
    found : what `sensitivity` measured
    target : a value of its metric
    drop : instead, ≥ 0

    Returns
    -------
    float, in the unit of the metric

    Raises
    ------
    ValueError : neither or both, or an impossible one.
    """
    if (target is None) == (drop is None):
        raise ValueError("give target=, a value of the metric, or drop=, how much worse than the whole network")
    if drop is not None:
        if not drop >= 0:
            raise ValueError(f"drop is how much worse than the whole network: drop ≥ 0, got {drop}")
        # equality passes, and 0.93 − 0.06 is a rounding error above 0.87
        return found.baseline + drop + _EDGE if found.metric == "loss" else max(found.baseline - drop - _EDGE, _EDGE)
    assert target is not None
    if found.metric != "loss" and not 0 < target <= 1:
        raise ValueError(f"a target {found.metric} is a fraction: 0 < target ≤ 1, got {target}; 90 % is 0.9")
    if found.metric == "loss" and not target >= 0:
        raise ValueError(f"a target loss is ≥ 0, got {target}")
    return target


def plan_from(
    network: Network,
    scores: Scores,
    ratios: Mapping[str, float],
    *,
    at_least: int = 1,
    at_most: Mapping[str, float] | float | None = None,
    multiple_of: int = 1,
) -> Plan:
    """All axes at once by the original ranking: ⌊ratio · N⌋ slices of each, parallel pruning.

    Parameters
    ----------
    network : traced network, that the scores are of
    scores : the ranking, that of the sensitivity analysis
    ratios : axis → sparsity; axes with 0 stay out of the plan
    at_least, at_most, multiple_of : as for `keep_top`

    Raises
    ------
    PlanError : an axis has no scores, or nothing would be removed

    Shared parameters: `trimcap.prune`.
    """
    need_network(network, "plan_from")
    scored_axes(network, scores, ratios)
    plan = Plan({}, {})
    for name, ratio in ratios.items():
        if ratio:
            own = Scores({name: scores.values[name]}, scores.name)
            cap = at_most.get(name) if isinstance(at_most, Mapping) else at_most
            plan = plan.merged(keep_top(network, own, ratio, at_least=at_least, at_most=cap, multiple_of=multiple_of))
    if all(len(kept) == plan.sizes[name] for name, kept in plan.keep.items()):
        raise PlanError(
            f"nothing of {network.origin} would be removed: the ratios of {', '.join(ratios) or 'no axis'} are too "
            "small. Lower the target."
        )
    return Plan(plan.keep, plan.sizes, plan.requested, f"{scores.name}, sparsity by sensitivity, parallel")
