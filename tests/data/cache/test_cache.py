"""The cache gives what the chain gives, in every layout; it is listed and cleared."""

from __future__ import annotations

import json
import os
from functools import partial

import numpy as np
import pytest
from brown import several
from cache_reader import read_npy, write_recordings
from cached_chains import CHAIN, entry, same

from trimcap.data.cache.cache import cache_info, cached, clear_cache
from trimcap.data.cache.folder import building_name
from trimcap.data.preprocess.chain import Chain
from trimcap.data.preprocess.steps import make_step


def test_the_cache_gives_what_the_chain_gives(tmp_path, builds):
    recordings = several()
    recordings[1].signal[1] = 4  # all its windows are dropped and counted
    whole = CHAIN.apply(recordings)
    first = cached(CHAIN, recordings, folder=tmp_path)
    again = cached(CHAIN, recordings, folder=tmp_path)
    same(first, whole)
    same(again, whole)
    assert len(builds) == 1
    assert again.steps[-1] == "7 of 28 windows dropped (constant 7)"
    assert [path.name for path in tmp_path.iterdir()] == [entry(tmp_path).name]


def test_x_is_an_npy_file_that_numpy_reads(tmp_path):
    made = cached(CHAIN, several(), folder=tmp_path)
    np.testing.assert_array_equal(np.load(entry(tmp_path) / "X.npy"), made.X)


def test_x_is_mapped_and_writing_to_it_does_not_reach_the_file(tmp_path):
    made = cached(CHAIN, several(), folder=tmp_path)
    base = made.X
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)
    assert type(made.X) is np.ndarray
    before = made.X.copy()
    made.X[:] = 0
    np.testing.assert_array_equal(cached(CHAIN, several(), folder=tmp_path, check="full").X, before)


@pytest.mark.parametrize(
    "after",
    [
        (),
        (make_step("differential_entropy"), make_step("grid")),
        (make_step("band_power", segment=1), make_step("subject_z_score")),
    ],
)
def test_every_layout(after, tmp_path):
    chain = Chain((make_step("windows", seconds=1, step=0.5), *after))
    for _ in range(2):
        same(cached(chain, several(), folder=tmp_path), chain.apply(several()))


def test_progress_stays_off_standard_output(tmp_path, capsys):
    cached(CHAIN, several(), folder=tmp_path / "a", progress=True)
    paths = write_recordings(tmp_path / "data", several())
    cached(CHAIN, paths, folder=tmp_path / "b", read=read_npy, progress=True)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda folder: cached(CHAIN, iter(several()), folder=folder), "the inputs are gone through twice"),
        (lambda folder: cached(CHAIN, "data", folder=folder, read=read_npy), "got a str"),
        (lambda folder: cached(CHAIN, ["data"], folder=folder), "paths need a reader"),
        (lambda folder: cached(CHAIN, [], folder=folder, read=lambda p: []), "reader .* has no name"),
        (lambda folder: cached(CHAIN, [], folder=folder, read=partial(read_npy, 1)), "options by keyword"),
        (lambda folder: cached(CHAIN, several(), folder=folder, check="ful"), "did you mean 'full'"),
        (lambda folder: cached(CHAIN, [], folder=folder), "no recordings"),
        (lambda folder: clear_cache(folder, keys=["x"]), "unknown cache entry 'x'"),
    ],
)
def test_messages(call, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        call(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_missing_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere: no such file"):
        cached(CHAIN, [tmp_path / "nowhere"], folder=tmp_path, read=read_npy)


# ---- info and clear


def test_info(tmp_path):
    assert cache_info(tmp_path / "nothing") == []
    made = cached(CHAIN, several(), folder=tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "folder").mkdir()
    (told,) = cache_info(tmp_path)
    assert told.state == "good"
    assert told.shape == made.X.shape
    assert told.steps == made.steps
    assert told.inputs == 4
    assert told.bytes == sum(file.stat().st_size for file in entry(tmp_path).iterdir())
    manifest = json.loads((entry(tmp_path) / "manifest.json").read_text())
    assert manifest["chain"] == CHAIN.canonical
    assert [name for name, _ in manifest["inputs"]] == ["s1/0/0", "s1/0/1", "s2/0/0", "s2/0/1"]


def test_clear_takes_what_belongs_to_the_cache_only(tmp_path):
    cached(CHAIN, several(), folder=tmp_path)
    cached(Chain(CHAIN.steps[:2]), several(), folder=tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / building_name()).mkdir()  # just begun
    sizes = {told.key: told.bytes for told in cache_info(tmp_path) if told.state == "good"}
    first, second = sizes
    assert clear_cache(tmp_path, keys=[first]) == sizes[first]
    assert {told.key for told in cache_info(tmp_path) if told.state == "good"} == {second}
    assert clear_cache(tmp_path) == sizes[second]
    assert {path.name[:9] for path in tmp_path.iterdir()} == {"notes.txt", "folder", ".building"}


def test_builds_are_left_alone_until_nobody_wrote_for_an_hour(tmp_path):
    other = tmp_path / building_name()
    other.mkdir()
    (other / "X.npy").write_bytes(b"1")
    os.utime(other, (1, 1))  # the file was written to, the folder long ago
    cached(CHAIN, several(), folder=tmp_path)
    assert other.exists()
    os.utime(other / "X.npy", (1, 1))
    cached(Chain(CHAIN.steps[:2]), several(), folder=tmp_path)
    assert not other.exists()


def test_windows_loaded_before_clear_stay_readable(tmp_path):
    made = cached(CHAIN, several(), folder=tmp_path)
    clear_cache(tmp_path)
    same(made, CHAIN.apply(several()))
