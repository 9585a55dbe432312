"""A Program as two files: graph as JSON, constants as safetensors. No pickle."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from trimcap._errors import ArtifactError
from trimcap._files import write_atomic, write_json
from trimcap.program.program import Op, Program, Value

FORMAT = "trimcap-program-1"
GRAPH, CONSTANTS = "program.json", "program.safetensors"


def save_program(program: Program, folder: Path | str) -> Path:
    """Write `program.json` and `program.safetensors` into `folder`; the JSON holds hashes of both.

    Returns
    -------
    the folder
    """
    from safetensors.numpy import save

    folder = Path(folder)
    blob = save({name: np.ascontiguousarray(a) for name, a in program.constants.items()})
    write_atomic(folder / CONSTANTS, blob)
    body: dict[str, Any] = {
        "format": FORMAT,
        "name": program.name,
        "input": program.input,
        "output": program.output,
        "classes": list(program.classes),
        "notes": list(program.notes),
        "measured": dict(program.measured),
        "values": [asdict(v) for v in program.values.values()],
        "ops": [{**vars(op), "attrs": dict(op.attrs), "constants": dict(op.constants)} for op in program.ops],
        "constants": {name: {"shape": list(a.shape), "dtype": str(a.dtype)} for name, a in program.constants.items()},
        "constants_sha256": hashlib.sha256(blob).hexdigest(),
    }
    write_json(folder / GRAPH, {**body, "sha256": _digest(body)})
    return folder


def load_program(folder: Path | str) -> Program:
    """The program that `save_program` wrote.

    Raises
    ------
    ArtifactError : a file is missing, truncated, edited (hash mismatch) or of another version.
    """
    folder = Path(folder)
    body = _read_graph(folder / GRAPH)
    constants = _read_constants(folder / CONSTANTS, body["constants_sha256"])
    try:
        return _program(body, constants)
    except (KeyError, TypeError) as error:
        raise ArtifactError(f"'{folder / GRAPH}' lacks {error}; export the program again") from error


def _digest(body: dict[str, Any]) -> str:
    """SHA-256 of the canonical JSON."""
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _read_graph(path: Path) -> dict[str, Any]:
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ArtifactError(f"no program here: '{path}' is missing; export it again") from error
    except ValueError as error:
        raise ArtifactError(f"'{path}' is not whole JSON ({error}); export the program again") from error
    if not isinstance(body, dict) or body.get("format") != FORMAT:
        got = body.get("format") if isinstance(body, dict) else type(body).__name__
        raise ArtifactError(f"'{path}' has format {got!r}, this version reads '{FORMAT}'; export the program again")
    if _digest({k: v for k, v in body.items() if k != "sha256"}) != body.get("sha256"):
        raise ArtifactError(f"'{path}' was edited: its SHA-256 does not match; export the program again")
    return body


def _read_constants(path: Path, sha256: str) -> dict[str, Any]:
    from safetensors.numpy import load

    try:
        blob = path.read_bytes()
    except FileNotFoundError as error:
        raise ArtifactError(f"the constants '{path}' are missing; export the program again") from error
    if hashlib.sha256(blob).hexdigest() != sha256:
        raise ArtifactError(f"'{path}' was edited or truncated: its SHA-256 does not match; export the program again")
    constants: dict[str, Any] = load(blob)
    return constants


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value


def _program(body: dict[str, Any], constants: dict[str, Any]) -> Program:
    values = [Value(**{**v, "shape": tuple(v["shape"])}) for v in body["values"]]
    ops = [
        Op(**{**op, "inputs": tuple(op["inputs"]), "attrs": {k: _tuples(v) for k, v in op["attrs"].items()}})
        for op in body["ops"]
    ]
    return Program(
        body["name"],
        tuple(ops),
        {v.name: v for v in values},
        {name: constants[name] for name in body["constants"]},
        body["input"],
        body["output"],
        tuple(body["classes"]),
        tuple(body["notes"]),
        body["measured"],
    )
