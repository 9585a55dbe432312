from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from brown import brown
from cache_reader import read_npy, write_recordings

import trimcap.data.cache as cache_module
import trimcap.data.cache_entry as entry_module
import trimcap.data.cache_stamps as stamps_module
from trimcap.data.cache import cache_info, cached, clear_cache
from trimcap.data.cache_folder import building_name
from trimcap.data.chain import Chain, Step

CHAIN = Chain(
    (Step("bandpass", low=1, high=45), Step("windows", seconds=1, on_bad="drop"), Step("differential_entropy"))
)
HERE = Path(__file__).parent


def several():
    return [brown(s, t, label=int(t)) for s in ("s1", "s2") for t in ("0", "1")]


def same(one, other):
    np.testing.assert_array_equal(one.X, other.X)
    np.testing.assert_array_equal(one.y, other.y)
    pd.testing.assert_frame_equal(one.metadata, other.metadata)
    for what in ("channels", "rate", "classes", "duration", "unit", "steps"):
        assert getattr(one, what) == getattr(other, what), what


@pytest.fixture
def builds(monkeypatch):
    """Counts how often windows are really made."""
    count = []
    real = entry_module.write_entry
    monkeypatch.setattr(cache_module, "write_entry", lambda *a, **k: (count.append(1), real(*a, **k)))
    return count


def entry(folder):
    (found,) = [path for path in folder.iterdir() if len(path.name) == 64]
    return found


# ---- what is found again, and what is not


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
    own = Chain((Step("own_steps:double"), Step("windows", seconds=1)))
    for info in ({}, {"age": 3}, {"age": 3}, {"age": 4}):
        cached(own, [replace(r, info=info) for r in several()], folder=tmp_path)
    assert len(builds) == 3


@pytest.mark.parametrize(
    "other",
    [
        Chain((Step("bandpass", low=1.5, high=45), *CHAIN.steps[1:])),
        Chain((Step("bandpass", low=1, high=45, phase="zero"), *CHAIN.steps[1:])),
        Chain((*CHAIN.steps[:2], Step("differential_entropy", order=4))),
    ],
)
def test_a_changed_parameter_never_reuses_an_entry(other, tmp_path, builds):
    cached(CHAIN, several(), folder=tmp_path)
    same(cached(other, several(), folder=tmp_path), other.apply(several()))
    assert len(builds) == 2


def test_a_new_format_never_reuses_an_entry(tmp_path, builds, monkeypatch):
    cached(CHAIN, several(), folder=tmp_path)
    monkeypatch.setattr("trimcap.data.chain.FORMAT", 2)
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


# ---- damage


def cut(file):
    file.write_bytes(file.read_bytes()[:-1])


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
    other = Chain((*CHAIN.steps[:2], Step("differential_entropy", order=4)))
    cached(other, several(), folder=tmp_path)
    (second,) = [path for path in tmp_path.iterdir() if path != good]
    for file in good.iterdir():
        (second / file.name).write_bytes(file.read_bytes())
    with pytest.warns(UserWarning, match="belongs to another entry"):
        same(cached(other, several(), folder=tmp_path), other.apply(several()))


# ---- interruption


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

    raw = Chain((Step("windows", seconds=1),))
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


def run(code, folder, **options):
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])}
    text = f"from pathlib import Path\nfolder = Path({str(folder)!r})\n{code}"
    return subprocess.Popen([sys.executable, "-c", text], env=env, stdout=subprocess.PIPE, text=True, **options)


SLOW = """
import signal, sys, time
# a shell that starts the tests in the background lets them ignore SIGINT, and children inherit that
signal.signal(signal.SIGINT, signal.default_int_handler)
from test_cache import CHAIN, several
from trimcap.data.cache import cached
import trimcap.data.cache_entry, trimcap.data.chain_run as r
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
from test_cache import CHAIN, several
from trimcap.data.cache import cached
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
    (tmp_path / building_name()).mkdir()  # of this process, which lives
    sizes = {told.key: told.bytes for told in cache_info(tmp_path) if told.state == "good"}
    first, second = sizes
    assert clear_cache(tmp_path, keys=[first]) == sizes[first]
    assert {told.key for told in cache_info(tmp_path) if told.state == "good"} == {second}
    assert clear_cache(tmp_path) == sizes[second]
    assert {path.name[:9] for path in tmp_path.iterdir()} == {"notes.txt", "folder", ".building"}


def test_builds_of_other_machines_are_left_alone_for_a_day(tmp_path):
    other = tmp_path / f".building-{'0' * 8}-1-abc"
    other.mkdir()
    (other / "X.npy").write_bytes(b"1")
    cached(CHAIN, several(), folder=tmp_path)
    assert other.exists()
    for path in (other / "X.npy", other):
        os.utime(path, (1, 1))
    cached(Chain(CHAIN.steps[:2]), several(), folder=tmp_path)
    assert not other.exists()


def test_windows_loaded_before_clear_stay_readable(tmp_path):
    made = cached(CHAIN, several(), folder=tmp_path)
    clear_cache(tmp_path)
    same(made, CHAIN.apply(several()))


# ---- layouts


@pytest.mark.parametrize(
    "after",
    [(), (Step("differential_entropy"), Step("grid")), (Step("band_power", segment=1), Step("subject_z_score"))],
)
def test_every_layout(after, tmp_path):
    chain = Chain((Step("windows", seconds=1, step=0.5), *after))
    for _ in range(2):
        same(cached(chain, several(), folder=tmp_path), chain.apply(several()))


def test_progress_stays_off_standard_output(tmp_path, capsys):
    cached(CHAIN, several(), folder=tmp_path / "a", progress=True)
    paths = write_recordings(tmp_path / "data", several())
    cached(CHAIN, paths, folder=tmp_path / "b", read=read_npy, progress=True)
    assert capsys.readouterr().out == ""
