"""In-place operations on an exported graph, written as operations with a result.

`torch.export` writes `x[:, :4].clamp_(-100, 100)` down as it ran: a slice, an operation whose result nobody reads, and
readers of `x` that expect its new content. As a graph of values that is no clamp at all. Here every tensor that shares
its memory with others belongs to a *base*, and is a chain of views of it. An in-place operation on a view becomes the
operation with a result, and each view on the way to the base is undone with the new content: a slice by
`slice_scatter`, a selection by `select_scatter`, a reshape by a reshape, a transposition by its inverse. Whoever reads
another view of the base afterwards reads it taken anew. (torch's own decomposition does the same, but loses dropout and
batch norm on the way.)
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import Tensor, fx

from trimcap._errors import TraceError
from trimcap.graph.ops.views import RESHAPES

_ATEN = torch.ops.aten
_PIECES = {"split", "split_with_sizes", "chunk", "tensor_split", "unsafe_split", "unsafe_chunk", "hsplit", "vsplit"}
#: change the shape of a tensor, not its content
_SHAPE_ONLY = {"unsqueeze_", "squeeze_", "transpose_", "t_", "swapaxes_", "swapdims_", "detach_", "requires_grad_"}


def functionalise(graph: fx.Graph) -> None:
    """Replace every in-place operation of an exported graph, where it is, by operations that return a result.

    Raises
    ------
    TraceError : one of them writes into a view that can't be undone; names the operation and the layer
    """
    if any(_written(node) or _shape_only(node) for node in graph.nodes):
        _Values(graph).rewrite()


class _Values:
    """What every tensor of a graph holds now, while the graph is walked and rewritten."""

    def __init__(self, graph: fx.Graph) -> None:
        self.graph = graph
        self.source: dict[fx.Node, fx.Node] = {}  # what it is a view of
        self.value: dict[fx.Node, fx.Node] = {}  # the node that holds its content
        self.version: dict[fx.Node, int] = {}  # of a base: how often it was written into
        self.seen: dict[fx.Node, int] = {}  # the version of the base that `value` is of

    def rewrite(self) -> None:
        written = []
        for node in list(self.graph.nodes):
            source: Any = node.args[0] if _written(node) else _viewed(node)
            with self.graph.inserting_before(node):
                node.args = fx.map_arg(node.args, self.current)
                node.kwargs = fx.map_arg(node.kwargs, self.current)
                if _written(node):
                    self._write(source, self._with_result(node, source))
                    written.append(node)
            if source is not None:
                self._view(node, source)
                self.value[node] = self.current(source) if _written(node) else node
        for node in reversed(written):  # by now everybody reads what it gave
            self.graph.erase_node(node)

    def _view(self, node: fx.Node, source: fx.Node) -> None:
        self.source[node] = source
        self.seen[node] = self.version.get(self._base(node), 0)

    def _base(self, node: fx.Node) -> fx.Node:
        while node in self.source:
            node = self.source[node]
        return node

    def current(self, node: fx.Node) -> fx.Node:
        """The node that holds the content of a tensor now; a view of something written since is taken anew."""
        if node not in self.source:
            return self.value.get(node, node)
        version = self.version.get(self._base(node), 0)
        if self.seen[node] != version:
            source = self.source[node]
            again = self.current(source)
            if not _is_alias(node, source):
                again = self._call(node.target, (again, *node.args[1:]), node, node.kwargs)
            self.value[node], self.seen[node] = again, version
        return self.value.get(node, node)

    def _write(self, node: fx.Node, new: fx.Node) -> None:
        """Give a tensor new content, and with it everything that it is a view of."""
        source = self.source.get(node)
        if source is None:
            self.version[node] = self.version.get(node, 0) + 1
        elif node.target is operator.getitem:  # of a tensor cut into pieces
            whole = self.source[source]
            self._write(whole, self._undone_piece(node, source, whole, new))
        else:
            self._write(source, self._undone(node, source, new))
        self.value[node] = new
        self.seen[node] = self.version[self._base(node)]

    def _call(
        self, target: Any, args: tuple[Any, ...], like: fx.Node, kwargs: Any = None, *, value: Any = None
    ) -> fx.Node:
        """A new node; `like` lends its place in the model, and its shape unless a `value` is given."""
        node = self.graph.call_function(target, args, dict(kwargs or {}))
        node.meta = {**like.meta, "val": like.meta["val"] if value is None else value}
        return node

    def _with_result(self, node: fx.Node, target: fx.Node) -> fx.Node:
        """The operation that returns what an in-place operation would write."""
        packet, overload = str(node.target).split(".")[1:]
        functional = getattr(getattr(_ATEN, packet.removesuffix("_"), None), overload, None)
        if packet == "index_put_" and (chosen := self._masked(node)) is not None:
            return chosen
        old = target.meta["val"]
        if packet == "set_":  # w.data = f(w), written down as a constant: followed only where it changes nothing
            return node.args[0]  # type: ignore[return-value]
        if packet in ("copy_", "fill_") and isinstance(node.args[1], fx.Node):
            return self._filled(node, node.args[1], old)
        if functional is None:
            raise TraceError(f"{_where(node)} writes into a tensor, and torch has no form of it that returns a result")
        result = self._call(functional, node.args, node, node.kwargs, value=old)
        wider = (n.meta["val"] for n in node.all_input_nodes if isinstance(n.meta.get("val"), Tensor))
        if any(w.dtype != old.dtype and w.ndim and w.is_floating_point() for w in wider):
            result = self._call(_ATEN._to_copy.default, (result,), node, {"dtype": old.dtype}, value=old)
        return result

    def _filled(self, node: fx.Node, content: fx.Node, old: Tensor) -> fx.Node:
        """Another tensor in the place of the old one, in its shape and type. (`aten.copy` has no gradient.)"""
        value = content.meta["val"]
        if value.dtype != old.dtype:
            content = self._call(
                _ATEN._to_copy.default, (content,), node, {"dtype": old.dtype}, value=value.to(old.dtype)
            )
        if value.shape == old.shape:
            return content
        return self._call(_ATEN.expand_as.default, (content, node.args[0]), node, value=old)

    def _masked(self, node: fx.Node) -> fx.Node | None:
        """x[mask] = number, as a choice between both; None for other forms of writing by index."""
        args: Any = node.args
        x, indices, number, *_ = args
        places = [i for i in indices if i is not None]
        if len(places) != 1 or indices[0] is None or not isinstance(number, fx.Node):
            return None
        value, mask = x.meta["val"], places[0]
        if mask.meta["val"].dtype != torch.bool or number.meta["val"].ndim:
            return None
        missing = value.ndim - mask.meta["val"].ndim
        if missing:
            wide = mask.meta["val"].reshape(*mask.meta["val"].shape, *[1] * missing)
            mask = self._call(_ATEN.reshape.default, (mask, _sizes(wide, node)), node, value=wide)
        return self._call(_ATEN.where.self, (mask, number, x), node, value=value)

    def _undone(self, node: fx.Node, source: fx.Node, new: fx.Node) -> fx.Node:
        """The source with the new content of a view of it."""
        whole, kind = self.current(source), _kind(node)
        args: Any = node.args[1:]
        value, own = whole.meta["val"], node.meta["val"]
        if _is_alias(node, source) or (kind == "slice" and own.shape == value.shape):
            return new
        if kind in RESHAPES:
            return self._call(_ATEN.reshape.default, (new, _sizes(value, node)), node, value=value)
        if kind == "slice":
            return self._call(_ATEN.slice_scatter.default, (whole, new, *args), node, value=value)
        if kind == "select":
            return self._call(_ATEN.select_scatter.default, (whole, new, *args), node, value=value)
        if kind == "narrow":
            dim, start, length = args
            return self._call(_ATEN.slice_scatter.default, (whole, new, dim, start, start + length), node, value=value)
        if kind == "diagonal":
            return self._call(_ATEN.diagonal_scatter.default, (whole, new, *args), node, node.kwargs, value=value)
        order = _order(node, value.ndim)
        if order is None:
            raise TraceError(
                f"{_where(node)} is a view that is written into, and what was written can't be put back into "
                f"the whole tensor. Write into a copy (clone), or replace the in-place operation by one with a result."
            )
        back = [order.index(i) for i in range(value.ndim)]
        return self._call(_ATEN.permute.default, (new, back), node, value=value)

    def _undone_piece(self, node: fx.Node, cut: fx.Node, source: fx.Node, new: fx.Node) -> fx.Node:
        whole, number, kind = self.current(source), int(node.args[1]), _kind(cut)  # type: ignore[arg-type]
        value, pieces = whole.meta["val"], cut.meta["val"]
        if kind == "unbind":
            dim = cut.args[1] if len(cut.args) > 1 else cut.kwargs.get("dim", 0)
            return self._call(_ATEN.select_scatter.default, (whole, new, dim, number), node, value=value)
        along = {"hsplit": 1, "vsplit": 0}.get(kind, cut.args[2] if len(cut.args) > 2 else cut.kwargs.get("dim", 0))
        ends = [sum(int(p.shape[along]) for p in pieces[:n]) for n in (number, number + 1)]
        return self._call(_ATEN.slice_scatter.default, (whole, new, along, *ends), node, value=value)


def _kind(node: fx.Node) -> str:
    """The operation without overload, and without the mark of its in-place form."""
    return str(node.target).split(".")[1].removesuffix("_") if isinstance(node.target, torch._ops.OpOverload) else ""


def _shape_only(node: fx.Node) -> bool:
    return isinstance(node.target, torch._ops.OpOverload) and str(node.target).split(".")[1] in _SHAPE_ONLY


def _written(node: fx.Node) -> bool:
    """Whether an operation writes into its first argument."""
    if not isinstance(node.target, torch._ops.OpOverload) or _shape_only(node):
        return False
    schema = node.target._schema
    writes = [a.alias_info is not None and a.alias_info.is_write for a in schema.arguments]
    if any(writes[1:]):
        raise TraceError(f"{_where(node)} writes into an argument; only operations on a tensor itself are understood")
    return bool(writes and writes[0])


def _viewed(node: fx.Node) -> fx.Node | None:
    """The argument that a result shares its memory with."""
    if node.op != "call_function" or not node.args or not isinstance(node.args[0], fx.Node):
        return None
    source = node.args[0]
    if node.target is operator.getitem:
        return source if _kind(source) == "unbind" or _kind(source) in _PIECES else None
    if _kind(node) == "unbind" or _kind(node) in _PIECES:
        return source
    mine, theirs = node.meta.get("val"), source.meta.get("val")
    shared = isinstance(mine, Tensor) and isinstance(theirs, Tensor) and _memory(mine) == _memory(theirs)
    return source if shared else None


def _memory(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def _is_alias(node: fx.Node, source: fx.Node) -> bool:
    """Whether a view is all of its source, in its shape and order."""
    if _written(node):
        return True
    if not isinstance(source.meta["val"], Tensor):
        return False
    mine, theirs = (
        (*map(str, (v.dtype, v.storage_offset(), *v.shape, *v.stride())), v.ndim)
        for v in (node.meta["val"], source.meta["val"])
    )
    return mine == theirs


def _order(node: fx.Node, rank: int) -> list[int] | None:
    """The dimensions in the order that a view has them in; None for a view that does something else."""
    sizes = list(range(2, rank + 2))
    try:
        shape = list(node.target(torch.empty(sizes, device="meta"), *node.args[1:], **node.kwargs).shape)  # type: ignore[operator]
    except (RuntimeError, TypeError, IndexError):
        return None
    return [sizes.index(size) for size in shape] if sorted(shape) == sizes else None


def _sizes(value: Tensor, node: fx.Node) -> list[int]:
    batched = [not isinstance(size, int) for size in value.shape]
    if sum(batched) > 1:
        raise TraceError(f"{_where(node)} is written into, and the batch is in several of its dimensions")
    return [-1 if b else int(size) for b, size in zip(batched, value.shape, strict=True)]


def _where(node: fx.Node) -> str:
    layers = [str(path) for path, _ in (node.meta.get("nn_module_stack") or {}).values()]
    return f"{(layers[-1] if layers else '') or 'top level'} ({_kind(node) or node.target})"
