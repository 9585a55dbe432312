"""Pictures as windows, for the networks of papers that prune image classifiers.

Every picture is a trial of its own. Pictures have no subjects: where a report needs units for its paired tests they are
put into groups by a hash of their name, which is a split of equal things and says nothing about people.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimcap.data.source import Wanted
from trimcap.data.windows import INTENSITY, Windows

#: names of the planes of a picture, by their number
PLANES = {1: ("grey",), 3: ("red", "green", "blue")}
#: groups that pictures are put into, as there are no subjects
GROUPS = 20

Pictures = NDArray[np.float32]


def image_windows(
    X: Pictures,
    y: NDArray[np.int64],
    names: Sequence[str],
    *,
    parts: Sequence[str],
    classes: Sequence[str],
    groups: int = GROUPS,
    steps: Sequence[str] = (),
) -> Windows:
    """Windows of pictures.

    Parameters
    ----------
    X : pictures of −1 … 1, shape (n, 1 or 3, rows, columns), float32 or lazy
    y : index into `classes`, shape (n,)
    names : of the pictures, one each; they become the trials
    parts : "train", "test", … of each picture; they become the sessions
    groups : how many groups stand for subjects, see `group_names`
    steps : what was done to the pictures, in words

    Raises
    ------
    ValueError : no pictures, or no group.
    """
    if not len(y):
        raise ValueError("there are no pictures; give another folder, or a larger `per_class`")
    metadata = pd.DataFrame(
        {"subject": group_names(names, groups), "session": list(parts), "trial": list(names), "start": np.zeros(len(y))}
    )
    said = f"pictures in {groups} groups by a hash of their name, in place of subjects"
    return Windows(
        X, y, metadata, PLANES[X.shape[1]], 1.0, tuple(classes), 1.0, unit=INTENSITY, steps=(*steps, said)
    )  # fmt: skip


def group_names(names: Sequence[str], groups: int) -> list[str]:
    """A group for each name: its 64-bit BLAKE2b hash modulo the number of groups, "group 00", "group 01", …

    Raises
    ------
    ValueError : fewer than one group.
    """
    if groups < 1:
        raise ValueError(f"groups is {groups}; pictures are put into 1 or more groups")
    digits = max(2, len(str(groups - 1)))
    hashes = (int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big") for name in names)
    return [f"group {value % groups:0{digits}d}" for value in hashes]


def planes_of(channels: int) -> int:
    """1 (grey) or 3 (red, green, blue).

    Raises
    ------
    ValueError : another number of planes.
    """
    if channels not in PLANES:
        raise ValueError(f"channels is {channels}; pictures have 1 plane (grey) or 3 (red, green, blue)")
    return channels


def no_subjects(subjects: Wanted, what: str) -> None:
    """Refuse a choice of subjects.

    Raises
    ------
    ValueError : subjects were asked for.
    """
    if subjects is not None:
        raise ValueError(f"{what}: pictures have no subjects to choose; leave out `subjects`")


def first_of_each(y: NDArray[np.int64], parts: Sequence[str], per_class: int | None) -> NDArray[np.int64]:
    """Rows of the first `per_class` pictures of each class in each part, in their order; all for None.

    Raises
    ------
    ValueError : `per_class` is not above 0.
    """
    if per_class is None:
        return np.arange(len(y))
    if per_class < 1:
        raise ValueError(f"per_class is {per_class}; give how many pictures of each class are used, or leave it out")
    place = pd.DataFrame({"y": y, "part": list(parts)}).groupby(["y", "part"]).cumcount().to_numpy()
    return np.flatnonzero(place < per_class)


def enlarged(X: Pictures, size: int) -> Pictures:
    """Square pictures at another size by bilinear interpolation.

    Pixel i of the result lies at (i + ½)·side/size − ½ of the original, and takes the nearest pixel outside of it, as
    `torch.nn.functional.interpolate(…, mode="bilinear", align_corners=False)` does.

    Parameters
    ----------
    X : shape (n, planes, side, side)
    size : side of the result, at least that of X

    Raises
    ------
    ValueError : a smaller size.
    """
    side = X.shape[-1]
    if size < side:
        raise ValueError(f"size is {size}; these pictures have {side}×{side} pixels and are only enlarged")
    place = np.clip((np.arange(size) + 0.5) * side / size - 0.5, 0, side - 1)
    low = np.minimum(place.astype(np.int64), side - 1)
    high, share = np.minimum(low + 1, side - 1), place - low
    weights = np.zeros((size, side))
    np.add.at(weights, (np.arange(size), low), 1 - share)
    np.add.at(weights, (np.arange(size), high), share)
    return np.ascontiguousarray(weights @ X.astype(np.float64) @ weights.T, dtype=np.float32)
