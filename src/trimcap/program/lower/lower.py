"""From a traced Network to a float Program: ATen operations become the few kinds of `program`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod
from typing import Any

import torch

from trimcap.graph.network import Network
from trimcap.graph.node import Node, Ref, map_refs
from trimcap.graph.ops.allowed import operation
from trimcap.graph.ops.layers import CONVOLUTIONS
from trimcap.program.check import check
from trimcap.program.lower import arith as lower_arith
from trimcap.program.lower import linear as lower_linear
from trimcap.program.lower import maps as lower_maps
from trimcap.program.lower import norm as lower_norm
from trimcap.program.lower import pool as lower_pool
from trimcap.program.lower import product as lower_product
from trimcap.program.lower import shape as lower_shape
from trimcap.program.lower.building import Builder, CannotLower, View
from trimcap.program.lower.tidy import tidy
from trimcap.program.program import Program, Value

_RULES: dict[str, Callable[[Builder, Node], View | tuple[View, ...]]] = {
    **dict.fromkeys(CONVOLUTIONS, lower_linear.conv),
    "linear": lower_linear.linear,
    "addmm": lower_linear.addmm,
    "batch_norm": lower_linear.batch_norm,
    **lower_maps.RULES,
    **lower_norm.RULES,
    **lower_product.RULES,
    **lower_arith.RULES,
    **lower_shape.RULES,
    **lower_pool.RULES,
}
_QUIET = {"_to_copy", "alias", "clone", "contiguous", "detach", "getitem", "to"}
SUPPORTED: tuple[str, ...] = tuple(sorted({*_RULES, "softmax"} - _QUIET))
"""Names of the ATen operations that `lower` understands, for messages."""


def lower(network: Network, *, name: str = "net", classes: Sequence[str] = ()) -> Program:
    """Write a network as a float Program: the same function on one window.

    Batch norm that is still there becomes a 1×1 depthwise convolution, zero padding moves into convolutions,
    dropout disappears, relu and clamps after a sum become its limits. A softmax (or log-softmax) over the classes at
    the very end is left out, because the largest output stays the same; `Program.notes` says so.

    Parameters
    ----------
    network : one input, one output
    name : name of the program, of the files and C functions made from it
    classes : names of the outputs

    Returns
    -------
    Program of float32 values

    Raises
    ------
    ValueError : an operation has no counterpart; names it, its layer and what is supported.
    """
    if len(network.inputs) != 1:
        what = f"a network with {len(network.inputs)} inputs"
        raise CannotLower(f"cannot lower {what} ({', '.join(network.inputs)})", f"{what} has no C")
    b = Builder(network)
    (input_name, shape), *_ = network.inputs.items()
    b.values[input_name] = Value(input_name, tuple(shape))
    b.views[input_name] = View(input_name, tuple(shape))
    for node in network.nodes:
        b.node = node
        if node.kind == "sym_size":
            b.folded[node.name] = network.shape_of(node.inputs[0])[node.args[1]]
        elif all(name in b.folded for name in node.inputs):
            b.folded[node.name] = _evaluate(b, node)
        else:
            b.views[node.name] = _lower_node(b, node)
    output = b.shaped(b.view(Ref(network.output)), tuple(network.shape_of(network.output)[1:]))
    notes = (*network.notes, *b.notes)
    program = Program(
        name, tuple(b.ops), b.values, b.constants, input_name, output, tuple(classes), notes, expects=network.expects
    )
    try:
        return check(tidy(replace(program, seen=network.seen)))
    except ValueError as error:
        raise CannotLower(str(error), str(error)) from error


def _evaluate(b: Builder, node: Node) -> Any:
    """The result of an operation on constants only."""
    kwargs = {k: map_refs(v, b.folded.__getitem__) for k, v in node.kwargs.items()}
    if "dtype" in kwargs:
        kwargs["dtype"] = getattr(torch, kwargs["dtype"])
    with torch.no_grad():
        return operation(node.op)(*map_refs(node.args, b.folded.__getitem__), **kwargs)


def _lower_node(b: Builder, node: Node) -> View | tuple[View, ...]:
    if node.kind in ("softmax", "log_softmax"):
        return _softmax(b, node)
    rule = _RULES.get(node.kind)
    if rule is None:
        raise b.error(f"it is not supported. Supported: {', '.join(SUPPORTED)}")
    if isinstance(node.shape, tuple) and node.shape and isinstance(node.shape[0], int) and node.shape[0] != 1:
        raise b.error(f"its result has shape {node.shape} for one window: it merges or splits the batch dimension")
    return rule(b, node)


def _softmax(b: Builder, node: Node) -> View:
    view = b.view(node.args[0])
    dim = b.dim(node.args[1], len(view.shape) + 1)
    if not _is_last(b.network, node.name) or view.shape[dim] != prod(view.shape):
        if node.kind == "softmax":
            return lower_norm.softmax(b, view, dim)
        raise b.error("log_softmax is supported over the classes as the very last operation only; use softmax")
    b.notes.append(
        f"the final {node.kind} was left out: outputs are logits; the largest output is the same class as before"
    )
    return view


def _is_last(network: Network, name: str) -> bool:
    """Whether only reshapes follow."""
    while name != network.output:
        users = network.users.get(name, ())
        if len(users) != 1 or users[0].kind != "reshape":
            return False
        name = users[0].name
    return name not in network.users


__all__ = ["SUPPORTED", "lower"]
