import numpy as np
import pytest

from trimcap.data.arrays.npz import write_npz
from trimcap.data.recording import Recording
from trimcap.study.recipe.recipe import parse_recipe
from trimcap.study.run.prepare import folds_of, prepare

TEXT = """
name = "x"
[data]
source = "synthetic"
subjects = 4
seconds = 6
window = 2
[data.options]
trials_per_class = 2
[protocol]
folds = 2
valid = 0.5
"""


def prepared(**changes):
    text = TEXT
    for key, value in changes.items():
        text = text.replace("window = 2", f"window = 2\n{key} = {value}")
    return prepare(parse_recipe(text))


def my_recordings(scale=1.0):
    rng = np.random.default_rng(0)
    return [
        Recording(
            (scale * rng.standard_normal((3, 256 * 8))).astype(np.float32), 256.0, ("Fz", "Cz", "Pz"),
            subject=f"p{s}", trial=str(label), label=label, classes=("a", "b"),
        )
        for s in range(4)
        for label in (0, 1)
    ]  # fmt: skip


def test_raw_windows():
    found = prepared()
    assert found.windows.shape == (19, 256)
    assert found.grid is None
    assert len(found.windows) == 4 * 4 * 3


def test_grid_of_entropy_with_own_bands():
    found = prepared(features='"differential_entropy"', layout='"grid"', bands="{slow = [4, 8], fast = [14, 31]}")
    assert found.windows.shape == (2, 9, 9)
    assert found.windows.unit == "nat"
    assert found.grid.channels == found.windows.channels


def test_only_subject_scaling_is_transductive():
    features = '"differential_entropy"'
    for normalise, transductive in (("train", False), ("none", False), ("subject", True)):
        found = prepared(features=features, normalise=f'"{normalise}"')
        assert any("transductive" in step for step in found.windows.steps) == transductive
    of = found.windows.metadata.subject == found.windows.metadata.subject.iloc[0]
    assert np.abs(found.windows.X[of].mean(axis=0)).max() < 1e-5


def test_train_scaling_leaves_the_windows_in_their_unit():
    assert np.array_equal(prepared(normalise='"train"').windows.X, prepared(normalise='"none"').windows.X)
    assert prepared().windows.unit == "µV"


def test_ledgers_start_empty():
    folds = folds_of(prepared(), parse_recipe(TEXT).protocol)
    assert len(folds) == len({id(fold.ledger) for fold in folds}) == 2
    assert not any(len(fold.ledger) for fold in folds)


def test_own_function_is_resampled_and_cropped():
    text = TEXT.replace('"synthetic"', '"test_prepare:my_recordings"').replace("trials_per_class = 2", "scale = 3.0")
    found = prepare(parse_recipe(text.replace("subjects = 4", 'subjects = ["p0", "p2"]')))
    assert found.windows.rate == 128
    assert len(found.windows) == 2 * 2 * 3
    assert sorted(set(found.windows.metadata.subject)) == ["p0", "p2"]
    assert 2 < found.windows.X.std() < 3.5
    with pytest.raises(ValueError, match="unknown test_prepare:my_recordings subject 'p9'"):
        prepare(parse_recipe(text.replace("subjects = 4", 'subjects = ["p9"]')))
    with pytest.raises(ValueError, match="9 subjects asked for, but there are 4: p0, p1"):
        prepare(parse_recipe(text.replace("subjects = 4", "subjects = 9")))


def test_npz_windows_are_taken_as_they_are(tmp_path):
    first = prepared()
    write_npz(first.windows, tmp_path / "w.npz")
    text = f'name = "x"\n[data]\nsource = "npz"\npath = "{tmp_path / "w.npz"}"\nsubjects = 3\n'
    found = prepare(parse_recipe(text))
    assert len(found.windows) == len(first.windows) * 3 // 4
    assert np.array_equal(found.windows.X, first.windows.X[: len(found.windows)])


def test_facts_change_with_the_data():
    one, same, other = prepared(), prepared(), prepare(parse_recipe(TEXT.replace("= 2\n[prot", "= 3\n[prot")))
    assert one.facts() == same.facts()
    assert one.facts()["sha256"] != other.facts()["sha256"]
    assert one.facts()["subjects"] == ["S00", "S01", "S02", "S03"]


@pytest.mark.real
@pytest.mark.slow
def test_eegmat_is_balanced_and_has_no_padding(eegmat_folder):
    text = f'name = "x"\n[data]\nsource = "eegmat"\npath = "{eegmat_folder}"\nsubjects = 3\n'
    found = prepare(parse_recipe(text)).windows
    assert len(found) == 3 * 2 * 15
    assert found.y.mean() == 0.5
    assert found.classes == ("rest", "arithmetic")
    assert found.X.std(axis=2).min() > 0.1


def test_random_labels_are_named():
    recorded, random = prepared(), prepared(labels='"random"', label_seed=5)
    assert (random.windows.y != recorded.windows.y).any()
    assert np.array_equal(random.windows.X, recorded.windows.X)
    assert any(step.startswith("RANDOM labels") for step in random.facts()["steps"])
    assert random.facts()["sha256"] != recorded.facts()["sha256"]
    assert not any("RANDOM" in step for step in recorded.windows.steps)
