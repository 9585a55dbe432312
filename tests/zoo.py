"""EEG architectures in the idioms of the field, for tests that must hold on every network.

`ZOO` maps a name to (function that builds the model, shape of one window). All have 3 classes.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import weight_norm

C, T, K = 8, 64, 3


class MaxNorm(nn.Module):
    def __init__(self, max_value: float, dim: int = 0) -> None:
        super().__init__()
        self.max_value, self.dim = max_value, dim

    def forward(self, w: Tensor) -> Tensor:
        return torch.renorm(w, p=2, dim=self.dim, maxnorm=self.max_value)


class Unsqueeze(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.unsqueeze(1)


class Square(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * x


class SafeLog(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.log(x.clamp(min=1e-6))


def eegnet(depth: int = 2, kernel: int = 16) -> nn.Module:
    f, g = 6, 10
    return nn.Sequential(
        Unsqueeze(),
        nn.Conv2d(1, f, (1, kernel), padding="same", bias=False),
        nn.BatchNorm2d(f),
        nn.Conv2d(f, f * depth, (C, 1), groups=f, bias=False),
        nn.BatchNorm2d(f * depth),
        nn.ELU(),
        nn.AvgPool2d((1, 4)),
        nn.Dropout(0.25),
        nn.Conv2d(f * depth, f * depth, (1, 8), padding="same", groups=f * depth, bias=False),
        nn.Conv2d(f * depth, g, 1, bias=False),
        nn.BatchNorm2d(g),
        nn.ELU(),
        nn.AvgPool2d((1, 4)),
        nn.Flatten(),
        nn.Linear(g * (T // 16), K),
    )


def max_norm() -> nn.Module:
    model = eegnet()
    parametrize.register_parametrization(model[3], "weight", MaxNorm(1.0))
    parametrize.register_parametrization(model[14], "weight", MaxNorm(0.25))
    return model


def shallow() -> nn.Module:
    return nn.Sequential(
        Unsqueeze(),
        nn.Conv2d(1, 12, (1, 9)),
        nn.Conv2d(12, 12, (C, 1), bias=False),
        nn.BatchNorm2d(12),
        Square(),
        nn.AvgPool2d((1, 20), (1, 6)),
        SafeLog(),
        nn.Flatten(),
        nn.Linear(12 * ((T - 8 - 20) // 6 + 1), K),
    )


def separable() -> nn.Module:
    return nn.Sequential(
        nn.Conv1d(C, 16, 5, padding=2),
        nn.ReLU6(),
        nn.Conv1d(16, 32, 5, padding=2, groups=16),
        nn.Conv1d(32, 12, 1),
        nn.BatchNorm1d(12),
        nn.SiLU(),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        nn.Linear(12, K),
    )


class Residual(nn.Module):
    """Three residual blocks, one with a 1×1 shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv1d(C, 12, 7, padding=3)
        self.a = nn.Sequential(nn.Conv1d(12, 12, 3, padding=1), nn.BatchNorm1d(12), nn.ReLU())
        self.b = nn.Sequential(nn.Conv1d(12, 12, 3, padding=1), nn.BatchNorm1d(12), nn.ReLU())
        self.c = nn.Sequential(nn.Conv1d(12, 20, 3, stride=2, padding=1), nn.BatchNorm1d(20))
        self.short = nn.Conv1d(12, 20, 1, stride=2)
        self.head = nn.Linear(20, K)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = x + self.a(x)
        x += self.b(x)
        x = torch.relu(self.c(x) + self.short(x))
        return self.head(x.mean(-1))


class Concat(nn.Module):
    """Densely connected: each layer reads the concatenation of all before."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv1d(C, 6, 5, padding=2)
        self.b = nn.Conv1d(6, 8, 3, padding=1)
        self.c = nn.Conv1d(14, 10, 3, padding=1)
        self.norm = nn.BatchNorm1d(24)
        self.head = nn.Linear(24 * (T // 8), K)

    def forward(self, x: Tensor) -> Tensor:
        a = torch.relu(self.a(x))
        b = torch.relu(self.b(a))
        c = torch.relu(self.c(torch.cat([a, b], 1)))
        x = self.norm(torch.cat([a, b, c], 1))
        return self.head(nn.functional.max_pool1d(x, 8).flatten(1))


class Inception(nn.Module):
    """Branches with different kernels, concatenated, then a spatial convolution (EEG-Inception)."""

    def __init__(self) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(nn.Conv2d(1, 4, (1, k), padding="same"), nn.BatchNorm2d(4), nn.ELU()) for k in (5, 9, 16)
        )
        self.spatial = nn.Conv2d(12, 24, (C, 1), groups=12, bias=False)
        self.pool_branch = nn.Conv2d(24, 6, 1)
        self.head = nn.Linear(30 * (T // 8), K)

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, None]
        x = torch.cat([branch(x) for branch in self.branches], 1)
        x = nn.functional.elu(self.spatial(x))
        y = self.pool_branch(nn.functional.max_pool2d(x, (1, 3), stride=1, padding=(0, 1)))
        x = nn.functional.avg_pool2d(torch.cat([x, y], 1), (1, 8))
        return self.head(torch.flatten(x, 1))


class SqueezeExcite(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(C, 16, 5, padding=2)
        self.down, self.up = nn.Linear(16, 4), nn.Linear(4, 16)
        self.out = nn.Conv1d(16, 8, 3)
        self.head = nn.Linear(8, K)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.selu(self.conv(x))
        gate = torch.sigmoid(self.up(torch.relu(self.down(x.mean(-1)))))
        x = x * gate[..., None]
        return self.head(nn.functional.gelu(self.out(x)).mean(-1))


class AttentionHead(nn.Module):
    """Convolutional tokens, one multi-head attention block with layer norm, feed-forward, mean."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv1d(C, 16, 8, stride=8)
        self.position = nn.Parameter(torch.randn(1, T // 8, 16) * 0.1)
        self.norm = nn.LayerNorm(16)
        self.qkv, self.out = nn.Linear(16, 48), nn.Linear(16, 16)
        self.ffn = nn.Sequential(nn.Linear(16, 24), nn.GELU(), nn.Linear(24, 16))
        self.head = nn.Linear(16, K)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x).transpose(1, 2) + self.position
        n, t, _ = x.shape
        q, k, v = self.qkv(self.norm(x)).reshape(n, t, 3, 2, 8).permute(2, 0, 3, 1, 4)
        a = torch.softmax(q @ k.transpose(-1, -2) / 8**0.5, -1) @ v
        x = x + self.out(a.transpose(1, 2).reshape(n, t, 16))
        x = x + self.ffn(x)
        return self.head(x.mean(1))


class Recurrent(nn.Module):
    """Convolutional features into a GRU or LSTM, last state to the classes."""

    def __init__(self, cell: type[nn.Module], bidirectional: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv1d(C, 12, 5, stride=4)
        self.rnn = cell(12, 7, num_layers=2, batch_first=True, bidirectional=bidirectional)
        self.head = nn.Linear(14 if bidirectional else 7, K)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.conv(x)).transpose(1, 2)
        return self.head(self.rnn(x)[0][:, -1])


class PermuteFlatten(nn.Module):
    """Flatten with time outermost, through einops-like permutes, and electrodes mixed late."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 5, (1, 8), stride=(1, 8))
        self.hidden = nn.Linear(5 * C * 8, 20)
        self.head = nn.Linear(20, K)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.conv(x.unsqueeze(1)))  # n f c t
        x = x.permute(0, 3, 2, 1).contiguous()  # n t c f
        x = x.view(x.shape[0], -1)
        return self.head(torch.relu(self.hidden(x)))


class Grouped(nn.Module):
    """Ordinary grouped convolutions: 4 groups of several channels."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv1d(C, 16, 5, padding=2)
        self.b = nn.Conv1d(16, 24, 3, padding=1, groups=4)
        self.c = nn.Conv1d(24, 12, 1)
        self.head = nn.Linear(12, K)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.b(torch.relu(self.a(x))))
        return self.head(torch.relu(self.c(x)).mean(-1))


class TSCeption(nn.Module):
    """Three temporal kernels concatenated along time; global and hemisphere kernels along electrodes."""

    def __init__(self) -> None:
        super().__init__()
        f = 9
        self.t = nn.ModuleList(
            nn.Sequential(nn.Conv2d(1, f, (1, k)), nn.LeakyReLU(), nn.AvgPool2d((1, 4))) for k in (32, 16, 8)
        )
        self.bn_t, self.bn_s, self.bn_f = nn.BatchNorm2d(f), nn.BatchNorm2d(f), nn.BatchNorm2d(f)
        self.whole = nn.Sequential(nn.Conv2d(f, f, (C, 1)), nn.LeakyReLU(), nn.AvgPool2d((1, 2)))
        self.hemisphere = nn.Sequential(
            nn.Conv2d(f, f, (C // 2, 1), stride=(C // 2, 1)), nn.LeakyReLU(), nn.AvgPool2d((1, 2))
        )
        self.fusion = nn.Sequential(nn.Conv2d(f, f, (3, 1)), nn.LeakyReLU(), nn.AvgPool2d((1, 4)))
        self.fc = nn.Sequential(nn.Linear(f, 16), nn.ReLU(), nn.Linear(16, K))

    def forward(self, x: Tensor) -> Tensor:
        x = x.unsqueeze(1)
        y = self.bn_t(torch.cat([branch(x) for branch in self.t], -1))
        y = self.bn_s(torch.cat([self.whole(y), self.hemisphere(y)], 2))
        return self.fc(self.bn_f(self.fusion(y)).mean((2, 3)))


class WeightNorm(nn.Module):
    """Temporal convolutional network with weight-normalised, dilated convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.a = weight_norm(nn.Conv1d(C, 10, 3, padding=2, dilation=2))
        self.b = weight_norm(nn.Conv1d(10, 14, 3, padding=4, dilation=4))
        self.head = nn.Linear(14, K)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.relu(self.b(torch.relu(self.a(x))))[..., -1])


def grid() -> nn.Module:
    """2-D convolutions over bands on an electrode grid (CCNN kind)."""
    return nn.Sequential(
        nn.ZeroPad2d((1, 2, 1, 2)),
        nn.Conv2d(4, 12, 4),
        nn.ReLU(),
        nn.Conv2d(12, 20, 3, padding=1),
        nn.BatchNorm2d(20),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(20 * 81, 32),
        nn.SELU(),
        nn.Dropout(0.5),
        nn.Linear(32, K),
    )


ZOO: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "depth multiplier 2": (lambda: eegnet(2), (C, T)),
    "depth multiplier 3": (lambda: eegnet(3), (C, T)),
    "max-norm": (max_norm, (C, T)),
    "shallow": (shallow, (C, T)),
    "separable": (separable, (C, T)),
    "residual": (Residual, (C, T)),
    "concat": (Concat, (C, T)),
    "inception": (Inception, (C, T)),
    "squeeze-excitation": (SqueezeExcite, (C, T)),
    "attention head": (AttentionHead, (C, T)),
    "GRU": (lambda: Recurrent(nn.GRU), (C, T)),
    "LSTM": (lambda: Recurrent(nn.LSTM, bidirectional=True), (C, T)),
    "permute then flatten": (PermuteFlatten, (C, T)),
    "grouped": (Grouped, (C, T)),
    "TSCeption": (TSCeption, (C, T)),
    "weight norm": (WeightNorm, (C, T)),
    "grid": (grid, (4, 9, 9)),
}


def build(name: str, *, seed: int = 0) -> tuple[nn.Module, Tensor]:
    """The model with random batch-norm statistics, in evaluation mode, and an example of two windows."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        make, shape = ZOO[name]
        model = make()
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.running_mean.normal_(0, 0.3)
                module.running_var.uniform_(0.5, 2)
                module.weight.data.uniform_(0.5, 1.5)
                module.bias.data.normal_(0, 0.3)
        return model.eval(), torch.randn(2, *shape)
