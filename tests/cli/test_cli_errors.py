"""What was typed wrong exits with 2, what is wrong with data or a network with 1; one message, no traceback."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

USAGE = [
    ("inspect nowhere/net", "no folder 'nowhere/net'"),
    ("inspect eegnet", "--shape 32x256"),
    ("inspect eegnt --shape 5x64", "did you mean 'eegnet'"),
    ("inspect eegnet --shape 5by64", "cannot read the shape '5by64'"),
    ("inspect eegnet --shape 5x64 --option F3=1", "did you mean 'F2'"),
    ("inspect eegnet --shape 5x64 --option F1", "write name=value"),
    ("inspect eegnet --shape 5x64 --channels A,B", "names 2 electrodes"),
    ("inspect net --shape 5x64", "is a saved network"),
    ("inspect nomodule_:Net --shape 5x64", "cannot import 'nomodule_'"),
    ("inspect prog", "holds a program; give the folder of a network"),
    ("inspect .", "has no network.json"),
    ("cost net --bits 9", "use 32, or 8 to 2"),
    ("cost net --out other", "needs --rewrite"),
    ("prune net --out x", "say what to reach"),
    ("prune net --out x --sparsity 1", "0 ≤ sparsity < 1, got 1"),
    ("prune net --out x --sparsity -0.1", "0 ≤ sparsity < 1, got -0.1"),
    ("prune net --out x --sparsity 0.5 --flash 1KiB", "not both"),
    ("prune net --out x --flash 1kilo", "cannot read the size '1kilo'"),
    ("prune net --out x --sparsity 0.5 --saliency l3", "unknown saliency 'l3'"),
    ("prune net --out x --sparsity 0.5 --scope al", "unknown scope 'al'"),
    ("prune net --out x --sparsity 0.5 --axis electrod", "did you mean 'electrodes'"),
    ("prune net --out x --sparsity 0.5 --axis times", "can't be pruned: times of the input"),
    ("prune net --out x --electrodes C3,C9", "unknown electrode 'C9'"),
    ("prune net --out x --electrodes 9", "cannot keep 9 of 5"),
    ("prune net --out net --sparsity 0.5", "both input and output"),
    ("prune net --out w.npz --sparsity 0.5", "is a file"),
    ("prune net --out foreign --sparsity 0.5", "was not made by trimcap"),
    ("prune net --out prog --sparsity 0.5", "holds a trimcap program"),
    ("prune net --out x --sram=-3KiB", "a budget must be above 0 bytes, got '-3KiB'"),
    ("prune net --nope", "No such option"),
    ("train ccnn --data w.npz --out x", "needs rows"),
    ("train eegnet --data w.npz --out x --device cpx", "unknown device 'cpx'"),
    ("train eegnet --data w.npz --out x --optimizer adm", "did you mean 'adam'"),
    ("train eegnet --data w.npz --out x --monitor los", "did you mean 'loss'"),
    ("train eegnet --data w.npz --out x --valid 0 --patience 2", "--patience needs validation"),
    ("train eegnet --data w.npz --out x --hold-out S09", "unknown subject 'S09'"),
    ("train eegnet --data w.npz --out x --learning-rate 0", "above 0"),
    ("train eegnet --data w.npz --out x --normalise no", "unknown normalisation"),
    ("run torn.npz", "torn.npz is no recipe: byte "),
    ("run foreign", "'foreign' is a folder, not a recipe. No .toml lies in it"),
    ("run .", "'.' is a folder, not a recipe. Recipes in it: bad.toml, strange.toml, strange2.toml"),
    ("evaluate net --data nix.npz", "no file 'nix.npz'"),
    ("evaluate net --data eegmatt", "did you mean 'eegmat'"),
    ("evaluate net --data synthetic,subject=3", "did you mean 'subjects'"),
    ("evaluate net --data bad.toml", "unknown key 'epoch'"),
    ("evaluate net --data foreign", "nor a .toml recipe"),
    ("evaluate net --data w.npz --subjects S0", "unknown subject 'S0'"),
    ("quantize net --calibration w.npz --out x --ranges ms", "did you mean 'mse'"),
    ("quantize net --calibration w.npz --out x --input-scales chanels", "did you mean 'channels'"),
    ("quantize net --calibration w.npz --out x --percent 0", "(0, 100]"),
    ("export net --golden w.npz --out x --int8", "--calibration DATA"),
    ("export net --golden w.npz --out x --int8 --float", "exclude each other"),
    ("export prog --golden w.npz --out x --float", "is in integers"),
    ("export prog --golden w.npz --out x --onnx", "--onnx needs the network"),
    ("verify net", "give the folder of an artifact"),
    ("verify art --target hots", "did you mean 'host'"),
    ("report net", "give the folder of a run"),
    ("run nix", "unknown recipe 'nix'"),
    ("run bad.toml", "unknown key 'epoch'; did you mean 'epochs'"),
    ("run strange.toml", "unknown saliency 'l9'"),
    ("run strange2.toml", "unknown model 'eegnat'"),
    ("data prepare synthetic --out w.txt", "is a .npz file or a folder"),
    ("data prepare synthetic --out w.npz", "exists"),
    ("data prepare synthetic eegmat --out v.npz", "give one data set by name"),
    ("data prepare synthetic --window two --out v.npz", "--window"),
    ("data prepare synthetic --window -1 --out v.npz", "[data] window"),
    ("data prepare nix.edf --out v.npz", "no file 'nix.edf'"),
    ("data info nowhere.npz", "nowhere.npz"),
    ("data info foreign", "no EEG files"),
    ("data fetch eegmatt", "did you mean 'eegmat'"),
]  # fmt: skip
BAD = [
    ("inspect edited", "was changed after it was saved"),
    ("inspect torn", "is damaged"),
    ("inspect test_cli_errors:Branching --shape 5x64", "cannot trace Branching at layer 'gate'"),
    ("prune net --out x --sparsity 0.01", "removes nothing"),
    ("prune net --out x --flash 16B", "the nearest reachable is flash"),
    ("prune net --out x --flash 1MiB", "meets the budget already"),
    ("prune net --out /proc/x --sparsity 0.5", "cannot write into folder"),
    ("train eegnet --data one.npz --out x", "all are of subject S00"),
    ("train eegnet --data oneclass.npz --out x", "class 'high' is absent"),
    ("evaluate net --data short.npz", "'net' takes windows of shape 5×64, these are 5×40"),
    ("evaluate prog --data short.npz", "'prog' takes windows of shape 5×64"),
    ("evaluate art --data short.npz", "'art' takes windows of shape 5×64"),
    ("train net --data short.npz --out x", "'net' takes windows of shape 5×64"),
    ("quantize net --calibration w.npz --out x --int16 nix", "int16: unknown layer 'nix'"),
    ("quantize net --calibration short.npz --out x", "'net' takes windows of shape 5×64"),
    ("export net --golden short.npz --out x", "'net' takes windows of shape 5×64"),
    ("verify art --data short.npz", "'art' takes windows of shape 5×64"),
    ("evaluate net --data three.npz", "3 classes"),
    ("evaluate net --data torn.npz", "can't be read as .npz"),
    ("evaluate net --data nan.npz", "NaN"),
    ("evaluate art_edited --data w.npz", "was changed after it was saved"),
    ("verify art_edited", "was changed after it was saved: SHA-256"),
    ("data prepare synthetic --window 90 --recording-seconds 5 --out v.npz", "shorter than one window"),
    ("data prepare synthetic --option effekt=3 --out v.npz", "effekt"),
]


@pytest.fixture(scope="module")
def place(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The world's folders, and spoilt copies of them."""
    here = tmp_path_factory.mktemp("errors") / "in"
    shutil.copytree(world, here)
    (here / "foreign").mkdir()
    (here / "foreign" / "thesis.txt").write_text("mine")
    _copy(here, "net", "edited", "tensors.safetensors", lambda b: b[:-1] + bytes([b[-1] ^ 1]))
    _copy(here, "net", "torn", "network.json", lambda b: b[: len(b) // 2])
    _copy(here, "art", "art_edited", "net.c", lambda b: b + b"\n")
    arrays = dict(np.load(here / "w.npz"))
    _subset(here / "one.npz", arrays, arrays["subject"] == "S00")
    _subset(here / "oneclass.npz", arrays, arrays["y"] == 0)
    every = np.ones(len(arrays["y"]), dtype=bool)
    _subset(here / "short.npz", arrays | {"X": arrays["X"][:, :, :40]}, every)
    _subset(here / "three.npz", arrays | {"classes": np.asarray(["a", "b", "c"])}, every)
    spoilt = arrays["X"].copy()
    spoilt[3, 2, 1] = np.nan
    _subset(here / "nan.npz", arrays | {"X": spoilt}, every)
    (here / "torn.npz").write_bytes((here / "w.npz").read_bytes()[:1000])
    (here / "bad.toml").write_text('name = "bad"\n[train]\nepoch = 3\n')
    (here / "strange.toml").write_text('name = "s"\n[[steps]]\nkind = "prune"\nsparsity = 0.5\nsaliency = "l9"\n')
    (here / "strange2.toml").write_text('name = "s"\n[model]\nname = "eegnat"\n')
    return here


def _copy(here, old, new, file, change):
    shutil.copytree(here / old, here / new)
    (here / new / file).write_bytes(change((here / new / file).read_bytes()))


def _subset(path, arrays, rows):
    n = len(rows)
    np.savez(path, **{k: v[rows] if v.shape[:1] == (n,) else v for k, v in arrays.items()})


@pytest.fixture
def inside(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(place)
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    return place


def check(ended, code, fragment):
    assert ended.code == code, ended.err
    assert fragment in " ".join(ended.err.split())
    assert "Traceback" not in ended.err
    assert ended.out == ""


@pytest.mark.parametrize(("command", "fragment"), USAGE, ids=[c for c, _ in USAGE])
def test_wrong_command(call, inside, command, fragment):
    check(call(*command.split()), 2, fragment)


@pytest.mark.parametrize(("command", "fragment"), BAD, ids=[c for c, _ in BAD])
def test_bad_data_or_network(call, inside, command, fragment):
    check(call(*command.split(), "--json"), 1, fragment)


def test_nothing_was_written_and_foreign_files_stand(inside):
    assert not (inside / "v.npz").exists()
    assert [p.name for p in (inside / "foreign").iterdir()] == ["thesis.txt"]


def test_force_writes_into_a_foreign_folder_and_keeps_its_files(call, inside, tmp_path):
    shutil.copytree(inside / "foreign", tmp_path / "f")
    call("prune", "net", "--out", tmp_path / "f", "--sparsity", 0.5, "--force", ok=True)
    assert (tmp_path / "f" / "thesis.txt").read_text() == "mine"
    assert (tmp_path / "f" / "network.json").exists()


def test_debug_shows_where(call, inside):
    assert "Traceback" in call("inspect", "edited", "--debug").err
    assert "ArtifactError" in call("inspect", "edited", "--debug").err


def test_debug_by_variable_and_exit_codes_of_a_real_process(inside):
    def ended(words, **env):
        command = [sys.executable, "-c", "from trimcap.cli import app; app()", *words]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, env={**_environment(), **env}, cwd=inside
        )

    done = ended(["evaluate", "net", "--data", "w.npz", "--json"])
    assert (done.returncode, json.loads(done.stdout)["overall"]["n"]) == (0, 128)
    assert ended(["evaluate", "net", "--data", "torn.npz"]).returncode == 1
    quiet, loud = (
        ended(["evaluate", "net", "--data", "no.npz"]),
        ended(["evaluate", "net", "--data", "no.npz"], TRIMCAP_DEBUG="1"),
    )
    assert quiet.returncode == loud.returncode == 2
    assert "Traceback" not in quiet.stderr
    assert "Traceback" in loud.stderr


def _environment():
    import os

    return {k: v for k, v in os.environ.items() if k != "TRIMCAP_DEBUG"}


def test_unexpected_error_is_one_line_that_says_how_to_see_more(call, inside, monkeypatch):
    from trimcap.graph import save

    monkeypatch.setattr(save, "load", lambda _: {}["x"])
    check(call("inspect", "net"), 1, "unexpected KeyError")


def Branching(n_channels, n_times, n_classes):
    from torch import nn

    class Gate(nn.Module):
        def forward(self, x):
            return x * 2 if float(x.sum()) > 0 else x

    class Branching(nn.Sequential):
        pass

    model = Branching()
    model.add_module("gate", Gate())
    model.add_module("flat", nn.Flatten())
    model.add_module("dense", nn.Linear(n_channels * n_times, n_classes))
    return model
