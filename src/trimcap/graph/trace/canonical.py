"""From `torch.export` nodes to ours: shapes for one window, plain arguments, no operations that do nothing."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from typing import Any

import torch
from torch import fx
from torch.export import ExportedProgram

from trimcap._errors import TraceError
from trimcap.graph.network import Network
from trimcap.graph.node import Node, Ref, map_refs
from trimcap.graph.ops.table import DROPOUTS, operation_of
from trimcap.graph.ops.views import CREATED, RESHAPES

#: which dimension they cut, or join; None: they are told
_SPLITS = {"tensor_split": None, "hsplit": 1, "dsplit": 2}
_JOINS = {"hstack": 1, "dstack": 2}
_IDENTITIES = {"contiguous", "clone", "alias", "lift_fresh_copy", "_to_copy"}
_CASTS = {"to", "type_as", "_to_copy"}
_DROPPED_KWARGS = {"device", "pin_memory", "layout", "memory_format"}


def nodes_of(
    program: ExportedProgram, names: Mapping[str, str]
) -> tuple[tuple[Node, ...], tuple[str, ...], tuple[str, ...]]:
    """Nodes, input names and output names of an exported program; `names` maps placeholders to tensor names."""
    nodes: list[Node] = []
    inputs: list[str] = []
    outputs: tuple[str, ...] = ()
    parameters, names = set(names), {**names, **_unlike_tensors(program, names)}
    for node in program.graph.nodes:
        if node.op == "placeholder":
            if node.name not in parameters:
                inputs.append(names.get(node.name, node.name))
        elif node.op == "output":
            outputs = tuple(names.get(n.name, n.name) for n in node.args[0] if isinstance(n, fx.Node))
        elif node.op == "call_function":
            nodes.append(_node(node, names))
        elif node.op != "get_attr":
            raise TraceError(f"cannot follow a node of kind {node.op} ('{node.name}')")
    return tuple(nodes), tuple(inputs), outputs


def _unlike_tensors(program: ExportedProgram, names: Mapping[str, str]) -> dict[str, str]:
    """New names of results and inputs that are called as a tensor is: a buffer "mean" and the result of a mean."""
    results = [node.name for node in program.graph.nodes if node.name not in names]
    taken, found = {*names.values(), *results}, {}
    for name in results:
        if name in names.values():
            free = next(f"{name}_{n}" for n in count(1) if f"{name}_{n}" not in taken)
            taken.add(free)
            found[name] = free
    return found


def _node(node: fx.Node, names: Mapping[str, str]) -> Node:
    value = node.meta.get("val")
    op = _op_name(node.target)
    args = tuple(_plain(a, names) for a in node.args)
    kwargs = {k: _plain(v, names) for k, v in node.kwargs.items() if k not in _DROPPED_KWARGS and v is not None}
    result = Node(names.get(node.name, node.name), op, args, kwargs, _shape(value), _layer(node))
    if result.kind in _CASTS and isinstance(value, torch.Tensor):
        # "to" has many forms; what counts is the type that comes out
        same = value.dtype == node.all_input_nodes[0].meta["val"].dtype
        dtype = {} if same else {"dtype": str(value.dtype).removeprefix("torch.")}
        return replace(result, op="aten._to_copy.default", args=args[:1], kwargs=dtype)
    place = operation_of(result.kind).training
    if place is not None and result.arg(place) is False:
        return replace(result, training=((place, True),))
    if result.kind in CREATED and isinstance(value, torch.Tensor):
        # numbers without a type are float here and counts there; the network runs in other precisions too
        return replace(result, kwargs={**kwargs, "dtype": str(value.dtype).removeprefix("torch.")})
    if result.kind in RESHAPES and isinstance(value, torch.Tensor):
        sizes = _sizes(value)
        if sizes is not None:
            return replace(result, op="aten.reshape.default", args=(args[0], sizes), kwargs={})
    first = node.all_input_nodes[0].meta["val"] if node.all_input_nodes else None
    return _by_its_usual_name(result, first.ndim) if isinstance(first, torch.Tensor) else result


def _by_its_usual_name(node: Node, rank: int) -> Node:
    """Names that few use, as the operation that does the same; `rank` of what is read."""
    if node.op in ("aten.max.other", "aten.min.other"):
        return replace(node, op=f"aten.{node.kind}imum.default")
    if node.op == "aten.zero.default":
        return replace(node, op="aten.zeros_like.default")
    if node.op == "aten.fill.Scalar":
        return replace(node, op="aten.full_like.default")
    if node.kind in ("movedim", "moveaxis", "swapdims", "swapaxes"):
        return replace(node, op="aten.permute.default", args=(node.args[0], _order(node, rank)))
    if node.kind == "tile":
        times = (*[1] * (rank - len(node.args[1])), *node.args[1])
        return replace(node, op="aten.repeat.default", args=(node.args[0], times))
    if node.kind in _JOINS and rank > _JOINS[node.kind]:
        return replace(node, op="aten.cat.default", args=(node.args[0], _JOINS[node.kind]))
    if node.kind in _SPLITS and node.shape:
        along = _SPLITS[node.kind] or node.arg(2, 0) % rank
        if along and rank > along:  # not the batch
            sizes = tuple(shape[along] for shape in node.shape)
            return replace(node, op="aten.split_with_sizes.default", args=(node.args[0], sizes, along))
    return node


def _order(node: Node, rank: int) -> tuple[int, ...]:
    """The dimensions in their new order."""
    first, second = ([d % rank for d in (a if isinstance(a, tuple) else (a,))] for a in node.args[1:3])
    order = list(range(rank))
    if node.kind.startswith("swap"):
        (a,), (b,) = first, second
        order[a], order[b] = b, a
        return tuple(order)
    order = [d for d in order if d not in first]
    for target, source in sorted(zip(second, first, strict=True)):
        order.insert(target, source)
    return tuple(order)


def _op_name(target: Any) -> str:
    if target is operator.getitem:
        return "getitem"
    if isinstance(target, torch._ops.OpOverload):
        packet, overload = str(target).split(".")[1:]
        # tracing makes later readers use the result, so the in-place form is the plain one
        functional = packet[:-1] if packet.endswith("_") and not packet.endswith("__") else packet
        if functional != packet and not hasattr(getattr(torch.ops.aten, functional, None), overload):
            functional = packet
        return f"aten.{functional}.{overload}"
    name = getattr(target, "__name__", "")
    if getattr(operator, name, None) is target or name in {"add", "mul", "sub", "floordiv"}:
        return f"sym.{name}"
    raise TraceError(f"cannot follow {target}: only ATen operations are understood")


def _plain(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, fx.Node):
        return Ref(names.get(value.name, value.name))
    if isinstance(value, list | tuple):
        return tuple(_plain(v, names) for v in value)
    if isinstance(value, torch.dtype):
        return str(value).removeprefix("torch.")
    return value


def _one_window(size: Any) -> int:
    """A size for a batch of one window."""
    if isinstance(size, int):
        return size
    expression = size.node.expr
    return int(expression.subs(dict.fromkeys(expression.free_symbols, 1)))


def _shape(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return tuple(_one_window(s) for s in value.shape)
    if isinstance(value, list | tuple):
        return tuple(_shape(v) for v in value)
    return ()


def _sizes(value: torch.Tensor) -> tuple[int, ...] | None:
    """Sizes for `reshape` with −1 where the batch is, or None when the batch is in several places."""
    batched = [not isinstance(s, int) for s in value.shape]
    if sum(batched) > 1:
        return None
    return tuple(-1 if b else int(s) for s, b in zip(value.shape, batched, strict=True))


def _layer(node: fx.Node) -> str:
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    path = str(stack[-1][0]) if stack else ""
    if path.startswith("_empty_nn_module_stack"):  # torch's name for "no module"
        return ""
    return path.removeprefix("L['self'].").removeprefix("L__self___")


def simplify(network: Network) -> Network:
    """Drop operations that do nothing (contiguous, full slices, …) and results that nobody reads."""
    renamed: dict[str, str] = {}
    nodes = []
    for node in network.nodes:
        args = map_refs(node.args, lambda name: Ref(renamed.get(name, name)))
        kwargs = {k: map_refs(v, lambda name: Ref(renamed.get(name, name))) for k, v in node.kwargs.items()}
        node = replace(node, args=args, kwargs=kwargs)
        if _does_nothing(node, network):
            renamed[node.name] = node.inputs[0]
        else:
            nodes.append(node)
    output = renamed.get(network.output, network.output)
    return drop_unused(replace(network, nodes=tuple(nodes), output=output))


def _does_nothing(node: Node, network: Network) -> bool:
    if node.kind in DROPOUTS:  # one that is off
        return node.arg(2) is False and not node.training
    if node.kind in _IDENTITIES:
        return "dtype" not in node.kwargs and len(node.args) < 2
    if node.kind == "detach":  # of a result it stops gradients, which training must keep
        return node.inputs[0] in network.tensors and node.inputs[0] not in network.trainable
    if node.kind == "slice":
        start, end, step = node.arg(2), node.arg(3), node.arg(4, 1)
        size = network.shape_of(node.inputs[0])[node.arg(1, 0)]
        return not start and step == 1 and (end is None or (isinstance(end, int) and end >= max(size, 2**31)))
    return False


def drop_unused(network: Network) -> Network:
    """The network without operations and tensors that its output does not need."""
    needed = {network.output}
    kept = []
    for node in reversed(network.nodes):
        if node.name in needed:
            kept.append(node)
            needed.update(node.inputs)
    tensors = {name: t for name, t in network.tensors.items() if name in needed}
    return replace(
        network,
        nodes=tuple(reversed(kept)),
        tensors=tensors,
        trainable=network.trainable & set(tensors),
        constraints=tuple(c for c in network.constraints if c.tensor in tensors),
    )
