"""data prepare, info, fetch; what DATA means."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from edf_files import eegmat_counts, write_edf, write_subject

from trimcap.cli.io.answer import Misuse
from trimcap.cli.io.datasets import fitted_to, read
from trimcap.data.arrays.npz import read_npz
from trimcap.data.generated.synthetic import make_synthetic
from trimcap.data.preprocess.windows.cut import cut
from trimcap.data.preprocess.windows.features import differential_entropy
from trimcap.data.windows import Windows

PICK = "Fp1,C3,O1"
CLASSES = ("--class", "rest=*_1.edf", "--class", "arithmetic=*_2.edf")


@pytest.fixture
def folder(tmp_path):
    return write_subject(tmp_path / "edf", "Subject07", rest=8, task=8)


def test_prepare_synthetic_is_that_of_the_library(call, tmp_path):
    words = ("--seconds", 2, "--step", 1, "--recording-seconds", 6, "--subjects", 2, "--rate", 120)
    found = call("data", "prepare", "synthetic", *words, "--features", "de", "--out", tmp_path / "w.npz", "--json").json
    wanted = differential_entropy(cut(make_synthetic(2, seed=0, rate=120, seconds=6), seconds=2, step=1))
    got = read_npz(tmp_path / "w.npz")
    np.testing.assert_array_equal(got.X, wanted.X)
    np.testing.assert_array_equal(got.y, wanted.y)
    assert found["classes"] == {c: int((wanted.y == k).sum()) for k, c in enumerate(wanted.classes)}
    np.testing.assert_array_equal(
        read("synthetic,window=2,step=1,seconds=6,subjects=2,rate=120,features=de,options.seed=0").X, wanted.X
    )


def test_prepare_edf_files(call, folder, tmp_path):
    files = sorted(folder.glob("*.edf"))
    words = (*CLASSES, "--channels", PICK, "--window", 1, "--rate", 500, "--recording-seconds", 4)
    call("data", "prepare", *files, *words, "--out", tmp_path / "w.npz", ok=True)
    windows = read_npz(tmp_path / "w.npz")
    assert windows.channels == ("Fp1", "C3", "O1")
    assert windows.classes == ("rest", "arithmetic")
    assert windows.y.tolist() == [0] * 4 + [1] * 4
    assert set(windows.metadata.subject) == {"Subject07"}
    counts = eegmat_counts(8, seed=1)
    np.testing.assert_allclose(windows.X[1, 0], counts[0, 500:1000] * 0.02, atol=0.02)


@pytest.mark.parametrize(
    ("words", "code", "fragment"),
    [
        ((), 1, "unknown electrodes EEG A2-A1; name the channels to read (--channels Fp1,"),
        (("--channels", "Fp1,C9"), 1, "channel C9 missing"),
        (("--channels", PICK, "--class", "rest=*_1.edf"), 2, "Subject07_2.edf'; the patterns are *_1.edf"),
        (("--channels", PICK, "--class", "rest"), 2, "write --class NAME=PATTERN"),
        (("--channels", PICK, "--subject", "("), 2, "is no regular expression"),
        (("--channels", PICK, "--option", "x=1"), 2, "source files: unknown option 'x'"),
        (("--channels", PICK, "--window", 30), 1, "shorter than one window"),
        (("--channels", PICK, "--layout", "grid"), 2, "needs features"),
    ],
)
def test_prepare_edf_refuses(call, folder, tmp_path, words, code, fragment):
    ended = call("data", "prepare", *sorted(folder.glob("*.edf")), *words, "--out", tmp_path / "w.npz")
    assert ended.code == code, ended.err
    assert fragment in ended.err
    assert "Traceback" not in ended.err
    assert not (tmp_path / "w.npz").exists()


def _spoil(folder):
    whole = (folder / "Subject07_1.edf").read_bytes()
    (folder / "Subject08_1.edf").write_bytes(whole[:-5000])
    (folder / "Subject09_1.edf").write_bytes(b"")
    (folder / "Subject10_1.edf").write_bytes(b"no EEG at all")
    counts = eegmat_counts(4, padding=0)
    counts[3] = 5
    write_edf(folder / "Subject11_1.edf", counts)


def test_info_lists_every_file_that_can_not_be_read(call, folder):
    assert call("data", "info", folder, ok=True).err == ""
    _spoil(folder)
    ended = call("data", "info", folder, "--json")
    assert ended.code == 1
    assert [(r["file"], r["dead"]) for r in ended.json["recordings"]] == [
        ("Subject07_1.edf", []), ("Subject07_2.edf", []), ("Subject11_1.edf", ["F4"]),
    ]  # fmt: skip
    for what in ("08_1.edf is truncated", "09_1.edf is empty", "10_1.edf is not a readable .edf", "F4 is constant"):
        assert what in ended.err
    assert len(ended.json["problems"]) == 4


@pytest.mark.parametrize(("number", "fragment"), [(8, "truncated"), (9, "empty"), (10, "not a readable")])
def test_prepare_names_the_broken_file(call, folder, tmp_path, number, fragment):
    _spoil(folder)
    path = folder / f"Subject{number:02d}_1.edf"
    ended = call("data", "prepare", path, "--out", tmp_path / "w.npz")
    assert ended.code == 1
    assert f"{path} is {fragment}" in ended.err


def test_info_of_windows(call, world):
    found = call("data", "info", world / "w.npz", "--json", ok=True).json
    assert found["subjects"] == ["S00", "S01", "S02", "S03"]
    assert found["classes"] == {"low": 64, "high": 64}
    assert (found["rate"], found["shape"], found["recordings"], found["problems"]) == (128.0, [5, 64], 16, [])
    assert "64 (50 %)" in call("data", "info", world / "w.npz", ok=True).out


def test_info_of_a_recipe_is_that_of_its_windows(call, tmp_path):
    (tmp_path / "r.toml").write_text('name = "r"\n[data]\nsource = "synthetic"\nsubjects = 2\nseconds = 8\n')
    assert call("data", "info", tmp_path / "r.toml", "--json", ok=True).json["windows"] > 0


def test_info_says_what_will_be_in_the_way(call, world, tmp_path):
    call(
        "data", "prepare", "synthetic", "--subjects", 1, "--recording-seconds", 4, "--out", tmp_path / "w.npz", ok=True
    )
    assert "only one subject" in call("data", "info", tmp_path / "w.npz", ok=True).out


def test_eegmat_from_a_folder(call, tmp_path):
    place = write_subject(tmp_path / "eegmat", "Subject00", rest=10, task=8)
    words = ("--path", place, "--subjects", "Subject00", "--recording-seconds", 4, "--window", 2)
    found = call("data", "prepare", "eegmat", *words, "--out", tmp_path / "w.npz", "--json", ok=True).json
    assert found["classes"] == {"rest": 2, "arithmetic": 2}
    same = read(f"eegmat,path={place},subjects=Subject00,seconds=4,window=2")
    np.testing.assert_array_equal(same.X, read_npz(tmp_path / "w.npz").X)


def test_fetch_of_files_that_are_there(call, tmp_path):
    place = write_subject(tmp_path / "eegmat", "Subject00")
    found = call("data", "fetch", "eegmat", "--out", place, "--subjects", "Subject00", "--json", ok=True).json
    assert found["files"] == 2


def test_windows_in_a_folder_are_data(call, world, tmp_path):
    """`--out FOLDER` writes windows that need not fit into memory, and every verb takes the folder for data."""
    out = tmp_path / "windows"
    call("data", "prepare", "npz", "--path", world / "w.npz", "--out", out, ok=True)
    wanted = read_npz(world / "w.npz")
    np.testing.assert_array_equal(read(str(out)).X, wanted.X)
    assert call("data", "info", out, "--json", ok=True).json["windows"] == len(wanted)
    assert "exists" in call("data", "prepare", "synthetic", "--out", out).err


def test_windows_meet_a_network_of_the_other_names() -> None:
    X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    metadata = pd.DataFrame({"subject": ["a", "b"], "session": "0", "trial": "0", "start": 0.0})
    own = Windows(X, np.array([0, 1]), metadata, ("T7", "Cz", "P8"), 4.0, ("x", "y"), 1.0)
    made = fitted_to(own, channels=("T6", "T3", "Cz"), shape=(3, 4), name="net")
    assert (made.channels, made.steps) == (("T6", "T3", "Cz"), ("electrodes T6 = P8, T3 = T7, Cz picked",))
    np.testing.assert_array_equal(made.X, X[:, [2, 0, 1]])
    with pytest.raises(Misuse, match="the windows lack T5; they have T7, Cz, P8"):
        fitted_to(own, channels=("T5", "T3", "Cz"), shape=(3, 4), name="net")
