"""data check and data sets."""

from __future__ import annotations

import shlex
import subprocess

import numpy as np
import pytest
from edf_files import write_subject
from set_files import write_amigos, write_dasps, write_dreamer, write_faced, write_faced_features

from trimcap.data.arrays.npz import read_npz
from trimcap.data.sets.table import data_sets
from trimcap.study.recipe.recipe import load_recipe


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """All of DASPS."""
    place = tmp_path_factory.mktemp("whole") / "with space"
    for subject in range(1, 24):
        write_dasps(place, subject)
    return place


def test_a_whole_set_passes_and_the_next_command_reads_it(call, whole, tmp_path, monkeypatch):
    found = call("data", "check", whole, "--json", ok=True).json
    assert (found["set"], found["complete"], found["missing"], found["damaged"]) == ("dasps", True, [], {})
    assert (len(found["subjects"]), found["recordings"], len(found["trials"])) == (23, 23 * 12, 12)
    assert (found["rates"], len(found["channels"]), found["seconds"]) == ([128.0], 14, [15.0, 15.0])
    assert found["label"] == "arousal"
    assert sum(found["balance"].values()) == 23 * 12
    (command,) = found["next"]
    monkeypatch.chdir(tmp_path)
    call(*shlex.split(command)[1:], "--window", 15, ok=True)
    windows = read_npz(tmp_path / "dasps.npz")
    counts = dict(zip(windows.classes, np.bincount(windows.y).tolist(), strict=True))
    assert counts == found["balance"]
    text = call("data", "check", whole, ok=True).out
    assert all(part in text for part in ("dasps: Anxiety", "23 of 23", "AF3, F7", f"next: {command}"))


@pytest.mark.filterwarnings("ignore:.*trials left out")
@pytest.mark.parametrize(
    ("write", "words", "trials"),
    [
        (lambda place: write_dasps(place, form="raw"), {"form=raw"}, 12),
        (lambda place: write_amigos(place, samples=256, nan=(3,)), {"on_bad=drop"}, 15),
        (lambda place: write_subject(place / "eegmat", "Subject07", rest=64, task=62), {"eegmat"}, 2),
    ],
    ids=["dasps-raw", "amigos-nan", "eegmat"],
)
def test_the_next_command_reads_what_was_checked(call, tmp_path, monkeypatch, write, words, trials):
    write(tmp_path)
    found = call("data", "check", tmp_path, "--json").json
    assert found["damaged"] == {}
    command = shlex.split(found["next"][-1])
    assert words <= set(command)
    monkeypatch.chdir(tmp_path)
    call(*command[1:], "--window", 1, ok=True)
    windows = read_npz(tmp_path / f"{found['set']}.npz")
    assert sorted(set(windows.metadata.subject)) == found["subjects"]
    assert len(windows.metadata[["session", "trial"]].drop_duplicates()) == trials


def test_missing_extra_and_damaged_files(call, tmp_path):
    place = write_faced(tmp_path).parent
    (place / "notes.txt").write_text("mine")
    ended = call("data", "check", tmp_path, "--json")
    assert (ended.code, ended.json["extra"], len(ended.json["missing"])) == (1, ["notes.txt"], 122)
    assert "no files of 122 of 123 subjects: sub001, " in ended.err
    missing, prepare = ended.json["next"]
    assert missing.startswith("get the missing subjects: Register on Synapse")
    assert prepare.startswith("trimcap data prepare faced --path ")
    (place / "sub007.pkl").write_bytes(b"cut off")
    ended = call("data", "check", tmp_path)
    assert ended.code == 1
    assert "sub007.pkl is not a whole pickle" in ended.err
    assert "next: copy or download the damaged files again (Register on Synapse" in ended.out
    assert "data prepare" not in ended.out


def test_features_alone_are_named_with_what_to_call(call, tmp_path, monkeypatch):
    values = write_faced_features(tmp_path)
    ended = call("data", "check", tmp_path, "--json")
    assert (ended.code, ended.json["read"], list(ended.json["features"])) == (1, False, ["faced-features"])
    monkeypatch.chdir(tmp_path)
    call(*shlex.split(ended.json["next"][-1])[1:], ok=True)
    assert len(read_npz(tmp_path / "faced-features.npz")) == values.shape[0] * values.shape[2]
    assert "none: only published features" in call("data", "check", tmp_path).out


def test_nothing_recognised_is_misuse(call, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    for place, fragment in ((tmp_path, "layout of no published set"), (tmp_path / "none", "no file or folder")):
        ended = call("data", "check", place, "--json")
        assert (ended.code, ended.out) == (2, "")
        assert fragment in ended.err


def test_sets_lists_every_set(call):
    found = call("data", "sets", "--json", ok=True).json["sets"]
    assert [row["name"] for row in found] == [entry.name for entry in data_sets()]
    assert all(row["channels"] == list(e.facts.channels) for row, e in zip(found, data_sets(), strict=True))
    text = call("data", "sets", ok=True).out
    for name, entry in ((entry.name, entry.facts) for entry in data_sets()):
        line = next(line for line in text.splitlines() if line.startswith(f" {name} "))
        assert f" {entry.subjects} " in line
        assert f" {entry.rate:g} " in line
        assert f" {len(entry.channels)} " in line
        assert entry.licence.split()[0] in line
        assert entry.access.split()[0] in line


def test_a_file_of_a_published_set_stands_for_its_folder(call, tmp_path):
    file = write_dreamer(tmp_path / "a", samples=8000)
    found = call("data", "check", file, "--json").json
    assert (found["set"], found["subjects"]) == ("dreamer", ["01", "02"])
    words = ("--window", 1, "--no-cache", "--out", tmp_path / "d.npz")
    call("data", "prepare", "dreamer", "--path", file, *words, ok=True)
    assert len(set(read_npz(tmp_path / "d.npz").metadata.subject)) == 2


def test_the_list_of_sets_says_size_licence_and_access(call):
    text = call("data", "sets", ok=True).out
    assert all(s in text for e in data_sets() for s in (e.name, e.facts.size.split()[0], e.facts.homepage[:20]))


def test_nan_in_windows_is_said_by_check_and_train(call, tmp_path):
    X = np.random.default_rng(0).normal(0, 20, (8, 2, 256)).astype(np.float32)
    X[[3, 5], 1, 7] = np.nan
    path = tmp_path / "nan.npz"
    np.savez(path, X=X, y=np.arange(8) % 2, channels=["Fz", "Cz"], rate=128, subject=list("aabbccdd"))
    says = "NaN or infinity in 2 of 8 windows, first in window 3, channel Cz, then in 5; leave these windows out"
    ended = call("data", "check", path)
    assert ended.code != 0
    assert says in " ".join((ended.out + ended.err).split())
    assert "next:" not in ended.out
    assert says in " ".join(call("train", "eegnet", "--data", path, "--out", tmp_path / "net").err.split())


def test_several_sets_are_offered_one_by_one(call, tmp_path):
    write_dasps(tmp_path)
    write_faced(tmp_path)
    found = call("data", "check", tmp_path, "--json", ok=True).json
    assert (found["kind"], sorted(found["sets"])) == ("sets", ["dasps", "faced"])
    for command, name in zip(found["next"], ("dasps", "faced"), strict=True):
        one = call(*shlex.split(command)[1:], "--json").json
        assert one["set"] == name


def test_a_file_of_a_set_is_judged_alone(call, tmp_path):
    for subject in (1, 2):
        write_dasps(tmp_path, subject)
    folder = next(tmp_path.glob("Pre*"))
    (folder / "S02preprocessed.mat").write_bytes(b"cut off")
    found = call("data", "check", folder / "S01preprocessed.mat", "--json", ok=True).json
    assert (found["subjects"], found["recordings"], found["damaged"], found["missing"]) == (["S01"], 12, {}, [])
    assert call("data", "check", folder / "S02preprocessed.mat").code == 1
    assert found["rule"] == "arousal > 5"
    assert "arousal > 5 (other: --option threshold=" in call("data", "check", folder / "S01preprocessed.mat").out


def test_the_next_lines_name_a_recipe_that_runs(call, tmp_path):
    for subject in range(5):
        write_subject(tmp_path / "eegmat", f"Subject{subject:02d}", rest=64, task=62)
    found = call("data", "check", tmp_path, "--json").json
    (line,) = [text for text in found["next"] if "trimcap run" in text]
    written = subprocess.run(line.split(" && ")[0], shell=True, cwd=tmp_path, check=True)
    assert written.returncode == 0
    recipe = load_recipe(tmp_path / "eegmat.toml")
    assert (recipe.data.source, recipe.data.path) == ("eegmat", str(tmp_path / "eegmat"))
