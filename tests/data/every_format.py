"""Write a small file of every format that MNE reads, under one name."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import mne
import numpy as np

sys.path.append(str(Path(__file__).parent / "sets"))  # set_files

from mne_files import LSB, NAMES, counts, write_bdf, write_brainvision, write_edf_plus, write_fif, write_gdf, write_set
from set_files import write_cnt

EVENTS = ((1.0, 2.0, "769"), (4.0, 2.0, "770"), (7.5, 1.0, "769"))
BOTH = {"left": "769", "right": [770]}


def _bdf(path: Path, values: np.ndarray, *, events: Any = (), **options: Any) -> Path:
    rate = options.get("rate", 100)
    return write_bdf(path, values, codes={round(t * rate): int(text) for t, _, text in events}, **options)


def _cnt(path: Path, values: np.ndarray, *, names: Any = NAMES, rate: int = 100, events: Any = ()) -> Path:
    assert not events
    return write_cnt(path, values.astype(np.int32), list(names), rate=rate)


WRITERS: dict[str, tuple[str, Callable[..., Path]]] = {
    "edf": (".edf", write_edf_plus),
    "bdf": (".bdf", _bdf),
    "gdf1": (".gdf", write_gdf),
    "gdf2": (".gdf", partial(write_gdf, version="2.20")),
    "brainvision": (".vhdr", write_brainvision),
    "set": (".set", write_set),
    "fdt": (".set", partial(write_set, fdt=True)),
    "fif": (".fif", partial(write_fif, first=321)),
    "fif.gz": (".fif.gz", write_fif),
    "cnt": (".cnt", _cnt),
}


def write(kind: str, place: Path, stem: str = "S1_a", **options: Any) -> Path:
    place.mkdir(parents=True, exist_ok=True)
    ending, writer = WRITERS[kind]
    return writer(place / f"{stem}{ending}", options.pop("values", counts()), **options)


def fif(path: Path, change: Callable[[Any], None], *, values: np.ndarray | None = None, names: Any = NAMES) -> Path:
    raw = mne.io.RawArray(
        (counts() if values is None else values) * LSB * 1e-6, mne.create_info(list(names), 100, "eeg"), verbose="error"
    )
    change(raw)
    raw.save(path, fmt="double", verbose="error")
    return path
