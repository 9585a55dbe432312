"""An input scale for every channel: exact algebra, the same bits in C, and what it is worth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from small_nets import Function, program, windows
from test_quantize_network import task, trained_eegnet
from torch import nn
from torch.nn import functional as F

from sealing import resealed
from trimcap._errors import VerifyError
from trimcap.export.artifact import check_artifact, export
from trimcap.export.build import host_compiler
from trimcap.export.cortexm import missing_tools
from trimcap.export.verify import verify
from trimcap.graph.trace.trace import trace
from trimcap.models.scaled import Scaled
from trimcap.program.check import check
from trimcap.program.interpret import dequantize, input_factors, interpret, quantize_input
from trimcap.program.save import load_program, save_program
from trimcap.quantize.fidelity import fidelity
from trimcap.quantize.gains import absorb, channel_gains, gained
from trimcap.quantize.network import quantize_network
from trimcap.quantize.observe import observe
from trimcap.quantize.quantize import quantize
from trimcap.quantize.ranges import Ranges

G6 = tuple(float(g) for g in np.random.default_rng(3).uniform(0.01, 5, 6).astype(np.float32))


def image(x: torch.Tensor) -> torch.Tensor:
    return x[:, None]


ABSORBING = {
    "conv": nn.Conv1d(6, 4, 5, padding=3, stride=2),
    "depthwise": nn.Conv1d(6, 12, 3, groups=6, dilation=2, padding=1),
    "grouped": nn.Conv1d(6, 9, 3, groups=3),
    "spatial": nn.Sequential(Function(image), nn.Conv2d(1, 5, (6, 1)), nn.ELU()),
    "spatial, padded": nn.Sequential(Function(image), nn.Conv2d(1, 5, (6, 7), padding=(0, 3))),
    "linear": nn.Sequential(nn.Flatten(), nn.Linear(192, 4)),
    "transposed linear": nn.Sequential(Function(lambda x: x.transpose(1, 2)), nn.Linear(6, 4)),
    "padding, slices": nn.Sequential(Function(lambda x: F.pad(x, (1, 2))[:, 1::2]), nn.Conv1d(3, 4, 3)),
    "homogeneous": nn.Sequential(Function(lambda x: F.leaky_relu(x * 0.5, 0.1)), nn.Conv1d(6, 4, 3)),
}
#: what they are, and the layer that is named
REFUSING = {
    "temporal": (nn.Sequential(Function(image), nn.Conv2d(1, 5, (1, 7))), "'1' .conv. applies one weight to several"),
    "pairs of rows": (nn.Sequential(Function(image), nn.Conv2d(1, 5, (2, 1))), "'1' .conv. applies one weight"),
    "linear over time": (nn.Linear(32, 4), "linear' .linear. applies one weight to several"),
    "function": (nn.Sequential(nn.ELU(), nn.Conv1d(6, 4, 3)), "layer '0' .map. reads it"),
    "offset": (nn.Sequential(Function(lambda x: x + 1), nn.Conv1d(6, 4, 3)), "map. reads it"),
    "sum": (Function(lambda x: x[:, :3] + x[:, 3:]), "add. reads it"),
}


@pytest.mark.parametrize("name", ABSORBING)
def test_the_function_stays(name: str) -> None:
    net = program(ABSORBING[name], 6, 32)
    x = windows(6, 32, n=5)
    got, want = interpret(absorb(net, G6), gained(x, G6)), interpret(net, x)
    np.testing.assert_allclose(got, want, rtol=0, atol=2e-6 * np.abs(want).max())
    # twin: gains in another order are seen
    assert np.abs(interpret(absorb(net, G6[::-1]), gained(x, G6)) - want).max() > 0.01 * np.abs(want).max()


@pytest.mark.parametrize("name", REFUSING)
def test_a_layer_that_cannot_is_named(name: str) -> None:
    model, words = REFUSING[name]
    net = program(model, 6, 32)
    with pytest.raises(ValueError, match=words):
        absorb(net, G6)


def test_quantize_input_by_channel() -> None:
    net = program(ABSORBING["conv"], 6, 32)
    x = windows(6, 32) * np.array([1, 80, 1, 3, 0.1, 1], np.float32)[:, None]
    q = quantize(net, observe(net, x, method="minmax", gains=channel_gains(x)))
    value = q.values[q.input]
    assert len(value.scales) == 6
    for c, s in enumerate(value.scales):
        assert s == np.float32(s)
        step = np.abs(dequantize(q, quantize_input(q, x), value=q.input)[:, c] - x[:, c]).max()
        assert step <= s * 0.5001  # nothing is clipped
        assert np.abs(quantize_input(q, x)[:, c].astype(int)).max() >= 120  # and every channel uses its levels
    v = x.astype(np.float32) * input_factors(q)[:, None]
    want = np.trunc(v + np.copysign(np.float32(0.5), v)).astype(int) + value.zero_point
    assert (quantize_input(q, x) == np.clip(want, -128, 127)).all()
    assert (input_factors(q) == np.float32(1) / np.array(value.scales, np.float32)).all()


@pytest.fixture(scope="module")
def uneven():
    """A trained EEGNet whose electrode 5 has other units, 100 times larger."""
    X, y = task(320, 1)
    size = np.ones((8, 1), np.float32)
    size[5] = 100
    network = Scaled(trained_eegnet(X, y, epochs=4), np.zeros((8, 1)), size).eval()
    X = (X / 10 * size).astype(np.float32)
    return trace(network, X[:2]), X


@pytest.mark.parametrize("rewritten", [True, False])
def test_a_channel_100_times_larger_costs_nothing(uneven, rewritten: bool) -> None:
    network, X = uneven
    options = {"held_out": X[128:], "exact_rewrites": rewritten}
    one = quantize_network(network, X[:128], input_scales="one", **options)
    each = quantize_network(network, X[:128], **options)
    assert each.ranges.gains
    assert one.fidelity.held_out.sqnr < 20
    assert each.fidelity.held_out.sqnr > one.fidelity.held_out.sqnr + 15
    assert each.fidelity.held_out.agreement >= 0.96
    assert each.fidelity.warnings == ()
    # twin: scales in another order are seen
    x = each.program.values[each.program.input]
    turned = replace(x, scales=(*x.scales[1:], x.scales[0]))
    wrong = replace(each.program, values={**each.program.values, x.name: turned})
    assert fidelity(each.reference, wrong, X[:64]).warnings


def test_one_scale_where_it_must_be_and_where_it_is_enough() -> None:
    torch.manual_seed(0)
    temporal = nn.Sequential(Function(image), nn.Conv2d(1, 2, (1, 7)), nn.Flatten(), nn.Linear(2 * 6 * 26, 2)).eval()
    network = trace(temporal, torch.randn(2, 6, 32))
    x = windows(6, 32, n=24)
    alike = quantize_network(network, x)
    assert alike.ranges.gains == ()
    assert alike.program.notes == ()
    x[:, 2] *= 60
    found = quantize_network(network, x, exact_rewrites=False)
    assert found.ranges.gains == ()
    (note,) = [n for n in found.program.notes if "one scale for all channels" in n]
    assert "applies one weight to several channels" in note
    with pytest.raises(ValueError, match="channels cannot have a scale each: layer '1'"):
        quantize_network(network, x, exact_rewrites=False, input_scales="channels")


def test_ranges_and_programs_keep_scales(uneven, tmp_path) -> None:
    network, X = uneven
    found = quantize_network(network, X[:40], input_scales="channels")
    assert Ranges.from_json(found.ranges.to_json()) == found.ranges
    again = quantize(found.reference, found.ranges)
    assert again.values == found.program.values
    save_program(found.program, tmp_path)
    assert load_program(tmp_path).values == found.program.values


def test_check_refuses_wrong_scales(uneven) -> None:
    network, X = uneven
    q = quantize_network(network, X[:40], input_scales="channels").program
    x, y = q.values[q.input], q.values[q.output]
    for value in (
        replace(x, scales=x.scales[1:]),
        replace(x, scales=(*x.scales[1:], 0.0)),
        replace(y, scales=(1.0, 1.0)),
    ):
        with pytest.raises(ValueError, match="scales of channels must be one finite number"):
            check(replace(q, values={**q.values, value.name: value}))


@pytest.mark.skipif(host_compiler() is None, reason="no C compiler")
def test_c_has_the_same_bits(uneven, tmp_path) -> None:
    network, X = uneven
    q = quantize_network(network, X[:40], input_scales="channels").program
    golden = np.concatenate([X[40:44], -300 * X[44:46]])
    folder = export(q, tmp_path / "net", golden=golden)
    assert verify(folder, targets=["host", "sanitize"], windows=X[:24]).passed
    header = (folder / "net.h").read_text()
    assert "#define NET_INPUT_CHANNELS 8\n#define NET_INPUT_SCALES {" in header
    assert "NET_INPUT_SCALE " not in header
    listed = header.split("NET_INPUT_SCALES {")[1].split("}")[0]
    scales = [np.float32(s.rstrip("f")) for s in listed.split(", ")]
    manifest = check_artifact(folder).manifest
    assert scales == [np.float32(s) for s in manifest["input"]["scales"]] == list(q.values[q.input].scales)
    # twin: C that takes one factor for all is found
    source = (folder / "net.c").read_text()
    (folder / "net.c").write_text(source.replace("input_factors[i / 128]", "input_factors[0]"))
    resealed(folder / "manifest.json", lambda content: None)
    with pytest.raises(VerifyError, match="operation 'input'"):
        verify(folder, targets=["host"], windows=X[:4], save=tmp_path)


@pytest.mark.arm
@pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools()))
def test_cortex_m_has_the_same_bits(uneven, tmp_path) -> None:
    network, X = uneven
    q = quantize_network(network, X[:40], input_scales="channels").program
    folder = export(q, tmp_path / "net", golden=X[40:44])
    found = verify(folder, targets=["cortex-m4", "cortex-m7"], windows=X[:4])
    assert [row.status for row in found.rows] == ["passed", "passed"]


def test_the_input_as_second_factor_is_named() -> None:
    """The layer that stops the scales reads the input in second place: a note, no crash."""

    class Second(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.out = nn.Conv1d(6, 6, 3, padding=1), nn.Linear(72, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.out((self.conv(x) + x).flatten(1))

    X = np.random.default_rng(0).standard_normal((32, 6, 12)).astype(np.float32)
    X[:, 2] *= 50
    notes = quantize_network(trace(Second().eval(), torch.from_numpy(X[:2])), X).program.notes
    assert any("layer 'add' (add) reads it" in note for note in notes)
