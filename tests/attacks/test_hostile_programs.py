"""A program from a stranger reads and writes only memory of its own, in NumPy and in C; its seal is right each time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from sealing import resealed
from trimcap._errors import ArtifactError
from trimcap.graph.trace.trace import trace
from trimcap.program.kinds.table import KINDS
from trimcap.program.lower.lower import lower
from trimcap.program.save import load_program, save_program


class Everything(nn.Module):
    """Each kind of a float program once."""

    def __init__(self):
        super().__init__()
        self.conv, self.linear = nn.Conv2d(2, 4, (1, 3), padding=(0, 1)), nn.Linear(6, 3)

    def forward(self, x):
        x = self.conv(nn.functional.pad(x.unflatten(1, (2, 2)), (1, 1)))
        x = torch.cat([nn.functional.elu(x), x * x.tanh() + 1.5 * x], 1)
        x = nn.functional.max_pool2d(x, (1, 2)) + nn.functional.avg_pool2d(x, (1, 2))
        x = x[:, :, :, 1:4].transpose(2, 3).mean(1)
        x = (x @ x.transpose(1, 2)).softmax(-1) @ nn.functional.layer_norm(x, (2,))
        return self.linear(x.flatten(1))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("program")
    save_program(lower(trace(Everything(), torch.randn(2, 4, 8))), folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def forged(saved, folder, change):
    for name, content in saved.items():
        (folder / name).write_bytes(content)
    resealed(folder / "program.json", change)
    return folder


def op(of, /, **values):
    """Edit attributes (or parts) of the first operation of a kind."""

    def change(content):
        found = next(o for o in content["ops"] if o["kind"] == of)
        for name, value in values.items():
            (found if name in found else found["attrs"])[name] = value

    return change


def value(place, **values):
    return lambda content: content["values"][place].update(values)


def test_whole_program_is_taken(saved, tmp_path):
    program = load_program(forged(saved, tmp_path, lambda content: None))
    assert {o.kind for o in program.ops} == set(KINDS) - {"table", "pad"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (op("conv", kind="exec"), "unknown kind 'exec'"),
        (op("conv", stride=[0, 1]), "'stride' is .* must be 2 whole numbers from 1"),
        (op("conv", stride=[1]), "'stride'"),
        (op("conv", padding=[0, -9, 0, 0]), "'padding'"),
        (op("conv", padding=[0, 10**9, 0, 0]), "'padding'"),
        (op("conv", padding=[4 * 10**6, 4 * 10**6, 0, 0], stride=[4 * 10**6] * 2), "enormous"),
        (op("conv", padding=[0, 2, 0, 1]), "its output .* has the shape"),
        (op("conv", groups=0), "'groups'"),
        (op("conv", groups=7), "channels in 7 groups"),
        (op("conv", code="x"), "its attribute 'code' is unknown"),
        (op("conv", low="x"), "its limit 'low'"),
        (op("conv", constants={}), "its constant 'weight' is missing"),
        (op("conv", constants={"weight": "nobody", "bias": "nobody"}), "its constant 'weight' is missing"),
        (op("conv", inputs=[]), "it has 0 inputs"),
        (op("conv", inputs=["nobody"]), "value 'nobody' does not exist"),
        (op("conv", output="nobody"), "value 'nobody' does not exist"),
        (op("map", function="__import__"), "its function"),
        (op("map", function="pow", parameters=[]), "its parameters"),
        (op("mul", strides_a=[10**6, 1, 1]), "reads element"),
        (op("mul", strides_b=[-1, 1, 1]), "'strides_b'"),
        (op("add", inputs=["x"]), "it has 1 inputs, must have 2"),
        (op("slice", start=1000), "along dimension"),
        (op("slice", step=0), "'step'"),
        (op("slice", dim=9), "along dimension 9"),
        (op("permute", order=[0, 0, 1]), "its order"),
        (op("max_pool", kernel=[0, 2]), "'kernel'"),
        (op("max_pool", kernel=[10**6, 2]), "its kernel is larger"),
        (op("avg_pool", divisor=-1), "'divisor'"),
        (op("mean", reduce=10**6), "it sees"),
        (op("matmul", steps_a=[0, 10**6, 1]), "reads element"),
        (op("matmul", steps_b=[0, -1, 1]), "'steps_b'"),
        (op("matmul", depth=10**6), "reads element"),
        (op("matmul", columns=0), "'columns'"),
        (op("softmax", inner=10**6), "it sees"),
        (op("layer_norm", outer=10**6), "it sees"),
        (op("layer_norm", epsilon="x"), "its epsilon"),
        (op("concat", dim=10), "along dimension 10"),
        (value(0, shape=[4, 10**9]), "has the shape"),
        (value(0, shape=[4, 9]), "it sees"),
        (value(0, shape=[]), "must read|it sees"),
        (value(1, dtype="int8"), "in a program of other numbers"),
        (value(1, dtype="object"), "in a program of other numbers"),
        (value(1, scale=0.0), "has scale 0.0"),
        (value(1, zero_point=10**6), "zero point 1000000"),
        (lambda c: c.update(output="nobody"), "makes the output 'nobody'"),
        (lambda c: c.update(input="nobody"), "its input 'nobody' is no value"),
        (lambda c: c["ops"].append(dict(c["ops"][0])), "is made twice"),
        (lambda c: c.update(constants=["nobody"]), "its list 'constants' is not what"),
        (lambda c: c.update(classes=[1]), "classes.0. is 1, not text"),
    ],
)
def test_what_does_not_fit_is_refused(saved, tmp_path, change, message):
    with pytest.raises(ArtifactError, match=message):
        load_program(forged(saved, tmp_path, change))


def test_weights_of_another_shape(saved, tmp_path):
    from safetensors.numpy import load, save

    tensors = load(saved["program.safetensors"])
    for name, other in {n: np.zeros((*a.shape, 2), np.float32) for n, a in tensors.items()}.items():
        changed = {**saved, "program.safetensors": save({**tensors, name: other})}
        with pytest.raises(ArtifactError, match="holds no program that can be used"):
            load_program(forged(changed, tmp_path, lambda content: None))
