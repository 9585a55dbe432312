"""A network on disk: graph as JSON, tensors as safetensors. Loading needs neither the model's class nor pickle.

Folder: `network.json` (format, nodes, inputs, constraints, electrode names, SHA-256 of the tensors) and
`tensors.safetensors`. A reference to another node is written {"ref": name}.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from trimcap._errors import ArtifactError
from trimcap._files import sha256, write_atomic, write_json
from trimcap.graph.network import Constraint, Network, Node, Ref

FORMAT = "trimcap network 1"


def save(network: Network, folder: Path | str) -> Path:
    """Write a network into `folder` (created if needed); an older network there is replaced.

    Raises
    ------
    OSError : the folder can't be written
    """
    folder = Path(folder)
    tensors = {name: tensor.detach().contiguous().clone() for name, tensor in network.tensors.items()}
    # the tensors first: a reader that finds the old JSON with new tensors sees the hash mismatch
    weights = write_atomic(folder / "tensors.safetensors", save_tensors(tensors))
    content = {
        "format": FORMAT,
        "origin": network.origin,
        "inputs": {name: list(shape) for name, shape in network.inputs.items()},
        "dimensions": list(network.dimensions),
        "channels": list(network.channels),
        "output": network.output,
        "nodes": [_node_to_json(node) for node in network.nodes],
        "trainable": sorted(network.trainable),
        "constraints": [asdict(rule) for rule in network.constraints],
        "notes": list(network.notes),
        # safetensors gives tensors back in any order, and axes are named after the first tensor that makes them
        "tensors": {"file": weights.name, "sha256": sha256(weights), "order": list(tensors)},
    }
    write_json(folder / "network.json", content | {"sha256": _digest(content)})
    return folder


def _digest(content: dict[str, Any]) -> str:
    """SHA-256 of everything in network.json but the digest itself."""
    rest = {key: value for key, value in content.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def load(folder: Path | str) -> Network:
    """Read a network that `save` wrote; it runs, trains and is pruned again.

    Raises
    ------
    ArtifactError : a file is missing, edited or of another format; names the file
    """
    folder = Path(folder)
    content = _read_json(folder / "network.json")
    if content.get("format") != FORMAT:
        raise ArtifactError(
            f"{folder / 'network.json'} has format {content.get('format')!r}; this version reads {FORMAT!r}"
        )
    if content.get("sha256") != _digest(content):
        raise ArtifactError(
            f"{folder / 'network.json'} was changed after it was saved (its SHA-256 does not fit). "
            "Restore the file or save the network again."
        )
    try:
        weights = folder / content["tensors"]["file"]
        found = _read_tensors(weights, content["tensors"]["sha256"])
        tensors = {name: found[name] for name in content["tensors"]["order"]}
        return Network(
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
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"{folder / 'network.json'} is damaged ({error!r}); save the network again") from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ArtifactError(f"{path.parent} holds no network: {path.name} is missing") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise ArtifactError(f"{path} is damaged ({error}); save the network again") from error
    if not isinstance(content, dict):
        raise ArtifactError(f"{path} is not a network: it holds a {type(content).__name__}")
    return content


def _read_tensors(path: Path, want: str) -> dict[str, Any]:
    if not path.exists():
        raise ArtifactError(f"{path} is missing; the network is incomplete")
    got = sha256(path)
    if got != want:
        raise ArtifactError(
            f"{path} was changed after it was saved: SHA-256 {got[:12]}…, network.json says {want[:12]}…. "
            "Restore the file or save the network again."
        )
    try:
        return dict(load_tensors(path.read_bytes()))
    except SafetensorError as error:
        raise ArtifactError(f"{path} is damaged: {error}") from error


def _node_to_json(node: Node) -> dict[str, Any]:
    return {
        "name": node.name,
        "op": node.op,
        "args": _to_json(node.args),
        "kwargs": {k: _to_json(v) for k, v in node.kwargs.items()},
        "shape": _to_json(node.shape),
        "layer": node.layer,
    }


def _node_from_json(content: dict[str, Any]) -> Node:
    return Node(
        name=content["name"],
        op=content["op"],
        args=_from_json(content["args"]),
        kwargs={k: _from_json(v) for k, v in content["kwargs"].items()},
        shape=_from_json(content["shape"]),
        layer=content["layer"],
    )


def _to_json(value: Any) -> Any:
    if isinstance(value, Ref):
        return {"ref": value.name}
    if isinstance(value, tuple | list):
        return [_to_json(item) for item in value]
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return {"float": str(value)}
    return value


def _from_json(value: Any) -> Any:
    if isinstance(value, dict):
        return Ref(value["ref"]) if "ref" in value else float(value["float"])
    if isinstance(value, list):
        return tuple(_from_json(item) for item in value)
    return value
