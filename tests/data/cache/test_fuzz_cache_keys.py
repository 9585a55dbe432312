"""What counts for an entry of the cache: every option of every step, every file, and no clock."""

from __future__ import annotations

import os
import time
from dataclasses import replace

import numpy as np
import pytest
from brown import brown
from cache_reader import read_folder, read_npy, write_recordings
from harmed_caches import CHAIN, good, several

import trimcap.data.cache.key as key_module
import trimcap.data.cache.stamps as stamps_module
from trimcap.data.cache.cache import cache_info, cached
from trimcap.data.cache.key import describe_reader, entry_key, hash_recording
from trimcap.data.preprocess.chain import Chain
from trimcap.data.preprocess.steps import STEPS, make_step
from trimcap.data.sets import deap

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
        "marked": ["drop", "keep"],
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
        step = make_step(name, **first)
        assert set(step.options) == set(options), name


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_of_every_step_is_part_of_the_key(name):
    first = {key: values[0] for key, values in OPTIONS[name].items()}
    made = [first] + [{**first, key: other} for key, values in OPTIONS[name].items() for other in values[1:]]
    recording = hash_recording(brown(), with_info=False)
    keys = set()
    for options in made:
        step = make_step(name, **options)
        before = (
            () if name == "windows" else (make_step("windows", seconds=1, baseline=1 * (name == "subtract_baseline")),)
        )
        level = STEPS[name].level
        if name == "windows" and options["baseline"]:
            steps = (step, make_step("subtract_baseline"))
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
    ours, theirs = describe_reader(deap.read_file), describe_reader(read_folder)
    monkeypatch.setattr(key_module, "__version__", "99")
    assert describe_reader(deap.read_file) != ours
    assert describe_reader(read_folder) == theirs
