"""A saved network runs, trains and is pruned again; damage is noticed."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from sealing import accepted, flipped, resealed
from trimcap._errors import ArtifactError
from trimcap.graph.save import load, save
from trimcap.graph.trace.trace import trace
from trimcap.prune.plan import make_plan
from trimcap.prune.shrink import shrink
from zoo import ZOO, build


@pytest.mark.parametrize("name", ZOO)
def test_round_trip_is_exact(name, tmp_path):
    network = trace(*build(name))
    again = load(save(network, tmp_path))
    x = torch.randn(3, *network.input_shape)
    assert torch.equal(again(x), network(x))
    assert again.nodes == network.nodes
    assert (again.constraints, again.trainable, again.channels) == (
        network.constraints,
        network.trainable,
        network.channels,
    )


def test_loaded_network_is_pruned_and_trained_again(tmp_path):
    network = load(save(trace(*build("inception")), tmp_path))
    small = shrink(network, make_plan(network, {"pool_branch": [0, 2], "electrodes": [1, 3, 5]}))
    again = load(save(small, tmp_path / "small"))
    module = again.module().train()
    module(torch.randn(4, *again.input_shape)).sum().backward()
    assert all(p.grad is not None for p in module.parameters())
    assert again.input_shape == (3, 64)


def test_loading_needs_no_model_code(tmp_path):
    """A fresh interpreter that can't import the tests loads and runs the file."""
    save(trace(*build("residual")), tmp_path)
    code = (
        "import sys, torch; from trimcap.graph.save import load; n = load(sys.argv[1]);"
        "assert n(torch.zeros(1, 8, 64)).shape == (1, 3); assert 'zoo' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, cwd=tmp_path)


def test_edited_tensors_are_refused(tmp_path):
    save(trace(*build("shallow")), tmp_path)
    file = tmp_path / "tensors.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(ArtifactError, match="was changed after it was saved"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "network.json").unlink(), "holds no network"),
        (lambda f: (f / "network.json").write_text("{"), "is damaged"),
        (lambda f: (f / "network.json").write_text("[1]"), "is no network: it holds a list"),
        (lambda f: (f / "network.json").write_text("[" * 100_000), "is damaged .it nests too deep"),
        (lambda f: (f / "tensors.safetensors").unlink(), "is missing"),
        (lambda f: _edit(f, "format", "trimcap network 99"), "this version reads"),
        (lambda f: _edit(f, "nodes", [{}]), "is damaged .nodes.0. lacks 'args'"),
        (lambda f: _edit(f, "surplus", 1), "is damaged .unknown 'surplus'"),
    ],
)
def test_damage_is_named(tmp_path, damage, message):
    save(trace(*build("shallow")), tmp_path)
    damage(tmp_path)
    with pytest.raises(ArtifactError, match=message):
        load(tmp_path)


@pytest.mark.parametrize("name", ["network.json", "tensors.safetensors"])
def test_every_changed_byte_is_refused(tmp_path, name):
    save(trace(*build("shallow")), tmp_path)
    assert not [place for place in flipped(tmp_path / name, 2000) if accepted(load, tmp_path, name)]


def _edit(folder, key, value):
    resealed(folder / "network.json", lambda content: content | {key: value})
