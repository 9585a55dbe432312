"""Matrix products: einsum and matmul of two tensors of a window, or of one with a constant."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

from trimcap.graph.node import Node
from trimcap.graph.ops.products import indices
from trimcap.program.kernels import row_major
from trimcap.program.lower.building import Builder, View, replace_view
from trimcap.program.lower.linear import matmul as by_matrix
from trimcap.program.lower.shape import permuted

Letters = tuple[str, ...]


@dataclass(frozen=True)
class _Groups:
    """Letters of dimensions larger than 1: of both factors and the result, of one and the result, and summed ones."""

    size: Mapping[str, int]
    batch: Letters
    rows: Letters
    columns: Letters
    depth: Letters

    def count(self, letters: Letters) -> int:
        return prod(self.size[letter] for letter in letters)


def _einsum(b: Builder, node: Node) -> View:
    operands = node.args[1]
    shapes = [b.network.shape_of(a.name) for a in operands]
    found = indices(node, [len(s) for s in shapes])
    if found is None or len(operands) != 2:
        raise b.error("an einsum of two tensors with '->' and without diagonals is a matrix product; this is not")
    letters, result = found
    return _product(b, operands, [tuple(names) for names in letters], tuple(result))


def _matmul(b: Builder, node: Node) -> View:
    """Matrix product with the broadcasting of torch."""
    x, y = node.args[:2]
    ranks = [len(b.network.shape_of(a.name)) for a in (x, y)]
    if b.is_constant(y) and ranks[1] == 2:
        return by_matrix(b, node)
    outer = [f".{i}" for i in range(max(*ranks, 2) - 2)]
    first, second = (
        [*outer[len(outer) - max(rank - 2, 0) :], *names[2 - min(rank, 2) :]]
        for rank, names in zip(ranks, (("m", "k"), ("k", "n")), strict=True)
    )
    if ranks[1] == 1:
        second = ["k"]
    result = [*outer, *(name for name in first if name == "m"), *(name for name in second if name == "n")]
    return _product(b, (x, y), [tuple(first), tuple(second)], tuple(result))


def _product(b: Builder, operands: Sequence[Any], letters: Sequence[Letters], result: Letters) -> View:
    shapes = [b.network.shape_of(a.name) for a in operands]
    for operand, names in zip(operands, letters, strict=True):
        if not b.is_constant(operand) and names[:1] != result[:1]:
            raise b.error("it sums over the windows of a batch, or moves them")
    size: dict[str, int] = {}
    for names, shape in zip(letters, shapes, strict=True):
        for letter, n in zip(names, shape, strict=True):
            size[letter] = max(n, size.get(letter, 1))
    first, second = (
        tuple(letter for letter, n in zip(names, shape, strict=True) if n > 1)
        for names, shape in zip(letters, shapes, strict=True)
    )
    out = tuple(letter for letter in result if size[letter] > 1)
    lonely = {*first, *second} - (set(first) & set(second)) - set(out)
    if lonely:
        raise b.error(f"it sums '{', '.join(sorted(lonely))}' of one factor alone; sum that factor first")
    groups = _Groups(
        size,
        batch=tuple(letter for letter in out if letter in first and letter in second),
        rows=tuple(letter for letter in out if letter in first and letter not in second),
        columns=tuple(letter for letter in out if letter in second and letter not in first),
        depth=tuple(letter for letter in first if letter in second and letter not in out),
    )
    constant = [b.is_constant(operand) for operand in operands]
    if not any(constant):
        made, order = _of_two(b, [b.view(a) for a in operands], (first, second), groups)
    else:
        window, weight = (operands[constant.index(side)] for side in (False, True))
        here, there = (first, second) if constant[1] else (second, first)
        turned = _Groups(size, groups.batch, *_sides(groups, constant[1]), groups.depth)
        made, order = _by_constant(b, b.view(window), here, np.asarray(b.constant(weight)), there, turned)
    made = permuted(b, replace_view(made, tuple(size[x] for x in order)), [order.index(x) for x in out])
    return replace_view(made, b.out_shape)


def _sides(groups: _Groups, window_first: bool) -> tuple[Letters, Letters]:
    return (groups.rows, groups.columns) if window_first else (groups.columns, groups.rows)


def _of_two(b: Builder, views: Sequence[View], letters: Sequence[Letters], groups: _Groups) -> tuple[View, Letters]:
    """A matmul; an operand is permuted only where one walk of constant step cannot follow a group of letters."""
    wanted = ((groups.batch, groups.rows, groups.depth), (groups.batch, groups.depth, groups.columns))
    names, steps = [], []
    for view, own, order in zip(views, letters, wanted, strict=True):
        found = _steps(view, own, order, groups)
        if found is None:
            if view.strides is not None:
                raise b.error("a product of a broadcast (expand)")
            target = tuple(letter for group in order for letter in group)
            shape = tuple(groups.size[letter] for letter in own)
            view = permuted(b, replace_view(view, shape), [own.index(letter) for letter in target])
            found = row_major(tuple(groups.count(group) for group in order))
        names.append(view.value)
        steps.append(found)
    sizes = [groups.count(group) for group in (groups.batch, groups.rows, groups.depth, groups.columns)]
    attrs = dict(zip(("batch", "rows", "depth", "columns"), sizes, strict=True))
    shape = (sizes[0], sizes[1], sizes[3])
    made = b.op("matmul", names, shape, attrs={**attrs, "steps_a": steps[0], "steps_b": steps[1]})
    return made, (*groups.batch, *groups.rows, *groups.columns)


def _steps(view: View, letters: Letters, order: Sequence[Letters], groups: _Groups) -> tuple[int, ...] | None:
    """The step of each group through a view's memory, in elements; None if a group has none."""
    sizes = [n for n in view.shape if n > 1]
    strides = [s for n, s in zip(view.shape, view.strides or row_major(view.shape), strict=True) if n > 1]
    step = dict(zip(letters, strides, strict=True)) if len(letters) == len(sizes) else None
    if step is None:
        return None
    found = []
    for group in order:
        for outer, inner in pairwise(group):
            if step[outer] != step[inner] * groups.size[inner]:
                return None
        found.append(step[group[-1]] if group else 0)
    return tuple(found)


def _by_constant(
    b: Builder, view: View, letters: Letters, weight: Any, weight_letters: Letters, groups: _Groups
) -> tuple[View, Letters]:
    """A linear layer where the summed letters come last, else a pointwise convolution; `groups` are the window's."""
    array = weight.reshape([groups.size[x] for x in weight_letters])
    array = array.transpose([weight_letters.index(x) for x in (*groups.batch, *groups.columns, *groups.depth)])
    batch, columns, depth = (groups.count(g) for g in (groups.batch, groups.columns, groups.depth))
    array = array.reshape(batch * columns, depth)
    view = replace_view(view, tuple(groups.size[x] for x in letters))
    if not groups.batch and letters == (*groups.rows, *groups.depth):
        x = b.shaped(view, (groups.count(groups.rows), depth))
        made = b.op("linear", (x,), (groups.count(groups.rows), columns), constants=_with_zeros(array))
        return made, (*groups.rows, *groups.columns)
    view = permuted(b, view, [letters.index(x) for x in (*groups.batch, *groups.depth, *groups.rows)])
    last = groups.size[groups.rows[-1]] if groups.rows else 1
    image = (groups.count(groups.rows) // last, last)
    attrs = {"stride": (1, 1), "padding": (0, 0, 0, 0), "dilation": (1, 1), "groups": batch}
    constants = _with_zeros(array.reshape(batch * columns, depth, 1, 1))
    x = b.shaped(view, (batch * depth, *image))
    made = b.op("conv", (x,), (batch * columns, *image), attrs=attrs, constants=constants)
    return made, (*groups.batch, *groups.columns, *groups.rows)


def _with_zeros(weight: Any) -> dict[str, Any]:
    return {"weight": weight, "bias": np.zeros(len(weight))}


RULES: dict[str, Callable[[Builder, Node], View]] = {
    "einsum": _einsum,
    **dict.fromkeys(("matmul", "mm", "bmm"), _matmul),
}
