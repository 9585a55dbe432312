import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from array_files import CHANNELS, make, save_folder, save_npz, save_parquet, save_zarr

from trimcap.data.arrays import arrays_facts, arrays_source, open_arrays, write_arrays
from trimcap.data.cache import cached
from trimcap.data.chain import Chain, Step
from trimcap.data.lazy import LazyArray
from trimcap.data.protocols import split

LAYOUTS = {
    "folder": save_folder,
    "npz": save_npz,
    "parquet": save_parquet,
    "nested parquet": lambda w, p: save_parquet(w, p, nested=True),
    "fixed parquet": lambda w, p: save_parquet(w, p, fixed=True),
    "zarr2": lambda w, p: save_zarr(w, p, version=2),
    "zarr3": lambda w, p: save_zarr(w, p, version=3),
}


@pytest.fixture(params=LAYOUTS)
def place(request, tmp_path):
    folder = tmp_path / "a folder with 空格"
    folder.mkdir()
    return LAYOUTS[request.param](make(), folder)


def same(a, b):
    np.testing.assert_array_equal(np.asarray(a.X), np.asarray(b.X))
    np.testing.assert_array_equal(a.y, b.y)
    assert a.ids.tolist() == b.ids.tolist()
    for field in ("channels", "rate", "classes", "duration", "unit"):
        assert getattr(a, field) == getattr(b, field), field


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
    chain = Chain((Step("windows", seconds=0.25), Step("reject", peak_to_peak=45)))
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

    monkeypatch.setattr("trimcap.data.arrays_write.flush_folder", full)
    with pytest.raises(OSError, match="no space left for"):
        write_arrays(make(), tmp_path / "v")
    assert [p.name for p in tmp_path.iterdir()] == ["w"]


# ---- bad input ----


def info(place, **changes):
    path = place / "info.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **changes}), encoding="utf-8")


def header(place, shape):
    """A file of few bytes whose header promises a lot."""
    with (place / "X.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
        file.write(bytes(100))


def nan(place):
    X = np.load(place / "X.npy")
    X[17, 1, 3] = np.nan
    np.save(place / "X.npy", X)


BAD = {
    "10⁹ rows": (lambda p: header(p, (10**9, 4, 64)), "header promises 1,024,000,000,000 bytes"),
    "negative rows": (lambda p: header(p, (-1, 4, 64)), "can't be read as .npy"),
    "truncated": (lambda p: (p / "X.npy").write_bytes((p / "X.npy").read_bytes()[:-1]), "truncated"),
    "trailing": (lambda p: (p / "X.npy").write_bytes((p / "X.npy").read_bytes() + b"x"), "damaged"),
    "no header": (lambda p: (p / "X.npy").write_bytes(b"nonsense"), "can't be read as .npy"),
    "empty": (lambda p: (p / "X.npy").write_bytes(b""), "can't be read as .npy"),
    "pickled": (lambda p: np.save(p / "X.npy", np.array([{}], dtype=object), allow_pickle=True), "could run code"),
    "Fortran order": (lambda p: np.save(p / "X.npy", np.asfortranarray(np.load(p / "X.npy"))), "Fortran order"),
    "complex": (lambda p: np.save(p / "X.npy", np.load(p / "X.npy").astype(complex)), "complex128"),
    "text": (lambda p: np.save(p / "X.npy", np.full((40, 4, 64), "1")), "<U1"),
    "two dimensions": (lambda p: np.save(p / "X.npy", np.ones(40, dtype=np.float32)), "expected \\(n, n_channels"),
    "other channels": (lambda p: info(p, channels=["Cz", "Pz"]), "there are 2 channel names"),
    "one channel twice": (lambda p: info(p, channels=["Cz", "Cz", "Pz", "Fz"]), "different electrode names"),
    "channels as text": (lambda p: info(p, channels="Cz"), "list of different"),
    "no electrodes": (lambda p: info(p, channels=["ch1", "ch2", "ch3", "ch4"]), "unknown electrodes ch1"),
    "no rate": (lambda p: info(p, rate=None), "rate not given"),
    "rate 0": (lambda p: info(p, rate=0), "rate is 0"),
    "rate as text": (lambda p: info(p, rate="fast"), "rate is 'fast'"),
    "misspelt": (lambda p: info(p, chanels=1), "did you mean 'channels'"),
    "no JSON": (lambda p: (p / "info.json").write_text("{"), "is no JSON"),
    "a list": (lambda p: (p / "info.json").write_text("[1]"), "JSON object"),
    "too few labels": (lambda p: np.save(p / "y.npy", np.zeros(39, dtype=int)), "y has shape \\(39,\\)"),
    "label outside": (lambda p: np.save(p / "y.npy", np.full(40, 2)), "label of row 0 is 2.*0 to 1"),
    "negative label": (lambda p: np.save(p / "y.npy", np.full(40, -1)), "label of row 0 is -1"),
    "fraction": (lambda p: np.save(p / "y.npy", np.full(40, 0.5)), "label of row 0 is 0.5"),
    "no labels": (lambda p: np.save(p / "y.npy", np.full(40, np.nan)), "no row has a label"),
    "missing labels": (lambda p: (p / "y.npy").unlink(), "neither y.npy nor"),
    "short table": (lambda p: (p / "metadata.csv").write_text("subject\n01\n"), "metadata have 1 lines"),
    "no subject": (lambda p: (p / "metadata.csv").write_text("who\n" + "01\n" * 40), "lack the column subject"),
    "bad start": (lambda p: (p / "metadata.csv").write_text("subject,start\n" + "01,x\n" * 40), "number of seconds"),
    "no name": (
        lambda p: (p / "metadata.csv").write_text("subject,trial\n01,a\n,b\n" + "01,c\n" * 38),
        "line 1 of the",
    ),
    "dead channel": (
        lambda p: np.save(p / "X.npy", np.load(p / "X.npy") * [[1], [1], [0], [1]]),
        "channel Pz is constant",
    ),
    "no CSV": (lambda p: (p / "metadata.csv").write_bytes(b"\xff\xfe\x00"), "can't be read as CSV"),
    "no table": (lambda p: (p / "metadata.csv").unlink(), "lacks metadata.csv"),
    "volts": (lambda p: np.save(p / "X.npy", np.load(p / "X.npy") * np.float32(1e-6)), "looks like volts"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_folders_are_refused_with_the_reason(name, tmp_path):
    place = save_folder(make(), tmp_path)
    damage, message = BAD[name]
    damage(place)
    with pytest.raises((ValueError, FileNotFoundError), match=message) as error:
        open_arrays(place)
    assert str(place) in str(error.value)


@pytest.mark.parametrize("name", ["other channels", "label outside", "short table", "no rate"])
def test_facts_tell_the_same_as_a_problem(name, tmp_path):
    place = save_folder(make(), tmp_path)
    damage, message = BAD[name]
    damage(place)
    facts = arrays_facts(place)
    assert len(facts["problems"]) == 1
    with pytest.raises(ValueError, match=message):
        raise ValueError(facts["problems"][0])


def test_nan_is_found_in_every_window_by_a_full_check(tmp_path):
    place = save_folder(make(), tmp_path)
    nan(place)
    with pytest.raises(ValueError, match=r"window 01/0/t3@2\.0000"):
        open_arrays(place, check="full")
    with pytest.raises(ValueError, match="unknown check 'ful'; did you mean 'full'"):
        open_arrays(place, check="ful")


def test_numbers_that_changed_on_the_way_are_found_by_a_full_check(tmp_path):
    place = write_arrays(make(), tmp_path / "w")
    content = bytearray((place / "X.npy").read_bytes())
    content[-1000] ^= 1
    (place / "X.npy").write_bytes(content)
    assert (open_arrays(place).X != make().X).sum() == 1
    with pytest.raises(ValueError, match="sha256"):
        open_arrays(place, check="full")


@pytest.mark.parametrize("kind", ["folder", "npz", "parquet", "zarr2", "zarr3"])
def test_damage_gives_a_message_and_nothing_else(kind, tmp_path):
    place = LAYOUTS[kind](make(), tmp_path)
    files = [place] if place.is_file() else sorted(p for p in place.rglob("*") if p.is_file())
    if kind.startswith("zarr"):  # a chunk of text names its number of items, which numcodecs believes: 8 GB of them
        files = [p for p in files if p.name[0] in ".z" or p.relative_to(place).parts[0] in ("X", "y", "start")]
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(40):
        file = files[rng.integers(len(files))]
        content = file.read_bytes()
        damaged = bytearray(content)
        if rng.random() < 0.5:
            damaged = damaged[: rng.integers(len(damaged))]
        else:
            damaged[rng.integers(min(len(damaged), 300))] ^= 1 << rng.integers(8)
        file.write_bytes(damaged)
        try:
            windows = open_arrays(place)
            assert np.asarray(windows.X).shape[1:] == windows.shape
        except (ValueError, FileNotFoundError) as error:
            assert str(place) in str(error)  # noqa: PT017
            refused += 1
        file.write_bytes(content)
    assert refused > 10


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


@pytest.mark.parametrize("kind", ["folder", "parquet"])
def test_a_file_that_changes_while_it_is_used_is_refused(kind, tmp_path):
    place = LAYOUTS[kind](make(), tmp_path)
    windows = open_arrays(place)
    file = place / "X.npy" if kind == "folder" else place
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="changed while"):
        windows.X[3:9]


def test_parquet_files_that_can_not_be_right(tmp_path):
    place = save_parquet(make(), tmp_path)
    content = place.read_bytes()
    for cut in (0, 4, 100, len(content) // 2, len(content) - 1):
        place.write_bytes(content[:cut])
        with pytest.raises(ValueError, match="can't be read as Parquet"):
            open_arrays(place)
    import pyarrow as pa
    from pyarrow import parquet

    def write(**columns):
        schema = {b"trimcap": json.dumps({"channels": list(CHANNELS), "rate": 64}).encode()}
        parquet.write_table(pa.table(columns).replace_schema_metadata(schema), place)

    rows = {"subject": ["01"] * 3, "y": [0, 1, 0]}
    cases = {
        "different lengths": {"X": [[1.0] * 8, [1.0] * 8, [1.0] * 12]},
        "missing numbers": {"X": [[1.0] * 8, [1.0] * 8, [1.0] * 7 + [None]]},
        "lengths, or none": {"X": [[1.0] * 8, None, [1.0] * 8]},
        "no 4 channels": {"X": [[1.0] * 7] * 3},
        "expected lists": {"X": [1.0, 2.0, 3.0]},
        "lists of numbers": {"X": [["a"], ["a"], ["b"]]},
    }
    for message, columns in cases.items():
        write(**columns, **rows)
        with pytest.raises(ValueError, match=message):
            open_arrays(place).X[:]
    write(X=[[1.0] * 8] * 3, subject=["01"] * 3)
    with pytest.raises(ValueError, match="no column y or label"):
        open_arrays(place)


def test_row_groups_that_are_too_large_are_refused(tmp_path, monkeypatch):
    place = save_parquet(make(), tmp_path)
    monkeypatch.setattr("trimcap.data.arrays_parquet._LARGEST_GROUP", 100)
    with pytest.raises(ValueError, match="row_group_size"):
        open_arrays(place)


@pytest.mark.parametrize("version", [2, 3])
def test_zarr_groups_that_can_not_be_right(version, tmp_path):
    place = save_zarr(make(), tmp_path, version=version)
    chunk = sorted(p for p in (place / "X").rglob("*") if p.is_file() and p.name[0] not in ".z")[1]
    content = chunk.read_bytes()
    chunk.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="can't be read as Zarr"):
        open_arrays(place).X[:]
    chunk.unlink()
    with pytest.raises(ValueError, match="6 chunks, but there are 5"):
        open_arrays(place)
    chunk.write_bytes(content)
    header = place / "X" / (".zarray" if version == 2 else "zarr.json")
    text = header.read_text()
    header.write_text(text.replace("40,", "1000000000,", 1))
    with pytest.raises(ValueError, match="copy it again"):
        open_arrays(place)
    header.write_text(text)
    same(open_arrays(place), make())
    shutil.rmtree(place / "y")
    with pytest.raises(ValueError, match="no array y"):
        open_arrays(place)


def test_facts_refuse_misspelt_keys(tmp_path):
    with pytest.raises(ValueError, match="did you mean 'scale'"):
        arrays_facts(save_folder(make(), tmp_path), scales=1)


def test_places_without_arrays(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        open_arrays(tmp_path / "x")
    with pytest.raises(ValueError, match=r"is not a folder with X\.npy"):
        open_arrays(tmp_path)
    with pytest.raises(FileNotFoundError, match="no arrays"):
        arrays_source(tmp_path)


# ---- recordings ----


def trials(n=8):
    windows = make().take(np.arange(0, 40, 5)[:n])
    return replace(windows, metadata=windows.metadata.drop(columns="stimulus").assign(start=0.0))


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
    chain = Chain((Step("windows", seconds=0.5),))
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
    monkeypatch.setattr("trimcap.data.arrays_tidy._ROWS", 41)
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


def test_folds_of_every_layout(place):
    one, other = (split(w, "leave_trials_out", n_folds=2)[0].scaled() for w in (make(), open_arrays(place)))
    np.testing.assert_array_equal(other.train.X[:], one.train.X)
    np.testing.assert_array_equal(other.test.open("evaluate").X[:], one.test.open("evaluate").X)
    assert Path(place).exists()
