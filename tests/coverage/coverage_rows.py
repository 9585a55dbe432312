"""One row of the coverage table: trace, shrink half of every hidden axis at once, compare with the masked twin."""

from __future__ import annotations

import copy
import time
import warnings
from dataclasses import asdict, dataclass
from typing import Any

import torch
from coverage_networks import build

from trimcap._errors import PlanError, TraceError
from trimcap.graph.network import Network
from trimcap.graph.price import price
from trimcap.graph.trace.trace import trace
from trimcap.prune.plan import Plan, make_plan
from trimcap.prune.resize import resize
from trimcap.prune.shrink import shrink, twin_error

#: the larger the better
RANKS = {"not traced": 0, "not exact": 1, "nothing to prune": 2, "exact": 3}


@dataclass(frozen=True)
class Row:
    """What came out for one model. `error`: relative, float64; `wrong`: the twin's difference to other slices."""

    model: str
    result: str
    why: str = ""
    parameters: int = 0
    parameters_after: int = 0
    macs: int = 0
    macs_after: int = 0
    axes: int = 0
    pruned: int = 0
    frozen: tuple[str, ...] = ()
    error: float = 0.0
    wrong: float = 0.0
    trace_seconds: float = 0.0
    shrink_seconds: float = 0.0
    torch_pruning: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def row(name: str) -> Row:
    """Trace, shrink and check one model."""
    model, x = build(name)
    before = sum(p.numel() for p in model.parameters())
    start = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network = trace(model, x)
    except TraceError as error:
        return Row(name, "not traced", why=_line(error), parameters=before)
    traced = time.perf_counter()
    frozen = _reasons(network)
    known = {"parameters": before, "axes": len(network.axes), "frozen": frozen, "trace_seconds": traced - start}
    if not network.axes.hidden:
        return Row(name, "nothing to prune", macs=price(network).macs, **known)
    plan = half(network)
    try:
        small = shrink(network, plan)
    except PlanError as error:
        return Row(name, "not exact", why=_line(error), **known)
    return Row(
        name,
        "exact",
        parameters_after=small.n_parameters,
        macs=price(network).macs,
        macs_after=price(small).macs,
        pruned=len(plan.keep),
        error=twin_error(network, small, plan, seed=1),
        wrong=twin_error(network, resize(network, plan), other_slices(plan)),
        shrink_seconds=time.perf_counter() - traced,
        **known,
    )


def half(network: Network) -> Plan:
    """Every second slice of every hidden axis, so that a shift or a swap would show."""
    return make_plan(network, {a.name: range(0, a.size, 2) for a in network.axes.hidden})


def other_slices(plan: Plan) -> Plan:
    """As many slices of every axis, but the others."""
    moved = {name: tuple(sorted((i + 1) % plan.sizes[name] for i in kept)) for name, kept in plan.keep.items()}
    return Plan(moved, plan.sizes)


def _line(error: Exception) -> str:
    return str(error).splitlines()[0][:300]


def _reasons(network: Network) -> tuple[str, ...]:
    """Why axes are frozen, most first; the window's own dimensions, outputs and kernels are always and left out."""
    counted: dict[str, int] = {}
    for axis in network.axes.values():
        why = axis.frozen.partition(" at ")[0].partition(" by ")
        always = axis.frozen.startswith(("kernel of", "output of", "times of")) or not axis.frozen
        if not always:
            kind = axis.frozen[axis.frozen.rfind("(") + 1 : -1] if axis.frozen.endswith(")") else ""
            text = f"{why[0]} ({kind})" if kind else why[0]
            counted[text] = counted.get(text, 0) + 1
    return tuple(f"{n} × {text}" for text, n in sorted(counted.items(), key=lambda item: (-item[1], item[0])))


def torch_pruning(name: str) -> str:
    """What Torch-Pruning makes of the model, used as its README says."""
    import torch_pruning as tp

    model, x = build(name)
    model = copy.deepcopy(model)
    before = sum(p.numel() for p in model.parameters())
    n_outputs = model(x).shape[-1]
    try:
        last = [m for m in model.modules() if isinstance(m, torch.nn.Linear) and m.out_features == n_outputs][-1:]
        pruner = tp.pruner.BasePruner(
            model, x, importance=tp.importance.MagnitudeImportance(p=1), pruning_ratio=0.5, ignored_layers=last
        )
        pruner.step()
        with torch.no_grad():
            same = model(x).shape[-1] == n_outputs
    except Exception as error:
        return f"fails: {type(error).__name__}"
    after = sum(p.numel() for p in model.parameters())
    return "fails: other outputs" if not same else "works" if after < before else "prunes nothing"


def worse(old: dict[str, Any], new: Row) -> str:
    """In what a row got worse, or ""."""
    if RANKS[new.result] < RANKS[old["result"]]:
        return f"was '{old['result']}', is '{new.result}' {new.why}"
    if new.pruned < old["pruned"]:
        return f"pruned {old['pruned']} axes, now {new.pruned}"
    if new.parameters_after > 1.01 * old["parameters_after"]:
        return f"kept {old['parameters_after']} parameters, now {new.parameters_after}"
    return ""
