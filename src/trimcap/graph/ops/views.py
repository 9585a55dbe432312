"""Views: reshape, permute, expand, repeats; and sizes and constants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from trimcap._errors import PlanError
from trimcap.graph.node import Node, Ref, Shape
from trimcap.graph.ops.atoms import Dim, concatenate, freeze, fresh, regroup, size_of, unify
from trimcap.graph.ops.walk import Dims, Keep, Walk, not_understood

if TYPE_CHECKING:
    from trimcap.graph.network import Network

#: the same elements in the same order in another shape, however it is told; a network holds `reshape`
RESHAPES = frozenset(
    ("reshape", "view", "view_as", "_unsafe_view", "_reshape_alias", "flatten", "unflatten", "squeeze", "unsqueeze")
)
#: tensors made of nothing: they are told their type, and go where the network runs
CREATED = ("zeros", "ones", "full", "empty", "arange", "eye", "linspace", "scalar_tensor", "hann_window")


def reshape(walk: Walk, node: Node) -> Dims:
    """Flatten multiplies, unflatten splits; the batch of one has no atoms."""
    why = f"reshaped by {node.where}"
    result = regroup(walk.of(node.args[0]), node.shape, why)
    if result is None:
        return tuple(fresh(s, why) for s in node.shape)
    return tuple(result)


def permute(walk: Walk, node: Node) -> Dims:
    """A new order of the dimensions."""
    x = walk.of(node.args[0])
    return tuple(x[i] for i in node.args[1])


def transpose(walk: Walk, node: Node) -> Dims:
    """Swap two dimensions."""
    x = list(walk.of(node.args[0]))
    i, j = node.args[1:3] if len(node.args) > 2 else (0, -1)  # "t" and "mT" name none
    x[i], x[j] = x[j], x[i]
    return tuple(x)


def expand(walk: Walk, node: Node) -> Dims:
    """Broadcast copies are all the same, so that any of them may go."""
    x = walk.of(node.args[0])
    before = walk.shape(node.args[0])
    x = ((),) * (len(node.shape) - len(x)) + x
    before = (1,) * (len(node.shape) - len(before)) + before
    copies = _uniform(node, node.args[1])
    return tuple(d if old == new else copy for d, old, new, copy in zip(x, before, node.shape, copies, strict=True))


def expand_as(walk: Walk, node: Node) -> Dims:
    """As many copies as the other tensor has slices: theirs."""
    x, other = walk.of(node.args[0]), walk.of(node.args[1])
    x = ((),) * (len(other) - len(x)) + x
    for dim, theirs in zip(x, other, strict=True):
        if size_of(dim) > 1:
            unify(dim, theirs, f"expanded by {node.where}")
    return other


def _uniform(node: Node, sizes: Any) -> Dims:
    """Dimensions along which all is the same: free, unless their size is computed together with the batch."""
    why = f"its size depends on the batch too at {node.where}"
    return tuple(
        fresh(size, "" if isinstance(given, int) else why) for size, given in zip(node.shape, sizes, strict=True)
    )


def repeat(walk: Walk, node: Node) -> Dims:
    """The whole dimension again and again: the number of times stays, what is repeated is cut in each."""
    x = walk.of(node.args[0])
    times = node.args[1]
    x = ((),) * (len(times) - len(x)) + x
    why = f"repeated by {node.where}"
    # how often is read off the sizes, because the batch may be part of the number
    return tuple((*fresh(size // size_of(d), why), *d) for size, d in zip(node.shape, x, strict=True))


def repeat_interleave(walk: Walk, node: Node) -> Any:
    """Each slice several times in a row."""
    along, times = node.arg(2, node.kwargs.get("dim")), node.args[1]
    if along is None or not isinstance(times, int):
        return not_understood(walk, node)
    x = list(walk.of(node.args[0]))
    x[along] = (*x[along], *fresh(times, f"repeated by {node.where}"))
    return tuple(x)


def stack(walk: Walk, node: Node) -> Dims:
    """A new dimension with one slice for each tensor."""
    tensors = [walk.of(ref) for ref in node.args[0]]
    along = node.arg(1, 0) % (len(tensors[0]) + 1)
    for other in tensors[1:]:
        for x, y in zip(tensors[0], other, strict=True):
            unify(x, y, f"operands of {node.where}")
    first = tensors[0]
    return (*first[:along], fresh(len(tensors), f"stacked by {node.where}"), *first[along:])


def cat(walk: Walk, node: Node) -> Dims:
    """Concatenation adds dimensions along one and unifies the others."""
    # an empty vector joins anything
    tensors = [walk.of(ref) for ref in node.args[0] if walk.shape(ref) != (0,)]
    along = node.arg(1, 0) % len(tensors[0])
    out: list[Dim] = []
    for i, first in enumerate(tensors[0]):
        if i == along:
            out.append(concatenate([t[i] for t in tensors]))
        else:
            for other in tensors[1:]:
                unify(first, other[i], f"operands of {node.where}")
            out.append(first)
    return tuple(out)


def flip(walk: Walk, node: Node) -> Dims:
    """The other way round: places along the dimension count."""
    x = walk.of(node.args[0])
    over = node.args[1]
    for i in over if isinstance(over, tuple) else (over,):
        freeze(x[i], f"turned round by {node.where}")
    return x


def roll(walk: Walk, node: Node) -> Dims:
    """Moved along: places count."""
    x = walk.of(node.args[0])
    for i in node.arg(2, ()) or range(len(x)):
        freeze(x[i], f"moved along by {node.where}")
    return x


def triangle(walk: Walk, node: Node) -> Dims:
    """Half of a matrix: places count in both directions."""
    x = walk.of(node.args[0])
    for i in (-1, -2):
        freeze(x[i], f"cut to a triangle by {node.where}")
    return x


def unfold(walk: Walk, node: Node) -> Dims:
    """Sliding windows over one dimension."""
    x = list(walk.of(node.args[0]))
    along, why = node.args[1] % len(x), f"windows are cut from it by {node.where}"
    freeze(x[along], why)
    x[along] = fresh(node.shape[along], why)
    return (*x, fresh(node.shape[-1], why))


def parts_of_complex(walk: Walk, node: Node) -> Dims:
    """A complex number as two real ones, in a last dimension of its own."""
    x = walk.of(node.args[0])
    if node.kind == "view_as_real":
        return (*x, fresh(2, f"real and imaginary part at {node.where}"))
    freeze(x[-1], f"real and imaginary part at {node.where}")
    return x[:-1]


def getitem(walk: Walk, node: Node) -> Dims:
    """One of several results."""
    found: Dims = walk.dims[node.args[0].name][node.args[1]]
    return found


def number(walk: Walk, node: Node) -> Dims:
    """A size: no dimensions."""
    del walk, node
    return ()


def filled(walk: Walk, node: Node) -> Any:
    """zeros, ones, full: the same value everywhere, so that any slice may go."""
    value = node.arg(2 if node.kind == "new_full" else 1) if node.kind.endswith("full") else None
    if isinstance(value, Ref):
        return not_understood(walk, node)
    return _uniform(node, node.args[1 if node.kind.startswith("new_") else 0])


def numbered(walk: Walk, node: Node) -> Dims:
    """arange, eye, linspace: a constant whose values are places."""
    del walk
    return tuple(fresh(s, f"constant made at {node.where}") for s in node.shape)


def permutation(node: Node, ndim: int) -> tuple[int, ...]:
    """Where each output dimension of a permute or transpose comes from."""
    if node.kind == "permute":
        return tuple(d % ndim for d in node.args[1])
    order = list(range(ndim))
    a, b = node.args[1] % ndim, node.args[2] % ndim
    order[a], order[b] = order[b], order[a]
    return tuple(order)


# ---- sizes ----


def sizes_first(network: Network, node: Node, shape: Shape, keep: Keep) -> Node:
    """zeros, ones, full: the first argument holds the sizes of the result."""
    del network, keep
    return replace(node, args=(_sizes(node, node.args[0], shape), *node.args[1:]))


def sizes_second(network: Network, node: Node, shape: Shape, keep: Keep) -> Node:
    """reshape, expand, new_zeros: the second argument holds the sizes of the result."""
    del network, keep
    return replace(node, args=(node.args[0], _sizes(node, node.args[1], shape), *node.args[2:]))


def repeated_size(network: Network, node: Node, shape: Shape, keep: Keep) -> Node:
    """repeat_interleave may be told the size that it makes."""
    del network, keep
    if node.kwargs.get("output_size") is None:
        return node
    return replace(node, kwargs={**node.kwargs, "output_size": shape[node.arg(2, node.kwargs.get("dim"))]})


def _sizes(node: Node, sizes: Sequence[Any], shape: Shape) -> tuple[Any, ...]:
    """Sizes of a result: −1 and batch-dependent entries stay, numbers follow the axes."""
    new = []
    for old, before, after in zip(sizes, node.shape, shape, strict=True):
        if before == after:
            new.append(old)
        elif isinstance(old, int):
            new.append(old if old == -1 else after)
        else:
            raise PlanError(f"cannot prune at {node.where}: a size there depends on the batch and on the axis")
    return tuple(new)
