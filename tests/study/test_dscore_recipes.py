"""The shipped recipes of the D-Score paper, on small files of the same layout and small networks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from picture_files import write_cifar10, write_pictures
from trimcap.data.baselines.classifiers import baselines
from trimcap.data.sources import open_windows
from trimcap.graph.trace.trace import trace
from trimcap.models import ResNet
from trimcap.study.recipe.recipe import load_recipe, parse_recipe
from trimcap.study.results.store import RunFolder
from trimcap.study.run.before_training import check_names
from trimcap.study.run.evidence import electrode_evidence
from trimcap.study.run.prepare import prepare
from trimcap.study.run.run import run

RECIPES = Path(__file__).parents[2] / "recipes"
NAMES = ("dscore-digits", "dscore-cifar10", "dscore-imagenet")
SMALL_VGG = "widths = [4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4]\nhidden = [6, 5]\n"


def changed(name: str, *replacements: tuple[str, str]) -> str:
    """The shipped text with some of it made small; what is replaced must be there."""
    text = (RECIPES / f"{name}.toml").read_text(encoding="utf-8")
    for old, new in replacements:
        assert old in text, old
        text = text.replace(old, new)
    return text


def stages_of(folder: RunFolder) -> dict[str, dict]:
    rows = json.loads((folder.path / "results.json").read_text())
    return {row["stage"]: row for row in rows}


@pytest.mark.parametrize("name", NAMES)
def test_shipped_recipes_are_right(name):
    recipe = load_recipe(RECIPES / f"{name}.toml")
    check_names(recipe)
    assert recipe.name == name
    assert recipe.compare.reference == "random"
    methods = [method.name for method in recipe.compare.methods]
    assert methods[0] == "D-Score"
    assert {"l1", "FPGM", "random"} <= set(methods)


def test_resnet_50_is_pruned_inside_its_blocks_only():
    """33 axes, as in the paper: the stem and the first two convolutions of sixteen blocks."""
    import torch

    network = trace(ResNet(3, 64, 64, 4, depth=50, widths=(4, 4, 4, 4)).eval(), torch.randn(2, 3, 64, 64))
    for method in load_recipe(RECIPES / "dscore-imagenet.toml").compare.methods:
        axes = method.at(None)[0].axes
        assert len(axes) == len(set(axes)) == 33
        assert set(axes) <= {axis.name for axis in network.axes.hidden}
        assert {axis.name for axis in network.axes.hidden} - set(axes) == {
            f"blocks.{first}.layers.6" for first in (0, 3, 7, 13)
        }


@pytest.fixture(scope="module")
def cifar_run(tmp_path_factory):
    place = tmp_path_factory.mktemp("cifar")
    write_cifar10(place, per_class=4)
    text = changed(
        "dscore-cifar10",
        ('path = "cifar-10-batches-py"', f'path = "{place}"'),
        ('name = "vgg16"\n', f'name = "vgg16"\n[model.options]\ndropout = 0\n{SMALL_VGG}'),
        ("epochs = 450", "epochs = 3"),
        ("epochs = 10,", "epochs = 1,"),
        ("target = 0.9", "target = 0.1"),
        ("valid = 0.1", "valid = 0.2"),
        ("batch_size = 64", "batch_size = 16"),
    )
    return run(parse_recipe(text), place / "run", text=text)


def test_cifar10_runs_through(cifar_run):
    found = stages_of(cifar_run)
    assert [name for name in found if "pruned" in name] == [
        f"{method}: pruned" for method in ("D-Score", "D-Step", "D-Step GM", "l1", "FPGM", "random")
    ]
    assert found["dense"]["n"] == 40
    assert found["D-Score: recovered"]["parameters"] <= found["dense"]["parameters"]
    assert found["D-Score: pruned"]["parameters"] < found["dense"]["parameters"]
    trial = cifar_run.trial(0, 0).read("trial")
    assert trial["audit"]["verdict"] == "passed"
    # chosen on validation pictures of the training part, never on the test part
    stages = {(row["stage"], row["note"]) for row in trial["ledger"]}
    assert ("sensitivity", "d_score") in stages


def test_pictures_are_described_without_electrodes(cifar_run):
    header = json.loads((cifar_run.path / "run.json").read_text())
    assert header["data"]["channels"] == ["red", "green", "blue"]
    assert header["data"]["unit"] == "intensity"
    maps = cifar_run.trial(0, 0).read_arrays("evidence/dense")["evidence"]
    assert maps.shape == (3,)
    assert (maps >= 0).all()


def test_pictures_have_no_grid_and_no_signal_baseline(tmp_path):
    write_cifar10(tmp_path, per_class=1)
    made = prepare(parse_recipe(changed("dscore-cifar10", ('path = "cifar-10-batches-py"', f'path = "{tmp_path}"'))))
    assert made.windows.shape == (3, 32, 32)
    assert made.grid is None
    assert baselines(made.windows, signal="covariance") == ("linear baseline", "nearest neighbours")


def test_evidence_of_a_plane_that_is_not_read_is_zero():
    import torch

    windows = open_windows("digits", size=32).take(np.arange(12))
    model = ResNet(3, 32, 32, 10, depth=18, widths=(4, 4, 4, 4), small=True).eval()
    with torch.no_grad():
        model.stem[0].weight[:, 1] = 0
    found = electrode_evidence(trace(model, windows), windows, channels=windows.channels)
    assert found.shape == (3,)
    assert found[1] == 0
    assert min(found[0], found[2]) > 0


@pytest.mark.slow
def test_digits_run_through(tmp_path):
    text = changed(
        "dscore-digits",
        ("widths = [16, 16, 32, 32, 64, 64, 64, 128, 128, 128, 128, 128, 128]\nhidden = [1024, 128]\n", SMALL_VGG),
        ("seeds = [0, 1, 2]", "seeds = [0]"),
        ("epochs = 15", "epochs = 2"),
        ("epochs = 5,", "epochs = 1,"),
        ("target = 0.9", "target = 0.05"),
    )
    found = stages_of(run(parse_recipe(text), tmp_path / "run", text=text))
    assert found["dense"]["n"] == 359
    assert found["random: pruned"]["parameters"] < found["dense"]["parameters"]


@pytest.mark.long
def test_imagenet_runs_through(tmp_path):
    """A ResNet-50 of few channels on JPEG and PNG files that are read when they are needed."""
    write_pictures(tmp_path / "pictures", classes=2, n=12, side=72, parts=("train", "val"))
    text = changed(
        "dscore-imagenet",
        ('path = "imagenet"', f'path = "{tmp_path / "pictures"}"'),
        ("size = 224\nresize = 256", "size = 64\nresize = 72"),
        ("per_class = 50", "per_class = 10"),
        ("depth = 50", "depth = 50\nwidths = [4, 4, 4, 4]"),
        ("valid = 0.1", "valid = 0.4"),
        ("epochs = 90", "epochs = 1"),
        ("epochs = 10\n", "epochs = 1\n"),
        ("batch_size = 128", "batch_size = 8"),
        ("drop = 0.015", "drop = 0.5"),
    )
    made = run(parse_recipe(text), tmp_path / "run", text=text)
    found = stages_of(made)
    assert found["dense"]["n"] == 20
    small = found["D-Score: pruned"]
    assert small["macs"] < found["dense"]["macs"]
    plan = json.loads((made.trial(0, 0).path / "plans" / "D-Score-pruned.json").read_text())
    assert not any(".layers.6" in axis for axis in plan["keep"])
