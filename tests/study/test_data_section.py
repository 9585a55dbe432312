"""[data]: sources by name, chains, caches."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1] / "data"))
sys.path.append(str(Path(__file__).parents[1] / "data" / "sets"))

from edf_files import write_subject
from set_files import (
    amigos_arrays,
    dreamer_subject,
    write_amigos,
    write_deap,
    write_dreamer,
    write_faced_features,
    write_seed,
    write_seed_features,
)

from trimcap.data import sets
from trimcap.data.cache import cache_info
from trimcap.data.chain import make_chain
from trimcap.data.cut import cut
from trimcap.data.eegmat import read_eegmat
from trimcap.data.features import POWER_BANDS, band_power, differential_entropy, to_grid
from trimcap.data.montage import grid
from trimcap.data.npz import write_npz
from trimcap.data.reading import user_cache
from trimcap.data.recording import Recording
from trimcap.data.scaling import z_score_per_subject
from trimcap.data.source import Source, choose_subjects
from trimcap.study.prepare import folds_of, prepare, prepare_windows
from trimcap.study.recipe import Recipe, parse_recipe
from trimcap.study.run import run

CHAIN = '[{name="windows", seconds=1, baseline=3}, "differential_entropy", "subtract_baseline", "grid"]'
DEAP = f"""
name = "deap"
[data]
source = "deap"
path = "PATH"
options = {{label="arousal", threshold=5, side=">"}}
chain = {CHAIN}
"""


@pytest.fixture(scope="module")
def deap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("deap")
    for subject in (1, 2):
        write_deap(place, subject)
    return place


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
source = "test_data_section:tiny"
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


def test_a_set_through_a_chain_is_what_the_functions_give(deap: Path, tmp_path: Path) -> None:
    found = prepare(recipe(DEAP, deap, cache=f'"{tmp_path}"'))
    recordings = sets.read_deap(deap, label="arousal", baseline="keep")
    signal = np.stack([r.signal for r in recordings])
    assert found.windows.shape == (4, 9, 9)
    assert found.windows.y.tolist() == [r.label for r in recordings for _ in range(60)]
    # window 7 of trial 3 by hand, against the mean of the three baseline seconds
    raw = make_chain([{"name": "windows", "seconds": 1}]).apply(sets.read_deap(deap, label="arousal"))
    B = signal[3, :, :384].reshape(32, 3, 128).mean(axis=1, dtype=np.float64).astype(np.float32)
    X = np.stack([signal[3, :, 384 + 7 * 128 : 384 + 8 * 128], B])
    de = differential_entropy(raw.take([3 * 60 + 7, 3 * 60 + 8]).with_X(X, step="by hand"))
    np.testing.assert_allclose(found.grid.gather(found.windows.X[3 * 60 + 7]).T, de.X[0] - de.X[1], atol=1e-6)
    # the baseline's features are those of the raw windows after the baseline
    assert found.features.ids.tolist() == found.windows.ids.tolist()
    power = band_power(raw.take(range(60)))
    np.testing.assert_allclose(found.features.X[:60], power.X, atol=1e-6)
    assert found.features.steps[-2].startswith("log band power")
    assert found.grid.channels == found.windows.channels
    assert len(cache_info(tmp_path)) == 2


def test_the_second_time_nothing_is_read(tmp_path: Path) -> None:
    place = write_tiny(tmp_path / "data")
    first = prepare(recipe(TINY, place))
    assert len(reads(place)) == 2 * 4
    again = prepare(recipe(TINY, place))
    assert len(reads(place)) == 2 * 4
    assert first.facts() == again.facts()
    prepare(recipe(TINY, place, cache="false"))
    assert len(reads(place)) == 4 * 4
    np.save(place / "s1.npy", np.load(place / "s1.npy") * 2)
    changed = prepare(recipe(TINY, place))
    assert len(reads(place)) == 6 * 4
    assert changed.facts()["sha256"] != first.facts()["sha256"]


def test_with_and_without_cache_are_the_same(deap: Path, tmp_path: Path) -> None:
    one, other = (prepare(recipe(DEAP, deap, cache=cache, subjects=1)) for cache in (f'"{tmp_path}"', "false"))
    assert one.facts() == other.facts()
    np.testing.assert_array_equal(one.features.X, other.features.X)


@pytest.mark.parametrize("cache", ["false", '"CACHE"'])
def test_windows_alone_are_made_in_one_reading(tmp_path: Path, cache: str) -> None:
    """The band power of the linear baseline, which only studies need, would read every file again."""
    place, cache = write_tiny(tmp_path / "data"), cache.replace("CACHE", str(tmp_path / "cache"))
    asked = recipe(TINY, place, cache=cache, labels='"random"')
    alone = prepare_windows(asked)
    log = place / "read.log"
    assert len(log.read_text().splitlines()) == 4
    if cache != "false":
        assert len(cache_info(tmp_path / "cache")) == 1
    both = prepare(asked)
    np.testing.assert_array_equal(alone.X, both.windows.X)
    np.testing.assert_array_equal(alone.y, both.windows.y)
    assert (alone.ids.tolist(), alone.steps) == (both.windows.ids.tolist(), both.windows.steps)
    # twin: with the band power there are two readings more, or one if the windows were kept
    assert len(log.read_text().splitlines()) == (12 if cache == "false" else 8)


def test_data_prepare_reads_once(tmp_path: Path) -> None:
    from trimcap.cli.datasets import prepared

    place = write_tiny(tmp_path / "data")
    assert len(prepared(recipe(TINY, place, cache="false"))) == 4 * 4 * 6
    assert len((place / "read.log").read_text().splitlines()) == 4


def test_windows_too_short_for_the_bands_of_the_baseline_are_windows(tmp_path: Path) -> None:
    text = TINY.replace("seconds = 1", "seconds = 0.03125")
    asked = recipe(text, write_tiny(tmp_path / "data"), cache="false")
    assert prepare_windows(asked).shape == (3, 2)
    with pytest.raises(ValueError, match="none of the bands of the linear baseline"):
        prepare(asked)


def test_stored_windows_alone(tmp_path: Path) -> None:
    place = write_tiny(tmp_path / "data")
    write_npz(prepare_windows(recipe(TINY, place, cache="false")), tmp_path / "w.npz")
    text = f'name = "x"\n[data]\nsource = "npz"\npath = "{tmp_path / "w.npz"}"\n'
    for extra in ("", 'features = "differential_entropy"\nlayout = "grid"\nnormalise = "subject"\n'):
        asked = parse_recipe(text + extra + "bands = {alpha = [8, 14]}\n" * bool(extra))
        alone, both = prepare_windows(asked), prepare(asked).windows
        np.testing.assert_array_equal(alone.X, both.X)
        assert (alone.steps, alone.unit) == (both.steps, both.unit)


def test_where_windows_are_kept(deap: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIMCAP_CACHE", str(tmp_path / "user"))
    assert user_cache() == tmp_path / "user"
    made = 'name = "x"\n[data]\nsource = "synthetic"\nsubjects = 2\nseconds = 4\n'
    prepare(parse_recipe(made))
    prepare(recipe(DEAP, deap, cache="false", subjects=1))
    assert not (tmp_path / "user").exists()
    prepare(parse_recipe(made + f'cache = "{tmp_path / "here"}"'))
    assert len(cache_info(tmp_path / "here")) == 2
    prepare(parse_recipe(made + "cache = true"))
    assert len(cache_info(tmp_path / "user")) == 2
    prepare(recipe(DEAP, deap, subjects=1))
    assert len(cache_info(tmp_path / "user")) == 4
    monkeypatch.delenv("TRIMCAP_CACHE")
    assert user_cache().parts[-2:] == ("trimcap", "windows")


def test_a_folder_that_can_not_be_written_says_what_to_do(deap: Path, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TRIMCAP_CACHE", str(tmp_path / "file"))
    with pytest.raises(OSError, match="cannot write into folder") as caught:
        prepare(recipe(DEAP, deap))
    assert "name another folder by TRIMCAP_CACHE or cache, or cache=false" in caught.value.__notes__[0]


def test_simple_keys_on_a_set_use_all_of_it_at_its_rate(tmp_path: Path) -> None:
    write_seed(tmp_path, {"1_20131027": "a", "2_20131028": "b"}, samples=400)
    text = 'name = "x"\n[data]\nsource = "seed"\npath = "PATH"\nwindow = 1\n'
    found = prepare(recipe(text, tmp_path)).windows
    assert (found.rate, found.shape) == (200.0, (62, 200))
    assert len(found) == 2 * 15 * 2
    recording = sets.read_seed(tmp_path)[0]
    np.testing.assert_array_equal(found.X[1], recording.signal[:, 200:400])
    shorter = prepare(recipe(text, tmp_path, rate=100, seconds=1)).windows
    assert (shorter.rate, len(shorter)) == (100.0, 2 * 15)
    assert shorter.steps[:2] == (
        "resampled to 100 Hz (polyphase)",
        "the first 1 s of every recording, all of shorter ones",
    )
    assert prepare(recipe(text, tmp_path, subjects=1)).windows.metadata.subject.unique().tolist() == ["01"]


def test_only_a_chain_with_subject_z_score_is_transductive(deap: Path) -> None:
    for end, transductive in (("", False), (', "subject_z_score"', True)):
        chain = CHAIN.replace(', "grid"', f'{end}, "grid"')
        found = prepare(recipe(DEAP.replace(CHAIN, chain), deap, subjects=1))
        for windows in (found.windows, found.features):
            assert any("transductive" in step for step in windows.steps) == transductive
            assert (np.abs(windows.X.mean(axis=0)).max() < 1e-4) == transductive


@pytest.mark.parametrize("features", ["raw", "differential_entropy", "band_power"])
@pytest.mark.parametrize("normalise", ["train", "subject"])
def test_simple_keys_give_what_the_functions_give(tmp_path: Path, features: str, normalise: str) -> None:
    """As they were read, cut, turned into features and scaled before there were chains."""
    for number, subject in enumerate(("Subject03", "Subject07")):
        write_subject(tmp_path, subject, rest=12 + number, task=11)
    bands = "{theta = [4, 8], beta = [14, 31]}"
    more = "" if features == "raw" else f'bands = {bands}\nlayout = "grid"\n'
    text = f'name = "x"\n[data]\nsource = "eegmat"\npath = "PATH"\nseconds = 9\nwindow = 3\nstep = 2\n{more}'
    found = prepare(recipe(text, tmp_path, features=f'"{features}"', normalise=f'"{normalise}"'))
    raw = cut(read_eegmat(tmp_path, rate=128.0, seconds=9.0), seconds=3.0, step=2.0)
    make = {"raw": lambda w: w, "differential_entropy": differential_entropy, "band_power": band_power}[features]
    own = {} if features == "raw" else {"bands": {"theta": (4.0, 8.0), "beta": (14.0, 31.0)}}
    expected, power = make(raw, **own), band_power(raw)
    if normalise == "subject":
        expected, power = z_score_per_subject(expected), z_score_per_subject(power)
    if features != "raw":
        expected = to_grid(expected, grid(expected.channels))
    for got, wanted in ((found.windows, expected), (found.features, power)):
        np.testing.assert_array_equal(got.X, wanted.X)
        np.testing.assert_array_equal(got.y, wanted.y)
        assert got.ids.tolist() == wanted.ids.tolist()
        assert (got.steps, got.unit, got.channels) == (wanted.steps, wanted.unit, wanted.channels)


def every_second(windows, *, keep=0):
    return windows.take(np.arange(keep, len(windows), 2))


def renamed(windows):
    from dataclasses import replace

    return replace(windows, metadata=windows.metadata.assign(start=windows.metadata.start + 0.25))


def test_windows_that_own_steps_leave_out_are_left_out_of_the_baseline_too(tmp_path: Path) -> None:
    place = write_tiny(tmp_path / "data", 2)
    own = TINY.replace("seconds = 1}]", 'seconds = 1}, {name = "test_data_section:every_second", keep = 1}]')
    found, whole = prepare(recipe(own, place)), prepare(recipe(TINY, place))
    assert found.windows.ids.tolist() == found.features.ids.tolist() == whole.windows.ids[1::2].tolist()
    np.testing.assert_array_equal(found.features.X, whole.features.X[1::2])
    with pytest.raises(ValueError, match=r"is not among the raw windows that the chain cuts; its own steps must keep"):
        prepare(recipe(own.replace("every_second", "renamed").replace(", keep = 1", ""), place))


def test_short_windows_have_a_baseline_of_the_bands_they_hold(tmp_path: Path) -> None:
    place = write_tiny(tmp_path / "data", 2)
    found = prepare(recipe(TINY.replace("seconds = 1}", "seconds = 0.25}"), place))
    # at 64 Hz: no gamma; a quarter of a second has 4, 8, 12, … Hz: no delta
    assert found.features.shape == (3, 3)
    expected = {name: POWER_BANDS[name] for name in ("theta", "alpha", "beta")}
    raw = prepare(recipe(TINY.replace("seconds = 1}", "seconds = 0.25}"), place)).windows
    np.testing.assert_allclose(found.features.X, band_power(raw, bands=expected).X, atol=1e-6)
    with pytest.raises(ValueError, match="have none of the bands of the linear baseline"):
        prepare(recipe(TINY.replace("seconds = 1}", "seconds = 0.03}"), place))


def test_published_features_by_name(tmp_path: Path) -> None:
    write_seed_features(tmp_path)
    text = 'name = "x"\n[data]\nsource = "seed-features"\npath = "PATH"\noptions = {feature = "psd_LDS"}\n'
    found = prepare(recipe(text, tmp_path))
    expected = sets.read_seed_features(tmp_path, feature="psd_LDS")
    np.testing.assert_array_equal(found.windows.X, expected.X)
    np.testing.assert_array_equal(found.features.X, expected.X)
    on_map = prepare(recipe(text, tmp_path, layout='"grid"', normalise='"subject"'))
    assert on_map.grid.channels == grid(expected.channels).channels
    np.testing.assert_allclose(on_map.windows.X, to_grid(on_map.features, on_map.grid).X)
    assert any("transductive" in step for step in on_map.windows.steps)
    write_faced_features(tmp_path)
    faced = text.replace("seed-", "faced-").replace('feature = "psd_LDS"', 'label = "emotion"')
    assert len(prepare(recipe(faced, tmp_path)).windows.classes) == 9


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("rate = 128", r"\[data\] rate can't be given with a chain.*\{name = \"resample\", rate = 128\}"),
        ('window = 2\nlayout = "grid"', r"window and layout can't be given with a chain"),
        ('normalise = "subject"', r"normalise can't be given with a chain.*subject_z_score"),
        ("cache = 3", r"\[data\] cache = 3"),
        ("options = 3", "options"),
    ],
)
def test_what_a_chain_says_is_not_said_twice(more: str, words: str) -> None:
    text = DEAP.replace('options = {label="arousal", threshold=5, side=">"}', "")
    with pytest.raises(ValueError, match=words):
        recipe(text.replace("[data]", f"[data]\n{more}"))
    for allowed in ('normalise = "none"', 'normalise = "train"'):
        recipe(text.replace("[data]", f"[data]\n{allowed}"))


@pytest.mark.parametrize(
    ("chain", "words"),
    [
        ('["windws"]', r"\[data\] chain: unknown step 'windws'; did you mean 'windows'"),
        ('["differential_entropy"]', "chain: a chain needs the step 'windows' once"),
        ('[{name="windows", second=1}]', "unknown option of step windows 'second'; did you mean 'seconds'"),
        ("[{seconds=1}]", "names no step"),
        ('[{name="windows", seconds="1"}]', "wrong type"),
        ('"windows"', "chain"),
        ("[]", "chain needs the step 'windows' once"),
        ("[3]", "chain"),
    ],
)
def test_impossible_chains_are_named_in_the_recipe(chain: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        recipe(DEAP.replace(CHAIN, chain))


def test_features_are_no_recordings() -> None:
    for source in ("npz", "seed-features"):
        with pytest.raises(ValueError, match=f"a chain works on recordings, but {source} holds windows already"):
            recipe(DEAP.replace('"deap"\npath', f'"{source}"\npath'))
    text = 'name = "x"\n[data]\nsource = "seed-features"\nfeatures = "band_power"\n'
    with pytest.raises(ValueError, match="seed-features are features already; leave out features"):
        parse_recipe(text)


def test_the_chain_enters_the_hash_and_the_cache_does_not() -> None:
    one = recipe(DEAP)
    for cache in ("true", "false", '"elsewhere"'):
        assert recipe(DEAP, cache=cache).hash == one.hash
    other = {recipe(DEAP.replace("seconds=1", "seconds=2", 1)).hash, recipe(DEAP.replace(', "grid"]', "]")).hash}
    assert len({one.hash, *other}) == 3


def test_recipes_travel_to_other_processes() -> None:
    for text in (
        DEAP,
        TINY,
        'name = "x"\n[data]\nsource = "deap"\n',
        'name = "x"\n',
        'name = "x"\n[data]\ncache = false\n',
    ):
        one = recipe(text)
        there = Recipe.model_validate_json(one.model_dump_json())
        assert there == one
        assert there.hash == one.hash


def test_a_baseline_that_the_source_drops_is_an_error(deap: Path) -> None:
    text = DEAP.replace('label="arousal"', 'baseline="drop", label="arousal"')
    with pytest.raises(ValueError, match="the reader left the baseline out; read with baseline='keep'"):
        prepare(recipe(text, deap, subjects=1, cache="false"))
    with pytest.raises(ValueError, match="unknown option of source deap 'labl'; did you mean 'label'"):
        prepare(recipe(DEAP.replace("label=", "labl="), deap))


def test_subjects_in_the_options_of_ones_own_function_still_work(tmp_path: Path) -> None:
    place = write_tiny(tmp_path / "data")
    text = TINY.replace("{trials = 4}", '{trials = 2, subjects = ["s3"]}')
    assert prepare(recipe(text, place)).windows.metadata.subject.unique().tolist() == ["s3"]
    with pytest.raises(ValueError, match=r"subjects are given twice, there and in \[data.options\]"):
        prepare(recipe(text, place, subjects=2))


def test_folds_of_a_chain_hold_out_the_same_windows(tmp_path: Path) -> None:
    found = prepare(recipe(TINY, write_tiny(tmp_path / "data")))
    for fold, features in folds_of(found, recipe(TINY).protocol):
        assert fold.test.ids == features.test.ids


@pytest.mark.slow
def test_processes_share_the_cached_windows(tmp_path: Path) -> None:
    """Only this process reads the files; the two others map what it made."""
    place = write_tiny(tmp_path / "data")
    path = os.environ.get("PYTHONPATH", "")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), path]))
        run(recipe(TINY, place), tmp_path / "run", jobs=2)
    assert {line.split()[1] for line in reads(place)} == {str(os.getpid())}
    assert len(reads(place)) == 2 * 4
    assert (tmp_path / "run" / "results.csv").is_file()


def published(trials: list[tuple[np.ndarray, np.ndarray]], average: str) -> np.ndarray:
    """DE(X_j) − DE(Σ_k B_k / K), or DE(X_j) − Σ_k DE(B_k) / K, from (baseline, clip) of every trial."""

    def DE(second: np.ndarray) -> np.ndarray:
        names = tuple(f"E{c}" for c in range(len(second)))
        return differential_entropy(cut([Recording(second, 128.0, names, "s")], seconds=1)).X[0]

    def seconds(signal: np.ndarray) -> list[np.ndarray]:
        return [np.ascontiguousarray(signal[:, i : i + 128]) for i in range(0, signal.shape[1] - 127, 128)]

    made = []
    for before, clip in trials:
        B = seconds(before)
        base = np.mean([DE(b) for b in B], axis=0) if average == "feature" else DE(np.mean(B, axis=0))
        made += [DE(x) - base for x in seconds(clip)]
    return np.stack(made)


def with_baseline(source: str, path: Path, seconds: int, average: str, **options: object):
    import json

    steps = [{"name": "windows", "seconds": 1, "baseline": seconds}, "differential_entropy"]
    chain = [*steps, {"name": "subtract_baseline", "average": average}]
    table = {"source": source, "path": str(path), "chain": chain, "cache": False, "options": options}
    found = prepare(Recipe.model_validate_json(json.dumps({"name": source, "data": table})))
    assert found.features.ids.tolist() == found.windows.ids.tolist()
    assert set(found.windows.metadata.start) == {seconds, seconds + 1.0}
    return found.windows.X


@pytest.mark.parametrize("average", ["waveform", "feature"])
def test_a_chain_with_a_baseline_gets_it_of_amigos(tmp_path: Path, average: str) -> None:
    write_amigos(tmp_path, 1, samples=300)
    trials = [t[:, :14].T.astype(np.float32) for t in amigos_arrays(1, 300)[0][:16]]
    expected = published([(x[:, :640], x[:, 640:]) for x in trials], average)
    np.testing.assert_allclose(with_baseline("amigos", tmp_path, 5, average), expected, atol=2e-5)


@pytest.mark.parametrize(("seconds", "average"), [(61, "waveform"), (61, "feature"), (3, "feature")])
def test_a_chain_with_a_baseline_gets_it_of_dreamer(tmp_path: Path, seconds: int, average: str) -> None:
    """The last seconds before the clip; files may have some samples more than 61 s."""
    write_dreamer(tmp_path, subjects=1, samples=300, baseline=61 * 128, compress=False)
    eeg = dreamer_subject(1, 300, 61 * 128)["EEG"]
    trials = [tuple(eeg[key][t, 0].T.astype(np.float32) for key in ("baseline", "stimuli")) for t in range(18)]
    expected = published([(before[:, -seconds * 128 :], clip) for before, clip in trials], average)
    np.testing.assert_allclose(with_baseline("dreamer", tmp_path, seconds, average), expected, atol=2e-5)
    assert np.abs(expected - published([(b[:, : seconds * 128], x) for b, x in trials], average)).max() > 1e-4
    with pytest.raises(ValueError, match="the reader left the baseline out"):
        with_baseline("dreamer", tmp_path, seconds, average, baseline="drop")
