"""From MNE Epochs and your own network to a verified C file.

    python examples/epochs_to_c.py OUT

Replace `epochs_of` by your own recordings and `Shallow` by your own (or a braindecode) model.
"""

from __future__ import annotations

import sys
from pathlib import Path

import mne
import numpy as np
import torch
from torch import Tensor, nn

import trimcap as tc
from trimcap import runtime
from trimcap.data import join

CHANNELS = ("F3", "F4", "C3", "Cz", "C4", "P3", "Pz", "P4")


def epochs_of(subject: int) -> mne.Epochs:
    """Two seconds of imagery per trial; the 10-Hz rhythm over one hand area is weaker than over the other."""
    rng = np.random.default_rng(subject)
    info = mne.create_info(list(CHANNELS), 128.0, "eeg")
    time, trials, events = np.arange(256) / 128, [], []
    for trial in range(40):
        hand = trial % 2
        x = rng.normal(0, 5e-6, (len(CHANNELS), 256))
        for electrode, strength in (("C3", 1 - 0.6 * hand), ("C4", 0.4 + 0.6 * hand)):
            phase = rng.uniform(0, 2 * np.pi)
            x[CHANNELS.index(electrode)] += strength * 6e-6 * np.sin(2 * np.pi * 10 * time + phase)
        trials.append(x)
        events.append([trial * 256, 0, hand])
    raw = mne.io.RawArray(np.concatenate(trials, axis=1), info, verbose="error")
    return mne.Epochs(raw, np.array(events), {"left": 0, "right": 1}, tmin=0, tmax=255 / 128, baseline=None,
                      preload=True, verbose="error")  # fmt: skip


class Square(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * x


class SafeLog(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.log(x.clamp(min=1e-6))


class Shallow(nn.Sequential):
    """A small ShallowConvNet (Schirrmeister et al., 2017): log band power of spatially filtered signals."""

    def __init__(self, n_channels: int, n_times: int, n_classes: int) -> None:
        n_pooled = (n_times - 24 - 60) // 20 + 1
        super().__init__(
            nn.Unflatten(1, (1, n_channels)),
            nn.Conv2d(1, 16, (1, 25)),
            nn.Conv2d(16, 16, (n_channels, 1), bias=False),
            nn.BatchNorm2d(16),
            Square(),
            nn.AvgPool2d((1, 60), (1, 20)),
            SafeLog(),
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(16 * n_pooled, n_classes),
        )


def main(out: Path) -> None:
    windows = join([tc.from_epochs(epochs_of(s), subject=f"S{s}") for s in range(8)])
    fold = tc.k_fold_subjects(windows, n_folds=4)[0].scaled()
    train, valid = fold.train, fold.valid
    torch.manual_seed(0)
    model = tc.fit(Shallow(8, 256, 2), train, valid, epochs=30, patience=10).model

    network = tc.rewrite(tc.trace(model, train)).network
    scores = tc.l1(network, axes=["electrodes"])
    for name, score in sorted(zip(network.channels, scores.values["electrodes"], strict=True), key=lambda p: -p[1]):
        print(f"{name:>3}  {score:6.2f}")
    small = tc.shrink(network, tc.keep_electrodes(network, 4, scores=scores))
    kept = list(small.channels)
    print("kept electrodes:", ", ".join(kept))
    small = tc.trace(tc.fit(small.module(), train.pick(kept), valid.pick(kept), epochs=15).model, train.pick(kept))

    int8 = tc.quantize_network(small, train.pick(kept)).program
    folder = tc.export_c(int8, out, golden=valid.pick(kept))
    print(tc.verify(folder, targets=["host"]))

    test = fold.test.open("evaluate", "int8 C").pick(kept)
    logits = runtime.load(folder)(test.X)
    print(f"accuracy of the C on unseen subjects: {(logits.argmax(1) == test.y).mean():.3f}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "epochs-c"))
