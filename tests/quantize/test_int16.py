"""Sixteen bits for named values: what they are worth, refused where they cannot be, the same bits in C."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from small_nets import program, windows
from torch import Tensor, nn
from torch.nn import functional as F

from trimcap.export.artifact import export
from trimcap.export.build import host_compiler
from trimcap.export.cortexm import missing_tools
from trimcap.export.verify import verify
from trimcap.graph.trace.trace import trace
from trimcap.program.kinds.maps import lookup
from trimcap.program.program import WIDE_TABLE, Op, Value, table_index
from trimcap.program.save import load_program, save_program
from trimcap.quantize.network import Quantized, quantize_network
from trimcap.quantize.observe import observe
from trimcap.quantize.quantize import quantize
from trimcap.quantize.ranges import Ranges


class Net(nn.Module):
    """A function of the window and named layers."""

    def __init__(self, function: Callable[..., Tensor], **layers: nn.Module) -> None:
        super().__init__()
        self.function = function
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x)


def conv(filters: int = 4) -> nn.Module:
    return nn.Conv1d(3, filters, 5, padding=2)


def log_power(m: nn.Module, x: Tensor) -> Tensor:
    return m.head(torch.log(m.pool(m.conv(x) ** 2) + 1e-3).flatten(1))


def division(m: nn.Module, x: Tensor) -> Tensor:
    return m.head(F.avg_pool1d(m.a(x) / (0.05 + m.b(x).abs()), 8).flatten(1))


def branches(m: nn.Module, x: Tensor) -> Tensor:
    both = torch.cat([m.a(x), m.b(x) / 50], 1)
    return m.head(F.elu(m.mix(both)).flatten(1))


def everything(m: nn.Module, x: Tensor) -> Tensor:
    y = m.a(x)
    y = F.max_pool1d(F.pad(y, (1, 1)), 2, padding=1).permute(0, 2, 1)[:, 1:].permute(0, 2, 1)
    y = y * y[:, :1] + m.scale(y)
    return m.head(torch.cat([y.mean(-1), y[:, :, 0]], 1))


NETS: dict[str, tuple[Callable[[], nn.Module], tuple[str, ...]]] = {
    "log of power": (
        lambda: Net(log_power, conv=conv(), pool=nn.AvgPool1d(8), head=nn.Linear(20, 3)),
        ("pow", "pool", "log"),
    ),
    "division": (lambda: Net(division, a=conv(), b=conv(), head=nn.Linear(20, 3)), ("b", "div")),
    "branch 50 times smaller": (
        lambda: Net(branches, a=conv(), b=conv(), mix=nn.Conv1d(8, 6, 3, stride=2, dilation=2, padding=3),
                    head=nn.Linear(126, 3)),
        ("cat",),
    ),
    "everything": (
        lambda: Net(everything, a=conv(), scale=nn.Conv1d(4, 4, 1, groups=2), head=nn.Linear(8, 3)),
        ("a", "mul", "add", "mean", "cat"),
    ),
}  # fmt: skip


def made(name: str, int16: tuple[str, ...]) -> Quantized:
    torch.manual_seed(0)
    network = trace(NETS[name][0]().eval(), torch.randn(2, 3, 40))
    X = windows(3, 40, n=60, spread=1.0)
    X *= np.random.default_rng(1).lognormal(0, 0.5, (60, 1, 1)).astype(np.float32)
    return quantize_network(network, X[:40], held_out=X[40:], int16=int16)


@pytest.mark.parametrize("name", NETS)
def test_named_values_are_nearer_to_float(name: str) -> None:
    int16 = NETS[name][1]
    before, after = made(name, ()).fidelity, made(name, int16).fidelity
    layers = after.layers.set_index("value")
    gain = after.layers.held_out.min() - before.layers.held_out.min()
    # small divisors carry the noise of the input's eight bits, which sixteen later do not take away
    assert gain > (0.5 if name == "division" else 3)
    assert (layers.dtype == "int16").sum() > len(int16)
    assert after.held_out.sqnr > before.held_out.sqnr
    assert name == "division" or not [w for w in after.warnings if "keeps" in w]


def test_warnings_name_what_to_widen() -> None:
    (warning,) = made("branch 50 times smaller", ()).fidelity.warnings
    assert warning.endswith("int16=('b',) gives it sixteen bits")
    assert made("branch 50 times smaller", ("b",)).fidelity.warnings == ()


def test_index_of_a_wide_table_by_counting() -> None:
    q = np.arange(-32768, 32768)
    for number, found in zip(q.tolist(), table_index(q.astype(np.int16)).tolist(), strict=True):
        u, k = min(abs(number), 32767), 0
        while u // 2**k > 127:
            k += 1
        assert found == 64 * k + u // 2**k + (640 if number < 0 else 0)
    assert table_index(np.array([32767, -32768], np.int16)).tolist() == [639, 1279]


@pytest.mark.parametrize("function", ["log", "elu", "square", "reciprocal"])
def test_entries_of_a_wide_table(function: str) -> None:
    """Each entry is f of the middle of the numbers that share it; where f is undefined, of the nearest one."""
    x, y = Value("x", (1,), "int16", 0.013, 0), Value("y", (1,), "int16", 0.01, 0)
    parameters = (1.0, 1.0, 1.0) if function == "elu" else ()
    op = Op("y", "map", ("x",), "y", {"function": function, "parameters": parameters})
    entries = lookup(op, x, y)
    assert entries.shape == (WIDE_TABLE,)
    q = np.arange(-32767, 32768)
    index = table_index(q.astype(np.int16))
    f = {"log": np.log, "square": np.square, "reciprocal": lambda v: 1 / v,
         "elu": lambda v: np.where(v > 0, v, np.expm1(np.minimum(v, 0)))}[function]  # fmt: skip
    for entry in (*range(1, 300, 7), 639, 641, 700, 1000, 1279):
        if function == "log" and entry >= 640:
            assert entries[entry] == entries[0] == -32768
            continue
        middle = 0.013 * q[index == entry].mean()
        want = np.clip(f(middle) / 0.01, -32768, 32767)
        assert abs(entries[entry] - want) <= 0.5 + 1e-9


def test_what_cannot_have_sixteen_bits_says_why() -> None:
    torch.manual_seed(0)
    net = program(nn.Sequential(nn.Conv1d(3, 4, 5), nn.ELU(), nn.Flatten(), nn.Linear(144, 3)), 3, 40)
    x = windows(3, 40)
    with pytest.raises(ValueError, match=r"int16: unknown layer 'celu'"):
        observe(net, x, int16=("celu",))
    moved = program(Net(lambda m, x: m.head(x.transpose(1, 2)), head=nn.Linear(3, 2)), 3, 40)
    with pytest.raises(ValueError, match="only moves the input, which is int8"):
        observe(moved, x, int16=(moved.ops[0].source,))
    volume = program(nn.Sequential(nn.Conv3d(1, 2, 3), nn.ELU(), nn.Conv3d(2, 2, 3)), 1, 6, 6, 6)
    with pytest.raises(ValueError, match=r"'1' is read by '2' \(conv of volumes\), which has int8 only; these"):
        observe(volume, windows(1, 6, 6, 6), int16=("1",))
    soft = program(nn.Sequential(nn.Softmax(2), nn.Conv1d(3, 2, 3)), 3, 40)
    with pytest.raises(ValueError, match=r"'0' is made by '0' \(softmax\), which has int8 only"):
        observe(soft, x, int16=("0",))
    big = program(nn.Sequential(nn.Conv1d(3, 40, 5), nn.ELU(), nn.Flatten(), nn.Linear(1440, 3)), 3, 40)
    with pytest.raises(ValueError, match=r"operation 'linear' .* beyond int32"):
        quantize(big, observe(big, x, int16=("1",)))


def test_ranges_and_programs_keep_it(tmp_path) -> None:
    found = made("everything", NETS["everything"][1])
    assert Ranges.from_json(found.ranges.to_json()) == found.ranges
    save_program(found.program, tmp_path)
    again = load_program(tmp_path)
    assert again.values == found.program.values
    assert again.ops == found.program.ops


def extreme(n: int) -> np.ndarray:
    """Windows of the calibrated size, and some far beyond."""
    X = windows(3, 40, n=n, spread=1.0)
    return X * np.geomspace(0.01, 30, n).reshape(-1, 1, 1).astype(np.float32)


@pytest.mark.skipif(host_compiler() is None, reason="no C compiler")
@pytest.mark.parametrize("name", NETS)
def test_c_has_the_same_bits(name: str, tmp_path) -> None:
    folder = export(made(name, NETS[name][1]).program, tmp_path / "net", golden=extreme(3))
    assert verify(folder, targets=["host", "sanitize"], windows=extreme(24)).passed


@pytest.mark.arm
@pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools()))
@pytest.mark.parametrize("name", NETS)
def test_cortex_m_has_the_same_bits(name: str, tmp_path) -> None:
    folder = export(made(name, NETS[name][1]).program, tmp_path / "net", golden=extreme(3))
    found = verify(folder, targets=["cortex-m4", "cortex-m7"], windows=extreme(4))
    assert [row.status for row in found.rows] == ["passed", "passed"]
