"""Files of windows, cut off, flipped, forged and made by hand in every wrong way."""

from __future__ import annotations

import io
import random
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from test_npz import same, windows

from trimcap.data.arrays.npz import read_npz, write_npz
from trimcap.data.libraries.objects import from_arrays


def outcome(path: Path) -> object:
    """The windows, or None for a refusal with the file's name; everything else is a defect."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        message = ""
        try:
            return read_npz(path)
        except ValueError as error:
            message = str(error)
    assert path.name in message, message
    assert len(message) < 1500
    return None


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("n", [150, pytest.param(3000, marks=pytest.mark.long)])
def test_damage_is_noticed(tmp_path: Path, packed: bool, n: int) -> None:
    rng = random.Random(n)
    path = write_npz(windows(), tmp_path / "w.npz")
    if packed:
        with np.load(path) as arrays:
            np.savez_compressed(path, **dict(arrays))
    whole = path.read_bytes()
    for length in [0, 1, 6, 22, len(whole) - 1, *(rng.randrange(len(whole)) for _ in range(n // 3))]:
        path.write_bytes(whole[:length])
        assert outcome(path) is None, length
    for _ in range(n):
        content = bytearray(whole)
        place = rng.randrange(len(whole))
        content[place] ^= 1 << rng.randrange(8)
        path.write_bytes(bytes(content))
        read = outcome(path)
        if read is not None:
            same(read, windows())  # type: ignore[arg-type]


def arrays(**change: object) -> dict[str, object]:
    w = windows()
    made = {"X": w.X, "y": w.y, "channels": ["T3", "Cz"], "rate": 128.0, "subject": "S1"} | change
    return {key: value for key, value in made.items() if value is not None}


X, Y = windows().X, windows().y
HANDMADE: dict[str, dict[str, object]] = {
    "complex X": {"X": X * 1j},
    "text X": {"X": X.astype(str)},
    "bool X": {"X": X > 0},
    "transposed X": {"X": X.T},
    "flat X": {"X": X.reshape(6, -1)},
    "no window": {"X": X[:0], "y": Y[:0]},
    "scalar X": {"X": np.float64(3)},
    "X beyond float32": {"X": X.astype("f8") * 1e300},
    "volts": {"X": X * 1e-6},
    "X with NaN": {"X": X * np.nan},
    "y with a fraction": {"y": Y + 0.5},
    "y with NaN": {"y": Y * np.nan},
    "y at infinity": {"y": Y + np.inf},
    "y of text": {"y": Y.astype(str)},
    "y of one": {"y": Y[:1]},
    "y in rows": {"y": Y[:, None]},
    "negative y": {"y": Y - 1},
    "a billion classes": {"y": np.where(Y == 1, 10**9, 0)},
    "2^63": {"y": Y.astype("u8") + 2**63},
    "complex y": {"y": Y * 1j},
    "more labels than classes": {"classes": ["a"]},
    "classes in rows": {"classes": [["a", "b"]]},
    "classes with NaN": {"classes": [np.nan, 1.0]},
    "rate 0": {"rate": 0},
    "rate NaN": {"rate": np.nan},
    "rate at infinity": {"rate": np.inf},
    "two rates": {"rate": [128.0, 128.0]},
    "rate of text": {"rate": "128"},
    "rate complex": {"rate": 128 + 0j},
    "one channel name": {"channels": "Cz"},
    "three names": {"channels": ["T3", "Cz", "Pz"]},
    "a name twice": {"channels": ["Cz", "Cz"]},
    "unknown names": {"channels": ["E1", "GSR"]},
    "numbers as names": {"channels": [0.5, 1.5]},
    "a million names": {"channels": np.zeros(10**6, "U1")},
    "two subjects": {"subject": ["a", "b"]},
    "subjects in rows": {"subject": [["a"] * 6]},
    "subject NaN": {"subject": np.nan},
    "start of text": {"start": list("abcdef")},
    "start with NaN": {"start": [np.nan] * 6},
    "start of one": {"start": [0.0]},
    "start complex": {"start": np.arange(6) * 1j},
    "trial of two": {"trial": ["a", "b"]},
    "session of objects": {"session": np.float64(1.5)},
    "no y": {"y": None},
    "no channels": {"channels": None},
    "a structured X": {"X": np.zeros(6, [("a", "f4")])},
    "dates": {"y": np.zeros(6, "M8[s]")},
}


@pytest.mark.parametrize("what", HANDMADE)
def test_content_that_is_none_is_refused(tmp_path: Path, what: str) -> None:
    path = tmp_path / "h.npz"
    np.savez(path, **arrays(**HANDMADE[what]))  # type: ignore[arg-type]
    assert outcome(path) is None


@pytest.mark.parametrize("what", HANDMADE)
def test_content_that_is_none_is_refused_in_a_file_of_our_own_kind_too(tmp_path: Path, what: str) -> None:
    path = write_npz(windows(), tmp_path / "o.npz")
    with np.load(path) as stored:
        change = {key: value for key, value in HANDMADE[what].items() if value is not None}
        gone = [key for key, value in HANDMADE[what].items() if value is None]
        np.savez(path, **{k: v for k, v in (dict(stored) | change).items() if k not in gone})  # type: ignore[arg-type]
    # features may have any names and any unit; a subject may be a number, one per window
    accepted = {"flat X", "volts", "unknown names", "a name twice"}
    assert (outcome(path) is None) == (what not in accepted)


@pytest.mark.parametrize(
    "change",
    [
        {"duration": 0.0}, {"duration": np.nan}, {"duration": [1.0, 2.0]}, {"unit": ["a", "b"]}, {"unit": 1.5},
        {"steps": 3.5}, {"steps": [["a"]]}, {"metadata_subject": list("abcdef")}, {"metadata_note": ["a"]},
        {"metadata_note": np.zeros(6) * 1j},
    ],
    ids=lambda change: str(change)[:40],
)  # fmt: skip
def test_further_fields_are_checked(tmp_path: Path, change: dict[str, object]) -> None:
    path = write_npz(windows(), tmp_path / "o.npz")
    with np.load(path) as stored:
        np.savez(path, **(dict(stored) | change))  # type: ignore[arg-type]
    assert outcome(path) is None


def member(shape: object, body: bytes, *, descr: object = "<f4", version: int = 1) -> bytes:
    buffer = io.BytesIO()
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    write = np.lib.format.write_array_header_1_0 if version == 1 else np.lib.format.write_array_header_2_0
    write(buffer, header)  # type: ignore[arg-type]
    content = bytearray(buffer.getvalue() + body)
    content[6] = version
    return bytes(content)


FORGED = {
    "a billion rows": member((10**9, 2, 40), bytes(320)),
    "more rows than a number holds": member((2**62, 2**62, 8), bytes(320)),
    "fewer rows than there are": member((1, 2, 40), bytes(640)),
    "negative": member((-1, 2, 40), bytes(320)),
    "objects": member((2,), b"cos\nsystem\n(S'true'\ntR.", descr="|O"),
    "columns": member((2,), bytes(16), descr=[("a", "<f4"), ("b", "<f4")]),
    "version 9": member((1, 2, 40), bytes(320), version=9),
    "no header": b"\x93NUMPY\x01\x00",
    "a header of code": b"\x93NUMPY\x01\x00\x30\x00" + b"__import__('os').system('true')".ljust(47) + b"\n",
    "a deep header": b"\x93NUMPY\x01\x00\xf0\x7f" + b"(" * 0x7FF0,
    "text": b"hello",
}


@pytest.mark.parametrize("what", FORGED)
def test_forged_arrays_are_refused(tmp_path: Path, what: str) -> None:
    path = write_npz(windows(), tmp_path / "f.npz")
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, FORGED[what] if name == "X.npy" else content)
    assert outcome(path) is None


def test_an_array_that_is_there_twice_and_other_files_are_refused(tmp_path: Path) -> None:
    path = write_npz(windows(), tmp_path / "f.npz")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("trial,npy", b"\0\0")
    with pytest.raises(ValueError, match=r"f\.npz .*holds 'trial,npy', which is no array"):
        read_npz(path)
    write_npz(windows(), path)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("y.npy", member((6,), bytes(24)))
    assert outcome(path) is None


@pytest.mark.parametrize("bad", [X * 1j, X.astype(str), np.array([[[None] * 4] * 2] * 6)])
def test_arrays_of_no_real_numbers_are_refused(bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"X holds .*; expected real numbers"):
        from_arrays(bad, Y, channels=["T3", "Cz"], rate=128.0, subject="S1")


@pytest.mark.parametrize("bad", [Y + np.inf, Y * np.nan, Y * 10**9, Y + 0.5, Y.astype(complex), Y.astype(bool)])
def test_labels_that_are_none_are_refused_without_a_name_for_each_number_below(bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match="y must hold integers from 0"):
        from_arrays(X, bad, channels=["T3", "Cz"], rate=128.0, subject="S1")
