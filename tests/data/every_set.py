"""Small files of every published set, and what its reader and options are."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parent / "sets"))

from edf_files import write_subject
from set_files import write_amigos, write_dasps, write_deap, write_dreamer, write_faced, write_seed, write_seed_iv

from trimcap.data.preprocess.chain import Chain
from trimcap.data.preprocess.steps import make_step
from trimcap.data.recording import Recording
from trimcap.data.sources import read_set


def write_seed_sessions(place: Path) -> None:
    """Dates out of the order of names, and of the order in which the files are written."""
    write_seed(place, {"2_20140413": "a", "2_20131027": "b", "10_20140404": "jl", "10_20130101": "jl"})


WRITE = {
    "deap": lambda place: [write_deap(place, subject) for subject in (1, 2)],
    "seed": write_seed_sessions,
    "seed-iv": write_seed_iv,
    "dreamer": write_dreamer,
    "amigos": lambda place: [write_amigos(place, subject) for subject in (1, 12)],
    "faced": lambda place: [write_faced(place, subject) for subject in (0, 3)],
    "dasps": lambda place: [write_dasps(place, subject, form="raw") for subject in (1, 2)],
    "eegmat": lambda place: [write_subject(place, s, rest=6, task=6) for s in ("Subject07", "Subject03")],
}
READ = {
    "deap": partial(read_set, "deap"),
    "seed": partial(read_set, "seed"),
    "seed-iv": partial(read_set, "seed-iv"),
    "dreamer": partial(read_set, "dreamer"),
    "amigos": partial(read_set, "amigos"),
    "faced": partial(read_set, "faced"),
    "dasps": partial(read_set, "dasps"),
    "eegmat": partial(read_set, "eegmat"),
}
OPTIONS = {
    "deap": {"label": "arousal", "threshold": 4.5, "side": ">=", "baseline": "keep"},
    "seed": {},
    "seed-iv": {"on_bad": "keep"},
    "dreamer": {"label": "dominance", "threshold": 2, "baseline": "apart"},
    "amigos": {"label": "liking", "videos": "all", "baseline": "apart"},
    "faced": {"label": "emotion"},
    "dasps": {"form": "raw", "label": "valence"},
    "eegmat": {"rate": None, "seconds": 2},
}
WINDOWS = Chain((make_step("windows", seconds=0.1, on_bad="drop"),))


def same(a: Recording, b: Recording) -> None:
    assert (a.name, a.label, a.classes, a.channels, a.rate) == (b.name, b.label, b.classes, b.channels, b.rate)
    np.testing.assert_array_equal(a.signal, b.signal)
    assert a.signal.dtype == b.signal.dtype == np.float32
    assert list(a.info) == list(b.info)
    for key, value in a.info.items():
        np.testing.assert_array_equal(value, b.info[key])
