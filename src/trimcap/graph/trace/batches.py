"""One graph for every batch size from two graphs for fixed ones.

`torch.export` gives up where it can't prove that a size is right for every batch. Written down for batches of two and
of three windows, the same model gives the same operations; a number that is 2k in one and 3k in the other is k times
the batch. Whether that holds for other batches too is not taken on trust: `trace` compares batches of one and three.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from trimcap._errors import TraceError
from trimcap.graph.node import Node, Ref

#: name of the node that holds the batch size
_BATCH = "batch size"


def merge(two: Sequence[Node], three: Sequence[Node], first_input: str) -> tuple[Node, ...]:
    """The nodes for any batch, from those for batches of two and of three windows.

    Raises
    ------
    TraceError : the two are not the same operations, or a number is not a multiple of the batch
    """
    if [(n.op, n.layer) for n in two] != [(n.op, n.layer) for n in three]:
        raise TraceError("other operations run for a batch of three windows than for one of two")
    multiples: set[int] = set()
    nodes = [_node(a, b, multiples) for a, b in zip(two, three, strict=True)]
    batch = Node(_BATCH, "aten.sym_size.int", (Ref(first_input), 0), {}, ())
    times = [Node(_name(k), "sym.mul", (Ref(_BATCH), k), {}, ()) for k in sorted(multiples - {1})]
    return (batch, *times, *nodes)


def _name(multiple: int) -> str:
    return _BATCH if multiple == 1 else f"{multiple} × {_BATCH}"


def _node(a: Node, b: Node, multiples: set[int]) -> Node:
    args = tuple(_value(x, y, a, multiples) for x, y in zip(a.args, b.args, strict=True))
    kwargs = {k: _value(v, b.kwargs[k], a, multiples) for k, v in a.kwargs.items()}
    if a.kind == "reshape" and sum(isinstance(size, Ref) for size in args[1]) == 1:
        args = (args[0], tuple(-1 if isinstance(size, Ref) else size for size in args[1]))
    return replace(a, args=args, kwargs=kwargs, shape=_shape(a.shape, b.shape, a))


def _value(x: Any, y: Any, node: Node, multiples: set[int]) -> Any:
    if isinstance(x, tuple) and isinstance(y, tuple) and len(x) == len(y):
        return tuple(_value(a, b, node, multiples) for a, b in zip(x, y, strict=True))
    if x == y or isinstance(x, Ref):
        return x
    if isinstance(x, int) and isinstance(y, int) and x > 0 and 3 * x == 2 * y:
        multiples.add(x // 2)
        return Ref(_name(x // 2))
    raise TraceError(f"{node.where} has the argument {x} for two windows and {y} for three: not a multiple of them")


def _shape(x: Any, y: Any, node: Node) -> Any:
    if isinstance(x, tuple):
        return tuple(_shape(a, b, node) for a, b in zip(x, y, strict=True))
    one = 2 * x - y  # linear in the batch
    if one < 0:
        raise TraceError(f"the size of the result of {node.where} is {x} for two windows and {y} for three")
    return one
