"""The cache under everything that a machine can do to it: killed, full, read-only, set back, damaged."""

from __future__ import annotations

import errno
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from brown import brown
from cache_reader import read_folder, read_npy, write_recordings

import trimcap.data.cache_key as key_module
import trimcap.data.cache_stamps as stamps_module
from trimcap.data.cache import cache_info, cached, clear_cache
from trimcap.data.cache_key import describe_reader, entry_key, hash_recording
from trimcap.data.chain import Chain, Step
from trimcap.data.steps import STEPS

CHAIN = Chain((Step("bandpass", low=1, high=45), Step("windows", seconds=1), Step("differential_entropy")))
RAW = Chain((Step("windows", seconds=0.5, step=0.1),))
HERE = Path(__file__).parent


def several(n=4):
    return [brown(f"s{i // 2}", str(i % 2), label=i % 2) for i in range(n)]


def good(windows, chain=CHAIN, recordings=None):
    np.testing.assert_array_equal(windows.X, chain.apply(several() if recordings is None else recordings).X)


def entry(folder):
    (found,) = [path for path in folder.iterdir() if len(path.name) == 64]
    return found


def child(code, *arguments, **options):
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])}
    run = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(run, env=env, stdout=subprocess.PIPE, text=True, **options)


# ---- killed at any moment

BUILD = """
import sys
from pathlib import Path
from cache_reader import read_npy
from test_fuzz_cache import RAW
from trimcap.data.cache import cached
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
        for told in cache_info(tmp_path / "cache", check="full"):
            assert told.state in ("good", "left over"), told
    assert late < times
    for path in paths:
        windows = cached(RAW, [path], folder=tmp_path / "cache", read=read_npy, check="full")
        good(windows, RAW, read_npy(path))
    extra = Chain((Step("windows", seconds=1),))
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
import test_fuzz_cache
from trimcap.data.cache import cached
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
cached(test_fuzz_cache.RAW, test_fuzz_cache.several(2), folder=folder)
print("done", count, flush=True)
"""


def killed_before_each_step(tmp_path, moments):
    for at in moments:
        folder = tmp_path / str(at)
        process = child(STEPWISE, folder, at)
        out = process.communicate()[0]
        if "done" in out:
            return at
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
from test_fuzz_cache import RAW, several
from trimcap.data.cache import cached
folder, number = Path(sys.argv[1]), sys.argv[2]
recordings = several()
(folder / f"ready{number}").touch()
while not (folder / "go").exists(): time.sleep(0.001)
digests = []
for i in range(6):
    chain = type(RAW)((type(RAW.steps[0])("windows", seconds=0.5 + i / 10, step=0.1),))
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
from test_fuzz_cache import RAW, several
from trimcap.data.cache import cached
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


# ---- clocks


@pytest.mark.parametrize("years", [-30, 30])
def test_another_time_of_day_finds_the_same_entries(tmp_path, monkeypatch, years):
    paths = write_recordings(tmp_path / "data", several())
    shift = years * 365 * 24 * 3600
    for path in paths[:2]:
        os.utime(path, (time.time() + shift, time.time() + shift))
    first = cached(CHAIN, paths, folder=tmp_path / "cache", read=read_npy).X.copy()
    now, now_ns = time.time, time.time_ns
    monkeypatch.setattr(time, "time", lambda: now() + shift)
    monkeypatch.setattr(time, "time_ns", lambda: now_ns() + shift * 10**9)
    np.testing.assert_array_equal(cached(CHAIN, paths, folder=tmp_path / "cache", read=read_npy).X, first)
    assert len(cache_info(tmp_path / "cache")) == 1
    np.save(paths[1], np.load(paths[1]) + 1)
    changed = [r for path in paths for r in read_npy(path)]
    good(cached(CHAIN, paths, folder=tmp_path / "cache", read=read_npy), CHAIN, changed)


def test_a_file_with_the_same_stamp_is_found_out_by_the_full_check(tmp_path, monkeypatch):
    """What the quick check trusts, as its documentation says: size, inode and both times of change."""
    paths = write_recordings(tmp_path / "data", several())
    monkeypatch.setattr(stamps_module, "stamp_of", lambda file: (file.stat().st_size, 1, 2, 3))
    monkeypatch.setattr(key_module, "stamp_of", lambda file: (file.stat().st_size, 1, 2, 3))
    first = cached(CHAIN, paths, folder=tmp_path / "cache", read=read_npy).X.copy()
    np.save(paths[1], np.load(paths[1]) + 3 * np.arange(1000, dtype=np.float32) % 7)
    np.testing.assert_array_equal(cached(CHAIN, paths, folder=tmp_path / "cache", read=read_npy).X, first)
    full = cached(CHAIN, paths, folder=tmp_path / "cache", read=read_npy, check="full")
    good(full, CHAIN, [r for path in paths for r in read_npy(path)])
    assert not np.array_equal(full.X, first)


# ---- what counts

#: other values of every option of every built-in step
OPTIONS = {
    "pick": {"names": [["Cz"], ["Cz", "Fp1"], ["Fp1", "Cz"]]},
    "rereference": {"to": ["average", "Cz", ["Cz", "Fp1"], ["Fp1", "Cz"]], "keep": [False, True]},
    "notch": {"frequency": [50, 60], "harmonics": [None, 0, 1], "quality": [30, 31], "phase": ["causal", "zero"]},
    "bandpass": {"low": [1, 2, 0.1, None], "high": [45, 44.5], "order": [4, 5], "phase": ["causal", "zero"]},
    "resample": {"rate": [100, 64]},
    "subtract_baseline_mean": {"seconds": [1, 2]},
    "keep_first": {"seconds": [1, 2]},
    "running_z_score": {"seconds": [10, 9]},
    "windows": {
        "seconds": [1, 2], "step": [None, 0.5], "start": [None, 2, 3], "baseline": [0, 2], "on_bad": ["raise", "drop"],
    },
    "reject": {"peak_to_peak": [100, 101, None], "flat": [0.5, 0.25]},
    "differential_entropy": {
        "bands": [{"a": (4, 8), "b": (8, 14)}, {"b": (8, 14), "a": (4, 8)}, {"a": (4, 8)}, {"a": (4, 8), "c": (8, 14)}],
        "order": [5, 4],
    },
    "band_power": {"bands": [{"a": (4, 8)}, {"a": (4, 9)}], "segment": [2, 1]},
    "log_variance": {"bands": [None, {"a": (4, 8)}], "order": [5, 4]},
    "subtract_baseline": {"average": ["waveform", "feature"]},
    "window_z_score": {"per": ["window", "channel"]},
    "grid": {"rows": [9, 8], "columns": [9, 10]},
    "frames": {"rows": [9, 8], "columns": [9, 10], "every": [1, 2]},
    "subject_z_score": {"per": ["auto", "channel", "feature"]},
}  # fmt: skip


def test_the_table_of_options_is_whole():
    assert set(OPTIONS) == set(STEPS)
    for name, options in OPTIONS.items():
        first = {key: values[0] for key, values in options.items()}
        step = Step(name, **first)
        assert set(step.options) == set(options), name


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_of_every_step_is_part_of_the_key(name):
    first = {key: values[0] for key, values in OPTIONS[name].items()}
    made = [first] + [{**first, key: other} for key, values in OPTIONS[name].items() for other in values[1:]]
    recording = hash_recording(brown(), with_info=False)
    keys = set()
    for options in made:
        step = Step(name, **options)
        before = () if name == "windows" else (Step("windows", seconds=1, baseline=1 * (name == "subtract_baseline")),)
        level = STEPS[name].level
        if name == "windows" and options["baseline"]:
            steps = (step, Step("subtract_baseline"))
        else:
            steps = (step, *before) if level == "recording" else (*before, step)
        keys.add(entry_key(Chain(steps), [recording], None))
    assert len(keys) == len(made)


def test_long_arrays_in_info_count_for_functions_from_outside():
    """NumPy's text of a long array leaves out its middle."""
    one = brown()
    baseline = np.zeros((4, 3000), dtype=np.float32)
    other = baseline.copy()
    other[2, 1500] = 1
    hashes = {
        hash_recording(replace(one, info={"baseline": b}), with_info=True).sha256
        for b in (baseline, other, baseline.copy(), baseline.astype(np.float64))
    }
    assert len(hashes) == 3


def test_linked_folders_count(tmp_path):
    data, store = tmp_path / "data", tmp_path / "store"
    write_recordings(store, several())
    data.mkdir()
    (data / "sub").symlink_to(store, target_is_directory=True)
    (store / "again").symlink_to(data, target_is_directory=True)  # a circle
    write_recordings(data / "own", several(1))

    def key():
        return [s.sha256 for s in key_module.hash_paths([data], {})]

    before = key()
    assert len(before) == 5
    path = store / "s0_0_1.npy"
    np.save(path, np.load(path) + 1)
    assert key() != before


def test_readers_of_the_package_count_with_its_version(monkeypatch):
    from trimcap.data.sets.deap import read_deap

    ours, theirs = describe_reader(read_deap), describe_reader(read_folder)
    monkeypatch.setattr(key_module, "__version__", "99")
    assert describe_reader(read_deap) != ours
    assert describe_reader(read_folder) == theirs


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
