"""RecurrentNet: a GRU or LSTM over time."""

from __future__ import annotations

from torch import Tensor, nn

from trimcap._errors import unknown

_CELLS = {"gru": nn.GRU, "lstm": nn.LSTM}


class RecurrentNet(nn.Module):
    """Recurrent network on raw windows: (n, n_channels, n_times) → logits (n, n_classes).

    Mean over `stride` samples → `layers` recurrent layers over time → last state → dropout → dense.

    Trainable parameters, with g gates (3 of a GRU, 4 of an LSTM), H = hidden and I = n_channels for the first layer, H
    for the others: Σ_layers g·H·(I + H + 2) + (H + 1)·n_classes.

    Parameters
    ----------
    cell : "gru" or "lstm"
    hidden : units of a layer
    layers : how many
    stride : samples that are averaged to one time step
    dropout : probability, between the layers and before the last

    Raises
    ------
    ValueError : unknown cell; a window shorter than one step.

    Shared parameters: `trimcap.models`.
    Source: Hochreiter and Schmidhuber (1997), Long short-term memory, Neural Computation 9:1735-1780; Cho et al.
    (2014), Learning phrase representations using RNN encoder-decoder, EMNLP.
    """

    def __init__(
        self,
        n_channels: int,
        n_times: int,
        n_classes: int,
        *,
        cell: str = "gru",
        hidden: int = 64,
        layers: int = 1,
        stride: int = 4,
        dropout: float = 0.25,
    ) -> None:
        super().__init__()
        if cell not in _CELLS:
            raise ValueError(f"RecurrentNet: {unknown('cell', cell, _CELLS)}")
        if n_times < stride:
            raise ValueError(f"RecurrentNet: windows of {n_times} samples are shorter than one step of {stride}")
        self.input_shape = (n_channels, n_times)
        self.pool = nn.AvgPool1d(stride)
        between = dropout if layers > 1 else 0.0
        self.recurrent = _CELLS[cell](n_channels, hidden, num_layers=layers, batch_first=True, dropout=between)
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.Linear(hidden, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, shape (n, n_classes)."""
        states, _ = self.recurrent(self.pool(x).transpose(1, 2))
        return self.dense(self.dropout(states[:, -1]))  # type: ignore[no-any-return]
