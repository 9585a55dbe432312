"""Recordings in files of arrays, one in a row."""

import shutil

import numpy as np
import pytest
from array_files import LAYOUTS, make, save_folder, save_parquet, trials

from trimcap.data.arrays.read import arrays_facts
from trimcap.data.arrays.source import arrays_source
from trimcap.data.arrays.write import write_arrays
from trimcap.data.cache.cache import cached
from trimcap.data.preprocess.chain import Chain
from trimcap.data.preprocess.steps import make_step


@pytest.mark.parametrize("layout", LAYOUTS)
def test_rows_are_recordings(layout, tmp_path):
    expected = trials()
    source = arrays_source(LAYOUTS[layout](expected, tmp_path))
    recordings = list(source)
    assert len(recordings) == len(expected)
    for row, recording in enumerate(recordings):
        np.testing.assert_array_equal(recording.signal, expected.X[row])
        assert f"{recording.name}@0.0000" == expected.ids[row]
        assert (recording.label, recording.classes) == (expected.y[row], expected.classes)
        assert (recording.channels, recording.rate) == (expected.channels, expected.rate)
    assert {r.subject for r in arrays_source(source.items[0], subjects=["02"])} == {"02"}


def test_recordings_without_a_label_are_left_out_with_a_warning(tmp_path):
    place = save_folder(trials(), tmp_path)
    y = trials().y.astype(float)
    y[2] = np.nan
    np.save(place / "y.npy", y)
    with pytest.warns(UserWarning, match="1 of 8 recordings have no label"):
        assert len(list(arrays_source(place))) == 7
    with pytest.raises(ValueError, match="need a path"):
        arrays_source(None)


def test_windows_are_no_recordings(tmp_path):
    with pytest.raises(ValueError, match="recording 01/0/t0 has several rows"):
        list(arrays_source(save_folder(make(), tmp_path)))


def test_a_folder_of_files_is_one_source_and_can_be_cached(tmp_path):
    place = tmp_path / "all"
    place.mkdir()
    parts = [trials().take(trials().metadata.subject == name) for name in ("01", "02")]
    write_arrays(parts[1], place / "b")
    shutil.move(save_parquet(parts[0], tmp_path), place / "a.parquet")
    source = arrays_source(place, subjects=2)
    assert [p.name for p in source.items] == ["a.parquet", "b"]
    facts = arrays_facts(place)
    assert (facts["kind"], list(facts["items"]), facts["problems"]) == ("several", ["a.parquet", "b"], [])
    assert facts["items"]["b"]["subjects"] == ["02"]
    chain = Chain((make_step("windows", seconds=0.5),))
    windows = cached(chain, source.items, read=source.read, folder=tmp_path / "cache")
    assert windows.metadata.subject.drop_duplicates().tolist() == ["01", "02"]
    np.testing.assert_array_equal(windows.X, chain.apply(source).X)
