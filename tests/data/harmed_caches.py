"""Chains, recordings and processes for the tests that harm a cache."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from brown import brown

from trimcap.data.preprocess.chain import Chain
from trimcap.data.preprocess.steps import make_step

CHAIN = Chain(
    (make_step("bandpass", low=1, high=45), make_step("windows", seconds=1), make_step("differential_entropy"))
)
RAW = Chain((make_step("windows", seconds=0.5, step=0.1),))
HERE = Path(__file__).parent


def several(n=4):
    return [brown(f"s{i // 2}", str(i % 2), label=i % 2) for i in range(n)]


def good(windows, chain=CHAIN, recordings=None):
    np.testing.assert_array_equal(windows.X, chain.apply(several() if recordings is None else recordings).X)


def child(code, *arguments, **options):
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])}
    run = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(run, env=env, stdout=subprocess.PIPE, text=True, **options)


def an_hour_later(folder):
    """What was written to builds, was long ago."""
    for build in folder.glob(".building-*"):
        for path in (*build.iterdir(), build):
            os.utime(path, (1, 1))
