"""Saved programs: the same after a round trip; corrupt ones are refused."""

import json

import numpy as np
import pytest
from one_op import int8, one_op

from sealing import accepted, flipped
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
    with pytest.raises(ArtifactError, match=r"holds no program: program\.json is missing"):
        load_program(tmp_path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda graph, blob: graph.write_text(graph.read_text()[:500]), "program.json is damaged"),
        (
            lambda graph, blob: graph.write_text(graph.read_text().replace('"shift"', '"shaft"')),
            "json was changed after",
        ),
        (lambda graph, blob: graph.write_text(json.dumps({"format": "other"})), "has format 'other'"),
        (lambda graph, blob: blob.write_bytes(blob.read_bytes()[:-1] + b"!"), "safetensors was changed after"),
        (lambda graph, blob: blob.unlink(), "safetensors is missing"),
    ],
)
def test_damage_is_named(program, tmp_path, damage, message) -> None:
    save_program(program, tmp_path)
    damage(tmp_path / "program.json", tmp_path / "program.safetensors")
    with pytest.raises(ArtifactError, match=message):
        load_program(tmp_path)


@pytest.mark.parametrize("name", ["program.json", "program.safetensors"])
def test_every_changed_byte_is_refused(program, tmp_path, name) -> None:
    save_program(program, tmp_path)
    unseen = [place for place in flipped(tmp_path / name, 4000) if accepted(load_program, tmp_path, name)]
    assert not unseen
