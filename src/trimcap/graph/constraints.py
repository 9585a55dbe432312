"""Parametrized weights: bake them before tracing, keep the rule for training."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import _WeightNorm

from trimcap.graph.network import Constraint

#: what libraries call the bound of a max-norm parametrization
_BOUND_NAMES = ("max_value", "max_norm", "max_norm_val", "maxnorm", "c")


def bake(model: nn.Module) -> tuple[tuple[str, ...], tuple[Constraint, ...]]:
    """Replace every parametrized tensor of `model` by its current value, in place; return notes and rules.

    Max-norm parametrizations are recognised by their bound (attribute `max_value`, `max_norm`, …), weight norm by
    its class. Any other parametrization is baked too, and a note says that training does not re-impose it.
    """
    notes: list[str] = []
    rules: list[Constraint] = []
    modules = [(path, module) for path, module in model.named_modules() if parametrize.is_parametrized(module)]
    for path, module in modules:
        for leaf in list(module.parametrizations):
            tensor = f"{path}.{leaf}" if path else str(leaf)
            for parametrization in module.parametrizations[leaf]:
                rule = _rule(tensor, parametrization)
                if rule is None:
                    notes.append(
                        f"'{tensor}': parametrization {type(parametrization).__name__} was baked into the weights; "
                        "training does not re-impose it"
                    )
                else:
                    rules.append(rule)
            parametrize.remove_parametrizations(module, leaf, leave_parametrized=True)
    # requires_grad is lost on tensors that were buffers of a parametrization
    for name, parameter in model.named_parameters():
        if any(rule.tensor == name for rule in rules):
            parameter.requires_grad_(True)
    return tuple(notes), tuple(rules)


def _rule(tensor: str, parametrization: Any) -> Constraint | None:
    if isinstance(parametrization, _WeightNorm):
        return Constraint(tensor, "weight_norm", dim=parametrization.dim)
    for name in _BOUND_NAMES:
        bound = getattr(parametrization, name, None)
        if isinstance(bound, Tensor) and bound.numel() == 1:
            bound = bound.item()
        if isinstance(bound, int | float):
            return Constraint(tensor, "max_norm", dim=int(getattr(parametrization, "dim", 0) or 0), value=float(bound))
    return None
