"""Small files that ask for all memory or for ever. Run as a script: reads each and prints the answer, time and memory.

`bombs.py FOLDER NAME …` in a process of its own, so that its largest memory is that of the readers.
"""

from __future__ import annotations

import io
import json
import pickle
import struct
import sys
import time
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import h5py
import numpy as np
from set_files import CNT_62, write_cnt

from attacks import edf, folder

MIB = 1 << 20


def long4(value: int) -> bytes:
    content = value.to_bytes(value.bit_length() // 8 + 1, "little")
    return b"\x8b" + struct.pack("<i", len(content)) + content


RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR"
F8 = b"cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"


def wide() -> bytes:
    """A list of lists that share their parts: few opcodes, a text of 10^15 letters."""
    shared: list[object] = [1]
    for _ in range(11):
        shared = [shared] * 20
    return pickle.dumps(shared, protocol=2)[2:-1]


PICKLES: dict[str, bytes] = {
    "one text, a thousand times encoded": b"\x80\x02]q\x00X" + struct.pack("<I", 4 * MIB) + b"x" * 4 * MIB + b"q\x010("
    + b"c_codecs\nencode\nh\x01\x85R" * 1000 + b"t.",
    "one text, a thousand arrays": b"\x80\x02X" + struct.pack("<I", 4 * MIB) + b"x" * 4 * MIB + b"q\x010("
    + (RECONSTRUCT + b"(K\x01J" + struct.pack("<i", MIB // 2) + b"\x85" + F8 + b"\x89h\x01tb") * 1000 + b"t.",
    "a shape of huge numbers": b"\x80\x02" + RECONSTRUCT + b"(K\x01(" + long4(1 << (8 * 4 * MIB)) * 6 + b"t" + F8
    + b"\x89U\x00tb.",
    "a shape without end": b"\x80\x02" + RECONSTRUCT + b"(K\x01" + wide() + F8 + b"\x89U\x00tb.",
    "a type without end": b"\x80\x02cnumpy\ndtype\n" + wide() + b"\x85R.",
    "keys that collide": b"\x80\x02}(" + b"".join(long4(i * ((1 << 61) - 1)) + b"N" for i in range(1, 100_000)) + b"u.",
}  # fmt: skip


def element(kind: int, body: bytes) -> bytes:
    return struct.pack("<II", kind, len(body)) + body + bytes(-len(body) % 8)


def head(name: bytes, kind: int, shape: tuple[int, ...]) -> bytes:
    return (
        element(6, struct.pack("<II", kind, 0)) + element(5, struct.pack(f"<{len(shape)}i", *shape)) + element(1, name)
    )


def matrix(name: bytes, kind: int, shape: tuple[int, ...], content: bytes) -> bytes:
    inner = head(name, kind, shape) + content
    return struct.pack("<II", 14, len(inner)) + inner


def zeros(name: bytes, shape: tuple[int, ...], stored: int, itemsize: int) -> list[bytes]:
    """A variable of doubles, all zero, stored as another type; in parts, so that making it takes no memory."""
    count = int(np.prod(shape))
    front = head(name, 6, shape) + struct.pack("<II", stored, count * itemsize)
    total = len(front) + count * itemsize + (-count * itemsize) % 8
    rest = total - len(front)
    return [struct.pack("<II", 14, total) + front, *[bytes(MIB)] * (rest // MIB), bytes(rest % MIB)]


def packed(parts: list[bytes]) -> bytes:
    squeeze = zlib.compressobj(1)
    body = b"".join([*(squeeze.compress(part) for part in parts), squeeze.flush()])
    return struct.pack("<II", 15, len(body)) + body


def mat(*variables: bytes) -> bytes:
    return b"MATLAB 5.0".ljust(124) + struct.pack("<H", 0x0100) + b"IM" + b"".join(variables)


def amigos_cells(n: int, each: list[bytes]) -> list[bytes]:
    """joined_data: n cells, each of the same parts."""
    front = head(b"joined_data", 1, (1, n))
    total = len(front) + n * sum(map(len, each))
    return [struct.pack("<II", 14, total & 0xFFFFFFFF) + front, *each * n]


def labels() -> bytes:
    one = matrix(b"", 6, (1, 12), element(9, np.full(12, 5.0).tobytes()))
    return matrix(b"labels_selfassessment", 1, (1, 20), one * 20)


MATS: dict[str, Callable[[], bytes]] = {
    "bytes that become doubles": lambda: mat(packed(amigos_cells(20, zeros(b"", (10 * MIB, 1), 2, 1))), labels()),
    "twenty large cells": lambda: mat(packed(amigos_cells(20, zeros(b"", (4 * MIB, 1), 9, 8))), labels()),
    "cells of empty cells": lambda: mat(
        packed(amigos_cells(20, [matrix(b"", 1, (300, 300), struct.pack("<II", 14, 0) * 90_000)])), labels()
    ),
    "cells of text": lambda: mat(
        packed(amigos_cells(20, [matrix(b"", 1, (1, 20), matrix(b"", 4, (1, MIB), element(1, bytes(MIB))) * 20)])),
        labels(),
    ),
    "a hundred thousand variables": lambda: mat(
        *(matrix(b"v%d" % i, 6, (1, 1), element(9, bytes(8))) for i in range(100_000))
    ),
}  # fmt: skip


def hdf5(path: Path, *, rows: int = 14, chunk: tuple[int, ...] | None = None) -> None:
    with h5py.File(path, "w") as file:
        limits = (None, None, None) if chunk else (12, 1920, rows)
        size = {"maxshape": limits, "chunks": chunk, "compression": "gzip"} if chunk else {}
        data = file.create_dataset("data", (12, 1920, rows), "<f8", **size)
        if chunk:
            raw = zlib.compressobj(1)
            body = [raw.compress(bytes(MIB)) for _ in range(int(np.prod(chunk)) * 8 // MIB)]
            data.id.write_direct_chunk((0, 0, 0), b"".join([*body, raw.flush()]))
        file["labels"] = np.full((2, 12), 5.0)


def npz(path: Path, *, mib: int) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, rows in (("X", mib * 512), ("y", 1)):
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array_header_1_0(
                    file, {"descr": "<f4", "fortran_order": False, "shape": (rows, 16, 32)}
                )
                for _ in range(mib if name == "X" else 0):
                    file.write(bytes(MIB))


def npz_header(path: Path) -> None:
    """X claims 10⁹ rows and holds three."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f4", "fortran_order": False, "shape": (10**9, 62, 200)})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("X.npy", buffer.getvalue() + bytes(3 * 62 * 200 * 4))


def write_all(out: Path, *, heavy: bool) -> dict[str, str]:
    """Name → which reader; each bomb lies in a folder called by its number. `heavy`: those that take long to make."""
    names: dict[str, str] = {}

    def place(name: str, reader: str) -> Path:
        names[name] = reader
        return folder(out, str(len(names)))

    if heavy:
        for name, make in MATS.items():
            (place(name, "amigos") / "Data_Preprocessed_P01.mat").write_bytes(make())
        hdf5(place("a chunk of half a gigabyte", "dasps") / "S01preprocessed.mat", chunk=(64, 1024, 1024))
        npz(place("windows that unpack to 600 MB", "npz") / "w.npz", mib=600)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, data=np.zeros(100 * MIB, "S1").view(f"S{100 * MIB}"))
        (place("a pickle of 100 MB in an archive", "seed-v features") / "1_123.npz").write_bytes(buffer.getvalue())
        return names
    for name, content in PICKLES.items():
        (place(name, "deap") / "s01.dat").write_bytes(content)
    rows = mat(matrix(b"joined_data", 6, (10**9, 17), element(9, bytes(64))))
    (place("a billion rows", "amigos") / "Data_Preprocessed_P01.mat").write_bytes(rows)
    hdf5(place("a billion rows of HDF5", "dasps") / "S01preprocessed.mat", rows=10**9)
    npz_header(place("a billion windows", "npz") / "w.npz")
    whole = edf(np.ones((21, 1000), "<i2"))
    for what, at, text in (("records", 236, b"99999999"), ("signals", 252, b"9999"), ("header", 184, b"99999999")):
        at_folder = place(f"many {what} in EDF", "eegmat")
        (at_folder / "Subject00_1.edf").write_bytes(whole[:at] + text + whole[at + len(text) :])
        (at_folder / "Subject00_2.edf").write_bytes(whole)
    counts = np.zeros((len(CNT_62), 1000), dtype=int)
    for what, at, number in (("samples", 864, 2**31 - 1), ("channels", 370, 65535), ("events", 886, 2**31 - 1)):
        path = write_cnt(place(f"many {what} in CNT", "seed-v") / "1_1_20180804.cnt", counts)
        content = bytearray(path.read_bytes())
        content[at : at + (2 if what == "channels" else 4)] = struct.pack("<H" if what == "channels" else "<i", number)
        path.write_bytes(bytes(content))
    return names


def main(out: Path) -> None:
    from trimcap.data.arrays.npz import read_npz
    from trimcap.data.sources import open_windows, read_set

    read: dict[str, Callable[[Path], object]] = {
        **{name: partial(read_set, name) for name in ("deap", "amigos", "dasps", "seed-v")},
        "npz": lambda p: read_npz(p / "w.npz"), "seed-v features": partial(open_windows, "seed-v-features"),
        "eegmat": lambda p: read_set("eegmat", p, download=False),
    }  # fmt: skip
    for number, (name, reader) in enumerate(json.loads((out / "names.json").read_text()).items(), start=1):
        started = time.monotonic()
        try:
            read[reader](out / str(number))
            answer = "was read"
        except (ValueError, FileNotFoundError) as error:
            answer = str(error)
        except BaseException as error:
            answer = f"{type(error).__name__} {error}"
        print(json.dumps([name, answer, time.monotonic() - started, peak()]), flush=True)


def peak() -> int:
    """Largest memory of this process so far, MiB; 0 where the system does not tell."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.is_file() else []
    return next((int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM")), 0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
