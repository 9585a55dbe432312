"""Real recordings of anybody's lab: what `data check` prints runs, as typed, to the split."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

import pytest

from trimcap.data.arrays.npz import read_npz
from trimcap.data.sources import open_source
from trimcap.study.recipe.recipe import load_recipe

RECIPE = Path(__file__).parents[2] / "recipes" / "kalunga-eegnet.toml"
pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def kalunga() -> Path:
    root = os.environ.get("TRIMCAP_DATA")
    if not root or not (Path(root) / "kalunga").is_dir():
        pytest.skip("TRIMCAP_DATA does not name a folder that holds kalunga/subject01 …")
    return Path(root) / "kalunga"


def test_eight_people_by_their_headers_and_all_trials(kalunga: Path) -> None:
    options = load_recipe(RECIPE).data.options
    source = open_source("files", kalunga, **options)
    assert len(source) == 16
    read = list(source.read(source.items[0]))
    assert (len(read), read[0].subject, read[0].rate, read[0].duration) == (32, "S1", 256.0, 5.5)
    assert read[0].classes == ("rest", "13 Hz", "21 Hz", "17 Hz")
    folders = open_source("files", kalunga, subjects=["subject03"], subject="folder", **_without(options, "subject"))
    assert {path.parent.name for path in folders.items} == {"subject03"}
    whole = open_source("files", kalunga, **_without(options, "leave_out", "subject"))
    assert whole.read.keywords["subject"] == "header"
    assert whole.read.keywords["doubt"] == ""


def _without(options: dict, *names: str) -> dict:
    return {key: value for key, value in options.items() if key not in names}


@pytest.mark.slow
def test_what_data_check_prints_runs(call, kalunga: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(1, 5):
        folder = Path(f"few/subject{number:02d}")
        shutil.copytree(kalunga / folder.name, folder, ignore=lambda _, names: sorted(names)[2:])
    found = call("data", "check", "few", "--json", ok=True).json
    assert (found["subjects"], found["subjects_by"]) == (["S1", "S2", "S3", "S4"], "header")
    assert found["events"] == dict.fromkeys("1234", 32)
    assert any("no EEG has such amplitudes" in text for text in found["notes"])
    words = shlex.split(found["next"][0])
    assert {"unit=mV", "1=1,2=2,3=3,4=4", "bandpass low=1 high=40 phase=zero"} <= set(words)
    call(*words[1:], ok=True)
    windows = read_npz(tmp_path / "windows.npz")
    assert (len(windows), windows.shape) == (128, (8, 1024))
    call("split", "windows.npz", "--protocol", "leave_one_subject_out", "--out", "split.json", ok=True)
