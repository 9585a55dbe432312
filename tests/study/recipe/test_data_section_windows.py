"""[data]: windows and features are what the functions give."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[2] / "data"))
sys.path.append(str(Path(__file__).parents[2] / "data" / "sets"))

from data_recipes import recipe
from edf_files import write_subject
from set_files import (
    amigos_arrays,
    dreamer_subject,
    write_amigos,
    write_dreamer,
    write_faced_features,
    write_seed,
    write_seed_features,
)

from trimcap.data.electrodes.montage import grid
from trimcap.data.preprocess.windows.cut import cut
from trimcap.data.preprocess.windows.features import band_power, differential_entropy, to_grid
from trimcap.data.preprocess.windows.scaling import subject_z_score
from trimcap.data.recording import Recording
from trimcap.data.sources import open_windows, read_set
from trimcap.study.recipe.recipe import Recipe
from trimcap.study.run.prepare import prepare


def test_simple_keys_on_a_set_use_all_of_it_at_its_rate(tmp_path: Path) -> None:
    write_seed(tmp_path, {"1_20131027": "a", "2_20131028": "b"}, samples=400)
    text = 'name = "x"\n[data]\nsource = "seed"\npath = "PATH"\nwindow = 1\n'
    found = prepare(recipe(text, tmp_path)).windows
    assert (found.rate, found.shape) == (200.0, (62, 200))
    assert len(found) == 2 * 15 * 2
    recording = read_set("seed", tmp_path)[0]
    np.testing.assert_array_equal(found.X[1], recording.signal[:, 200:400])
    shorter = prepare(recipe(text, tmp_path, rate=100, seconds=1)).windows
    assert (shorter.rate, len(shorter)) == (100.0, 2 * 15)
    assert shorter.steps[:2] == (
        "resampled to 100 Hz (polyphase)",
        "the first 1 s of every recording, all of shorter ones",
    )
    assert prepare(recipe(text, tmp_path, subjects=1)).windows.metadata.subject.unique().tolist() == ["01"]


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
    raw = cut(read_set("eegmat", tmp_path, rate=128.0, seconds=9.0), seconds=3.0, step=2.0)
    make = {"raw": lambda w: w, "differential_entropy": differential_entropy, "band_power": band_power}[features]
    own = {} if features == "raw" else {"bands": {"theta": (4.0, 8.0), "beta": (14.0, 31.0)}}
    expected = make(raw, **own)
    if normalise == "subject":
        expected = subject_z_score(expected)
    if features != "raw":
        expected = to_grid(expected, grid(expected.channels))
    got = found.windows
    np.testing.assert_array_equal(got.X, expected.X)
    np.testing.assert_array_equal(got.y, expected.y)
    assert got.ids.tolist() == expected.ids.tolist()
    assert (got.steps, got.unit, got.channels) == (expected.steps, expected.unit, expected.channels)


def test_published_features_by_name(tmp_path: Path) -> None:
    write_seed_features(tmp_path)
    text = 'name = "x"\n[data]\nsource = "seed-features"\npath = "PATH"\noptions = {feature = "psd_LDS"}\n'
    found = prepare(recipe(text, tmp_path))
    expected = open_windows("seed-features", tmp_path, feature="psd_LDS")
    np.testing.assert_array_equal(found.windows.X, expected.X)
    on_map = prepare(recipe(text, tmp_path, layout='"grid"', normalise='"subject"'))
    assert on_map.grid.channels == grid(expected.channels).channels
    np.testing.assert_allclose(on_map.windows.X, to_grid(subject_z_score(expected), on_map.grid).X)
    assert any("transductive" in step for step in on_map.windows.steps)
    write_faced_features(tmp_path)
    faced = text.replace("seed-", "faced-").replace('feature = "psd_LDS"', 'label = "emotion"')
    assert len(prepare(recipe(faced, tmp_path)).windows.classes) == 9


# ---- baselines


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
