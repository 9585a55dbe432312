"""The operations that a network file may hold, and what their arguments may be.

A file from a stranger names operations, so what it may name is a list: the table. One that is missing there is one more
word. Of a listed operation every overload that changes
nothing and writes nowhere is allowed, with arguments of the types that torch itself says it takes.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch

from trimcap._errors import TraceError
from trimcap.graph.node import Node, Ref, refs
from trimcap.graph.ops import table
from trimcap.graph.ops.table import OPERATIONS

#: what a number of a graph that depends on the batch may be computed by
NUMBERS: Mapping[str, Callable[..., Any]] = {f"sym.{name}": getattr(operator, name) for name in table.NUMBERS}
DTYPES: Mapping[str, torch.dtype] = {
    name: getattr(torch, name)
    for name in (
        *("float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"),
        *("complex64", "complex128"),
    )
}
ALLOWED = frozenset(OPERATIONS) - frozenset(NUMBERS) - {"getitem"}
_TEXT = re.compile(r"[\w ,.>-]{0,200}")
_BOUND = 2**63


def operation(name: str) -> Callable[..., Any]:
    """The function behind "aten.conv2d.default", "sym.add" or "getitem".

    Raises
    ------
    TraceError : there is no such operation, or it is not of those that a network may hold.
    """
    if name == "getitem":
        return operator.getitem
    if name in NUMBERS:
        return NUMBERS[name]
    space, _, rest = name.partition(".")
    packet, _, form = rest.partition(".")
    if space != "aten" or packet not in ALLOWED:
        raise TraceError(
            f"operation {name[:80]!r} is not among those that a network may hold; if it only computes, add "
            f"'{packet[:40]}' to the list in trimcap/graph/ops/table.py"
        )
    found = getattr(torch.ops.aten, packet, None)
    if found is None or form not in found.overloads():
        raise TraceError(f"torch {torch.__version__} has no operation {name[:80]!r}")
    overload: Callable[..., Any] = getattr(found, form)
    if overload._schema.is_mutable:  # type: ignore[attr-defined]
        raise TraceError(f"operation {name[:80]!r} changes what it is given; a network holds its plain form")
    return overload


def misused(node: Node) -> str:
    """Why the arguments of a node are none that its operation takes; "" if they are.

    Raises
    ------
    TraceError : its operation is not allowed.
    """
    function = operation(node.op)
    if node.training:
        return _misused_in_training(node) or misused(replace(node, training=()))
    if node.op in NUMBERS or node.op == "getitem":
        first = isinstance(node.arg(0), Ref) if node.op == "getitem" else True
        rest = node.args[1:] if node.op == "getitem" else node.args
        whole = len(node.args) in (1, 2) and not node.kwargs and all(_fits(a, "int") for a in rest)
        return "" if first and whole else f"its arguments are {repr(node.args)[:80]}"
    schema = function._schema.arguments  # type: ignore[attr-defined]
    places = [a for a in schema if not a.kwarg_only]
    names = {a.name: a for a in schema}
    if len(node.args) > len(places):
        return f"it has {len(node.args)} arguments; {node.op} takes {len(places)}"
    given = dict(zip((a.name for a in places), node.args, strict=False))
    for name, value in node.kwargs.items():
        if name in given or name not in names:
            return f"its argument '{name[:40]}' is unknown, or given twice"
        given[name] = value
    for name, argument in names.items():
        if name not in given and not argument.has_default_value():
            return f"its argument '{name}' is missing"
    wrong = [name for name, value in given.items() if not _fits(value, str(names[name].real_type))]
    return f"its argument '{wrong[0]}' is {repr(given[wrong[0]])[:80]}" if wrong else ""


def _misused_in_training(node: Node) -> str:
    """Why the arguments of training mode are none; "" if they are."""
    for entry in node.training:
        place = entry[0] if isinstance(entry, tuple) and len(entry) == 2 else None
        there = (type(place) is int and 0 <= place < len(node.args)) or (type(place) is str and place in node.kwargs)
        if not there or any(refs(entry)):
            return f"in training it would change {repr(entry)[:80]}, which is no argument of it"
    return misused(replace(node.in_training(), training=()))


def _fits(value: Any, kind: str) -> bool:
    """Whether a value is what torch calls `kind`; sizes and numbers may be results of other nodes."""
    if kind.startswith("Optional["):
        return value is None or _fits(value, kind[9:-1])
    if kind.startswith("List["):
        inner = kind[5:-1]
        if isinstance(value, tuple):
            return all(_fits(item, inner) for item in value)
        return inner in ("int", "float") and _fits(value, inner)  # one number for all dimensions
    if isinstance(value, Ref):
        return kind in ("Tensor", "int", "float", "number", "t")
    if kind == "ScalarType":
        return isinstance(value, str) and value in DTYPES
    if kind == "bool":
        return isinstance(value, bool)
    if kind == "str":
        return isinstance(value, str) and _TEXT.fullmatch(value) is not None
    if kind in ("int", "float", "number"):
        allowed = int if kind == "int" else (int, float)
        bounded = not isinstance(value, int) or -_BOUND <= value < _BOUND
        return isinstance(value, allowed) and bounded and (kind == "number" or not isinstance(value, bool))
    if kind == "Tensor":  # torch takes a number for a tensor
        return isinstance(value, int | float) and not isinstance(value, bool)
    return False
