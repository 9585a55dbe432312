"""Damaged entries of the cache are found, told and built again."""

from __future__ import annotations

import numpy as np
import pytest
from brown import several
from cached_chains import CHAIN, cut, entry, same

from trimcap.data.cache.cache import cache_info, cached
from trimcap.data.preprocess.chain import Chain
from trimcap.data.preprocess.steps import make_step


def flip(file, at):
    data = bytearray(file.read_bytes())
    data[at] ^= 1
    file.write_bytes(bytes(data))


DAMAGE = {
    "X cut": (lambda e: cut(e / "X.npy"), r"X.npy has \d+ of \d+ bytes"),
    "X empty": (lambda e: (e / "X.npy").write_bytes(b""), "X.npy has 0 of"),
    "X longer": (lambda e: (e / "X.npy").write_bytes((e / "X.npy").read_bytes() + b"1"), "X.npy has"),
    "X missing": (lambda e: (e / "X.npy").unlink(), "X.npy is missing"),
    "X header": (lambda e: flip(e / "X.npy", 70), "header of X.npy"),
    "rows cut": (lambda e: cut(e / "rows.npz"), "rows.npz has"),
    "rows flipped": (lambda e: flip(e / "rows.npz", 300), "rows.npz was changed"),
    "manifest cut": (lambda e: cut(e / "manifest.json") or cut(e / "manifest.json"), "manifest.json can't be read"),
    "manifest missing": (lambda e: (e / "manifest.json").unlink(), "manifest.json can't be read"),
    "manifest a list": (lambda e: (e / "manifest.json").write_text("[]"), "manifest.json can't be read"),
    "manifest edited": (
        lambda e: (e / "manifest.json").write_text((e / "manifest.json").read_text().replace('"nat"', '"µV"')),
        "manifest.json was changed",
    ),
    "empty": (lambda e: [file.unlink() for file in e.iterdir()], "manifest.json can't be read"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_is_found_told_and_repaired(what, tmp_path, builds):
    damage, message = DAMAGE[what]
    expected = CHAIN.apply(several())
    cached(CHAIN, several(), folder=tmp_path)
    damage(entry(tmp_path))
    (told,) = cache_info(tmp_path)
    assert told.state.startswith("damaged")
    with pytest.warns(UserWarning, match=f"is damaged: .*{message}.*built again"):
        same(cached(CHAIN, several(), folder=tmp_path), expected)
    assert len(builds) == 2
    same(cached(CHAIN, several(), folder=tmp_path, check="full"), expected)
    assert len(builds) == 2
    assert len(list(tmp_path.iterdir())) == 1


def test_every_truncation_of_every_file_is_found(tmp_path):
    cached(CHAIN, several()[:1], folder=tmp_path)
    place = entry(tmp_path)
    for file in place.iterdir():
        whole = file.read_bytes()
        for length in [*range(0, len(whole), 37), len(whole) - 1]:
            file.write_bytes(whole[:length])
            assert cache_info(tmp_path)[0].state.startswith("damaged"), (file.name, length)
        file.write_bytes(whole)
    assert cache_info(tmp_path, check="full")[0].state == "good"


def test_a_flipped_bit_in_the_numbers_is_found_by_the_full_check(tmp_path):
    expected = cached(CHAIN, several(), folder=tmp_path).X.copy()
    flip(entry(tmp_path) / "X.npy", 1000)
    assert cache_info(tmp_path)[0].state == "good"  # the quick check does not read the numbers
    assert cache_info(tmp_path, check="full")[0].state == "damaged: the numbers in X.npy were changed"
    with pytest.warns(UserWarning, match="numbers in X.npy were changed"):
        repaired = cached(CHAIN, several(), folder=tmp_path, check="full")
    np.testing.assert_array_equal(repaired.X, expected)


def test_an_entry_under_a_wrong_name_is_refused(tmp_path):
    cached(CHAIN, several(), folder=tmp_path)
    good = entry(tmp_path)
    other = Chain((*CHAIN.steps[:2], make_step("differential_entropy", order=4)))
    cached(other, several(), folder=tmp_path)
    (second,) = [path for path in tmp_path.iterdir() if path != good]
    for file in good.iterdir():
        (second / file.name).write_bytes(file.read_bytes())
    with pytest.warns(UserWarning, match="belongs to another entry"):
        same(cached(other, several(), folder=tmp_path), other.apply(several()))
