"""Folders of pictures, one per class, as ImageNet is kept; read when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trimcap.data.rows.lazy import Block, Index, lazy_array
from trimcap.data.source import Wanted
from trimcap.data.windows import Windows
from trimcap.reproduce.pictures import GROUPS, first_of_each, image_windows, no_subjects, planes_of

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = (".jpeg", ".jpg", ".png")
#: folders that are parts of a data set, not classes
PARTS = ("train", "val", "valid", "test")
_LAYOUT = "expected CLASS/*.jpg, or train/CLASS/*.jpg and val/CLASS/*.jpg"


def image_folder(
    path: Path | None,
    *,
    subjects: Wanted = None,
    size: int = 224,
    resize: int | None = 256,
    channels: int = 3,
    per_class: int | None = None,
    groups: int = GROUPS,
) -> Windows:
    """JPEG and PNG files in a folder for each class; read picture by picture when they are needed.

    The shorter side becomes `resize`, and `size`×`size` pixels are cut from the centre; 0 … 255 become −1 … 1 by
    x/127.5 − 1: nothing is fitted. No augmentation.

    Parameters
    ----------
    path : holds a folder for each class; or folders "train", "val", "valid" or "test" that do: these become sessions
    size : side of a picture, pixels
    resize : the shorter side before cutting, at least `size`; None: the whole picture is resized to `size`×`size`,
        whatever its shape, as the D-Score paper evaluates
    channels : 1 (grey) or 3
    per_class : only the first of each class in each part, in the order of their names
    groups : see `trimcap.reproduce.pictures.image_windows`

    Returns
    -------
    Windows of shape (n, channels, size, size), lazy; trials such as "CLASS:FILE.jpg"

    Raises
    ------
    FileNotFoundError : no such folder, or no pictures in it.
    ValueError : a part has other classes than the first, or an option is impossible; when pictures are read: a file is
        no picture or cut short, with its name.
    """
    no_subjects(subjects, "image-folder")
    planes = planes_of(channels)
    if size < 1 or (resize is not None and resize < size):
        raise ValueError(f"resize ({resize}) is the shorter side before {size}×{size} pixels are cut; make it larger")
    if path is None:
        raise ValueError(f"image-folder needs a path; {_LAYOUT}")
    files, y, parts, classes = _listed(path)
    rows = first_of_each(y, parts, per_class)
    chosen = tuple(files[row] for row in rows)
    how = f"resized to {resize}, {size}×{size} cut from the centre" if resize else f"resized to {size}×{size}"
    return image_windows(
        lazy_array(partial(_read, chosen, size, resize, planes), (len(chosen), planes, size, size)),
        y[rows],
        [f"{file.parent.name}:{file.name}".replace("@", "(at)") for file in chosen],
        parts=[parts[row] for row in rows],
        classes=classes,
        groups=groups,
        steps=(f"pictures {how} (bilinear), to −1 … 1",),
    )


def holds_pictures(place: Path) -> bool:
    """Whether a folder holds folders with pictures, or parts that do."""
    return any(_folders(one) for one in (place, *(place / name for name in PARTS)))


def _listed(path: Path) -> tuple[list[Path], np.ndarray[tuple[int], np.dtype[np.int64]], list[str], list[str]]:
    """Files with their labels and parts, and the classes."""
    if not path.is_dir():
        raise FileNotFoundError(f"no folder '{path}'; {_LAYOUT}")
    places = {name: path / name for name in PARTS if _folders(path / name)} or {"1": path}
    classes: list[str] = []
    files: list[Path] = []
    labels: list[int] = []
    parts: list[str] = []
    for part, place in places.items():
        own = [folder.name for folder in _folders(place)]
        if classes and own != classes:
            other = sorted(set(own) ^ set(classes))
            raise ValueError(f"{place} and the part before it differ in the classes {', '.join(other[:5])}")
        classes = own
        for label, name in enumerate(own):
            found = _pictures(place / name)
            files += found
            labels += [label] * len(found)
            parts += [part] * len(found)
    if not files:
        raise FileNotFoundError(f"'{path}' holds no folders with pictures ({', '.join(SUFFIXES)}); {_LAYOUT}")
    return files, np.asarray(labels, dtype=np.int64), parts, classes


def _folders(place: Path) -> list[Path]:
    """Folders that hold pictures, by name."""
    if not place.is_dir():
        return []
    return [one for one in sorted(place.iterdir()) if one.is_dir() and any(map(_is_picture, one.iterdir()))]


def _pictures(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if _is_picture(file))


def _is_picture(file: Path) -> bool:
    return file.suffix.lower() in SUFFIXES and not file.name.startswith(".") and file.is_file()


def _read(files: Sequence[Path], size: int, resize: int | None, planes: int, rows: Index) -> Block:
    """Pictures by their numbers, shape (k, planes, size, size)."""
    out = np.empty((len(rows), planes, size, size), dtype=np.float32)
    for place, row in enumerate(rows.tolist()):
        out[place] = _pixels(files[row], size, resize, planes) / np.float32(127.5) - 1
    return out


def _pixels(file: Path, size: int, resize: int | None, planes: int) -> Block:
    from PIL import Image

    try:
        with Image.open(file) as opened:
            picture = opened.convert("RGB" if planes == 3 else "L")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"{file} can't be read as a picture ({error}); get it again, or remove it") from error
    values = np.asarray(_fitted(picture, size, resize), dtype=np.float32)
    return values[None] if values.ndim == 2 else values.transpose(2, 0, 1)


def _fitted(picture: Image.Image, size: int, resize: int | None) -> Image.Image:
    from PIL.Image import Resampling

    if resize is None:
        return picture.resize((size, size), Resampling.BILINEAR)
    wide, tall = picture.size
    scale = resize / min(wide, tall)
    wide, tall = max(size, round(wide * scale)), max(size, round(tall * scale))
    left, top = (wide - size) // 2, (tall - size) // 2
    return picture.resize((wide, tall), Resampling.BILINEAR).crop((left, top, left + size, top + size))
