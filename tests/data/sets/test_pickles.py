"""Pickles load arrays and nothing else."""

from __future__ import annotations

import io
import os
import pickle
import pickletools
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimcap.data.foreign.pickles import loads, read_pickle

ARRAY = np.arange(24, dtype=np.float64).reshape(2, 3, 4)
CONTENT = {
    "data": ARRAY,
    "labels": np.asfortranarray(ARRAY[0].astype(">f4")),
    "n": [1, (2.5, None), {"k": True}],
    "s": "é",
}


class Run:
    """A pickle of this calls `function(*arguments)` when it is loaded the usual way."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> object:
        return self.call


@pytest.mark.parametrize("protocol", range(5))
@pytest.mark.parametrize("module", ["numpy.core.multiarray", "numpy._core.multiarray"])
def test_arrays_and_containers_come_back(protocol: int, module: str) -> None:
    content = pickle.dumps(CONTENT, protocol=protocol)
    here = np._core.multiarray._reconstruct.__module__
    assert here == "numpy._core.multiarray"
    if protocol < 4:  # text of the module's name, with its length in the later protocols only
        content = content.replace(here.encode(), module.encode())
    loaded = loads(content, "it")
    np.testing.assert_array_equal(loaded["data"], ARRAY)
    np.testing.assert_array_equal(loaded["labels"], CONTENT["labels"])
    assert loaded["labels"].dtype == np.dtype(">f4")
    assert (loaded["n"], loaded["s"]) == (CONTENT["n"], "é")


def python2_pickle(array: np.ndarray) -> bytes:
    """Protocol 2 as Python 2 and NumPy 1 wrote it: the array's bytes are a `str`."""

    def text(value: bytes) -> bytes:
        return b"U" + bytes([len(value)]) + value

    raw = array.tobytes()
    shape = b"(" + b"".join(b"K" + bytes([n]) for n in array.shape) + b"t"
    dtype = (
        b"cnumpy\ndtype\n"
        + text(b"f8")
        + b"K\x00K\x01\x87R(K\x03"
        + text(b"<")
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    )
    made = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00t" + text(b"b") + b"tR"
    return (
        b"\x80\x02}"
        + text(b"data")
        + made
        + b"(K\x01"
        + shape
        + dtype
        + b"\x89T"
        + struct.pack("<i", len(raw))
        + raw
        + b"tbs."
    )


def test_python_2_pickles_are_read_as_latin_1(tmp_path: Path) -> None:
    array = np.random.default_rng(0).normal(size=(2, 3, 5))
    (tmp_path / "s01.dat").write_bytes(python2_pickle(array))
    np.testing.assert_array_equal(read_pickle(tmp_path / "s01.dat")["data"], array)
    np.testing.assert_array_equal(pickle.loads(python2_pickle(array), encoding="latin1")["data"], array)


ATTACKS = {
    "posix.system": lambda flag: Run(os.system, f"touch {flag}"),
    "builtins.eval": lambda flag: Run(eval, f"open({flag!r}, 'w')"),
    "builtins.exec": lambda flag: Run(exec, f"open({flag!r}, 'w')"),
    "builtins.getattr": lambda flag: Run(getattr, "text", "format"),
    "numpy.fromfile": lambda flag: Run(np.fromfile, flag),
    "nested posix.system": lambda flag: {"data": ARRAY, "labels": [Run(list, (Run(os.system, f"touch {flag}"),))]},
}


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("attack", ATTACKS)
def test_a_pickle_that_runs_code_runs_nothing(tmp_path: Path, attack: str, protocol: int) -> None:
    flag, path = tmp_path / "ran", tmp_path / "s01.dat"
    path.write_bytes(pickle.dumps(ATTACKS[attack](str(flag)), protocol=protocol))
    with pytest.raises(ValueError, match=r"s01\.dat: the pickle names \S+, which is no NumPy array.*nothing was run"):
        read_pickle(path)
    assert not flag.exists()


def test_the_attack_is_one(tmp_path: Path) -> None:
    flag = tmp_path / "ran"
    pickle.loads(pickle.dumps(ATTACKS["posix.system"](str(flag))))
    assert flag.exists()


def test_the_refused_global_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(ValueError, match=r"x\.pkl: the pickle names os\.system,"):
        read_pickle(tmp_path / "x.pkl")


FORGED = {
    "extension code": b"\x82\x01.",
    "persistent id": b"Pname\n.",
    "dotted name": b"\x80\x04\x8c\x05numpy\x8c\x11ndarray.__class__\x93.",
    "object type": b"cnumpy\ndtype\n(S'O8'\ntR.",
    "dtype flags": b"cnumpy\ndtype\n(S'f8'\ntR(I3\nS'|'\nN(S'a'\ntN(I1\nttb.",
    "ndarray called": b"cnumpy\nndarray\n((I1000000000000\nttR.",
    "bare global": b"cnumpy\nndarray\n.",
    "changes a function": b"c_codecs\nencode\n}S'__defaults__'\nNsb.",
    "codec": b"c_codecs\nencode\n(S'abc'\nS'hex'\ntR.",
    "no content": b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR.",
    "absurd shape": b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I1000000000\nI60\nt"
    b"cnumpy\ndtype\n(S'f8'\ntRI00\nS'abc'\ntb.",
    "negative shape": b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I-1\nt"
    b"cnumpy\ndtype\n(S'f8'\ntRI00\nS'abc'\ntb.",
    "huge text": b"\x80\x04\x8d" + struct.pack("<Q", 1 << 62) + b"x.",
    "huge bytes": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40) + b"x.",
    "huge frame": b"\x80\x04\x95" + struct.pack("<Q", 1 << 50) + b".",
    "huge memo": b"\x80\x02K\x01r\xff\xff\xff\x7f.",
    "huge number": b"\x80\x02\x8b\xff\xff\xff\x7f.",
    "set": b"\x80\x04\x8f.",
    "empty": b"",
    "text": b"hello, world",
}


@pytest.mark.parametrize("name", FORGED)
def test_forged_pickles_are_refused_without_memory(name: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"^it(:| is not a whole pickle)"):
            loads(FORGED[name], "it")
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("protocol", range(6))
def test_keys_that_take_for_ever_to_hash_are_refused(protocol: int) -> None:
    shared: tuple[object, ...] = (1,)
    for _ in range(100):
        shared = (shared, shared)
    content = pickle.dumps([shared], protocol=protocol)
    with pytest.raises(ValueError, match="uses one tuple twice"):
        loads(content, "it")
    with pytest.raises(ValueError, match="uses DUP"):
        loads(b"}K\x01" + b"2\x86" * 100 + b"K\x01s.", "it")


def test_deep_nesting_is_refused_and_shared_parts_are_cheap() -> None:
    deep: list[object] = []
    for _ in range(40):
        deep = [deep]
    with pytest.raises(ValueError, match="more than 16 deep"):
        loads(pickle.dumps(deep), "it")
    wide: list[object] = [1]
    for _ in range(15):
        wide = [wide] * 50  # 50^15 if it were walked through
    assert len(loads(pickle.dumps(wide), "it")) == 50


def test_too_big_files_are_refused_before_reading(tmp_path: Path) -> None:
    path = tmp_path / "s01.dat"
    path.write_bytes(pickle.dumps(ARRAY))
    with pytest.raises(ValueError, match=r"s01\.dat has \d+ bytes, more than the 10"):
        read_pickle(path, largest=10)
    with pytest.raises(FileNotFoundError, match="none"):
        read_pickle(tmp_path / "none")


@pytest.mark.parametrize("protocol", [2, 4])
def test_every_truncation_is_refused(protocol: int) -> None:
    whole = pickle.dumps(CONTENT, protocol=protocol)
    for end in range(len(whole)):
        with pytest.raises(ValueError, match="it"):
            loads(whole[:end], "it")


def refused(content: bytes) -> str:
    """The message of the refusal; "it" if there is none. Any other exception than ValueError is a bug."""
    try:
        loads(content, "it")
    except ValueError as error:
        return str(error)
    return "it"


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 7), st.sampled_from([0, 2, 4]))
def test_flipped_bits_are_refused_or_change_a_value(place: int, bit: int, protocol: int) -> None:
    whole = bytearray(pickle.dumps(CONTENT, protocol=protocol))
    whole[place % len(whole)] ^= 1 << bit
    assert refused(bytes(whole)).startswith("it")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_random_opcodes_never_do_anything_else_than_fail(content: bytes) -> None:
    assert refused(content + b".").startswith("it")


def test_the_writers_opcodes_are_all_allowed() -> None:
    names = {op.name for op, _, _ in pickletools.genops(io.BytesIO(pickle.dumps(CONTENT, protocol=4)))}
    assert "REDUCE" in names
    assert "BUILD" in names
