"""Products: matmul, einsum, attention. A contracted axis is free: a slice that is missing adds nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any

from trimcap.graph.node import Node, Ref, Shape, refs
from trimcap.graph.ops.atoms import Dim, freeze, size_of, unify
from trimcap.graph.ops.walk import Dims, Keep, Reader, Walk, not_understood

if TYPE_CHECKING:
    from trimcap.graph.network import Network

#: where the two factors are
FACTORS = {"matmul": 0, "bmm": 0, "mm": 0, "mv": 0, "dot": 0, "baddbmm": 1, "addmm": 1}


def matmul(walk: Walk, node: Node) -> Any:
    """Matrix product: the contracted dimensions agree; the outer ones pass."""
    first = FACTORS[node.kind]
    x, y = walk.of(node.args[first]), walk.of(node.args[first + 1])
    why = f"contracted by {node.where}"
    unify(x[-1], y[-2] if len(y) > 1 else y[-1], why)
    shapes = [walk.shape(node.args[first + i])[:-2] for i in range(2)]
    outer = _together([x[:-2], y[:-2]], shapes, f"operands of {node.where}")
    result = (*outer, *(x[-2:-1] if len(x) > 1 else ()), *(y[-1:] if len(y) > 1 else ()))
    if first and isinstance(node.args[0], Ref):  # what is added may be smaller
        result = _together([result, walk.of(node.args[0])], [node.shape, walk.shape(node.args[0])], why)
    return result


def _together(tensors: list[Dims], shapes: list[tuple[int, ...]], why: str) -> Dims:
    """Dimensions of a broadcast result."""
    rank = max(map(len, shapes))
    out: list[Dim] = []
    for i in range(-rank, 0):
        dims = [t[i] for t, s in zip(tensors, shapes, strict=True) if len(s) >= -i and s[i] > 1]
        for other in dims[1:]:
            unify(dims[0], other, why)
        out.append(dims[0] if dims else ())
    return tuple(out)


def attention(walk: Walk, node: Node) -> Any:
    """Scaled dot-product attention: softmax mixes the tokens; heads, and features of queries and values, are free."""
    q, k, v = (walk.of(a) for a in node.args[:3])
    mask = node.kwargs.get("attn_mask", node.arg(3))
    if node.kwargs.get("enable_gqa", node.arg(7)):
        return not_understood(walk, node)
    why = f"mixed by attention at {node.where}"
    for dim in (k[-2], v[-2]):
        freeze(dim, why)
    if mask is not None or node.kwargs.get("is_causal", node.arg(5)):
        freeze(q[-2], why)
    unify(k[-2], v[-2], why)
    unify(q[-1], k[-1], f"contracted by {node.where}")
    shapes = [walk.shape(a)[:-2] for a in node.args[:3]]
    outer = _together([q[:-2], k[:-2], v[:-2]], shapes, f"heads of {node.where}")
    if isinstance(mask, Ref):
        _mask(walk, mask, (*outer, q[-2], k[-2]), why)
    return (*outer, q[-2], v[-1])


def _mask(walk: Walk, mask: Ref, scores: Dims, why: str) -> None:
    dims, shape = walk.of(mask), walk.shape(mask)
    for dim, size, other in zip(reversed(dims), reversed(shape), reversed(scores), strict=False):
        if size > 1:
            unify(dim, other, why)


def indices(node: Node, ranks: list[int]) -> tuple[list[list[str]], list[str]] | None:
    """The letters of every operand of an einsum and of its result; None for a form that is not understood."""
    inputs, arrow, result = node.args[0].replace(" ", "").partition("->")
    operands = inputs.split(",")
    if not arrow or len(operands) != len(ranks):
        return None
    rest = max((rank - len(o.replace("...", "")) for o, rank in zip(operands, ranks, strict=True)), default=0)
    letters = [_letters(o, rank, rest) for o, rank in zip(operands, ranks, strict=True)]
    if any(len(set(found)) < len(found) for found in letters) or ("..." in inputs and "..." not in result):
        return None  # a diagonal, or a sum over dimensions without a name
    return letters, _letters(result, len(result.replace("...", "")) + rest * ("..." in result), rest)


def _letters(operand: str, rank: int, rest: int) -> list[str]:
    """One name per dimension; those under the dots are numbered from the last, so that they broadcast."""
    before, dots, after = operand.partition("...")
    hidden = rank - len(before) - len(after) if dots else 0
    return [*before, *(f".{rest - hidden + i}" for i in range(hidden)), *after]


def einsum(walk: Walk, node: Node) -> Any:
    """Dimensions of one letter agree; those that the result lacks are summed."""
    operands = [walk.of(ref) for ref in node.args[1]]
    shapes = [walk.shape(ref) for ref in node.args[1]]
    found = indices(node, [len(o) for o in operands])
    if found is None:
        return not_understood(walk, node)
    letters, result = found
    dims: dict[str, Dim] = {}
    for names, operand, shape in zip(letters, operands, shapes, strict=True):
        for letter, dim, size in zip(names, operand, shape, strict=True):
            if size > 1:
                unify(dims.setdefault(letter, dim), dim, f"operands of {node.where}")
    return tuple(dims.get(letter, ()) for letter in result)


# ---- costs ----


def matmul_macs(network: Network, node: Node) -> int:
    """Outputs · inner size."""
    first = node.args[FACTORS.get(node.kind, 1)]
    return int(prod(node.shape) * network.shape_of(first.name)[-1])


def attention_macs(network: Network, node: Node) -> int:
    """Queries · keys · (size of a key + size of a value)."""
    query, key, value = (network.shape_of(node.args[i].name) for i in range(3))
    return prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


def einsum_macs(network: Network, node: Node) -> int:
    """Products of an einsum that contracts its operands pair by pair from the left."""
    equation, shapes = node.args[0], [network.shape_of(ref.name) for ref in refs(node.args[1])]
    left, _, right = equation.replace(" ", "").partition("->")
    terms = [_spelled_out(term, len(shape)) for term, shape in zip(left.split(","), shapes, strict=True)]
    size: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        for letter, n in zip(term, shape, strict=True):
            size[letter] = max(n, size.get(letter, 1))
    kept = set(right) | {letter for letter in size if letter.isdigit()} if "->" in equation else set()
    total, seen = 0, set(terms[0])
    for i, term in enumerate(terms[1:], start=1):
        total += prod(size[letter] for letter in seen | set(term))
        seen = (seen | set(term)) & (kept | set("".join(terms[i + 1 :])))
    return total


def _spelled_out(term: str, ndim: int) -> str:
    """One letter per dimension: "..." becomes digits, counted from the right."""
    hidden = ndim - len(term.replace("...", ""))
    return term.replace("...", "".join(str(i) for i in reversed(range(hidden))))


# ---- what is read ----


def reads_inner(node: Node) -> list[Reader]:
    """A product of matrices or attention: the last dimension of the first factor."""
    return [(node.args[FACTORS.get(node.kind, 0)].name, lambda rank: [rank - 1])]


def reads_letters(node: Node) -> list[Reader]:
    """An einsum: each letter that the result lacks, from the first operand that has it."""
    operands, _, result = node.args[0].replace(" ", "").partition("->")
    seen = set(result)
    found: list[Reader] = []
    for ref, operand in zip(node.args[1], operands.split(","), strict=True):
        summed = [letter for letter in operand.replace(".", "") if letter not in seen]
        seen.update(summed)
        if summed:
            found.append((ref.name, partial(_places, operand, summed)))
    return found


def _places(operand: str, letters: Sequence[str], rank: int) -> list[int]:
    """Dimensions of some letters; those after dots are counted from the last."""
    before, _, after = operand.partition("...")
    at = {letter: i for i, letter in enumerate(before)}
    at |= {letter: rank - len(after) + i for i, letter in enumerate(after)}
    return [at[letter] for letter in letters]


# ---- sizes ----


def same_scale(network: Network, node: Node, shape: Shape, keep: Keep) -> Node:
    """Attention divides by √(number of features) unless it is told: it is told the number there was."""
    del shape
    features = network.axes.dims(node.args[0].name)[-1]
    size = size_of(features)
    if node.kwargs.get("scale") is not None or len(network.axes.index(features, keep)) == size:
        return node
    return replace(node, kwargs={**node.kwargs, "scale": size**-0.5})
