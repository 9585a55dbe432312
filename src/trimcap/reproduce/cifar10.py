"""CIFAR-10: the Python version of the published files."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trimcap.data.foreign.pickles import read_pickle
from trimcap.data.rows.lazy import Block, Index, lazy_array
from trimcap.data.source import Wanted
from trimcap.data.windows import Windows
from trimcap.reproduce.pictures import GROUPS, first_of_each, image_windows, no_subjects

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
#: file → part of the data set
FILES = {**{f"data_batch_{number}": "train" for number in range(1, 6)}, "test_batch": "test"}
_FOLDER = "cifar-10-batches-py"
_SHAPE = (3, 32, 32)
_GET = "get cifar-10-python.tar.gz from https://www.cs.toronto.edu/~kriz/cifar.html and unpack it"

Pixels = NDArray[np.uint8]


def cifar10(
    path: Path | None, *, subjects: Wanted = None, per_class: int | None = None, groups: int = GROUPS
) -> Windows:
    """60,000 colour pictures of 32×32 in ten classes; the official test part is the session "test".

    Pixels 0 … 255 become −1 … 1 by x/127.5 − 1: nothing is fitted.

    Parameters
    ----------
    path : folder with data_batch_1 … data_batch_5 and test_batch, or the folder that `cifar-10-batches-py` lies in
    per_class : only the first of each class in each part
    groups : see `trimcap.reproduce.pictures.image_windows`

    Returns
    -------
    Windows of shape (n, 3, 32, 32): sessions "train" and "test", trials such as "data_batch_1-00042". Pixels stay bytes
    in memory until they are read.

    Raises
    ------
    FileNotFoundError : files are missing; names them and where to get them.
    ValueError : a file is damaged, holds something else, or names code; nothing of it is run.

    Source: Krizhevsky (2009), "Learning multiple layers of features from tiny images".
    """
    no_subjects(subjects, "cifar10")
    place = _folder(path)
    found = [_batch(place / name) for name in FILES]
    y = np.concatenate([labels for _, labels in found])
    parts = [part for part, (_, labels) in zip(FILES.values(), found, strict=True) for _ in labels]
    names = [f"{name}-{row:05d}" for name, (_, labels) in zip(FILES, found, strict=True) for row in range(len(labels))]
    rows = first_of_each(y, parts, per_class)
    pixels = np.concatenate([some for some, _ in found])[rows]
    return image_windows(
        lazy_array(partial(_scaled, pixels), (len(pixels), *_SHAPE)),
        y[rows],
        [names[row] for row in rows],
        parts=[parts[row] for row in rows],
        classes=CLASSES,
        groups=groups,
        steps=("CIFAR-10 pixels to −1 … 1",),
    )


def holds_cifar10(place: Path) -> bool:
    """Whether a file of CIFAR-10 lies in a folder, or in `cifar-10-batches-py` in it."""
    return any((folder / name).is_file() for folder in (place, place / _FOLDER) for name in FILES)


def _folder(path: Path | None) -> Path:
    if path is None:
        raise ValueError(f"cifar10 needs a path: the folder {_FOLDER}; {_GET}")
    place = path / _FOLDER if (path / _FOLDER).is_dir() else path
    missing = [name for name in FILES if not (place / name).is_file()]
    if missing:
        raise FileNotFoundError(f"{place} lacks {', '.join(missing)} of CIFAR-10 (Python version); {_GET}")
    return place


def _batch(path: Path) -> tuple[Pixels, NDArray[np.int64]]:
    """Pixels (n, 3, 32, 32) and labels (n,) of one file."""
    content = read_pickle(path)
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds a {type(content).__name__}, not a batch of CIFAR-10; {_GET}")
    content = {key.decode("latin1") if isinstance(key, bytes) else key: value for key, value in content.items()}
    data, labels = content.get("data"), content.get("labels")
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != 3 * 32 * 32:
        raise ValueError(f"{path}: 'data' is no array of bytes with 3,072 columns, as CIFAR-10 has; {_GET}")
    if not isinstance(labels, list) or not all(isinstance(one, int) and 0 <= one < len(CLASSES) for one in labels):
        raise ValueError(f"{path}: 'labels' is no list of numbers from 0 to {len(CLASSES) - 1}; {_GET}")
    if len(labels) != len(data):
        raise ValueError(f"{path}: {len(data)} pictures but {len(labels)} labels; {_GET}")
    return data.reshape(-1, *_SHAPE), np.asarray(labels, dtype=np.int64)


def _scaled(pixels: Pixels, rows: Index) -> Block:
    return np.asarray(pixels[rows] / np.float32(127.5) - 1, dtype=np.float32)
