from dataclasses import replace

import numpy as np
import pytest

from trimcap.data.rows import lazy as module
from trimcap.data.rows.lazy import LazyArray, lazy
from trimcap.study.recipe.recipe import parse_recipe
from trimcap.study.results.trial_folder import TrialFolder
from trimcap.study.run.prepare import folds_of, prepare
from trimcap.study.run.trial import run_trial

RECIPE = """
name = "large"
[data]
source = "synthetic"
subjects = 4
rate = 64
seconds = 6
window = 2
normalise = "train"
features = "raw"
[data.options]
seed = 1
channels = ["F3", "F4", "C3", "C4", "O1", "O2"]
electrodes = ["O1", "O2"]
line_noise = 0
trials_per_class = 6
[protocol]
folds = 2
valid = 0.5
[model]
name = "eegnet"
[model.options]
F1 = 4
F2 = 4
kernel = 8
[train]
epochs = 1
batch_size = 8
[[steps]]
kind = "prune"
electrodes = 4
[[steps]]
kind = "recover"
epochs = 1
batch_size = 8
[[steps]]
kind = "quantize"
windows = 16
[[steps]]
kind = "export"
golden = 4
"""


@pytest.fixture
def small_reads(monkeypatch):
    """Whole arrays of more than the 16 calibration windows, and as many held-out ones, may not be read at once."""
    monkeypatch.setattr(module, "AT_ONCE", 0)
    monkeypatch.setattr("trimcap.study.steps.quantize._HELD_OUT", 16)
    read = LazyArray.__array__

    def refuse(self, *args, **options):
        assert len(self) <= 16, f"{len(self)} windows were read at once"
        return read(self, *args, **options)

    monkeypatch.setattr(LazyArray, "__array__", refuse)


def far(windows):
    return replace(windows, X=lazy(windows.X))


def test_a_trial_on_windows_outside_memory_gives_the_same_numbers(tmp_path, small_reads):
    recipe = parse_recipe(RECIPE)
    prepared = prepare(recipe)
    distant = replace(prepared, windows=far(prepared.windows))
    assert distant.facts() == prepared.facts()
    assert isinstance(folds_of(distant, recipe.protocol)[0].train.X, LazyArray)
    folders = [TrialFolder(tmp_path / name, 0, 0) for name in ("near", "far")]
    for which, folder in zip((prepared, distant), folders, strict=True):
        run_trial(recipe, which, fold=0, seed=0, folder=folder)
    near, away = (folder.read("trial") for folder in folders)
    assert [row["stage"] for row in away["rows"]] == [row["stage"] for row in near["rows"]]
    for row, other in zip(near["rows"], away["rows"], strict=True):
        assert {k: v for k, v in row.items() if k != "seconds"} == {k: v for k, v in other.items() if k != "seconds"}
    assert away["ledger"] == near["ledger"]
    for name in ("dense", "recovered"):
        a, b = (folder.read_arrays(f"evidence/{name}")["evidence"] for folder in folders)
        np.testing.assert_allclose(b, a, rtol=1e-4)


def test_large_windows_in_memory_are_shared_by_the_folds(monkeypatch):
    recipe = parse_recipe(RECIPE)
    prepared = prepare(recipe)
    assert isinstance(folds_of(prepared, recipe.protocol)[0].train.X, np.ndarray)
    monkeypatch.setattr(module, "AT_ONCE", 0)
    monkeypatch.setattr("trimcap.study.run.prepare._LARGE", 0)
    fold = folds_of(prepared, recipe.protocol)[0]
    assert isinstance(fold.train.X, LazyArray)
    rows = np.isin(prepared.windows.ids, fold.train.ids)
    np.testing.assert_array_equal(fold.train.X[:], prepared.windows.X[rows])
