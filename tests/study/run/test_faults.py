"""Runs that are killed, share a folder, run out of disk, or cannot draw."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
import warnings

import pytest
from fabricated import make_run

from trimcap._files import remove_leftovers, write_atomic
from trimcap.study.report.figures import draw as figures
from trimcap.study.report.report import report
from trimcap.study.results.lock import held
from trimcap.study.run.run import Job, run_job
from trimcap.study.run.workers import in_processes

HOLD = """
import importlib.util, sys, time
spec = importlib.util.spec_from_file_location("lock", sys.argv[1])
lock = importlib.util.module_from_spec(spec)
spec.loader.exec_module(lock)
with lock.held(__import__("pathlib").Path(sys.argv[2])) as other:
    print(other or "held", flush=True)
    time.sleep(60)
"""


def holder(folder):
    from trimcap.study.results import lock

    command = [sys.executable, "-c", HOLD, lock.__file__, str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    return process


def test_a_lock_names_its_holder_and_ends_with_it(tmp_path):
    process = holder(tmp_path)
    try:
        with held(tmp_path) as other:
            assert other.startswith(f"process {process.pid} on ")
        with held(tmp_path) as other:  # asking has not taken it away
            assert other
    finally:
        process.kill()  # as `kill -9`
        process.communicate()
    with held(tmp_path) as other:
        assert other == ""
        with held(tmp_path) as second:
            assert second.startswith(f"process {os.getpid()} on ")
    assert list(tmp_path.iterdir()) == []


def test_a_trial_that_another_process_runs_is_left_to_it(tmp_path):
    run = make_run(tmp_path / "r", n_subjects=9)
    job = Job(run.header and _recipe(run), str(run.path), 1, 0)
    with held(run.trial(1, 0).path):
        assert run_job(job, prepared=object())["busy"].startswith(f"process {os.getpid()}")
    assert run_job(job, prepared=object())["rows"] == run.trial(1, 0).read("trial")["rows"]


def _recipe(run):
    import json

    return json.dumps(run.header["recipe"])


def test_leftovers_of_killed_writers_go_and_nothing_else(tmp_path):
    left = [tmp_path / ".trial.json.a1b2c3d4", tmp_path / "networks" / ".fw.old.abcd_123", tmp_path / ".fw.zzzzzzzz"]
    kept = [tmp_path / name for name in (".lock", ".git", "trial.json", ".notes.txt", "a.b12345678")]
    for path in (*left, *kept):
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    left[2].unlink()
    left[2].mkdir()
    (left[2] / "part").write_text("x")
    remove_leftovers(tmp_path, older=3600)
    assert all(path.exists() for path in (*left, *kept))
    remove_leftovers(tmp_path)
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in kept)


def test_a_full_disk_names_the_file_and_keeps_the_old_one(tmp_path, monkeypatch):
    path = write_atomic(tmp_path / "results.csv", "before")

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"no space left for '.*results.csv'; .*Free space .*run the same command again"):
        write_atomic(path, "after")
    assert path.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["results.csv"]


def test_a_worker_that_was_killed_says_perhaps_memory():
    with pytest.raises(RuntimeError, match=r"ended from outside, perhaps because memory ran out.*fewer --jobs"):
        list(in_processes(1, os._exit, [9]))


def test_a_workers_warning_is_a_line(capfd):
    list(in_processes(1, warnings.warn, ["a trial was left out"]))
    assert "note: a trial was left out\n" in capfd.readouterr().err


def test_an_interruption_ends_the_workers(monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    start = time.monotonic()
    try:
        signal.alarm(2)
        with pytest.raises(KeyboardInterrupt):
            list(in_processes(1, time.sleep, [600]))
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - start < 300  # it does not wait for the worker


def test_a_figure_that_cannot_be_drawn_does_not_lose_the_report(tmp_path, monkeypatch):
    run = make_run(tmp_path / "r", n_subjects=9)

    def broken(*_):
        raise RuntimeError("no fonts")

    monkeypatch.setattr(figures, "new_figure", broken)
    text = report(run.path).read_text()
    said = "The figure 'subjects' could not be drawn (RuntimeError: no fonts)"
    assert said in text.replace("&#39;", "'")
    assert "Every subject" in text
    assert said in run.path.joinpath("report.md").read_text()
