"""Windows in files of arrays: every layout reads back, and windows are written."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from array_files import CHANNELS, LAYOUTS, info, make, same, save_folder, trials

from trimcap.data.arrays.read import arrays_facts, open_arrays
from trimcap.data.arrays.source import arrays_source
from trimcap.data.arrays.write import write_arrays
from trimcap.data.preprocess.chain import Chain
from trimcap.data.preprocess.steps import make_step
from trimcap.data.rows.lazy import LazyArray
from trimcap.data.splits.protocols.named import split


@pytest.fixture(params=LAYOUTS)
def place(request, tmp_path):
    folder = tmp_path / "a folder with 空格"
    folder.mkdir()
    return LAYOUTS[request.param](make(), folder)


def test_every_layout_reads_back(place):
    windows = open_arrays(place, check="full")
    assert isinstance(windows.X, LazyArray)
    same(windows, make())
    rows = np.array([7, 2, 2, 30, 31, 0])
    np.testing.assert_array_equal(windows.X[rows], make().X[rows])
    assert windows.metadata.stimulus.astype(str).tolist() == make().metadata.stimulus.tolist()


def test_subjects_are_chosen_by_name_and_number(place):
    assert set(open_arrays(place, subjects=1).metadata.subject) == {"01"}
    two = open_arrays(place, subjects=["02"])
    np.testing.assert_array_equal(two.X[:], make().X[make().metadata.subject == "02"])
    with pytest.raises(ValueError, match="did you mean '02'"):
        open_arrays(place, subjects=["2"])


def test_facts_are_told_without_reading_X(place):
    facts = arrays_facts(place)
    assert facts["shape"] == make().X.shape
    assert facts["classes"] == {"calm": 20, "tense": 20}
    assert facts["subjects"] == ["01", "02"]
    assert (facts["rate"], facts["channels"], facts["unit"]) == (64.0, CHANNELS, "µV")
    assert (facts["trials"], facts["unlabelled"], facts["problems"]) == (8, 0, [])


def test_folds_of_every_layout(place):
    one, other = (split(w, "leave_trials_out", n_folds=2)[0].scaled() for w in (make(), open_arrays(place)))
    np.testing.assert_array_equal(other.train.X[:], one.train.X)
    np.testing.assert_array_equal(other.test.open("evaluate").X[:], one.test.open("evaluate").X)
    assert Path(place).exists()


def test_what_the_caller_says_counts(tmp_path):
    place = save_folder(make(), tmp_path)
    windows = open_arrays(place, rate=32, classes=["a", "b"], scale=2, channels=("O1", "O2", "Cz", "Pz"))
    assert (windows.rate, windows.classes, windows.duration) == (32.0, ("a", "b"), 2.0)
    assert windows.channels == ("O1", "O2", "Cz", "Pz")
    np.testing.assert_array_equal(windows.X[:], make().X * np.float32(2))


@pytest.mark.parametrize("kind", ["<i2", ">i2", "<f8", "<f2"])
def test_other_numbers_become_float32(kind, tmp_path):
    place = save_folder(make(), tmp_path)
    X = np.round(make().X * 10).astype(kind)
    np.save(place / "X.npy", X)
    if kind.endswith("i2"):
        with pytest.raises(ValueError, match="give scale="):
            open_arrays(place)
    windows = open_arrays(place, scale=0.1)
    assert windows.X[3].dtype == np.float32
    np.testing.assert_array_equal(windows.X[:], (X.astype(np.float64) * 0.1).astype(np.float32))


def test_windows_without_a_label_are_left_out_and_counted(tmp_path):
    place = save_folder(make(), tmp_path)
    y = make().y.astype(float)
    y[[3, 30]] = np.nan
    np.save(place / "y.npy", y)
    windows = open_arrays(place)
    kept = np.delete(np.arange(40), [3, 30])
    same(windows, make().take(kept))
    assert windows.steps[-1] == "2 of 40 windows without a label left out"
    assert arrays_facts(place)["unlabelled"] == 2


def test_labels_may_be_names_and_starts_may_be_missing(tmp_path):
    place = save_folder(make(), tmp_path)
    (place / "y.npy").unlink()
    names = np.where(make().y == 1, "tense", "calm")
    names[5] = ""
    pd.DataFrame({"subject": make().metadata.subject, "label": names}).to_csv(place / "metadata.csv", index=False)
    info(place, classes=["tense", "calm"])
    windows = open_arrays(place)
    assert windows.classes == ("tense", "calm")
    assert windows.y.tolist() == np.delete(1 - make().y, 5).tolist()
    assert windows.metadata.start.tolist()[:6] == [0, 1, 2, 3, 4, 6]
    assert set(windows.metadata.trial) == {"0"}
    info(place, classes=["tense", "calms"])
    with pytest.raises(ValueError, match="row 0: unknown class 'calm'; did you mean 'calms'"):
        open_arrays(place)


# ---- writing


def test_windows_are_written_and_read_back_bit_for_bit(tmp_path):
    windows = replace(make(), unit="nat", steps=("made", "mapped"))
    table = windows.metadata.assign(age=np.arange(40) / 3, note='a "quoted", 两 line\n text')
    table["start"] = table["start"] + 1 / 3
    windows = replace(windows, metadata=table)
    place = write_arrays(windows, tmp_path / "new" / "w")
    again = open_arrays(place)
    same(again, windows)
    assert again.steps == windows.steps
    pd.testing.assert_frame_equal(again.metadata, table, check_dtype=False)
    assert sorted(p.name for p in place.parent.iterdir()) == ["w"]
    assert sorted(p.name for p in place.iterdir()) == ["X.npy", "info.json", "metadata.csv", "y.npy"]
    np.testing.assert_array_equal(np.load(place / "X.npy"), windows.X)
    same(open_arrays(write_arrays(again, tmp_path / "copy")), windows)


def test_parts_of_a_chain_are_written_as_they_are_made(tmp_path):
    source = arrays_source(save_folder(trials(), tmp_path))
    chain = Chain((make_step("windows", seconds=0.25), make_step("reject", peak_to_peak=45)))
    expected = chain.apply(list(source))
    again = open_arrays(write_arrays(chain.parts(source), tmp_path / "w"))
    same(again, expected)
    assert again.steps == expected.steps
    assert 0 < len(again) < 4 * len(trials())


def test_several_windows_must_be_alike(tmp_path):
    half = make().take(np.arange(20)), make().take(np.arange(20, 40))
    same(open_arrays(write_arrays(half, tmp_path / "w")), make())
    with pytest.raises(ValueError, match="rate"):
        write_arrays([half[0], replace(half[1], rate=1.0)], tmp_path / "v")
    with pytest.raises(ValueError, match="no recordings"):
        write_arrays([], tmp_path / "v")
    assert not (tmp_path / "v").exists()


def test_nothing_is_overwritten_and_nothing_left_behind(tmp_path, monkeypatch):
    place = write_arrays(make(), tmp_path / "w")
    with pytest.raises(FileExistsError, match="exists"):
        write_arrays(make(), place)
    with pytest.raises(ValueError, match="Python objects"):
        write_arrays(replace(make(), metadata=make().metadata.assign(extra=[{}] * 40)), tmp_path / "v")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("trimcap.data.arrays.write.flush_folder", full)
    with pytest.raises(OSError, match="no space left for"):
        write_arrays(make(), tmp_path / "v")
    assert [p.name for p in tmp_path.iterdir()] == ["w"]
