"""Saved programs: the same after a round trip; corrupt ones are refused."""

import json

import numpy as np
import pytest
from one_op import int8, one_op

from trimcap._errors import ArtifactError
from trimcap.program.interpret import interpret
from trimcap.program.save import load_program, save_program


@pytest.fixture
def program():
    c = {
        "weight": np.array([[[[3, -5, 7]]]], np.int8),
        "bias": np.array([11], np.int32),
        "multiplier": np.array([2**30], np.int32),
        "shift": np.array([34], np.int32),
    }
    geometry = {"stride": (1, 1), "padding": (0, 1, 0, 1), "dilation": (1, 1), "groups": 1, "low": 0, "high": 127}
    return one_op("conv", [int8("x", (1, 1, 9), 0.1, 3)], int8("y", (1, 1, 9), 1 / 3, -9), constants=c, **geometry)


def test_round_trip(program, tmp_path) -> None:
    loaded = load_program(save_program(program, tmp_path / "new"))
    assert (loaded.name, loaded.ops, dict(loaded.values), loaded.input, loaded.output) == (
        program.name, program.ops, dict(program.values), program.input, program.output,
    )  # fmt: skip
    x = np.random.default_rng(0).normal(0, 5, (4, 1, 1, 9))
    np.testing.assert_array_equal(interpret(loaded, x), interpret(program, x))
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == ["program.json", "program.safetensors"]


def test_missing_folder(tmp_path) -> None:
    with pytest.raises(ArtifactError, match=r"program\.json' is missing"):
        load_program(tmp_path)


def test_truncated_and_edited_files(program, tmp_path) -> None:
    save_program(program, tmp_path)
    graph, blob = tmp_path / "program.json", tmp_path / "program.safetensors"
    text, data = graph.read_text(), blob.read_bytes()
    graph.write_text(text[: len(text) // 2])
    with pytest.raises(ArtifactError, match="not whole JSON"):
        load_program(tmp_path)
    graph.write_text(text.replace('"shift"', '"shaft"'))
    with pytest.raises(ArtifactError, match="was edited"):
        load_program(tmp_path)
    graph.write_text(json.dumps({"format": "other"}))
    with pytest.raises(ArtifactError, match="format 'other'"):
        load_program(tmp_path)
    graph.write_text(text)
    blob.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(ArtifactError, match="edited or truncated"):
        load_program(tmp_path)
    blob.unlink()
    with pytest.raises(ArtifactError, match="are missing"):
        load_program(tmp_path)
