"""A network on disk: graph as JSON, tensors as safetensors. Loading needs neither the model's class nor pickle.

Folder: `network.json`, sealed (format, nodes, inputs, constraints, electrode names, SHA-256 of itself and of the
tensors) and `tensors.safetensors`. A reference to another node is written {"ref": name}. What is loaded is checked as a
file from a stranger: only operations of `graph.ops.allowed`, and shapes that hold. `docs/formats.md` specifies it.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from trimcap._errors import ArtifactError, TraceError
from trimcap._files import write_atomic
from trimcap._sealed import Kind, seal, unseal_with_tensors
from trimcap.data.expected import Expected
from trimcap.data.seen import PATTERN, from_json
from trimcap.graph.check import check
from trimcap.graph.network import Constraint, Network
from trimcap.graph.node import Node, Ref
from trimcap.graph.ops.allowed import misused

GRAPH, TENSORS = "network.json", "tensors.safetensors"
NETWORK = Kind(
    "network",
    "trimcap network 2",
    {
        "origin": str,
        "inputs": {str: [int]},
        "dimensions": [str],
        "channels": [str],
        "output": str,
        "nodes": [
            {
                "name": str,
                "op": str,
                "args": [Any],
                "kwargs": {str: Any},
                "shape": [Any],
                "layer": str,
                "training": [Any],
            }
        ],
        "trainable": [str],
        "constraints": [{"tensor": str, "kind": str, "dim": int, "value": float}],
        "notes": [str],
        "expects": Any,
        "seen": PATTERN,
        "order": [str],
    },
    "save the network again",
)
#: lists in lists: a list of slices that each hold lists of numbers
_DEPTH = 4


def save(network: Network, folder: Path | str) -> Path:
    """Write a network into `folder` (created if needed); an older network there is replaced.

    Raises
    ------
    OSError : the folder can't be written. TraceError : it holds an operation that no file may hold; names it.
    """
    folder = Path(folder)
    for node in network.nodes:
        if why := misused(node):
            raise TraceError(f"operation '{node.name}' ({node.op}): {why}")
    tensors = {name: tensor.detach().contiguous().clone() for name, tensor in network.tensors.items()}
    # the tensors first: a reader that finds the old JSON with new tensors sees the hash mismatch
    write_atomic(folder / TENSORS, save_tensors(tensors))
    content = {
        "origin": network.origin,
        "inputs": {name: list(shape) for name, shape in network.inputs.items()},
        "dimensions": list(network.dimensions),
        "channels": list(network.channels),
        "output": network.output,
        "nodes": [_node_to_json(node) for node in network.nodes],
        "trainable": sorted(network.trainable),
        "constraints": [asdict(rule) for rule in network.constraints],
        "notes": list(network.notes),
        "expects": None if network.expects is None else network.expects.as_dict(),
        "seen": network.seen.to_json(),
        # safetensors gives tensors back in any order, and axes are named after the first tensor that makes them
        "order": list(tensors),
    }
    seal(folder / GRAPH, NETWORK, content, files=[TENSORS])
    return folder


def load(folder: Path | str) -> Network:
    """Read a network that `save` wrote; it runs, trains and is pruned again.

    Raises
    ------
    ArtifactError : a file is missing, edited or of another format, or what it holds is no network; names the file
    """
    path = Path(folder) / GRAPH
    content, tensors = unseal_with_tensors(path, NETWORK, TENSORS, load_tensors, order="order")
    try:
        return check(
            Network(
                nodes=tuple(_node_from_json(node) for node in content["nodes"]),
                tensors=tensors,
                trainable=frozenset(content["trainable"]),
                inputs={name: tuple(shape) for name, shape in content["inputs"].items()},
                output=content["output"],
                constraints=tuple(Constraint(**rule) for rule in content["constraints"]),
                channels=tuple(content["channels"]),
                dimensions=tuple(content["dimensions"]),
                origin=content["origin"],
                notes=tuple(content["notes"]),
                expects=None if content["expects"] is None else Expected.from_dict(content["expects"]),
                seen=from_json(content["seen"]),
            )
        )
    except ValueError as error:
        raise ArtifactError(f"{path} holds no network that can be used: {error}") from error


def _node_to_json(node: Node) -> dict[str, Any]:
    return {
        "name": node.name,
        "op": node.op,
        "args": _to_json(node.args),
        "kwargs": {k: _to_json(v) for k, v in node.kwargs.items()},
        "shape": _to_json(node.shape),
        "layer": node.layer,
        "training": _to_json(node.training),
    }


def _node_from_json(content: dict[str, Any]) -> Node:
    return Node(
        name=content["name"],
        op=content["op"],
        args=_from_json(content["args"]),
        kwargs={k: _from_json(v) for k, v in content["kwargs"].items()},
        shape=_from_json(content["shape"]),
        layer=content["layer"],
        training=_from_json(content["training"]),
    )


def _to_json(value: Any) -> Any:
    if isinstance(value, Ref):
        return {"ref": value.name}
    if isinstance(value, tuple | list):
        return [_to_json(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    return value


def _from_json(value: Any, depth: int = 0) -> Any:
    if isinstance(value, dict):
        name = value.get("ref")
        if len(value) == 1 and isinstance(name, str):
            return Ref(name)
        if len(value) == 1 and value.get("float") in ("inf", "-inf", "nan"):
            return float(value["float"])
        raise ValueError(f"{repr(value)[:80]} is no argument")
    if isinstance(value, list):
        if depth == _DEPTH:
            raise ValueError(f"an argument nests more than {_DEPTH} deep")
        return tuple(_from_json(item, depth + 1) for item in value)
    return value
