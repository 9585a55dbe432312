"""[data]: a set through a chain, and caches."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[2] / "data" / "sets"))

from data_recipes import CHAIN, DEAP, TINY, reads, recipe, write_tiny
from set_files import write_deap

from trimcap.data.cache.cache import cache_info
from trimcap.data.cache.reading import user_cache
from trimcap.data.preprocess.chain import make_chain
from trimcap.data.preprocess.windows.features import differential_entropy
from trimcap.data.sources import read_set
from trimcap.study.recipe.recipe import parse_recipe
from trimcap.study.run.prepare import prepare
from trimcap.study.run.run import run


@pytest.fixture(scope="module")
def deap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("deap")
    for subject in (1, 2):
        write_deap(place, subject)
    return place


def test_a_set_through_a_chain_is_what_the_functions_give(deap: Path, tmp_path: Path) -> None:
    found = prepare(recipe(DEAP, deap, cache=f'"{tmp_path}"'))
    recordings = read_set("deap", deap, label="arousal", baseline="keep")
    signal = np.stack([r.signal for r in recordings])
    assert found.windows.shape == (4, 9, 9)
    assert found.windows.y.tolist() == [r.label for r in recordings for _ in range(60)]
    # window 7 of trial 3 by hand, against the mean of the three baseline seconds
    raw = make_chain([{"name": "windows", "seconds": 1}]).apply(read_set("deap", deap, label="arousal"))
    B = signal[3, :, :384].reshape(32, 3, 128).mean(axis=1, dtype=np.float64).astype(np.float32)
    X = np.stack([signal[3, :, 384 + 7 * 128 : 384 + 8 * 128], B])
    de = differential_entropy(raw.take([3 * 60 + 7, 3 * 60 + 8]).with_X(X, step="by hand"))
    np.testing.assert_allclose(found.grid.gather(found.windows.X[3 * 60 + 7]).T, de.X[0] - de.X[1], atol=1e-6)
    assert found.grid.channels == found.windows.channels
    assert len(cache_info(tmp_path)) == 1


def test_only_a_chain_with_subject_z_score_is_transductive(deap: Path) -> None:
    for end, transductive in (("", False), (', "subject_z_score"', True)):
        chain = CHAIN.replace(', "grid"', f'{end}, "grid"')
        found = prepare(recipe(DEAP.replace(CHAIN, chain), deap, subjects=1))
        assert any("transductive" in step for step in found.windows.steps) == transductive
        assert (np.abs(found.windows.X.mean(axis=0)).max() < 1e-4) == transductive


def test_a_baseline_that_the_source_drops_is_an_error(deap: Path) -> None:
    text = DEAP.replace('label="arousal"', 'baseline="drop", label="arousal"')
    with pytest.raises(ValueError, match="the reader left the baseline out; read with baseline='keep'"):
        prepare(recipe(text, deap, subjects=1, cache="false"))
    with pytest.raises(ValueError, match="source deap: unknown option 'labl'; did you mean 'label'"):
        prepare(recipe(DEAP.replace("label=", "labl="), deap))


def test_subjects_in_the_options_of_ones_own_function_still_work(tmp_path: Path) -> None:
    place = write_tiny(tmp_path / "data")
    text = TINY.replace("{trials = 4}", '{trials = 2, subjects = ["s3"]}')
    assert prepare(recipe(text, place)).windows.metadata.subject.unique().tolist() == ["s3"]
    with pytest.raises(ValueError, match=r"subjects are given twice, there and in \[data.options\]"):
        prepare(recipe(text, place, subjects=2))


def every_second(windows, *, keep=0):
    return windows.take(np.arange(keep, len(windows), 2))


def test_windows_that_own_steps_leave_out(tmp_path: Path) -> None:
    place = write_tiny(tmp_path / "data", 2)
    own = TINY.replace("seconds = 1}]", 'seconds = 1}, {name = "test_data_section:every_second", keep = 1}]')
    found, whole = prepare(recipe(own, place)), prepare(recipe(TINY, place))
    assert found.windows.ids.tolist() == whole.windows.ids[1::2].tolist()


# ---- caches


def test_the_second_time_nothing_is_read(tmp_path: Path) -> None:
    place = write_tiny(tmp_path / "data")
    first = prepare(recipe(TINY, place))
    assert len(reads(place)) == 4
    again = prepare(recipe(TINY, place))
    assert len(reads(place)) == 4
    assert first.facts() == again.facts()
    prepare(recipe(TINY, place, cache="false"))
    assert len(reads(place)) == 2 * 4
    np.save(place / "s1.npy", np.load(place / "s1.npy") * 2)
    changed = prepare(recipe(TINY, place))
    assert len(reads(place)) == 3 * 4
    assert changed.facts()["sha256"] != first.facts()["sha256"]


def test_with_and_without_cache_are_the_same(deap: Path, tmp_path: Path) -> None:
    one, other = (prepare(recipe(DEAP, deap, cache=cache, subjects=1)) for cache in (f'"{tmp_path}"', "false"))
    assert one.facts() == other.facts()
    np.testing.assert_array_equal(one.windows.X, other.windows.X)


def test_data_prepare_reads_once(tmp_path: Path) -> None:
    from trimcap.cli.io.datasets import prepared

    place = write_tiny(tmp_path / "data")
    assert len(prepared(recipe(TINY, place, cache="false"))) == 4 * 4 * 6
    assert len((place / "read.log").read_text().splitlines()) == 4


def test_where_windows_are_kept(deap: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIMCAP_CACHE", str(tmp_path / "user"))
    assert user_cache() == tmp_path / "user"
    made = 'name = "x"\n[data]\nsource = "synthetic"\nsubjects = 2\nseconds = 4\n'
    prepare(parse_recipe(made))
    prepare(recipe(DEAP, deap, cache="false", subjects=1))
    assert not (tmp_path / "user").exists()
    prepare(parse_recipe(made + f'cache = "{tmp_path / "here"}"'))
    assert len(cache_info(tmp_path / "here")) == 1
    prepare(parse_recipe(made + "cache = true"))
    assert len(cache_info(tmp_path / "user")) == 1
    prepare(recipe(DEAP, deap, subjects=1))
    assert len(cache_info(tmp_path / "user")) == 2
    monkeypatch.delenv("TRIMCAP_CACHE")
    assert user_cache().parts[-2:] == ("trimcap", "windows")


def test_a_folder_that_can_not_be_written_says_what_to_do(deap: Path, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TRIMCAP_CACHE", str(tmp_path / "file"))
    with pytest.raises(OSError, match="cannot write into folder") as caught:
        prepare(recipe(DEAP, deap))
    assert "name another folder by TRIMCAP_CACHE or cache, or cache=false" in caught.value.__notes__[0]


@pytest.mark.slow
def test_processes_share_the_cached_windows(tmp_path: Path) -> None:
    """Only this process reads the files; the two others map what it made."""
    place = write_tiny(tmp_path / "data")
    path = os.environ.get("PYTHONPATH", "")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), path]))
        run(recipe(TINY, place), tmp_path / "run", jobs=2)
    assert {line.split()[1] for line in reads(place)} == {str(os.getpid())}
    assert len(reads(place)) == 4
    assert (tmp_path / "run" / "results.csv").is_file()
