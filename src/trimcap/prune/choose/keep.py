"""From scores to plans: by sparsity, by budget, or by name of electrodes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimcap._errors import PlanError, unknown
from trimcap.graph.network import Network, need_network
from trimcap.graph.rewrite.rewrite import unproven
from trimcap.program.cost import Cost, cost, deployed_cost
from trimcap.prune.plan import Plan, make_plan, need_sparsity, removed_count
from trimcap.prune.resize import resize
from trimcap.prune.saliency.scores import Scores, scored_axes


def keep_top(
    network: Network,
    scores: Scores,
    sparsity: float,
    *,
    scope: str = "axis",
    at_least: int = 1,
    at_most: Mapping[str, float] | float | None = None,
    multiple_of: int = 1,
    of: Mapping[str, int] | None = None,
) -> Plan:
    """Keep the slices with the highest scores.

    `scope="axis"` removes ⌊sparsity · n⌋ slices of every axis. `scope="global"` pools the scores of all axes, each
    divided by its axis' mean, and removes the lowest ⌊sparsity · Σn⌋ of them; `scope="threshold"` pools them as they
    are, for scores that one threshold is meant for (batch-norm scales). Both spare what `at_least` and `at_most`
    protect and take the next instead. Ties: the lower index goes first.

    Parameters
    ----------
    network : traced network, that the scores are of
    scores : one per slice of the axes that are to be pruned, higher = keep
    sparsity : fraction removed, 0 ≤ s < 1
    scope : "axis", "global" or "threshold"
    at_least : slices that every axis keeps
    at_most : largest sparsity of an axis: one for all, or by name of the axis
    multiple_of : kept counts are rounded up to a multiple of it, where the axis is long enough
    of : axis → number of slices that sparsities are fractions of, for plans in several rounds; default: those it has.
        Axes that have come down to one slice are no axes any more, and are counted so

    Returns
    -------
    Plan : for `shrink`

    Raises
    ------
    TypeError : sparsity is no number. ValueError : sparsity, scope or a limit is impossible
    PlanError : the scores are of another network, or of frozen axes; `at_most` names an axis without scores
    """
    need_network(network, "keep_top")
    need_sparsity(sparsity)
    if scope not in SCOPES:
        raise ValueError(unknown("scope", scope, SCOPES))
    _check_counts(at_least, multiple_of)
    scored_axes(network, scores)
    whole = {name: len(values) for name, values in scores.values.items()} | dict(of or {})
    least = _floors(scores, whole, at_least, at_most)
    if scope == "axis":
        counts = {name: whole[name] - removed_count(sparsity, whole[name]) for name in scores.values}
    else:
        counts = _global(scores, sparsity, least, whole, relative=scope == "global")
    return _take(network, scores, counts, sparsity, least, multiple_of, scope)


SCOPES = ("axis", "global", "threshold")


def _floors(
    scores: Scores, whole: Mapping[str, int], at_least: int, at_most: Mapping[str, float] | float | None
) -> dict[str, int]:
    """The least number of slices that every axis keeps."""
    if isinstance(at_most, Mapping):
        missing = [name for name in at_most if name not in scores.values]
        if missing:
            raise PlanError("at_most: " + "; ".join(unknown("axis", name, scores.values) for name in missing))
    least = {}
    for name, values in scores.values.items():
        cap = at_most.get(name) if isinstance(at_most, Mapping) else at_most
        if cap is not None and not 0 <= cap <= 1:
            raise ValueError(f"at_most is the largest fraction removed of an axis: 0 ≤ at_most ≤ 1, got {cap}")
        kept = 0 if cap is None else whole[name] - removed_count(cap, whole[name])
        least[name] = min(max(at_least, kept), len(values))
    return least


def _check_counts(at_least: int, multiple_of: int) -> None:
    if at_least < 1 or multiple_of < 1:
        raise ValueError(f"at_least ({at_least}) and multiple_of ({multiple_of}) must be 1 or more")


def _global(
    scores: Scores, sparsity: float, least: Mapping[str, int], whole: Mapping[str, int], *, relative: bool
) -> dict[str, int]:
    names = list(scores.values)
    scales = {name: max(np.abs(v).mean(), 1e-30) if relative else 1.0 for name, v in scores.values.items()}
    pooled = np.concatenate([v / scales[name] for name, v in scores.values.items()])
    owner = np.repeat(np.arange(len(names)), [len(v) for v in scores.values.values()])
    counts = {name: len(v) for name, v in scores.values.items()}
    total = sum(whole.values())
    gone = total - len(pooled) - sum(name not in scores.values for name in whole)  # an axis of one slice is none
    target = removed_count(sparsity, total) - gone
    for position in np.argsort(pooled, kind="stable"):
        name = names[owner[position]]
        if target > 0 and counts[name] > least[name]:
            counts[name] -= 1
            target -= 1
    return counts


def _take(
    network: Network,
    scores: Scores,
    counts: Mapping[str, int],
    sparsity: float | None,
    least: Mapping[str, int],
    multiple_of: int,
    scope: str,
) -> Plan:
    keep = {}
    for name, values in scores.values.items():
        wanted = min(max(counts[name], least[name]), len(values))
        wanted = min(-(-wanted // multiple_of) * multiple_of, len(values))
        keep[name] = _best(values, wanted)
    requested = {} if sparsity is None else dict.fromkeys(keep, sparsity)
    how = f"sparsity {sparsity:g}" if sparsity is not None else "budget"
    return make_plan(network, keep, requested=requested, note=f"{scores.name}, {how}, {scope}")


def _best(values: NDArray[np.float64], n: int) -> list[int]:
    """Indices of the n highest scores; among equals the lower index is removed first (stable order)."""
    order = np.argsort(values, kind="stable")
    return sorted(order[len(values) - n :].tolist())


def keep_within(
    network: Network,
    scores: Scores,
    *,
    flash: int | str | None = None,
    sram: int | str | None = None,
    macs: int | None = None,
    bits: int = 8,
    measure: Callable[[Network], Cost] | None = None,
    scope: str = "axis",
    at_least: int = 1,
    at_most: Mapping[str, float] | float | None = None,
    multiple_of: int = 1,
) -> Plan:
    """The least sparsity (in steps of 1 %, above 99 % slice by slice) at which the network fits the budgets.

    Parameters
    ----------
    network : traced network, that the scores are of
    scores : one per slice of the axes that are to be pruned, higher = keep
    flash, sram : bytes, or text such as "64 KiB"
    macs : multiply–accumulates for one window
    bits : precision the costs are counted at
    measure : function from a network to its cost; by default `trimcap.program.cost.deployed_cost`: what the exported C
        needs, after exact rewrites
    scope, at_least, at_most, multiple_of : as for `keep_top`

    Returns
    -------
    Plan : for `shrink`

    Raises
    ------
    PlanError : no plan meets the budgets; says the nearest that can be reached. Or flash or SRAM are unknown, because
        an operation has no C; names it
    TypeError : macs is no number. ValueError : no budget, one below 1, or a size that can't be read
    """
    need_network(network, "keep_within")
    budgets = {"flash_bytes": size(flash), "sram_bytes": size(sram), "macs": macs}
    limits = {name: limit for name, limit in budgets.items() if limit is not None}
    if not limits:
        raise ValueError("keep_within needs a budget: flash=, sram= or macs=")
    if not all(isinstance(limit, Real) for limit in limits.values()):
        raise TypeError(f"macs is a number of multiply-accumulates, such as 100_000, got {macs!r}")
    if macs is not None and macs < 1:
        raise ValueError(f"macs must be at least 1, got {macs}")
    count = measure or partial(deployed_cost, bits=bits)
    # proving rewrites takes nearly all the time and changes no size: it is done for what fits without it
    quick = measure or (lambda small: cost(unproven(small), bits=bits))
    now = quick(network)
    if unknown_budgets := [name for name in limits if getattr(now, name) is None]:
        named = " and ".join(_short(name) for name in unknown_budgets)
        raise PlanError(f"{named} of {network.origin} unknown: {now.unknown}; give a budget of macs instead")
    if _fits(now, limits) and (measure or _fits(now := count(network), limits)):
        raise PlanError(
            f"{network.origin} meets the budget already ({_describe(now, limits)}); there is nothing to remove: "
            "use it as it is, or give less"
        )

    nearest: Cost | None = None
    guards: dict[str, Any] = {"at_least": at_least, "at_most": at_most, "multiple_of": multiple_of}
    # where activations lie, and what rewriting and kernels make of a network, may grow with sparsity: each is looked at
    for plan in _plans(network, scores, scope, guards):
        small = resize(network, plan)
        found = quick(small)
        if _fits(found, limits):
            found = found if measure else count(small)
            if _fits(found, limits):
                return Plan(plan.keep, plan.sizes, {}, f"{scores.name}, within {_limits(limits)}, {scope}")
        if nearest is None or _excess(found, limits) < _excess(nearest, limits):
            nearest = found
    assert nearest is not None  # there is a plan for each sparsity
    raise PlanError(
        f"no plan on the axes {', '.join(scores.values)} meets {_limits(limits)} at {bits} bits; the nearest "
        f"reachable is {_describe(nearest, limits)}. Prune more axes, lower at_least or multiple_of, or give more."
    )


def _excess(found: Cost, limits: Mapping[str, int]) -> float:
    """How many times the limit that is missed most is exceeded."""
    return max(float(getattr(found, name)) / max(limit, 1) for name, limit in limits.items())


def _plans(network: Network, scores: Scores, scope: str, guards: Mapping[str, Any]) -> Iterator[Plan]:
    """What `keep_top` gives for 1, 2, … 99 %, and from there slice by slice to one on every axis; each plan once."""
    sizes = [len(values) for values in scores.values.values()]
    wholes = sizes if scope == "axis" else [sum(sizes)]
    last = {1 - left / n for n in wholes for left in range(1, n // 100 + 1)}
    before: Plan | None = None
    for sparsity in sorted({percent / 100 for percent in range(1, 100)} | last):
        plan = keep_top(network, scores, sparsity, scope=scope, **guards)
        if before is None or plan.keep != before.keep:
            yield plan
        before = plan


def _fits(found: Cost, limits: Mapping[str, int]) -> bool:
    return all(getattr(found, name) <= limit for name, limit in limits.items())


def _short(name: str) -> str:
    return name.removesuffix("_bytes")


def _limits(limits: Mapping[str, int]) -> str:
    return ", ".join(f"{_short(name)} ≤ {limit:,}" for name, limit in limits.items())


def _describe(found: Cost, limits: Mapping[str, int]) -> str:
    return ", ".join(f"{_short(name)} {getattr(found, name):,}" for name in limits)


_UNITS = {"": 1, "b": 1, "kib": 1024, "mib": 1024**2, "kb": 1000, "mb": 1000**2}


def size(text: int | str | None) -> int | None:
    """Bytes from a number or from text: "64 KiB" = 65,536; "64 kB" = 64,000.

    Parameters
    ----------
    text : bytes, or a number with a unit: B, KiB, MiB (1024), kB, MB (1000); None stays None

    Returns
    -------
    bytes

    Raises
    ------
    ValueError : no size, or none above 0.
    """
    found = _read_size(text) if isinstance(text, str) else text
    if found is not None and found < 1:
        raise ValueError(f"a budget must be above 0 bytes, got {text!r}")
    return found


def _read_size(text: str) -> int:
    number = text.strip().rstrip("BbiIkKmM ").strip()
    unit = text.strip()[len(number) :].strip().lower()
    try:
        return round(float(number) * _UNITS[unit])
    except (ValueError, KeyError, OverflowError):
        raise ValueError(f"cannot read the size {text!r}; write a number of bytes, or '64 KiB', '128 kB'") from None


def keep_electrodes(network: Network, names: Sequence[str] | int, *, scores: Scores | None = None) -> Plan:
    """Keep electrodes by name, or the n with the highest scores.

    Parameters
    ----------
    network : traced network
    names : electrode names of the network's input, or how many to keep
    scores : of the axis "electrodes"; needed when `names` is a number

    Returns
    -------
    Plan : for `shrink`; windows for the smaller network are `windows.pick(small.channels)`

    Raises
    ------
    PlanError : an electrode is unknown, or the axis is frozen
    """
    _check_electrodes(network)
    if isinstance(names, int):
        if scores is None or "electrodes" not in scores.values:
            raise PlanError(f"to keep the best {names} electrodes give scores of the axis 'electrodes'")
        scored_axes(network, scores, ["electrodes"])
        values = scores.values["electrodes"]
        if not 1 <= names <= len(values):
            raise PlanError(f"cannot keep {names} of {len(values)} electrodes")
        kept: Iterable[int] = _best(values, names)
    else:
        kept = _positions(network, names)
    return make_plan(network, {"electrodes": kept}, note="electrodes")


def _check_electrodes(network: Network) -> None:
    """That one slice of the axis is one electrode."""
    size = network.axes["electrodes"].size if "electrodes" in network.axes.axes else 0
    if size and network.dimensions[:1] == ("electrodes",) and size != network.input_shape[0]:
        parts = ", ".join(f"{a.name} ({a.size})" for a in network.axes.values() if a.name.startswith("electrodes"))
        raise PlanError(
            f"{network.origin} reads its {network.input_shape[0]} electrodes in groups, so that they can't be removed "
            f"one by one; make a plan for the axes {parts}"
        )


def _positions(network: Network, names: Sequence[str]) -> list[int]:
    if not network.channels:
        raise PlanError("the network does not know its electrode names; trace it with channels=(…)")
    known = {name.lower(): number for number, name in enumerate(network.channels)}
    missing = [name for name in names if name.lower() not in known]
    if missing:
        raise PlanError("; ".join(unknown("electrode", name, network.channels) for name in missing))
    return [known[name.lower()] for name in names]
