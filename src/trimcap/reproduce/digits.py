"""scikit-learn's handwritten digits as pictures of 32×32."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from trimcap.data.source import Wanted
from trimcap.data.windows import Windows
from trimcap.reproduce.pictures import GROUPS, enlarged, image_windows, no_subjects, planes_of

#: grey levels of the original
_WHITE = 16


def digits(
    path: Path | None = None, *, subjects: Wanted = None, size: int = 32, channels: int = 3, groups: int = GROUPS
) -> Windows:
    """1,797 handwritten digits that come with scikit-learn: 8×8 pixels, enlarged by bilinear interpolation.

    Pixels 0 … 16 become −1 … 1 by x/8 − 1: nothing is fitted. They are the test part of "Optical recognition of
    handwritten digits", by 13 writers; who wrote which is not told, so the same hands are on all sides of any split.

    Parameters
    ----------
    path : there is none: the digits are installed with scikit-learn
    size : side of a picture, pixels; 32 is what `vgg16` takes
    channels : 1, or 3 equal planes as networks for colour pictures take
    groups : see `trimcap.reproduce.pictures.image_windows`

    Returns
    -------
    Windows of shape (1797, channels, size, size), in the order of scikit-learn; all of session "1"

    Raises
    ------
    ValueError : a path or subjects are given, or an option is impossible.

    Source: Alpaydin and Kaynak (1998), "Optical recognition of handwritten digits", UCI Machine Learning Repository.
    """
    if path is not None:
        raise ValueError(f"digits come with scikit-learn; leave out the path {path}")
    no_subjects(subjects, "digits")
    planes = planes_of(channels)
    from sklearn.datasets import load_digits

    found = load_digits()
    pictures = enlarged((found.images[:, None] * (2 / _WHITE) - 1).astype(np.float32), size)
    names = [f"{number:04d}" for number in range(len(pictures))]
    return image_windows(
        np.ascontiguousarray(np.repeat(pictures, planes, axis=1)),
        found.target.astype(np.int64),
        names,
        parts=["1"] * len(names),
        classes=tuple(map(str, found.target_names)),
        groups=groups,
        steps=(f"digits of 8×8 pixels, to −1 … 1, enlarged to {size}×{size} (bilinear)",),
    )
