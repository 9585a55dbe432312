"""Small folders with the layout of CIFAR-10 and ImageNet, written from what is known of the formats."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def _text(content: bytes) -> bytes:
    """A Python 2 string."""
    return (
        b"U" + bytes([len(content)]) + content
        if len(content) < 256
        else b"T" + struct.pack("<i", len(content)) + content
    )


def _number(value: int) -> bytes:
    if value < 256:
        return b"K" + bytes([value])
    return b"M" + struct.pack("<H", value) if value < 65536 else b"J" + struct.pack("<i", value)


def python_2_batch(pixels: NDArray[np.uint8], labels: list[int], title: bytes) -> bytes:
    """A batch as Python 2 pickled it (protocol 2): strings, an array of bytes and lists, in the published order."""
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08K\x00\x85U\x01b\x87Rq\x09(K\x01"
        + _number(pixels.shape[0]) + _number(pixels.shape[1]) + b"\x86cnumpy\ndtype\nq\x0aU\x02u1K\x00K\x01\x87Rq\x0b"
        + b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89" + _text(pixels.tobytes()) + b"tb"
    )  # fmt: skip
    names = b"".join(
        _text(b"frog_s_%06d.png" % number) + b"r" + struct.pack("<i", 14 + number) for number in range(len(labels))
    )
    parts = [
        b"\x80\x02}q\x01(", _text(b"batch_label"), b"q\x02", _text(title), b"q\x03", _text(b"labels"), b"q\x04]q\x05(",
        b"".join(map(_number, labels)), b"e", _text(b"data"), b"q\x06", array, _text(b"filenames"), b"q\x0c]q\x0d(",
        names, b"eu.",
    ]  # fmt: skip
    return b"".join(parts)


def cifar_content(per_class: int, seed: int) -> tuple[NDArray[np.uint8], list[int]]:
    """Pixels (n, 3072) and labels; the mean of a picture tells its class."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(10), per_class))
    pixels = rng.integers(0, 20, (len(labels), 3072)) + 23 * labels[:, None]
    return pixels.astype(np.uint8), labels.tolist()


def write_cifar10(folder: Path, *, per_class: int = 1) -> Path:
    """Five training batches and a test batch."""
    place = folder / "cifar-10-batches-py"
    place.mkdir(parents=True)
    for number, name in enumerate([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]):
        pixels, labels = cifar_content(per_class, number)
        (place / name).write_bytes(python_2_batch(pixels, labels, name.encode()))
    return place


def write_pictures(folder: Path, *, classes: int = 2, n: int = 4, side: int = 40, parts: tuple[str, ...] = ()) -> Path:
    """JPEG and PNG files of several shapes in a folder per class; the mean of a picture tells its class."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for part in parts or (".",):
        for label in range(classes):
            place = folder / part / f"class{label}"
            place.mkdir(parents=True)
            for number in range(n):
                shape = (side + 3 * (number % 3), side + 5 * (number % 2), 3)
                pixels = rng.integers(0, 60, shape) + 190 * label // max(classes - 1, 1)
                Image.fromarray(pixels.astype(np.uint8)).save(place / f"p{number}.{('png', 'JPEG', 'jpg')[number % 3]}")
    return folder
