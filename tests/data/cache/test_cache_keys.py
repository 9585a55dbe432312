"""What is found again in the cache, and what is not."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from brown import several
from cache_reader import read_npy, write_recordings
from cached_chains import CHAIN, same

import trimcap.data.cache.stamps as stamps_module
from trimcap.data.cache.cache import cached, clear_cache
from trimcap.data.preprocess.chain import Chain
from trimcap.data.preprocess.steps import make_step

# ---- recordings and chains

CHANGES = {
    "a sample": lambda r: r.signal.__setitem__((1, 500), r.signal[1, 500] + 1) or r,
    "rate": lambda r: replace(r, rate=100.0),
    "channels": lambda r: replace(r, channels=("Fp2", "Fp1", *r.channels[2:])),
    "label": lambda r: replace(r, label=1 - r.label),
    "classes": lambda r: replace(r, classes=("a", "c")),
    "trial": lambda r: replace(r, trial=r.trial + "9"),
    "session": lambda r: replace(r, session="9"),
    "shape": lambda r: replace(r, signal=r.signal[:, :-1]),
}


@pytest.mark.parametrize("what", CHANGES)
def test_any_change_of_a_recording_is_another_entry(what, tmp_path, builds):
    cached(CHAIN, several(), folder=tmp_path)
    changed = [CHANGES[what](r) for r in several()]
    same(cached(CHAIN, changed, folder=tmp_path), CHAIN.apply(changed))
    assert len(builds) == 2


def test_order_counts_and_info_does_not(tmp_path, builds):
    cached(CHAIN, several(), folder=tmp_path)
    same(cached(CHAIN, several()[::-1], folder=tmp_path), CHAIN.apply(several()[::-1]))
    assert len(builds) == 2
    cached(CHAIN, [replace(r, info={"file": "elsewhere"}) for r in several()], folder=tmp_path)
    assert len(builds) == 2


def test_info_counts_for_functions_from_outside(tmp_path, builds):
    own = Chain((make_step("own_steps:double"), make_step("windows", seconds=1)))
    for info in ({}, {"age": 3}, {"age": 3}, {"age": 4}):
        cached(own, [replace(r, info=info) for r in several()], folder=tmp_path)
    assert len(builds) == 3


@pytest.mark.parametrize(
    "other",
    [
        Chain((make_step("bandpass", low=1.5, high=45), *CHAIN.steps[1:])),
        Chain((make_step("bandpass", low=1, high=45, phase="zero"), *CHAIN.steps[1:])),
        Chain((*CHAIN.steps[:2], make_step("differential_entropy", order=4))),
    ],
)
def test_a_changed_parameter_never_reuses_an_entry(other, tmp_path, builds):
    cached(CHAIN, several(), folder=tmp_path)
    same(cached(other, several(), folder=tmp_path), other.apply(several()))
    assert len(builds) == 2


def test_a_new_format_never_reuses_an_entry(tmp_path, builds, monkeypatch):
    cached(CHAIN, several(), folder=tmp_path)
    monkeypatch.setattr("trimcap.data.preprocess.chain.FORMAT", "another")
    cached(Chain(CHAIN.steps), several(), folder=tmp_path)
    assert len(builds) == 2


# ---- files


def test_files_are_read_one_by_one_and_only_once(tmp_path, builds):
    paths = write_recordings(tmp_path / "data set 数据", several())
    read = partial(read_npy, rate=128.0)
    first = cached(CHAIN, paths, folder=tmp_path / "cache", read=read)
    for path in paths:
        os.utime(path, (1, 1))  # the time of change is not the content
    again = cached(CHAIN, [str(path) for path in paths], folder=tmp_path / "cache", read=read)
    same(first, CHAIN.apply([r for path in paths for r in read(path)]))
    same(again, first)
    assert len(builds) == 1


def test_changed_files_readers_and_options_are_another_entry(tmp_path, builds):
    data = tmp_path / "data"
    paths = write_recordings(data, several())
    table = data / "labels.txt"
    table.write_text("1")

    def get(read=read_npy, also=(table,), inputs=paths):
        return cached(CHAIN, inputs, folder=tmp_path / "cache", read=read, also=also)

    get()
    get()
    assert len(builds) == 1
    get(partial(read_npy, rate=100.0))
    assert len(builds) == 2
    table.write_text("2")
    get()
    assert len(builds) == 3
    np.save(paths[0], np.load(paths[0]) + 1)
    get()
    assert len(builds) == 4
    get(inputs=paths[::-1])
    assert len(builds) == 5


@pytest.fixture
def hashed(monkeypatch):
    """Names of the files that are really read for their hash."""
    names = []
    real = stamps_module.sha256
    monkeypatch.setattr(stamps_module, "sha256", lambda file: (names.append(file.name), real(file))[1])
    return names


def test_untouched_files_are_not_hashed_again(tmp_path, builds, hashed, monkeypatch):
    monkeypatch.setattr(stamps_module, "_SETTLED", -(10**18))  # as if the files were old
    paths = write_recordings(tmp_path / "data", several())
    get = partial(cached, CHAIN, paths, folder=tmp_path / "cache", read=read_npy)
    first = get()
    assert hashed == [path.name for path in paths]
    same(get(), first)
    assert len(hashed) == 4
    same(get(check="full"), first)
    assert len(hashed) == 8
    clear_cache(tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []
    get()
    assert len(hashed) == 12


@pytest.mark.parametrize("how", ["in place", "replaced", "times set back"])
def test_a_touched_file_is_hashed_again_whatever_its_times_say(how, tmp_path, builds, hashed, monkeypatch):
    monkeypatch.setattr(stamps_module, "_SETTLED", -(10**18))
    paths = write_recordings(tmp_path / "data", several())
    get = partial(cached, CHAIN, paths, folder=tmp_path / "cache", read=read_npy)
    get()
    before, data = paths[1].stat(), np.load(paths[1]) + 1
    time.sleep(0.02)  # longer than the resolution of the kernel's clock
    if how == "replaced":
        np.save(tmp_path / "new.npy", data)
        os.utime(tmp_path / "new.npy", ns=(before.st_atime_ns, before.st_mtime_ns))
        (tmp_path / "new.npy").replace(paths[1])
    else:
        np.save(paths[1], data)
    if how == "times set back":
        os.utime(paths[1], ns=(before.st_atime_ns, before.st_mtime_ns))
    same(get(), CHAIN.apply([r for path in paths for r in read_npy(path)]))
    assert hashed[4:] == [paths[1].name]
    assert len(builds) == 2


def test_a_fresh_file_is_hashed_each_time(tmp_path, hashed):
    """A second write within the resolution of the clock would leave the same stamp."""
    paths = write_recordings(tmp_path / "data", several()[:1])
    for _ in range(2):
        cached(CHAIN, paths, folder=tmp_path / "cache", read=read_npy)
    assert len(hashed) == 2


@pytest.mark.parametrize("text", ["", "[]", '{"a": 1}', '{"a": ["x", [1, 2, 3], 4]}', "\x00"])
def test_damaged_hashes_are_forgotten(text, tmp_path, hashed):
    paths = write_recordings(tmp_path / "data", several()[:1])
    for _ in range(2):
        cached(CHAIN, paths, folder=tmp_path / "cache", read=read_npy)
        (tmp_path / "cache" / "hashes.json").write_text(text)
    assert len(hashed) == 2


def test_a_folder_counts_with_all_its_files(tmp_path, builds):
    from cache_reader import read_folder

    data = tmp_path / "data"
    write_recordings(data, several())
    for _ in range(2):
        cached(CHAIN, [data], folder=tmp_path / "cache", read=read_folder)
    assert len(builds) == 1
    (data / "notes.txt").write_text("x")
    cached(CHAIN, [data], folder=tmp_path / "cache", read=read_folder)
    assert len(builds) == 2


def test_a_file_that_changes_while_it_is_read(tmp_path):
    from cache_reader import read_and_touch

    paths = write_recordings(tmp_path / "data", several())
    with pytest.raises(ValueError, match=r"s1_0_0.npy changed while it was read; nothing was cached"):
        cached(CHAIN, paths, folder=tmp_path / "cache", read=read_and_touch)
    assert list((tmp_path / "cache").iterdir()) == []
