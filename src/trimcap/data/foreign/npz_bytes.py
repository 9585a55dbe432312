"""Bytes that lie as a text scalar in an `.npz` file, as SEED-V has its pickles."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np

#: the largest array that is unpacked, bytes; SEED-V's have about 10 MB
LARGEST = 1 << 26
_LONGEST_MESSAGE = 200


def npz_bytes(path: Path, name: str, *, largest: int = LARGEST) -> bytes:
    """The raw bytes of array `name`, without NumPy interpreting them; sizes are compared before unpacking.

    Raises
    ------
    ValueError : no `.npz` file, damaged, no such array, too big, or not bytes. Names the file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entry = archive.getinfo(f"{name}.npy")
            if entry.file_size > largest:
                raise ValueError(f"{name} unpacks to {entry.file_size} bytes, more than the {largest} it may have")
            with archive.open(entry) as file:
                content = file.read(largest + 1)
        return _payload(content, name)
    except KeyError as error:
        raise ValueError(f"{path} holds no array {name}; it is no feature file of SEED-V") from error
    except Exception as error:  # a damaged archive fails in any way zipfile and NumPy can
        why = str(error)[:_LONGEST_MESSAGE] or type(error).__name__
        raise ValueError(f"{path} can't be read as .npz ({why}); get it again from its provider") from error


def _payload(content: bytes, name: str) -> bytes:
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if read is None:
        raise ValueError(f"{name} is of .npy version {version}")
    shape, _, dtype = read(file)
    payload = content[file.tell() :]
    if dtype.kind != "S" or int(np.prod(shape)) != 1 or dtype.itemsize != len(payload):
        raise ValueError(f"{name} should be one string of bytes and is {dtype} of shape {shape}")
    return payload
