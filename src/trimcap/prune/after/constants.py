"""Which results of a network do not depend on its input: partial evaluation with NaN for "not known".

Every operation is run once, in float64, on a window of NaN. What comes out as a number is a constant response: of a
filter whose weights are zero (its bias, through activation, batch norm, pooling and zero padding), of a channel whose
batch-norm scale is zero (its shift). NaN spreads through everything else by itself; only where a known zero meets an
unknown value the arithmetic is done here, as there 0 · NaN = 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from trimcap.graph.module import NetworkModule
from trimcap.graph.network import Network
from trimcap.graph.node import Node, Ref, map_refs
from trimcap.graph.ops.allowed import operation
from trimcap.graph.ops.layers import WEIGHTED

#: a comparison with NaN says "no", and rounding turns NaN into a number: their results are never taken as known
_DECIDE = (
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "where",
    "sign",
    "argmax",
    "argmin",
    "isnan",
    "nan_to_num",
    "topk",
    "sort",
)


@torch.no_grad()
def constants(network: Network) -> dict[str, Any]:
    """Results by node name, for a batch of one: the number where it is the same for every input, NaN elsewhere.

    Returns
    -------
    float64 tensors of the nodes' shapes (tuples of them for several results)
    """
    module = NetworkModule(replace(network, constraints=())).double().eval()
    env: dict[str, Any] = {name: module.tensor(name) for name in network.tensors}
    env |= {n: torch.full((1, *s), torch.nan, dtype=torch.float64) for n, s in network.inputs.items()}
    for node in network.nodes:
        args = map_refs(node.args, env.__getitem__)
        kwargs = {k: map_refs(v, env.__getitem__) for k, v in node.kwargs.items()}
        env[node.name] = _value(node, args, kwargs)
    return {node.name: env[node.name] for node in network.nodes}


def _value(node: Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if "dtype" in kwargs and kwargs["dtype"] == "float32":
        kwargs = {**kwargs, "dtype": torch.float64}
    elif isinstance(kwargs.get("dtype"), str):
        kwargs = {**kwargs, "dtype": getattr(torch, kwargs["dtype"])}

    def run(*values: Any) -> Any:
        return operation(node.op)(*values, **kwargs)

    if node.kind in WEIGHTED:
        return weighted(run, args)
    if node.kind == "batch_norm":
        return _batch_norm(run, args)
    if node.kind == "mul" and isinstance(args[1], Tensor):
        product = run(*args)
        return torch.where((args[0] == 0) | (args[1] == 0), torch.zeros_like(product), product)
    found = run(*args)
    return unknown_like(found) if node.kind in _DECIDE else found


def unknown_like(value: Any) -> Any:
    """NaN everywhere; whole numbers and truth values become float64."""
    if isinstance(value, tuple | list):
        return tuple(map(unknown_like, value))
    return torch.full_like(value, torch.nan, dtype=torch.float64) if isinstance(value, Tensor) else value


def weighted(run: Callable[..., Any], args: tuple[Any, ...]) -> Tensor:
    """A sum of products: known where no unknown value meets a weight that is not zero."""
    x, weight, *rest = args
    if weight.isnan().any():
        return torch.full_like(run(torch.nan_to_num(x), torch.nan_to_num(weight), *rest), torch.nan)
    value: Tensor = run(torch.nan_to_num(x), weight, *rest)
    reached = run(x.isnan().double(), (weight != 0).double(), None, *rest[1:])
    return value.masked_fill(reached > 0, torch.nan)


def _batch_norm(run: Callable[..., Any], args: tuple[Any, ...]) -> Tensor:
    """γ = 0 leaves β, whatever comes in."""
    x, scale, shift = args[:3]
    if args[3] is None:  # statistics of the batch: nothing is known
        return torch.full_like(x, torch.nan)
    found: Tensor = run(*args)
    if scale is None:
        return found
    shape = [1, -1, *[1] * (x.ndim - 2)]
    constant = torch.zeros_like(scale) if shift is None else shift
    return torch.where((scale == 0).reshape(shape), constant.reshape(shape).expand_as(found), found)


def contribution(node: Node, x: Tensor, weight: Tensor) -> Tensor:
    """What a weighted operation adds to its result because of the part `x` of its input, without its bias."""
    found: Tensor = operation(node.op)(x, weight, None, *(map_refs(a, _no_refs) for a in node.args[3:]))
    return found


def _no_refs(name: str) -> Ref:
    raise ValueError(f"'{name}' is computed by the network; only plain arguments are expected here")
