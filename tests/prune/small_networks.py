"""Small networks, one per idiom that the axes must follow; all take (n, 6, 24) and return 3 logits.

`SMALL` maps a name to (function that builds the model, sizes of the hidden axes that can be pruned).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

C, T = 6, 24


class Net(nn.Module):
    """A forward written as a function of the module and its window, with the parts it uses."""

    def __init__(self, forward: Callable[[Any, Tensor], Tensor], **parts: Any) -> None:
        super().__init__()
        self._made = forward
        for name, part in parts.items():
            if isinstance(part, Tensor) and not isinstance(part, nn.Parameter):
                self.register_buffer(name, part)
            else:
                setattr(self, name, part)

    def forward(self, x: Tensor) -> Tensor:
        return self._made(self, x)


def par(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(*shape))


def tokens(m, x):
    return m.embed(x.transpose(1, 2)[:, ::3])


# ---- attention ----


def packed():
    def forward(m, x):
        x = tokens(m, x)
        return m.head((x + m.mha(x, x, x, need_weights=False)[0]).mean(1))

    return Net(
        forward, embed=nn.Linear(C, 12), mha=nn.MultiheadAttention(12, 3, batch_first=True), head=nn.Linear(12, 3)
    )


def packed_weights():
    def forward(m, x):
        x = tokens(m, x).transpose(0, 1)
        return m.head(m.mha(x, x, x)[0].mean(0))

    return Net(forward, embed=nn.Linear(C, 12), mha=nn.MultiheadAttention(12, 3), head=nn.Linear(12, 3))


def encoder():
    layer = nn.TransformerEncoderLayer(12, 3, 20, batch_first=True)
    return Net(
        lambda m, x: m.head(m.layer(tokens(m, x)).mean(1)), embed=nn.Linear(C, 12), layer=layer, head=nn.Linear(12, 3)
    )


def separate():
    """Queries and values of different widths, class token, position, a scale for every feature."""

    def forward(m, x):
        x = tokens(m, x)
        x = torch.cat([m.cls.expand(x.shape[0], -1, -1), x], 1) + m.position
        n, t, _ = x.shape
        q = m.q(x).view(n, t, 2, 5).transpose(1, 2)
        k = m.k(x).view(n, t, 2, 5).transpose(1, 2)
        v = m.v(x).view(n, t, 2, 7).transpose(1, 2)
        a = F.scaled_dot_product_attention(q, k, v)
        x = x + m.scale * m.out(a.transpose(1, 2).reshape(n, t, 14))
        return m.head(m.norm(x)[:, 0])

    return Net(
        forward,
        embed=nn.Linear(C, 8), cls=par(1, 1, 8), position=par(1, 9, 8), q=nn.Linear(8, 10), k=nn.Linear(8, 10),
        v=nn.Linear(8, 14), out=nn.Linear(14, 8), scale=par(8), norm=nn.LayerNorm(8), head=nn.Linear(8, 3),
    )  # fmt: skip


def chunked():
    """Queries, keys and values as chunks: three axes; products written as einsum over einops."""

    def forward(m, x):
        from einops import rearrange

        q, k, v = (rearrange(y, "n t (h d) -> n h t d", h=2) for y in m.qkv(tokens(m, x)).chunk(3, -1))
        a = torch.softmax(torch.einsum("nhid,nhjd->nhij", q, k) / 2, -1)
        return m.head(rearrange(torch.einsum("nhij,nhjd->nhid", a, v), "n h t d -> n t (h d)").mean(1))

    return Net(forward, embed=nn.Linear(C, 9), qkv=nn.Linear(9, 24), head=nn.Linear(8, 3))


def linear_attention():
    """Softmax over features, and over tokens; batched products."""

    def forward(m, x):
        x = tokens(m, x)
        q, k, v = m.q(x).softmax(-1), m.k(x).softmax(1), m.v(x)
        return m.head(torch.bmm(q, torch.bmm(k.transpose(1, 2), v)).mean(1))

    parts = {name: nn.Linear(9, size) for name, size in (("q", 6), ("k", 6), ("v", 8))}
    return Net(forward, embed=nn.Linear(C, 9), head=nn.Linear(8, 3), **parts)


# ---- recurrent ----


def recurrent(cell, **options):
    def build():
        both = 2 if options.get("bidirectional") else 1
        width = options.get("proj_size", 5)

        def forward(m, x):
            out, state = m.rnn(torch.tanh(m.conv(x)).transpose(1, 2))
            last = (state[0] if isinstance(state, tuple) else state)[-1]
            return m.head(torch.cat([out[:, -1], last], 1))

        rnn = cell(7, 5, batch_first=True, **options)
        return Net(forward, conv=nn.Conv1d(C, 7, 5, stride=4), rnn=rnn, head=nn.Linear(width * (both + 1), 3))

    return build


# ---- norms and reductions over an axis ----


def layer_norm():
    def forward(m, x):
        return m.head(F.gelu(m.b(m.norm(m.a(x).transpose(1, 2)))).mean(1))

    return Net(forward, a=nn.Conv1d(C, 10, 5), norm=nn.LayerNorm(10), b=nn.Linear(10, 7), head=nn.Linear(7, 3))


def layer_norm_of_two():
    def forward(m, x):
        return m.head(m.norm(m.a(x).reshape(-1, 4, 5, 10)).flatten(1))

    return Net(forward, a=nn.Conv1d(C, 20, 6, stride=2), norm=nn.LayerNorm((5, 10)), head=nn.Linear(200, 3))


def rms_norm():
    def forward(m, x):
        x = m.norm(m.a(x.mean(-1)))
        x = m.b(x)
        return m.head(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * m.gain)

    return Net(
        forward,
        a=nn.Linear(C, 10),
        norm=nn.RMSNorm(10, eps=1e-5),
        b=nn.Linear(10, 8),
        gain=par(8),
        head=nn.Linear(8, 3),
    )


def group_norm(groups):
    def build():
        def forward(m, x):
            return m.head(F.relu(m.b(F.elu(m.norm(m.a(x))))).mean(-1))

        parts = {"a": nn.Conv1d(C, 12, 5), "norm": nn.GroupNorm(groups, 12), "b": nn.Conv1d(12, 7, 3)}
        return Net(forward, head=nn.Linear(7, 3), **parts)

    return build


def over_channels():
    """Spatial attention from the mean, the largest, the smallest and the sum of all channels; a norm of features."""

    def forward(m, x):
        x = F.elu(m.a(x))
        seen = [x.mean(1, keepdim=True), x.amax(1, keepdim=True), x.amin(1, keepdim=True), x.sum(1, keepdim=True)]
        x = m.b(x * torch.sigmoid(m.gate(torch.cat([*seen, x.logsumexp(1, keepdim=True)], 1)))).mean(-1)
        return m.head(F.normalize(x, dim=1))

    return Net(
        forward, a=nn.Conv1d(C, 9, 5), gate=nn.Conv1d(5, 1, 3, padding=1), b=nn.Conv1d(9, 7, 3), head=nn.Linear(7, 3)
    )


# ---- parts of a dimension ----


def gated():
    return Net(lambda m, x: m.head(F.glu(m.a(x), 1).mean(-1)), a=nn.Conv1d(C, 16, 5), head=nn.Linear(8, 3))


def pieces():
    """Unequal pieces with layers of their own, one slice alone, and the whole again."""

    def forward(m, x):
        x = F.elu(m.a(x))
        p, q = x.split([4, 6], 1)
        y = torch.cat([m.p(p), m.q(q), x[:, 2:5], x[:, 9:].narrow(1, 0, 1)], 1)
        return m.head((y * m.scale).mean(-1)) + m.last(x[:, 9].mean(-1, keepdim=True))

    return Net(
        forward, a=nn.Conv1d(C, 10, 5), p=nn.Conv1d(4, 5, 1), q=nn.Conv1d(6, 7, 1), scale=par(16, 1),
        head=nn.Linear(16, 3), last=nn.Linear(1, 3),
    )  # fmt: skip


def shuffled():
    """Two halves of the filters change places, by a constant list of places."""

    def forward(m, x):
        x = m.b(torch.index_select(F.elu(m.a(x)), 1, m.places))
        return m.head(x[:, m.others].mean(-1))

    places, others = torch.tensor([6, 7, 8, 9, 0, 1, 2, 3, 4, 5]), torch.tensor([3, 4, 5, 6, 7, 0, 1, 2])
    return Net(
        forward,
        a=nn.Conv1d(C, 10, 5),
        places=places,
        b=nn.Conv1d(10, 8, 3),
        others=others,
        head=nn.Linear(8, 3),
    )


def joined_then_grouped():
    """Three equal branches, then as many groups as branches: what is inside a group goes together."""

    def forward(m, x):
        x = torch.cat([F.elu(conv(x)) for conv in (m.a, m.b, m.c)], 1)
        return m.head(F.elu(m.grouped(x)).mean(-1))

    branches = {name: nn.Conv1d(C, 4, k, padding=k // 2) for name, k in (("a", 3), ("b", 5), ("c", 7))}
    return Net(forward, grouped=nn.Conv1d(12, 15, 3, groups=3), head=nn.Linear(15, 3), **branches)


def repeated():
    def forward(m, x):
        x = F.elu(m.a(x))
        y = torch.stack([m.b(x), m.c(x)], 1).flatten(1, 2).repeat(1, 2, 1)
        return m.head(torch.cat([y, x.repeat_interleave(2, 1)], 1).flip(-1)[..., 0])

    return Net(forward, a=nn.Conv1d(C, 6, 5), b=nn.Conv1d(6, 4, 1), c=nn.Conv1d(6, 4, 1), head=nn.Linear(28, 3))


# ---- weights used in other ways ----


def transposed(groups):
    def build():
        def forward(m, x):
            x = F.interpolate(F.elu(m.up(F.elu(m.down(x)))), scale_factor=2.0)
            return m.head(F.pad(m.b(x), (1, 2)).amax(-1))

        parts = {"down": nn.Conv1d(C, 8, 4, stride=4), "up": nn.ConvTranspose1d(8, 12, 4, stride=4, groups=groups)}
        return Net(forward, b=nn.Conv1d(12, 7, 3), head=nn.Linear(7, 3), **parts)

    return build


def shared():
    """One layer twice, and a weight that is used once as it is and once transposed."""

    def forward(m, x):
        x = m.norm(m.conv(F.elu(m.conv(m.stem(x))))).mean(-1)
        return m.head(F.linear(torch.tanh(F.linear(x, m.tied)), m.tied.t()) + x)

    parts = {"stem": nn.Conv1d(C, 8, 3), "conv": nn.Conv1d(8, 8, 3), "norm": nn.BatchNorm1d(8)}
    return Net(forward, tied=par(5, 8), head=nn.Linear(8, 3), **parts)


def bare():
    """Nothing but parameters: matrix products, biases, a scale, addmm."""

    def forward(m, x):
        x = torch.tanh(torch.matmul(m.spatial, x) + m.shift)
        x = torch.addmm(m.bias, x.mean(-1), m.hidden)
        return torch.relu(x) @ m.head

    return Net(forward, spatial=par(7, C), shift=par(7, 1), bias=par(9), hidden=par(7, 9), head=par(9, 3))


def covariance():
    """Products of all pairs of channels and of electrodes: an axis that a dimension contains twice."""

    def forward(m, x):
        y = F.elu(m.a(x))
        pairs = (y @ y.transpose(1, 2) / y.shape[-1]).flatten(1)
        raw = torch.einsum("nct,ndt->ncd", x, x).reshape(x.shape[0], -1)
        return m.head(torch.tanh(m.b(pairs) + m.c(raw / 20)))

    return Net(forward, a=nn.Conv1d(C, 5, 5), b=nn.Linear(25, 7), c=nn.Linear(C * C, 7), head=nn.Linear(7, 3))


def other_names():
    """The larger of two, and operations under their rarer names."""

    def forward(m, x):
        p, q, r = torch.tensor_split(m.a(x).movedim(1, -1), (4, 8), -1)
        x = torch.hstack([torch.max(p, q).swapaxes(1, 2), r.moveaxis(-1, 1).tile(2, 1)])
        return m.head(F.softshrink(m.b(x)).mean(-1))

    return Net(forward, a=nn.Conv1d(C, 11, 5), b=nn.Conv1d(10, 7, 3), head=nn.Linear(7, 3))


def batch_inside():
    """Windows are cut in three and laid on the batch: torch can't prove that this is right for every batch."""

    def forward(m, x):
        n = x.shape[0]
        parts = torch.cat([x[..., :8], x[..., 8:16], x[..., 16:]], 0)
        return m.head(torch.stack(F.elu(m.a(parts)).mean(-1).split(n, 0), 1).mean(1))

    return Net(forward, a=nn.Conv1d(C, 8, 3), head=nn.Linear(8, 3))


def assigned():
    """Values are put into part of a tensor."""

    def forward(m, x):
        x = F.elu(m.a(x))
        y = torch.zeros_like(x)
        y[..., :4] = x[..., 4:8]
        return m.head((x + y).mean(-1))

    return Net(forward, a=nn.Conv1d(C, 8, 3), head=nn.Linear(8, 3))


SMALL: dict[str, tuple[Callable[[], nn.Module], list[int]]] = {
    "packed attention": (packed, [3, 4, 12]),
    "packed attention with weights": (packed_weights, [3, 4, 12, 12]),
    "transformer layer": (encoder, [3, 4, 12, 20]),
    "separate projections": (separate, [2, 5, 7, 8]),
    "chunks, einops and einsum": (chunked, [2, 4, 4, 9]),
    "linear attention": (linear_attention, [6, 8, 9]),
    "GRU": (recurrent(nn.GRU), [5, 7]),
    "GRU, two layers, both directions": (recurrent(nn.GRU, num_layers=2, bidirectional=True), [5, 7]),
    "LSTM, two layers": (recurrent(nn.LSTM, num_layers=2), [5, 7]),
    "LSTM, both directions, no bias": (recurrent(nn.LSTM, bidirectional=True, bias=False), [5, 7]),
    "LSTM with projection": (recurrent(nn.LSTM, num_layers=2, proj_size=4, bidirectional=True), [4, 7]),
    "RNN": (recurrent(nn.RNN), [5, 7]),
    "layer norm": (layer_norm, [7, 10]),
    "layer norm of two dimensions": (layer_norm_of_two, [4, 5]),
    "RMS norm": (rms_norm, [8, 10]),
    "one group": (group_norm(1), [7, 12]),
    "three groups": (group_norm(3), [3, 4, 7]),
    "as many groups as channels": (group_norm(12), [7, 12]),
    "over channels": (over_channels, [7, 9]),
    "gated linear unit": (gated, [8]),
    "pieces": (pieces, [2, 2, 4, 5, 7]),
    "constant places": (shuffled, [3, 4, 5, 6]),
    "joined, then grouped": (joined_then_grouped, [4, 5]),
    "repeated and stacked": (repeated, [4, 6]),
    "transposed convolution": (transposed(1), [7, 8, 12]),
    "grouped transposed convolution": (transposed(2), [2, 4, 6, 7]),
    "shared": (shared, [5, 8]),
    "bare parameters": (bare, [7, 9]),
    "covariance": (covariance, [5, 7]),
    "rarer names": (other_names, [3, 4, 7]),
    "pieces on the batch": (batch_inside, [8]),
    "assigned": (assigned, [8]),
}


def small(name: str, seed: int = 0) -> tuple[nn.Module, Tensor]:
    """The model with weights and statistics that are not 0 or 1, and two windows."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = SMALL[name][0]()
        for parameter in model.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
        for module in model.modules():
            if isinstance(module, nn.BatchNorm1d):
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2)
        return model.eval(), torch.randn(2, C, T)
