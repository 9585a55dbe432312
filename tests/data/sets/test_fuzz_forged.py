"""Files made to do harm, and files with other content than their name promises."""

from __future__ import annotations

import copyreg
import functools
import importlib
import json
import operator
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bombs
import h5py
import numpy as np
import pytest
from attacks import SETS, answer, edf, folder, forge, small, small_deap, write_eegmat  # noqa: F401
from scipy.io import savemat
from set_files import (
    CNT_62,
    SEED_LABELS,
    cells,
    dreamer_subject,
    faced_clips,
    noise,
    seed_trials,
    seed_v_tables,
    write_amigos,
    write_cnt,
    write_dreamer,
    write_seed,
    write_seed_v_features,
    write_v73,
)

from trimcap.data.eegmat import read_eegmat
from trimcap.data.sets.amigos import read_amigos
from trimcap.data.sets.dasps import read_dasps
from trimcap.data.sets.deap import read_deap
from trimcap.data.sets.dreamer import read_dreamer
from trimcap.data.sets.faced import read_faced, read_faced_features
from trimcap.data.sets.matfiles import read_numbers
from trimcap.data.sets.recognise import recognise
from trimcap.data.sets.seed import LENGTHS, read_seed
from trimcap.data.sets.seed_features import read_seed_v_features
from trimcap.data.sets.seed_v import read_seed_v

pytestmark = pytest.mark.usefixtures("small")
HERE = Path(__file__).parent


# ---- pickles that run code


class Gadget:
    """Pickled as what `reduced` gives."""

    def __init__(self, *reduced: object) -> None:
        self.reduced = reduced

    def __reduce__(self) -> Any:
        return self.reduced


def gadgets(flag: str) -> dict[str, object]:
    touch = f"open({flag!r}, 'w').close()"
    return {
        "os.system": Gadget(os.system, (f"touch {flag}",)),
        "subprocess": Gadget(subprocess.check_call, (["touch", flag],)),
        "eval": Gadget(eval, (touch,)),
        "exec": Gadget(exec, (touch,)),
        "open": Gadget(open, (flag, "w")),
        "import": Gadget(importlib.import_module, ("this",)),
        "numpy that runs text": Gadget(getattr(np.testing, "rundocs"), (flag,)),  # noqa: B009
        "numpy that writes": Gadget(np.savetxt, (flag, [1.0])),
        "numpy that maps a file": Gadget(np.memmap, (flag, "u1", "w+", 0, (1,))),
        "numpy that unpickles": Gadget(np.load, (flag, None, True)),
        "partial": Gadget(functools.partial, (os.system, f"touch {flag}")),
        "caller": Gadget(operator.methodcaller, ("write", flag)),
        "copyreg": Gadget(copyreg.__newobj__, (Gadget,)),
        "state": Gadget(functools.partial, (print,), {"func": eval, "args": (touch,), "keywords": {}}),
        "items": Gadget(list, (), None, iter([Gadget(os.system, (f"touch {flag}",))])),
        "deep": {"data": [({"x": [Gadget(eval, (touch,))]},)], "labels": np.ones((40, 4))},
        "in an object array": np.array([Gadget(eval, (touch,)), 1], dtype=object),
    }


READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "deap": ("s01.dat", read_deap),
    "faced": ("sub000.pkl", read_faced),
    "faced features": ("sub000.pkl.pkl", lambda p: read_faced_features(p)),
}


@pytest.mark.parametrize("gadget", gadgets("x"))
@pytest.mark.parametrize("name", READERS)
def test_no_gadget_runs(tmp_path: Path, name: str, gadget: str) -> None:
    file, read = READERS[name]
    flag = tmp_path / "ran"
    out = folder(tmp_path, "DE" if file.endswith(".pkl.pkl") else "set")
    before = set(sys.modules)
    for protocol in (0, 2, 4):
        forge(out / file, gadgets(str(flag))[gadget], protocol)
        with pytest.raises(
            ValueError, match=rf"{file}: .*(no NumPy array and could run code|only numbers|do not need)"
        ):
            read(out)
    assert not flag.exists()
    assert "this" not in set(sys.modules) - before


@pytest.mark.parametrize("key", ["data", "label"])
def test_no_gadget_runs_in_an_archive(tmp_path: Path, key: str) -> None:
    flag = tmp_path / "ran"
    for gadget in gadgets(str(flag)).values():
        write_seed_v_features(tmp_path, **{key: {0: gadget}})
        with pytest.raises(ValueError, match=rf"1_123\.npz: {key}: "):
            read_seed_v_features(tmp_path)
    np.savez(tmp_path / "EEG_DE_features" / "1_123.npz", data=np.array([Gadget(eval, ("1",))], dtype=object))
    with pytest.raises(ValueError, match=r"1_123\.npz"):
        read_seed_v_features(tmp_path)
    assert not flag.exists()


def test_the_gadgets_are_some(tmp_path: Path) -> None:
    ran = 0
    for name in ("os.system", "eval", "exec", "open", "numpy that writes", "items", "deep", "in an object array"):
        flag = tmp_path / name.replace(" ", "_")
        made = pickle.loads(pickle.dumps(gadgets(str(flag))[name]))
        ran += flag.exists()
        getattr(made, "close", lambda: None)()
    assert ran == 8


# ---- files that ask for all memory


@pytest.mark.parametrize("heavy", [False, pytest.param(True, marks=pytest.mark.long)])
def test_bombs_are_refused_at_once_and_without_memory(tmp_path: Path, heavy: bool) -> None:
    names = bombs.write_all(tmp_path, heavy=heavy)
    (tmp_path / "names.json").write_text(json.dumps(names))
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])}
    run = [sys.executable, str(HERE / "bombs.py"), str(tmp_path)]
    done = subprocess.run(run, env=env, capture_output=True, text=True, timeout=240)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [name for name, *_ in told] == list(names), done.stderr[-2000:]
    for number, (name, text, seconds, peak) in enumerate(told, start=1):
        assert f"{tmp_path / str(number)}{os.sep}" in text, f"{name}: {text}"
        assert seconds < 30, name  # seconds on any machine, where the attack takes hours
        assert peak < 900, f"{name}: {peak} MiB"


# ---- numbers that MATLAB does not write


@pytest.mark.parametrize(
    ("kind", "stored", "values", "fits"),
    [
        (6, 9, np.array([0.5, -3.0]), True),  # doubles as doubles
        (6, 2, np.array([5, 250], "u1"), True),  # whole doubles in one byte
        (7, 3, np.array([-5, 250], "i2"), True),
        (12, 3, np.array([-5, 250], "i2"), True),
        (12, 9, np.array([0.5, -3.0]), False),  # a flipped bit in the class would cut fractions off
        (8, 9, np.array([1000.0, 2.0]), False),
        (7, 9, np.array([0.1, 2.0]), False),
        (9, 5, np.array([256, 2], "i4"), False),
        (12, 9, np.array([np.nan, 2.0]), False),
    ],
)  # fmt: skip
def test_numbers_that_their_class_can_not_hold_are_refused(
    tmp_path: Path, kind: int, stored: int, values: np.ndarray, fits: bool
) -> None:
    path = tmp_path / "a.mat"
    path.write_bytes(bombs.mat(bombs.matrix(b"x", kind, (1, 2), bombs.element(stored, values.tobytes()))))
    if fits:
        np.testing.assert_array_equal(read_numbers(path, "x"), values[None])
        return
    with pytest.raises(ValueError, match=r"a\.mat: x is stored as .*, which its class .* can't hold"):
        read_numbers(path, "x")


def test_a_part_of_hdf5_that_was_never_written_is_not_zero(tmp_path: Path) -> None:
    values = noise(0, 14, 1920, 12)
    for chunks in (None, (4, 480, 7)):
        with h5py.File(tmp_path / "S01preprocessed.mat", "w") as file:
            file["labels"] = np.full((2, 12), 5.0)
            data = file.create_dataset("data", (12, 1920, 14), "<f8", chunks=chunks)
            if chunks:
                data[:, 480:] = values.T[:, 480:]
        with pytest.raises(ValueError, match=r"S01preprocessed\.mat: variable data lacks a part of its numbers"):
            read_dasps(tmp_path)
        with h5py.File(tmp_path / "S01preprocessed.mat", "a") as file:
            file["data"][...] = values.T
        np.testing.assert_array_equal(read_dasps(tmp_path)[3].signal, values[:, :, 3].astype(np.float32))


# ---- wrong content


def deap_with(**change: Any) -> dict[str, Any]:
    return small_deap() | change


DATA, RATED = small_deap()["data"], small_deap()["labels"]
NOT_DEAP: dict[str, Any] = {
    "transposed": deap_with(data=DATA.transpose(0, 2, 1)),
    "flat": deap_with(data=DATA.reshape(3, -1)),
    "complex": deap_with(data=DATA.astype(complex)),
    "bool": deap_with(data=DATA > 0),
    "text": deap_with(data=DATA.astype(str)),
    "a list": deap_with(data=[[1.0]]),
    "half the channels": deap_with(data=DATA[:, :32]),
    "at 256 Hz": deap_with(data=np.repeat(DATA, 2, axis=2)),
    "one trial less": deap_with(data=DATA[:2]),
    "labels transposed": deap_with(labels=RATED.T),
    "labels as text": deap_with(labels=RATED.astype(str)),
    "labels as bytes": deap_with(labels=b"5555"),
    "labels complex": deap_with(labels=RATED.astype(complex)),
    "labels at infinity": deap_with(labels=np.full_like(RATED, np.inf)),
    "labels from 0": deap_with(labels=RATED * 0),
    "labels one short": deap_with(labels=RATED[:2]),
    "no labels": {"data": DATA},
    "only an array": DATA,
    "nothing": None,
    "a key of bytes": {b"data": DATA, b"labels": RATED},
}


@pytest.mark.parametrize("what", NOT_DEAP)
def test_deap_of_another_content_is_refused(tmp_path: Path, what: str) -> None:
    forge(folder(tmp_path, "python") / "s01.dat", NOT_DEAP[what])
    assert answer(lambda: read_deap(tmp_path / "python", label="liking"), "s01.dat") is None
    if isinstance(NOT_DEAP[what], dict) and all(isinstance(v, np.ndarray) for v in NOT_DEAP[what].values()):
        matlab = {str(k): v for k, v in NOT_DEAP[what].items() if isinstance(k, str)}
        if matlab:
            savemat(folder(tmp_path, "matlab") / "s01.mat", matlab)
            assert answer(lambda: read_deap(tmp_path / "matlab", label="liking"), "s01.mat") is None


@pytest.mark.parametrize("code", ["<f4", ">f8", "<i2", "<i8", ">i4"])
def test_other_numbers_of_the_same_value_are_read(tmp_path: Path, code: str) -> None:
    whole = np.round(DATA)
    forge(tmp_path / "s01.dat", deap_with(data=whole.astype(code)))
    for recording, expected in zip(read_deap(tmp_path), whole, strict=True):
        np.testing.assert_array_equal(recording.signal, expected[:32, 384:])
    forge(tmp_path / "s01.dat", deap_with(data=np.asfortranarray(whole)))
    np.testing.assert_array_equal(read_deap(tmp_path)[2].signal, whole[2, :32, 384:])


@pytest.mark.parametrize(
    "change", [np.zeros((28, 32, 7499), "f4"), np.zeros((32, 28, 7500), "f4"), np.zeros((28, 7500, 32), "f4"), "text"],
    ids=["short", "swapped", "transposed", "text"],
)  # fmt: skip
def test_faced_of_another_content_is_refused(tmp_path: Path, change: object) -> None:
    forge(tmp_path / "sub003.pkl", change)
    assert answer(lambda: read_faced(tmp_path), "sub003.pkl") is None
    forge(tmp_path / "sub003.pkl", faced_clips(3).astype(np.complex64))
    assert answer(lambda: read_faced(tmp_path), "sub003.pkl") is None


def seed_file(out: Path, change: dict[str, Any] | None = None, factor: float = 0.0) -> None:
    good: dict[str, Any] = {f"djc_eeg{t}": x for t, x in seed_trials(1, 0, 15, 9).items()}
    if factor:
        good = {f"djc_eeg{t}": np.ones((62, round(n * factor)), "i1") for t, n in enumerate(LENGTHS, start=1)}
        good |= {k: v + (np.arange(v.shape[1]) % 7).astype("i1") for k, v in good.items()}
    savemat(folder(out) / "1_20131027.mat", good | (change or {}), do_compression=True)


@pytest.mark.parametrize(
    "change",
    [
        {"djc_eeg4": noise(0, 62, 9).T}, {"djc_eeg4": noise(0, 62, 9) * 1j}, {"djc_eeg4": noise(0, 62, 9) > 0},
        {"djc_eeg4": "text"}, {"djc_eeg4": cells((1, 2), [np.eye(2), np.eye(2)])}, {"djc_eeg4": {"x": 1.0}},
        {"djc_eeg4": noise(0, 62, 9, 2)}, {"djc_eeg4": np.zeros((62, 0))}, {"djc_eeg04": noise(0, 62, 9)},
    ],
    ids=["transposed", "complex", "bool", "text", "cell", "struct", "three axes", "empty", "twice"],
)  # fmt: skip
def test_seed_of_another_content_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    seed_file(tmp_path, change)
    if isinstance(change.get("djc_eeg4"), np.ndarray) and change["djc_eeg4"].dtype == bool:
        read = answer(lambda: read_seed(tmp_path), "1_20131027.mat")  # MATLAB's logical is stored as numbers
        assert read is None or np.array_equal(read[3].signal, change["djc_eeg4"])  # type: ignore[index]
        return
    assert answer(lambda: read_seed(tmp_path), "1_20131027.mat") is None


@pytest.mark.parametrize(("factor", "said"), [(0.64, "128"), (1.28, "256"), (0.5, "100")])
def test_seed_at_another_rate_is_noticed_by_the_lengths_of_its_trials(tmp_path: Path, factor: float, said: str) -> None:
    seed_file(tmp_path, factor=factor)
    with pytest.raises(ValueError, match=rf"1_20131027\.mat: all trials have {factor} times .* about {said} Hz"):
        read_seed(tmp_path)


def test_seed_as_published_or_cut_short_is_read(tmp_path: Path) -> None:
    seed_file(tmp_path, factor=1.0)
    assert [r.signal.shape[1] for r in read_seed(tmp_path)] == list(LENGTHS)
    seed_file(tmp_path)
    assert len(read_seed(tmp_path)) == 15


@pytest.mark.parametrize(
    "labels", [SEED_LABELS[:14], [*SEED_LABELS, 1], [0.5, *SEED_LABELS[1:]], [np.nan, *SEED_LABELS[1:]],
               [np.inf, *SEED_LABELS[1:]], [2, *SEED_LABELS[1:]], []],
    ids=["14", "16", "half", "nan", "inf", "two", "none"],
)  # fmt: skip
def test_seed_labels_that_are_none_are_refused(tmp_path: Path, labels: list[float]) -> None:
    target = write_seed(tmp_path, {"1_20131027": "djc"}, samples=9)
    savemat(target / "label.mat", {"label": np.array([labels])})
    assert answer(lambda: read_seed(tmp_path), "label.mat") is None
    savemat(target / "label.mat", {"label": "1 0 -1"})
    assert answer(lambda: read_seed(tmp_path), "label.mat") is None
    savemat(target / "label.mat", {"other": np.array([SEED_LABELS])})
    assert answer(lambda: read_seed(tmp_path), "label.mat") is None


DREAMER: dict[str, dict[str, Any]] = {
    "another rate": {"EEG_SamplingRate": 256},
    "swapped electrodes": {"EEG_Electrodes": cells((1, 14), "F7 AF3 F3 FC5 T7 P7 O1 O2 P8 T8 FC6 F4 F8 AF4".split())},  # noqa: SIM905
    "a score of 2.5": {"ScoreValence": np.full((18, 1), 2.5)},
    "a score of 0": {"ScoreValence": np.zeros((18, 1))},
    "scores in a row": {"ScoreValence": np.ones((1, 18))},
    "17 scores": {"ScoreValence": np.ones((17, 1))},
    "no EEG": {"EEG": 1.0},
    "17 clips": {"EEG": {"stimuli": cells((17, 1), [noise(1, 9, 14)] * 17), "baseline": cells((18, 1), [1.0] * 18)}},
    "channels × time": {"EEG": {k: cells((18, 1), [noise(1, 14, 9)] * 18) for k in ("stimuli", "baseline")}},
    "15 channels": {"EEG": {k: cells((18, 1), [noise(1, 9, 15)] * 18) for k in ("stimuli", "baseline")}},
    "complex": {"EEG": {k: cells((18, 1), [noise(1, 9, 14) * 1j] * 18) for k in ("stimuli", "baseline")}},
    "texts": {"EEG": {k: cells((18, 1), ["x"] * 18) for k in ("stimuli", "baseline")}},
}


@pytest.mark.parametrize("what", DREAMER)
def test_dreamer_of_another_content_is_refused(tmp_path: Path, what: str) -> None:
    change = DREAMER[what]
    if not {"EEG", "ScoreValence"} & set(change):
        write_dreamer(tmp_path, subjects=1, samples=8, **change)
    else:
        write_dreamer(tmp_path, subjects=1, Data=cells((1, 1), [dreamer_subject(1, 8) | change]))
    assert answer(lambda: read_dreamer(tmp_path), "DREAMER.mat") is None


def test_dreamer_that_does_not_end_with_its_checksum_is_damaged_for_the_check(tmp_path: Path) -> None:
    path = write_dreamer(tmp_path, subjects=1, samples=8)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    assert answer(lambda: read_dreamer(tmp_path), "DREAMER.mat") is None
    assert "DREAMER.mat" in recognise(tmp_path).damaged["all subjects"]


def amigos_file(out: Path, trial: Any = None, rated: Any = None, n: int = 20) -> None:
    signals = [noise(t, 700, 17) if trial is None else trial for t in range(n)]
    ratings = [np.full((1, 12), 5.0) if rated is None else rated for _ in range(n)]
    variables = {"joined_data": cells((1, n), signals), "labels_selfassessment": cells((1, n), ratings)}
    savemat(out / "Data_Preprocessed_P07.mat", variables, do_compression=True)


@pytest.mark.parametrize(
    "change",
    [
        {"trial": noise(0, 17, 700)}, {"trial": noise(0, 700, 16)}, {"trial": noise(0, 640, 17)}, {"trial": "text"},
        {"trial": noise(0, 700, 17) * 1j}, {"trial": noise(0, 700, 17, 2)}, {"rated": np.full((1, 11), 5.0)},
        {"rated": np.full((1, 12), 0.5)}, {"rated": np.full((1, 12), 10.0)}, {"rated": "text"}, {"n": 19},
        {"rated": np.full((1, 12), 5.0) * 1j},
    ],
    ids=["transposed", "16 signals", "only the baseline", "text", "complex", "three axes", "11 ratings", "0.5", "10",
         "text rating", "19 trials", "complex rating"],
)  # fmt: skip
def test_amigos_of_another_content_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    amigos_file(tmp_path, **change)
    assert answer(lambda: read_amigos(tmp_path), "Data_Preprocessed_P07.mat") is None


def test_amigos_labels_that_are_nan_are_left_out_and_counted(tmp_path: Path) -> None:
    write_amigos(tmp_path, 1, nan=(0, 3, 15))
    with pytest.warns(UserWarning, match=r"P01\.mat: 3 trials left out \(1/01: its rating is NaN; 1/04"):
        assert len(read_amigos(tmp_path)) == 13


DASPS: dict[str, dict[str, np.ndarray]] = {
    "at 256 Hz": {"data": noise(0, 14, 3840, 12), "labels": np.ones((12, 2))},
    "transposed": {"data": noise(0, 12, 1920, 14), "labels": np.ones((12, 2))},
    "labels transposed": {"data": noise(0, 14, 1920, 12), "labels": np.ones((2, 12))},
    "label 10": {"data": noise(0, 14, 1920, 12), "labels": np.full((12, 2), 10.0)},
    "no labels": {"data": noise(0, 14, 1920, 12)},
    "big-endian": {"data": noise(0, 14, 1920, 12).astype(">f8"), "labels": np.ones((12, 2))},
    "text": {"data": np.full((14, 1920, 12), b"x"), "labels": np.ones((12, 2))},
    "complex": {"data": noise(0, 14, 1920, 12) * 1j, "labels": np.ones((12, 2))},
}


@pytest.mark.parametrize("what", DASPS)
def test_dasps_of_another_content_is_refused(tmp_path: Path, what: str) -> None:
    write_v73(tmp_path / "S04preprocessed.mat", DASPS[what])
    assert answer(lambda: read_dasps(tmp_path), "S04preprocessed.mat") is None


@pytest.mark.parametrize(
    ("options", "message"), [({"rate": 250}, "has 250 Hz"), ({"unit": "mV"}, "500 Hz, 'mV'"), ({"unit": ""}, "''")]
)
def test_eegmat_at_another_rate_or_unit_is_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    write_eegmat(tmp_path, **options)
    with pytest.raises(ValueError, match=rf"Subject00_1\.edf: EEG Fp1 has .*{message}|{message}"):
        read_eegmat(tmp_path, download=False)


def test_eegmat_with_one_signal_of_fewer_samples_is_refused(tmp_path: Path) -> None:
    path = write_eegmat(tmp_path)
    content = path.read_bytes()
    place = 256 + 21 * 216 + 5 * 8  # samples per record of the sixth electrode
    assert content[place : place + 3] == b"500"
    path.write_bytes(content[:place] + b"400" + content[place + 3 :])
    assert answer(lambda: read_eegmat(tmp_path, download=False), "Subject00_2.edf") is None


def test_eegmat_with_electrodes_in_another_order_is_put_in_order(tmp_path: Path) -> None:
    counts = noise(3, 21, 2000, scale=300).astype("<i2")
    write_eegmat(tmp_path)
    (tmp_path / "Subject00_1.edf").write_bytes(edf(counts))
    straight = read_eegmat(tmp_path, rate=None, download=False)[0]
    labels = bombs_labels()
    (tmp_path / "Subject00_1.edf").write_bytes(edf(counts[::-1], labels=labels[::-1]))
    np.testing.assert_array_equal(read_eegmat(tmp_path, rate=None, download=False)[0].signal, straight.signal)
    (tmp_path / "Subject00_1.edf").write_bytes(edf(counts, labels=[labels[1], labels[1], *labels[2:]]))
    assert answer(lambda: read_eegmat(tmp_path, download=False), "Subject00_1.edf") is None


def bombs_labels() -> list[str]:
    from attacks import EEGMAT_LABELS

    return EEGMAT_LABELS


def test_cnt_with_electrodes_in_another_order_is_put_in_order(tmp_path: Path) -> None:
    counts = np.random.default_rng(0).integers(-500, 500, (len(CNT_62), 16_000))
    path = write_cnt(tmp_path / "1_1_20180804.cnt", counts)
    straight = [r.signal for r in read_seed_v(tmp_path, rate=None)]
    write_cnt(path, counts[::-1], CNT_62[::-1])
    for ours, before in zip(read_seed_v(tmp_path, rate=None), straight, strict=True):
        np.testing.assert_array_equal(ours.signal, before)
    for change in ({"rate": 500}, {"names": ["CZ", *CNT_62[1:]]}):
        write_cnt(path, counts, **change)  # type: ignore[arg-type]
        assert answer(lambda: read_seed_v(tmp_path, rate=None), path.name) is None


def test_seed_v_features_of_another_content_are_refused(tmp_path: Path) -> None:
    data, labels = seed_v_tables()
    for change in (
        {"data": data | {7: data[7].T}}, {"data": data | {7: data[7] * 1j}}, {"data": data | {7: "x"}},
        {"data": data | {7: np.zeros((0, 310))}, "label": labels | {7: np.zeros(0)}}, {"data": [1, 2]},
        {"label": labels | {7: labels[7] + 0.5}}, {"label": labels | {7: np.full(len(labels[7]), np.nan)}},
        {"label": labels | {7: labels[7][:-1]}}, {"label": labels | {7: None}},
        {"label": labels | {7: [[0.0], [1.0, 2.0]]}}, {"label": labels | {45: labels[7]}}, {"data": data | {"x": 1}},
    ):  # fmt: skip
        write_seed_v_features(tmp_path, **change)
        assert answer(lambda: read_seed_v_features(tmp_path), "1_123.npz") is None, change.keys()


@pytest.mark.parametrize("name", SETS)
def test_a_file_of_another_kind_under_the_name_is_refused(tmp_path: Path, name: str) -> None:
    kind = SETS[name]
    path = kind.write(tmp_path)
    for content in (
        b"",
        b"\0" * 5000,
        b"<html>404 Not Found</html>" * 100,
        b"PK\x03\x04" * 50,
        os.urandom(0) + b"\xff" * 9999,
    ):
        path.write_bytes(content)
        assert answer(lambda: kind.read(tmp_path), path.name) is None
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n")
    assert answer(lambda: kind.read(tmp_path), path.name) is None
