"""The cache under processes that are killed at any moment, or build at once."""

from __future__ import annotations

import random
import signal
import subprocess
import time

import pytest
from cache_reader import read_npy, write_recordings
from cached_chains import entry
from harmed_caches import RAW, an_hour_later, child, good, several

from trimcap.data.cache.cache import cache_info, cached
from trimcap.data.preprocess.chain import Chain
from trimcap.data.preprocess.steps import make_step

BUILD = """
import sys
from pathlib import Path
from cache_reader import read_npy
from harmed_caches import RAW
from trimcap.data.cache.cache import cached
folder, data = map(Path, sys.argv[1:])
paths = sorted(data.glob("*.npy"))
cached(RAW, paths[:1], folder=folder / "warm", read=read_npy)
print("ready", flush=True)
sys.stdin.readline()
for path in paths:
    cached(RAW, [path], folder=folder / "cache", read=read_npy)
print("done", flush=True)
"""


def killed(tmp_path, times, seed):
    """Kill builds of 8 entries at random moments; nothing that is read later may be anything but whole."""
    data = tmp_path / "data"
    paths = write_recordings(data, several(8))
    rng = random.Random(seed)
    late = 0
    for _ in range(times):
        process = child(BUILD, tmp_path, data, stdin=subprocess.PIPE)
        assert process.stdout.readline() == "ready\n"
        process.stdin.write("\n")
        process.stdin.flush()
        time.sleep(rng.random() * 0.12)
        process.send_signal(signal.SIGKILL)
        late += "done" in process.communicate()[0]
        an_hour_later(tmp_path / "cache")
        for told in cache_info(tmp_path / "cache", check="full"):
            assert told.state in ("good", "left over"), told
    assert late < times
    for path in paths:
        windows = cached(RAW, [path], folder=tmp_path / "cache", read=read_npy, check="full")
        good(windows, RAW, read_npy(path))
    extra = Chain((make_step("windows", seconds=1),))
    cached(extra, paths, folder=tmp_path / "cache", read=read_npy)
    names = {path.name for path in (tmp_path / "cache").iterdir() if len(path.name) != 64}
    assert names <= {"hashes.json"}, names
    assert {told.state for told in cache_info(tmp_path / "cache", check="full")} == {"good"}


def test_killed_at_random_moments(tmp_path):
    killed(tmp_path, 2, seed=1)


@pytest.mark.long
def test_killed_at_many_random_moments(tmp_path):
    killed(tmp_path, 60, seed=2)


STEPWISE = """
import os, signal, sys
from pathlib import Path
import harmed_caches
from trimcap.data.cache.cache import cached
folder, at = Path(sys.argv[1]), int(sys.argv[2])
count = 0
def traced(event, arguments):
    # every call that changes the file system is a moment at which the process may end
    global count
    if event in ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.chmod", "shutil.rmtree"):
        if str(folder) in str(arguments):
            count += 1
            if count == at:
                os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(traced)
cached(harmed_caches.RAW, harmed_caches.several(2), folder=folder)
print("done", count, flush=True)
"""


def killed_before_each_step(tmp_path, moments):
    for at in moments:
        folder = tmp_path / str(at)
        process = child(STEPWISE, folder, at)
        out = process.communicate()[0]
        if "done" in out:
            return at
        an_hour_later(folder)
        states = [told.state for told in cache_info(folder, check="full")]
        assert states in ([], ["left over"], ["good"]), (at, states)
        good(cached(RAW, several(2), folder=folder, check="full"), RAW, several(2))
        if states != ["good"]:
            assert [path.name for path in folder.iterdir()] == [entry(folder).name], at
    return None


def test_killed_before_some_changes_of_the_file_system(tmp_path):
    assert killed_before_each_step(tmp_path, [2, 6]) is None


@pytest.mark.long
def test_killed_before_every_change_of_the_file_system(tmp_path):
    last = killed_before_each_step(tmp_path, range(1, 60))
    assert last is not None
    assert last > 8


TOGETHER = """
import hashlib, sys, time
from pathlib import Path
import numpy as np
from harmed_caches import RAW, several
from trimcap.data.cache.cache import cached
folder, number = Path(sys.argv[1]), sys.argv[2]
recordings = several()
(folder / f"ready{number}").touch()
while not (folder / "go").exists(): time.sleep(0.001)
digests = []
for i in range(6):
    chain = type(RAW)((type(RAW.steps[0])(seconds=0.5 + i / 10, step=0.1),))
    windows = cached(chain, recordings, folder=folder / "cache", check="full" if i % 2 else "quick")
    assert np.array_equal(windows.X, chain.apply(recordings).X)
    digests.append(hashlib.sha256(windows.X.tobytes()).hexdigest()[:8])
print(*digests)
"""


@pytest.mark.parametrize("n", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_processes_at_once(tmp_path, n):
    processes = [child(TOGETHER, tmp_path, i) for i in range(n)]
    while len(list(tmp_path.glob("ready*"))) < n:
        assert all(process.poll() is None for process in processes)
        time.sleep(0.01)
    (tmp_path / "go").touch()
    answers = {process.communicate()[0] for process in processes}
    assert [process.returncode for process in processes] == [0] * n
    assert len(answers) == 1
    assert [told.state for told in cache_info(tmp_path / "cache", check="full")] == ["good"] * 6
    assert all(len(path.name) == 64 for path in (tmp_path / "cache").iterdir())
