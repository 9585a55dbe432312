"""Layer norm, softmax and products of two activations in C, on odd sizes, and in a network that has them all."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from export_builds import disagreement, edit, needs_arm, needs_compiler
from export_programs import Maker, windows
from torch import Tensor, nn

from trimcap._errors import VerifyError
from trimcap.export.artifact import export
from trimcap.export.verify import verify
from trimcap.graph.trace.trace import trace
from trimcap.program.interpret import interpret
from trimcap.prune.plan import make_plan
from trimcap.prune.shrink import shrink
from trimcap.quantize.network import quantize_network
from trimcap.quantize.report import agreement

pytestmark = needs_compiler
BOTH = pytest.mark.parametrize("integer", [True, False], ids=["int8", "float"])


def odd_sizes(integer):
    m = Maker((3, 5, 7), integer=integer, seed=4)
    for reduce in (1, 3, 7, 35, 105):
        m.layer_norm(m.reshape("x", 105 // reduce, reduce), reduce, per_element=reduce != 7)
    for dim in (0, 1, 2):
        m.softmax("x", dim)
    m.softmax(m.reshape("x", 105, 1), 1)
    turned = m.permute("x", (0, 2, 1))
    for product in (m.matmul("x", turned), m.matmul("x", "x", turned=True), m.matmul(turned, "x")):
        m.softmax(m.layer_norm(product, m.shape(product)[2]), 2)
    row = m.reshape(m.slice("x", 0, 0, 1, 1), 1, 1, 35)
    return m.program(m.matmul(row, m.reshape(row, 1, 35, 1)))


@BOTH
def test_odd_sizes(integer, tmp_path):
    program = odd_sizes(integer)
    X = windows(program, 24)
    X[::5] = X[::5, :, :1]  # constant rows and columns
    X[1::5] = 0.1
    X[1::5, 1, 2, 3] = 1e9
    _, mismatch = disagreement(program, X, tmp_path)
    assert mismatch is None, mismatch


class Mixer(nn.Module):
    """Filters, then tokens that weigh each other: layer norm, einsum, softmax, pools that end at the border."""

    def __init__(self, channels: int = 6, features: int = 10, classes: int = 4) -> None:
        super().__init__()
        self.temporal = nn.Conv2d(1, 5, (1, 9), padding=(0, 4), bias=False)
        self.spatial = nn.Conv2d(5, features, (channels, 1), groups=5)
        self.norm = nn.BatchNorm2d(features)
        self.pool = nn.AvgPool2d((1, 7), ceil_mode=True)
        self.before, self.after = nn.LayerNorm(features), nn.LayerNorm(features)
        self.query, self.key, self.value = (nn.Linear(features, features) for _ in range(3))
        self.mix = nn.Parameter(torch.randn(features, features) / 3)
        self.out = nn.Linear(features, classes)

    def forward(self, x: Tensor) -> Tensor:
        h = self.pool(nn.functional.elu(self.norm(self.spatial(self.temporal(x[:, None])))))
        h = h.squeeze(2).transpose(1, 2)
        t = self.before(h)
        scores = torch.einsum("btf,bsf->bts", self.query(t), self.key(t)) / 3
        h = h + torch.einsum("bts,bsf->btf", scores.softmax(-1), self.value(t))
        h = h + torch.einsum("btf,fg->btg", nn.functional.gelu(self.after(h)), self.mix)
        return self.out(nn.functional.adaptive_max_pool1d(h.transpose(1, 2), 1)[:, :, 0])


@pytest.fixture(scope="module")
def mixer():
    torch.manual_seed(3)
    model = Mixer()
    model.norm.running_var.uniform_(0.5, 2)
    return trace(model.eval(), data(2))


@pytest.fixture(scope="module")
def made(mixer, tmp_path_factory):
    program = quantize_network(mixer, data(32).numpy(), method="minmax").program
    return export(program, tmp_path_factory.mktemp("mixer") / "fw", golden=data(2).numpy())


def data(n):
    return torch.randn(n, 6, 60, generator=torch.Generator().manual_seed(1))


def test_a_network_of_all_pieces(mixer, tmp_path):
    small = shrink(mixer, make_plan(mixer, {a.name: range(1, a.size, 2) for a in mixer.axes.hidden}))
    X = data(32).numpy()
    made = quantize_network(small, X, method="minmax")
    with torch.no_grad():
        want = small.module()(data(32)).numpy()
    assert np.abs(interpret(made.reference, X) - want).max() < 1e-5 * np.abs(want).max()
    assert agreement(made.reference, made.program, X).sqnr > 20
    assert {"layer_norm", "softmax", "matmul"} <= {op.kind for op in made.program.ops}
    folder = export(made.program, tmp_path / "fw", golden=X[:3])
    assert verify(folder, targets=("host", "sanitize"), n=20).passed


@needs_arm[0]
@needs_arm[1]
def test_a_network_of_all_pieces_on_cortex_m(made):
    assert [row.status for row in verify(made, targets=["cortex-m4"], n_emulated=2).rows] == ["passed"]


@pytest.mark.parametrize(
    ("old", "new", "op"),
    [
        ("if (more * more * d <= (uint64_t)1 << 62)", "if (more * more * d <= (uint64_t)1 << 61)", "layer_norm"),
        ("total += exponents[largest - from[j * inner]]", "total += exponents[127 - from[j * inner]]", "softmax"),
        ("g * c->b_batch + q * c->b_column", "g * c->b_batch + r * c->b_column", "einsum"),
    ],
)
def test_wrong_kernels_are_found(made, old, new, op, tmp_path):
    folder = shutil.copytree(made, tmp_path / "fw")
    edit(folder, "net.c", old, new)
    with pytest.raises(VerifyError, match=f"operation '{op}"):
        verify(folder, targets=["host"], save=tmp_path)
