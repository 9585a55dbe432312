"""Every reader on its file cut off anywhere and with any bit flipped: the right values, or a message with the name."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import numpy as np
import pytest

from attacks import SETS, Set, answer, cuts, facts, flipped, numbers, small  # noqa: F401

pytestmark = pytest.mark.usefixtures("small")


def boundaries(whole: bytes) -> list[int]:
    """Where the variables of an uncompressed or compressed MATLAB file begin."""
    if not whole.startswith(b"MATLAB 5"):
        return []
    found = [128]
    while found[-1] + 8 <= len(whole):
        found.append(found[-1] + 8 + struct.unpack("<I", whole[found[-1] + 4 : found[-1] + 8])[0])
    return found


def cut_off(kind: Set, out: Path, n: int, seed: int) -> None:
    path = kind.write(out)
    whole = path.read_bytes()
    good = kind.read(out)
    refused = 0
    for length in cuts(len(whole), n, random.Random(seed), boundaries(whole)):
        path.write_bytes(whole[:length])
        read = answer(lambda: kind.read(out), path.name)
        refused += read is None
        # what lies behind the last variable that is needed may be missing
        assert read is None or (facts(read) == facts(good) and np.array_equal(numbers(read), numbers(good))), length
    assert refused > n / 2


def flip(name: str, out: Path, n: int, seed: int) -> int:
    kind = SETS[name]
    path = kind.write(out)
    whole = path.read_bytes()
    good = kind.read(out)
    right = facts(good)
    passed = 0
    for place, damaged in flipped(whole, n, random.Random(seed)):
        path.write_bytes(damaged)
        read = answer(lambda: kind.read(out), path.name)
        if read is None:
            continue
        same = np.array_equal(numbers(read), numbers(good))
        passed += not same
        if kind.sums:
            assert same, f"byte {place}: other numbers passed a checksum"
            assert facts(read) == right, f"byte {place}"
        elif same:
            # a flipped bit within a rating is a rating; nothing else may change
            assert is_rating(name, facts(read), right), f"byte {place}: {facts(read)} {right}"
        else:
            assert facts(read) == right, f"byte {place}"
            assert len(set(np.flatnonzero(numbers(read) != numbers(good)))) >= 1
    return passed


def is_rating(name: str, read: list[object], right: list[object]) -> bool:
    """Whether nothing differs but the ratings that the file holds, and the labels that follow from them."""
    if read == right:
        return True
    rated = name.startswith(("deap", "dreamer plain", "seed labels"))
    return rated and [r[0] for r in read] == [r[0] for r in right] and [r[2:7] for r in read] == [r[2:7] for r in right]  # type: ignore[index]


@pytest.mark.parametrize("name", SETS)
def test_a_file_that_is_cut_off_is_refused_by_name(tmp_path: Path, name: str) -> None:
    cut_off(SETS[name], tmp_path, SETS[name].cuts // 3, seed=1)


@pytest.mark.parametrize("name", SETS)
def test_a_flipped_bit_is_refused_or_changes_nothing_but_a_number(tmp_path: Path, name: str) -> None:
    flip(name, tmp_path, SETS[name].flips // 2, seed=2)


@pytest.mark.long
@pytest.mark.parametrize("name", SETS)
def test_cut_off_in_many_places(tmp_path: Path, name: str) -> None:
    cut_off(SETS[name], tmp_path, SETS[name].cuts * 4, seed=3)


@pytest.mark.long
@pytest.mark.parametrize("name", SETS)
def test_flipped_in_many_places(tmp_path: Path, name: str) -> None:
    flip(name, tmp_path, SETS[name].flips * 10, seed=4)
