"""A build that is interrupted leaves nothing behind: a full disk, an error, a signal, another process."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from brown import several
from cached_chains import CHAIN, cut, entry, same
from harmed_caches import an_hour_later

import trimcap.data.cache.cache as cache_module
import trimcap.data.cache.entry as entry_module
from trimcap.data.cache.cache import cache_info, cached, clear_cache
from trimcap.data.preprocess.chain import Chain
from trimcap.data.preprocess.steps import make_step

HERE = Path(__file__).parent


# ---- disks and errors


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    """The disk fills up in the third recording."""

    class Full:
        def __init__(self, file):
            self.file, self.left = file, 9000

        def write(self, data):
            self.left -= len(data)
            if self.left < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return self.file.write(data)

        def __getattr__(self, name):
            return getattr(self.file, name)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

    real = Path.open

    def full(self, mode="r", *args, **kwargs):
        file = real(self, mode, *args, **kwargs)
        return Full(file) if self.name == "X.npy" and "w" in mode else file

    raw = Chain((make_step("windows", seconds=1),))
    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", full)
        with pytest.raises(OSError, match=r"no space left for the cache in .* unfinished entry was removed") as caught:
            cached(raw, several(), folder=tmp_path)
        assert caught.value.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []
    same(cached(raw, several(), folder=tmp_path), raw.apply(several()))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is missing")
def test_a_full_disk_of_the_system(tmp_path, monkeypatch):
    """The same with the kernel's own error."""
    real = Path.open

    def full(self, mode="r", *args, **kwargs):
        return real(Path("/dev/full") if self.name == "X.npy" and "w" in mode else self, mode, *args, **kwargs)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(OSError, match="no space left for the cache"):
        cached(CHAIN, several(), folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_error_in_a_step_leaves_nothing(tmp_path):
    bad = several()
    bad[-1].signal[0, 0] = np.nan
    with pytest.raises(ValueError, match=r"recording s2/0/1.*NaN"):
        cached(CHAIN, bad, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written(tmp_path):
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(OSError, match="cannot write into folder"):
        cached(CHAIN, several(), folder=file / "cache")


# ---- other processes


def run(code, folder, **options):
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])}
    text = f"from pathlib import Path\nfolder = Path({str(folder)!r})\n{code}"
    return subprocess.Popen([sys.executable, "-c", text], env=env, stdout=subprocess.PIPE, text=True, **options)


SLOW = """
import signal, sys, time
# a shell that starts the tests in the background lets them ignore SIGINT, and children inherit that
signal.signal(signal.SIGINT, signal.default_int_handler)
from brown import several
from cached_chains import CHAIN
from trimcap.data.cache.cache import cached
import trimcap.data.cache.entry, trimcap.data.preprocess.run as r
class Slow(list):
    def __iter__(self):
        for i, x in enumerate(list.__iter__(self)):
            if sys._getframe(1).f_code.co_name == "_watched" and i == 2:
                print("building", flush=True)
                time.sleep(60)
            yield x
cached(CHAIN, Slow(several()), folder=folder)
"""


def test_kill_9_leaves_nothing_that_is_read(tmp_path, builds):
    process = run(SLOW, tmp_path)
    assert process.stdout.readline() == "building\n"
    (before,) = cache_info(tmp_path)
    assert before.state == "being built"
    assert clear_cache(tmp_path) == 0  # a live build is not touched
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    an_hour_later(tmp_path)
    (left,) = cache_info(tmp_path)
    assert left.state == "left over"
    assert any((tmp_path / left.key).iterdir())
    same(cached(CHAIN, several(), folder=tmp_path), CHAIN.apply(several()))
    assert len(builds) == 1
    assert [entry.state for entry in cache_info(tmp_path)] == ["good"]  # the rest is swept away


def test_an_interrupt_leaves_nothing(tmp_path):
    process = run(SLOW, tmp_path, stderr=subprocess.DEVNULL)
    assert process.stdout.readline() == "building\n"
    process.send_signal(signal.SIGINT)
    process.wait()
    process.stdout.close()
    assert list(tmp_path.iterdir()) == []


TOGETHER = """
import hashlib, time
from brown import several
from cached_chains import CHAIN
from trimcap.data.cache.cache import cached
recordings = several()
(folder / f"ready{NUMBER}").touch()
while not (folder / "go").exists(): time.sleep(0.001)
windows = cached(CHAIN, recordings, folder=folder / "cache")
print(len(windows), hashlib.sha256(windows.X.tobytes()).hexdigest())
"""


def test_processes_that_build_at_once_all_succeed(tmp_path):
    processes = [run(TOGETHER.replace("NUMBER", str(i)), tmp_path) for i in range(3)]
    while len(list(tmp_path.glob("ready*"))) < 3:
        time.sleep(0.01)
    (tmp_path / "go").touch()
    answers = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len(set(answers)) == 1
    assert answers[0].startswith("28 ")
    assert [entry.state for entry in cache_info(tmp_path / "cache", check="full")] == ["good"]
    assert len(list((tmp_path / "cache").iterdir())) == 1


@pytest.mark.parametrize("damaged", [False, True])
def test_the_entry_of_a_faster_process_is_kept_unless_damaged(damaged, tmp_path, monkeypatch):
    """Deterministic: the other process finishes while this one writes."""
    real = entry_module.write_entry
    inodes = []

    def slower(*args, **kwargs):
        real(*args, **kwargs)
        if not inodes:
            inodes.append(0)
            cached(CHAIN, several(), folder=tmp_path)
            inodes.append(entry(tmp_path).stat().st_ino)
            if damaged:
                cut(entry(tmp_path) / "X.npy")

    monkeypatch.setattr(cache_module, "write_entry", slower)
    same(cached(CHAIN, several(), folder=tmp_path), CHAIN.apply(several()))
    assert (entry(tmp_path).stat().st_ino == inodes[1]) is not damaged
    assert len(list(tmp_path.iterdir())) == 1
