"""A Program as two files: graph as sealed JSON, constants as safetensors. No pickle. See `docs/formats.md`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from trimcap._errors import ArtifactError
from trimcap._files import write_atomic
from trimcap._sealed import Kind, seal, unseal_with_tensors
from trimcap.program.check import check
from trimcap.program.program import Op, Program, Value

GRAPH, CONSTANTS = "program.json", "program.safetensors"
PROGRAM = Kind(
    "program",
    "trimcap program 2",
    {
        "name": str,
        "input": str,
        "output": str,
        "classes": [str],
        "notes": [str],
        "measured": {str: Any},
        "expects": Any,
        "seen": (None, {"windows": str, "trials": {str: [str]}, "outside": str}),
        "values": [{"name": str, "shape": [int], "dtype": str, "scale": float, "zero_point": int, "scales": [float]}],
        "ops": [
            {
                "name": str,
                "kind": str,
                "inputs": [str],
                "output": str,
                "attrs": {str: (None, float, str, [float])},
                "constants": {str: str},
                "source": str,
            }
        ],
        "constants": [str],
    },
    "export the program again",
)


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
    content: dict[str, Any] = {
        "name": program.name,
        "input": program.input,
        "output": program.output,
        "classes": list(program.classes),
        "notes": list(program.notes),
        "measured": dict(program.measured),
        "expects": None if program.expects is None else program.expects.as_dict(),
        "seen": None if program.seen is None else program.seen.to_json(),
        "values": [asdict(v) for v in program.values.values()],
        "ops": [{**vars(op), "attrs": dict(op.attrs), "constants": dict(op.constants)} for op in program.ops],
        "constants": list(program.constants),
    }
    seal(folder / GRAPH, PROGRAM, content, files=[CONSTANTS])
    return folder


def load_program(folder: Path | str) -> Program:
    """The program that `save_program` wrote; it obeys `trimcap.program.check`.

    Raises
    ------
    ArtifactError : a file is missing, truncated, edited (hash mismatch) or of another version, or what it holds is
        no program; names the file.
    """
    from safetensors.numpy import load

    path = Path(folder) / GRAPH
    content, constants = unseal_with_tensors(path, PROGRAM, CONSTANTS, load, order="constants")
    try:
        return check(_program(content, constants))
    except ValueError as error:
        raise ArtifactError(f"{path} holds no program that can be used: {error}") from error


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value


def _program(content: dict[str, Any], constants: dict[str, Any]) -> Program:
    from trimcap.data.expected import Expected
    from trimcap.data.seen import from_json

    values = [Value(**{**v, "shape": tuple(v["shape"]), "scales": tuple(v["scales"])}) for v in content["values"]]
    ops = [
        Op(**{**op, "inputs": tuple(op["inputs"]), "attrs": {k: _tuples(v) for k, v in op["attrs"].items()}})
        for op in content["ops"]
    ]
    return Program(
        content["name"],
        tuple(ops),
        {v.name: v for v in values},
        constants,
        content["input"],
        content["output"],
        tuple(content["classes"]),
        tuple(content["notes"]),
        content["measured"],
        None if content["expects"] is None else Expected.from_dict(content["expects"]),
        None if content["seen"] is None else from_json(content["seen"]),
    )
