"""Recordings in files of arrays: one in a row, or one table of samples for all."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from array_files import LAYOUTS, make, save_folder, save_parquet, trials

from trimcap.data.arrays.read import arrays_facts, arrays_source, open_arrays, write_arrays
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
    tidy(tmp_path / "t.parquet", lambda t: t.assign(label=t.label.where(t.trial == "a")))
    with pytest.warns(UserWarning, match="1 of 3 recordings have no label"):
        assert [r.name for r in arrays_source(tmp_path / "t.parquet")] == ["01/0/a", "02/0/a"]
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


def tidy(path, change=lambda t: t, **schema):
    import pyarrow as pa
    from pyarrow import parquet

    rows = []
    for subject, trial, n in (("01", "a", 100), ("01", "b", 70), ("02", "a", 130)):
        rng = np.random.default_rng(n)
        table = pd.DataFrame(rng.standard_normal((n, 3)) * 10, columns=["Fz", "Cz", "O1"])
        table.insert(0, "time", np.arange(n) / 50)
        rows.append(table.assign(subject=subject, trial=trial, label="x" if trial == "a" else "y", ecg=1.0))
    table = change(pd.concat(rows, ignore_index=True))
    made = pa.Table.from_pandas(table, preserve_index=False)
    made = made.replace_schema_metadata({b"trimcap": json.dumps({"classes": ["x", "y"], **schema}).encode()})
    parquet.write_table(made, path, row_group_size=33)
    return table


def test_a_table_of_samples_holds_recordings(tmp_path, monkeypatch):
    monkeypatch.setattr("trimcap.data.arrays.tidy._ROWS", 41)
    path = tmp_path / "t.parquet"
    table = tidy(path)
    recordings = list(arrays_source(path))
    assert [(r.name, r.label, r.rate) for r in recordings] == [
        ("01/0/a", 0, 50.0),
        ("01/0/b", 1, 50.0),
        ("02/0/a", 0, 50.0),
    ]
    for recording in recordings:
        rows = table[(table.subject == recording.subject) & (table.trial == recording.trial)]
        np.testing.assert_array_equal(recording.signal.T, rows[["Fz", "Cz", "O1"]].to_numpy(np.float32))
    chosen = list(arrays_source(path, subjects=["02"], channels=["O1", "Fz"], scale=2))
    assert [(r.name, r.channels) for r in chosen] == [("02/0/a", ("O1", "Fz"))]
    np.testing.assert_allclose(chosen[0].signal, 2 * recordings[2].signal[[2, 0]], rtol=1e-6)
    facts = arrays_facts(path)
    assert (facts["kind"], facts["shape"], facts["subjects"]) == ("table", (300, 3), ["01", "02"])
    with pytest.raises(ValueError, match="arrays_source"):
        open_arrays(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: pd.concat([t, t[:5]]), "01/0/a do not follow"),
        (lambda t: t.drop(index=[50, 51]), "step of 0.06 s after 0.98 s"),
        (lambda t: t.assign(time=t.time[::-1].to_numpy()), "has a step of"),
        (lambda t: t.drop(columns="time"), "no column time and no rate"),
        (lambda t: t.drop(columns="label"), "needs the columns subject and label"),
        (lambda t: t.rename(columns={"Fz": "a", "Cz": "b", "O1": "c"}), "none of its columns is an electrode"),
        (lambda t: t.assign(label=np.where(t.index == 7, "y", t.label)), "several labels"),
        (lambda t: t.assign(label="z"), "unknown class 'z'"),
        (lambda t: t.assign(subject=t.subject.where(t.index != 9)), "some rows have no subject"),
        (lambda t: t.assign(Cz=t.Cz.where(t.index != 120)), "01/0/b: channel Cz holds NaN"),
    ],
)
def test_tables_of_samples_that_can_not_be_right(change, message, tmp_path):
    tidy(tmp_path / "t.parquet", change)
    with pytest.raises(ValueError, match=message):
        list(arrays_source(tmp_path / "t.parquet"))
