"""data prepare with sets by name, chains and caches; data cache."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pytest
from set_files import (
    write_deap,
    write_faced,
    write_seed_features,
    write_seed_iv,
)

from trimcap.cli.io.datasets import read
from trimcap.data.arrays.npz import read_npz
from trimcap.data.preprocess.chain import Chain
from trimcap.data.preprocess.steps import make_step
from trimcap.data.sources import open_windows, read_set

STEPS = (
    "windows seconds=1 baseline=3",
    "differential_entropy bands='{alpha=[8,14],beta=[14,31]}'",
    "subtract_baseline",
)
CHAIN = Chain(
    (
        make_step("windows", seconds=1, baseline=3),
        make_step("differential_entropy", bands={"alpha": (8, 14), "beta": (14, 31)}),
        make_step("subtract_baseline"),
    )
)
TOML = """
chain = [
  {name = "windows", seconds = 1, baseline = 3},
  {name = "differential_entropy", bands = {alpha = [8, 14], beta = [14, 31]}},
  "subtract_baseline",
]
"""


@pytest.fixture(scope="module")
def deap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("deap") / "a b"
    write_deap(place)
    return place


@pytest.fixture(scope="module")
def wanted(deap: Path):
    return CHAIN.apply(read_set("deap", deap, label="arousal", baseline="keep"))


def prepare(call, deap, tmp_path, *words, **more):
    start = ("data", "prepare", "deap", "--path", deap, "--option", "label=arousal", "--out", tmp_path / "w.npz")
    return call(*start, *words, **more)


@pytest.mark.parametrize("how", ["file", "recipe", "words", "text"])
def test_a_chain_however_it_is_typed_is_that_of_the_library(call, deap, wanted, tmp_path, how):
    (tmp_path / "de.toml").write_text(TOML if how != "recipe" else f'name = "x"\n[data]{TOML}')
    if how == "text":
        got = read(f"deap,path={deap},options.label=arousal,chain={tmp_path / 'de.toml'},cache=false")
    else:
        words = [w for s in STEPS for w in ("--do", s)] if how == "words" else ["--chain", tmp_path / "de.toml"]
        prepare(call, deap, tmp_path, *words, ok=True)
        got = read_npz(tmp_path / "w.npz")
    np.testing.assert_array_equal(got.X, wanted.X)
    np.testing.assert_array_equal(got.y, wanted.y)
    assert got.ids.tolist() == wanted.ids.tolist()
    assert got.steps == wanted.steps


def test_a_recipe_is_data_too(deap, wanted, tmp_path):
    text = f'name = "x"\n[data]\nsource = "deap"\npath = "{deap}"\noptions = {{label = "arousal"}}\n{TOML}'
    (tmp_path / "r.toml").write_text(text)
    np.testing.assert_array_equal(read(str(tmp_path / "r.toml")).X, wanted.X)


def test_simple_keys_of_a_set(deap):
    got = read(f"deap,path={deap},options.label=arousal,window=2,features=de,layout=grid,subjects=1")
    assert (got.shape, got.rate, len(got)) == ((4, 9, 9), 128.0, 40 * 30)


@pytest.mark.parametrize(
    ("words", "code", "fragment"),
    [
        ("--do 'windws seconds=1'", 2, "unknown step 'windws'; did you mean 'windows'"),
        ("--do 'windows second=1'", 2, "step windows: unknown option 'second'; did you mean 'seconds'"),
        ("--do 'windows 1'", 2, "cannot read --do windows '1'; write name=value"),
        ("--do seconds=1", 2, "begins with an option; write the step first"),
        ('--do "windows seconds=\'1"', 2, "cannot read --do"),
        ("--do windows", 2, "step windows needs the option seconds"),
        ("--do 'windows seconds=1' --window 2", 2, "window can't be given with a chain"),
        ("--do 'windows seconds=1' --chain x.toml", 2, "give one of them"),
        ("--chain none.toml", 2, "no file 'none.toml'; write chain = "),
        ("--chain bad.toml", 2, "is not valid TOML"),
        ("--chain empty.toml", 2, "has no list `chain`; it has name"),
        ("--no-cache --cache here", 2, "--no-cache keeps nothing, --cache here does"),
        ("--option labl=arousal", 2, "source deap: unknown option 'labl'; did you mean 'label'"),
        ("--do 'windows seconds=90'", 1, "shorter than one window of 90 s"),
        ("--subjects 3", 1, "3 subjects asked for, but there are 1: s01"),
    ],
)
def test_what_can_not_be_meant(call, deap, tmp_path, monkeypatch, words, code, fragment):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.toml").write_text("chain = [")
    (tmp_path / "empty.toml").write_text('name = "x"')
    ended = prepare(call, deap, tmp_path, *shlex.split(words))
    assert ended.code == code, ended.err
    assert fragment in ended.err
    assert not (tmp_path / "w.npz").exists()


def test_published_features(call, tmp_path):
    write_seed_features(tmp_path)
    words = ("--path", tmp_path, "--option", "feature=psd_LDS", "--subjects", "01", "--out", tmp_path / "w.npz")
    call("data", "prepare", "seed-features", *words, ok=True)
    np.testing.assert_array_equal(
        read_npz(tmp_path / "w.npz").X, open_windows("seed-features", tmp_path, feature="psd_LDS").X
    )


def test_the_cache_is_listed_and_cleared(call, deap, tmp_path):
    cache = tmp_path / "cache"
    words = ("--do", "windows seconds=4", "--cache", cache)
    assert call("data", "cache", "--folder", cache).code == 2
    prepare(call, deap, tmp_path, *words, ok=True)
    assert len(call("data", "cache", "--folder", cache, "--json", ok=True).json["entries"]) == 1
    prepare(call, deap, tmp_path, *words, "--do", "band_power", "--force", ok=True)
    found = call("data", "cache", "--folder", cache, "--json", ok=True).json
    assert [entry["state"] for entry in found["entries"]] == ["good", "good"]
    assert sorted(entry["shape"] for entry in found["entries"]) == [[600, 32, 5], [600, 32, 512]]
    assert found["bytes"] == sum(entry["bytes"] for entry in found["entries"])
    text = call("data", "cache", "--folder", cache, ok=True).out
    largest = max(entry["bytes"] for entry in found["entries"]) / 1e6
    words = (
        "cut into 4-s windows every 4 s",
        "600×32×512",
        "good",
        found["entries"][0]["key"][:12],
        f"{largest:.1f} MB",
    )
    for part in words:
        assert part in text
    large, small = sorted(found["entries"], key=lambda entry: -entry["bytes"])
    x = cache / large["key"] / "X.npy"
    x.write_bytes(x.read_bytes()[:-1])
    ended = call("data", "cache", "--folder", cache)
    assert ended.code == 1
    assert f"{large['key'][:12]} is damaged: X.npy has" in ended.err
    assert call("data", "cache", "--folder", cache, "--key", "abc").code == 2
    assert "unknown cache entry 'abc'" in call("data", "cache", "--folder", cache, "--clear", "--key", "abc").err
    freed = call("data", "cache", "--folder", cache, "--clear", "--key", large["key"][:6], "--json", ok=True).json
    assert freed["freed"] == large["bytes"] - 1
    left = call("data", "cache", "--folder", cache, "--json", ok=True).json["entries"]
    assert [entry["key"] for entry in left] == [small["key"]]
    call("data", "cache", "--folder", cache, "--clear", ok=True)
    assert call("data", "cache", "--folder", cache, "--json", ok=True).json["entries"] == []


def test_without_a_folder_it_is_the_users_cache(call, deap, tmp_path, monkeypatch):
    monkeypatch.setenv("TRIMCAP_CACHE", str(tmp_path / "mine"))
    assert "0 entries" in call("data", "cache", ok=True).out
    prepare(call, deap, tmp_path, "--no-cache", ok=True)
    assert call("data", "cache", "--json", ok=True).json["entries"] == []
    prepare(call, deap, tmp_path, "--force", ok=True)
    found = call("data", "cache", "--json", ok=True).json
    assert (found["folder"], len(found["entries"])) == (str(tmp_path / "mine"), 1)


def test_one_session_of_seed_iv_is_not_taken_for_seed(call, tmp_path):
    write_seed_iv(tmp_path)
    for part in ("eeg_raw_data", "eeg_feature_smooth"):
        ended = call("data", "check", tmp_path / "SEED_IV" / part / "2")
        assert ended.code == 2
        assert "is one session of SEED-IV" in ended.err
        assert "Pass the folder above" in ended.err


def test_the_next_command_of_a_set_is_its_name(call, deap, tmp_path, monkeypatch):
    found = call("data", "check", deap, "--json").json
    assert found["next"][-1] == f"trimcap data prepare deap --path '{deap}' --out deap.npz"
    monkeypatch.chdir(tmp_path)
    call(*shlex.split(found["next"][-1])[1:], ok=True)
    assert len(read_npz(tmp_path / "deap.npz")) == 40 * 15
    write_faced(tmp_path)
    assert call("data", "check", tmp_path, "--json").json["next"][-1].startswith("trimcap data prepare faced --path ")
