"""Mutations of every format of trimcap's own, with and without a right seal: no silent change, other error or hang."""

from __future__ import annotations

import copy
import json
import random
import time
from contextlib import suppress

import numpy as np
import pytest
import torch
from torch import nn

from sealing import resealed
from trimcap._errors import ArtifactError, PlanError
from trimcap.export.artifact import check_artifact, export
from trimcap.graph.save import load, save
from trimcap.graph.trace.trace import trace
from trimcap.program.lower.lower import lower
from trimcap.program.save import load_program, save_program
from trimcap.prune.plan import Plan
from trimcap.study.recipe.recipe import parse_recipe
from trimcap.study.results.store import RunFolder, open_run
from trimcap.train.checkpoint import State, load_checkpoint, save_checkpoint
from trimcap.train.masks import Masks

REFUSED = (ArtifactError, PlanError)
#: of bytes, for each of eight files of seven formats; of values under a right seal, for each of six
BYTES, VALUES = 12_000, 2_000
HOSTILE = [
    None, True, -1, 0, 1.5, 2**31, 2**63, -(2**70), 10**400, 1e308, "", "x", "../x", "a\x00b", "é" * 400, [], {}, [[]],
    ["x"], {"ref": "x"}, {"ref": []}, {"float": "nan"}, "aten.from_file.default", "sym.call", [10**6] * 9,
    [[[[[[1]]]]]],
]  # fmt: skip


def network():
    torch.manual_seed(0)
    layers = (nn.Unflatten(1, (1, 3)), nn.Conv2d(1, 2, (3, 1)), nn.BatchNorm2d(2), nn.ELU(), nn.AvgPool2d((1, 2)))
    return trace(nn.Sequential(*layers, nn.Flatten(), nn.Linear(8, 2)), torch.randn(2, 3, 8))


def checkpoint_state():
    torch.manual_seed(0)
    model = nn.Linear(2, 2)
    return State(model, torch.optim.Adam(model.parameters(), lr=0.01))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Format → (function that reads, its argument, files that may be mutated)."""
    place = tmp_path_factory.mktemp("formats")
    program = lower(network(), name="net")
    save(network(), place / "net")
    save_program(program, place / "prog")
    export(program, place / "art", golden=np.ones((1, 3, 8), np.float32))
    Masks({"w": torch.tensor([True, False])}).save(place / "masks")
    state = checkpoint_state()
    state.model(torch.ones(1, 2)).sum().backward()
    state.optimizer.step()
    save_checkpoint(place / "checkpoint", state, {"seed": 1})
    run = open_run(place / "run", parse_recipe('name = "a"\n'), facts={})
    run.trial(0, 0).write_arrays("trial", y=np.arange(3))
    run.trial(0, 0).write("trial", {"rows": [{"accuracy": 0.5}], "subjects": []})

    def read_run(path):
        again = RunFolder(path)
        return again.results(), again.trial(0, 0).read_arrays("trial")

    return {
        "network": (load, place / "net", ["network.json", "tensors.safetensors"]),
        "program": (load_program, place / "prog", ["program.json", "program.safetensors"]),
        "artifact": (check_artifact, place / "art", ["manifest.json"]),
        "masks": (lambda folder: Masks.load(folder / "masks"), place, ["masks"]),
        "checkpoint": (lambda folder: load_checkpoint(folder / "checkpoint", checkpoint_state(), {"seed": 1}), place,
                       ["checkpoint"]),
        "run": (read_run, place / "run", ["trials/fold-00_seed-0/trial.json"]),
    }  # fmt: skip


FORMATS = ("network", "program", "artifact", "masks", "checkpoint", "run")


def mutated(whole, rng):
    """One to eight bytes changed, cut, doubled, swapped or put in; never the same as before."""
    content = bytearray(whole)
    for _ in range(rng.choice([1, 1, 1, 2, 8])):
        at = rng.randrange(len(content))
        to = min(len(content), at + rng.choice([1, 1, 4, 60]))
        match rng.randrange(6):
            case 0 | 1:
                content[at] ^= 1 << rng.randrange(8)
            case 2:
                del content[at:to]
            case 3:
                content[at:at] = content[at:to]
            case 4:
                content[at:to] = rng.randbytes(to - at)
            case 5:
                content[at:at] = rng.choice([b" ", b"\n", b'"', b"[" * 5000, b"\x00", b"9" * 50, b"1e999", b"NaN"])
        content = content or bytearray(b"\x00")
    return bytes(content)


@pytest.mark.long
@pytest.mark.parametrize("kind", FORMATS)
def test_changed_bytes(files, kind):
    read, folder, names = files[kind]
    rng = random.Random(kind)
    for name in names:
        path = folder / name
        whole = path.read_bytes()
        try:
            for turn in range(BYTES):
                content = mutated(whole, rng)
                if content == whole:
                    continue
                path.write_bytes(content)
                start = time.monotonic()
                with pytest.raises(REFUSED):
                    read(folder)
                assert time.monotonic() - start < 5, (kind, name, turn)
        finally:
            path.write_bytes(whole)
        read(folder)


def edited(content, rng):
    """A JSON value somewhere inside exchanged, removed or doubled."""
    content = copy.deepcopy(content)
    places = []

    def visit(value):
        for key in range(len(value)) if isinstance(value, list) else list(value):
            places.append((value, key))
            if isinstance(value[key], list | dict):
                visit(value[key])

    visit(content)
    for _ in range(rng.choice([1, 1, 2])):
        owner, key = rng.choice(places)
        try:
            match rng.randrange(4):
                case 0 | 1:
                    owner[key] = rng.choice([*HOSTILE, rng.choice(places)[0]])
                case 2:
                    del owner[key]
                case 3:
                    owner.append(owner[key]) if isinstance(owner, list) else owner.update({f"{key} ": owner[key]})
        except (KeyError, IndexError):  # removed before
            pass
    return content


@pytest.mark.long
@pytest.mark.parametrize(("kind", "name"), [("network", "network.json"), ("program", "program.json"),
                                            ("artifact", "manifest.json")])  # fmt: skip
def test_hostile_values_under_a_right_seal(files, kind, name):
    """Refused, or a value that can be used: nothing else is raised, nothing takes long."""
    read, folder, _ = files[kind]
    path, rng, taken = folder / name, random.Random(kind), 0
    whole = path.read_bytes()
    try:
        for _ in range(VALUES):
            path.write_bytes(whole)
            start = time.monotonic()
            try:
                resealed(path, lambda content: edited(content, rng))
            except (ValueError, RecursionError):  # no JSON can hold it: a number of 400 digits, a list inside itself
                continue
            try:
                found = read(folder)
            except REFUSED:
                pass
            else:
                taken += 1
                _use(found)
            assert time.monotonic() - start < 5, json.loads(path.read_text())
    finally:
        path.write_bytes(whole)
    assert taken < VALUES / 2  # notes and names may be anything


def _use(found):
    if hasattr(found, "nodes"):
        with suppress(RuntimeError, IndexError, TypeError):  # torch's own, of values that no shape tells
            found(*(torch.zeros(1, *shape) for shape in found.inputs.values()))


@pytest.mark.long
def test_hostile_plans(tmp_path):
    rng = random.Random(0)
    good = {"format": "trimcap plan 1", "keep": {"a": [0, 2]}, "sizes": {"a": 4}, "requested": {"a": 0.5}, "note": ""}
    for _ in range(5000):
        try:
            (tmp_path / "p").write_text(json.dumps(edited(good, rng)))
        except (ValueError, RecursionError):
            continue
        try:
            plan = Plan.load(tmp_path / "p")
        except PlanError:
            continue
        plan.table(), str(plan), plan.achieved()
