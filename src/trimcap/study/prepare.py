"""From a recipe's `[data]` to windows and folds."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trimcap._errors import unknown
from trimcap.data.crop import crop
from trimcap.data.cut import cut
from trimcap.data.features import BANDS, POWER_BANDS, band_power, differential_entropy, to_grid
from trimcap.data.folds import Fold
from trimcap.data.montage import Grid, grid
from trimcap.data.protocols import split
from trimcap.data.random_labels import random_labels
from trimcap.data.recording import Recording
from trimcap.data.resample import resample
from trimcap.data.scaling import z_score_per_subject
from trimcap.data.windows import Windows
from trimcap.study.recipe import DataSection, ProtocolSection, Recipe

SOURCES = ("eegmat", "synthetic", "fingerprint", "npz")


@dataclass(frozen=True, eq=False)
class Prepared:
    """Windows for networks, band power of the same windows for the linear baseline, and the electrode grid."""

    windows: Windows
    features: Windows
    grid: Grid | None

    def facts(self) -> dict[str, Any]:
        """What `run.json` says about the data."""
        w = self.windows
        digest = hashlib.sha256(np.ascontiguousarray(w.X).data)
        digest.update(np.ascontiguousarray(w.y).data)
        digest.update("\n".join(w.ids.tolist()).encode())
        return {
            "windows": len(w),
            "shape": list(w.shape),
            "subjects": sorted(set(w.metadata.subject.astype(str))),
            "classes": list(w.classes),
            "channels": list(w.channels),
            "rate": w.rate,
            "duration": w.duration,
            "unit": w.unit,
            "steps": list(w.steps),
            "sha256": digest.hexdigest(),
        }


def prepare(recipe: Recipe) -> Prepared:
    """Read recordings, cut windows, compute features.

    Raises
    ------
    ValueError, OSError : unknown source, bad recordings, impossible windows; see the readers.
    """
    data = recipe.data
    raw = _labelled(_windows(data), data)
    features = band_power(raw, bands=_below_nyquist(raw.rate)) if raw.unit == "µV" else raw
    windows, layout = _features(raw, data), None
    if data.normalise == "subject":
        windows, features = z_score_per_subject(windows), z_score_per_subject(features)
    if data.layout == "grid":
        layout = grid(windows.channels)
        windows = to_grid(windows, layout)
    return Prepared(windows, features, layout)


def folds_of(prepared: Prepared, protocol: ProtocolSection) -> list[tuple[Fold, Fold]]:
    """Folds of the windows, each with the same fold of the baseline's features; all ledgers are empty.

    Raises
    ------
    ValueError : unknown protocol, or the data do not allow it.
    """
    options: dict[str, Any] = {"valid": protocol.valid, "seed": protocol.seed}
    if protocol.folds is not None:
        options["n_folds"] = protocol.folds
    parts = (split(windows, protocol.name, **options) for windows in (prepared.windows, prepared.features))
    return list(zip(*parts, strict=True))


def _labelled(windows: Windows, data: DataSection) -> Windows:
    if data.labels == "recorded":
        return windows
    return random_labels(windows, seed=data.label_seed, balance=data.label_balance)


def _windows(data: DataSection) -> Windows:
    if data.source == "npz":
        from trimcap.data.npz import read_npz

        return _some_subjects(read_npz(str(data.path)), data.subjects)
    return cut(_recordings(data), seconds=data.window, step=data.step)


def _recordings(data: DataSection) -> list[Recording]:
    if data.source == "eegmat":
        return _eegmat(data)
    if data.source in ("synthetic", "fingerprint"):
        return _synthetic(data)
    if ":" not in data.source:
        hint = 'or write "package.module:function" for your own'
        raise ValueError(f"[data] {unknown('source', data.source, SOURCES)}; {hint}")
    return _foreign(data)


def _eegmat(data: DataSection) -> list[Recording]:
    from trimcap.data.eegmat import read_eegmat
    from trimcap.data.eegmat_files import choose, locate

    subjects: Sequence[str] | None = data.subjects if isinstance(data.subjects, tuple) else None
    if isinstance(data.subjects, int):
        place, is_cache = locate(data.path)
        subjects = _first(choose(None, place, is_cache=is_cache), data.subjects)
    return read_eegmat(data.path, subjects=subjects, rate=data.rate, seconds=data.seconds, **data.options)


def _synthetic(data: DataSection) -> list[Recording]:
    from trimcap.data.synthetic import make_fingerprint, make_synthetic

    if isinstance(data.subjects, tuple):
        raise ValueError(f"[data] subjects of {data.source} recordings are a number, e.g. subjects = 8")
    make = make_synthetic if data.source == "synthetic" else make_fingerprint
    options = {"seed": 0, **data.options}
    try:
        return make(data.subjects or 8, rate=data.rate, seconds=data.seconds, **options)
    except TypeError as error:
        raise ValueError(f"[data.options] of {data.source}: {error}") from error


def _foreign(data: DataSection) -> list[Recording]:
    from trimcap.models.named import named

    read = named("source", data.source, {})
    path = [] if data.path is None else [Path(data.path)]
    recordings = [resample(r, data.rate) if r.rate != data.rate else r for r in read(*path, **data.options)]
    recordings = [crop(r, 0.0, data.seconds) if r.duration > data.seconds else r for r in recordings]
    names = sorted({r.subject for r in recordings})
    chosen = _chosen(names, data.subjects)
    return [r for r in recordings if r.subject in chosen]


def _some_subjects(windows: Windows, subjects: int | tuple[str, ...] | None) -> Windows:
    names = windows.metadata.subject.astype(str).to_numpy()
    return windows if subjects is None else windows.take(np.isin(names, _chosen(sorted(set(names)), subjects)))


def _chosen(names: list[str], subjects: int | tuple[str, ...] | None) -> list[str]:
    if isinstance(subjects, int):
        return _first(names, subjects)
    for name in subjects or ():
        if name not in names:
            raise ValueError(unknown("subject", name, names))
    return names if subjects is None else list(subjects)


def _first(names: list[str], n: int) -> list[str]:
    if n > len(names):
        raise ValueError(f"[data] subjects = {n}, but there are only {len(names)}: {', '.join(names)}")
    return names[:n]


def _below_nyquist(rate: float) -> dict[str, tuple[float, float]]:
    """The baseline's bands that a sampling rate has."""
    return {name: band for name, band in POWER_BANDS.items() if band[1] < rate / 2}


def _features(raw: Windows, data: DataSection) -> Windows:
    if data.features == "raw":
        return raw
    if data.features == "differential_entropy":
        return differential_entropy(raw, bands=data.bands or BANDS)
    return band_power(raw, bands=data.bands or POWER_BANDS)
