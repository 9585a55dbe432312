"""Files of arrays that can not be right are refused with the reason."""

import json
import shutil

import numpy as np
import pytest
from array_files import CHANNELS, LAYOUTS, info, make, same, save_folder, save_parquet, save_zarr

from trimcap.data.arrays.read import arrays_facts, open_arrays
from trimcap.data.arrays.source import arrays_source
from trimcap.data.arrays.write import write_arrays


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


def test_nan_is_among_the_facts(tmp_path, monkeypatch):
    place = save_folder(make(), tmp_path)
    assert arrays_facts(place)["problems"] == []
    nan(place)
    (problem,) = arrays_facts(place)["problems"]
    assert problem.startswith(f"X holds NaN or infinity in 1 of 40 windows, first in window 17, channel {CHANNELS[1]}")
    row = 4 * np.prod(make().shape)
    monkeypatch.setattr("trimcap.data.arrays.layout._AT_ONCE", 3 * row)  # in pieces
    assert arrays_facts(place)["problems"] == [problem]
    monkeypatch.setattr("trimcap.data.arrays.layout._READ", 14 * row)  # 0, 3, 6, …, 39
    assert arrays_facts(place)["problems"] == []
    X = np.load(place / "X.npy")
    X[39, 0, 0] = np.inf
    np.save(place / "X.npy", X)
    (problem,) = arrays_facts(place)["problems"]
    assert f"in 1 of 14 windows looked at, first in window 39, channel {CHANNELS[0]};" in problem


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
    monkeypatch.setattr("trimcap.data.arrays.parquet._LARGEST_GROUP", 100)
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
