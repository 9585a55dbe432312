"""What a model does in training only, found by running it in both modes and followed where a graph can.

A network holds the operations of evaluation mode. For most models training differs by flags that every such operation
has (dropout, batch norm, recurrent layers), and turning them all on is right; it is tried first and compared: results,
running statistics and gradients with the same random numbers. Where it is wrong (a frozen batch norm, a dropout that is
off, dropout inside attention) the model is written down in training mode too, and the two graphs are laid side by side:
arguments that differ become the training's, a dropout that only training has is put in, switched off. What is left
(noise, augmentation, branches) is named in the notes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from typing import Any

import torch
from torch import Tensor, nn

from trimcap._errors import TraceError
from trimcap.graph.network import Network
from trimcap.graph.node import Node, refs
from trimcap.graph.ops.allowed import operation
from trimcap.graph.ops.table import DROPOUTS
from trimcap.graph.trace.canonical import simplify
from trimcap.graph.trace.probes import difference

#: what rounding may change, relative
_SAME = 1e-3


def follow_training(
    network: Network,
    model: nn.Module,
    examples: Sequence[Tensor],
    write: Callable[[nn.Module], Network],
    check: Callable[[Network], None],
) -> Network:
    """The network with the arguments and dropouts of training mode, and notes on what the model does beyond.

    Parameters
    ----------
    network : as traced in evaluation mode
    model : in evaluation mode; not changed
    examples : a batch for each input
    write : writes a model in training mode down
    check : raises TraceError if a network differs from the model in evaluation mode
    """
    left = _beyond(network, model, examples)
    if not left:
        return network
    trained = _written(model, write)
    both = None if trained is None else _both(network, trained)
    if both is not None:
        try:
            check(both)
        except TraceError:
            both = None
    if both is not None:
        network, left = simplify(both), _beyond(both, model, examples)
    if left and trained is not None:
        left = (*left, *_more(network, trained))
    return replace(network, notes=(*network.notes, *left))


def _written(model: nn.Module, write: Callable[[nn.Module], Network]) -> Network | None:
    model = copy.deepcopy(model).train()
    for layer in model.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm) and layer.momentum is None:
            layer.momentum = 0.1  # a factor that is counted can't be exported; evaluation's graph has the counter
    try:
        return write(model)
    except Exception:  # what can't be written down is compared only
        return None


# ---- compare ----


def _beyond(network: Network, model: nn.Module, examples: Sequence[Tensor]) -> tuple[str, ...]:
    """What the model does in training and the network does not, in words."""
    mine, own = copy.deepcopy(model).train(), replace(network, constraints=()).module().train()
    before = {name: buffer.clone() for name, buffer in mine.named_buffers()}
    batch = [torch.cat([x, x.flip(0) * 0.5])[:4] for x in examples]
    try:
        want = _run(mine, batch)
    except Exception as error:
        return (f"the model does not run in training mode ({_first(error)}); the network trains as it evaluates",)
    got = _run(own, batch)
    found = []
    if not difference(want.detach(), got.detach()) <= _SAME:
        found.append("in training the model computes something else than the network does")
    found += _buffers(mine, own, before)
    if not found and (wrong := _gradients(want, got, mine, own)):
        found.append(
            f"gradients of {', '.join(wrong[:5])}{' …' if len(wrong) > 5 else ''} are others than the model's: it "
            "stops or replaces gradients where the network lets them through, or computes them by a function of its own"
        )
    return tuple(found)


def _run(model: nn.Module, batch: Sequence[Tensor]) -> Tensor:
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(0)
        result: Tensor = model(*(x.clone() for x in batch))
    return result


def _buffers(mine: nn.Module, own: nn.Module, before: dict[str, Tensor]) -> list[str]:
    """Running statistics that move otherwise, and what the model counts or remembers by itself."""
    held = dict(own.named_buffers())
    lost, wrong = [], []
    for name, buffer in mine.named_buffers():
        moved = not torch.equal(buffer, before[name]) and not bool(buffer.isnan().any())
        if name in held:
            if not difference(buffer.double().reshape(1, -1), held[name].double().reshape(1, -1)) <= _SAME:
                wrong.append(name)
        elif moved and not name.endswith("num_batches_tracked"):
            lost.append(name)
    said = []
    if lost:
        said.append(f"training changes the buffers {', '.join(lost)} of the model; the network has none of them")
    if wrong:
        said.append(f"the buffers {', '.join(wrong)} move in training otherwise than the model's")
    return said


def _gradients(want: Tensor, got: Tensor, mine: nn.Module, own: nn.Module) -> list[str]:
    """Names of weights that both have and whose gradients differ."""
    if not want.requires_grad:
        return ["all weights"] if got.requires_grad else []
    if not bool(want.isfinite().all()):
        return []
    try:
        want.float().square().sum().backward()  # type: ignore[no-untyped-call]
    except RuntimeError:  # the model itself can't be trained
        return []
    try:
        got.float().square().sum().backward()  # type: ignore[no-untyped-call]
    except RuntimeError:
        return ["all weights"]
    others = dict(own.named_parameters())
    pairs = {
        name: [torch.zeros_like(p) if p.grad is None else p.grad for p in (parameter, others[name])]
        for name, parameter in mine.named_parameters()
        if name in others and parameter.requires_grad
    }
    scale = max((float(a.abs().max()) for a, _ in pairs.values() if a.numel()), default=0.0)
    bound = _SAME * max(scale, 1e-12)
    return [name for name, (a, b) in pairs.items() if a.numel() and not float((a - b).abs().max()) <= bound]


def _first(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200].rstrip(".")


# ---- both graphs in one ----


def _key(node: Node) -> tuple[str, str]:
    return node.op, node.layer


def _pairs(network: Network, trained: Network) -> list[tuple[str, Sequence[Node], Sequence[Node]]]:
    """Runs of nodes: those that both have, and those that one has."""
    matcher = SequenceMatcher(None, [_key(n) for n in network.nodes], [_key(n) for n in trained.nodes], autojunk=False)
    return [(tag, network.nodes[a:b], trained.nodes[c:d]) for tag, a, b, c, d in matcher.get_opcodes()]


def _both(network: Network, trained: Network) -> Network | None:
    """The graph of training with evaluation's arguments, and its own as those of training; None if they don't fit."""
    nodes: list[Node] = []
    for tag, mine, theirs in _pairs(network, trained):
        if tag == "equal":
            merged = [_merged(a, b) for a, b in zip(mine, theirs, strict=True)]
        else:
            merged = [_off(node) if not mine else None for node in theirs] or [None]
        if any(node is None for node in merged):
            return None
        nodes += [node for node in merged if node is not None]
    tensors = {**trained.tensors, **network.tensors}
    used = {ref.name for node in nodes for ref in refs((node.args, tuple(node.kwargs.values())))}
    return replace(
        network,
        nodes=tuple(nodes),
        output=trained.output,
        tensors={name: tensor for name, tensor in tensors.items() if name in used},
        trainable=(network.trainable | trained.trainable) & used,
        inputs=dict(zip(trained.inputs, network.inputs.values(), strict=True)),
    )


def _off(node: Node) -> Node | None:
    """A dropout that is there in training only."""
    if node.kind not in DROPOUTS or len(node.args) < 3:
        return None
    return replace(node, args=(*node.args[:2], False), training=((2, True),))


def _merged(mine: Node, theirs: Node) -> Node | None:
    n = max(len(mine.args), len(theirs.args))
    own, other = ((*node.args, *_defaults(node)[len(node.args) : n]) for node in (mine, theirs))
    if len(own) != len(other) or mine.kwargs.keys() != theirs.kwargs.keys():
        return None
    args = list(other)
    training: list[tuple[int | str, Any]] = []
    for place, (a, b) in enumerate(zip(own, other, strict=True)):
        if any(refs(b)):
            continue
        args[place] = a
        if a != b and not any(refs(a)):
            training.append((place, b))
    kwargs = dict(theirs.kwargs)
    for name, value in mine.kwargs.items():
        if not any(True for _ in refs((value, kwargs[name]))):
            training += [(name, kwargs[name])] if kwargs[name] != value else []
            kwargs[name] = value
    return replace(theirs, args=tuple(args), kwargs=kwargs, training=tuple(training))


def _defaults(node: Node) -> tuple[Any, ...]:
    """What arguments are that are left out."""
    schema = getattr(operation(node.op), "_schema", None)
    return tuple(a.default_value for a in schema.arguments if not a.kwarg_only) if schema is not None else ()


def _more(network: Network, trained: Network) -> tuple[str, ...]:
    """The operations that only training has, by layer."""
    found: dict[str, list[str]] = {}
    for tag, _, theirs in _pairs(network, trained):
        for node in theirs if tag != "equal" else ():
            found.setdefault(node.layer or "top level", []).append(node.kind)
    return tuple(
        f"training only, and not in the network, at {layer}: {', '.join(dict.fromkeys(kinds))}"
        for layer, kinds in list(found.items())[:5]
    )
