"""EEGConformer: convolutional patches of the signal through a transformer encoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class EEGConformer(nn.Module):
    """EEG Conformer on raw windows: (n, n_channels, n_times) → logits (n, n_classes).

    conv 1×kernel → conv n_channels×1 → BN → ELU → mean pool along time → dropout → conv 1×1: P tokens of `embedding`
    values; `depth` encoder layers (pre-norm attention and feed-forward, each added to its input); flatten → dense →
    ELU → dropout → dense → ELU → dropout → dense.

    Parameters
    ----------
    embedding : values of a token, and filters of the convolutions; a multiple of `heads`
    pool, stride : samples that are averaged to a token, and their distance
    depth : encoder layers
    heads : of the attention
    expansion : of the feed-forward layers
    dropout : probability everywhere

    Raises
    ------
    ValueError : the window is shorter than one token; `heads` does not divide `embedding`.

    Shared parameters: `trimcap.models`.
    Source: Song et al. (2023), EEG Conformer: Convolutional transformer for EEG decoding and visualization, IEEE TNSRE
    31:710-719; 250 Hz.
    """

    def __init__(
        self,
        n_channels: int,
        n_times: int,
        n_classes: int,
        *,
        embedding: int = 40,
        kernel: int = 25,
        pool: int = 75,
        stride: int = 15,
        depth: int = 6,
        heads: int = 10,
        expansion: int = 4,
        hidden: Sequence[int] = (256, 32),
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        tokens = (n_times - kernel + 1 - pool) // stride + 1
        if tokens < 1:
            raise ValueError(
                f"EEGConformer: windows of {n_times} samples are too short for a kernel of {kernel} and pools of "
                f"{pool}; use at least {kernel + pool - 1} samples, or a smaller `kernel` or `pool`"
            )
        if embedding % heads:
            raise ValueError(f"EEGConformer: {heads} heads do not divide an embedding of {embedding} values")
        self.input_shape = (n_channels, n_times)
        self.patches = nn.Sequential(
            nn.Conv2d(1, embedding, (1, kernel)),
            nn.Conv2d(embedding, embedding, (n_channels, 1)),
            nn.BatchNorm2d(embedding),
            nn.ELU(),
            nn.AvgPool2d((1, pool), (1, stride)),
            nn.Dropout(dropout),
            nn.Conv2d(embedding, embedding, 1),
        )
        layers = (Encoder(embedding, heads=heads, expansion=expansion, dropout=dropout) for _ in range(depth))
        self.encoder = nn.Sequential(*layers)
        self.flatten = nn.Flatten()
        units = (tokens * embedding, *hidden)
        dense: list[nn.Module] = []
        for inputs, outputs in zip(units[:-1], hidden, strict=True):
            dense += [nn.Linear(inputs, outputs), nn.ELU(), nn.Dropout(dropout)]
        self.dense = nn.Sequential(*dense, nn.Linear(units[-1], n_classes))

    def forward(self, x: Tensor) -> Tensor:
        """Logits, shape (n, n_classes)."""
        tokens = self.patches(x.unsqueeze(1)).squeeze(2).transpose(1, 2)
        return self.dense(self.flatten(self.encoder(tokens)))  # type: ignore[no-any-return]


class Encoder(nn.Module):
    """x + attention(norm(x)), then x + feed-forward(norm(x)), with GELU; x (n, tokens, embedding)."""

    def __init__(self, embedding: int, *, heads: int, expansion: int, dropout: float) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(embedding)
        self.attention = Attention(embedding, heads=heads, dropout=dropout)
        self.attention_dropout = nn.Dropout(dropout)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(embedding),
            nn.Linear(embedding, expansion * embedding),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(expansion * embedding, embedding),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Same shape as x."""
        x = x + self.attention_dropout(self.attention(self.attention_norm(x)))
        return x + self.feed_forward(x)  # type: ignore[no-any-return]


class Attention(nn.Module):
    """softmax(Q·Kᵀ / √embedding)·V in `heads` parts; the published scale is that of the whole embedding."""

    def __init__(self, embedding: int, *, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.scale = embedding**-0.5
        self.queries = nn.Linear(embedding, embedding)
        self.keys = nn.Linear(embedding, embedding)
        self.values = nn.Linear(embedding, embedding)
        self.dropout = nn.Dropout(dropout)
        self.projection = nn.Linear(embedding, embedding)

    def forward(self, x: Tensor) -> Tensor:
        """(n, tokens, embedding) → the same."""
        q, k, v = (self._split(layer(x)) for layer in (self.queries, self.keys, self.values))
        weights = self.dropout(torch.softmax(q @ k.transpose(2, 3) * self.scale, dim=3))
        return self.projection((weights @ v).transpose(1, 2).flatten(2))  # type: ignore[no-any-return]

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], x.shape[1], self.heads, -1).transpose(1, 2)
