"""Volumes and averages over what is inside the image, in C, on odd sizes; EEGNet3D as a whole."""

import shutil
from math import prod

import numpy as np
import pytest
import torch
from export_builds import disagreement, edit, needs_arm, needs_compiler
from export_programs import Maker, windows

from trimcap._errors import VerifyError
from trimcap.export.artifact import export
from trimcap.export.verify import verify
from trimcap.graph.trace.trace import trace
from trimcap.models.eegnet3d import EEGNet3D
from trimcap.prune.plan import make_plan
from trimcap.prune.shrink import shrink
from trimcap.quantize.network import quantize_network

pytestmark = needs_compiler
BOTH = pytest.mark.parametrize("integer", [True, False], ids=["int8", "float"])


def odd_sizes(integer):
    m = Maker((6, 5, 3, 7), integer=integer, seed=8)
    m.conv("x", 5, (3, 3, 3), padding=(1, 1, 1, 1, 1, 1))
    m.conv("x", 6, (2, 1, 3), groups=6, stride=(2, 1, 1), padding=(1, 0, 1, 0, 0, 1))
    m.conv("x", 4, (1, 3, 2), groups=2, stride=(1, 2, 3), dilation=(1, 1, 3), padding=(0, 2, 2, 0, 1, 0))
    m.conv("x", 3, (2, 2, 7), dilation=(3, 1, 1), low=-9, high=11)
    m.conv("x", 1, (5, 3, 7))
    wide = m.conv("x", 7, (3, 2, 2), padding=(4, 0, 0, 3, 0, 0), wide=integer)
    image = m.reshape("x", 6, 15, 7)
    for kernel, stride, padding in (
        ((3, 3), (2, 2), (1, 1, 1, 1)),
        ((1, 5), (1, 3), (0, 2, 0, 3)),
        ((4, 2), (1, 1), (0, 0, 3, 1)),
    ):
        m.avg_pool(image, kernel, stride=stride, padding=padding, divisor=0)
    return m.program(m.reshape(wide, prod(m.shape(wide))))  # fmt: skip


@BOTH
def test_odd_sizes(integer, tmp_path):
    program = odd_sizes(integer)
    _, mismatch = disagreement(program, windows(program, 12), tmp_path)
    assert mismatch is None, mismatch


@pytest.fixture(scope="module")
def film():
    torch.manual_seed(0)
    model = EEGNet3D(6, 5, 5, 3, size=(8, 8), expansion=2, time_strides=(2, 1, 2))
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm3d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return trace(model.eval(), torch.randn(2, 6, 5, 5))


@pytest.fixture(scope="module")
def made(film, tmp_path_factory):
    program = quantize_network(film, data(32), method="minmax").program
    return export(program, tmp_path_factory.mktemp("film") / "fw", golden=data(2))


def data(n):
    return np.random.default_rng(0).standard_normal((n, 6, 5, 5)).astype(np.float32)


def test_eegnet3d_pruned_and_in_integers(film, tmp_path):
    small = shrink(film, make_plan(film, {a.name: range(a.size // 2) for a in film.axes.hidden}))
    made = quantize_network(small, data(32), method="minmax")
    assert "conv" in {op.kind for op in made.program.ops if len(op.attrs.get("stride", ())) == 3}
    folder = export(made.program, tmp_path / "fw", golden=data(3))
    assert verify(folder, targets=("host", "sanitize"), n=20).passed


@needs_arm[0]
@needs_arm[1]
def test_eegnet3d_on_cortex_m(made):
    assert [row.status for row in verify(made, targets=["cortex-m7"], n_emulated=2).rows] == ["passed"]


def test_a_tap_of_another_plane_is_found(made, tmp_path):
    folder = shutil.copytree(made, tmp_path / "fw")
    edit(folder, "net.c", "d * c->stride[0] + t * c->dilation[0]", "d * c->stride[0] + (2 - t) * c->dilation[0]")
    with pytest.raises(VerifyError, match="host: window 0, operation 'relu'"):
        verify(folder, targets=["host"], save=tmp_path)
