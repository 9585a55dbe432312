"""Is a network from a file whole? Names, references, operations, arguments, sizes; nothing is computed for that."""

from __future__ import annotations

import math
import re
import time
from math import prod
from typing import Any

import torch

from trimcap._errors import TraceError
from trimcap.graph.module import execute
from trimcap.graph.network import Network
from trimcap.graph.node import Node
from trimcap.graph.ops.allowed import misused, operation
from trimcap.graph.ops.recurrent import RECURRENT

#: the largest network of the coverage table has 1,400 operations and values of 10⁷ elements
MAX_NODES, MAX_SIZE, MAX_ELEMENTS, MAX_DIMENSIONS = 20_000, 1 << 22, 1 << 31, 12
_SECONDS = 20.0
_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,300}")
CONSTRAINTS = ("max_norm", "weight_norm")


def check(network: Network) -> Network:
    """The network itself, if it is one that runs: allowed operations, arguments that fit, results of the stated shapes.

    Shapes are found out on tensors without memory (device "meta"), for a batch of one.

    Raises
    ------
    TraceError : names the operation.
    """
    if len(network.nodes) > MAX_NODES:
        raise TraceError(f"it has {len(network.nodes):,} operations; at most {MAX_NODES:,} are read")
    _check_names(network)
    for shape in network.inputs.values():
        _check_shape(shape, "an input")
    for node in network.nodes:
        if why := misused(node):
            raise TraceError(f"operation '{node.name[:80]}' ({node.op[:80]}): {why}")
        for shape in _shapes(node.shape):
            _check_shape(shape, f"operation '{node.name[:80]}'")
    _check_training(network)
    _check_shapes(network)
    return network


def _check_names(network: Network) -> None:
    """Each name once, and everything that is read is there before."""
    known: set[str] = set()
    for name in (*network.inputs, *network.tensors):
        _check_name(name, known)
    if not network.inputs:
        raise TraceError("it has no input")
    for node in network.nodes:
        missing = [name for name in node.inputs if name not in known]
        if missing:
            raise TraceError(f"operation '{node.name[:80]}' reads '{missing[0][:80]}', which does not exist before it")
        _check_name(node.name, known)
    if network.output not in network.node:
        raise TraceError(f"its output '{network.output[:80]}' is no operation")


def _check_name(name: str, known: set[str]) -> None:
    if not _NAME.fullmatch(name) or name in known:
        raise TraceError(f"the name {name[:80]!r} stands twice, or is none")
    known.add(name)


def _shapes(shape: Any) -> list[tuple[Any, ...]]:
    return [shape] if not any(isinstance(size, tuple) for size in shape) else [s for s in shape if isinstance(s, tuple)]


def _check_shape(shape: Any, where: str) -> None:
    whole = all(isinstance(size, int) and not isinstance(size, bool) and 0 <= size <= MAX_SIZE for size in shape)
    if not whole or len(shape) > MAX_DIMENSIONS or prod(shape) > MAX_ELEMENTS:
        raise TraceError(f"{where} has the shape {repr(shape)[:80]}, which no network for windows of EEG has")


def _check_training(network: Network) -> None:
    """What a module registers and training re-imposes."""
    if strange := network.trainable - set(network.tensors):
        raise TraceError(f"the trainable tensor '{sorted(strange)[0][:80]}' does not exist")
    for name in network.trainable:
        if not network.tensors[name].dtype.is_floating_point:
            raise TraceError(f"the trainable tensor '{name[:80]}' holds {network.tensors[name].dtype}")
    for rule in network.constraints:
        tensor = network.tensors.get(rule.tensor)
        if tensor is None or rule.kind not in CONSTRAINTS:
            raise TraceError(f"the constraint {rule.kind[:40]!r} on '{rule.tensor[:80]}' is unknown")
        if not (-tensor.ndim <= rule.dim < tensor.ndim and math.isfinite(rule.value) and rule.value >= 0):
            raise TraceError(f"the constraint on '{rule.tensor[:80]}' has dimension {rule.dim} and limit {rule.value}")


def _check_shapes(network: Network) -> None:
    """Every operation makes what the file says that it makes."""
    values: dict[str, Any] = {
        name: torch.empty((1, *shape), device="meta") for name, shape in network.inputs.items()
    } | {name: tensor.to("meta") for name, tensor in network.tensors.items()}
    like = next(iter(values.values()))
    start = time.monotonic()
    for node in network.nodes:
        values[node.name] = _made(node, values, like)
        if time.monotonic() - start > _SECONDS:
            raise TraceError(f"following its shapes takes more than {_SECONDS:g} s; it is no network for windows")


def _made(node: Node, values: dict[str, Any], like: torch.Tensor) -> Any:
    if node.kind in RECURRENT:  # torch would walk through time
        return tuple(torch.empty(shape, device="meta") for shape in _shapes(node.shape))
    try:
        found = execute(node, operation(node.op), values, like)
    except Exception as error:  # whatever torch raises on arguments that don't fit
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise TraceError(f"operation '{node.name[:80]}' ({node.op}) can't run as it is: {reason[:200]}") from error
    shape = _shape(found)
    if shape != node.shape and isinstance(found, torch.Tensor | tuple | list):
        raise TraceError(f"operation '{node.name[:80]}' makes {shape}, the file says {repr(node.shape)[:80]}")
    return found


def _shape(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return tuple(value.shape)
    return tuple(_shape(item) for item in value) if isinstance(value, tuple | list) else ()
