"""Blocks that torch.export writes down as a graph of their own (`with torch.no_grad():`, checkpoints), put in place."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import Tensor, fx

from trimcap._errors import TraceError

_NO_GRAD = "wrap_with_set_grad_enabled"
_AUTOCAST = "wrap_with_autocast"
_CHECKPOINT = "tag_activation_checkpoint"
#: where the graph of a block stands among its arguments
_BLOCKS = {_NO_GRAD: 1, _AUTOCAST: 4, _CHECKPOINT: 0}


def inline(module: fx.GraphModule) -> None:
    """Replace every block by its operations; what leaves a block without gradients is detached.

    Raises
    ------
    TraceError : the block computes in another precision (autocast); says what to do
    """
    while (block := next((n for n in module.graph.nodes if _name(n) in _BLOCKS), None)) is not None:
        _put_in_place(module, block)


def _name(node: fx.Node) -> str:
    own = isinstance(node.target, torch._ops.HigherOrderOperator)
    return str(node.target.name()) if own else ""  # type: ignore[union-attr]


def _put_in_place(module: fx.GraphModule, block: fx.Node) -> None:
    name = _name(block)
    if name == _AUTOCAST and block.args[2]:
        raise TraceError(
            "the model opens torch.autocast inside forward, so that parts of it run in another precision; a traced "
            "network has one. Remove it there and put `with torch.autocast(…):` around the training step instead; "
            "for a smaller network on a device use trimcap.quantize"
        )
    own: Any = block.args[_BLOCKS[name]]
    inner, operands = module.get_submodule(own.target), block.args[_BLOCKS[name] + 1 :]
    stopped = name == _NO_GRAD and not block.args[0]
    env: dict[fx.Node, Any] = {}
    results: Any = ()
    waiting = list(operands)
    with module.graph.inserting_before(block):
        for node in inner.graph.nodes:  # type: ignore[union-attr]
            if node.op == "placeholder":
                env[node] = waiting.pop(0)
            elif node.op == "output":
                results = fx.map_arg(node.args[0], env.__getitem__)
            elif node.op == "get_attr":  # the graph of a block inside
                module.add_submodule(f"{own.target}_{node.target}", inner.get_submodule(node.target))
                env[node] = module.graph.get_attr(f"{own.target}_{node.target}")
            else:
                env[node] = module.graph.node_copy(node, env.__getitem__)
        if stopped:
            results = tuple(_detached(module.graph, each) for each in results)
    for user in list(block.users):
        assert user.target is operator.getitem
        user.replace_all_uses_with(results[int(user.args[1])])  # type: ignore[arg-type]
        module.graph.erase_node(user)
    module.graph.erase_node(block)
    if not own.users:
        module.graph.erase_node(own)


def _detached(graph: fx.Graph, node: Any) -> Any:
    value = node.meta.get("val") if isinstance(node, fx.Node) else None
    if not isinstance(value, Tensor) or not value.is_floating_point():
        return node
    found = graph.call_function(torch.ops.aten.detach.default, (node,))
    found.meta = dict(node.meta)
    return found
