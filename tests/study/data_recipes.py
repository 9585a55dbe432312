"""Recipes of [data], and a source of small files that leaves a trace of every reading."""

import os
from pathlib import Path

import numpy as np

from trimcap.data.recording import Recording
from trimcap.data.source import Source, choose_subjects
from trimcap.study.recipe.recipe import Recipe, parse_recipe

CHAIN = '[{name="windows", seconds=1, baseline=3}, "differential_entropy", "subtract_baseline", "grid"]'
DEAP = f"""
name = "deap"
[data]
source = "deap"
path = "PATH"
options = {{label="arousal", threshold=5, side=">"}}
chain = {CHAIN}
"""


def recipe(text: str, path: object = "", **changes: object) -> Recipe:
    text = text.replace("PATH", str(path))
    for key, value in changes.items():
        text = text.replace("[data]", f"[data]\n{key} = {value}")
    return parse_recipe(text)


def tiny(path: Path, *, subjects: int | list[str] | None = None, trials: int = 2) -> Source:
    """A source of small files that leaves a trace of every reading."""
    names = choose_subjects(sorted(p.stem for p in path.glob("s*.npy")), subjects, what="tiny")
    from functools import partial

    return Source("tiny", tuple(path / f"{name}.npy" for name in names), partial(read_tiny, trials=trials))


def read_tiny(path: Path, *, trials: int) -> list[Recording]:
    with (path.parent / "read.log").open("a") as log:
        log.write(f"{path.stem} {os.getpid()}\n")
    signal = np.load(path)
    return [
        Recording(signal[t], 64.0, ("F3", "C3", "O1"), path.stem, trial=str(t), label=t % 2, classes=("a", "b"))
        for t in range(trials)
    ]


def write_tiny(place: Path, subjects: int = 4) -> Path:
    place.mkdir()
    for s in range(subjects):
        np.save(place / f"s{s}.npy", np.random.default_rng(s).standard_normal((4, 3, 64 * 6)).astype(np.float32) * 10)
    return place


TINY = """
name = "tiny"
[data]
source = "data_recipes:tiny"
path = "PATH"
options = {trials = 4}
chain = [{name = "bandpass", low = 1, high = 30}, {name = "windows", seconds = 1}]
[protocol]
folds = 2
valid = 0.5
[model]
name = "eegnet"
[model.options]
F1 = 2
F2 = 2
kernel = 8
[train]
epochs = 1
"""


def reads(place: Path) -> list[str]:
    return (place / "read.log").read_text().splitlines()
