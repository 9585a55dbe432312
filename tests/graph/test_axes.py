"""Axes are found with the right names, sizes, members and reasons."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from trimcap.graph.ops.atoms import Atom, concatenate, flat, freeze, fresh, regroup, size_of, unify
from trimcap.graph.trace.trace import trace
from zoo import build


def axes_of(name):
    return trace(*build(name)).axes


def test_eegnet_axes():
    axes = axes_of("depth multiplier 3")
    found = {a.name: (a.size, a.kind) for a in axes.prunable}
    assert found == {"electrodes": (8, "input"), "1": (6, "hidden"), "3.depth": (3, "hidden"), "9": (10, "hidden")}
    assert axes["electrodes"].members == (("3.weight", 2),)
    assert ("14.weight", 1) in axes["9"].members  # through flatten
    assert ("9.weight", 1) in axes["1"].members  # through the depth multiplier
    assert ("9.weight", 1) in axes["3.depth"].members


def test_frozen_axes_say_why():
    axes = axes_of("depth multiplier 2")
    assert axes["times"].frozen == "times of the input"
    assert axes["14"].frozen == "output of the network"
    assert "kernel of 1 (conv2d)" in axes["1.kernel"].frozen
    hemisphere = axes_of("TSCeption")["electrodes"]
    assert "convolved over by hemisphere.0" in hemisphere.frozen


def test_residual_stream_is_one_axis():
    axes = axes_of("residual")
    members = {tensor for tensor, dim in axes["stem"].members if dim == 0}
    assert {"stem.weight", "a.0.weight", "b.0.weight", "a.1.running_mean"} <= members
    assert {"c.0.weight", "short.weight"} <= {t for t, d in axes["c.0"].members if d == 0}


def test_attention_has_its_stream_heads_and_features_free():
    axes = axes_of("attention head")
    assert {(a.name, a.size) for a in axes.hidden} == {("embed", 16), ("qkv.2", 2), ("qkv.3", 8), ("ffn.0", 24)}
    assert "cut by" in axes["qkv"].frozen  # queries, keys and values


@pytest.mark.parametrize("name", ["GRU", "LSTM"])
def test_recurrent_units_are_rows_of_every_gate_and_columns_of_the_state(name):
    axes = axes_of(name)
    units = next(a for a in axes.hidden if a.size == 7)
    assert {a.size for a in axes.prunable} == {8, 12, 7}
    assert {("rnn.weight_hh_l0", 0), ("rnn.weight_hh_l0", 1), ("rnn.bias_ih_l1", 0)} <= set(units.members)
    assert ("head.weight", 1) in units.members
    assert any("gates of rnn" in a.frozen for a in axes.values())


def test_grouped_convolution_has_group_and_channel_axes():
    sizes = sorted(a.size for a in axes_of("grouped").hidden)
    assert sizes == [4, 4, 6, 12]  # 4 groups × 4 inputs, × 6 outputs, and the 12 of the last layer


def test_operation_without_a_rule_freezes_with_its_name():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.head = nn.Conv1d(4, 6, 3), nn.Linear(6, 2)

        def forward(self, x):
            return self.head(torch.cdist(self.conv(x), self.conv(x)).mean(-1))

    axes = trace(Odd(), torch.randn(2, 4, 16)).axes
    assert "operation 'cdist' is not understood" in axes["conv"].frozen
    assert [a.name for a in axes.prunable] == ["electrodes"]


def test_unknown_axis_suggests():
    with pytest.raises(KeyError, match="did you mean 'electrodes'"):
        axes_of("shallow")["electrode"]


class Made(nn.Module):
    """A forward written as a function of the module and its window, with the layers and tensors it uses."""

    def __init__(self, forward, **parts):
        super().__init__()
        self._made = forward
        for name, part in parts.items():
            if isinstance(part, torch.Tensor) and not isinstance(part, nn.Parameter):
                self.register_buffer(name, part)
            else:
                setattr(self, name, part)

    def forward(self, x):
        return self._made(self, x)


def image(m, x):
    return m.b(m.norm(m.a(x[:, None]))).flatten(1)


IMAGE = {"a": nn.Conv2d(1, 6, (1, 5)), "b": nn.Conv2d(6, 2, (4, 12))}


@pytest.mark.parametrize(
    "norm",
    [nn.GroupNorm(3, 6), nn.InstanceNorm2d(6, affine=True), nn.BatchNorm2d(6, track_running_stats=False)],
    ids=lambda norm: type(norm).__name__,
)
def test_statistics_of_the_input_freeze_all_they_run_over(norm):
    axes = trace(Made(image, norm=norm, **IMAGE), torch.randn(2, 4, 16)).axes
    assert "normalised over by norm" in axes["electrodes"].frozen


def test_running_statistics_freeze_no_electrode():
    for norm in (nn.BatchNorm2d(6), nn.InstanceNorm2d(6, affine=True, track_running_stats=True)):
        assert not trace(Made(image, norm=norm, **IMAGE), torch.randn(2, 4, 16)).axes["electrodes"].frozen


def test_state_made_for_every_electrode_freezes_them():
    def forward(m, x):
        n, c, t = x.shape
        return m.head(m.rnn(x.reshape(n * c, t, 1))[0][:, -1].reshape(n, -1))

    model = Made(forward, rnn=nn.LSTM(1, 5, batch_first=True), head=nn.Linear(20, 2))
    assert trace(model, torch.randn(2, 4, 16)).axes["electrodes"].frozen


def test_every_result_has_dimensions_of_its_size():
    """Forms of operations that a rule may not expect: broadcast products, one number for two kernel sizes."""

    def broadcast(m, x):
        return m.head(torch.matmul(m.q, m.a(x).view(-1, 2, 3, 12)).reshape(-1, 8, 12).mean(-1))

    def pooled(m, x):
        return m.b(m.pool(m.a(x[:, None]))).flatten(1)

    models = {
        "matmul": Made(broadcast, a=nn.Conv1d(4, 6, 5), q=nn.Parameter(torch.randn(1, 1, 4, 3)), head=nn.Linear(8, 2)),
        "pool": Made(pooled, a=IMAGE["a"], pool=nn.AvgPool2d((2,)), b=nn.Conv2d(6, 2, (2, 6))),
    }
    for name, model in models.items():
        network = trace(model, torch.randn(2, 4, 16))
        for node in network.nodes:
            if node.shape:
                assert tuple(map(size_of, network.axes.dims(node.name))) == node.shape, name


# ---- the algebra ----


def test_unify_splits_the_larger_atom():
    x, y = fresh(24), (Atom(4), Atom(6))
    unify(x, y, "test")
    assert [a.size for a in flat(x)] == [4, 6]
    assert [a.root() for a in flat(x)] == [a.root() for a in flat(y)]


def test_unify_freezes_what_does_not_line_up():
    x, y = (Atom(4), Atom(6)), (Atom(6), Atom(4))
    unify(x, y, "sizes differ")
    assert {a.frozen for a in (*flat(x), *flat(y))} == {"sizes differ"}


def test_freezing_a_concatenation_freezes_its_parts():
    a, b = fresh(3), fresh(5)
    joined = concatenate([a, b])
    assert size_of(joined) == 8
    freeze(joined, "why")
    assert a[0].frozen == b[0].frozen == "why"


def test_unifying_with_a_frozen_concatenation_freezes_parts():
    a, b = fresh(3), fresh(5)
    joined, other = concatenate([a, b]), fresh(8, "frozen elsewhere")
    unify(other, joined, "test")
    assert a[0].frozen == "frozen elsewhere"


def test_a_concatenation_of_one_is_that_one():
    x = fresh(4)
    joined = concatenate([x])
    unify(joined, x, "test")
    assert size_of(joined) == 4


@pytest.mark.parametrize("sizes", [(24,), (4, 6), (2, 12), (2, 2, 6), (4, 3, 2), (1, 24, 1)])
def test_regroup_makes_every_factorisation_that_nests(sizes):
    dims = ((Atom(4),), (Atom(6),))
    result = regroup(dims, sizes, "test")
    assert [size_of(d) for d in result] == list(sizes)
    assert not any(a.frozen for d in dims for a in flat(d))


def test_regroup_freezes_what_does_not_nest():
    dims = ((Atom(4),), (Atom(6),))
    assert regroup(dims, (3, 8), "split") is None
    assert all(a.frozen == "split" for d in dims for a in flat(d))


def test_axes_print_as_a_table():
    axes = axes_of("depth multiplier 2")
    lines = str(axes).splitlines()
    assert len(lines) == len(axes)
    assert lines[0].split() == ["electrodes", "8", "input"]
    assert any("frozen: output of the network" in line for line in lines)
    assert repr(axes) == f"Axes({len(axes.prunable)} prunable, {len(axes) - len(axes.prunable)} frozen)"
