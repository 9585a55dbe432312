"""The metric of a network with many sets of electrodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy

from trimcap.data.windows import Windows
from trimcap.graph.network import Network
from trimcap.prune.electrodes.caps import Cap
from trimcap.prune.electrodes.hearing import Hearing, Progress
from trimcap.prune.electrodes.mute import Mute
from trimcap.prune.electrodes.recovery import only
from trimcap.prune.electrodes.sets import Chosen
from trimcap.prune.samples import Sample
from trimcap.train.predict import predict


@dataclass(frozen=True, eq=False)
class Held(Sample):
    """Test windows, with their metadata."""

    windows: Windows


@dataclass(frozen=True, eq=False)
class Measured:
    """What is measured, and on which windows."""

    metric: str
    valid: Sample
    test: Held | None


# ---- logits of many sets ----


@torch.no_grad()
def _logits(
    ears: Hearing, data: Sample, sets: Sequence[Sequence[int]], progress: Progress | None = None, what: str = ""
) -> list[NDArray[np.float32]]:
    """Logits (n_windows, n_classes) of every set; what does not depend on the set is computed once."""
    parts: list[list[NDArray[np.float32]]] = [[] for _ in sets]
    for done, (x, _) in enumerate(data.batches()):
        heard = ears.hear(x)
        for number, kept in enumerate(sets):
            parts[number].append(heard(kept).numpy())
            if progress:
                progress(what, done * len(sets) + number + 1, -(-len(data) // data.batch_size) * len(sets))
    return [np.concatenate(part) for part in parts]


def metric_value(logits: NDArray[np.float32], y: NDArray[np.int64], metric: str) -> float:
    """Accuracy, balanced accuracy (mean recall of the classes that occur) or mean cross-entropy."""
    if metric == "loss":
        return float(cross_entropy(torch.from_numpy(logits).double(), torch.from_numpy(y)))
    right = logits.argmax(1) == y
    if metric == "accuracy":
        return float(right.mean())
    return float(np.mean([right[y == c].mean() for c in np.unique(y)]))


def chance_of(y: NDArray[np.int64], classes: int, metric: str) -> float:
    """Of always the same answer: the most frequent class, or for the loss the shares of all classes."""
    share = np.bincount(y, minlength=classes) / len(y)
    if metric == "loss":
        return float(-(share[share > 0] * np.log(share[share > 0])).sum())
    return float(share.max()) if metric == "accuracy" else 1 / int((share > 0).sum())


def measure(
    ears: Hearing, sets: Sequence[Chosen], names: Sequence[str], measured: Measured, progress: Progress | None
) -> list[Cap]:
    """Every set once, however often it was chosen."""
    different = list(dict.fromkeys(one.kept for one in sets))
    valid = dict(zip(different, _logits(ears, measured.valid, different, progress, "validation"), strict=True))
    test: dict[tuple[int, ...], NDArray[np.float32]] = {}
    if measured.test is not None:
        test = dict(zip(different, _logits(ears, measured.test, different, progress, "test"), strict=True))
    return [_cap(one, names, measured, valid[one.kept], test.get(one.kept)) for one in sets]


def _cap(
    one: Chosen,
    names: Sequence[str],
    measured: Measured,
    valid: NDArray[np.float32],
    test: NDArray[np.float32] | None,
    epochs: int = 0,
    network: Network | None = None,
) -> Cap:
    held = measured.test
    return Cap(
        kind=one.kind,
        name=one.name,
        electrodes=tuple(names[i] for i in one.kept),
        valid=metric_value(valid, measured.valid.y, measured.metric),
        test=None if held is None or test is None else metric_value(test, held.y, measured.metric),
        by_subject={} if held is None or test is None else _by_subject(test, held, measured.metric),
        draw=one.draw,
        epochs=epochs,
        network=network,
    )


def _by_subject(logits: NDArray[np.float32], held: Held, metric: str) -> dict[str, float]:
    subjects = held.windows.metadata.subject.astype(str).to_numpy()
    return {s: metric_value(logits[subjects == s], held.y[subjects == s], metric) for s in dict.fromkeys(subjects)}


def after_recovery(
    network: Network,
    one: Chosen,
    names: Sequence[str],
    measured: Measured,
    valid: Windows,
    mute: Mute | None,
    epochs: int,
) -> Cap:
    """A cap whose network was trained on."""
    module, size = network.module(), measured.valid.batch_size
    own = predict(module, only(valid, one.kept, mute), batch_size=size)
    held = measured.test
    test = None if held is None else predict(module, only(held.windows, one.kept, mute), batch_size=size)
    return _cap(one, names, measured, own, test, epochs, network)
