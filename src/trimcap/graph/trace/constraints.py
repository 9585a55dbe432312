"""Parametrized weights: bake them before tracing, keep the rule for training."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import _WeightNorm
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from trimcap.graph.module import NetworkModule
from trimcap.graph.network import Constraint

#: what libraries call the bound of a max-norm parametrization
_BOUND_NAMES = ("max_value", "max_norm", "max_norm_val", "maxnorm", "c")
#: layers of which others are made that renormalise their own weight
_PLAIN: tuple[Any, ...] = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)


@torch.no_grad()
def bake(model: nn.Module) -> tuple[tuple[str, ...], tuple[Constraint, ...]]:
    """Replace every parametrized tensor of `model` by its current value, in place; return notes and rules.

    Max-norm parametrizations are recognised by their bound (attribute `max_value`, `max_norm`, …) and by what they do
    to weights beyond and within it, weight norm by its class. Any other parametrization is baked too, and a note says
    that training does not re-impose it. So are weights that a hook computes: weight norm and spectral norm of
    `torch.nn.utils`, and masks of `torch.nn.utils.prune`.
    """
    notes: list[str] = []
    rules: list[Constraint] = []
    for path, module in list(model.named_modules()):
        if isinstance(module, NetworkModule):  # traced before; its weight norm is a parametrization, its max-norm not
            bounds = (rule for rule in module.network.constraints if rule.kind == "max_norm")
            rules += [replace(rule, tensor=f"{path}.{rule.tensor}" if path else rule.tensor) for rule in bounds]
        for key, hook in list(module._forward_pre_hooks.items()):
            if isinstance(hook, WeightNorm | SpectralNorm | BasePruningMethod):
                del module._forward_pre_hooks[key]
                _bake_hook(path, module, hook, notes, rules)
        limit = _limits_itself(path, module)
        if limit is not None:
            rules.append(limit)
        if parametrize.is_parametrized(module):
            for leaf, stack in _unwrap(module).items():
                tensor = f"{path}.{leaf}" if path else leaf
                for parametrization in stack:
                    rule = _rule(tensor, parametrization, getattr(module, leaf))
                    if rule is not None:
                        rules.append(rule)
                    else:
                        notes.append(
                            f"'{tensor}': parametrization {type(parametrization).__name__} was baked into the "
                            "weights; training does not re-impose it"
                        )
    return tuple(notes), tuple(rules)


def _bake_hook(path: str, module: nn.Module, hook: Any, notes: list[str], rules: list[Constraint]) -> None:
    """The weight that a hook of torch computes before every forward, as a plain parameter."""
    leaf = hook._tensor_name if isinstance(hook, BasePruningMethod) else hook.name
    tensor = f"{path}.{leaf}" if path else leaf
    trained = any(p.requires_grad for n, p in module.named_parameters(recurse=False) if n.startswith(f"{leaf}_"))
    hook.remove(module)
    getattr(module, leaf).requires_grad_(trained)
    if isinstance(hook, WeightNorm):
        rules.append(Constraint(tensor, "weight_norm", dim=hook.dim))
    elif isinstance(hook, SpectralNorm):
        notes.append(f"'{tensor}': spectral norm was baked into the weights; training does not re-impose it")
    else:
        notes.append(
            f"'{tensor}': the zeros of torch.nn.utils.prune were baked into the weights; training may bring them back, "
            "unless fit is given masks"
        )


def _unwrap(module: nn.Module) -> dict[str, list[nn.Module]]:
    """Replace the parametrized tensors of one module by plain parameters; return the parametrizations by name.

    Not `parametrize.remove_parametrizations`: that edits the module's class, which a deep copy shares with the
    model it was made from, and so breaks the user's model.
    """
    found = module._modules.pop("parametrizations")
    assert isinstance(found, nn.ModuleDict)
    values = {}
    for leaf, stack in found.items():
        assert isinstance(stack, parametrize.ParametrizationList)
        values[leaf] = stack().detach().clone()
    module.__class__ = module.__class__.__bases__[0]
    for leaf, value in values.items():
        trained = any(p.requires_grad for p in found[leaf].parameters())
        module.register_parameter(leaf, nn.Parameter(value, requires_grad=trained))
    return {leaf: [m for m in stack.children() if m is not None] for leaf, stack in found.items()}


def _limits_itself(path: str, module: nn.Module) -> Constraint | None:
    """The rule of a layer that renormalises its own weight in every forward; it becomes the plain layer, in place.

    An idiom of EEG networks: `self.weight.data = torch.renorm(self.weight.data, 2, 0, self.max_norm)`. Recognised by
    its bound and by what a copy of the layer does to weights beyond it, and to its input.
    """
    plain = next((cls for cls in _PLAIN if isinstance(module, cls) and type(module) is not cls), None)
    bound = _bound(module) if plain is not None else None
    if plain is None or bound is None or not bound > 0 or parametrize.is_parametrized(module):
        return None
    twin: Any = copy.deepcopy(module)
    generator = torch.Generator().manual_seed(0)
    probe = torch.randn(twin.weight.shape, generator=generator) * bound
    kernel = [size * 8 for size in twin.weight.shape[2:]]
    x = torch.randn(1, twin.weight.shape[1] * getattr(twin, "groups", 1), *kernel, generator=generator)
    twin.weight.data = probe.clone()
    try:
        got = twin(x)
    except Exception:  # a forward of another kind
        return None
    for dim in range(probe.ndim):
        limited = torch.renorm(probe, p=2, dim=dim, maxnorm=bound)
        if _same(twin.weight.data, limited) and _same(got, plain.forward(twin, x)):
            module.weight.data = torch.renorm(module.weight.data, p=2, dim=dim, maxnorm=bound)  # type: ignore
            module.__class__ = plain
            return Constraint(f"{path}.weight" if path else "weight", "max_norm", dim=dim, value=bound)
    return None


def _rule(tensor: str, parametrization: Any, value: Tensor) -> Constraint | None:
    if isinstance(parametrization, _WeightNorm):
        return Constraint(tensor, "weight_norm", dim=parametrization.dim)
    bound = _bound(parametrization)
    if bound is None or not bound > 0:
        return None
    generator = torch.Generator().manual_seed(0)
    probe = torch.randn(value.shape, generator=generator).to(value)
    # some slices beyond the bound, some within
    probes = (probe * bound, probe * (bound / (2 * probe.norm())))
    for dim in range(value.ndim):
        if all(_same(parametrization(p), torch.renorm(p, p=2, dim=dim, maxnorm=bound)) for p in probes):
            return Constraint(tensor, "max_norm", dim=dim, value=bound)
    return None


def _same(got: Any, want: Tensor) -> bool:
    return isinstance(got, Tensor) and got.shape == want.shape and torch.allclose(got, want, rtol=1e-3, atol=1e-6)


def _bound(parametrization: Any) -> float | None:
    """The number that a max-norm parametrization keeps its bound in, if it has one."""
    for name in _BOUND_NAMES:
        bound = getattr(parametrization, name, None)
        if isinstance(bound, Tensor) and bound.numel() == 1:
            bound = bound.item()
        if isinstance(bound, int | float):
            return float(bound)
    return None
