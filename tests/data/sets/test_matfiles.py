"""MATLAB files, against SciPy's reader and against damage."""

from __future__ import annotations

import struct
import sys
import tracemalloc
import warnings
import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import loadmat, savemat
from set_files import cells, write_v73

from trimcap.data.foreign.matlab import cell_count, mat_shapes, read_cells, read_field, read_mat, read_numbers

RNG = np.random.default_rng(0)
TYPES = ["f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"]
NUMBERS = {f"v_{t}": RNG.integers(0, 100, (3, 4, 2)).astype(t) for t in TYPES} | {
    "row": np.arange(5.0)[None], "empty": np.zeros((0, 3)), "flag": np.array([[True, False]])
}  # fmt: skip
NESTED = {
    "cell": cells((2, 2), [np.eye(2), "text", np.zeros((0, 0)), cells((1, 1), [np.ones((1, 3))])]),
    "struct": {"Data": cells((1, 3), [{"a": np.full((2, 2), n), "b": "x"} for n in range(3)]), "k": 7.0, "after": "z"},
    "text": "EEG µV",
}


@pytest.mark.parametrize("compress", [False, True])
def test_numbers_are_those_that_scipy_reads(tmp_path: Path, compress: bool) -> None:
    path = tmp_path / "a.mat"
    savemat(path, NUMBERS, do_compression=compress)
    theirs = loadmat(path)
    assert mat_shapes(path) == {name: theirs[name].shape for name in NUMBERS}
    for name, written in NUMBERS.items():
        ours = read_numbers(path, name)
        np.testing.assert_array_equal(ours, theirs[name])
        np.testing.assert_array_equal(ours, written)
        assert ours.dtype == theirs[name].dtype


@pytest.mark.parametrize("compress", [False, True])
def test_cells_structs_and_text(tmp_path: Path, compress: bool) -> None:
    path = tmp_path / "a.mat"
    savemat(path, NESTED, do_compression=compress)
    cell = read_mat(path, "cell")
    np.testing.assert_array_equal(cell[0], np.eye(2))
    assert cell[1].size == 0  # column by column, as MATLAB counts
    assert cell[2] == "text"
    np.testing.assert_array_equal(cell[3][0], np.ones((1, 3)))
    assert read_mat(path, "text") == "EEG µV"
    whole = read_mat(path, "struct")
    parts = list(read_cells(path, "struct", "Data"))
    assert [p["a"][0, 0] for p in parts] == [p["a"][0, 0] for p in whole["Data"]] == [0, 1, 2]
    assert cell_count(path, "struct", "Data") == 3
    assert read_field(path, "struct", "after") == "z"
    with pytest.raises(ValueError, match=r"a\.mat: struct is no struct with the field nope"):
        list(read_cells(path, "struct", "nope"))


def test_numbers_that_matlab_stores_in_fewer_bytes_and_big_endian_files(tmp_path: Path) -> None:
    def element(kind: int, content: bytes) -> bytes:
        return struct.pack(">II", kind, len(content)) + content + bytes(-len(content) % 8)

    values = np.array([[1, 2], [3, 250]], dtype="u1")
    inner = element(6, struct.pack(">II", 6, 0)) + element(5, struct.pack(">ii", 2, 2))
    inner += element(1, b"x") + element(2, values.tobytes(order="F"))  # class double, stored as uint8
    path = tmp_path / "a.mat"
    path.write_bytes(b"MATLAB 5.0".ljust(124) + struct.pack(">H", 0x0100) + b"MI" + element(14, inner))
    ours = read_numbers(path, "x")
    np.testing.assert_array_equal(ours, values)
    np.testing.assert_array_equal(loadmat(path)["x"], ours)
    assert ours.dtype == np.float64


def test_version_73_is_read_through_h5py(tmp_path: Path) -> None:
    arrays = {"data": RNG.normal(size=(14, 20, 3)), "labels": np.arange(6.0).reshape(3, 2)}
    path = write_v73(tmp_path / "a.mat", arrays)
    assert mat_shapes(path) == {"data": (14, 20, 3), "labels": (3, 2)}
    for name, written in arrays.items():
        np.testing.assert_array_equal(read_numbers(path, name), written)
    with pytest.raises(ValueError, match=r"a\.mat: it has no variable nope, only data, labels"):
        read_mat(path, "nope")
    with pytest.raises(ValueError, match=r"data of shape \(14, 20, 3\) is larger than 100 bytes"):
        read_mat(path, "data", largest=100)


def test_version_73_without_h5py_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_v73(tmp_path / "a.mat", {"x": np.eye(2)})
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match=r"a\.mat is of MATLAB version 7\.3.*pip install 'trimcap\[zoo\]'"):
        read_mat(path, "x")


def test_links_to_other_files_are_not_followed(tmp_path: Path) -> None:
    write_v73(tmp_path / "secret.mat", {"x": np.eye(2)})
    with h5py.File(tmp_path / "a.mat", "w") as file:
        file["here"] = np.eye(3)
        file["x"] = h5py.ExternalLink("secret.mat", "/x")
        file.create_dataset("raw", (16,), "u1", external=[(str(tmp_path / "secret.mat"), 0, 16)])
    assert mat_shapes(tmp_path / "a.mat") == {"here": (3, 3)}
    with pytest.raises(ValueError, match="no variable x, only here"):
        read_mat(tmp_path / "a.mat", "x")


def matrix(shape: tuple[int, ...], content: bytes, *, claimed: int | None = None, kind: int = 6) -> bytes:
    """A variable `x` that claims `claimed` bytes of doubles."""

    def element(code: int, body: bytes) -> bytes:
        return struct.pack("<II", code, len(body)) + body + bytes(-len(body) % 8)

    inner = (
        element(6, struct.pack("<II", kind, 0)) + element(5, struct.pack(f"<{len(shape)}i", *shape)) + element(1, b"x")
    )
    inner += struct.pack("<II", 9, len(content) if claimed is None else claimed) + content
    return struct.pack("<II", 14, len(inner)) + inner


def mat(body: bytes) -> bytes:
    return b"MATLAB 5.0".ljust(124) + struct.pack("<H", 0x0100) + b"IM" + body


def squeezed(body: bytes) -> bytes:
    packed = zlib.compress(body, 9)
    return struct.pack("<II", 15, len(packed)) + packed


FORGED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "no MATLAB file"),
    "text": (b"hello " * 100, "no MATLAB file"),
    "header only": (mat(b""), "holds no variables"),
    "version 4 of the future": (mat(b"")[:124] + b"\x00\x03IM", "no MATLAB file"),
    "a billion rows": (mat(matrix((62, 10**9), bytes(64))), "do not fill it"),
    "a billion rows that claim to be there": (
        mat(matrix((2, 10**8), bytes(64), claimed=16 * 10**8)), "claims 1600000000 bytes"
    ),
    "negative": (mat(matrix((-1, 2), bytes(16))), r"shape \(-1, 2\)"),
    "a billion cells": (mat(matrix((1, 10**9), bytes(64), kind=1)), "claims to have 1000000000 parts"),
    "object": (mat(matrix((1, 1), bytes(8), kind=3)), "is an object"),
    "sparse": (mat(matrix((1, 1), bytes(8), kind=5)), "or sparse"),
    "zip bomb": (mat(squeezed(matrix((1, 1 << 27), bytes(1 << 20), claimed=1 << 30))), "claims 1073741824 bytes"),
    "zip bomb behind it": (mat(squeezed(matrix((1, 1), bytes(8)) + bytes(1 << 24))), "does not end where"),
    "checksum": (mat(squeezed(matrix((1, 1), bytes(8)))[:-1] + b"\x00"), "error|does not end"),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGED)
def test_forged_files_are_refused_without_memory(tmp_path: Path, name: str) -> None:
    content, message = FORGED[name]
    (tmp_path / "a.mat").write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=rf"a\.mat.*({message})"):
            read_mat(tmp_path / "a.mat", "x")
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_deep_cells_are_refused(tmp_path: Path) -> None:
    deep: Any = np.eye(1)
    for _ in range(30):
        deep = cells((1, 1), [deep])
    savemat(tmp_path / "a.mat", {"x": deep})
    with pytest.raises(ValueError, match="more than 12 deep"):
        read_mat(tmp_path / "a.mat", "x")


def test_cells_too_deep_for_the_stack_are_refused(tmp_path: Path) -> None:
    """SciPy's reader ends the process on them."""
    depth, ends = 30_000, struct.pack("<II", 14, 0)
    head = matrix((1, 1), b"", kind=1)[8:-8].replace(b"x", b"\0")
    sizes = [8 + i * (8 + len(head)) + len(head) for i in range(depth)][::-1]
    body = b"".join(struct.pack("<II", 14, size) + head for size in sizes) + ends
    (tmp_path / "a.mat").write_bytes(mat(squeezed(body)))
    (name,) = mat_shapes(tmp_path / "a.mat")
    with pytest.raises(ValueError, match="more than 12 deep"):
        read_mat(tmp_path / "a.mat", name)


def test_wrong_variables_and_kinds_are_named(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"y": "text", "z": 1.0})
    with pytest.raises(ValueError, match=r"a\.mat: it has no variable x, only y, z"):
        read_mat(tmp_path / "a.mat", "x")
    with pytest.raises(ValueError, match=r"a\.mat: variable y should be an array of numbers"):
        read_numbers(tmp_path / "a.mat", "y")
    with pytest.raises(FileNotFoundError, match=r"b\.mat: no such file"):
        read_mat(tmp_path / "b.mat", "x")


def attempt(path: Path, content: bytes) -> bool:
    """Whether everything in the file could be read; anything else than a ValueError with the file's name is a bug."""
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        message = ""
        try:
            for name in mat_shapes(path):
                read_mat(path, name)
        except ValueError as error:
            message = str(error)
    assert not message or path.name in message
    return not message


def sample(tmp_path: Path, compress: bool) -> bytes:
    path = tmp_path / "whole.mat"
    savemat(path, {"x": RNG.normal(size=(3, 5)), "c": NESTED["cell"], "s": NESTED["struct"]}, do_compression=compress)
    return path.read_bytes()


@pytest.mark.parametrize("compress", [False, True])
def test_every_truncation_is_found(tmp_path: Path, compress: bool) -> None:
    whole = sample(tmp_path, compress)
    starts = [128]  # a file cut between two variables is a whole file of fewer variables
    while starts[-1] < len(whole):
        starts.append(starts[-1] + 8 + struct.unpack("<I", whole[starts[-1] + 4 : starts[-1] + 8])[0])
    for end in range(len(whole)):
        assert attempt(tmp_path / "cut.mat", whole[:end]) == (end in starts[1:]), end
    assert attempt(tmp_path / "cut.mat", whole)


def test_flipped_bits_in_compressed_variables_are_found(tmp_path: Path) -> None:
    whole = sample(tmp_path, True)
    passed = []
    for place in range(128, len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << (place % 8)
        passed += [place] if attempt(tmp_path / "flip.mat", bytes(damaged)) else []
    # what remains are bits of a stream's header that mean nothing to zlib
    assert len(passed) < 8, passed


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 7), st.booleans())
def test_flipped_bits_never_crash(
    tmp_path_factory: pytest.TempPathFactory, place: int, bit: int, compress: bool
) -> None:
    folder = tmp_path_factory.mktemp("flip")
    whole = bytearray(sample(folder, compress))
    whole[place % len(whole)] ^= 1 << bit
    attempt(folder / "flip.mat", bytes(whole))


def test_damaged_version_73_is_refused(tmp_path: Path) -> None:
    whole = write_v73(tmp_path / "whole.mat", {"data": RNG.normal(size=(4, 50))}).read_bytes()
    for end in range(0, len(whole), 97):
        assert not attempt(tmp_path / "cut.mat", whole[:end])
    for place in range(512, len(whole), 13):
        damaged = bytearray(whole)
        damaged[place] ^= 0x10
        attempt(tmp_path / "flip.mat", bytes(damaged))
