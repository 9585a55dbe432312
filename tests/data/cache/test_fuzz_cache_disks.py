"""The cache on disks that are full, read-only, refuse a rename or give back something else."""

from __future__ import annotations

import errno
import json
import os
import random
import resource
import subprocess
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from brown import brown
from cache_reader import read_npy, write_recordings
from cached_chains import entry
from harmed_caches import CHAIN, RAW, child, good, several

from trimcap.data.cache.cache import cache_info, cached, clear_cache

# ---- disks


@contextmanager
def mounted(place, options):
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    try:
        done = subprocess.run(mount, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("no mount command")
    if done.returncode:
        pytest.skip(f"may not mount a file system here: {done.stderr.decode().strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_small_disk_that_is_really_full(tmp_path):
    recordings = several()
    need = RAW.apply(recordings).X.nbytes
    with mounted(tmp_path / "disk", f"size={need // 2 // 4096 * 4096}") as disk:
        with pytest.raises(
            OSError, match=r"no space left for the cache in .* the unfinished entry was removed"
        ) as told:
            cached(RAW, recordings, folder=disk / "cache")
        assert told.value.errno == errno.ENOSPC
        assert list((disk / "cache").iterdir()) == []
        good(cached(CHAIN, recordings, folder=disk / "cache"), CHAIN, recordings)  # small enough
        with pytest.raises(OSError, match="no space left"):
            cached(RAW, recordings, folder=disk / "cache")
        assert [told.state for told in cache_info(disk / "cache", check="full")] == ["good"]


@pytest.mark.parametrize("blocks", [4, 12, 13, 14, 16, 20])
def test_a_disk_that_fills_up_at_any_file(tmp_path, blocks):
    """X.npy has 11 blocks here; then come the rows, the manifest, the table of hashes."""
    recordings = [brown(n_times=1300)]
    with mounted(tmp_path / "disk", f"size={4 * blocks}k") as disk:
        try:
            windows = cached(RAW, recordings, folder=disk / "cache")
        except OSError as error:
            assert "no space left" in str(error)  # noqa: PT017
            assert list((disk / "cache").iterdir()) == []
        else:
            good(windows, RAW, recordings)
        assert {told.state for told in cache_info(disk / "cache", check="full")} <= {"good"}


def test_a_read_only_disk_is_read_and_never_built_on(tmp_path):
    with mounted(tmp_path / "disk", "size=8m") as disk:
        paths = write_recordings(disk / "data", several())
        first = cached(CHAIN, paths, folder=disk / "cache", read=read_npy).X.copy()
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        np.testing.assert_array_equal(cached(CHAIN, paths, folder=disk / "cache", read=read_npy).X, first)
        np.testing.assert_array_equal(cached(CHAIN, paths, folder=disk / "cache", read=read_npy, check="full").X, first)
        with pytest.raises(OSError, match=r"cannot write into folder '.*cache'"):
            cached(RAW, paths, folder=disk / "cache", read=read_npy)


LIMITED = """
import resource, sys
from pathlib import Path
from harmed_caches import RAW, several
from trimcap.data.cache.cache import cached
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
try:
    cached(RAW, several(), folder=Path(sys.argv[1]))
except OSError as error:
    print(error.errno, error)
"""


def test_a_limit_on_the_size_of_files(tmp_path):
    out = child(LIMITED, tmp_path / "cache").communicate()[0]
    assert out.startswith(f"{errno.EFBIG} ")
    assert "no space left for the cache" in out
    assert list((tmp_path / "cache").iterdir()) == []
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 20_000


def failing(monkeypatch, number, *, after):
    """The first rename to an entry's name fails, before it happened or after."""
    real, calls = Path.rename, []

    def rename(self, target):
        if len(Path(target).name) == 64 and not calls:
            calls.append(1)
            if after:
                real(self, target)
            raise OSError(number, os.strerror(number), str(self), None, str(target))
        return real(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    return calls


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EXDEV, errno.EACCES, errno.ENOENT, errno.EROFS])
def test_a_rename_that_fails_leaves_nothing(tmp_path, monkeypatch, number):
    calls = failing(monkeypatch, number, after=False)
    with pytest.raises(OSError, match=os.strerror(number)):
        cached(CHAIN, several(), folder=tmp_path)
    assert calls
    assert list(tmp_path.iterdir()) == []
    good(cached(CHAIN, several(), folder=tmp_path))


def test_a_rename_that_happened_although_the_server_says_no(tmp_path, monkeypatch):
    """A file server repeats a rename whose answer was lost, and then finds nothing to rename."""
    calls = failing(monkeypatch, errno.ENOENT, after=True)
    good(cached(CHAIN, several(), folder=tmp_path))
    assert calls
    assert [told.state for told in cache_info(tmp_path, check="full")] == ["good"]


def test_a_file_in_the_place_of_an_entry(tmp_path):
    cached(CHAIN, several(), folder=tmp_path)
    place = entry(tmp_path)
    clear_cache(tmp_path)
    place.write_bytes(b"no folder")
    with pytest.warns(UserWarning, match="is damaged"):
        good(cached(CHAIN, several(), folder=tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == [place.name]


def test_half_a_table_of_hashes_is_swept_away(tmp_path):
    (tmp_path / ".hashes.json.abcd1234").write_text('{"a"')
    cached(CHAIN, several(), folder=tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    (tmp_path / ".hashes.json.abcd1234").write_text('{"a"')
    clear_cache(tmp_path)
    assert list(tmp_path.iterdir()) == []


# ---- damage


def damaged_anywhere(tmp_path, n, seed):
    rng = random.Random(seed)
    recordings = several(1)
    expected = cached(CHAIN, recordings, folder=tmp_path).X.copy()
    place = entry(tmp_path)
    for name in ("X.npy", "rows.npz", "manifest.json"):
        whole = (place / name).read_bytes()
        for _ in range(n):
            content = bytearray(whole)
            if rng.random() < 0.2:
                content = content[: rng.randrange(len(content))]
            else:
                content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
            (place / name).write_bytes(bytes(content))
            with pytest.warns(UserWarning, match="is damaged: .*it is built again"):
                windows = cached(CHAIN, recordings, folder=tmp_path, check="full")
            np.testing.assert_array_equal(windows.X, expected)
            assert (place / name).read_bytes() == whole or name == "manifest.json"
            whole = (place / name).read_bytes()  # the manifest says when
    assert [path.name for path in tmp_path.iterdir()] == [place.name]


def test_any_damage_is_told_and_built_again(tmp_path):
    damaged_anywhere(tmp_path, 6, seed=1)


@pytest.mark.long
def test_much_damage_is_told_and_built_again(tmp_path):
    damaged_anywhere(tmp_path, 150, seed=2)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a": ["x", [1, 2, 3, 1e999], 4]}', '{"a": 1' + "0" * 5000 + "}"])
def test_tables_that_no_process_wrote(tmp_path, text):
    paths = write_recordings(tmp_path / "data", several())
    cached(CHAIN, paths, folder=tmp_path / "cache", read=read_npy)
    (tmp_path / "cache" / "hashes.json").write_text(text)
    good(cached(CHAIN, paths, folder=tmp_path / "cache", read=read_npy))
    (entry_of,) = [path for path in (tmp_path / "cache").iterdir() if len(path.name) == 64]
    (entry_of / "manifest.json").write_text(text)
    with pytest.warns(UserWarning, match="is damaged"):
        good(cached(CHAIN, paths, folder=tmp_path / "cache", read=read_npy))
    assert json.loads((entry_of / "manifest.json").read_text())["key"] == entry_of.name
